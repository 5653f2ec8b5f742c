//! Arguments of PORT, EPRT and MFMT, and letters: what parses is what it prints as.

#![no_main]

use std::net::SocketAddr;

use ftp_proto::{HostPort, parse_extended_port, parse_port};
use ftp_types::{CivilTime, Permissions, UserName};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|argument: &[u8]| {
    if let Some(address) = parse_port(argument) {
        let SocketAddr::V4(v4) = address else { panic!("PORT names IPv4 addresses") };
        let ([h1, h2, h3, h4], [p1, p2]) = (v4.ip().octets(), v4.port().to_be_bytes());
        assert_eq!(parse_port(format!("{h1},{h2},{h3},{h4},{p1},{p2}").as_bytes()), Some(address));
        assert!(address.port() != 0);
    }
    if let Some(HostPort::Address(address)) = parse_extended_port(argument) {
        let protocol = if address.is_ipv4() { 1 } else { 2 };
        let again = format!("|{protocol}|{}|{}|", address.ip(), address.port());
        assert_eq!(parse_extended_port(again.as_bytes()), Some(HostPort::Address(address)));
    }
    if let Some(civil) = CivilTime::parse(argument) {
        assert_eq!(civil.to_unix().to_civil(0), civil);
    }
    if let Ok(name) = UserName::parse(argument) {
        assert!(!name.as_str().is_empty() && !name.as_str().chars().any(char::is_control));
    }
    if let Some(Ok(set)) = std::str::from_utf8(argument).ok().map(str::parse::<Permissions>) {
        assert_eq!(set.to_string().parse(), Ok(set));
    }
});
