//! The real session, driven as its contract says, with its outputs told in the machine's words.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ftp_proto::{Action, Instant, Login, Output, Secured, Session, Transferred};
use ftp_types::{Metadata, UnixTime, VirtualPath};

use crate::audit::Audit;
use crate::client::{Client, Write};
use crate::effects::{Act, Effects};
use crate::observed::{Names, said};
use crate::setup::{Cuts, Millis, Setup};
use crate::steps::{Punctual, Step};
use crate::tasks::{Account, Answer, Number, Sight, Task};

/// A session, and a driver's side of it.
pub(crate) struct Real {
    pub(crate) session: Session,
    /// What the last step led to.
    pub(crate) effects: Effects,
    /// The books of what was opened and said.
    pub(crate) audit: Audit,
    cuts: Cuts,
    client: Client,
    names: Names,
    unanswered: BTreeMap<Number, (Action, Task)>,
    now: Millis,
    backlog: Vec<u8>,
}

/// The session's clock does not begin with zero.
const EPOCH: Duration = Duration::from_secs(1000);

pub(crate) fn instant(millis: Millis) -> Instant {
    Instant::from_epoch(EPOCH + Duration::from_millis(millis))
}

impl Real {
    /// A session whose input arrives in these pieces.
    pub(crate) fn new(setup: &Setup, cuts: Cuts) -> Self {
        let (local, peer) = setup.sockets();
        let implicit = setup.tls.is_some_and(|tls| tls.implicit);
        let begin = if implicit { Session::with_implicit_tls } else { Session::new };
        let session = begin(Arc::new(setup.config()), local, peer, instant(0));
        let mut real = Self {
            session,
            effects: Effects::default(),
            audit: Audit::default(),
            cuts,
            client: Client::default(),
            names: Names::default(),
            unanswered: BTreeMap::new(),
            now: 0,
            backlog: Vec::new(),
        };
        real.drain();
        real
    }

    /// Takes a step, at the end of which it is `end`.
    pub(crate) fn take(&mut self, step: &Step, end: Millis) {
        self.effects = Effects::default();
        match step {
            Step::Write(lines) => {
                let writes = self.client.send(lines, self.cuts);
                self.send(writes);
            }
            Step::Begin(line, hundredths) => {
                let writes = self.client.begin(line, *hundredths, self.cuts);
                self.send(writes);
            }
            Step::Answer(place, manner) => {
                let Some(number) = self.unanswered.keys().nth(usize::from(*place)).copied() else { return };
                self.answer(number, |task, clear_bytes| task.answer(*manner, clear_bytes));
            }
            Step::Progress(bytes) => {
                if let Some(id) = self.find(|task| matches!(task, Task::Move { .. })) {
                    self.session.handle_progress(id, *bytes, instant(self.now));
                }
            }
            Step::Pause(time) => {
                if let Some(id) = self.find(|task| matches!(task, Task::Move { .. })) {
                    self.session.handle_pause(id, instant(self.now + time), instant(self.now));
                }
            }
            Step::PortWait => {
                if let Some(id) = self.find(|task| matches!(task, Task::Listen { .. })) {
                    self.session.handle_wait(id, instant(self.now));
                }
            }
            Step::Time(_, punctual) => self.wait(end, *punctual),
            Step::Eof => self.session.handle_eof(instant(self.now)),
            Step::Shutdown(how) => {
                self.audit.leaves();
                self.session.shutdown(*how, instant(self.now));
            }
            Step::Dismiss(how) => {
                self.audit.leaves();
                self.session.dismiss(*how, instant(self.now));
            }
        }
        self.drain();
    }

    fn find(&self, wanted: impl Fn(&Task) -> bool) -> Option<ftp_proto::ActionId> {
        self.unanswered.values().find(|(_, task)| wanted(task)).map(|(action, _)| action.id())
    }

    /// How many bytes it has not taken.
    pub(crate) fn backlog(&self) -> usize {
        self.backlog.len()
    }

    pub(crate) fn oldest_unanswered(&self) -> Option<Number> {
        self.unanswered.keys().next().copied()
    }
}

/// Bytes and outputs.
impl Real {
    fn send(&mut self, writes: Vec<Write>) {
        for write in writes {
            self.audit.sent(&write);
            let bytes: Vec<u8> = write.iter().flat_map(|piece| piece.bytes.iter().copied()).collect();
            let mut rest = &bytes[..];
            for turn in 0.. {
                let (piece, behind) = rest.split_at(self.size_of_piece(turn).min(rest.len()));
                self.backlog.extend_from_slice(piece);
                self.drain();
                rest = behind;
                if rest.is_empty() {
                    break;
                }
            }
        }
    }

    fn size_of_piece(&self, turn: usize) -> usize {
        match self.cuts {
            Cuts::Whole => usize::MAX,
            Cuts::Bytes => 1,
            Cuts::Pieces(sizes) => sizes[turn % sizes.len()],
        }
    }

    /// Does what the session says, and offers what it has not taken.
    fn drain(&mut self) {
        let mut all = 0;
        loop {
            let mut outputs = 0;
            while let Some(output) = self.session.poll_output() {
                self.note(output);
                outputs += 1;
            }
            let taken =
                if self.backlog.is_empty() { 0 } else { self.session.handle_input(&self.backlog, instant(self.now)) };
            self.backlog.drain(..taken);
            self.audit.taken(taken);
            all += outputs;
            if (taken == 0 && outputs == 0) || all > MAX_OUTPUTS {
                break;
            }
        }
        self.audit.drained(all <= MAX_OUTPUTS);
    }

    fn note(&mut self, output: Output) {
        match output {
            Output::Send(reply) => {
                let said = said(&reply);
                self.audit.said(&said);
                self.effects.acts.push(Act::Say(said));
            }
            Output::Start(action) => {
                let number = self.names.add(action.id());
                let task = self.names.task(&action);
                self.audit.started(number, &task);
                self.unanswered.insert(number, (action, task.clone()));
                self.effects.acts.push(Act::Start(number, task));
            }
            Output::Cancel(id) => {
                let number = self.names.number(id);
                self.audit.cancelled(number);
                self.effects.cancelled.insert(number);
            }
            Output::Release(resource) => {
                let thing = self.names.thing(resource);
                self.audit.released(thing);
                self.effects.released.insert(thing);
            }
            Output::Notify(event) => self.audit.notified(&event),
            Output::Close(reason) => {
                self.audit.closed();
                self.effects.acts.push(Act::Close(reason));
            }
        }
    }
}

/// No step leads to so many outputs, though many lines come in one write.
const MAX_OUTPUTS: usize = 200;

/// Time and answers.
impl Real {
    fn wait(&mut self, end: Millis, punctual: Punctual) {
        if punctual == Punctual::Yes {
            self.let_time_pass(end);
        }
        self.now = end;
        if punctual != Punctual::NotYet {
            self.session.handle_timeout(instant(end));
        }
    }

    fn let_time_pass(&mut self, end: Millis) {
        for _ in 0..MAX_TIMEOUTS {
            let Some(due) = self.session.poll_timeout().filter(|due| *due <= instant(end)) else { return };
            self.hear_timeout(due);
        }
    }

    fn hear_timeout(&mut self, due: Instant) {
        let millis = due.saturating_since(instant(0)).as_millis();
        self.now = self.now.max(Millis::try_from(millis).expect("not that late"));
        self.session.handle_timeout(instant(self.now));
        self.drain();
    }

    /// Nothing but time passes. Whether that ends the session.
    pub(crate) fn is_ended_by_time(&mut self) -> bool {
        for _ in 0..MAX_TIMEOUTS {
            match self.session.poll_timeout() {
                Some(due) if !self.session.is_closed() => self.hear_timeout(due),
                _ => break,
            }
        }
        self.session.is_closed()
    }

    /// Answers a task.
    pub(crate) fn answer(&mut self, number: Number, answer: impl FnOnce(&Task, bool) -> Answer) {
        let Some((action, task)) = self.unanswered.remove(&number) else { return };
        let answer = answer(&task, !self.backlog.is_empty());
        self.audit.answered(number, &task, &answer);
        self.complete(action, answer);
        self.drain();
    }

    fn complete(&mut self, action: Action, answer: Answer) {
        let (session, now) = (&mut self.session, instant(self.now));
        match (action, answer) {
            (Action::Authenticate(ticket), Answer::Judged(judged)) => {
                session.complete(ticket, judged.map(login), now);
            }
            (Action::Stat(ticket), Answer::Seen(seen)) => session.complete(ticket, seen.map(metadata), now),
            (Action::Change(ticket), Answer::Altered(altered)) => session.complete(ticket, altered, now),
            (Action::Open(ticket), Answer::Opened(opened)) => session.complete(ticket, opened, now),
            (Action::Listen(ticket), Answer::Listening(listening)) => session.complete(ticket, listening, now),
            (Action::Accept(ticket), Answer::Connected(connected)) => session.complete(ticket, connected, now),
            (Action::Connect(ticket), Answer::Connected(connected)) => session.complete(ticket, connected, now),
            (Action::StartTls(ticket), Answer::Secured(secured)) => {
                session.complete(ticket, secured.map(|client_certificate| Secured { client_certificate }), now);
            }
            (Action::Transfer(ticket), Answer::Moved(bytes, end)) => {
                session.complete(ticket, Transferred { bytes, end }, now);
            }
            (action, answer) => unreachable!("{action:?} is not answered by {answer:?}"),
        }
    }
}

/// No span of time has so many timeouts in it.
const MAX_TIMEOUTS: usize = 100;

fn login(account: Account) -> Login {
    Login {
        directory: VirtualPath::try_from(account.home).expect("a path"),
        message: account.message.to_owned(),
        farewell: account.farewell.to_owned(),
    }
}

fn metadata(sight: Sight) -> Metadata {
    let mut metadata = Metadata::new(sight.kind, sight.len);
    metadata.modified = Some(UnixTime::from_seconds(sight.modified.0));
    metadata
}
