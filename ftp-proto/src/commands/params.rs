//! Transfer parameters: PORT, PASV, EPRT, EPSV, TYPE, STRU, MODE (RFC 959 §4.1.2, RFC 2428).

use core::net::SocketAddr;

use crate::Representation;
use crate::address::{HostPort, is_unusable, parse_extended_port, parse_port};
use crate::reply::Reply;
use crate::session::{Input, Session};

/// PORT. It is answered at once; the connection is made when there is something to transfer.
pub(crate) fn port(session: &mut Session, input: Input<'_>) {
    if refused_by_epsv_all(session) || refused_without_tls(session) {
        return;
    }
    match parse_port(input.argument) {
        Some(address) => active(session, address),
        None => session.reply(Reply::new(501, "Invalid PORT argument.")),
    }
}

/// EPRT (RFC 2428 §2).
pub(crate) fn eprt(session: &mut Session, input: Input<'_>) {
    if refused_by_epsv_all(session) || refused_without_tls(session) {
        return;
    }
    match parse_extended_port(input.argument) {
        Some(HostPort::Address(mut address)) if address.is_ipv4() == session.local.is_ipv4() => {
            // lftp names `::`, the address that it is bound to, and means its own.
            if address.is_ipv6() && address.ip().is_unspecified() {
                address.set_ip(session.peer.ip());
            }
            active(session, address);
        }
        Some(_) => wrong_protocol(session),
        None => session.reply(Reply::new(501, "Invalid EPRT argument.")),
    }
}

/// PASV.
pub(crate) fn pasv(session: &mut Session, _input: Input<'_>) {
    if !refused_by_epsv_all(session) && !refused_without_tls(session) {
        session.listen(false);
    }
}

/// EPSV (RFC 2428 §3), with a network protocol, ALL or nothing behind it.
pub(crate) fn epsv(session: &mut Session, input: Input<'_>) {
    match input.argument {
        b"" => listen_extended(session),
        b"1" if session.local.is_ipv4() => listen_extended(session),
        b"2" if session.local.is_ipv6() => listen_extended(session),
        all if all.eq_ignore_ascii_case(b"ALL") => {
            session.epsv_all = true;
            session.reply(Reply::new(200, "Only EPSV from now on."));
        }
        number if number.iter().all(u8::is_ascii_digit) => wrong_protocol(session),
        _ => session.reply(Reply::new(501, "Invalid EPSV argument.")),
    }
}

/// TYPE. A, I and L 8, in any case, `L8` too; E and other byte sizes are not implemented.
pub(crate) fn type_(session: &mut Session, input: Input<'_>) {
    let mut upper = [0_u8; 4];
    let argument = match upper.get_mut(..input.argument.len()) {
        Some(upper) => {
            upper.copy_from_slice(input.argument);
            upper.make_ascii_uppercase();
            &*upper
        }
        None => b"?",
    };
    match argument {
        b"A" | b"A N" | b"AN" | b"L7" | b"L 7" => {
            session.representation = Representation::Ascii;
            session.reply(Reply::new(200, "Type set to ASCII."));
        }
        b"I" | b"L8" | b"L 8" => {
            session.representation = Representation::Image;
            session.reply(Reply::new(200, "Type set to binary."));
        }
        [b'A' | b'E' | b'L', ..] => session.reply(Reply::new(504, "Type not implemented.")),
        _ => session.reply(Reply::new(501, "Unknown type.")),
    }
}

/// STRU. File structure only; page and record structure are not implemented.
pub(crate) fn stru(session: &mut Session, input: Input<'_>) {
    session.reply(match input.argument {
        b"F" | b"f" => Reply::new(200, "Structure set to file."),
        b"R" | b"r" | b"P" | b"p" => Reply::new(504, "Structure not implemented."),
        _ => Reply::new(501, "Unknown structure."),
    });
}

/// MODE. Stream mode only; block and compressed mode are not implemented.
pub(crate) fn mode(session: &mut Session, input: Input<'_>) {
    session.reply(match input.argument {
        b"S" | b"s" => Reply::new(200, "Mode set to stream."),
        b"B" | b"b" | b"C" | b"c" | b"Z" | b"z" => Reply::new(504, "Mode not implemented."),
        _ => Reply::new(501, "Unknown mode."),
    });
}

/// Remembers an address unless it could be used against somebody else: the bounce attack (RFC 2577 §3).
fn active(session: &mut Session, address: SocketAddr) {
    let config = &session.config;
    let foreign = address.ip() != session.peer.ip() && !config.permit_foreign_addresses;
    if foreign || is_unusable(address.ip()) {
        return session.reply(Reply::new(501, "Data connections to foreign addresses are refused."));
    }
    if address.port() < FIRST_UNPRIVILEGED_PORT && !config.permit_privileged_ports {
        return session.reply(Reply::new(501, "Data connections to privileged ports are refused."));
    }
    session.target(address);
    session.reply(Reply::new(200, "Address noted."));
}

const FIRST_UNPRIVILEGED_PORT: u16 = 1024;

fn listen_extended(session: &mut Session) {
    if !refused_without_tls(session) {
        session.listen(true);
    }
}

/// Where data must go under TLS, no connection is arranged before PROT P.
fn refused_without_tls(session: &mut Session) -> bool {
    let refused = session.lacks_data_tls();
    if refused {
        session.reply(Reply::new(550, "TLS is required on data connections, send PROT P."));
    }
    refused
}

/// RFC 2428 §4: after EPSV ALL every other way to arrange a data connection is refused.
fn refused_by_epsv_all(session: &mut Session) -> bool {
    if session.epsv_all {
        session.reply(Reply::new(501, "Refused after EPSV ALL."));
    }
    session.epsv_all
}

/// RFC 2428 §2: the reply tells in parentheses what would do.
fn wrong_protocol(session: &mut Session) {
    session.reply(if session.local.is_ipv4() {
        Reply::new(522, "Network protocol not supported, use (1).")
    } else {
        Reply::new(522, "Network protocol not supported, use (2).")
    });
}
