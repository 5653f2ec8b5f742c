//! The reference: an FTP session as the RFCs and Ferry's own decisions want it, in the plainest form. Its state is here;
//! `lane.rs` has what the client sends and when it is its turn, `commands.rs` what commands do, `clocks.rs` timeouts,
//! and logins, data connections and transfers have files of their own.
//!
//! It shares no logic with the session that it is compared with: it reads no bytes but lines as the client means them,
//! and has its own table, its own view of what may run when, of timers, and of what has been opened.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use ftp_proto::CloseReason;

use crate::client::{Client, Framed, Piece};
use crate::clocks::Clock;
use crate::data::Data;
use crate::effects::{Act, Effects, Said};
use crate::login::Who;
use crate::setup::{Millis, Setup};
use crate::steps::Step;
use crate::syntax::Bytes;
use crate::tasks::{Answer, Number, Over, Task, Thing};
use crate::transfer::{Stage, Transfer};

/// Where an FTP session stands.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) setup: Arc<Setup>,
    pub(crate) now: Millis,
    /// What the last step led to.
    pub(crate) effects: Effects,
    pub(crate) phase: Phase,
    client: Client,
    /// What the client has sent and the session has not taken.
    pub(crate) inbox: VecDeque<Piece>,
    /// Lines that were taken and wait for their turn.
    pub(crate) lane: VecDeque<Framed>,
    /// Whether part of a line was taken.
    pub(crate) part_of_line: bool,
    pub(crate) clocks: BTreeMap<Clock, Millis>,
    tasks_started: Number,
    /// Tasks that are not answered, and whether somebody still waits for the answer.
    tasks: BTreeMap<Number, (Task, bool)>,
    /// The task whose answer is the reply to the command that runs.
    pub(crate) awaited: Option<Number>,
    pub(crate) port_waits: Option<Number>,
    /// The reply to a wrong password, until its delay is over, and whether the session ends with it.
    pub(crate) held: Option<(Said, bool)>,
    pub(crate) who: Who,
    pub(crate) wrong_logins: u32,
    pub(crate) cwd: Bytes,
    pub(crate) ascii: bool,
    pub(crate) facts: Facts,
    pub(crate) epsv_all: bool,
    pub(crate) marker: Option<Marker>,
    pub(crate) security: Security,
    pub(crate) data: Data,
    pub(crate) transfer: Option<Transfer>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Serving,
    /// What runs may end, and nothing else is done: then this is said, and the session closes.
    Leaving(CloseReason, Option<Said>),
    Closed,
}

/// What one command leaves for the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    Restart(u64),
    RenameFrom(Bytes),
}

/// Which facts MLSD and MLST tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts(pub(crate) [bool; 9]);

impl Default for Facts {
    fn default() -> Self {
        Self([true, true, true, true, true, false, false, false, false])
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Security {
    pub(crate) stage: Tls,
    pub(crate) certificate: bool,
    pub(crate) pbsz: bool,
    pub(crate) private: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tls {
    #[default]
    Clear,
    /// AUTH has run, and is answered once it is sure that nothing came behind it.
    Asked,
    /// Up to the end of the handshake; whether the session begins with it.
    Handshake {
        first: bool,
    },
    On,
}

impl Machine {
    /// A session whose prologue is over.
    pub(crate) fn new(setup: Arc<Setup>) -> Self {
        let mut machine = Self::fresh(setup.clone());
        setup.prologue().iter().for_each(|step| machine.take(step));
        machine
    }

    /// The greeting comes first, or TLS before it (implicit FTPS).
    pub(crate) fn fresh(setup: Arc<Setup>) -> Self {
        let implicit = setup.tls.is_some_and(|tls| tls.implicit);
        let mut machine = Self {
            setup,
            now: 0,
            effects: Effects::default(),
            phase: Phase::Serving,
            client: Client::default(),
            inbox: VecDeque::new(),
            lane: VecDeque::new(),
            part_of_line: false,
            clocks: BTreeMap::new(),
            tasks_started: 0,
            tasks: BTreeMap::new(),
            awaited: None,
            port_waits: None,
            held: None,
            who: Who::Nobody,
            wrong_logins: 0,
            cwd: b"/".to_vec(),
            ascii: true,
            facts: Facts::default(),
            epsv_all: false,
            marker: None,
            security: Security::default(),
            data: Data::None,
            transfer: None,
        };
        machine.set(Clock::Login, machine.setup.timeouts.login);
        if implicit {
            machine.start_control_tls(true)
        } else {
            machine.say(Said::code(220))
        }
        machine.settle();
        machine
    }

    /// Takes a step.
    pub(crate) fn take(&mut self, step: &Step) {
        self.effects = Effects::default();
        match step {
            Step::Write(lines) => {
                let writes = self.client.send(lines, self.setup.cuts);
                self.receive(writes);
            }
            Step::Begin(line, hundredths) => {
                let writes = self.client.begin(line, *hundredths, self.setup.cuts);
                self.receive(writes);
            }
            Step::Answer(place, manner) => {
                let Some((number, task)) = self.unanswered().nth(usize::from(*place)) else { return };
                let answer = task.answer(*manner, !self.inbox.is_empty());
                self.answer(number, &answer);
            }
            Step::Progress(bytes) => self.progress(*bytes),
            Step::Pause(time) => self.pause(*time),
            Step::PortWait => {
                self.port_waits = self.find(|task| matches!(task, Task::Listen { .. })).or(self.port_waits)
            }
            Step::Time(span, punctual) => self.wait(*span, *punctual),
            Step::Eof => self.end_of_input(),
            Step::Shutdown(how) => self.end_from_here(*how, CloseReason::ShutDown),
            Step::Dismiss(how) => self.end_from_here(*how, CloseReason::Dismissed),
        }
        self.go_on();
    }

    /// Tasks in the order in which they were started, but for those that were answered.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = (Number, &Task)> {
        self.tasks.iter().map(|(number, (task, _))| (*number, task))
    }

    pub(crate) fn find(&self, wanted: impl Fn(&Task) -> bool) -> Option<Number> {
        self.unanswered().find(|(_, task)| wanted(task)).map(|(number, _)| number)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    pub(crate) fn is_serving(&self) -> bool {
        self.phase == Phase::Serving
    }
}

/// What all parts do.
impl Machine {
    /// Brings everything in line after each input.
    pub(crate) fn settle(&mut self) {
        if self.security.stage == Tls::Asked && self.is_serving() {
            let behind = !self.inbox.is_empty() || !self.lane.is_empty() || self.part_of_line;
            self.answer_auth(behind);
        }
        if let Phase::Leaving(reason, farewell) = self.phase.clone()
            && self.awaited.is_none()
            && self.transfer.is_none()
        {
            farewell.into_iter().for_each(|said| self.say(said));
            self.close(reason);
        }
        if self.is_closed() {
            return;
        }
        if self.transfer.is_some() || self.data.is_connected() {
            self.clocks.remove(&Clock::Idle);
        } else if !self.clocks.contains_key(&Clock::Idle) {
            self.set(Clock::Idle, self.setup.timeouts.idle);
        }
    }

    pub(crate) fn say(&mut self, said: Said) {
        self.effects.acts.push(Act::Say(said));
    }

    pub(crate) fn start(&mut self, task: Task) -> Number {
        let number = self.tasks_started;
        self.tasks_started += 1;
        self.tasks.insert(number, (task.clone(), true));
        self.effects.acts.push(Act::Start(number, task));
        number
    }

    /// The reply to this command follows from the answer.
    pub(crate) fn await_answer(&mut self, task: Task) {
        self.awaited = Some(self.start(task));
    }

    pub(crate) fn release(&mut self, thing: Thing) {
        self.effects.released.insert(thing);
    }

    /// Nobody waits for the answer any more. The task may have been answered at this very moment.
    pub(crate) fn cancel(&mut self, number: Number) {
        if let Some((_, wanted)) = self.tasks.get_mut(&number) {
            *wanted = false;
        }
        self.effects.cancelled.insert(number);
    }

    /// The answer to a task. One that nobody waits for leaves nothing behind.
    fn answer(&mut self, number: Number, answer: &Answer) {
        let Some((task, wanted)) = self.tasks.remove(&number) else { return };
        if wanted {
            return self.hear(number, &task, answer);
        }
        if let Some(thing) = task.makes(number, answer) {
            self.release(thing);
        }
        if self.transfer.as_ref().is_some_and(|transfer| transfer.stage == Stage::Aborting(number)) {
            self.aborted(answer);
        }
    }

    fn hear(&mut self, number: Number, task: &Task, answer: &Answer) {
        if self.awaited == Some(number) {
            self.awaited = None;
        }
        match (task, answer) {
            (Task::Judge { user, password }, Answer::Judged(judged)) => {
                self.judged(number, user, password.is_none(), *judged);
            }
            (Task::Look { path, why }, Answer::Seen(seen)) => self.seen(path, *why, *seen),
            (Task::Alter(alteration), Answer::Altered(altered)) => self.altered(alteration, *altered),
            (Task::Open { only_check, .. }, Answer::Opened(opened)) => self.opened(number, *only_check, opened),
            (Task::Listen { extended, .. }, Answer::Listening(listening)) => {
                self.listening(number, *extended, *listening);
            }
            (Task::Accept { listener, .. }, Answer::Connected(connected)) => {
                self.release(Thing::Listener(*listener));
                self.connected(number, connected.is_ok());
            }
            (Task::Connect(_), Answer::Connected(connected)) => self.connected(number, connected.is_ok()),
            (Task::Secure(Over::Control), Answer::Secured(secured)) => self.control_secured(*secured),
            (Task::Secure(Over::Data(data)), Answer::Secured(secured)) => self.data_secured(*data, *secured),
            (Task::Move { .. }, Answer::Moved(_, end)) => self.moved(*end),
            (task, answer) => unreachable!("{task:?} is not answered by {answer:?}"),
        }
    }

    /// Says so and closes at once. In the middle of a handshake there is nobody to hear it.
    pub(crate) fn fail(&mut self, reason: CloseReason) {
        if !matches!(self.security.stage, Tls::Handshake { .. }) {
            self.say(Said::code(421));
        }
        self.close(reason);
    }

    /// Everything that runs is cancelled, and everything that is held is released.
    pub(crate) fn close(&mut self, reason: CloseReason) {
        if let Some(awaited) = self.awaited.take() {
            self.cancel(awaited);
        }
        self.drop_transfer();
        self.give_data_up();
        self.log_out();
        self.lane.clear();
        self.held = None;
        self.clocks.clear();
        self.phase = Phase::Closed;
        self.effects.acts.push(Act::Close(reason));
    }

    /// The server ends the session. What runs may come to its end if there is time for it.
    fn end_from_here(&mut self, how: ftp_proto::Shutdown, reason: CloseReason) {
        match how {
            _ if self.is_closed() => {}
            ftp_proto::Shutdown::Now => self.fail(reason),
            ftp_proto::Shutdown::Graceful => self.leave(reason, Some(Said::code(421))),
        }
    }

    /// No further command is run. Who leaves already leaves for the first reason.
    pub(crate) fn leave(&mut self, reason: CloseReason, farewell: Option<Said>) {
        if self.is_serving() {
            self.lane.clear();
            self.phase = Phase::Leaving(reason, farewell);
        }
    }
}

/// Short, as the head of a transcript.
impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.setup)
    }
}
