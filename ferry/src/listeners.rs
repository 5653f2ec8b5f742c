//! The sockets that the server listens on.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};

use ftp_driver::sockets;

use crate::config::Server;

/// A port that the kernel picked for one address may be taken on the other; then another one is tried.
const TRIES_FOR_ONE_PORT: usize = 32;

/// An address that cannot be listened on.
#[derive(Debug)]
pub struct BindError {
    address: SocketAddr,
    error: io::Error,
    /// Whether there is a flag for another port.
    flag: bool,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}", self.address, self.error)?;
        match self.error.kind() {
            _ if !self.flag => Ok(()),
            io::ErrorKind::PermissionDenied if self.address.port() < 1024 => {
                f.write_str("; ports below 1024 need privileges, --port takes another one")
            }
            io::ErrorKind::AddrInUse => f.write_str("; --port takes another one"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for BindError {}

/// The sockets that are bound.
#[derive(Debug, Default)]
pub struct Bound {
    /// They listen.
    pub listeners: Vec<TcpListener>,
    /// They listen for connections that begin with TLS.
    pub implicit_tls: Vec<TcpListener>,
    /// Addresses that were left out, since this machine has no IPv6.
    pub left_out: Vec<SocketAddr>,
}

/// Binds all addresses of the configuration.
///
/// # Errors
/// The first address that cannot be bound.
pub fn bind_all(server: &Server) -> Result<Bound, BindError> {
    let mut bound = bind(&server.listen, sockets::listen_for_control)?;
    let implicit = bind(&server.listen_implicit_tls, sockets::listen_for_control);
    let implicit = implicit.map_err(|error| BindError { flag: false, ..error })?;
    bound.implicit_tls = implicit.listeners;
    bound.left_out.extend(implicit.left_out);
    Ok(bound)
}

/// Binds addresses, by `listen`. Where several of them ask the kernel for a port (port 0), they get the same one if
/// that is possible. A machine without IPv6 is none of an operator's faults: `[::]` is left out there.
///
/// # Errors
/// The first address that cannot be bound.
pub fn bind(
    addresses: &[SocketAddr],
    listen: impl Fn(SocketAddr) -> io::Result<TcpListener>,
) -> Result<Bound, BindError> {
    let asking = addresses.iter().filter(|address| address.port() == 0).count();
    if asking > 1 {
        for _ in 0..TRIES_FOR_ONE_PORT {
            match bind_once(addresses, true, &listen) {
                Err(error) if error.error.kind() == io::ErrorKind::AddrInUse => {}
                result => return result,
            }
        }
    }
    bind_once(addresses, false, &listen)
}

fn bind_once(
    addresses: &[SocketAddr],
    one_port: bool,
    listen: impl Fn(SocketAddr) -> io::Result<TcpListener>,
) -> Result<Bound, BindError> {
    let mut picked = None;
    let mut bound = Bound::default();
    let mut missing = None;
    for address in addresses {
        let asks = address.port() == 0;
        let mut wanted = *address;
        if let (true, Some(port)) = (asks && one_port, picked) {
            wanted.set_port(port);
        }
        match listen(wanted) {
            Ok(listener) => {
                if asks {
                    picked = picked.or_else(|| listener.local_addr().ok().map(|address| address.port()));
                }
                bound.listeners.push(listener);
            }
            Err(error) if is_missing_ipv6(*address, &error) => {
                bound.left_out.push(*address);
                missing = Some(BindError { address: wanted, error, flag: true });
            }
            Err(error) => return Err(BindError { address: wanted, error, flag: true }),
        }
    }
    match missing {
        Some(error) if bound.listeners.is_empty() => Err(error),
        _ => Ok(bound),
    }
}

/// Whether the machine cannot do IPv6 at all, as opposed to not having one certain address.
fn is_missing_ipv6(address: SocketAddr, error: &io::Error) -> bool {
    let no_such_family = matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || error.raw_os_error() == NO_SUCH_FAMILY;
    address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && no_such_family
}

#[cfg(unix)]
const NO_SUCH_FAMILY: Option<i32> = Some(nix::errno::Errno::EAFNOSUPPORT as i32);
/// `WSAEAFNOSUPPORT`
#[cfg(not(unix))]
const NO_SUCH_FAMILY: Option<i32> = Some(10047);

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    const V6_ANY: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);

    fn ports(listeners: &[TcpListener]) -> Vec<u16> {
        listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
    }

    #[test]
    fn the_kernels_port_is_the_same_for_all_addresses() {
        let second = SocketAddr::from(([127, 0, 0, 2], 0));
        // Addresses of 127.0.0.0/8 other than 127.0.0.1 exist on Linux alone.
        if let Ok(bound) = bind(&[V4, second], TcpListener::bind) {
            let ports = ports(&bound.listeners);
            assert_eq!(ports[0], ports[1]);
        }
    }

    #[test]
    fn a_machine_without_ipv6_serves_ipv4() {
        let no_ipv6 = |address: SocketAddr| match address {
            SocketAddr::V4(_) => TcpListener::bind(address),
            SocketAddr::V6(_) => Err(NO_SUCH_FAMILY.map(io::Error::from_raw_os_error).unwrap()),
        };
        let bound = bind(&[V4, V6_ANY], no_ipv6).unwrap();
        assert_eq!((bound.listeners.len(), bound.left_out), (1, vec![V6_ANY]));
        assert!(bind(&[V6_ANY], no_ipv6).is_err());
        assert!(bind(&[V6_ANY, V6_ANY], no_ipv6).is_err());
        assert!(bind(&[V4, SocketAddr::from((Ipv6Addr::LOCALHOST, 0))], no_ipv6).is_err());
    }

    #[test]
    fn a_taken_port_is_told() {
        let taken = TcpListener::bind(V4).unwrap().local_addr().unwrap();
        let in_use = |_| Err(io::ErrorKind::AddrInUse.into());
        let error = bind(&[taken], in_use).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot listen on {taken}: ")), "{error}");
    }
}
