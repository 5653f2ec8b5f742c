//! What holds for every session, whatever the machine says: books of what was sent, said, opened and released.

use std::collections::{BTreeSet, VecDeque};

use ftp_proto::{Event, Incomplete};

use crate::client::{Framed, Makes, Piece};
use crate::effects::{Part, Said};
use crate::syntax::{number, verb_and_argument};
use crate::tasks::{Answer, Number, Over, Target, Task, Thing};

/// The books. They are kept from what goes in and out alone, and note the first breach of a rule:
///
/// - each line gets one final reply, and no reply comes without a line, but for the greeting and the last 421;
/// - a preliminary reply is followed by a final one before there is another;
/// - offsets of REST come back in the order in which they were sent, each at most once;
/// - nothing is said between 234 and the end of the handshake, and nothing that came before it is answered behind it;
/// - what is opened is released, or taken over, once, and not before it is opened;
/// - nothing is cancelled that does not run, and nothing twice;
/// - few lines are taken that are not answered;
/// - each file transfer that was announced is reported once, as whole if and only if 226 was its last reply;
/// - no work is begun behind QUIT, but for a transfer that waits for its data connection;
/// - nothing but releases and events comes after the close.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    /// The first breach.
    pub(crate) breach: Option<String>,
    /// What was sent and not taken: how many bytes of each piece.
    sent: VecDeque<(usize, Makes)>,
    /// Lines that were taken and not answered.
    open: usize,
    is_greeted: bool,
    /// A preliminary reply has come, and no final one.
    is_announced: bool,
    /// Preliminary replies behind which no bytes have moved.
    announcements: usize,
    markers: VecDeque<u64>,
    said_234: bool,
    handshake: Option<Number>,
    things: BTreeSet<Thing>,
    running: BTreeSet<Number>,
    cancelled: BTreeSet<Number>,
    users: usize,
    /// What was last asked to be opened is a file to be transferred.
    is_file: bool,
    /// Announced transfers of files that were not reported.
    unreported: usize,
    last_code: u16,
    said_221: bool,
    /// From QUIT on, or when the server ends the session: lines are taken, and never answered.
    is_leaving: bool,
    is_closed: bool,
}

/// Lines that may have been taken and not been answered: those in the queue, one that runs, and a transfer.
const MAX_OPEN: usize = 16 + 2;

impl Audit {
    fn check(&mut self, holds: bool, rule: impl FnOnce() -> String) {
        if !holds && self.breach.is_none() {
            self.breach = Some(rule());
        }
    }

    pub(crate) fn sent(&mut self, write: &[Piece]) {
        self.sent.extend(write.iter().map(|piece| (piece.bytes.len(), piece.makes.clone())));
    }

    pub(crate) fn taken(&mut self, mut count: usize) {
        while let Some((len, _)) = self.sent.front_mut() {
            if *len > count {
                *len -= count;
                break;
            }
            count -= *len;
            if let Some((_, Makes::Whole(framed))) = self.sent.pop_front() {
                self.line(&framed);
            }
        }
    }

    fn line(&mut self, framed: &Framed) {
        self.open += 1;
        if let Framed::Line { text, .. } = framed
            && let (verb, argument) = verb_and_argument(text)
            && verb == "REST"
        {
            self.markers.extend(number(&argument));
        }
    }

    pub(crate) fn leaves(&mut self) {
        self.is_leaving = true;
    }

    pub(crate) fn said(&mut self, said: &Said) {
        let code = said.code;
        self.check(!self.is_closed, || format!("{code} comes after the close"));
        let in_between = self.handshake.is_some() || self.said_234;
        self.check(!in_between, || format!("{code} comes before the end of the handshake"));
        self.said_234 = code == 234;
        self.last_code = code;
        self.said_221 |= code == 221;
        match said.part {
            Part::Preliminary => {
                self.check(!self.is_announced, || format!("a second {code} without a final reply"));
                self.is_announced = true;
                self.announcements = 1;
                self.unreported += usize::from(self.is_file);
            }
            Part::Head => {}
            Part::Final if !self.is_greeted && code == 220 => self.is_greeted = true,
            Part::Final => self.said_at_last(said),
        }
    }

    fn said_at_last(&mut self, said: &Said) {
        let code = said.code;
        self.is_announced = false;
        self.is_leaving |= code == 221 || code == 421;
        self.check(self.is_greeted || code == 421, || format!("{code} comes before the greeting"));
        if code != 421 {
            self.check(self.open > 0, || format!("{code} answers no line"));
            self.open = self.open.saturating_sub(1);
        }
        if code == 350 && said.text.starts_with(b" The next transfer") {
            self.told_marker(said);
        }
    }

    fn told_marker(&mut self, said: &Said) {
        let digits: Vec<u8> = said.text.iter().copied().filter(u8::is_ascii_digit).collect();
        let told = number(&digits);
        while let Some(sent) = self.markers.pop_front() {
            if Some(sent) == told {
                return;
            }
        }
        self.check(false, || format!("350 tells offset {told:?} out of turn"));
    }

    pub(crate) fn started(&mut self, number: Number, task: &Task) {
        self.check(!self.is_closed, || format!("{task:?} is started after the close"));
        self.running.insert(number);
        let goes_on = matches!(task, Task::Connect(_) | Task::Secure(_) | Task::Move { .. });
        self.check(goes_on || !self.said_221, || format!("{task:?} is begun behind QUIT"));
        match task {
            Task::Secure(Over::Control) => {
                self.said_234 = false;
                self.handshake = Some(number);
            }
            Task::Secure(Over::Data(data)) => self.released(Thing::Data(*data)),
            Task::Accept { listener, .. } => {
                let is_there = self.things.contains(&Thing::Listener(*listener));
                self.check(is_there, || format!("accepts at listener #{listener}, which is not there"));
            }
            Task::Open { what, .. } => self.is_file = !matches!(what, Target::List { .. }),
            Task::Move { file, over, .. } => {
                self.released(Thing::File(*file));
                if let Over::Data(data) = over {
                    self.released(Thing::Data(*data));
                    let announcements = std::mem::take(&mut self.announcements);
                    self.check(announcements == 1, || "bytes move that were not announced".to_owned());
                }
            }
            _ => {}
        }
    }

    pub(crate) fn cancelled(&mut self, number: Number) {
        self.check(!self.is_closed, || format!("#{number} is cancelled after the close"));
        self.check(self.running.contains(&number), || format!("#{number} is cancelled and does not run"));
        let is_first = self.cancelled.insert(number);
        self.check(is_first, || format!("#{number} is cancelled twice"));
    }

    pub(crate) fn answered(&mut self, number: Number, task: &Task, answer: &Answer) {
        self.running.remove(&number);
        if self.handshake == Some(number) {
            self.handshake = None;
            // What was sent in clear and not answered never will be.
            self.open = 0;
            self.markers.clear();
        }
        self.things.extend(task.makes(number, answer));
    }

    /// It is no longer there, or somebody else's business.
    pub(crate) fn released(&mut self, thing: Thing) {
        let was_there = self.things.remove(&thing);
        self.check(was_there, || format!("{thing:?} is released and is not there"));
    }

    pub(crate) fn notified(&mut self, event: &Event) {
        match event {
            Event::LoggedIn(_) => self.users += 1,
            Event::LoggedOut { .. } => self.users = self.users.wrapping_sub(1),
            Event::Transferred(report) => self.reported(&report.end),
            Event::StrayAnswer(id) => self.check(false, || format!("the answer to {id} was a stray one")),
            _ => {}
        }
        let users = self.users;
        self.check(users <= 1, || format!("{users} users are logged in"));
    }

    fn reported(&mut self, end: &Result<(), Incomplete>) {
        self.check(self.unreported == 1, || "a transfer is reported that was not announced".to_owned());
        self.unreported = 0;
        let code = self.last_code;
        let is_true = matches!(end, Err(Incomplete::SessionEnded(_))) || end.is_ok() == (code == 226);
        self.check(is_true, || format!("{code} and the report of {end:?} do not fit"));
    }

    pub(crate) fn closed(&mut self) {
        self.check(!self.is_closed, || "a second close".to_owned());
        self.is_closed = true;
    }

    /// Everything that was put out has been taken, unless there was no end to it.
    pub(crate) fn drained(&mut self, has_end: bool) {
        self.check(has_end, || "outputs without end".to_owned());
        let open = self.open;
        let may_be_many = self.is_leaving || self.is_closed;
        self.check(may_be_many || open <= MAX_OPEN, || format!("{open} lines are taken and not answered"));
    }

    /// After a step. `rests`: nothing is held back, and no line waits.
    pub(crate) fn look_back(&mut self, rests: bool) {
        if self.is_leaving || self.is_closed {
            return;
        }
        let open = self.open;
        let ends = open == 0 || !rests || !self.running.is_empty();
        self.check(ends, || format!("{open} lines will never be answered"));
    }

    /// When the session has ended and everything has been answered.
    pub(crate) fn look_for_leftovers(&mut self) {
        self.check(self.is_closed, || "the session has not ended".to_owned());
        let left = format!("left behind: {:?}, running: {:?}, users: {}", self.things, self.running, self.users);
        self.check(self.things.is_empty() && self.running.is_empty() && self.users == 0, || left);
        self.check(self.unreported == 0, || "a transfer was announced and never reported".to_owned());
    }
}
