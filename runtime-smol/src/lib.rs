//! The Ferry FTP server on smol, and on every other executor.
//!
//! smol's reactor and its pool for blocking work have threads of their own, so that [`SmolRuntime`] works wherever a
//! future is polled: in smol, in async-std, in `block_on` on a plain thread. Sessions cost the least on the threads of
//! [`Workers`], which have reactors of their own. [`Server`] is the common case. Those who
//! accept connections themselves give them to [`ftp_driver::serve_connection`].

#![forbid(unsafe_code)]

#[cfg(unix)]
mod reactor;
#[cfg(not(unix))]
#[path = "reactor_other.rs"]
mod reactor;
mod server;
mod socket;
mod stream;
mod timer;
mod workers;

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time;

use ftp_driver::{Runtime, sockets};
use ftp_fs::Unblock;
use ftp_proto::Instant;

pub use ftp_driver::Handle as ServerHandle;
pub use server::{Server, ServerBuilder};
pub use stream::{SmolListener, SmolStream};
pub use timer::Timer;
pub use workers::Workers;

/// smol, as the driver sees it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SmolRuntime;

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
        SmolStream::new(stream)
    }

    /// Takes a listener over.
    ///
    /// # Errors
    /// What the system says.
    pub fn listener(&self, listener: TcpListener) -> io::Result<SmolListener> {
        SmolListener::new(listener)
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
    type Listener = SmolListener;
    type Timer = Timer;

    fn now(&self) -> Instant {
        Instant::from_epoch(epoch().elapsed())
    }

    fn timer(&self, at: Instant) -> Timer {
        Timer::new(epoch().checked_add(at.since_epoch()))
    }

    fn listen(&self, address: SocketAddr) -> io::Result<(Self::Listener, SocketAddr)> {
        let listener = sockets::listen_for_data(address)?;
        let address = listener.local_addr()?;
        Ok((SmolListener::nonblocking(listener), address))
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
        let connecting = sockets::connect(local, remote).and_then(|stream| self.stream(stream));
        async move {
            let mut stream = connecting?;
            poll_fn(|cx| stream.poll_connected(cx)).await?;
            Ok(stream)
        }
    }
}

fn epoch() -> time::Instant {
    static EPOCH: OnceLock<time::Instant> = OnceLock::new();
    *EPOCH.get_or_init(time::Instant::now)
}
