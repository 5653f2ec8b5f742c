//! What the session tells about itself: for logs, metrics and hooks. None of it asks for an answer.

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use ftp_types::{UserName, VirtualPath};

use crate::action::{ActionId, Change, Representation, TransferError};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A command line came in; only with [`Config::report_commands`](crate::Config::report_commands).
    Command(CommandLine),
    /// A user has logged in.
    LoggedIn(UserName),
    /// A login was refused.
    LoginFailed(UserName),
    /// A user is no longer logged in, by QUIT, USER, REIN or the end of the session.
    LoggedOut(UserName),
    /// The tree was changed.
    Changed(Change),
    /// A file transfer has ended, whole or not. Listings are not reported.
    Transferred(TransferReport),
    /// An answer came for an action that was not waiting for one; it was ignored. The driver has a bug.
    StrayAnswer(ActionId),
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
        let start = line.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(line.len());
        let line = &line[start..];
        match line.get(..4) {
            Some(verb) if verb.eq_ignore_ascii_case(b"PASS") => Self { line: Vec::from(*b"PASS ******") },
            _ => Self { line: line.to_vec() },
        }
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::text::write_escaped(f, &self.line)
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
    /// The server stops, or somebody ended this session.
    ShutDown,
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
        })
    }
}
