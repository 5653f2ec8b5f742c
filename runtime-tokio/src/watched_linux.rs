//! A connection in tokio's reactor that is told of urgent data as well, so that a short read says something: that
//! nothing more is there, unless there is urgent data. tokio's own connections are not told of it, and need another
//! read, in vain, after each command of a client.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::task::{Context, Poll, ready};

use ftp_driver::sockets;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::registered::Write;

#[derive(Debug)]
pub(crate) struct Watched(AsyncFd<TcpStream>);

/// A listener in tokio's reactor that leaves to others in which reactor its connections are.
#[derive(Debug)]
pub(crate) struct WatchedListener(AsyncFd<TcpListener>);

#[expect(deprecated, reason = "it is for sockets that close the descriptor which they tell, as these do not")]
fn watch<T: AsRawFd>(socket: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(socket, interest)
}

impl WatchedListener {
    pub(crate) fn new(listener: TcpListener) -> io::Result<Self> {
        watch(listener, Interest::READABLE).map(Self)
    }

    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        loop {
            let mut readiness = ready!(self.0.poll_read_ready(cx))?;
            match sockets::accept(self.0.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => readiness.clear_ready(),
                result => return Poll::Ready(result),
            }
        }
    }
}

impl Watched {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        watch(stream, Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY).map(Self)
    }

    pub(crate) fn into_std(self) -> io::Result<TcpStream> {
        Ok(self.0.into_inner())
    }

    pub(crate) fn socket(&self) -> SockRef<'_> {
        SockRef::from(self.0.get_ref())
    }

    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_write_ready(cx).map_ok(drop)
    }

    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut readiness = ready!(self.0.poll_read_ready(cx))?;
            let read = self.0.get_ref().read(buffer);
            match read {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => readiness.clear_ready(),
                Ok(count) if 0 < count && count < buffer.len() && !self.has_urgent_data() => {
                    // Only of what was known before the read; the end of the stream stays known.
                    readiness.clear_ready();
                    return Poll::Ready(Ok(count));
                }
                result => return Poll::Ready(result),
            }
        }
    }

    /// Whether there has been any: that is never forgotten, since it may stand before what has not been read yet.
    fn has_urgent_data(&self) -> bool {
        self.0.try_io(Interest::PRIORITY, |_| Ok(())).is_ok()
    }

    pub(crate) fn poll_write_with(&self, cx: &mut Context<'_>, write: Write<'_>) -> Poll<io::Result<usize>> {
        let socket = self.socket();
        loop {
            let mut readiness = ready!(self.0.poll_write_ready(cx))?;
            match write(&socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => readiness.clear_ready(),
                result => return Poll::Ready(result),
            }
        }
    }
}
