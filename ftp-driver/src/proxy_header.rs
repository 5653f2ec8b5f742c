//! The [PROXY protocol](https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt), versions 1 and 2: what a proxy in
//! front of the server tells of a client, before the client's first byte.
//!
//! Not a byte behind the header is read, so that what follows is where a session, a transfer or a TLS handshake expects
//! it: in the socket.

use std::fmt;
use std::future::{Future, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ftp_fs::BoxFuture;
use ipnet::IpNet;
use ppp::{HeaderResult, v1, v2};

use crate::io::{self, within};
use crate::runtime::{Addresses, Route, Runtime, Stream};
use crate::service::Service;
use crate::shutdown::Stopping;

/// How long a header may take. A proxy sends it before anything else, and does not wait for its client with it.
const PATIENCE: Duration = Duration::from_secs(5);
/// A longer header is refused. What some proxies add to the addresses comes to a few hundred bytes, and to some thousand
/// with a certificate of the client.
const MAX_LEN: usize = 4096;

const V1_PREFIX: &[u8] = b"PROXY ";
const V1_UNKNOWN: &[u8] = b"PROXY UNKNOWN";
const V1_MAX_LEN: usize = 107;
/// No header of either version is shorter.
const MIN_LEN: usize = V1_UNKNOWN.len() + 2;
/// What comes before the length of the rest, and with it.
const V2_FIXED: usize = v2::PROTOCOL_PREFIX.len() + 4;
const V2_LOCAL: u8 = 0x20;

/// Why there is no header where one has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyError {
    /// The connection broke, or ended before its header did.
    Ended,
    /// The header did not come in time, which is 5 seconds.
    Late,
    /// What came is no header, or one that is too long.
    Invalid,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ended => "the connection ended before its PROXY header did",
            Self::Late => "the PROXY header did not come in time",
            Self::Invalid => "the connection does not begin with a PROXY header",
        })
    }
}

impl std::error::Error for ProxyError {}

/// Finds out whose connection this is: if its peer is one of the proxies of
/// [`ServiceBuilder::proxy_protocol`](crate::ServiceBuilder::proxy_protocol), by the header that it has to begin with.
/// Of other peers' connections nothing is read. `socket` are the addresses of the socket.
///
/// Those who accept connections themselves call it before [`serve_connection`](crate::serve_connection) and before they
/// count connections by address; [`serve`](crate::serve) does so on its own.
///
/// # Errors
/// Why there is no header. The connection must not be served then.
///
/// # Cancellation
/// Dropping the future loses what was read of the header.
pub async fn identify_client<R: Runtime>(
    runtime: &R,
    service: &Service,
    stream: &mut R::Stream,
    socket: Addresses,
) -> Result<Route, ProxyError> {
    if !service.settings.proxies.contain(socket.peer.ip()) {
        return Ok(socket.into());
    }
    let client = within(runtime, PATIENCE, read_header(stream)).await.unwrap_or(Err(ProxyError::Late))?;
    Ok(Route { client: client.unwrap_or(socket), socket })
}

/// The same until the server is told to stop; `None` then.
pub(crate) async fn identify_client_unless_stopped<R: Runtime>(
    runtime: &R,
    service: &Service,
    stream: &mut R::Stream,
    socket: Addresses,
    stopping: &mut Stopping,
) -> Option<Result<Route, ProxyError>> {
    let mut identified = pin!(identify_client(runtime, service, stream, socket));
    poll_fn(|cx| match identified.as_mut().poll(cx) {
        Poll::Ready(route) => Poll::Ready(Some(route)),
        Poll::Pending => stopping.poll_asked(None, cx).map(|_| None),
    })
    .await
}

/// Peers whose connections begin with a header. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies(Arc<[IpNet]>);

impl FromIterator<IpNet> for Proxies {
    fn from_iter<I: IntoIterator<Item = IpNet>>(nets: I) -> Self {
        Self(nets.into_iter().collect())
    }
}

impl Proxies {
    pub(crate) fn contain(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|net| net.contains(&peer))
    }
}

/// Reads the header of a data connection that a proxy has made; the connection, if it is one of this client.
pub(crate) fn data_of_client<R: Runtime>(
    runtime: R,
    mut stream: R::Stream,
    proxy: SocketAddr,
    client: Option<IpAddr>,
) -> BoxFuture<'static, Option<R::Stream>> {
    Box::pin(async move {
        let told = within(&runtime, PATIENCE, read_header(&mut stream)).await?.ok()?;
        let peer = told.map_or(proxy, |told| told.peer).ip().to_canonical();
        client.is_none_or(|client| client.to_canonical() == peer).then_some(stream)
    })
}

/// Reads a header and nothing behind it. `None`: it says that the socket's own addresses count.
async fn read_header(stream: &mut impl Stream) -> Result<Option<Addresses>, ProxyError> {
    let mut header = Vec::new();
    loop {
        let missing = missing(&header).ok_or(ProxyError::Invalid)?;
        if missing == 0 {
            return parse(&header);
        }
        let start = header.len();
        header.resize(start + missing, 0);
        match io::read(stream, &mut header[start..]).await {
            Ok(count) if count > 0 => header.truncate(start + count),
            _ => return Err(ProxyError::Ended),
        }
    }
}

/// How many bytes more belong to this header, at least; `None` if it is no header's beginning.
fn missing(header: &[u8]) -> Option<usize> {
    let len = header.len();
    if len < MIN_LEN {
        let begins = |prefix: &[u8]| prefix.iter().zip(header).all(|(expected, byte)| expected == byte);
        return (begins(V1_PREFIX) || begins(v2::PROTOCOL_PREFIX)).then_some(MIN_LEN - len);
    }
    if header.starts_with(v2::PROTOCOL_PREFIX) {
        let Some(length) = header.get(V2_FIXED - 2..V2_FIXED) else { return Some(V2_FIXED - len) };
        let whole = V2_FIXED + length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        return if whole <= MAX_LEN { whole.checked_sub(len) } else { None };
    }
    match header {
        _ if !header.starts_with(V1_PREFIX) => None,
        [.., b'\r', b'\n'] => Some(0),
        _ if len >= V1_MAX_LEN => None,
        [.., b'\r'] => Some(1),
        _ => Some(2),
    }
}

/// What a whole header tells. The two forms that say nothing of a client are not left to the library, which demands
/// more of what has to be ignored in them than the specification does.
fn parse(header: &[u8]) -> Result<Option<Addresses>, ProxyError> {
    if header.strip_prefix(V1_UNKNOWN).is_some_and(|rest| rest.starts_with(b" ") || rest == b"\r\n")
        || header.strip_prefix(v2::PROTOCOL_PREFIX).is_some_and(|rest| rest.first() == Some(&V2_LOCAL))
    {
        return Ok(None);
    }
    fn told<A: Into<IpAddr>>(source: (A, u16), destination: (A, u16)) -> Option<Addresses> {
        let address = |(ip, port): (A, u16)| SocketAddr::new(ip.into(), port);
        Some(Addresses { local: address(destination), peer: address(source) })
    }
    match HeaderResult::parse(header) {
        HeaderResult::V1(Ok(header)) => Ok(match header.addresses {
            v1::Addresses::Tcp4(ip) => {
                told((ip.source_address, ip.source_port), (ip.destination_address, ip.destination_port))
            }
            v1::Addresses::Tcp6(ip) => {
                told((ip.source_address, ip.source_port), (ip.destination_address, ip.destination_port))
            }
            v1::Addresses::Unknown => None,
        }),
        // A proxy that speaks for something else than a TCP connection tells nothing that is of use here.
        HeaderResult::V2(Ok(header)) if header.protocol != v2::Protocol::Stream => Ok(None),
        HeaderResult::V2(Ok(header)) => Ok(match header.addresses {
            v2::Addresses::IPv4(ip) => {
                told((ip.source_address, ip.source_port), (ip.destination_address, ip.destination_port))
            }
            v2::Addresses::IPv6(ip) => {
                told((ip.source_address, ip.source_port), (ip.destination_address, ip.destination_port))
            }
            v2::Addresses::Unspecified | v2::Addresses::Unix(_) => None,
        }),
        HeaderResult::V1(Err(_)) | HeaderResult::V2(Err(_)) => Err(ProxyError::Invalid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[command, family], &length, rest].concat()
    }

    fn addresses(peer: &str, local: &str) -> Option<Addresses> {
        Some(Addresses { local: local.parse().unwrap(), peer: peer.parse().unwrap() })
    }

    #[test]
    fn headers_of_both_versions_tell_the_client() {
        let ipv4 = addresses("192.0.2.7:4711", "198.51.100.1:21");
        let ipv6 = addresses("[2001:db8::7]:4711", "[2001:db8::1]:21");
        let block = [&[192, 0, 2, 7, 198, 51, 100, 1][..], &[18, 103, 0, 21]].concat();
        let mut block6 = vec![0; 36];
        block6[..4].copy_from_slice(&[32, 1, 13, 184]);
        block6[15..20].copy_from_slice(&[7, 32, 1, 13, 184]);
        block6[31..].copy_from_slice(&[1, 18, 103, 0, 21]);
        let additions = [&block[..], &[4, 0, 2, 9, 9], &[0xff]].concat();
        let tests = [
            (b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 21\r\n".to_vec(), ipv4),
            (b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 21\r\n".to_vec(), ipv6),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN one two three four five six \xff\r\n".to_vec(), None),
            (v2(0x21, 0x11, &block), ipv4),
            (v2(0x21, 0x11, &additions), ipv4),
            (v2(0x21, 0x21, &block6), ipv6),
            (v2(0x20, 0x11, &block), None),
            (v2(0x20, 0x11, b""), None),
            (v2(0x20, 0, b""), None),
            (v2(0x21, 0, b"ignored"), None),
            (v2(0x21, 0x12, &block), None),
            (v2(0x21, 0x31, &[0; 216]), None),
        ];
        for (header, told) in tests {
            assert_eq!(parse(&header), Ok(told), "{:?}", header.escape_ascii().to_string());
            for cut in 0..header.len() {
                let missing = missing(&header[..cut]).unwrap();
                assert!((1..=header.len() - cut).contains(&missing), "{missing} at {cut}");
            }
            assert_eq!(missing(&header), Some(0));
        }
    }

    #[test]
    fn what_is_no_header_is_told_as_soon_as_it_is_one_no_more() {
        let long = [b"PROXY UNKNOWN ", &[b'x'; 93][..]].concat();
        let huge = [v2::PROTOCOL_PREFIX, &[0x21, 0x11, 0xff, 0xff]].concat();
        for wrong in
            [&b"U"[..], b"proxy", b"PROXY\r", b"PROXY\r\n", b"\r\n\r\n\0\r\nQUIT\r", b"\x16\x03\x01", &long, &huge]
        {
            assert_eq!(missing(wrong), None, "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn broken_headers_are_refused() {
        let wrong: [&[u8]; 13] = [
            b"PROXY TCP4 192.0.2.7 198.51.100.1 4711\r\n",
            b"PROXY TCP4 2001:db8::7 2001:db8::1 4711 21\r\n",
            b"PROXY TCP4 192.0.2.7 2001:db8::1 4711 21\r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 65536\r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 -1\r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 21 \r\n",
            b"PROXY TCP4 192.0.2.07 198.51.100.1 4711 21\r\n",
            b"PROXY TCP4 192.0.2.7\r198.51.100.1 4711 21\r\n",
            b"PROXY TCP5 192.0.2.7 198.51.100.1 4711 21\r\n",
            b"PROXY UNKNOWNS\r\n",
            &v2(0x11, 0x11, &[0; 12]),
            &v2(0x21, 0x11, &[0; 11]),
            &v2(0x21, 0x41, &[0; 40]),
        ];
        for header in wrong {
            assert_eq!(parse(header), Err(ProxyError::Invalid), "{}", header.escape_ascii());
        }
    }

    #[test]
    fn an_ipv4_net_covers_its_addresses_in_their_ipv6_form() {
        let proxies: Proxies = ["10.0.0.0/8", "2001:db8::/32"].iter().map(|net| net.parse().unwrap()).collect();
        for (peer, covered) in
            [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("11.0.0.1", false), ("2001:db8::9", true)]
        {
            assert_eq!(proxies.contain(peer.parse().unwrap()), covered, "{peer}");
        }
        assert!(!Proxies::default().contain("10.1.2.3".parse().unwrap()));
    }
}
