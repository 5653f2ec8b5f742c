//! What the session tells about itself: for logs, metrics and hooks. None of it asks for an answer.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use ftp_types::{Escaped, UserName, VirtualPath};

use crate::action::{ActionId, Change, LoginError, Representation, TransferError};
use crate::secrets;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A command line came in; only with [`Config::report_commands`](crate::Config::report_commands).
    Command(CommandLine),
    /// The control connection is under TLS from now on.
    Secured,
    /// A user has logged in.
    LoggedIn(UserName),
    /// A login was refused. It is told when that is decided; the reply may come later.
    LoginFailed {
        /// Whom USER named.
        user: UserName,
        /// Why.
        reason: LoginError,
    },
    /// A user is no longer logged in. It comes once for each [`LoggedIn`](Self::LoggedIn).
    LoggedOut {
        /// Who was.
        user: UserName,
        /// By what.
        reason: LogoutReason,
    },
    /// The tree was changed.
    Changed(Change),
    /// A file transfer has ended, whole or not. Listings are not reported.
    Transferred(TransferReport),
    /// An answer came for an action that was not waiting for one; it was ignored. The driver has a bug.
    StrayAnswer(ActionId),
}

/// What ended a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogoutReason {
    /// USER: somebody else, or the same user again, wants to log in.
    User,
    /// REIN.
    Reinitialized,
    /// AUTH: the login was made before TLS and does not count under it.
    Secured,
    /// The session has ended; QUIT is [`CloseReason::Quit`].
    SessionEnded(CloseReason),
}

impl fmt::Display for LogoutReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("USER"),
            Self::Reinitialized => f.write_str("REIN"),
            Self::Secured => f.write_str("AUTH"),
            Self::SessionEnded(reason) => reason.fmt(f),
        }
    }
}

/// A file transfer that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferReport {
    /// The user who began it.
    pub user: UserName,
    /// The file.
    pub path: VirtualPath,
    /// Which way it went.
    pub direction: Direction,
    /// ASCII or image.
    pub representation: Representation,
    /// Bytes over the data connection.
    pub bytes: u64,
    /// From the 150 or 125 reply to the end.
    pub duration: Duration,
    /// Whether it is whole, and else why not.
    pub end: Result<(), Incomplete>,
}

/// Which way a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To the client: RETR.
    Download,
    /// From the client: STOR, APPE and STOU.
    Upload,
}

/// Why a file did not arrive whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Incomplete {
    /// ABOR.
    Aborted,
    /// The transfer itself failed.
    Failed(TransferError),
    /// The session ended first.
    SessionEnded(CloseReason),
}

/// A command line for the log. Passwords are masked, and bytes that are not printable text come escaped, so that no
/// line can forge another.
#[derive(Clone, PartialEq, Eq)]
pub struct CommandLine {
    line: Vec<u8>,
}

impl CommandLine {
    /// Takes a line as the client sent it.
    #[must_use]
    pub fn new(line: &[u8]) -> Self {
        Self { line: secrets::masked(line).unwrap_or_else(|| line.to_vec()) }
    }

    /// A line of which nothing is shown.
    pub(crate) fn hidden() -> Self {
        Self { line: b"******".to_vec() }
    }
}

/// Whether one slip of the finger makes this of the word: a letter more, less or wrong, or two in the wrong order.
pub(crate) fn is_slip(typed: &[u8], word: &[u8]) -> bool {
    let same = |(one, other): &(&u8, &u8)| one.eq_ignore_ascii_case(other);
    let front = typed.iter().zip(word).take_while(same).count();
    let (typed, word) = (&typed[front..], &word[front..]);
    let back = typed.iter().rev().zip(word.iter().rev()).take_while(same).count();
    match (&typed[..typed.len() - back], &word[..word.len() - back]) {
        (typed, word) if typed.len() <= 1 && word.len() <= 1 => true,
        ([a, b], [c, d]) => a.eq_ignore_ascii_case(d) && b.eq_ignore_ascii_case(c),
        _ => false,
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(&self.line).fmt(f)
    }
}

impl fmt::Debug for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommandLine({self})")
    }
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client said QUIT.
    Quit,
    /// The client closed the control connection.
    PeerClosed,
    /// No command for too long.
    Idle,
    /// No login for too long.
    LoginTimeout,
    /// Too many wrong logins.
    TooManyLogins,
    /// A transfer made no progress for too long.
    Stalled,
    /// What came was not FTP.
    NotFtp,
    /// TLS on the control connection failed.
    TlsFailed,
    /// The server stops.
    ShutDown,
    /// The server goes on, and ended this session.
    Dismissed,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quit => "quit",
            Self::PeerClosed => "connection closed by the client",
            Self::Idle => "idle timeout",
            Self::LoginTimeout => "login timeout",
            Self::TooManyLogins => "too many wrong logins",
            Self::Stalled => "transfer stalled",
            Self::NotFtp => "not FTP",
            Self::TlsFailed => "TLS failed",
            Self::ShutDown => "server stops",
            Self::Dismissed => "ended by the server",
        })
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn the_reason_of_an_end_can_be_read() {
        assert_eq!(LogoutReason::Reinitialized.to_string(), "REIN");
        assert_eq!(LogoutReason::SessionEnded(CloseReason::Idle).to_string(), "idle timeout");
    }

    #[test]
    fn passwords_are_masked_whatever_the_spelling() {
        for (line, shown) in [
            ("PASS secret", "PASS ******"),
            ("pass secret", "PASS ******"),
            ("  PaSs  secret", "PASS ******"),
            ("PASS", "PASS ******"),
            ("\0PASS secret", "PASS ******"),
            ("PASSsecret", "PASS ******"),
            ("x PASS secret", "PASS ******"),
            ("PAS hunter2 secret", "PAS ******"),
            ("PSAS secret", "PSAS ******"),
            ("psss secret", "psss ******"),
            ("PPASS secret", "PASS ******"),
            ("ACCT secret", "ACCT ******"),
            ("ADAT c2VjcmV0", "ADAT ******"),
            ("USER alice pass secret", "USER alice PASS ******"),
            ("USER alice\tPASS\tsecret", "USER alice\\tPASS ******"),
            ("ACCT\tsecret", "ACCT ******"),
            ("PAS\thunter2 secret", "PAS ******"),
            ("ENC c2VjcmV0 secret", "ENC ******"),
            ("AUTH PLAIN secret", "AUTH ******"),
            ("SITE PSWD secret new-secret", "SITE PSWD ******"),
            ("SITE  PSWD secret", "SITE  PSWD ******"),
            ("SITE CPWD secret", "SITE CPWD ******"),
            ("SITE ADDUSER bob\tsecret", "SITE ADDUSER ******"),
            ("SITE CPWD\tsecret", "SITE CPWD ******"),
            ("P@SS secret", "P@SS ******"),
            ("PA-S secret", "PA-S ******"),
            ("USER alicePASS  secret", "USER alicePASS ******"),
            ("USER alice PASSsecret", "USER alice PASS ******"),
            ("NOOP pass secret", "NOOP ******"),
            ("site passwd secret", "SITE PASS ******"),
        ] {
            let is = CommandLine::new(line.as_bytes()).to_string();
            assert!(!is.contains("secret") && is.ends_with(shown), "{line}: {is}");
        }
    }

    #[test]
    fn what_is_no_password_is_shown() {
        for line in [
            "RETR password.txt",
            "SITE CHMOD 600 passwords",
            "USER bypass",
            "USER pass",
            "PASV",
            "PASV x",
            "AUTH TLS",
            "AUTH GSSAPI",
            "SITE UTIME 20260101000000 a pass",
            "SITE UMASK 022",
            "SITE EXEC id",
            "XCRC map/assets.tar",
            "XCRC /pub/accts.csv",
            "USER acct_payable",
            "USER alice@acct.example.com",
            "USER svc_pass_1",
            "USER pass-through",
            "LPSV 1",
            "PSXS x",
            "PXAS x",
        ] {
            assert_eq!(CommandLine::new(line.as_bytes()).to_string(), line);
        }
    }

    #[test]
    fn a_line_cannot_forge_another() {
        let line = CommandLine::new(b"CWD a\rUSER b\x1b[2J\xff");
        assert_eq!(line.to_string(), "CWD a\\rUSER b\\u{1b}[2J\\xff");
        assert_eq!(alloc::format!("{line:?}"), "CommandLine(CWD a\\rUSER b\\u{1b}[2J\\xff)");
    }
}
