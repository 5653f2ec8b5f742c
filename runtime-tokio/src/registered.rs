//! A connection that tokio's reactor knows.

use std::io::{self, Read};
use std::net;
use std::task::{Context, Poll, ready};

use socket2::{SockRef, Socket};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::watched::Watched;

/// What writes to a socket, once.
pub(crate) type Write<'a> = &'a mut dyn FnMut(&Socket) -> io::Result<usize>;

#[derive(Debug)]
pub(crate) enum Registered {
    /// It was registered here.
    Made(Watched),
    /// Somebody else did so.
    Given(TcpStream),
}

impl Registered {
    /// # Errors
    /// What the system says.
    ///
    /// # Panics
    /// When there is no runtime whose reactor could have it.
    pub(crate) fn new(stream: net::TcpStream) -> io::Result<Self> {
        Watched::new(stream).map(Self::Made)
    }

    /// As it is when the reactor has forgotten it.
    pub(crate) fn into_std(self) -> io::Result<net::TcpStream> {
        match self {
            Self::Made(stream) => stream.into_std(),
            Self::Given(stream) => stream.into_std(),
        }
    }

    pub(crate) fn socket(&self) -> SockRef<'_> {
        match self {
            Self::Made(stream) => stream.socket(),
            Self::Given(stream) => SockRef::from(stream),
        }
    }

    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Made(stream) => stream.poll_write_ready(cx),
            Self::Given(stream) => stream.poll_write_ready(cx),
        }
    }

    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Made(stream) => stream.poll_read(cx, buffer),
            Self::Given(stream) => poll_read(stream, cx, buffer),
        }
    }

    pub(crate) fn poll_write_with(&self, cx: &mut Context<'_>, write: Write<'_>) -> Poll<io::Result<usize>> {
        let written = match self {
            Self::Made(stream) => stream.poll_write_with(cx, write),
            Self::Given(stream) => poll_write_with(stream, cx, write),
        };
        if written.is_pending() { or_pending(write(&self.socket())) } else { written }
    }
}

/// tokio's own `poll_read` takes a short read for a sign that nothing more is there. In front of urgent data (Telnet's
/// Synch, sent with ABOR) reads are short as well, and what follows would wait for the next packet.
pub(crate) fn poll_read(stream: &TcpStream, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
    let socket = SockRef::from(stream);
    loop {
        ready!(stream.poll_read_ready(cx))?;
        match stream.try_io(Interest::READABLE, || (&*socket).read(buffer)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return Poll::Ready(result),
        }
    }
}

pub(crate) fn poll_write_with(stream: &TcpStream, cx: &mut Context<'_>, write: Write<'_>) -> Poll<io::Result<usize>> {
    let socket = SockRef::from(stream);
    loop {
        ready!(stream.poll_write_ready(cx))?;
        match stream.try_io(Interest::WRITABLE, || write(&socket)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return Poll::Ready(result),
        }
    }
}

/// What came of a write to a socket that was not reported as writable. The system reports that only once a good part of
/// a large buffer is free, which takes a slow client longer than the stall timeout; yet there may be room.
fn or_pending(written: io::Result<usize>) -> Poll<io::Result<usize>> {
    match written {
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Poll::Pending,
        result => Poll::Ready(result),
    }
}
