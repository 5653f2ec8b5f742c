//! Systems whose events do not tell urgent data from other: each read that may be the last is followed by another.

use std::io;
use std::net::{self, SocketAddr};
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use crate::registered::{self, Write};

/// A listener in tokio's reactor that leaves to others in which reactor its connections are.
#[derive(Debug)]
pub(crate) struct WatchedListener(TcpListener);

impl WatchedListener {
    pub(crate) fn new(listener: net::TcpListener) -> io::Result<Self> {
        TcpListener::from_std(listener).map(Self)
    }

    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(net::TcpStream, SocketAddr)>> {
        let (stream, peer) = ready!(self.0.poll_accept(cx))?;
        Poll::Ready(stream.into_std().map(|stream| (stream, peer)))
    }
}

#[derive(Debug)]
pub(crate) struct Watched(TcpStream);

impl Watched {
    pub(crate) fn new(stream: net::TcpStream) -> io::Result<Self> {
        TcpStream::from_std(stream).map(Self)
    }

    pub(crate) fn into_std(self) -> io::Result<net::TcpStream> {
        self.0.into_std()
    }

    pub(crate) fn socket(&self) -> SockRef<'_> {
        SockRef::from(&self.0)
    }

    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_write_ready(cx)
    }

    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        registered::poll_read(&self.0, cx, buffer)
    }

    pub(crate) fn poll_write_with(&self, cx: &mut Context<'_>, write: Write<'_>) -> Poll<io::Result<usize>> {
        registered::poll_write_with(&self.0, cx, write)
    }
}
