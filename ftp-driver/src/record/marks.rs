//! The outline of what a session put out: enough to see whether another says and does the same.

use std::fmt;

use ftp_proto::{Action, CloseReason, Event, Output, Reply, Resource};
use serde::{Deserialize, Serialize};

/// An output, as far as it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mark {
    /// A reply.
    Reply {
        /// Its code.
        code: u16,
        /// The lower half of the CRC-32 of its bytes. It differs where only the text does.
        check: u16,
    },
    /// An action of this kind began.
    Start(ActionKind),
    /// The action of this number was to stop.
    Cancel(u64),
    /// Something was released.
    Release(ResourceKind, u64),
    /// Something was told.
    Event(EventKind),
    /// The session closed, for the reason of this number.
    Close(u8),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are those of `Action`")]
pub enum ActionKind {
    Authenticate,
    Stat,
    Change,
    Open,
    Listen,
    Accept,
    Connect,
    StartTls,
    Transfer,
}

/// What the driver holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are those of `Resource`")]
pub enum ResourceKind {
    Account,
    Listener,
    Data,
    File,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are those of `Event`")]
#[non_exhaustive]
pub enum EventKind {
    Command,
    Secured,
    LoggedIn,
    LoginFailed,
    LoggedOut,
    Changed,
    Transferred,
    StrayAnswer,
    Other,
}

impl Mark {
    /// The outline of an output.
    #[must_use]
    pub fn of(output: &Output) -> Self {
        match output {
            Output::Send(reply) => Self::of_reply(reply),
            Output::Start(action) => Self::Start(ActionKind::of(action)),
            Output::Cancel(id) => Self::Cancel(id.number()),
            Output::Release(resource) => {
                let (kind, id) = match resource {
                    Resource::Account(id) => (ResourceKind::Account, id),
                    Resource::Listener(id) => (ResourceKind::Listener, id),
                    Resource::Data(id) => (ResourceKind::Data, id),
                    Resource::File(id) => (ResourceKind::File, id),
                };
                Self::Release(kind, id.number())
            }
            Output::Notify(event) => Self::Event(EventKind::of(event)),
            Output::Close(reason) => Self::Close(number_of(*reason)),
        }
    }

    fn of_reply(reply: &Reply) -> Self {
        let mut wire = Vec::new();
        reply.write_to(&mut wire);
        let check = crc32fast::hash(&wire) & u32::from(u16::MAX);
        Self::Reply { code: reply.code().number(), check: check as u16 }
    }

    /// Whether the other says and does the same, if perhaps in other words.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Reply { code, .. }, Self::Reply { code: other, .. }) => code == other,
            _ => self == other,
        }
    }
}

impl ActionKind {
    fn of(action: &Action) -> Self {
        match action {
            Action::Authenticate(_) => Self::Authenticate,
            Action::Stat(_) => Self::Stat,
            Action::Change(_) => Self::Change,
            Action::Open(_) => Self::Open,
            Action::Listen(_) => Self::Listen,
            Action::Accept(_) => Self::Accept,
            Action::Connect(_) => Self::Connect,
            Action::StartTls(_) => Self::StartTls,
            Action::Transfer(_) => Self::Transfer,
        }
    }
}

impl EventKind {
    fn of(event: &Event) -> Self {
        match event {
            Event::Command(_) => Self::Command,
            Event::Secured => Self::Secured,
            Event::LoggedIn(_) => Self::LoggedIn,
            Event::LoginFailed { .. } => Self::LoginFailed,
            Event::LoggedOut { .. } => Self::LoggedOut,
            Event::Changed(_) => Self::Changed,
            Event::Transferred(_) => Self::Transferred,
            Event::StrayAnswer(_) => Self::StrayAnswer,
            _ => Self::Other,
        }
    }
}

const REASONS: [CloseReason; 10] = [
    CloseReason::Quit,
    CloseReason::PeerClosed,
    CloseReason::Idle,
    CloseReason::LoginTimeout,
    CloseReason::TooManyLogins,
    CloseReason::Stalled,
    CloseReason::NotFtp,
    CloseReason::TlsFailed,
    CloseReason::ShutDown,
    CloseReason::Dismissed,
];

fn number_of(reason: CloseReason) -> u8 {
    REASONS.iter().position(|known| *known == reason).map_or(u8::MAX, |place| place as u8)
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply { code, .. } => write!(f, "reply {code}"),
            Self::Start(kind) => write!(f, "start of {kind:?}"),
            Self::Cancel(id) => write!(f, "cancel of #{id}"),
            Self::Release(kind, id) => write!(f, "release of {kind:?} #{id}"),
            Self::Event(kind) => write!(f, "event {kind:?}"),
            Self::Close(number) => match REASONS.get(usize::from(*number)) {
                Some(reason) => write!(f, "close: {reason}"),
                None => f.write_str("close"),
            },
        }
    }
}
