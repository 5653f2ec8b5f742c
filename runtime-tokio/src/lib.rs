//! The Ferry FTP server on tokio.
//!
//! [`Server`] is the common case. Those who accept connections themselves give them to
//! [`ftp_driver::serve_connection`] with a [`TokioRuntime`].

#![forbid(unsafe_code)]

mod registered;
mod server;
mod stream;
#[cfg_attr(any(target_os = "linux", target_os = "android"), path = "watched_linux.rs")]
#[cfg_attr(not(any(target_os = "linux", target_os = "android")), path = "watched_other.rs")]
mod watched;
mod workers;

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time;

use ftp_driver::{Runtime, sockets};
use ftp_fs::Unblock;
use ftp_proto::Instant;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::Sleep;

pub use ftp_driver::Handle as ServerHandle;
pub use server::{Server, ServerBuilder};
pub use stream::{TokioListener, TokioStream};
pub use workers::Workers;

/// tokio, as the driver sees it: the runtime that this is made for runs blocking work. Sockets and timers are those of the
/// runtime whose thread first waits for them, where that is another. A timer may first be waited for on a thread of the pool
/// for blocking work: so somebody has to drive the runtime that this is made for, as `block_on` does, also while
/// [`Workers`] run the sessions.
#[derive(Clone, Debug)]
pub struct TokioRuntime(Handle);

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
    pub fn stream(&self, stream: TcpStream) -> io::Result<TokioStream> {
        stream.set_nonblocking(true)?;
        Ok(TokioStream::new(stream, self.0.clone()))
    }

    /// Takes a listener over.
    ///
    /// # Errors
    /// What the system says.
    pub fn listener(&self, listener: TcpListener) -> io::Result<TokioListener> {
        listener.set_nonblocking(true)?;
        Ok(TokioListener::new(listener, self.0.clone()))
    }
}

impl From<Handle> for TokioRuntime {
    fn from(handle: Handle) -> Self {
        Self(handle)
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
    type Listener = TokioListener;
    type Timer = Pin<Box<Sleep>>;

    fn now(&self) -> Instant {
        Instant::from_epoch(epoch().elapsed())
    }

    fn timer(&self, at: Instant) -> Self::Timer {
        let _entered = Handle::try_current().is_err().then(|| self.0.enter());
        Box::pin(tokio::time::sleep(at.saturating_since(self.now())))
    }

    fn listen(&self, address: SocketAddr) -> io::Result<(Self::Listener, SocketAddr)> {
        let listener = sockets::listen_for_data(address)?;
        let address = listener.local_addr()?;
        Ok((TokioListener::new(listener, self.0.clone()), address))
    }

    fn poll_accept(
        &self,
        listener: &Self::Listener,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Self::Stream, SocketAddr)>> {
        listener.poll_accept(cx)
    }

    fn connect(
        &self,
        local: IpAddr,
        remote: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
        let connecting = sockets::connect(local, remote).map(|stream| TokioStream::new(stream, self.0.clone()));
        async move {
            let mut stream = connecting?;
            poll_fn(|cx| stream.poll_connected(cx)).await?;
            Ok(stream)
        }
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
