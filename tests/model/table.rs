//! The commands as sets of verbs: who may give them, with what, and when.

/// All that is known.
const KNOWN: &[&str] = &[
    "USER", "PASS", "ACCT", "REIN", "QUIT", "CWD", "XCWD", "CDUP", "XCUP", "PWD", "XPWD", "MKD", "XMKD", "RMD", "XRMD",
    "PORT", "PASV", "EPRT", "EPSV", "TYPE", "STRU", "MODE", "RETR", "STOR", "APPE", "STOU", "REST", "ALLO", "ABOR",
    "RNFR", "RNTO", "DELE", "SIZE", "MDTM", "MFMT", "SITE", "LIST", "NLST", "MLSD", "MLST", "STAT", "FEAT", "OPTS",
    "HELP", "NOOP", "SYST", "CLNT", "AUTH", "PBSZ", "PROT", "CCC", "ADAT", "MIC", "CONF", "ENC", "SMNT", "HOST",
    "LANG",
];
/// Known, and never carried out: 502.
const NOT_OFFERED: &[&str] = &["CCC", "ADAT", "MIC", "CONF", "ENC", "SMNT", "HOST", "LANG"];
/// Carried out where there is TLS, else 502 (RFC 4217).
const OF_TLS: &[&str] = &["AUTH", "PBSZ", "PROT"];
/// Work before login, whatever the argument.
const FOR_ANYONE: &[&str] = &["USER", "PASS", "QUIT", "FEAT", "HELP", "NOOP", "SYST", "CLNT", "AUTH", "PBSZ", "PROT"];
/// 501 with an argument.
const ALONE: &[&str] = &["REIN", "QUIT", "CDUP", "XCUP", "PWD", "XPWD", "PASV", "ABOR", "FEAT", "NOOP", "SYST"];
/// 501 without one.
const WITH_ARGUMENT: &[&str] = &[
    "USER", "ACCT", "MKD", "XMKD", "RMD", "XRMD", "PORT", "EPRT", "TYPE", "STRU", "MODE", "RETR", "STOR", "APPE",
    "REST", "ALLO", "RNFR", "RNTO", "DELE", "SIZE", "MDTM", "MFMT", "SITE", "OPTS", "CLNT", "AUTH", "PBSZ", "PROT",
];
/// Run beside a transfer.
const BESIDE: &[&str] = &["USER", "PASS", "REIN", "QUIT", "NOOP"];
/// Clients send these between REST and RETR: a marker outlives them.
const KEEPS_MARKER: &[&str] = &["PORT", "PASV", "EPRT", "EPSV", "STAT", "NOOP"];

fn is_in(set: &[&str], verb: &str) -> bool {
    set.contains(&verb)
}

/// Whether the verb is known at all.
pub(crate) fn is_known(verb: &str) -> bool {
    is_in(KNOWN, verb)
}

/// Whether it is carried out, apart from what the operator has disabled.
pub(crate) fn is_offered(verb: &str, with_tls: bool) -> bool {
    !is_in(NOT_OFFERED, verb) && (with_tls || !is_in(OF_TLS, verb))
}

/// Whether somebody who is not logged in may give it.
pub(crate) fn is_for_anyone(verb: &str, has_argument: bool) -> bool {
    match verb {
        "STAT" => !has_argument,
        // Some of their arguments; they see for themselves which.
        "OPTS" | "SITE" => has_argument,
        verb => is_in(FOR_ANYONE, verb),
    }
}

/// Whether the argument, or that there is none, is a mistake.
pub(crate) fn is_malformed(verb: &str, has_argument: bool) -> bool {
    is_in(if has_argument { ALONE } else { WITH_ARGUMENT }, verb)
}

/// Whether it runs beside a transfer. ABOR, which ends it, is another matter.
pub(crate) fn runs_beside(verb: &str, has_argument: bool) -> bool {
    is_in(BESIDE, verb) || (verb == "STAT" && !has_argument)
}

/// Whether a restart marker, or what RNFR named, is still there after it.
pub(crate) fn keeps_marker(verb: &str) -> bool {
    is_in(KEEPS_MARKER, verb)
}
