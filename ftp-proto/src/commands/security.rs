//! Security extensions: AUTH, PBSZ, PROT (RFC 2228, RFC 4217).

use crate::reply::Reply;
use crate::session::{Input, Session};
use crate::text::parse_number;

/// AUTH (RFC 4217 §4, §12.1). The older names for TLS mean the same; none of them implies PROT P.
pub(crate) fn auth(session: &mut Session, input: Input<'_>) {
    const NAMES: [&[u8]; 4] = [b"TLS", b"TLS-C", b"SSL", b"TLS-P"];
    if session.security.is_control_secured() {
        session.reply(Reply::new(503, "TLS is on already."));
    } else if NAMES.iter().any(|name| name.eq_ignore_ascii_case(input.argument)) {
        session.ask_for_tls();
    } else {
        session.reply(Reply::new(504, "Unknown security mechanism."));
    }
}

/// PBSZ (RFC 4217 §8): TLS has no buffer size to agree on, so that 0 is the answer to any number.
pub(crate) fn pbsz(session: &mut Session, input: Input<'_>) {
    if !session.security.is_control_secured() {
        session.reply(Reply::new(503, "Send AUTH TLS first."));
    } else if parse_number(input.argument).is_none_or(|size| size > u64::from(u32::MAX)) {
        session.reply(Reply::new(501, "Invalid PBSZ argument."));
    } else {
        session.security.agree_on_buffer_size();
        session.reply(Reply::new(200, "PBSZ=0"));
    }
}

/// PROT (RFC 4217 §9). A data channel that was arranged under the other level is given up.
pub(crate) fn prot(session: &mut Session, input: Input<'_>) {
    if !session.security.has_buffer_size() {
        return session.reply(Reply::new(503, "Send PBSZ 0 first."));
    }
    let protect = match input.argument {
        b"C" | b"c" => false,
        b"P" | b"p" => true,
        b"S" | b"s" | b"E" | b"e" => return session.reply(Reply::new(536, "Protection level not supported, use P.")),
        _ => return session.reply(Reply::new(504, "Unknown protection level.")),
    };
    session.protect_data(protect);
    session.reply(Reply::new(200, if protect { "Data goes under TLS." } else { "Data goes in clear." }));
}

/// The row of a command that is known and not offered. The table answers before this runs.
pub(crate) fn not_offered(session: &mut Session, _input: Input<'_>) {
    session.reply(Reply::new(502, "Command not offered."));
}
