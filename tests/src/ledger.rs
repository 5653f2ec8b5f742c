//! The rules of a session's output, checked output by output.

use std::collections::{BTreeSet, HashSet, VecDeque};

use ftp_proto::{
    Accept, Action, ActionId, Authenticate, Change, Channel, CloseReason, Connect, Event, Listen, Open, Output, Reply,
    Request, Resource, StartTls, Stat, Ticket, Transfer,
};

use crate::show::{describe, shown};

/// Notes what a session puts out and what its driver answers, and panics when the session breaks its contract:
///
/// - nothing but releases and events comes after the close, and there is one close;
/// - a resource is released, or taken by a transfer, once, and only if it exists;
/// - an action is cancelled at most once, and only while it runs or its answer is on the way;
/// - an accept has a listener;
/// - files and ports are for somebody who is logged in.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Replies that nobody has looked at.
    pub replies: VecDeque<Reply>,
    /// Events that nobody has looked at.
    pub events: VecDeque<Event>,
    /// Every output in order, as text.
    pub log: Vec<String>,
    /// How many final and how many preliminary replies there were.
    pub finals: usize,
    /// See [`finals`](Self::finals).
    pub preliminaries: usize,
    /// Actions that are to be answered, oldest first.
    outstanding: Vec<Action>,
    answered: HashSet<ActionId>,
    cancelled: BTreeSet<ActionId>,
    resources: HashSet<Resource>,
    closed: Option<CloseReason>,
}

/// What an answer makes, that has to be released.
pub trait Makes: Request {
    /// The resource, if this outcome makes one.
    fn makes(&self, id: ActionId, outcome: &Self::Outcome) -> Option<Resource>;
}

impl Ledger {
    /// Takes the next output of the session.
    pub fn note(&mut self, output: Output) {
        self.log.push(shown(&output));
        match output {
            Output::Release(resource) => self.release(resource),
            Output::Notify(event) => self.events.push_back(event),
            output => {
                assert_eq!(self.closed, None, "after the close: {}", self.tail());
                self.note_before_close(output);
            }
        }
    }

    fn note_before_close(&mut self, output: Output) {
        match output {
            Output::Send(reply) => {
                self.finals += usize::from(reply.is_final());
                self.preliminaries += usize::from(reply.code().is_preliminary());
                self.replies.push_back(reply);
            }
            Output::Start(action) => self.start(action),
            Output::Cancel(id) => {
                let runs = self.position(id).is_some();
                assert!(runs || self.answered.contains(&id), "cancels what is not there: {}", self.tail());
                assert!(self.cancelled.insert(id), "cancels twice: {}", self.tail());
            }
            Output::Close(reason) => self.closed = Some(reason),
            Output::Release(_) | Output::Notify(_) => {}
        }
    }

    fn start(&mut self, action: Action) {
        match &action {
            Action::Accept(ticket) => {
                let listener = Resource::Listener(ticket.request().listener);
                assert!(self.resources.contains(&listener), "accepts without listener: {}", self.tail());
            }
            Action::Transfer(ticket) => {
                self.release(Resource::File(ticket.request().file));
                if let Channel::Data(data) = ticket.request().channel {
                    self.release(Resource::Data(data));
                }
            }
            Action::StartTls(ticket) => {
                if let Channel::Data(data) = ticket.request().channel {
                    self.release(Resource::Data(data));
                }
            }
            Action::Stat(_) | Action::Change(_) | Action::Open(_) | Action::Listen(_) => {
                let somebody = self.resources.iter().any(|resource| matches!(resource, Resource::Account(_)));
                assert!(somebody, "nobody is logged in: {}", self.tail());
            }
            Action::Authenticate(_) | Action::Connect(_) => {}
        }
        self.outstanding.push(action);
    }

    fn release(&mut self, resource: Resource) {
        assert!(self.resources.remove(&resource), "there is no {resource:?} (any more): {}", self.tail());
    }

    /// Notes the answer to an action that was taken with [`take`](Self::take). Call it before the session hears of it.
    pub fn answer<R: Makes>(&mut self, ticket: &Ticket<R>, outcome: &R::Outcome) {
        assert!(self.answered.insert(ticket.id()), "an action is answered once");
        if let Some(resource) = ticket.request().makes(ticket.id(), outcome) {
            self.resources.insert(resource);
        }
    }

    /// The actions that are to be answered, oldest first.
    pub fn outstanding(&self) -> impl Iterator<Item = &Action> {
        self.outstanding.iter()
    }

    /// Takes an action out, to answer it.
    pub fn take(&mut self, wanted: impl FnMut(&Action) -> bool) -> Option<Action> {
        let index = self.outstanding.iter().position(wanted)?;
        Some(self.outstanding.remove(index))
    }

    /// Whether the session has told to stop it.
    #[must_use]
    pub fn is_cancelled(&self, action: &Action) -> bool {
        self.cancelled.contains(&action.id())
    }

    /// Why the session has ended, if it has.
    #[must_use]
    pub fn closed(&self) -> Option<CloseReason> {
        self.closed
    }

    /// What is held for the session and not yet released.
    #[must_use]
    pub fn resources(&self) -> &HashSet<Resource> {
        &self.resources
    }

    /// The last outputs, for a message.
    #[must_use]
    pub fn tail(&self) -> String {
        self.log[self.log.len().saturating_sub(30)..].join("\n    ")
    }

    fn position(&self, id: ActionId) -> Option<usize> {
        self.outstanding.iter().position(|action| action.id() == id)
    }
}

impl Makes for Authenticate {
    fn makes(&self, id: ActionId, outcome: &Self::Outcome) -> Option<Resource> {
        outcome.is_ok().then_some(Resource::Account(id))
    }
}

impl Makes for Open {
    fn makes(&self, id: ActionId, outcome: &Self::Outcome) -> Option<Resource> {
        (outcome.is_ok() && !self.only_check).then_some(Resource::File(id))
    }
}

impl Makes for Listen {
    fn makes(&self, id: ActionId, outcome: &Self::Outcome) -> Option<Resource> {
        outcome.is_ok().then_some(Resource::Listener(id))
    }
}

impl Makes for Accept {
    fn makes(&self, id: ActionId, outcome: &Self::Outcome) -> Option<Resource> {
        outcome.is_ok().then_some(Resource::Data(id))
    }
}

impl Makes for Connect {
    fn makes(&self, id: ActionId, outcome: &Self::Outcome) -> Option<Resource> {
        outcome.is_ok().then_some(Resource::Data(id))
    }
}

/// A data connection that was taken over for its handshake stands again.
impl Makes for StartTls {
    fn makes(&self, _: ActionId, outcome: &Self::Outcome) -> Option<Resource> {
        match self.channel {
            Channel::Data(data) if outcome.is_ok() => Some(Resource::Data(data)),
            _ => None,
        }
    }
}

/// For the requests that make nothing.
macro_rules! makes_nothing {
    ($($request:ty),+) => {
        $(impl Makes for $request {
            fn makes(&self, _: ActionId, _: &Self::Outcome) -> Option<Resource> {
                None
            }
        })+
    };
}

makes_nothing!(Stat, Change, Transfer);

impl Drop for Ledger {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "the last outputs:\n    {}\nunanswered: {:?}",
                self.tail(),
                self.outstanding.iter().map(describe).collect::<Vec<_>>()
            );
        }
    }
}
