//! Gives a record to a new session.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ftp_proto::{Action, ActionId, Instant, Output, PathCodec, Session, Shutdown, Ticket};

use super::marks::Mark;
use super::outcome::{Outcome, Recorded};
use super::outline::{Bytes, Entry, Input, Line};
use super::read::Record;
use super::wire::{self, TOO_LONG};

/// Something in a replay.
#[derive(Debug)]
#[non_exhaustive]
pub struct Step<'a> {
    /// When it was, counted from the beginning of the session.
    pub at: Duration,
    /// What it was.
    pub what: What<'a>,
}

/// What happens in a replay.
#[derive(Debug)]
pub enum What<'a> {
    /// The session was given this.
    Input(&'a Input),
    /// The session, now, puts this out.
    Output(&'a Output),
}

/// How a replay went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replayed {
    /// Where the session no longer did as recorded, if it did not.
    pub divergence: Option<Divergence>,
    /// How many replies had the code that was recorded, and another text.
    pub other_texts: usize,
}

/// Where a session does not do as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Divergence {
    /// Before which entry, counted from 0.
    pub entry: usize,
    /// When.
    pub at: Duration,
    /// What was recorded.
    pub recorded: String,
    /// What there is in its place.
    pub replayed: String,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entry, at, recorded, replayed } = self;
        write!(f, "at {:.6} s, before entry {entry}: recorded {recorded}, replayed {replayed}", at.as_secs_f64())
    }
}

/// Gives a record to a new session, and tells `view` all that happens.
///
/// Outputs are taken as they were then, since some of what a session does waits until they have been. A replay that has
/// diverged goes on as well as it can, without further comparison. A record that was cut is replayed as far as it goes.
///
/// `codec` is that of the charset that [`Settings::charset`](super::Settings::charset) names.
pub fn replay(record: &Record, codec: Option<Arc<dyn PathCodec>>, view: &mut dyn FnMut(Step<'_>)) -> Replayed {
    let header = &record.header;
    let begin = if header.implicit_tls { Session::with_implicit_tls } else { Session::new };
    let config = Arc::new(header.settings.config(codec));
    let mut player = Player {
        session: begin(config, header.local, header.peer, Instant::default()),
        wire: Wire { entries: &record.entries, fed: 0, skipping: false },
        waiting: BTreeMap::new(),
        names: BTreeMap::new(),
        entry: 0,
        now: Duration::ZERO,
        replayed: Replayed::default(),
        view,
    };
    record.entries.iter().for_each(|entry| player.play(entry));
    while player.take_output().is_some() {}
    player.replayed
}

struct Player<'a, 'v> {
    session: Session,
    wire: Wire<'a>,
    /// Actions without an answer.
    waiting: BTreeMap<u64, Action>,
    /// The names of all that there were.
    names: BTreeMap<u64, ActionId>,
    entry: usize,
    now: Duration,
    replayed: Replayed,
    view: &'v mut dyn FnMut(Step<'_>),
}

impl Player<'_, '_> {
    fn play(&mut self, entry: &Entry) {
        self.compare(entry);
        self.now = self.now.saturating_add(Duration::from_nanos(entry.after));
        (self.view)(Step { at: self.now, what: What::Input(&entry.input) });
        self.give(&entry.input);
        self.entry += 1;
    }

    /// Takes as many outputs as were taken then.
    fn compare(&mut self, entry: &Entry) {
        if matches!(entry.input, Input::Full) {
            return;
        }
        for recorded in &entry.outputs {
            match self.take_output() {
                Some(mark) => self.check(recorded, &mark),
                None => return self.diverge(recorded, &"nothing"),
            }
        }
        if !entry.drained && self.replayed.divergence.is_none() {
            return;
        }
        while let Some(mark) = self.take_output() {
            self.diverge(&"nothing", &mark);
        }
    }

    fn check(&mut self, recorded: &Mark, replayed: &Mark) {
        if !recorded.agrees_with(replayed) {
            self.diverge(recorded, replayed);
        } else if recorded != replayed {
            self.replayed.other_texts += 1;
        }
    }

    /// The first is what matters; the others follow from it.
    fn diverge(&mut self, recorded: &dyn fmt::Display, replayed: &dyn fmt::Display) {
        let (entry, at) = (self.entry, self.now);
        self.replayed.divergence.get_or_insert_with(|| Divergence {
            entry,
            at,
            recorded: recorded.to_string(),
            replayed: replayed.to_string(),
        });
    }

    fn take_output(&mut self) -> Option<Mark> {
        let output = self.session.poll_output()?;
        (self.view)(Step { at: self.now, what: What::Output(&output) });
        let mark = Mark::of(&output);
        if let Output::Start(action) = output {
            let id = action.id();
            self.names.insert(id.number(), id);
            self.waiting.insert(id.number(), action);
        }
        Some(mark)
    }

    fn give(&mut self, input: &Input) {
        let now = moment(self.now);
        let how = |now: bool| if now { Shutdown::Now } else { Shutdown::Graceful };
        match input {
            Input::Bytes(bytes) => {
                let wire = self.wire.of(self.entry, bytes);
                self.session.replay_input(&wire, bytes.more, now);
            }
            Input::Eof => self.session.handle_eof(now),
            Input::Timeout => self.session.handle_timeout(now),
            Input::Progress { transfer, bytes } => {
                self.on(*transfer, |session, id| session.handle_progress(id, *bytes, now));
            }
            Input::Pause { transfer, until } => {
                let until = moment(Duration::from_nanos(*until));
                self.on(*transfer, |session, id| session.handle_pause(id, until, now));
            }
            Input::Wait { listen } => self.on(*listen, |session, id| session.handle_wait(id, now)),
            Input::Answer { action, outcome } => self.answer(*action, outcome, now),
            Input::Shutdown { now: at_once } => self.session.shutdown(how(*at_once), now),
            Input::Dismiss { now: at_once } => self.session.dismiss(how(*at_once), now),
            Input::End { .. } | Input::Full => {}
        }
    }

    fn on(&mut self, action: u64, what: impl FnOnce(&mut Session, ActionId)) {
        match self.names.get(&action) {
            Some(id) => what(&mut self.session, *id),
            None => self.diverge(&format!("an action #{action}"), &"none"),
        }
    }

    fn answer(&mut self, action: u64, outcome: &Outcome, now: Instant) {
        let session = &mut self.session;
        let given = match self.waiting.remove(&action) {
            None => false,
            Some(Action::Authenticate(ticket)) => give(session, ticket, outcome, now),
            Some(Action::Stat(ticket)) => give(session, ticket, outcome, now),
            Some(Action::Change(ticket)) => give(session, ticket, outcome, now),
            Some(Action::Open(ticket)) => give(session, ticket, outcome, now),
            Some(Action::Listen(ticket)) => give(session, ticket, outcome, now),
            Some(Action::Accept(ticket)) => give(session, ticket, outcome, now),
            Some(Action::Connect(ticket)) => give(session, ticket, outcome, now),
            Some(Action::StartTls(ticket)) => give(session, ticket, outcome, now),
            Some(Action::Transfer(ticket)) => give(session, ticket, outcome, now),
        };
        if !given {
            self.diverge(&format!("an answer to action #{action}"), &"no such action that waits for it");
        }
    }
}

/// Whether it was an answer to that question.
fn give<Q: Recorded>(session: &mut Session, ticket: Ticket<Q>, outcome: &Outcome, now: Instant) -> bool {
    let answer = Q::answer(outcome);
    let fits = answer.is_some();
    answer.into_iter().zip([ticket]).for_each(|(answer, ticket)| session.complete(ticket, answer, now));
    fits
}

/// The bytes of the client, made of the lines of the record.
struct Wire<'a> {
    entries: &'a [Entry],
    /// How much of the line that has begun was given already.
    fed: usize,
    /// Whether a line that is too long has no end yet.
    skipping: bool,
}

impl Wire<'_> {
    fn of(&mut self, entry: usize, Bytes { lines, open, .. }: &Bytes) -> Vec<u8> {
        let mut wire = Vec::new();
        for line in lines {
            self.end_skipping(&mut wire);
            let (bytes, _) = spelled(line);
            wire.extend_from_slice(bytes.get(self.fed..).unwrap_or_default());
            self.skipping = matches!(line, Line::TooLong);
            self.fed = 0;
        }
        if !open {
            self.end_skipping(&mut wire);
        } else if !self.skipping && self.fed == 0 {
            let begun = self.begun(entry);
            self.fed = begun.len();
            wire.extend_from_slice(&begun);
        }
        wire
    }

    fn end_skipping(&mut self, wire: &mut Vec<u8>) {
        if std::mem::take(&mut self.skipping) {
            wire.push(b'\n');
        }
    }

    /// What had come of the line that is complete in a later entry.
    fn begun(&self, entry: usize) -> Vec<u8> {
        let later = self.entries.get(entry + 1..).unwrap_or_default();
        let found = later.iter().find_map(|entry| match &entry.input {
            Input::Bytes(bytes) => bytes.lines.first().map(|line| {
                let (mut bytes, opened) = spelled(line);
                bytes.truncate(opened);
                bytes
            }),
            Input::End { unfinished } => unfinished.clone(),
            _ => None,
        });
        // Nobody knows; any letter will do.
        found.filter(|begun| !begun.is_empty()).unwrap_or_else(|| b"?".to_vec())
    }
}

/// A line as it comes again, and how much of it comes first where it was not whole at once.
fn spelled(line: &Line) -> (Vec<u8>, usize) {
    match line {
        Line::Plain { bytes, opened } => (bytes.clone(), (*opened).into()),
        Line::Masked { line, urgent } => (wire::spell(line, *urgent), 1),
        Line::TooLong => (TOO_LONG.to_vec(), 1),
    }
}

fn moment(since: Duration) -> Instant {
    Instant::from_epoch(since)
}
