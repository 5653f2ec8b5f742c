//! The Ferry FTP server on tokio.
//!
//! [`Server`] is the common case. Those who accept connections themselves give them to
//! [`ftp_driver::serve_connection`] with a [`TokioRuntime`].

#![forbid(unsafe_code)]

mod server;

use std::future::Future;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};
use std::time;

use ftp_driver::{Runtime, Stream, sockets};
use ftp_fs::Unblock;
use ftp_proto::Instant;
use futures_io::{AsyncRead, AsyncWrite};
use socket2::{SockRef, Socket};
use tokio::io::{AsyncWrite as _, Interest};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Sleep;

pub use ftp_driver::Handle as ServerHandle;
pub use server::{Server, ServerBuilder};

/// tokio, as the driver sees it.
#[derive(Clone, Debug)]
pub struct TokioRuntime(Handle);

/// A TCP connection of tokio's.
#[derive(Debug)]
pub struct TokioStream(TcpStream);

impl TokioRuntime {
    /// The runtime that the caller runs in.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn current() -> Self {
        Self(Handle::current())
    }

    /// Takes a connection over.
    ///
    /// # Errors
    /// What the system says.
    pub fn stream(&self, stream: std::net::TcpStream) -> io::Result<TokioStream> {
        stream.set_nonblocking(true)?;
        let _entered = self.0.enter();
        TcpStream::from_std(stream).map(TokioStream)
    }

    /// Takes a listener over.
    ///
    /// # Errors
    /// What the system says.
    pub fn listener(&self, listener: std::net::TcpListener) -> io::Result<TcpListener> {
        listener.set_nonblocking(true)?;
        let _entered = self.0.enter();
        TcpListener::from_std(listener)
    }
}

impl From<Handle> for TokioRuntime {
    fn from(handle: Handle) -> Self {
        Self(handle)
    }
}

impl From<TcpStream> for TokioStream {
    fn from(stream: TcpStream) -> Self {
        Self(stream)
    }
}

impl Unblock for TokioRuntime {
    async fn unblock<T, F>(&self, work: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let mut task = AbortOnDrop(self.0.spawn_blocking(work));
        match (&mut task.0).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime shuts down, and with it whoever waits here.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Runtime for TokioRuntime {
    type Stream = TokioStream;
    type Listener = TcpListener;
    type Timer = Pin<Box<Sleep>>;

    fn now(&self) -> Instant {
        Instant::from_epoch(epoch().elapsed())
    }

    fn timer(&self, at: Instant) -> Self::Timer {
        let _entered = self.0.enter();
        Box::pin(tokio::time::sleep(at.saturating_since(self.now())))
    }

    fn listen(&self, address: SocketAddr) -> io::Result<(Self::Listener, SocketAddr)> {
        let listener = self.listener(sockets::listen_for_data(address)?)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }

    fn poll_accept(
        &self,
        listener: &Self::Listener,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Self::Stream, SocketAddr)>> {
        listener.poll_accept(cx).map_ok(|(stream, peer)| (TokioStream(stream), peer))
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
            stream.0.take_error()?.map_or(Ok(stream), Err)
        }
    }
}

impl Stream for TokioStream {
    fn socket(&self) -> Option<SockRef<'_>> {
        Some(SockRef::from(&self.0))
    }

    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        write: &mut dyn FnMut(&Socket) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let socket = SockRef::from(&self.0);
        loop {
            if self.0.poll_write_ready(cx)?.is_pending() {
                return or_pending(write(&socket));
            }
            match self.0.try_io(Interest::WRITABLE, || write(&socket)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }
}

/// tokio's own `poll_read` takes a short read for a sign that nothing more is there. In front of urgent data (Telnet's
/// Synch, sent with ABOR) reads are short as well, and what follows would wait for the next packet.
impl AsyncRead for TokioStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let socket = SockRef::from(&self.0);
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            match self.0.try_io(Interest::READABLE, || (&*socket).read(buffer)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }
}

impl AsyncWrite for TokioStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.0).poll_write(cx, bytes) {
            Poll::Pending => or_pending((&*SockRef::from(&self.0)).write(bytes)),
            ready => ready,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    /// tokio itself calls it a success when the connection is lost already.
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&self.0).shutdown(Shutdown::Write))
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

/// Work that nobody waits for any more need not begin.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn epoch() -> time::Instant {
    static EPOCH: OnceLock<time::Instant> = OnceLock::new();
    *EPOCH.get_or_init(time::Instant::now)
}
