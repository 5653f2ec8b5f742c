//! The commands: one row for each verb says what it takes, who may give it, when it may run, and where it is defined.
//!
//! To add a command, add a row here, a handler in `commands/`, and a transcript to the tests.

use crate::commands::{access, dirs, files, info, params, security};
use crate::config::Config;
use crate::session::{Input, Session};

/// What the table tells of a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandInfo {
    /// The verb, in upper case.
    pub name: &'static str,
    /// Whether it takes an argument.
    pub argument: Argument,
    /// Who may give it.
    pub access: Access,
    /// Whether Ferry carries it out; otherwise it is known and answered by 502. Those for TLS are answered so, too, where
    /// [`Config::tls`] does not offer it, and all that [`Config::disabled_commands`] names.
    pub offered: bool,
    /// Where it is defined.
    pub rfc: &'static str,
    /// Its form and meaning, for HELP.
    pub help: &'static str,
}

/// Whether a command takes an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Argument {
    /// 501 with one.
    None,
    /// As one likes.
    Optional,
    /// 501 without one.
    Required,
}

/// Who may give a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Anyone: it works before login.
    Anyone,
    /// Anyone as long as there is no argument, else only users (STAT).
    AnyoneBare,
    /// Anyone with some arguments, of which the handler knows; without any only users (OPTS, SITE).
    AnyoneSome,
    /// Only users: 530 before login, whatever the argument is.
    Users,
}

/// Whether a command may run beside a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// It waits for the end of the transfer.
    No,
    /// It may.
    Yes,
    /// It may when it has no argument.
    Bare,
    /// It ends the transfer, and may even before the preliminary reply.
    Abort,
}

/// What becomes of a restart marker or a rename source that an earlier command left (RFC 959 §4.1.3: REST and RNFR
/// are to be followed at once by the command that uses them).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    /// It is taken: used by this command, or forgotten.
    Taken,
    /// It stays: clients send these between REST and RETR.
    Stays,
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) info: CommandInfo,
    pub(crate) beside: Beside,
    pub(crate) marker: Marker,
    /// It exists only where TLS is offered.
    pub(crate) needs_tls: bool,
    pub(crate) run: Handler,
    key: Key,
}

/// A verb as what is compared in one step: its bytes in upper case, and zeros behind them. There is room for longer ones
/// than there are.
type Key = [u8; 8];

/// Carries a command out.
pub(crate) type Handler = fn(&mut Session, Input<'_>);

impl Row {
    const fn new(name: &'static str, argument: Argument, rfc: &'static str, help: &'static str, run: Handler) -> Self {
        let info = CommandInfo { name, argument, access: Access::Users, offered: true, rfc, help };
        Self { info, beside: Beside::No, marker: Marker::Taken, needs_tls: false, run, key: key(name.as_bytes()) }
    }

    const fn not_offered(name: &'static str, rfc: &'static str, help: &'static str) -> Self {
        let mut row = Self::new(name, Argument::Optional, rfc, help, security::not_offered);
        row.info.offered = false;
        row.open_to(Access::Anyone)
    }

    const fn open_to(mut self, access: Access) -> Self {
        self.info.access = access;
        self
    }

    const fn beside(mut self, beside: Beside) -> Self {
        self.beside = beside;
        self
    }

    /// Whether the command is carried out under this configuration; otherwise the answer is 502.
    pub(crate) fn is_offered(&self, config: &Config) -> bool {
        let disabled = || config.disabled_commands.iter().any(|name| name.eq_ignore_ascii_case(self.info.name));
        self.info.offered && (!self.needs_tls || config.tls.is_some()) && !disabled()
    }

    const fn with_tls(mut self) -> Self {
        self.needs_tls = true;
        self.open_to(Access::Anyone)
    }

    const fn keeps_marker(mut self) -> Self {
        self.marker = Marker::Stays;
        self
    }
}

/// Finds a verb's row, in any case of letters.
pub(crate) fn find(verb: &[u8]) -> Option<&'static Row> {
    // Zeros that a client sends are none of those behind a name.
    let may_be_known = verb.len() <= size_of::<Key>() && !verb.contains(&0);
    let key = may_be_known.then(|| key(verb))?;
    TABLE.iter().find(|row| row.key == key)
}

/// # Panics
/// When the verb is too long.
const fn key(verb: &[u8]) -> Key {
    let mut key = [0; size_of::<Key>()];
    let mut place = 0;
    while place < verb.len() {
        key[place] = verb[place].to_ascii_uppercase();
        place += 1;
    }
    key
}

/// All commands that Ferry knows, in the order of the table.
pub fn commands() -> impl Iterator<Item = &'static CommandInfo> {
    TABLE.iter().map(|row| &row.info)
}

/// Those that this configuration offers.
pub(crate) fn offered(config: &Config) -> impl Iterator<Item = &'static CommandInfo> {
    TABLE.iter().filter(|row| row.is_offered(config)).map(|row| &row.info)
}

use Access::{Anyone, AnyoneBare, AnyoneSome};
use Argument::{None, Optional, Required};

const RFC_959_ACCESS: &str = "RFC 959 §4.1.1";
const RFC_959_PARAMETERS: &str = "RFC 959 §4.1.2";
const RFC_959_SERVICE: &str = "RFC 959 §4.1.3";
const RFC_1123: &str = "RFC 1123 §4.1.3.1";
const RFC_2228: &str = "RFC 2228 §3";

static TABLE: &[Row] = &[
    // Access control
    Row::new("USER", Required, RFC_959_ACCESS, "USER <name>: say who you are", access::user)
        .open_to(Anyone)
        .beside(Beside::Yes),
    Row::new("PASS", Optional, RFC_959_ACCESS, "PASS <password>: prove it", access::pass)
        .open_to(Anyone)
        .beside(Beside::Yes),
    Row::new("ACCT", Required, RFC_959_ACCESS, "ACCT <account>: not needed here", access::acct),
    Row::new("REIN", None, RFC_959_ACCESS, "REIN: log out, stay connected", access::rein).beside(Beside::Yes),
    Row::new("QUIT", None, RFC_959_ACCESS, "QUIT: log out and leave", access::quit).open_to(Anyone).beside(Beside::Yes),
    // Directories
    Row::new("CWD", Optional, RFC_959_ACCESS, "CWD [<path>]: change the working directory", dirs::cwd),
    Row::new("XCWD", Optional, RFC_1123, "XCWD [<path>]: the same as CWD", dirs::cwd),
    Row::new("CDUP", None, RFC_959_ACCESS, "CDUP: go to the parent directory", dirs::cdup),
    Row::new("XCUP", None, RFC_1123, "XCUP: the same as CDUP", dirs::cdup),
    Row::new("PWD", None, RFC_959_SERVICE, "PWD: print the working directory", dirs::pwd),
    Row::new("XPWD", None, RFC_1123, "XPWD: the same as PWD", dirs::pwd),
    Row::new("MKD", Required, RFC_959_SERVICE, "MKD <path>: make a directory", dirs::mkd),
    Row::new("XMKD", Required, RFC_1123, "XMKD <path>: the same as MKD", dirs::mkd),
    Row::new("RMD", Required, RFC_959_SERVICE, "RMD <path>: remove an empty directory", dirs::rmd),
    Row::new("XRMD", Required, RFC_1123, "XRMD <path>: the same as RMD", dirs::rmd),
    // Transfer parameters
    Row::new("PORT", Required, RFC_959_PARAMETERS, "PORT <h1,h2,h3,h4,p1,p2>: connect to me there", params::port)
        .keeps_marker(),
    Row::new("PASV", None, RFC_959_PARAMETERS, "PASV: let me connect to you", params::pasv).keeps_marker(),
    Row::new("EPRT", Required, "RFC 2428 §2", "EPRT <|protocol|address|port|>: connect to me there", params::eprt)
        .keeps_marker(),
    Row::new("EPSV", Optional, "RFC 2428 §3", "EPSV [<protocol>|ALL]: let me connect to you", params::epsv)
        .keeps_marker(),
    Row::new("TYPE", Required, RFC_959_PARAMETERS, "TYPE <A|I|L 8>: set the representation type", params::type_),
    Row::new("STRU", Required, RFC_959_PARAMETERS, "STRU <F>: set the file structure", params::stru),
    Row::new("MODE", Required, RFC_959_PARAMETERS, "MODE <S>: set the transfer mode", params::mode),
    // Files
    Row::new("RETR", Required, RFC_959_SERVICE, "RETR <path>: fetch a file", files::retr),
    Row::new("STOR", Required, RFC_959_SERVICE, "STOR <path>: store a file", files::stor),
    Row::new("APPE", Required, RFC_959_SERVICE, "APPE <path>: append to a file", files::appe),
    Row::new("STOU", Optional, RFC_959_SERVICE, "STOU [<prefix>]: store under an unused name", files::stou),
    Row::new("REST", Required, "RFC 3659 §5", "REST <offset>: begin the next transfer there", files::rest),
    Row::new("ALLO", Required, RFC_959_SERVICE, "ALLO <bytes>: not needed here", files::allo),
    Row::new("ABOR", None, RFC_959_SERVICE, "ABOR: abort the transfer", files::abor).beside(Beside::Abort),
    Row::new("RNFR", Required, RFC_959_SERVICE, "RNFR <path>: name what to rename", files::rnfr),
    Row::new("RNTO", Required, RFC_959_SERVICE, "RNTO <path>: rename it", files::rnto),
    Row::new("DELE", Required, RFC_959_SERVICE, "DELE <path>: delete a file", files::dele),
    Row::new("SIZE", Required, "RFC 3659 §4", "SIZE <path>: tell the size of a file", files::size),
    Row::new("MDTM", Required, "RFC 3659 §3", "MDTM <path>: tell when a file was modified", files::mdtm),
    Row::new(
        "MFMT",
        Required,
        "draft-somers-ftp-mfxx §3.1",
        "MFMT <YYYYMMDDHHMMSS> <path>: set when a file was modified",
        files::mfmt,
    ),
    Row::new("SITE", Required, RFC_959_SERVICE, "SITE <CHMOD|HELP>: services of this site", files::site)
        .open_to(AnyoneSome),
    // Listings
    Row::new("LIST", Optional, RFC_959_SERVICE, "LIST [<path>]: list a directory", dirs::list),
    Row::new("NLST", Optional, RFC_959_SERVICE, "NLST [<path>]: list names alone", dirs::nlst),
    Row::new("MLSD", Optional, "RFC 3659 §7", "MLSD [<path>]: list a directory for machines", dirs::mlsd),
    Row::new("MLST", Optional, "RFC 3659 §7", "MLST [<path>]: describe one file for machines", dirs::mlst),
    Row::new("STAT", Optional, RFC_959_SERVICE, "STAT [<path>]: tell the status, or list a directory", info::stat)
        .open_to(AnyoneBare)
        .beside(Beside::Bare)
        .keeps_marker(),
    // Information
    Row::new("FEAT", None, "RFC 2389 §3", "FEAT: list the features", info::feat).open_to(Anyone),
    Row::new("OPTS", Required, "RFC 2389 §4", "OPTS <command> [<options>]: set options", info::opts)
        .open_to(AnyoneSome),
    Row::new("HELP", Optional, RFC_959_SERVICE, "HELP [<command>]: this help", info::help).open_to(Anyone),
    Row::new("NOOP", None, RFC_959_SERVICE, "NOOP: do nothing", info::noop)
        .open_to(Anyone)
        .beside(Beside::Yes)
        .keeps_marker(),
    Row::new("SYST", None, RFC_959_SERVICE, "SYST: tell the kind of system", info::syst).open_to(Anyone),
    Row::new("CLNT", Required, "FEAT name CLNT", "CLNT <name>: say which program you are", info::clnt).open_to(Anyone),
    // Security, where TLS is offered
    Row::new("AUTH", Required, "RFC 4217 §4", "AUTH <TLS>: go on under TLS", security::auth).with_tls(),
    Row::new("PBSZ", Required, "RFC 4217 §8", "PBSZ <0>: to be sent before PROT", security::pbsz).with_tls(),
    Row::new("PROT", Required, "RFC 4217 §9", "PROT <C|P>: data in clear, or under TLS", security::prot).with_tls(),
    // Known, not offered
    Row::not_offered("CCC", RFC_2228, "CCC: not offered"),
    Row::not_offered("ADAT", RFC_2228, "ADAT <data>: not offered"),
    Row::not_offered("MIC", RFC_2228, "MIC <message>: not offered"),
    Row::not_offered("CONF", RFC_2228, "CONF <message>: not offered"),
    Row::not_offered("ENC", RFC_2228, "ENC <message>: not offered"),
    Row::not_offered("SMNT", RFC_959_ACCESS, "SMNT <path>: not offered"),
    Row::not_offered("HOST", "RFC 7151 §3", "HOST <name>: not offered"),
    Row::not_offered("LANG", "RFC 2640 §4.1", "LANG [<tag>]: not offered"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_once_and_in_upper_case() {
        for (index, row) in TABLE.iter().enumerate() {
            assert!(row.info.name.bytes().all(|byte| byte.is_ascii_uppercase()), "{}", row.info.name);
            assert!(TABLE[index + 1..].iter().all(|other| other.info.name != row.info.name), "{}", row.info.name);
            assert!(row.info.help.starts_with(row.info.name));
        }
    }

    #[test]
    fn a_verb_is_known_in_any_case_of_letters() {
        let name = |verb| find(verb).map(|row| row.info.name);
        assert_eq!([b"NOOP", b"noop", b"nOoP"].map(|verb| name(verb)), [Some("NOOP"); 3]);
        assert_eq!([b"PWD", b"pwd"].map(|verb| name(verb)), [Some("PWD"); 2]);
    }

    #[test]
    fn what_is_nearly_a_verb_is_none() {
        for verb in [&b"NOO"[..], b"NOOPS", b"NOOPNOOP", b"NOOPNOOPN", b"NOOP\0", b"NOOP\0\0\0\0", b"NOOP\0\0\0\0\0"] {
            assert!(find(verb).is_none(), "{}", verb.escape_ascii());
        }
        for verb in [&b""[..], b"\0", &[0; 8], b"\0NOOP", b"NO\0OP"] {
            assert!(find(verb).is_none(), "{}", verb.escape_ascii());
        }
    }
}
