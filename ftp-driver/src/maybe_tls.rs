//! A connection that is in clear, or under TLS from some moment on.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};
use rustls::HandshakeKind;
use rustls::server::UnbufferedServerConnection;
use socket2::{SockRef, Socket};

use crate::io::{poll_read, poll_write};
use crate::runtime::Stream;
use crate::sockets;
use crate::tls_buffer::COMMAND_STEP;
use crate::tls_connection::TlsConnection;

/// A connection that may be under TLS. Whoever reads and writes need not know.
///
/// Under TLS, the end of the stream is the peer's `close_notify`. If the connection ends without it, reading fails with
/// [`io::ErrorKind::UnexpectedEof`]. `poll_close` sends ours before it shuts the sending direction down.
pub(crate) struct MaybeTls<S> {
    stream: S,
    tls: Option<Box<Tls>>,
}

struct Tls {
    connection: TlsConnection,
    lenient_eof: bool,
    /// How much is received at a time.
    step: usize,
    /// What is outgoing goes with what is written next, or with the end: nobody waits for it. Tickets do, last replies,
    /// and the last bytes of small files.
    can_wait: bool,
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
    pub(crate) fn begin_tls(&mut self, connection: UnbufferedServerConnection, lenient_eof: bool, step: usize) {
        let connection = TlsConnection::new(connection);
        self.tls = Some(Box::new(Tls { connection, lenient_eof, step, can_wait: false }));
    }

    /// Ready when the handshake is done and its last bytes are sent, but for tickets of TLS 1.3.
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
            Some(tls) => tls.poll_handshake_until(TlsConnection::resumes_in_tls13, &mut self.stream, cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Writes what the end follows at once, so that both are sent together where that can be.
    pub(crate) fn poll_write_before_end(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(tls) = &mut self.tls {
            return tls.poll_write(&mut self.stream, cx, bytes, true);
        }
        match self.stream.poll_write_with(cx, &mut |socket| sockets::send_before_end(socket, bytes)) {
            Poll::Ready(Err(error)) if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Interrupted) => {
                poll_write(&mut self.stream, cx, bytes)
            }
            Poll::Ready(Ok(0)) if !bytes.is_empty() => Poll::Ready(Err(ErrorKind::WriteZero.into())),
            written => written,
        }
    }

    /// How the handshake goes; `None` until that is decided, and without TLS.
    pub(crate) fn handshake_kind(&self) -> Option<HandshakeKind> {
        self.tls.as_ref()?.connection.handshake_kind()
    }

    /// What the peer presented in the handshake, in DER; rustls has verified it.
    pub(crate) fn peer_certificate(&self) -> Option<&[u8]> {
        self.tls.as_ref()?.connection.peer_certificate()
    }

    /// Whether something was written that the socket has not taken.
    pub(crate) fn has_unsent(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| !tls.can_wait && tls.connection.has_unsent())
    }

    /// Whether the end can only be sent when the peer has sent more.
    pub(crate) fn is_midway(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_midway())
    }

    /// What is beneath TLS, for those who only wait for its end.
    pub(crate) fn raw(&mut self) -> &mut S {
        &mut self.stream
    }
}

impl Tls {
    fn poll_handshake_until(
        &mut self,
        far_enough: fn(&TlsConnection) -> bool,
        stream: &mut impl Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.connection.is_handshaking() && !far_enough(&self.connection) {
            if let Poll::Ready(Err(error)) = self.poll_send(stream, cx) {
                return Poll::Ready(Err(error));
            }
            if ready!(self.poll_receive(stream, cx))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            self.connection.read(&mut []).or_else(|error| self.tell_why(error, stream, cx))?;
        }
        if self.connection.is_tls13() && !self.connection.is_handshaking() {
            // The client has answered all else.
            self.can_wait = true;
            self.connection.outgoing().settle();
            return Poll::Ready(Ok(()));
        }
        self.poll_send(stream, cx)
    }

    fn poll_read(
        &mut self,
        stream: &mut impl Stream,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let count = self.read(stream, cx, buffer)?;
            if self.step == COMMAND_STEP {
                // The next command may be read when this one is carried out, however long that takes.
                self.connection.incoming().settle();
            }
            if count > 0 || buffer.is_empty() || self.connection.has_ended() {
                return Poll::Ready(Ok(count));
            }
            if ready!(self.poll_receive(stream, cx))? == 0 {
                let end = if self.may_end_here() { Ok(0) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
                return Poll::Ready(end);
            }
        }
    }

    /// Makes what was received into what there is to read.
    fn read(&mut self, stream: &mut impl Stream, cx: &mut Context<'_>, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.connection.read(buffer).or_else(|error| self.tell_why(error, stream, cx))?;
        // The protocol may have asked for an answer. If it does not go now, it goes with what is written next.
        if !self.can_wait
            && let Poll::Ready(Err(error)) = self.poll_send(stream, cx)
        {
            return Err(error);
        }
        Ok(count)
    }

    /// The peer is told what is wrong, if that can be done at once.
    fn tell_why<T>(&mut self, error: io::Error, stream: &mut impl Stream, cx: &mut Context<'_>) -> io::Result<T> {
        let _ = self.poll_send(stream, cx);
        Err(error)
    }

    /// Whether the client has had an answer to its first word in the handshake, and has to give one.
    fn is_midway(&self) -> bool {
        let connection = &self.connection;
        connection.is_handshaking() && connection.handshake_kind().is_some() && !connection.has_failed()
    }

    /// Takes what can be encrypted, and sends what can be sent of it, unless it can wait.
    fn poll_write(
        &mut self,
        stream: &mut impl Stream,
        cx: &mut Context<'_>,
        bytes: &[u8],
        can_wait: bool,
    ) -> Poll<io::Result<usize>> {
        if !self.can_wait {
            ready!(self.poll_send(stream, cx))?;
        }
        let Some(count) = self.connection.write(bytes).or_else(|error| self.tell_why(error, stream, cx))? else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        if can_wait && count == bytes.len() {
            self.can_wait = true;
            return Poll::Ready(Ok(count));
        }
        match self.poll_send(stream, cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(count)),
        }
    }

    fn poll_close(&mut self, stream: &mut impl Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_midway() {
            // Ours is no last word before the client's in the handshake, which may hold itself for secured already. What
            // goes wrong with it is nothing to wait for.
            let _ = ready!(self.poll_handshake_until(|_| false, stream, cx));
        }
        self.connection.close();
        ready!(self.poll_send(stream, cx))?;
        AsyncWrite::poll_close(Pin::new(stream), cx)
    }

    /// Sends all that is encrypted.
    fn poll_send(&mut self, stream: &mut impl Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.can_wait = false;
        let outgoing = self.connection.outgoing();
        while !outgoing.is_empty() {
            match poll_write(stream, cx, outgoing.filled()) {
                Poll::Ready(Ok(count)) => outgoing.discard(count),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    outgoing.settle();
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes in more of what the peer sends; 0 is the end of it.
    fn poll_receive(&mut self, stream: &mut impl Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let incoming = self.connection.incoming();
        let room = incoming.room_to_receive(self.step);
        if room.is_empty() {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a message of the handshake is too long",
            )));
        }
        let received = poll_read(stream, cx, room);
        match &received {
            Poll::Ready(Ok(count)) if *count > 0 => incoming.add(*count),
            _ => incoming.settle(),
        }
        received
    }

    /// Whether a stream that has ended without `close_notify` counts as whole.
    fn may_end_here(&self) -> bool {
        self.lenient_eof && self.connection.is_between_records()
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
            Some(tls) => tls.poll_write(stream, cx, bytes, false),
            None => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, tls } = &mut *self;
        if let Some(tls) = tls
            && !tls.can_wait
        {
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

#[cfg(all(test, any(feature = "tls-aws-lc", feature = "tls-ring")))]
mod tests;
