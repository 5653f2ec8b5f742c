//! What an embedder can watch, for logs and metrics: sessions, commands, replies.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ftp_proto::{CloseReason, Event, Reply};
use ftp_types::UserName;

use crate::runtime::Addresses;

/// Who a session belongs to, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionInfo {
    /// A number that no other session of this process has.
    pub id: u64,
    /// The two ends of the control connection.
    pub addresses: Addresses,
    /// Who is logged in.
    pub user: Option<UserName>,
}

/// What a session was, told at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// The session; its user is the last who was logged in.
    pub session: SessionInfo,
    /// Why it ended.
    pub reason: CloseReason,
    /// Bytes of files and listings that went to the client.
    pub bytes_sent: u64,
    /// Bytes of files that came from the client.
    pub bytes_received: u64,
    /// From the connection to its end.
    pub duration: Duration,
}

/// Watches sessions: for logs, metrics, audits. It sees every command (with
/// [`Config::report_commands`](ftp_proto::Config::report_commands)) and every reply, and misses nothing.
///
/// The methods are called from the session's own task while it serves, so they must not block: hand what takes time
/// over to somebody else, or use [`Hooks`](crate::Hooks), which may take theirs. Each does nothing unless implemented.
///
/// A log of lines as the client and the server wrote them, passwords masked:
///
/// ```
/// use ftp_driver::{Observer, SessionInfo};
/// use ftp_proto::{Event, Reply};
///
/// struct LineLog;
///
/// impl Observer for LineLog {
///     fn event(&self, session: &SessionInfo, event: &Event) {
///         if let Event::Command(line) = event {
///             println!("{session} <== {line}");
///         }
///     }
///
///     fn reply(&self, session: &SessionInfo, reply: &Reply) {
///         println!("{session} ==> {reply}");
///     }
/// }
/// ```
pub trait Observer: Send + Sync + 'static {
    /// A client has connected.
    fn connected(&self, session: &SessionInfo) {
        let _ = session;
    }

    /// A client was sent away with this reply, since there were too many.
    fn refused(&self, addresses: &Addresses, reply: &Reply) {
        let _ = (addresses, reply);
    }

    /// Something happened in the session.
    fn event(&self, session: &SessionInfo, event: &Event) {
        let _ = (session, event);
    }

    /// A reply goes to the client.
    fn reply(&self, session: &SessionInfo, reply: &Reply) {
        let _ = (session, reply);
    }

    /// The session has ended.
    fn disconnected(&self, summary: &Summary) {
        let _ = summary;
    }
}

/// Watches nothing.
impl Observer for () {}

/// Both watch, one after the other.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn connected(&self, session: &SessionInfo) {
        self.0.connected(session);
        self.1.connected(session);
    }

    fn refused(&self, addresses: &Addresses, reply: &Reply) {
        self.0.refused(addresses, reply);
        self.1.refused(addresses, reply);
    }

    fn event(&self, session: &SessionInfo, event: &Event) {
        self.0.event(session, event);
        self.1.event(session, event);
    }

    fn reply(&self, session: &SessionInfo, reply: &Reply) {
        self.0.reply(session, reply);
        self.1.reply(session, reply);
    }

    fn disconnected(&self, summary: &Summary) {
        self.0.disconnected(summary);
        self.1.disconnected(summary);
    }
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn connected(&self, session: &SessionInfo) {
        (**self).connected(session);
    }

    fn refused(&self, addresses: &Addresses, reply: &Reply) {
        (**self).refused(addresses, reply);
    }

    fn event(&self, session: &SessionInfo, event: &Event) {
        (**self).event(session, event);
    }

    fn reply(&self, session: &SessionInfo, reply: &Reply) {
        (**self).reply(session, reply);
    }

    fn disconnected(&self, summary: &Summary) {
        (**self).disconnected(summary);
    }
}

/// `[alice]@192.0.2.7:40000`; the brackets are empty before a login.
impl fmt::Display for SessionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { addresses: Addresses { peer, .. }, user, .. } = self;
        match user {
            Some(user) => write!(f, "[{user}]@{peer}"),
            None => write!(f, "[]@{peer}"),
        }
    }
}
