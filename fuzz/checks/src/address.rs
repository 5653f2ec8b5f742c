//! PORT and EPRT, beside readers of their own; what is connected to because of them; and 227 and 229 as clients read
//! them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ferry_tests::{Driver, PEER};
use ftp_proto::{Action, Config, HostPort, Listening, parse_extended_port, parse_port};

use crate::{source::Source, wire};

/// An argument; and its bytes as the parts of addresses.
///
/// # Panics
/// When an address is not what the naive reader makes of it, or a connection goes where none may go.
pub fn address(argument: &[u8]) {
    assert_eq!(parse_port(argument), naive_port(argument));
    assert_eq!(parse_extended_port(argument), naive_extended(argument));
    every_address_comes_back(&mut Source::new(argument));
    connects_to_the_client_alone(argument);
    tells_where_it_listens(&mut Source::new(argument));
}

/// `h1,h2,h3,h4,p1,p2` (RFC 959 §5.3.2).
fn naive_port(argument: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(argument).ok()?;
    let numbers: Vec<u8> = text.split(',').map(|digits| number(digits, 255).map(|n| n as u8)).collect::<Option<_>>()?;
    let [a, b, c, d, high, low] = numbers[..] else { return None };
    let port = u16::from(high) * 256 + u16::from(low);
    (port > 0).then(|| SocketAddr::from(([a, b, c, d], port)))
}

/// `|protocol|address|port|` (RFC 2428 §2).
fn naive_extended(argument: &[u8]) -> Option<HostPort> {
    let delimiter = *argument.first().filter(|first| first.is_ascii_graphic())?;
    let fields: Vec<&[u8]> = argument.split(|byte| *byte == delimiter).collect();
    let [b"", protocol, address, port, b""] = fields[..] else { return None };
    let (protocol, port) = (std::str::from_utf8(protocol).ok()?, std::str::from_utf8(port).ok()?);
    let (protocol, address) = (number(protocol, u64::MAX)?, std::str::from_utf8(address).ok()?);
    let port = number(port, 65_535).filter(|port| *port > 0)? as u16;
    let ip = match protocol {
        1 => dotted(address)?.into(),
        2 => unmapped(address.parse().ok()?),
        _ => return Some(HostPort::UnknownProtocol),
    };
    Some(HostPort::Address(SocketAddr::new(ip, port)))
}

/// Digits alone, and not above a limit.
fn number(digits: &str, limit: u64) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.chars().all(|digit| digit.is_ascii_digit());
    let significant = digits.trim_start_matches('0');
    let value = if significant.is_empty() { Some(0) } else { significant.parse().ok() };
    value.filter(|value| is_number && *value <= limit)
}

/// Four numbers without leading zeros, which some would read as octal.
fn dotted(text: &str) -> Option<Ipv4Addr> {
    let octets: Vec<u8> = text
        .split('.')
        .map(|part| number(part, 255).filter(|value| part == value.to_string()).map(|value| value as u8))
        .collect::<Option<_>>()?;
    <[u8; 4]>::try_from(octets).ok().map(Ipv4Addr::from)
}

/// `::ffff:a.b.c.d` is an IPv4 address.
fn unmapped(ip: Ipv6Addr) -> IpAddr {
    match ip.octets() {
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, a, b, c, d] => Ipv4Addr::new(a, b, c, d).into(),
        _ => ip.into(),
    }
}

/// From the value to bytes and back.
fn every_address_comes_back(source: &mut Source<'_>) {
    let port = (source.number() as u16).max(1);
    let delimiter = char::from(33 + source.byte() % 94);
    let (high, low) = (source.number(), source.number());
    let v4 = Ipv4Addr::from(low as u32);
    let [a, b, c, d] = v4.octets();
    let written = format!("{a},{b},{c},{d},{},{}", port / 256, port % 256);
    assert_eq!(parse_port(written.as_bytes()), Some(SocketAddr::from((v4, port))));
    // What stands in the text of an address can be no delimiter.
    if !delimiter.is_ascii_hexdigit() && !matches!(delimiter, '.' | ':') {
        let v6 = Ipv6Addr::from(u128::from(high) << 64 | u128::from(low));
        for (protocol, text, ip) in [(1, v4.to_string(), v4.into()), (2, v6.to_string(), unmapped(v6))] {
            let written = [&protocol.to_string(), &text, &port.to_string()].map(|field| format!("{delimiter}{field}"));
            let written = written.concat() + &delimiter.to_string();
            let expected = HostPort::Address(SocketAddr::new(ip, port));
            assert_eq!(parse_extended_port(written.as_bytes()), Some(expected), "{written}");
        }
    }
}

/// Whatever is asked for, a data connection goes to the client's own address and to no privileged port.
fn connects_to_the_client_alone(argument: &[u8]) {
    let over_ipv6 = || Driver::between(Config::default(), "[fd00::9]:21", "[fd00::1]:40000");
    for (mut driver, peer) in [(Driver::new(Config::default()), PEER), (over_ipv6(), "fd00::1")] {
        let peer: IpAddr = peer.parse().expect("an address");
        driver.log_in("alice", "secret");
        driver.send(&[b"PORT ", argument, b"\r\nEPRT ", argument, b"\r\nLIST\r\n"].concat());
        while let Some(action) = driver.ledger.take(|_| true) {
            if let Action::Connect(ticket) = &action {
                let address = ticket.request().address;
                assert!(address.ip() == peer && address.port() >= 1024, "connects to {address}");
            }
            driver.finish(action);
        }
        driver.ledger.replies.clear();
    }
}

/// What PASV and EPSV tell is where the listener is, as a client finds it by its pattern.
fn tells_where_it_listens(source: &mut Source<'_>) {
    let (port, address) = (source.number() as u16, Ipv4Addr::from(source.number() as u32));
    for verb in ["PASV", "EPSV"] {
        let mut driver = Driver::new(Config::default());
        driver.log_in("alice", "secret");
        driver.send(format!("{verb}\r\n").as_bytes());
        let Some(Action::Listen(ticket)) = driver.ledger.take(|_| true) else { panic!("{verb} listens") };
        driver.answer(ticket, Ok(Listening { port, address: Some(address.into()) }));
        let reply = wire::replies(&wire::written(&driver.ledger.replies)).remove(0);
        driver.ledger.replies.clear();
        let told = numbers_in_parentheses(&reply.text);
        let [a, b, c, d] = address.octets().map(u64::from);
        match verb {
            "PASV" => assert_eq!(told, [a, b, c, d, u64::from(port) / 256, u64::from(port) % 256]),
            _ => assert_eq!(told, [u64::from(port)]),
        }
    }
}

fn numbers_in_parentheses(text: &[u8]) -> Vec<u64> {
    let text = String::from_utf8_lossy(text);
    let (before, inside) = text.split_once('(').expect("an opening parenthesis");
    let (inside, _) = inside.split_once(')').expect("a closing parenthesis");
    assert!(!before.contains(|letter: char| letter.is_ascii_digit()), "nothing else numeric: {text}");
    inside.split([',', '|']).filter(|part| !part.is_empty()).map(|part| part.parse().expect("a number")).collect()
}
