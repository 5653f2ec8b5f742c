//! A server in a thread of its own, stopped when dropped.

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ftp_driver::{Handle, Service, ServiceBuilder, sockets};
use ftp_fs::{Credential, MemoryFs, NewUser, Storage, VirtualUsers};
use ftp_types::{Permissions, Secret};

use crate::client::Client;

/// Starts a server on one of the runtimes.
pub(crate) type Start = fn(Service) -> Server;

pub(crate) struct Server {
    pub(crate) handle: Handle,
    thread: Option<JoinHandle<()>>,
}

/// A user `alice` with the password `secret`, who may do everything in this storage.
pub(crate) fn service(storage: Storage) -> ServiceBuilder {
    let users = VirtualUsers::new();
    let alice = NewUser::new("alice".parse().unwrap(), Credential::Plain(Secret::new(b"secret")), storage);
    users.add(alice.permissions(Permissions::ALL)).map(drop).unwrap();
    Service::builder(users)
}

/// The same in memory.
pub(crate) fn in_memory() -> ServiceBuilder {
    service(Storage::blocking(MemoryFs::new()))
}

pub(crate) fn on_tokio(service: Service) -> Server {
    Server::start(move |tell| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let server = tokio_server(service);
            tell.send(server.handle()).unwrap();
            server.serve().await;
        });
        runtime.shutdown_timeout(Duration::from_secs(5));
    })
}

pub(crate) fn on_smol(service: Service) -> Server {
    Server::start(move |tell| {
        let server = smol_server(service);
        tell.send(server.handle()).unwrap();
        async_io::block_on(server.serve());
    })
}

pub(crate) fn on_tokio_workers(service: Service) -> Server {
    Server::start(move |tell| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let workers = ftp_runtime_tokio::Workers::start(2).unwrap();
            let server = tokio_server(service);
            tell.send(server.handle()).unwrap();
            server.serve_by(&workers).await;
        });
    })
}

pub(crate) fn on_smol_workers(service: Service) -> Server {
    Server::start(move |tell| {
        let workers = ftp_runtime_smol::Workers::start(2).unwrap();
        let server = smol_server(service);
        tell.send(server.handle()).unwrap();
        async_io::block_on(server.serve_by(&workers));
    })
}

fn tokio_server(service: Service) -> ftp_runtime_tokio::Server {
    let listeners = listeners().into_iter();
    let server =
        listeners.fold(ftp_runtime_tokio::Server::builder(service), |server, listener| server.listener(listener));
    server.bind_implicit_tls(any_port()).unwrap().build().unwrap()
}

fn smol_server(service: Service) -> ftp_runtime_smol::Server {
    let listeners = listeners().into_iter();
    let server =
        listeners.fold(ftp_runtime_smol::Server::builder(service), |server, listener| server.listener(listener));
    server.bind_implicit_tls(any_port()).unwrap().build().unwrap()
}

impl Server {
    fn start(run: impl FnOnce(mpsc::Sender<Handle>) + Send + 'static) -> Self {
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || run(tell));
        Self { handle: told.recv().unwrap(), thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.handle.local_addrs()[0]
    }

    /// Where TLS comes first.
    pub(crate) fn implicit_tls_address(&self) -> SocketAddr {
        *self.handle.local_addrs().last().unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address())
    }

    pub(crate) fn logged_in(&self) -> Client {
        let mut client = self.client();
        client.login();
        client
    }

    /// Waits for the server's own end.
    pub(crate) fn join(&mut self) {
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.handle.shutdown_now();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the server panicked");
        }
    }
}

pub(crate) fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// Any port of IPv4, and of IPv6 where the machine has it, of another address, and of both families at once.
fn listeners() -> Vec<TcpListener> {
    let ipv4 = sockets::listen_for_control(any_port()).unwrap();
    let others = ["[::1]:0", "127.0.0.2:0"].map(|address| sockets::listen_for_control(address.parse().unwrap()));
    std::iter::once(ipv4).chain(others.into_iter().flatten()).chain(listen_for_both()).collect()
}

/// What an embedder may bring: a listener of IPv6 that takes IPv4 as well.
fn listen_for_both() -> std::io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::STREAM, None)?;
    socket.set_only_v6(false)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from(([0; 16], 0)).into())?;
    socket.listen(16)?;
    Ok(socket.into())
}
