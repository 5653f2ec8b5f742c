//! What the driver needs of an async runtime.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use ftp_fs::Unblock;
use ftp_proto::Instant;
use futures_io::{AsyncRead, AsyncWrite};
use socket2::{SockRef, Socket};

/// An async runtime: seven methods, the last of which is [`Unblock::unblock`].
///
/// There is no `spawn`, no DNS and no channel in it: a session is one future, and who runs it is the caller's
/// business. Nor is there a standard-library socket: adapters for real runtimes make theirs with the functions of
/// [`sockets`](crate::sockets), where every socket option lives once, and a simulation needs no sockets at all.
pub trait Runtime: Unblock {
    /// A TCP connection.
    type Stream: Stream;
    /// A listening TCP socket.
    type Listener: Send + Sync + 'static;
    /// What [`timer`](Self::timer) returns.
    type Timer: Future<Output = ()> + Send + Unpin + 'static;

    /// The present moment, of an epoch that stays the same for the life of the process.
    fn now(&self) -> Instant;

    /// Completes at that moment or somewhat later. The driver compares the clock then, so that early is no harm either.
    fn timer(&self, at: Instant) -> Self::Timer;

    /// Listens for one data connection, made ready by [`sockets::listen_for_data`](crate::sockets::listen_for_data).
    /// Port 0 leaves the choice to the system; the address that was taken comes back.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`] when the port is taken, and whatever else the system says.
    fn listen(&self, address: SocketAddr) -> io::Result<(Self::Listener, SocketAddr)>;

    /// The next connection of a listener, and its peer. Only one task polls a listener.
    ///
    /// # Errors
    /// What `accept` said; the listener can be polled again.
    fn poll_accept(
        &self,
        listener: &Self::Listener,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Self::Stream, SocketAddr)>>;

    /// Connects to `remote` from the address `local`, by [`sockets::connect`](crate::sockets::connect).
    ///
    /// # Errors
    /// Of the returned future: what `connect` said.
    ///
    /// # Cancellation
    /// Dropping the future gives the attempt up.
    fn connect(
        &self,
        local: IpAddr,
        remote: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static;
}

/// A TCP connection of a runtime.
///
/// `poll_close` is to shut down the sending direction only (FIN): the peer may go on sending.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// The socket behind it, for its options and addresses; `None` in a simulation.
    fn socket(&self) -> Option<SockRef<'_>> {
        None
    }

    /// Calls `write` when the socket can be written, again after it has said [`io::ErrorKind::WouldBlock`] and the
    /// socket can be written anew: the door to zero copy.
    ///
    /// # Errors
    /// What `write` says, and [`io::ErrorKind::Unsupported`] when there is no socket.
    fn poll_write_with(
        &mut self,
        cx: &mut Context<'_>,
        write: &mut dyn FnMut(&Socket) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let _ = (cx, write);
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    /// Nobody waits for the connection until it is polled again, while its [`socket`](Self::socket) is used on another
    /// thread: a reactor that would wake somebody for it may forget it so long.
    fn rest(&mut self) {}
}

/// The two ends of a control connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The server's end.
    pub local: SocketAddr,
    /// The client's end.
    pub peer: SocketAddr,
}

/// The way that a client came: its connection, and the socket that it ended in. They are two where a proxy stands in
/// between; addresses alone are those of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Of the client's connection, which may be one to a proxy. Clients are told these, and known by them.
    pub client: Addresses,
    /// Of the socket. Data connections start from its local end and are awaited on it.
    pub socket: Addresses,
}

impl From<Addresses> for Route {
    fn from(addresses: Addresses) -> Self {
        Self { client: addresses, socket: addresses }
    }
}

impl Addresses {
    /// Asks the socket.
    ///
    /// # Errors
    /// What the system says, [`io::ErrorKind::NotConnected`] above all; [`io::ErrorKind::Unsupported`] when there is
    /// no socket.
    pub fn of(stream: &impl Stream) -> io::Result<Self> {
        let socket = stream.socket().ok_or(io::ErrorKind::Unsupported)?;
        let address = |address: socket2::SockAddr| address.as_socket().ok_or(io::ErrorKind::Unsupported);
        Ok(Self { local: address(socket.local_addr()?)?, peer: address(socket.peer_addr()?)? })
    }
}
