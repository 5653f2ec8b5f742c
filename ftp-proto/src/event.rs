//! What the session tells about itself: for logs, metrics and hooks. None of it asks for an answer.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use ftp_types::{Escaped, UserName, VirtualPath};

use crate::action::{ActionId, Change, LoginError, Representation, TransferError};
use crate::parse::{self, Command};

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
        Self { line: masked(line).unwrap_or_else(|| line.to_vec()) }
    }
}

/// What to show in place of a line that has, or may have, a secret in it: PASS and ACCT, and what is no command but
/// looks like a misspelt PASS.
fn masked(line: &[u8]) -> Option<Vec<u8>> {
    let (verb, _) = parse::words(line);
    match Command::parse(line).map(|command| command.info().name) {
        Some(name @ ("PASS" | "ACCT")) => Some([name.as_bytes(), b" ******"].concat()),
        Some(_) => None,
        None => line.windows(4).any(|word| word.eq_ignore_ascii_case(b"PASS")).then(|| {
            let shown = verb.windows(4).position(|word| word.eq_ignore_ascii_case(b"PASS")).unwrap_or(0);
            [&verb[..shown], b"PASS ******"].concat()
        }),
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
    fn passwords_are_masked_whatever_the_spelling() {
        for line in
            ["PASS secret", "pass secret", "  PaSs  secret", "PASS", "\0PASS secret", "PASSsecret", "x PASS secret"]
        {
            let shown = CommandLine::new(line.as_bytes()).to_string();
            assert!(!shown.contains("secret") && shown.contains("PASS ******"), "{line}: {shown}");
        }
        assert_eq!(CommandLine::new(b"RETR password.txt").to_string(), "RETR password.txt");
    }

    #[test]
    fn a_line_cannot_forge_another() {
        assert_eq!(CommandLine::new(b"CWD a\rUSER b\x1b[2J\xff").to_string(), "CWD a\\rUSER b\\u{1b}[2J\\xff");
    }
}
