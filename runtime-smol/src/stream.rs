//! Connections and listeners as the driver uses them.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use async_io::Async;
use ftp_driver::Stream;
use futures_io::{AsyncRead, AsyncWrite};
use socket2::SockRef;

use crate::socket::{Direction, Socket};

/// A TCP connection.
#[derive(Debug)]
pub struct SmolStream(Socket<TcpStream>);

/// A listening TCP socket.
#[derive(Debug)]
pub struct SmolListener(Mutex<Socket<mio::net::TcpListener>>);

impl SmolStream {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self(Socket::new(stream)))
    }

    /// Ready when the connection stands, or has failed.
    pub(crate) fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_with(Direction::Write, cx, |stream| match (stream.take_error()?, stream.peer_addr()) {
            (Some(error), _) => Err(error),
            (None, Err(error)) if error.kind() == io::ErrorKind::NotConnected => Err(io::ErrorKind::WouldBlock.into()),
            (None, connected) => connected.map(drop),
        })
    }
}

/// The connection stays in smol's reactor.
impl From<Async<TcpStream>> for SmolStream {
    fn from(stream: Async<TcpStream>) -> Self {
        Self(Socket::Smol(stream))
    }
}

impl SmolListener {
    pub(crate) fn new(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self::nonblocking(listener))
    }

    /// Of a listener that is in non-blocking mode.
    pub(crate) fn nonblocking(listener: TcpListener) -> Self {
        // It makes what it accepts non-blocking in the same call of the system.
        Self(Mutex::new(Socket::new(mio::net::TcpListener::from_std(listener))))
    }

    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(SmolStream, SocketAddr)>> {
        let mut socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let accepted = socket.poll_with(Direction::Read, cx, mio::net::TcpListener::accept);
        accepted.map_ok(|(stream, peer)| (SmolStream(Socket::new(stream.into())), peer))
    }
}

impl Stream for SmolStream {
    fn socket(&self) -> Option<SockRef<'_>> {
        self.0.get().map(SockRef::from)
    }

    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        write: &mut dyn FnMut(&socket2::Socket) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.0.poll_with(Direction::Write, cx, |stream| write(&SockRef::from(stream)))
    }

    fn rest(&mut self) {
        self.0.rest();
    }
}

impl AsyncRead for SmolStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let polled = self.0.poll_with(Direction::Read, cx, |mut stream| stream.read(buffer));
        if matches!(polled, Poll::Ready(Ok(count)) if 0 < count && count < buffer.len()) {
            self.0.note_short_read();
        }
        polled
    }
}

impl AsyncWrite for SmolStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_with(Direction::Write, cx, |mut stream| stream.write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_with(Direction::Write, cx, |mut stream| stream.write_vectored(slices))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(
            self.0
                .get()
                .map_or_else(|| Err(io::ErrorKind::NotConnected.into()), |stream| stream.shutdown(Shutdown::Write)),
        )
    }
}
