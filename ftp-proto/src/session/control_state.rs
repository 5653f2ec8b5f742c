//! What decides how a session goes on, for tests that walk through all of its states (feature `testing`).
//!
//! [`ControlState`] leaves out what has no say in that: the names of actions, moments, texts, the working directory, the
//! charset, the choice of facts, and how many bytes have moved. Two sessions of one configuration in the same control
//! state, whose drivers have the same work before them, answer the same input alike.

use alloc::vec::Vec;

use super::{Held, OneShot, Phase, Session};
use crate::action::ActionId;
use crate::data::DataChannel;
use crate::event::CloseReason;
use crate::line::Framed;
use crate::{Representation, Timer};

/// The control state of a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ControlState {
    /// Whether the session serves.
    pub life: Life,
    /// How far the login has come.
    pub login: LoginState,
    /// Wrong logins so far, counted no further than to the limit; 0 where there is none.
    pub attempts: u32,
    /// The reply to a wrong login is held back; `true` when the session closes behind it.
    pub held: Option<bool>,
    /// TLS.
    pub security: SecurityState,
    /// The data channel.
    pub data: DataState,
    /// The transfer that is under way.
    pub transfer: Option<TransferState>,
    /// Whether the command that runs waits for the outcome of an action.
    pub pending: bool,
    /// Whether that action is a listener that was told to take its time.
    pub waits_for_port: bool,
    /// How many cancelled actions have not been completed.
    pub cancelled: usize,
    /// What one command has left for the next.
    pub marker: MarkerState,
    /// TYPE.
    pub representation: Representation,
    /// Whether EPSV ALL was said.
    pub epsv_all: bool,
    /// The lines that wait to be run; `None` for one that was too long.
    pub lane: Vec<Option<Vec<u8>>>,
    /// Whether part of a line has come.
    pub mid_line: bool,
    /// Which timers are armed.
    pub timers: Vec<Timer>,
}

/// Whether a session serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    /// Commands are run.
    Serving,
    /// What runs may end; then the session does, for this reason.
    Ending(CloseReason),
    /// The session has ended.
    Closed,
}

/// How far a login has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LoginState {
    /// Nobody is named, or PASS is being judged.
    Out,
    /// USER has named somebody.
    Named,
    /// Somebody is logged in.
    In,
    /// Somebody is logged in by a certificate alone.
    InByCertificate,
}

/// How far the security of a session goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SecurityState {
    /// The control connection.
    pub control: ControlSecurity,
    /// Whether the client presented a certificate.
    pub client_certificate: bool,
    /// Whether PBSZ was said.
    pub buffer_size: bool,
    /// Whether data goes under TLS (PROT P).
    pub protects_data: bool,
}

/// Whether the control connection is under TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ControlSecurity {
    /// It is not.
    Clear,
    /// It is on the way.
    Handshake,
    /// It is.
    Secured,
}

/// Where the data channel stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DataState {
    /// Nothing has been arranged.
    Idle,
    /// A listener waits for the client.
    Passive,
    /// The client waits for us.
    Active,
    /// We are connecting.
    Connecting,
    /// There is a connection, and a TLS handshake on it.
    Securing,
    /// That handshake failed.
    Refused,
    /// It did not resume the session of the control connection.
    NotResumed,
    /// There is a connection, and nothing on it yet.
    Open,
    /// A transfer has the connection.
    Moving,
}

/// A transfer under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransferState {
    /// How far it has come.
    pub phase: TransferPhase,
    /// What it moves.
    pub kind: JobKind,
    /// Whether 150 or 125 has been sent.
    pub announced: bool,
    /// Which of the cancelled actions, in the order of their start, has to end before ABOR is answered.
    pub awaited: Option<usize>,
}

/// How far a transfer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TransferPhase {
    /// The file is being opened.
    Opening,
    /// It is open; the data connection is not.
    Waiting,
    /// The bytes are moving.
    Moving,
    /// ABOR has come.
    Aborting,
}

/// What a transfer moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JobKind {
    /// RETR.
    Download,
    /// STOR and APPE.
    Upload,
    /// STOU.
    UniqueUpload,
    /// LIST and NLST.
    Listing,
    /// MLSD.
    DirectoryListing,
    /// STAT with a path.
    Status,
}

/// What one command has left for the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MarkerState {
    /// Nothing.
    Nothing,
    /// REST 0.
    RestartAtStart,
    /// REST with another offset.
    Restart,
    /// RNFR.
    RenameFrom,
}

impl Session {
    /// The control state.
    #[must_use]
    pub fn control_state(&self) -> ControlState {
        let limit = self.config.max_login_attempts;
        ControlState {
            life: match &self.phase {
                Phase::Serving => Life::Serving,
                Phase::Ending(reason, _) => Life::Ending(*reason),
                Phase::Closed => Life::Closed,
            },
            login: self.login.control_state(),
            attempts: self.login.attempts().min(limit),
            held: self.held.as_deref().map(|Held { then_close, .. }| then_close.is_some()),
            security: self.security.control_state(),
            data: self.data.control_state(),
            transfer: self.transfer.as_ref().map(|running| running.control_state(|id| self.place_of_cancelled(id))),
            pending: self.pending.is_some(),
            waits_for_port: self.pending.is_some() && self.pending == self.waiting_listen,
            cancelled: self.cancelled.len(),
            marker: match self.marker {
                None => MarkerState::Nothing,
                Some(OneShot::Restart(0)) => MarkerState::RestartAtStart,
                Some(OneShot::Restart(_)) => MarkerState::Restart,
                Some(OneShot::RenameFrom(_)) => MarkerState::RenameFrom,
            },
            representation: self.representation,
            epsv_all: self.epsv_all,
            lane: self.lane.lines().map(waiting).collect(),
            mid_line: self.reader.is_mid_line(),
            timers: self.timers.armed().collect(),
        }
    }

    /// Lets an armed timer come due before all others, whatever the moments of both are. Their order depends on settings
    /// and on when things happen; a walk that does not know times has to try each.
    pub fn expire(&mut self, timer: Timer) {
        if self.timers.is_set(timer) {
            self.timers.set(timer, Some(self.now));
            self.handle_timeout(self.now);
        }
    }

    fn place_of_cancelled(&self, id: ActionId) -> Option<usize> {
        self.cancelled.contains(&id).then(|| self.cancelled.iter().filter(|other| **other < id).count())
    }
}

impl DataChannel {
    fn control_state(self) -> DataState {
        match self {
            Self::Idle => DataState::Idle,
            Self::Passive { .. } => DataState::Passive,
            Self::Active { .. } => DataState::Active,
            Self::Connecting { .. } => DataState::Connecting,
            Self::Securing { .. } => DataState::Securing,
            Self::Refused { not_resumed: false } => DataState::Refused,
            Self::Refused { not_resumed: true } => DataState::NotResumed,
            Self::Open { .. } => DataState::Open,
            Self::Moving => DataState::Moving,
        }
    }
}

fn waiting(framed: &Framed) -> Option<Vec<u8>> {
    framed.line().map(Vec::from)
}
