//! The walk itself: breadth first, every input in every state.
//!
//! A state is told from others by what [`Key`] has. Each is reached by one shortest way, and every input is given to a
//! fork of the session that stands there. Wherever an input leads to a state that was there before, by another way, one
//! of that state's inputs is tried on the newcomer too, each in its turn, and must have the same effect: if it has not,
//! the key leaves out something that matters.

mod again;

use std::{
    collections::{HashMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use ftp_proto::ControlState;

use self::again::Newcomer;
use crate::{
    alphabet::MAY_WAIT,
    books::{Kind, Said},
    ending,
    inputs::inputs,
    replies::{Slot, slots},
    settings::{Bounds, Settings},
    subject::{Input, Subject},
};

/// What makes a state: the session's control state, and what its driver and its client know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) control: Arc<ControlState>,
    /// Actions under way, in the order of their start, and whether they are cancelled.
    pub(crate) work: Vec<(Kind, bool)>,
    /// The families of the commands without a reply.
    pub(crate) waiting: Vec<&'static str>,
    /// That of the transfer that was announced.
    pub(crate) announced: Option<&'static str>,
    pub(crate) eof: bool,
}

/// One input in one state.
#[derive(Debug)]
pub(crate) struct Step<'a> {
    pub(crate) from: usize,
    pub(crate) before: &'a Key,
    pub(crate) input: Input,
    /// The state after it; none when that is beyond the bounds.
    pub(crate) to: Option<usize>,
    pub(crate) after: &'a Key,
    pub(crate) subject: &'a Subject,
    /// The numbers of the commands that had no final reply, and where they stood.
    pub(crate) open: &'a [(u32, Slot)],
}

/// Who looks at every step.
pub(crate) trait Observer {
    fn step(&mut self, step: &Step<'_>);
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    pub(crate) states: Vec<State>,
    pub(crate) pairs: usize,
    /// Steps that led beyond the bounds.
    pub(crate) beyond: usize,
    /// Inputs that were tried again on another way to the same state.
    pub(crate) tried_again: usize,
}

/// A state that was reached.
#[derive(Debug)]
pub(crate) struct State {
    /// From where, and by what.
    came: Option<(usize, Input)>,
    effects: Vec<Effect>,
    /// All inputs have been tried.
    is_left: bool,
    /// Where the timers lead, whichever is due first; what lies beyond the bounds was followed by itself.
    by_timers: Vec<Option<usize>>,
    pub(crate) is_closed: bool,
}

/// What an input did.
#[derive(Debug, PartialEq, Eq)]
struct Effect {
    input: Input,
    to: Option<usize>,
    codes: Vec<u16>,
}

struct Walk<'a> {
    settings: &'a Settings,
    observer: &'a mut dyn Observer,
    known: HashMap<Key, usize>,
    ahead: VecDeque<(usize, Subject, Key)>,
    newcomers: HashMap<usize, Vec<Newcomer>>,
    walked: Walked,
}

/// Walks through all states of the configuration.
///
/// # Errors
/// A rule was broken: which, and the way there.
pub(crate) fn walk(settings: &Settings, observer: &mut dyn Observer) -> Result<Walked, String> {
    let (known, ahead, newcomers) = (HashMap::new(), VecDeque::new(), HashMap::new());
    let mut walk = Walk { settings, observer, known, ahead, newcomers, walked: Walked::default() };
    let start = Subject::new(settings)?;
    walk.arrive(start, None);
    while let Some((from, subject, key)) = walk.ahead.pop_front() {
        walk.leave(from, &subject, &key)?;
    }
    Ok(walk.walked)
}

impl Key {
    pub(crate) fn of(subject: &Subject) -> Self {
        let books = &subject.books;
        Self {
            control: subject.control.clone(),
            work: books.work.iter().map(|work| (work.kind(), work.cancelled)).collect(),
            waiting: books.waiting.iter().map(|sent| sent.family).collect(),
            announced: books.announced.map(|sent| sent.family),
            eof: books.eof,
        }
    }

    fn is_within(&self, bounds: Bounds) -> bool {
        let ControlState { lane, cancelled, mid_line, .. } = &*self.control;
        let may_wait = |line: &Option<Vec<u8>>| {
            line.as_ref().is_some_and(|line| MAY_WAIT.iter().any(|text| text.as_bytes() == line))
        };
        let awaited = self.control.transfer.is_some_and(|transfer| transfer.awaited.is_some());
        let closed = self.control.life == ftp_proto::Life::Closed;
        lane.len() <= bounds.lane
            && lane.iter().all(may_wait)
            && !mid_line
            && (closed || *cancelled <= bounds.leftovers + usize::from(awaited))
    }
}

impl Walk<'_> {
    /// All inputs in one state.
    fn leave(&mut self, from: usize, subject: &Subject, before: &Key) -> Result<(), String> {
        ending::check(subject).map_err(|broken| self.told(from, None, &broken))?;
        let open = slots(&subject.books);
        for input in inputs(subject, self.settings) {
            let next = apply(subject.fork(), input).map_err(|broken| self.told(from, Some(input), &broken))?;
            self.walked.pairs += 1;
            self.follow((from, before, &open), input, next)?;
        }
        self.walked.states[from].is_left = true;
        let newcomers = self.newcomers.remove(&from).unwrap_or_default();
        newcomers.iter().try_for_each(|newcomer| self.try_again(from, newcomer))
    }

    fn follow(
        &mut self,
        (from, before, open): (usize, &Key, &[(u32, Slot)]),
        input: Input,
        next: Subject,
    ) -> Result<(), String> {
        let after = Key::of(&next);
        let known = self.known.get(&after).copied();
        let within = after.is_within(self.settings.bounds);
        let to = within.then(|| known.unwrap_or(self.walked.states.len()));
        let step = Step { from, before, input, to, after: &after, subject: &next, open };
        self.observer.step(&step);
        let effect = Effect { input, to, codes: codes(&next) };
        let state = &mut self.walked.states[from];
        state.effects.push(effect);
        if let Input::Due(_) = input {
            state.by_timers.push(to);
        }
        match (to, known) {
            (None, _) => {
                self.walked.beyond += 1;
                let due = matches!(input, Input::Due(_));
                ending::beyond(&next, due).map_err(|broken| self.told(from, Some(input), &broken))?;
            }
            (Some(to), Some(_)) => self.arrive_again(to, Newcomer { from, by: input, subject: next })?,
            (Some(_), None) => self.arrive_at(next, after, Some((from, input))),
        }
        Ok(())
    }

    fn arrive(&mut self, subject: Subject, came: Option<(usize, Input)>) {
        let key = Key::of(&subject);
        self.arrive_at(subject, key, came);
    }

    fn arrive_at(&mut self, subject: Subject, key: Key, came: Option<(usize, Input)>) {
        let id = self.walked.states.len();
        let is_closed = subject.books.closed.is_some();
        self.walked.states.push(State { came, effects: Vec::new(), is_left: false, by_timers: Vec::new(), is_closed });
        self.known.insert(key.clone(), id);
        self.ahead.push_back((id, subject, key));
    }

    fn told(&self, state: usize, input: Option<Input>, broken: &str) -> String {
        told(&self.walked.states, self.settings, state, input, broken)
    }
}

/// The way to a state, and what was wrong there.
fn told(states: &[State], settings: &Settings, state: usize, input: Option<Input>, broken: &str) -> String {
    let mut way: Vec<Input> = input.into_iter().collect();
    let mut place = state;
    while let Some((from, by)) = states[place].came {
        way.push(by);
        place = from;
    }
    way.reverse();
    let mut lines = vec![format!("{}: {broken}", settings.name)];
    let Ok(mut subject) = Subject::new(settings) else { return lines.concat() };
    subject.log = Some(Vec::new());
    for input in way {
        lines.push(format!("{input:?}"));
        let verdict = catch_unwind(AssertUnwindSafe(|| subject.apply(input)));
        let log = subject.log.replace(Vec::new()).unwrap_or_default();
        lines.extend(log.into_iter().map(|output| format!("    {output}")));
        lines.extend(verdict.is_err().then(|| String::from("    panics")));
    }
    lines.join("\n")
}

fn apply(mut subject: Subject, input: Input) -> Result<Subject, String> {
    match catch_unwind(AssertUnwindSafe(|| subject.apply(input))) {
        Ok(verdict) => verdict.map(|()| subject),
        Err(_) => Err(String::from("it panics")),
    }
}

fn codes(subject: &Subject) -> Vec<u16> {
    subject.books.said.iter().map(|Said { code, .. }| *code).collect()
}

impl Walked {
    /// Whether timers alone end the session from every state, in whatever order they come due.
    ///
    /// # Errors
    /// There is a state from which they go round in a circle or end nowhere: the way there.
    pub(crate) fn timers_end_it(&self, settings: &Settings) -> Result<(), String> {
        let mut ends: Vec<bool> = self.states.iter().map(|state| state.is_closed).collect();
        loop {
            let more: Vec<usize> =
                (0..self.states.len()).filter(|id| !ends[*id] && self.leads_to_end(*id, &ends)).collect();
            if more.is_empty() {
                let bad = ends.iter().position(|ends| !ends);
                return bad.map_or(Ok(()), |state| Err(told(&self.states, settings, state, None, "here")));
            }
            for id in more {
                ends[id] = true;
            }
        }
    }

    fn leads_to_end(&self, id: usize, ends: &[bool]) -> bool {
        let next = &self.states[id].by_timers;
        !next.is_empty() && next.iter().flatten().all(|next| ends[*next])
    }
}
