//! Copies of a session and of its tickets, for tests that try every input in one and the same state (feature `testing`).
//!
//! Without the feature neither can be copied.

use alloc::collections::VecDeque;

use super::Session;
use crate::action::{Action, Authenticate, Proof, Request, Ticket};

impl Session {
    /// A copy that goes its own way. The tickets of this session, or copies of them, are good for it.
    ///
    /// # Panics
    /// When there are outputs that nobody has taken.
    #[must_use]
    pub fn fork(&self) -> Self {
        assert!(self.outputs.is_empty(), "all outputs are to be taken first");
        Self {
            config: self.config.clone(),
            local: self.local,
            peer: self.peer,
            now: self.now,
            reader: self.reader.clone(),
            lane: self.lane.clone(),
            outputs: VecDeque::new(),
            owner: self.owner.clone(),
            last_id: self.last_id,
            timers: self.timers.clone(),
            login: self.login.clone(),
            cwd: self.cwd.clone(),
            representation: self.representation,
            facts: self.facts,
            utf8: self.utf8,
            epsv_all: self.epsv_all,
            marker: self.marker.clone(),
            data: self.data,
            transfer: self.transfer.clone(),
            pending: self.pending,
            waiting_listen: self.waiting_listen,
            held: self.held.clone(),
            cancelled: self.cancelled.clone(),
            security: self.security.clone(),
            password_ahead: self.password_ahead,
            untaken: self.untaken,
            greeted: self.greeted,
            phase: self.phase.clone(),
        }
    }
}

impl Action {
    /// The same action again, for a fork of the session.
    pub fn again(&self) -> Self {
        match self {
            Self::Authenticate(ticket) => Self::Authenticate(ticket.again(|asked| Authenticate {
                user: asked.user.clone(),
                proof: match &asked.proof {
                    Proof::Password(password) => Proof::Password(password.clone()),
                    Proof::Certificate => Proof::Certificate,
                },
            })),
            Self::Stat(ticket) => Self::Stat(ticket.again(Clone::clone)),
            Self::Change(ticket) => Self::Change(ticket.again(Clone::clone)),
            Self::Open(ticket) => Self::Open(ticket.again(Clone::clone)),
            Self::Listen(ticket) => Self::Listen(ticket.again(Clone::clone)),
            Self::Accept(ticket) => Self::Accept(ticket.again(Clone::clone)),
            Self::Connect(ticket) => Self::Connect(ticket.again(Clone::clone)),
            Self::StartTls(ticket) => Self::StartTls(ticket.again(Clone::clone)),
            Self::Transfer(ticket) => Self::Transfer(ticket.again(Clone::clone)),
        }
    }
}

impl<R: Request> Ticket<R> {
    fn again(&self, request: impl Fn(&R) -> R) -> Self {
        Self { id: self.id, owner: self.owner.clone(), request: request(&self.request) }
    }
}
