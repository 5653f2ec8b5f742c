//! Addresses in commands and replies: PORT, EPRT, 227 and 229.

use alloc::format;
use alloc::string::String;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::str;

use crate::text::parse_number;

/// What EPRT can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostPort {
    /// An address of a known network protocol.
    Address(SocketAddr),
    /// A network protocol that is neither 1 (IPv4) nor 2 (IPv6); the answer is 522 (RFC 2428 §2).
    UnknownProtocol,
}

/// Parses the argument of PORT: `h1,h2,h3,h4,p1,p2`, six numbers of 0 to 255 (RFC 959 §5.3.2). Port 0 is refused.
#[must_use]
pub fn parse_port(argument: &[u8]) -> Option<SocketAddr> {
    let mut numbers = [0_u8; 6];
    let mut parts = argument.split(|byte| *byte == b',');
    for number in &mut numbers {
        *number = parse_number(parts.next()?).and_then(|value| u8::try_from(value).ok())?;
    }
    if parts.next().is_some() {
        return None;
    }
    let [h1, h2, h3, h4, p1, p2] = numbers;
    let port = u16::from_be_bytes([p1, p2]);
    (port != 0).then(|| SocketAddr::new(Ipv4Addr::new(h1, h2, h3, h4).into(), port))
}

/// Parses the argument of EPRT: `|protocol|address|port|` with any delimiter of the range 33 to 126 (RFC 2428 §2).
/// Port 0 is refused.
#[must_use]
pub fn parse_extended_port(argument: &[u8]) -> Option<HostPort> {
    let (delimiter, rest) = argument.split_first().filter(|(first, _)| matches!(first, 33..=126))?;
    let mut fields = rest.split(|byte| byte == delimiter);
    let (protocol, address, port, end) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    if !end.is_empty() || fields.next().is_some() {
        return None;
    }
    let protocol = parse_number(protocol)?;
    let address = str::from_utf8(address).ok()?;
    let port = parse_number(port).and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0)?;
    let ip: IpAddr = match protocol {
        1 => address.parse::<Ipv4Addr>().ok()?.into(),
        2 => address.parse::<Ipv6Addr>().ok()?.into(),
        _ => return Some(HostPort::UnknownProtocol),
    };
    Some(HostPort::Address(SocketAddr::new(ip.to_canonical(), port)))
}

/// The text of the 227 reply. Nothing in it but the six numbers is numeric, and they stand in parentheses: clients
/// find them by pattern.
pub(crate) fn passive_text(address: Ipv4Addr, port: u16) -> String {
    let [h1, h2, h3, h4] = address.octets();
    let [p1, p2] = port.to_be_bytes();
    format!("Entering passive mode ({h1},{h2},{h3},{h4},{p1},{p2}).")
}

/// The text of the 229 reply (RFC 2428 §3).
pub(crate) fn extended_passive_text(port: u16) -> String {
    format!("Entering extended passive mode (|||{port}|).")
}

/// Whether a data connection to this address could do harm whatever the configuration: nobody listens there.
pub(crate) fn is_unusable(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_unspecified() || address.is_multicast() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unspecified() || address.is_multicast(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_arguments() {
        assert_eq!(parse_port(b"127,0,0,1,4,1"), Some("127.0.0.1:1025".parse().unwrap()));
        let wrong = ["", "1,2,3,4,5", "1,2,3,4,5,6,7", "1,2,3,4,256,1", "1,2,3,4,-1,1", "1,2,3,4,5,6 ", "a,b,c,d,e,f"];
        for wrong in wrong.into_iter().chain(["1,2,3,4,0,0", ",,,,,", "1.2.3.4,5,6", "999,0,0,1,4,1"]) {
            assert_eq!(parse_port(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn extended_port_arguments() {
        let parsed = |text: &str| parse_extended_port(text.as_bytes());
        let address = |text: &str| Some(HostPort::Address(text.parse().unwrap()));
        assert_eq!(parsed("|1|132.235.1.2|6275|"), address("132.235.1.2:6275"));
        assert_eq!(parsed("|2|1080::8:800:200C:417A|5282|"), address("[1080::8:800:200c:417a]:5282"));
        assert_eq!(parsed("@1@1.2.3.4@99@"), address("1.2.3.4:99"));
        assert_eq!(parsed("|2|::ffff:1.2.3.4|99|"), address("1.2.3.4:99"));
        assert_eq!(parsed("|3|1.2.3.4|99|"), Some(HostPort::UnknownProtocol));
        for wrong in ["", "|", "||", "|||", "||||", "|1|1.2.3.4|99", "|1|1.2.3.4|99||", "|1|::1|99|", "|2|1.2.3.4|9|"] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
        for wrong in ["|1|1.2.3.4|0|", "|1|1.2.3.4|65536|", "|1|1.2.3.4|-9|", "|x|1.2.3.4|9|", " 1 1.2.3.4 9 "] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }
}
