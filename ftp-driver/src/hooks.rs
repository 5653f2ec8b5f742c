//! What an embedder can watch: sessions, events, replies.

use std::fmt;
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

/// Watches sessions: for transfer logs, metrics, audits.
///
/// The methods are called from the session's own task while it serves, so they must not block; send what takes time
/// elsewhere. Each does nothing unless implemented.
pub trait Hooks: Send + Sync + 'static {
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
impl Hooks for () {}

impl fmt::Display for SessionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {} of {}", self.id, self.addresses.peer)
    }
}
