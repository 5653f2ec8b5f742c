//! A client's end of a connection, in clear or under TLS. It takes one record at a time, so that for every byte it reads
//! it knows when that has left the server.

use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, Write};
use std::pin::Pin;
use std::sync::Arc;

use futures_io::{AsyncRead, AsyncWrite};
use rustls::{ClientConnection, HandshakeKind, ProtocolVersion};

use crate::crypto::NAME;
use crate::net::End;
use crate::runtime::SimStream;
use crate::tickets::ClientTls;

/// The header of a TLS record (RFC 8446 §5.1).
const HEADER: usize = 5;
/// The types of them: of errors and ends, and of handshakes.
pub(crate) const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

pub(crate) struct ClientStream {
    raw: SimStream,
    tls: Option<Box<Tls>>,
    /// How many bytes of the connection have been used.
    used: u64,
    /// Whether a TLS session was offered that the server has to take.
    offered: bool,
}

struct Tls {
    connection: ClientConnection,
    /// What has come and is no whole record yet.
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
}

impl ClientStream {
    pub(crate) fn new(raw: SimStream) -> Self {
        Self { raw, tls: None, used: 0, offered: false }
    }

    pub(crate) fn end(&self) -> End {
        self.raw.end
    }

    pub(crate) fn is_hit(&self) -> bool {
        self.raw.is_hit()
    }

    pub(crate) fn is_secured(&self) -> bool {
        self.tls.is_some()
    }

    /// How many tickets have come; `None` before version 1.3.
    pub(crate) fn tickets(&self) -> Option<u32> {
        let connection = &self.tls.as_ref()?.connection;
        let is_modern = connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        is_modern.then(|| connection.tls13_tickets_received())
    }

    pub(crate) fn has_offered(&self) -> bool {
        self.offered
    }

    /// Whether the TLS session is one from before; `None` without TLS.
    pub(crate) fn is_resumed(&self) -> Option<bool> {
        let kind = self.tls.as_ref()?.connection.handshake_kind()?;
        Some(kind == HandshakeKind::Resumed)
    }

    /// When, in the order of all that leaves the server, the last byte left that was read, but for so many.
    pub(crate) fn left_server(&self, unread: usize) -> u64 {
        let unread = if self.is_secured() { 0 } else { unread as u64 };
        self.raw.world.state().left(self.raw.end, self.used - unread)
    }

    /// When the end of the stream has left, once it has come.
    pub(crate) fn end_left_server(&self) -> u64 {
        let place = if self.is_secured() { self.used } else { u64::MAX };
        self.raw.world.state().left(self.raw.end, place)
    }

    /// Begins TLS; nothing is sent yet.
    pub(crate) fn begin_tls(&mut self, tls: &ClientTls) {
        let name = NAME.try_into().expect("it is a name");
        let connection = ClientConnection::new(Arc::clone(&tls.config), name).expect("it can be used");
        self.offered = tls.tickets.were_offered();
        self.tls = Some(Box::new(Tls { connection, incoming: Vec::new(), outgoing: Vec::new() }));
    }

    /// Carries the connection into TLS.
    pub(crate) async fn secure(&mut self, tls: &ClientTls) -> io::Result<()> {
        self.begin_tls(tls);
        while self.tls.as_ref().is_some_and(|tls| tls.connection.is_handshaking()) {
            self.flush().await?;
            if !self.receive().await? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        self.flush().await
    }

    /// The first bytes of a handshake, taken from it.
    pub(crate) fn first_words(&mut self, tls: &ClientTls) -> Vec<u8> {
        self.begin_tls(tls);
        self.encrypted();
        self.tls.take().map(|tls| tls.outgoing).unwrap_or_default()
    }

    /// Reads; nothing at the end, which under TLS is the server's `close_notify`. Without, the end is an error.
    pub(crate) async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(tls) = &mut self.tls {
            match tls.connection.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return result,
            }
            self.flush().await?;
            self.receive().await?;
        }
        self.read_raw(buffer).await
    }

    /// Reads what is beneath TLS.
    pub(crate) async fn read_raw(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = poll_fn(|cx| Pin::new(&mut self.raw).poll_read(cx, buffer)).await?;
        self.used += count as u64;
        Ok(count)
    }

    /// Reads what the server says to somebody who does not speak TLS where he should: records, and nothing in clear.
    /// `said` has come before.
    pub(crate) async fn read_refusal(&mut self, mut said: Vec<u8>) -> io::Result<()> {
        let mut buffer = [0; 64];
        loop {
            let read = self.read_raw(&mut buffer).await;
            said.extend_from_slice(&buffer[..*read.as_ref().unwrap_or(&0)]);
            let fits = said.first().is_none_or(|first| matches!(*first, ALERT | HANDSHAKE))
                && said.get(1).is_none_or(|next| *next == 3);
            assert!(fits, "the server says {:?} in clear", String::from_utf8_lossy(&said));
            if read? == 0 {
                return Ok(());
            }
        }
    }

    /// Takes the next record into TLS; `false` at the end of the connection.
    async fn receive(&mut self) -> io::Result<bool> {
        loop {
            let Some(tls) = &mut self.tls else { return Ok(false) };
            if let Some(record) = next_record(&mut tls.incoming) {
                self.used += record.len() as u64;
                return tls.take(&record).map(|()| true);
            }
            let mut buffer = [0; 4096];
            let count = poll_fn(|cx| Pin::new(&mut self.raw).poll_read(cx, &mut buffer)).await?;
            if count == 0 {
                // What is left is a part of a record.
                let rest = std::mem::take(&mut tls.incoming);
                tls.take(&rest)?;
                return tls.take(&[]).map(|()| false);
            }
            tls.incoming.extend_from_slice(&buffer[..count]);
        }
    }

    /// Now and then gets new keys, and wants the server to get some, which version 1.3 alone has.
    pub(crate) fn perhaps_refresh(&mut self) {
        if let Some(tls) = &mut self.tls
            && self.raw.world.state().chance.one_in(16)
        {
            let _ = tls.connection.refresh_traffic_keys();
        }
    }

    /// Whoever gives up waiting for it may go on later.
    pub(crate) async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return write_raw(&mut self.raw, bytes).await };
        while !bytes.is_empty() {
            let count = tls.connection.writer().write(bytes)?;
            bytes = &bytes[count..];
            tls.encrypt();
        }
        self.flush().await
    }

    /// Writes all of it but for the last bytes, so that a record is torn.
    pub(crate) async fn write_torn(&mut self, bytes: &[u8], missing: usize) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.connection.writer().write_all(bytes)?;
            tls.encrypt();
            let len = tls.outgoing.len().saturating_sub(missing);
            tls.outgoing.truncate(len);
        }
        self.flush().await
    }

    /// Writes beneath TLS.
    pub(crate) async fn write_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        write_raw(&mut self.raw, bytes).await
    }

    /// Sends the end of the stream as it should be: under TLS `close_notify` comes before it.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.connection.send_close_notify();
        }
        let flushed = self.flush().await;
        self.send_end();
        flushed
    }

    /// Sends the end of the connection, and nothing before it.
    pub(crate) fn send_end(&mut self) {
        self.raw.world.state().send_end(self.raw.end);
    }

    pub(crate) fn reset(&mut self) {
        self.raw.world.state().send_reset(self.raw.end);
    }

    /// Is gone.
    pub(crate) fn close(&mut self) {
        self.raw.world.state().close(self.raw.end);
    }

    fn encrypted(&mut self) {
        self.tls.iter_mut().for_each(|tls| tls.encrypt());
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.encrypted();
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while !tls.outgoing.is_empty() {
            let count = poll_fn(|cx| Pin::new(&mut self.raw).poll_write(cx, &tls.outgoing)).await?;
            tls.outgoing.drain(..count);
        }
        Ok(())
    }
}

impl Tls {
    fn take(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        loop {
            // With no bytes this says that the stream has ended.
            self.connection.read_tls(&mut bytes)?;
            let processed = self.connection.process_new_packets();
            processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            if bytes.is_empty() {
                return Ok(());
            }
        }
    }

    fn encrypt(&mut self) {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut self.outgoing).expect("a vector takes everything");
        }
    }
}

fn next_record(incoming: &mut Vec<u8>) -> Option<Vec<u8>> {
    let header: [u8; HEADER] = *incoming.first_chunk()?;
    let len = HEADER + usize::from(u16::from_be_bytes([header[3], header[4]]));
    (incoming.len() >= len).then(|| incoming.drain(..len).collect())
}

async fn write_raw(raw: &mut SimStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = poll_fn(|cx| Pin::new(&mut *raw).poll_write(cx, bytes)).await?;
        bytes = &bytes[count..];
    }
    Ok(())
}
