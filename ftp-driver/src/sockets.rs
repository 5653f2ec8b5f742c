//! Sockets and their options, every one of them set here and nowhere else.

#[cfg(target_os = "linux")]
#[path = "any_port.rs"]
mod any_port;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::ops::RangeInclusive;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::runtime::Stream;

/// Connections that may wait at a control listener.
const CONTROL_BACKLOG: i32 = 1024;
/// Connections that may wait at a data listener: the client's, and a few of strangers before it.
const DATA_BACKLOG: i32 = 16;

/// A listener for control connections, in non-blocking mode. One on an IPv6 address takes IPv6 alone, so that the same
/// port can be bound for both.
///
/// # Errors
/// What the system says.
pub fn listen_for_control(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = unbound_socket(address)?;
    socket.bind(&address.into())?;
    // Accepted sockets inherit it, so that not even the first urgent byte is lost.
    socket.set_out_of_band_inline(true)?;
    socket.listen(CONTROL_BACKLOG)?;
    Ok(socket.into())
}

/// A listener for one data connection, in non-blocking mode. Port 0 stands for any, as the system's settings have it.
///
/// # Errors
/// What the system says.
pub fn listen_for_data(address: SocketAddr) -> io::Result<TcpListener> {
    #[cfg(target_os = "linux")]
    if address.port() == 0 {
        return any_port::listen(|port| bind_and_listen(with_port(address, port)));
    }
    bind_and_listen(address)
}

/// The system may let two sockets be bound to the same port as long as neither listens. The second to listen hears of
/// it only then, and stays bound.
fn bind_and_listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = unbound_socket(address)?;
    socket.bind(&address.into())?;
    socket.listen(DATA_BACKLOG)?;
    Ok(socket.into())
}

#[cfg(target_os = "linux")]
fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

/// Takes the next connection of a listener, in non-blocking mode.
///
/// # Errors
/// What the system says; [`io::ErrorKind::WouldBlock`] when there is none.
pub fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return accept_at_once(listener);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    listener.accept().and_then(|(stream, peer)| stream.set_nonblocking(true).map(|()| (stream, peer)))
}

/// In one call.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn accept_at_once(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    use rustix::net::{SocketFlags, acceptfrom_with};

    let (stream, peer) = acceptfrom_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
    let peer = peer.ok_or(io::ErrorKind::ConnectionAborted)?;
    Ok((stream.into(), peer.try_into().map_err(io::Error::from)?))
}

/// Begins to connect from the address `local` to `remote`. The connection stands, or has failed, when the returned
/// socket can be written; its `take_error` tells which.
///
/// # Errors
/// What the system says at once.
pub fn connect(local: IpAddr, remote: SocketAddr) -> io::Result<TcpStream> {
    let socket = stream_socket(remote)?;
    if local.is_ipv4() == remote.is_ipv4() && !local.is_unspecified() {
        let scope = if let SocketAddr::V6(remote) = remote { remote.scope_id() } else { 0 };
        socket.bind(&with_scope(SocketAddr::new(local, 0), scope).into())?;
    }
    match socket.connect(&SockAddr::from(remote)) {
        Err(error) if !is_in_progress(&error) => Err(error),
        _ => Ok(socket.into()),
    }
}

/// Sets what control connections need: urgent data stays in its place among the rest (Telnet's Synch, RFC 959 §4.1.3),
/// and with `no_delay` no reply waits for the acknowledgement of an earlier one.
pub(crate) fn prepare_control(stream: &impl Stream, no_delay: bool) {
    if let Some(socket) = stream.socket() {
        // A socket whose peer is gone already refuses; reading from it will tell.
        let _ = socket.set_out_of_band_inline(true);
        let _ = socket.set_tcp_nodelay(no_delay);
    }
}

/// Sets what data connections need. `false`: the peer has reset the connection before it was accepted. It must not be
/// used then, since the system tells of a reset only once, and calls it a clean end of the stream afterwards.
pub(crate) fn prepare_data(stream: &impl Stream) -> bool {
    let Some(socket) = stream.socket() else { return true };
    let _ = socket.set_tcp_nodelay(true);
    matches!(socket.take_error(), Ok(None))
}

/// Sends what the end of the stream is about to follow: both in one packet.
#[cfg(target_os = "linux")]
pub(crate) fn send_before_end(socket: &Socket, bytes: &[u8]) -> io::Result<usize> {
    use rustix::net::{SendFlags, send};
    Ok(send(socket, bytes, SendFlags::MORE | SendFlags::NOSIGNAL)?)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn send_before_end(_: &Socket, _: &[u8]) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The address with the scope of a link-local one; any other stays as it is.
pub(crate) fn with_scope(address: SocketAddr, scope: u32) -> SocketAddr {
    match address {
        SocketAddr::V6(mut v6) if v6.ip().is_unicast_link_local() => {
            v6.set_scope_id(scope);
            SocketAddr::V6(v6)
        }
        other => other,
    }
}

/// Every port of the range once, in an order that nobody can guess (RFC 2577 §8 asks for it).
pub(crate) fn shuffled(ports: &RangeInclusive<u16>) -> impl Iterator<Item = u16> + use<> {
    let count = u32::from(ports.end().saturating_sub(*ports.start())) + 1;
    let count = if ports.is_empty() { 0 } else { count };
    let start = *ports.start();
    let offset = random() % u64::from(count.max(1));
    let stride = stride(count);
    (0..u64::from(count)).map(move |step| {
        let place = (offset + step * stride) % u64::from(count);
        // `place` is less than the number of ports in the range, so that the sum stays inside of it.
        start + place as u16
    })
}

/// A random step that visits all of `count` places: one that has no divisor in common with it.
fn stride(count: u32) -> u64 {
    let count = u64::from(count);
    if count < 3 {
        return 1;
    }
    let mut stride = 1 + random() % (count - 1);
    while gcd(stride, count) != 1 {
        stride = 1 + stride % (count - 1);
    }
    stride
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The standard library's hash maps are keyed from the system's randomness, which is what is wanted here.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// To be bound, and to listen.
fn unbound_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = stream_socket(address)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Elsewhere the option means something else: that two processes may have one port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    Ok(socket)
}

fn stream_socket(address: SocketAddr) -> io::Result<Socket> {
    let domain = Domain::for_address(address);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP));
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    Socket::new(domain, Type::STREAM, Some(Protocol::TCP))
        .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
}

#[cfg(unix)]
fn is_in_progress(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error())
}

#[cfg(not(unix))]
fn is_in_progress(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use futures_io::{AsyncRead, AsyncWrite};
    use socket2::SockRef;

    use super::*;

    /// A socket for its options alone.
    struct Optioned(TcpStream);

    impl Stream for Optioned {
        fn socket(&self) -> Option<SockRef<'_>> {
            Some(SockRef::from(&self.0))
        }
    }

    impl AsyncRead for Optioned {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Optioned {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[test]
    fn replies_wait_for_nothing_unless_they_are_to() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connect = || Optioned(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        for no_delay in [true, false] {
            let stream = connect();
            prepare_control(&stream, no_delay);
            assert_eq!(stream.0.nodelay().unwrap(), no_delay);
        }
        let data = connect();
        assert!(prepare_data(&data) && data.0.nodelay().unwrap());
    }

    #[test]
    fn every_port_of_the_range_comes_once_and_none_from_outside() {
        for (first, last) in [(1, 1), (9, 10), (60_000, 60_016), (65_000, 65_535), (0, 65_535)] {
            let mut ports: Vec<u16> = shuffled(&(first..=last)).collect();
            ports.sort_unstable();
            assert!(ports.into_iter().eq(first..=last), "{first}-{last}");
        }
    }

    #[test]
    fn an_empty_range_has_no_port() {
        #[expect(clippy::reversed_empty_ranges, reason = "it is the case under test")]
        let range = 2..=1;
        assert_eq!(shuffled(&range).count(), 0);
    }

    #[test]
    fn ports_do_not_come_in_sequence() {
        let orders: Vec<Vec<u16>> = (0..20).map(|_| shuffled(&(50_000..=59_999)).take(3).collect()).collect();
        assert!(orders.iter().any(|order| order[0] != orders[0][0]));
        assert!(orders.iter().any(|order| order[1] != order[0] + 1));
    }
}
