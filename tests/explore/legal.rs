//! Which replies a command may get, written down from the RFCs and not from the code: RFC 959 §5.4, RFC 2228 §5,
//! RFC 2389, RFC 2428, RFC 3659 and RFC 4217. Where Ferry differs, `docs/design/replies-that-differ-from-the-rfcs.md`
//! says why.

use crate::alphabet::{GREETING, UNKNOWN};

/// Any command may be unknown, wrong, not offered, or only for users.
const REFUSALS: &[u16] = &[500, 501, 502, 530];

/// What storage answers to anything it is asked.
pub(crate) const STORAGE: &[u16] = &[426, 450, 451, 452, 504, 550, 552, 553, 554];

/// Whether this preliminary reply, or head of a reply, may come to a command of this family.
pub(crate) fn may_begin(family: &str, code: u16) -> bool {
    match family {
        "RETR" | "STOR" | "STOU" | "LIST" | "MLSD" => [125, 150].contains(&code),
        "STAT" => code == 213,
        _ => false,
    }
}

/// Whether this reply may be the last to a command of this family.
pub(crate) fn may_end(family: &str, code: u16) -> bool {
    let (own, asks_storage) = finals(family);
    let refused = family != GREETING && REFUSALS.contains(&code);
    own.contains(&code) || (asks_storage && STORAGE.contains(&code)) || refused
}

/// Whether a transfer that was announced by its preliminary reply may end with this one. None of the commands that may
/// run beside it has any of them.
pub(crate) fn may_end_transfer(family: &str, code: u16) -> bool {
    match family {
        "STAT" => code == 213,
        _ => [226, 425, 522].contains(&code) || STORAGE.contains(&code),
    }
}

fn finals(family: &str) -> (&'static [u16], bool) {
    match family {
        GREETING => (&[220], false),
        UNKNOWN | "CCC" => (&[], false),
        "USER" => (&[331, 232, 550], false),
        "PASS" => (&[230, 503, 550], false),
        "ACCT" | "ALLO" => (&[202], false),
        "REIN" => (&[220], false),
        "QUIT" => (&[221], false),
        "CWD" => (&[250], true),
        "PWD" => (&[257], false),
        "MKD" => (&[257], true),
        "RMD" => (&[250], true),
        "PORT" => (&[200, 522, 550], false),
        "PASV" => (&[227, 425, 550], false),
        "EPSV" => (&[200, 229, 425, 522, 550], false),
        "TYPE" | "STRU" => (&[200, 504], false),
        "RETR" | "STOR" | "STOU" | "LIST" | "MLSD" => (&[226, 425, 521, 522], true),
        "REST" => (&[350], false),
        "ABOR" => (&[225, 226], false),
        "RNFR" => (&[350], true),
        "RNTO" => (&[250, 503], true),
        "SIZE" | "MFMT" => (&[213], true),
        "SITE" => (&[200, 214], true),
        "MLST" => (&[250], true),
        "STAT" => (&[211, 213], true),
        "FEAT" => (&[211], false),
        "OPTS" => (&[200, 504], false),
        "HELP" => (&[214], false),
        "NOOP" => (&[200], false),
        "SYST" => (&[215], false),
        "AUTH" => (&[234, 503, 504], false),
        "PBSZ" => (&[200, 503], false),
        "PROT" => (&[200, 503, 504, 536], false),
        other => panic!("{other} has no replies"),
    }
}
