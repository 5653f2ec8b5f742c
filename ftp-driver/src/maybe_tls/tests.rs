//! TLS over a connection in memory, with rustls as the client.

mod interleavings;

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::sync::Arc;
use std::task::Waker;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

use super::*;
use crate::tls::TlsServer;
use crate::tls_buffer::FILE_STEP;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A connection whose both ends are ours.
#[derive(Default)]
struct Link {
    /// What is on its way to the server; each piece is read by itself.
    coming: VecDeque<Vec<u8>>,
    has_end: bool,
    /// What the server has written.
    written: Vec<u8>,
    writes: usize,
    is_interrupted: bool,
    /// Nothing can be written.
    is_full: bool,
}

impl Stream for Link {}

impl AsyncRead for Link {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let Some(piece) = self.coming.front_mut() else {
            return if self.has_end { Poll::Ready(Ok(0)) } else { Poll::Pending };
        };
        let count = piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&piece[..count]);
        piece.drain(..count);
        if piece.is_empty() {
            self.coming.pop_front();
        }
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Link {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_full {
            return Poll::Pending;
        }
        self.writes += 1;
        if self.is_interrupted && self.writes % 2 == 1 {
            return Poll::Ready(Err(io::ErrorKind::Interrupted.into()));
        }
        self.written.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

struct Pair {
    server: MaybeTls<Link>,
    client: ClientConnection,
}

impl Pair {
    /// In the middle of nothing: no byte has gone.
    fn new(version: &'static SupportedProtocolVersion, lenient_eof: bool) -> Self {
        Self::of(version, lenient_eof, |_| {})
    }

    /// The same with a client that is configured otherwise.
    fn of(
        version: &'static SupportedProtocolVersion,
        lenient_eof: bool,
        change: impl FnOnce(&mut ClientConfig),
    ) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let tls = TlsServer::from_pem(chain.as_bytes(), key.as_bytes()).unwrap().lenient_eof(lenient_eof);
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(TlsServer::crypto_provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        change(&mut config);
        let client = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let mut server = MaybeTls::new(Link::default());
        tls.for_session().begin_control(&mut server).unwrap();
        let connection = server.tls.as_mut().unwrap();
        (connection.lenient_eof, connection.step) = (lenient_eof, FILE_STEP);
        Self { server, client }
    }

    /// After the handshake.
    fn connected(version: &'static SupportedProtocolVersion, lenient_eof: bool) -> Self {
        let mut pair = Self::new(version, lenient_eof);
        pair.shake_hands(usize::MAX);
        pair
    }

    /// Makes the handshake, whose bytes come in pieces of that length.
    fn shake_hands(&mut self, piece: usize) {
        for _ in 0..10 {
            let flight = self.said_by_client();
            self.server.stream.coming.extend(flight.chunks(piece.min(flight.len().max(1))).map(<[u8]>::to_vec));
            let polled = self.server.poll_handshake(&mut cx());
            self.take_by_client().unwrap();
            if let Poll::Ready(result) = polled {
                result.unwrap();
                return;
            }
        }
        panic!("the handshake does not end");
    }

    /// What the client has to send.
    fn said_by_client(&mut self) -> Vec<u8> {
        let mut said = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut said).unwrap();
        }
        said
    }

    /// The client takes in what the server has sent.
    fn take_by_client(&mut self) -> Result<Vec<u8>, rustls::Error> {
        let written = std::mem::take(&mut self.server.stream.written);
        let mut bytes = &written[..];
        let mut plain = Vec::new();
        while !bytes.is_empty() && self.client.read_tls(&mut bytes).unwrap() > 0 {
            self.client.process_new_packets()?;
            let _ = self.client.reader().read_to_end(&mut plain);
        }
        Ok(plain)
    }

    /// The client says that, in records as they come; it is on its way in one piece.
    fn send(&mut self, bytes: &[u8]) {
        self.client.writer().write_all(bytes).unwrap();
        let said = self.said_by_client();
        self.server.stream.coming.push_back(said);
    }

    fn read(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.server).poll_read(&mut cx(), buffer)
    }

    fn write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.server).poll_write(&mut cx(), bytes)
    }

    fn close(&mut self) {
        assert!(matches!(Pin::new(&mut self.server).poll_close(&mut cx()), Poll::Ready(Ok(()))));
    }

    /// Reads in pieces of that length until it ends, has to wait, or fails.
    fn read_all(&mut self, piece: usize) -> (Vec<u8>, Poll<io::Result<()>>) {
        let (mut all, mut buffer) = (Vec::new(), vec![0; piece]);
        loop {
            match self.read(&mut buffer) {
                Poll::Ready(Ok(0)) => return (all, Poll::Ready(Ok(()))),
                Poll::Ready(Ok(count)) => all.extend_from_slice(&buffer[..count]),
                Poll::Ready(Err(error)) => return (all, Poll::Ready(Err(error))),
                Poll::Pending => return (all, Poll::Pending),
            }
        }
    }
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Bytes that tell where they are.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index / 3 % 251) as u8).collect()
}

fn kind(polled: Poll<io::Result<()>>) -> Option<io::ErrorKind> {
    match polled {
        Poll::Ready(Err(error)) => Some(error.kind()),
        _ => None,
    }
}

#[test]
fn a_handshake_and_records_may_be_cut_anywhere() {
    for version in VERSIONS {
        let mut pair = Pair::new(version, false);
        pair.shake_hands(1);
        let said = pattern(40);
        pair.client.writer().write_all(&said).unwrap();
        let record = pair.said_by_client();
        for byte in &record[..record.len() - 1] {
            pair.server.stream.coming.push_back(vec![*byte]);
            assert!(pair.read(&mut [0; 64]).is_pending());
        }
        pair.server.stream.coming.push_back(record[record.len() - 1..].to_vec());
        assert_eq!(pair.read_all(64).0, said);
    }
}

#[test]
fn many_records_come_out_in_order_whatever_they_are_read_into() {
    for version in VERSIONS {
        for piece in [1, 100, 16 * 1024 - 1, 16 * 1024, 20_000, 300_000] {
            let mut pair = Pair::connected(version, false);
            let mut said = Vec::new();
            for len in [1, 16 * 1024, 5, 0, 64 * 1024 - 7, 3, 30_000] {
                let part = pattern(len);
                pair.send(&part);
                said.extend(part);
            }
            let sent: Vec<u8> = pair.server.stream.coming.drain(..).flatten().collect();
            pair.server.stream.coming.push_back(sent);
            let (read, end) = pair.read_all(piece);
            assert!(read == said, "{piece}");
            assert!(end.is_pending());
        }
    }
}

#[test]
fn replies_are_written_while_there_is_more_to_read() {
    for version in VERSIONS {
        let mut pair = Pair::connected(version, false);
        for command in ["one", "two", "three"] {
            pair.send(command.as_bytes());
        }
        let sent: Vec<u8> = pair.server.stream.coming.drain(..).flatten().collect();
        // The last record is on its way.
        pair.server.stream.coming.push_back(sent[..sent.len() - 1].to_vec());
        let mut buffer = [0; 3];
        assert!(matches!(pair.read(&mut buffer), Poll::Ready(Ok(3))));
        assert!(matches!(pair.write(b"first reply"), Poll::Ready(Ok(11))));
        assert_eq!(pair.take_by_client().unwrap(), b"first reply");
        assert_eq!(pair.read_all(3).0, b"two");
        assert!(matches!(pair.write(b"second reply"), Poll::Ready(Ok(12))));
        assert_eq!(pair.take_by_client().unwrap(), b"second reply");
        pair.server.stream.coming.push_back(sent[sent.len() - 1..].to_vec());
        assert_eq!(pair.read_all(100).0, b"three");
    }
}

#[test]
fn nothing_can_be_written_in_the_middle_of_a_handshake_which_goes_on_all_the_same() {
    for version in VERSIONS {
        let mut pair = Pair::of(version, false, |client| client.max_fragment_size = Some(32));
        let hello = pair.said_by_client();
        for record in hello.chunks(32) {
            pair.server.stream.coming.push_back(record.to_vec());
            assert!(pair.server.poll_handshake(&mut cx()).is_pending());
            assert!(matches!(pair.write(b"x"), Poll::Ready(Err(_))));
            let _ = Pin::new(&mut pair.server).poll_close(&mut cx());
        }
        pair.take_by_client().unwrap();
        pair.shake_hands(usize::MAX);
        assert!(matches!(pair.write(b"x"), Poll::Ready(Ok(1))));
        assert_eq!(pair.take_by_client().unwrap(), b"x");
    }
}

#[test]
fn replies_are_written_in_the_middle_of_a_key_update() {
    let mut pair = Pair::connected(&TLS13, false);
    pair.client.refresh_traffic_keys().unwrap();
    let update = pair.said_by_client();
    for byte in update {
        pair.server.stream.coming.push_back(vec![byte]);
        assert!(pair.read(&mut [0; 64]).is_pending());
        assert!(matches!(pair.write(b"x"), Poll::Ready(Ok(1))));
        assert_eq!(pair.take_by_client().unwrap(), b"x");
    }
    pair.send(b"under new keys");
    assert_eq!(pair.read_all(64).0, b"under new keys");
}

#[test]
fn commands_that_have_to_wait_are_left_where_they_take_no_memory() {
    for version in VERSIONS {
        let mut pair = Pair::connected(version, false);
        pair.server.tls.as_mut().unwrap().step = COMMAND_STEP;
        let mut said = Vec::new();
        for _ in 0..3000 {
            pair.send(b"NOOP\r\n");
            said.extend(b"NOOP\r\n");
        }
        let sent: Vec<u8> = pair.server.stream.coming.drain(..).flatten().collect();
        pair.server.stream.coming.push_back(sent);
        let mut heard = vec![0; 6];
        assert!(matches!(pair.read(&mut heard), Poll::Ready(Ok(6))));
        assert!(pair.server.tls.as_mut().unwrap().connection.incoming().memory() <= COMMAND_STEP);
        assert!(matches!(pair.write(b"reply"), Poll::Ready(Ok(5))));
        heard.extend(pair.read_all(4096).0);
        assert!(heard == said);
    }
}

#[test]
fn keys_are_changed_in_the_middle_of_an_upload() {
    let mut pair = Pair::connected(&TLS13, false);
    let part = pattern(50_000);
    for _ in 0..3 {
        pair.send(&part);
        pair.client.refresh_traffic_keys().unwrap();
    }
    pair.send(&part);
    pair.client.send_close_notify();
    let last = pair.said_by_client();
    pair.server.stream.coming.push_back(last);
    let (read, end) = pair.read_all(70_000);
    assert!(read == part.repeat(4));
    assert!(matches!(end, Poll::Ready(Ok(()))));
    // The answer goes with our last word, and before it.
    pair.close();
    pair.take_by_client().unwrap();
    assert_eq!(pair.client.reader().read(&mut [0]).unwrap(), 0);
}

#[test]
fn the_end_is_the_close_notify_and_nothing_behind_it_is_read() {
    for version in VERSIONS {
        let mut pair = Pair::connected(version, false);
        pair.send(b"last words");
        pair.client.send_close_notify();
        let mut last = pair.said_by_client();
        last.extend_from_slice(b"and what is no TLS");
        pair.server.stream.coming.push_back(last);
        pair.server.stream.coming.push_back(vec![0; 100]);
        let (read, end) = pair.read_all(64);
        assert_eq!(read, b"last words");
        assert!(matches!(end, Poll::Ready(Ok(()))));
        assert!(matches!(pair.read(&mut [0; 64]), Poll::Ready(Ok(0))));
        assert_eq!(pair.server.stream.coming.len(), 1);
        assert!(matches!(pair.write(b"reply"), Poll::Ready(Ok(5))), "the other way is open");
        assert_eq!(pair.take_by_client().unwrap(), b"reply");
    }
}

#[test]
fn without_it_only_the_lenient_have_an_end_and_only_between_records() {
    for version in VERSIONS {
        let len = {
            let mut pair = Pair::connected(version, true);
            pair.client.writer().write_all(b"whole").unwrap();
            pair.said_by_client().len()
        };
        for cut in 0..=len {
            for lenient in [false, true] {
                let mut pair = Pair::connected(version, lenient);
                pair.client.writer().write_all(b"whole").unwrap();
                let record = pair.said_by_client();
                pair.server.stream.coming.extend((cut > 0).then(|| record[..cut].to_vec()));
                pair.server.stream.has_end = true;
                let (read, end) = pair.read_all(64);
                assert_eq!(read == b"whole", cut == len);
                let is_whole = lenient && (cut == 0 || cut == len);
                assert_eq!(kind(end), (!is_whole).then_some(io::ErrorKind::UnexpectedEof), "{cut} {lenient}");
            }
        }
    }
}

#[test]
fn a_peer_that_breaks_the_protocol_is_told_once_and_what_came_whole_is_read() {
    for version in VERSIONS {
        let mut pair = Pair::connected(version, true);
        pair.send(b"whole");
        pair.client.writer().write_all(b"broken").unwrap();
        let mut record = pair.said_by_client();
        *record.last_mut().unwrap() ^= 1;
        pair.server.stream.coming.push_back(record);
        let sent: Vec<u8> = pair.server.stream.coming.drain(..).flatten().collect();
        pair.server.stream.coming.push_back(sent);
        let (read, end) = pair.read_all(64);
        assert_eq!(read, b"whole");
        assert_eq!(kind(end), Some(io::ErrorKind::InvalidData));
        let alert = rustls::Error::AlertReceived(AlertDescription::BadRecordMac);
        assert_eq!(pair.take_by_client().unwrap_err(), alert);
        assert_eq!(kind(pair.read_all(64).1), Some(io::ErrorKind::InvalidData), "it stays broken");
        assert!(matches!(pair.write(b"reply"), Poll::Ready(Err(_))));
        pair.close();
        assert!(pair.server.stream.written.is_empty(), "no last word after an alert");
    }
}

#[test]
fn a_peer_is_told_what_is_wrong_when_that_is_found_while_something_is_written() {
    for version in VERSIONS {
        let mut pair = Pair::connected(version, true);
        pair.send(b"command");
        pair.client.writer().write_all(b"broken").unwrap();
        let mut record = pair.said_by_client();
        *record.last_mut().unwrap() ^= 1;
        pair.server.stream.coming[0].extend(record);
        assert!(matches!(pair.read(&mut [0; 7]), Poll::Ready(Ok(7))));
        assert!(matches!(pair.write(b"reply"), Poll::Ready(Err(_))));
        let alert = rustls::Error::AlertReceived(AlertDescription::BadRecordMac);
        assert_eq!(pair.take_by_client().unwrap_err(), alert);
    }
}

#[test]
fn what_is_no_tls_is_answered_by_an_alert() {
    let mut pair = Pair::new(&TLS13, true);
    pair.server.stream.coming.push_back(b"USER anonymous\r\n".to_vec());
    let Poll::Ready(Err(error)) = pair.server.poll_handshake(&mut cx()) else { panic!("it goes on") };
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    let written = &pair.server.stream.written;
    assert_eq!((written.len(), written[0]), (7, 21));
}

#[test]
fn the_alert_of_the_client_is_an_error() {
    for version in VERSIONS {
        let mut pair = Pair::connected(version, true);
        // The client comes upon what it cannot read, and says so.
        assert!(matches!(pair.write(b"reply"), Poll::Ready(Ok(5))));
        *pair.server.stream.written.last_mut().unwrap() ^= 1;
        pair.take_by_client().unwrap_err();
        let alert = pair.said_by_client();
        pair.server.stream.coming.push_back(alert);
        assert_eq!(kind(pair.read_all(64).1), Some(io::ErrorKind::InvalidData));
    }
}

/// Whoever heard of it would write again what TLS has taken already.
#[test]
fn interrupted_writes_beneath_tls_are_tried_again() {
    let mut pair = Pair::connected(&TLS13, false);
    pair.server.stream.is_interrupted = true;
    assert!(matches!(pair.write(b"record"), Poll::Ready(Ok(6))));
    assert_eq!(pair.take_by_client().unwrap(), b"record");
}

#[test]
fn what_was_taken_is_sent_when_it_can_be_and_no_more_is_taken_before() {
    for version in VERSIONS {
        let mut pair = Pair::connected(version, false);
        let said = pattern(100_000);
        pair.server.stream.is_full = true;
        let Poll::Ready(Ok(first)) = pair.write(&said) else { panic!("nothing is taken") };
        assert_eq!(first, 64 * 1024);
        assert!(pair.server.has_unsent());
        assert!(pair.write(&said[first..]).is_pending());
        pair.server.stream.is_full = false;
        let writes = pair.server.stream.writes;
        assert!(matches!(pair.write(&said[first..]), Poll::Ready(Ok(count)) if first + count == said.len()));
        assert_eq!(pair.server.stream.writes - writes, 2);
        assert!(!pair.server.has_unsent());
        assert!(pair.take_by_client().unwrap() == said);
    }
}

#[test]
fn the_last_word_is_said_once() {
    for version in VERSIONS {
        let mut pair = Pair::connected(version, false);
        pair.close();
        let written = pair.server.stream.written.len();
        pair.close();
        assert_eq!(pair.server.stream.written.len(), written);
        pair.take_by_client().unwrap();
        assert_eq!(pair.client.reader().read(&mut [0]).unwrap(), 0);
    }
}

#[test]
fn tickets_of_tls13_go_with_what_is_written_next() {
    let mut pair = Pair::connected(&TLS13, false);
    assert!(!pair.server.has_unsent(), "nobody has to hurry");
    assert!(pair.server.stream.written.is_empty());
    let writes = pair.server.stream.writes;
    pair.send(b"command");
    assert_eq!(pair.read_all(64).0, b"command");
    assert_eq!((pair.server.stream.writes, pair.client.tls13_tickets_received()), (writes, 0));
    assert!(matches!(pair.write(b"reply"), Poll::Ready(Ok(5))));
    assert_eq!(pair.take_by_client().unwrap(), b"reply");
    assert_eq!((pair.server.stream.writes, pair.client.tls13_tickets_received()), (writes + 1, 2));
}

#[test]
fn tickets_of_tls13_go_before_the_end() {
    let mut pair = Pair::connected(&TLS13, false);
    pair.close();
    pair.take_by_client().unwrap();
    assert_eq!(pair.client.tls13_tickets_received(), 2);
    assert_eq!(pair.client.reader().read(&mut [0]).unwrap(), 0);
}

/// It holds itself for connected, and would take an end without a last word for a cut one.
#[test]
fn a_client_that_has_made_the_handshake_gets_the_last_word_of_a_server_that_has_not() {
    for version in VERSIONS {
        let mut pair = Pair::new(version, false);
        while pair.client.is_handshaking() {
            assert!(!pair.server.is_midway() || Pin::new(&mut pair.server).poll_close(&mut cx()).is_pending());
            let flight = pair.said_by_client();
            pair.server.stream.coming.push_back(flight);
            let _ = pair.server.poll_handshake(&mut cx());
            pair.take_by_client().unwrap();
        }
        let last = pair.said_by_client();
        pair.server.stream.coming.extend((!last.is_empty()).then_some(last));
        pair.close();
        pair.take_by_client().unwrap();
        assert_eq!(pair.client.reader().read(&mut [0]).unwrap(), 0);
        assert!(!pair.server.is_midway());
    }
}

#[test]
fn the_end_does_not_wait_for_a_client_that_is_gone_or_says_nothing_right() {
    for last in [None, Some(b"QUIT\r\n".to_vec())] {
        let mut pair = Pair::new(&TLS13, false);
        let hello = pair.said_by_client();
        pair.server.stream.coming.push_back(hello);
        assert!(pair.server.poll_handshake(&mut cx()).is_pending());
        assert!(Pin::new(&mut pair.server).poll_close(&mut cx()).is_pending());
        pair.server.stream.has_end = last.is_none();
        pair.server.stream.coming.extend(last);
        pair.close();
        pair.close();
    }
}

#[test]
fn the_last_reply_is_sent_with_the_last_word() {
    for version in VERSIONS {
        let mut pair = Pair::connected(version, false);
        let writes = pair.server.stream.writes;
        assert!(matches!(pair.server.poll_write_before_end(&mut cx(), b"221 Bye"), Poll::Ready(Ok(7))));
        assert!(!pair.server.has_unsent(), "the end is not to be waited for");
        assert!(crate::io::poll_finish_sending(&mut pair.server, &mut cx()).is_ready());
        assert_eq!(pair.server.stream.writes, writes + 1);
        assert_eq!(pair.take_by_client().unwrap(), b"221 Bye");
        assert_eq!(pair.client.reader().read(&mut [0]).unwrap(), 0);
    }
}
