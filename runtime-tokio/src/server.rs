//! A server on tokio: listeners, and a task for each session.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};

use ftp_driver::{Endpoint, Handle, Service, serve, serve_settling, sockets};

use crate::{TokioListener, TokioRuntime, Workers};

/// Listeners and the service behind them, ready to serve.
#[derive(Debug)]
#[must_use]
pub struct Server {
    runtime: TokioRuntime,
    listeners: Vec<TokioListener>,
    handle: Handle,
}

/// Puts a [`Server`] together.
#[derive(Debug)]
#[must_use]
pub struct ServerBuilder {
    service: Service,
    /// Each with whether TLS comes first there.
    listeners: Vec<(TcpListener, bool)>,
}

impl Server {
    /// A server for this service. It needs at least one address or listener.
    pub fn builder(service: Service) -> ServerBuilder {
        ServerBuilder { service, listeners: Vec::new() }
    }

    /// A server for this service at one address; port 0 leaves the port to the system.
    ///
    /// # Errors
    /// What the system says: above all, that the address is in use, or not one of this machine.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn bind(address: SocketAddr, service: Service) -> io::Result<Self> {
        Self::builder(service).bind(address)?.build()
    }

    /// Where the server listens, with the ports that the system chose.
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        self.handle.local_addrs()
    }

    /// What steers the server while it serves, and tells its addresses.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Serves until the handle says stop and all sessions have ended.
    ///
    /// # Cancellation
    /// Dropping the future closes the listeners; sessions go on in tasks of their own.
    pub fn serve(self) -> impl Future<Output = ()> + Send + 'static {
        let tasks = self.runtime.0.clone();
        serve(self.runtime, self.listeners, self.handle, move |session| drop(tasks.spawn(session)))
    }

    /// The same on threads that are made for it, where sessions cost the least: the accepting runs there, too, and the
    /// returned future only waits for its end. Sessions begin on the thread that accepts them, and [go to the one that has
    /// the fewest](ftp_driver::serve_settling) when they first have more to do than to log in.
    ///
    /// # Panics
    /// When accepting does.
    ///
    /// # Cancellation
    /// Dropping the future changes nothing.
    pub fn serve_by(self, workers: &Workers) -> impl Future<Output = ()> + Send + 'static {
        let (here, there) = (workers.clone(), workers.downgrade());
        let Self { runtime, listeners, handle } = self;
        let begin = move |session| drop(here.spawn_beside(session));
        // Weak, since all sessions have it: the threads end when nobody else has them, whoever is logged in.
        let settle = move |session| {
            if let Some(workers) = there.upgrade() {
                drop(workers.spawn(session));
            }
        };
        let serving = workers.spawn_beside(serve_settling(runtime, listeners, handle, begin, settle));
        // A stop is to find the threads, even if nobody else keeps them.
        let kept = workers.clone();
        async move {
            serving.await.expect("accepting connections does not panic");
            drop(kept);
        }
    }
}

impl ServerBuilder {
    /// Listens on this address, too; port 0 leaves the port to the system. An IPv6 address takes IPv6 alone.
    ///
    /// # Errors
    /// What the system says: above all, that the address is in use, or not one of this machine.
    pub fn bind(self, address: SocketAddr) -> io::Result<Self> {
        Ok(self.listener(sockets::listen_for_control(address)?))
    }

    /// Listens on this address, too, for clients that begin with TLS (implicit FTPS).
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_implicit_tls(self, address: SocketAddr) -> io::Result<Self> {
        Ok(self.listener_implicit_tls(sockets::listen_for_control(address)?))
    }

    /// Uses a listener that somebody else has made, too.
    pub fn listener(mut self, listener: TcpListener) -> Self {
        self.listeners.push((listener, false));
        self
    }

    /// Uses a listener that somebody else has made, too, for clients that begin with TLS (implicit FTPS).
    pub fn listener_implicit_tls(mut self, listener: TcpListener) -> Self {
        self.listeners.push((listener, true));
        self
    }

    /// The server, on the runtime that the caller runs in.
    ///
    /// # Errors
    /// What the system says of a listener.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn build(self) -> io::Result<Server> {
        let runtime = TokioRuntime::current();
        let endpoints = self.listeners.iter().map(endpoint).collect::<io::Result<Vec<_>>>()?;
        let listeners =
            self.listeners.into_iter().map(|(listener, _)| runtime.listener(listener)).collect::<io::Result<_>>()?;
        Ok(Server { handle: Handle::new(&self.service, endpoints), runtime, listeners })
    }
}

fn endpoint((listener, implicit_tls): &(TcpListener, bool)) -> io::Result<Endpoint> {
    Ok(Endpoint { address: listener.local_addr()?, implicit_tls: *implicit_tls })
}
