//! A session, with whoever records it. Without a recorder it costs a branch.

use std::ops::Deref;
use std::thread;

use ftp_proto::{ActionId, Instant, Output, Session, Shutdown, Ticket};

use super::outcome::Recorded;
use super::outline::Input;
use super::scribe::Scribe;

/// The session of a connection. Everything that it is given goes through here.
pub(crate) struct Core {
    session: Session,
    scribe: Option<Box<Scribe>>,
}

impl Core {
    pub(crate) fn new(session: Session) -> Self {
        Self { session, scribe: None }
    }

    /// Records the session from now on, when it has been given nothing yet.
    pub(crate) fn record_by(&mut self, scribe: Option<Scribe>) {
        self.scribe = scribe.map(Box::new);
    }

    pub(crate) fn handle_input(&mut self, bytes: &[u8], now: Instant) -> usize {
        let Self { session, scribe } = self;
        let Some(scribe) = scribe else { return session.handle_input(bytes, now) };
        let mut offer = Offer { scribe, bytes, taken: bytes.len(), now };
        offer.taken = session.handle_input(bytes, now);
        let taken = offer.taken;
        drop(offer);
        self.tell(|_| {});
        taken
    }

    pub(crate) fn handle_eof(&mut self, now: Instant) {
        self.note(|| Input::Eof, now);
        self.session.handle_eof(now);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.note(|| Input::Timeout, now);
        self.session.handle_timeout(now);
    }

    pub(crate) fn handle_progress(&mut self, transfer: ActionId, bytes: u64, now: Instant) {
        self.tell(|scribe| scribe.note_progress(transfer, bytes, now));
        self.session.handle_progress(transfer, bytes, now);
    }

    pub(crate) fn handle_pause(&mut self, transfer: ActionId, until: Instant, now: Instant) {
        self.tell(|scribe| scribe.note_pause(transfer, until, now));
        self.session.handle_pause(transfer, until, now);
    }

    pub(crate) fn handle_wait(&mut self, listen: ActionId, now: Instant) {
        self.note(|| Input::Wait { listen: listen.number() }, now);
        self.session.handle_wait(listen, now);
    }

    pub(crate) fn complete<Q: Recorded>(&mut self, ticket: Ticket<Q>, outcome: Q::Outcome, now: Instant) {
        self.tell(|scribe| scribe.note_answer(&ticket, &outcome, now));
        self.session.complete(ticket, outcome, now);
    }

    pub(crate) fn shutdown(&mut self, how: Shutdown, now: Instant) {
        self.note(|| Input::Shutdown { now: how == Shutdown::Now }, now);
        self.session.shutdown(how, now);
    }

    pub(crate) fn dismiss(&mut self, how: Shutdown, now: Instant) {
        self.note(|| Input::Dismiss { now: how == Shutdown::Now }, now);
        self.session.dismiss(how, now);
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        let output = self.session.poll_output();
        self.tell(|scribe| scribe.note_output(output.as_ref()));
        output
    }

    /// Hands over what was recorded in a turn.
    pub(crate) fn end_turn(&mut self) {
        self.tell(Scribe::hand_over);
    }

    /// The session is over, or cut off. Where it has panicked, the record ends with what it panicked over.
    pub(crate) fn end(&mut self, now: Instant) {
        self.tell(|scribe| if thread::panicking() { scribe.hand_over() } else { scribe.end(now) });
        self.scribe = None;
    }

    fn note(&mut self, input: impl FnOnce() -> Input, now: Instant) {
        self.tell(|scribe| scribe.note(input(), now));
    }

    fn tell(&mut self, what: impl FnOnce(&mut Scribe)) {
        if let Some(scribe) = &mut self.scribe {
            what(scribe);
            if scribe.is_over() {
                self.scribe = None;
            }
        }
    }
}

/// Bytes that the session is being offered. They are noted even when it panics over them.
struct Offer<'a> {
    scribe: &'a mut Scribe,
    bytes: &'a [u8],
    taken: usize,
    now: Instant,
}

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        let (taken, rest) = self.bytes.split_at(self.taken);
        self.scribe.note_bytes(taken, !rest.is_empty(), self.now);
    }
}

/// What asks the session, and gives it nothing.
impl Deref for Core {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}
