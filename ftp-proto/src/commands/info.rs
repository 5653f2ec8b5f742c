//! Information: STAT, FEAT, OPTS, HELP, NOOP, SYST, CLNT (RFC 959 §4.1.3, RFC 2389).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::Representation;
use crate::command;
use crate::commands::dirs;
use crate::data::DataChannel;
use crate::listing::Facts;
use crate::reply::{self, Reply};
use crate::session::{Input, Session};
use crate::text::split_word;

/// NOOP.
pub(crate) fn noop(session: &mut Session, _input: Input<'_>) {
    session.reply(Reply::new(200, "Done nothing."));
}

/// SYST. Everyone says this, so that clients parse listings as those of `ls -l`.
pub(crate) fn syst(session: &mut Session, _input: Input<'_>) {
    session.reply(Reply::new(215, "UNIX Type: L8"));
}

/// CLNT: what program the client is. It is for the log, where each command is.
pub(crate) fn clnt(session: &mut Session, _input: Input<'_>) {
    session.reply(Reply::new(200, "Noted."));
}

/// STAT: the status of the session, or with a path a listing over the control connection.
pub(crate) fn stat(session: &mut Session, input: Input<'_>) {
    if !input.argument.is_empty() {
        return dirs::stat(session, &input);
    }
    let mut lines = Vec::new();
    lines.push(format!("Connected from {}", session.peer.ip()).into_bytes());
    lines.push(match session.user() {
        Some(user) => format!("Logged in as {user}").into_bytes(),
        None => Vec::from(&b"Not logged in"[..]),
    });
    if session.security.is_control_secured() {
        lines.push(Vec::from(&b"Control connection under TLS"[..]));
    }
    if session.user().is_some() {
        lines.push([b"Working directory: ", &session.wire(&session.cwd)[..]].concat());
    }
    let representation = match session.representation {
        Representation::Ascii => "ASCII",
        Representation::Image => "binary",
    };
    lines.push(format!("Type: {representation}; structure: file; mode: stream").into_bytes());
    lines.push(match (&session.transfer, session.data) {
        (Some(transfer), _) => format!("Transfer runs, {} bytes so far", transfer.bytes()).into_bytes(),
        (None, DataChannel::Idle | DataChannel::Refused { .. }) => Vec::from(&b"No data connection"[..]),
        (None, _) => Vec::from(&b"Data connection is arranged"[..]),
    });
    session.reply(Reply::lines(211, "Status:", lines, "End."));
}

/// FEAT (RFC 2389 §3.2): what clients may use beyond RFC 959. They decide by it.
pub(crate) fn feat(session: &mut Session, _input: Input<'_>) {
    let mlst = format!("MLST {}", session.facts.feature());
    let features = [
        "AUTH TLS",
        "PBSZ",
        "PROT",
        "CLNT",
        "EPRT",
        "EPSV",
        "MDTM",
        "MFMT",
        &mlst,
        "REST STREAM",
        "SIZE",
        "TVFS",
        "UTF8",
    ];
    // Those that begin with a command are there as long as it is.
    let offered = |feature: &&str| {
        let verb = feature.split(' ').next().unwrap_or_default();
        command::find(verb.as_bytes()).is_none_or(|row| row.is_offered(&session.config))
    };
    let lines = features.into_iter().filter(offered).map(|feature| Vec::from(feature.as_bytes())).collect();
    session.reply(Reply::lines(211, "Features:", lines, "End"));
}

/// OPTS (RFC 2389 §4). `OPTS UTF8 ON` works before login, as old clients send it first; the others do not.
pub(crate) fn opts(session: &mut Session, input: Input<'_>) {
    let (name, options) = split_word(input.argument);
    if name.eq_ignore_ascii_case(b"UTF8") || name.eq_ignore_ascii_case(b"UTF-8") {
        opts_utf8(session, options.unwrap_or_default());
    } else if session.user().is_none() {
        session.reply(Reply::new(530, "Log in with USER and PASS first."));
    } else if name.eq_ignore_ascii_case(b"MLST") {
        opts_mlst(session, options.unwrap_or_default());
    } else {
        session.reply(Reply::new(501, "No options for that command."));
    }
}

/// From ON to OFF, names on the wire are in UTF-8, whatever charset is configured.
fn opts_utf8(session: &mut Session, option: &[u8]) {
    let on = option.is_empty() || option.eq_ignore_ascii_case(b"ON");
    let off = option.eq_ignore_ascii_case(b"OFF");
    if on {
        session.utf8 = true;
        session.reply(Reply::new(200, "Names are in UTF-8."));
    } else if off && session.config.codec.is_some() {
        session.utf8 = false;
        session.reply(Reply::new(200, "Names are in the charset of this server."));
    } else if off {
        session.reply(Reply::new(504, "Names are always in UTF-8."));
    } else {
        session.reply(Reply::new(501, "Send OPTS UTF8 ON or OFF."));
    }
}

/// RFC 3659 §7.9: the facts of MLSD and MLST from now on. Nothing at all chooses no fact.
fn opts_mlst(session: &mut Session, names: &[u8]) {
    if names.contains(&b' ') || !(names.is_empty() || names.contains(&b';')) {
        return session.reply(Reply::new(501, "Send OPTS MLST fact;fact;..."));
    }
    session.facts = Facts::parse(names);
    session.reply(reply::text(200, format!("MLST OPTS {}", session.facts.names())));
}

/// HELP, and HELP with a command.
pub(crate) fn help(session: &mut Session, input: Input<'_>) {
    if input.argument.is_empty() {
        let names: Vec<&str> = command::offered(&session.config).map(|info| info.name).collect();
        let lines = names.chunks(8).map(|row| row.join(" ").into_bytes()).collect();
        return session.reply(Reply::lines(214, "These commands are offered:", lines, "End."));
    }
    match command::find(input.argument) {
        Some(row) => session.reply(reply::text(214, String::from(row.info.help))),
        None => session.reply(Reply::new(501, "Unknown command.")),
    }
}

/// SITE HELP, and SITE HELP with a service.
pub(crate) fn site_help(session: &mut Session, service: &[u8]) {
    let chmod = "SITE CHMOD <mode> <path>: set permission bits";
    let help = "SITE HELP [<service>]: this help";
    if service.is_empty() {
        let lines = [chmod, help].map(|line| Vec::from(line.as_bytes()));
        session.reply(Reply::lines(214, "These SITE services are offered:", Vec::from(lines), "End."));
    } else if service.eq_ignore_ascii_case(b"CHMOD") {
        session.reply(Reply::new(214, chmod));
    } else if service.eq_ignore_ascii_case(b"HELP") {
        session.reply(Reply::new(214, help));
    } else {
        session.reply(Reply::new(501, "Unknown SITE service."));
    }
}
