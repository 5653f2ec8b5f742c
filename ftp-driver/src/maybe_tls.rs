//! A connection that is in clear, or under TLS from some moment on.

use std::io::{self, IoSlice, Read, Write};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};
use rustls::{HandshakeKind, ProtocolVersion, ServerConnection};
use socket2::{SockRef, Socket};

use crate::io::{poll_read, poll_write, poll_write_vectored};
use crate::runtime::Stream;

/// How much is read from the socket at a time, onto the stack.
const READ: usize = 16 * 1024;
/// No more is decrypted while so much of it waits to be read; rustls takes nothing more beyond that.
const DECRYPTED: usize = 16 * 1024;
/// How much is encrypted ahead of what the socket takes.
const ENCRYPTED: usize = 64 * 1024;

/// A connection that may be under TLS. Whoever reads and writes need not know.
///
/// Under TLS, the end of the stream is the peer's `close_notify`. If the connection ends without it, reading fails with
/// [`io::ErrorKind::UnexpectedEof`]. `poll_close` sends ours before it shuts the sending direction down.
pub(crate) struct MaybeTls<S> {
    stream: S,
    tls: Option<Box<Tls>>,
}

struct Tls {
    connection: ServerConnection,
    /// What was read from the socket and waits until more may be decrypted.
    waiting: Vec<u8>,
    records: Records,
    lenient_eof: bool,
}

impl<S> MaybeTls<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, tls: None }
    }

    pub(crate) fn is_under_tls(&self) -> bool {
        self.tls.is_some()
    }
}

impl<S: Stream> MaybeTls<S> {
    /// From here on everything goes through TLS, whose handshake comes first.
    pub(crate) fn begin_tls(&mut self, mut connection: ServerConnection, lenient_eof: bool) {
        connection.set_buffer_limit(Some(ENCRYPTED));
        let tls = Tls { connection, waiting: Vec::new(), records: Records::default(), lenient_eof };
        self.tls = Some(Box::new(tls));
    }

    /// Ready when the handshake is done and its last bytes are sent.
    pub(crate) fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.tls {
            Some(tls) => tls.poll_handshake_until(|_| false, &mut self.stream, cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Ready when nothing is missing from a handshake that resumes a session in TLS 1.3 but the client's last word,
    /// which the client waits for no answer to; at the end of any other handshake.
    pub(crate) fn poll_handshake_to_last_word(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.tls {
            Some(tls) => tls.poll_handshake_until(Tls::is_last_word_missing, &mut self.stream, cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// How the handshake goes; `None` until that is decided, and without TLS.
    pub(crate) fn handshake_kind(&self) -> Option<HandshakeKind> {
        self.tls.as_ref()?.connection.handshake_kind()
    }

    /// What the peer presented in the handshake, in DER; rustls has verified it.
    pub(crate) fn peer_certificate(&self) -> Option<&[u8]> {
        self.tls.as_ref()?.connection.peer_certificates()?.first().map(|certificate| certificate.as_ref())
    }

    /// Whether something was written that the socket has not taken.
    pub(crate) fn has_unsent(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.connection.wants_write())
    }

    /// What is beneath TLS, for those who only wait for its end.
    pub(crate) fn raw(&mut self) -> &mut S {
        &mut self.stream
    }
}

impl Tls {
    fn poll_handshake_until(
        &mut self,
        far_enough: fn(&Self) -> bool,
        stream: &mut impl Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.connection.is_handshaking() && !far_enough(self) {
            if let Poll::Ready(Err(error)) = self.poll_send(stream, cx) {
                return Poll::Ready(Err(error));
            }
            if ready!(self.poll_receive(stream, cx))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        self.poll_send(stream, cx)
    }

    fn is_last_word_missing(&self) -> bool {
        self.connection.protocol_version() == Some(ProtocolVersion::TLSv1_3)
            && self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    fn poll_read(
        &mut self,
        stream: &mut impl Stream,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.connection.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && self.may_end_here() => {
                    return Poll::Ready(Ok(0));
                }
                result => return Poll::Ready(result),
            }
            ready!(self.poll_receive(stream, cx))?;
            // The protocol may have asked for an answer. If it does not go now, it goes with what is written next.
            if let Poll::Ready(Err(error)) = self.poll_send(stream, cx) {
                return Poll::Ready(Err(error));
            }
        }
    }

    /// Takes what can be encrypted, and sends what can be sent of it.
    fn poll_write(&mut self, stream: &mut impl Stream, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(stream, cx))?;
        let count = self.connection.writer().write(bytes)?;
        match self.poll_send(stream, cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(count)),
        }
    }

    fn poll_close(&mut self, stream: &mut impl Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Told once, however often it is asked; not after a fatal alert.
        self.connection.send_close_notify();
        ready!(self.poll_send(stream, cx))?;
        AsyncWrite::poll_close(Pin::new(stream), cx)
    }

    /// Sends all that is encrypted.
    fn poll_send(&mut self, stream: &mut impl Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut Sending { stream, cx }) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Brings rustls more of what the peer sent; 0 is the end of it.
    fn poll_receive(&mut self, stream: &mut impl Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let taken = if self.waiting.is_empty() {
            let mut buffer = [0; READ];
            let count = ready!(poll_read(stream, cx, &mut buffer))?;
            self.records.pass(&buffer[..count]);
            self.take(&buffer[..count]).map(|()| count)
        } else {
            let waiting = mem::take(&mut self.waiting);
            self.take(&waiting).map(|()| waiting.len())
        };
        if taken.is_err() {
            // The peer is told why, if that can be done at once.
            let _ = self.poll_send(stream, cx);
        }
        Poll::Ready(taken)
    }

    fn take(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        loop {
            // With no bytes this says that the stream has ended.
            let count = self.connection.read_tls(&mut bytes)?;
            let state = self.connection.process_new_packets().map_err(invalid)?;
            // What comes behind `close_notify` is nobody's.
            if count == 0 || bytes.is_empty() || state.peer_has_closed() {
                return Ok(());
            }
            if state.plaintext_bytes_to_read() > DECRYPTED {
                self.waiting = bytes.to_vec();
                return Ok(());
            }
        }
    }

    /// Whether a stream that has ended without `close_notify` counts as whole.
    fn may_end_here(&self) -> bool {
        self.lenient_eof && self.records.is_between()
    }
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// A stream as rustls writes to it.
struct Sending<'a, 'b, S> {
    stream: &'a mut S,
    cx: &'a mut Context<'b>,
}

impl<S: Stream> Write for Sending<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        or_would_block(poll_write(self.stream, self.cx, bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        or_would_block(poll_write_vectored(self.stream, self.cx, slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn or_would_block<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// Where in the sequence of TLS records a stream is: each is a header of five bytes, whose last two are the length of
/// what follows (RFC 8446 §5.1).
#[derive(Debug, Default)]
struct Records {
    header: [u8; 5],
    header_filled: usize,
    body_left: usize,
}

impl Records {
    fn pass(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.body_left > 0 {
                let passed = self.body_left.min(bytes.len());
                self.body_left -= passed;
                bytes = &bytes[passed..];
                continue;
            }
            self.header[self.header_filled] = *first;
            self.header_filled += 1;
            bytes = rest;
            if self.header_filled == self.header.len() {
                self.header_filled = 0;
                self.body_left = usize::from(u16::from_be_bytes([self.header[3], self.header[4]]));
            }
        }
    }

    fn is_between(&self) -> bool {
        self.header_filled == 0 && self.body_left == 0
    }
}

impl<S: Stream> Stream for MaybeTls<S> {
    fn socket(&self) -> Option<SockRef<'_>> {
        self.stream.socket()
    }

    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        write: &mut dyn FnMut(&Socket) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        match self.tls {
            Some(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
            None => self.stream.poll_write_with(cx, write),
        }
    }

    fn rest(&mut self) {
        self.stream.rest();
    }
}

impl<S: Stream> AsyncRead for MaybeTls<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let Self { stream, tls } = &mut *self;
        match tls {
            Some(tls) => tls.poll_read(stream, cx, buffer),
            None => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl<S: Stream> AsyncWrite for MaybeTls<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, tls } = &mut *self;
        match tls {
            Some(tls) => tls.poll_write(stream, cx, bytes),
            None => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, tls } = &mut *self;
        if let Some(tls) = tls {
            ready!(tls.poll_send(stream, cx))?;
        }
        Pin::new(stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, tls } = &mut *self;
        match tls {
            Some(tls) => tls.poll_close(stream, cx),
            None => Pin::new(stream).poll_close(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that is interrupted at every other call.
    #[derive(Default)]
    struct Interrupted {
        calls: usize,
        written: Vec<u8>,
    }

    impl Stream for Interrupted {}

    impl AsyncRead for Interrupted {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Interrupted {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.calls += 1;
            if self.calls % 2 == 1 {
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

    /// Whoever heard of it would write again what TLS has taken already.
    #[test]
    fn interrupted_writes_beneath_tls_are_tried_again() {
        let mut stream = Interrupted::default();
        let mut sending = Sending { stream: &mut stream, cx: &mut Context::from_waker(std::task::Waker::noop()) };
        assert_eq!(sending.write_vectored(&[IoSlice::new(b"record")]).unwrap(), 6);
        assert_eq!(sending.write(b"record").unwrap(), 6);
        assert_eq!(stream.written, b"recordrecord");
    }

    #[test]
    fn records_are_followed_however_they_are_cut() {
        let stream = [&[23, 3, 3, 0, 2, 7, 7][..], &[21, 3, 3, 0, 0], &[23, 3, 3, 1, 0], &[9; 256]].concat();
        let borders = [0, 7, 12, 273];
        for cut in 0..=stream.len() {
            let mut records = Records::default();
            records.pass(&stream[..cut]);
            assert_eq!(records.is_between(), borders.contains(&cut), "{cut}");
            for byte in &stream[cut..] {
                records.pass(&[*byte]);
            }
            assert!(records.is_between());
        }
    }
}
