//! The Ferry FTP server on smol, and on every other executor.
//!
//! smol's reactor and its pool for blocking work have threads of their own, so that [`SmolRuntime`] works wherever a
//! future is polled: in smol, in async-std, in `block_on` on a plain thread. [`Server`] is the common case. Those who
//! accept connections themselves give them to [`ftp_driver::serve_connection`].

#![forbid(unsafe_code)]

mod server;

use std::future::Future;
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};
use std::time;

use async_io::Async;
use ftp_driver::{Runtime, Stream, sockets};
use ftp_fs::Unblock;
use ftp_proto::Instant;
use futures_io::{AsyncRead, AsyncWrite};
use socket2::{SockRef, Socket};

pub use ftp_driver::Handle as ServerHandle;
pub use server::{Server, ServerBuilder};

/// smol, as the driver sees it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SmolRuntime;

/// A TCP connection in smol's reactor.
#[derive(Debug)]
pub struct SmolStream(Async<TcpStream>);

/// A timer in smol's reactor.
#[derive(Debug)]
pub struct Timer(async_io::Timer);

impl SmolRuntime {
    /// smol needs nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }

    /// Takes a connection over.
    ///
    /// # Errors
    /// What the system says.
    pub fn stream(&self, stream: TcpStream) -> io::Result<SmolStream> {
        Async::new(stream).map(SmolStream)
    }

    /// Takes a listener over.
    ///
    /// # Errors
    /// What the system says.
    pub fn listener(&self, listener: TcpListener) -> io::Result<Async<TcpListener>> {
        Async::new(listener)
    }
}

impl From<Async<TcpStream>> for SmolStream {
    fn from(stream: Async<TcpStream>) -> Self {
        Self(stream)
    }
}

impl Unblock for SmolRuntime {
    async fn unblock<T, F>(&self, work: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        blocking::unblock(work).await
    }
}

impl Runtime for SmolRuntime {
    type Stream = SmolStream;
    type Listener = Async<TcpListener>;
    type Timer = Timer;

    fn now(&self) -> Instant {
        Instant::from_epoch(epoch().elapsed())
    }

    fn timer(&self, at: Instant) -> Timer {
        // A moment beyond what the clock can hold never comes.
        let timer = epoch().checked_add(at.since_epoch()).map_or_else(async_io::Timer::never, async_io::Timer::at);
        Timer(timer)
    }

    fn listen(&self, address: SocketAddr) -> io::Result<(Self::Listener, SocketAddr)> {
        let listener = self.listener(sockets::listen_for_data(address)?)?;
        let address = listener.get_ref().local_addr()?;
        Ok((listener, address))
    }

    fn poll_accept(
        &self,
        listener: &Self::Listener,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Self::Stream, SocketAddr)>> {
        loop {
            match listener.get_ref().accept() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(listener.poll_readable(cx))?,
                Err(error) => return Poll::Ready(Err(error)),
                Ok((stream, peer)) => return Poll::Ready(self.stream(stream).map(|stream| (stream, peer))),
            }
        }
    }

    fn connect(
        &self,
        local: IpAddr,
        remote: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
        let connecting = sockets::connect(local, remote).and_then(|stream| self.stream(stream));
        async move {
            let stream = connecting?;
            stream.0.writable().await?;
            stream.0.get_ref().take_error()?.map_or(Ok(stream), Err)
        }
    }
}

impl Stream for SmolStream {
    fn socket(&self) -> Option<SockRef<'_>> {
        Some(SockRef::from(self.0.get_ref()))
    }

    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        write: &mut dyn FnMut(&Socket) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let socket = SockRef::from(self.0.get_ref());
        loop {
            match write(&socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.0.poll_writable(cx))?,
                result => return Poll::Ready(result),
            }
        }
    }
}

impl AsyncRead for SmolStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for SmolStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    /// `Async` itself only flushes here.
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.get_ref().shutdown(Shutdown::Write))
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}

fn epoch() -> time::Instant {
    static EPOCH: OnceLock<time::Instant> = OnceLock::new();
    *EPOCH.get_or_init(time::Instant::now)
}
