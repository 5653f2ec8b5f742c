//! The same inputs once more, where another way leads to a state that is known: they have to do the same there, or what
//! states are told apart by leaves something out.

use super::{Effect, Key, State, Walk, apply, codes};
use crate::subject::{Input, Subject};

/// A session that came to a known state by another way.
pub(super) struct Newcomer {
    pub(super) from: usize,
    pub(super) by: Input,
    pub(super) subject: Subject,
}

/// How many of those from other states wait for one to be left.
const MOST_NEWCOMERS: usize = 2;

/// How often it is tried whether an input that seemed to change nothing did.
const TRIES_WHERE_IT_STAYS: usize = 8;

/// Of so many newcomers, one is followed for so many steps.
const FOLLOWED: usize = 16;
const STEPS_FOLLOWED: usize = 8;

impl Newcomer {
    /// Whether the input was not refused: if it changed anything that the key leaves out, it shows.
    fn did_something(&self) -> bool {
        !matches!(self.by, Input::Line(_)) || codes(&self.subject).iter().any(|code| *code < 400)
    }
}

impl Walk<'_> {
    /// A known state was reached by another way. If not all inputs have been tried in it yet, the newcomer has to wait.
    pub(super) fn arrive_again(&mut self, state: usize, newcomer: Newcomer) -> Result<(), String> {
        if self.walked.states[state].is_left {
            return self.try_again(state, &newcomer);
        }
        let stays = state == newcomer.from;
        let waiting = self.newcomers.entry(state).or_default();
        let others = waiting.iter().filter(|other| other.from != state).count();
        let wanted = if stays { newcomer.did_something() } else { others < MOST_NEWCOMERS };
        if wanted {
            waiting.push(newcomer);
        }
        Ok(())
    }

    /// Some inputs do the same as they did on the first way to the state. Now and then they are followed for a while, for
    /// what shows late only.
    pub(super) fn try_again(&mut self, state: usize, newcomer: &Newcomer) -> Result<(), String> {
        let tries = if state == newcomer.from { TRIES_WHERE_IT_STAYS } else { 1 };
        for _ in 0..tries {
            self.walked.tried_again += 1;
            let steps = if self.walked.tried_again.is_multiple_of(FOLLOWED) { STEPS_FOLLOWED } else { 1 };
            self.follow_again(state, newcomer, steps)?;
        }
        Ok(())
    }

    fn follow_again(&self, mut state: usize, newcomer: &Newcomer, steps: usize) -> Result<(), String> {
        let mut subject = newcomer.subject.fork();
        let mut way = Vec::new();
        for step in 0..steps {
            let Some(expected) = self.some_effect(state, step, steps) else { return Ok(()) };
            let input = expected.input;
            way.push(input);
            subject = apply(subject, input).map_err(|broken| self.told(newcomer.from, Some(newcomer.by), &broken))?;
            let after = Key::of(&subject);
            let within = after.is_within(self.settings.bounds);
            let to = if within { self.known.get(&after).copied() } else { None };
            if *expected != (Effect { input, to, codes: codes(&subject) }) {
                return Err(self.told_twice(state, newcomer, &way));
            }
            let Some(next) = to else { return Ok(()) };
            state = next;
        }
        Ok(())
    }

    /// Another one each time; where it is not the last step, one that leads on.
    fn some_effect(&self, state: usize, step: usize, steps: usize) -> Option<&Effect> {
        let State { effects, is_left, .. } = &self.walked.states[state];
        let leads_on = |effect: &&Effect| effect.to.is_some_and(|to| to != state && !self.walked.states[to].is_closed);
        let place = scattered(self.walked.tried_again + step);
        let onward: Vec<&Effect> =
            if step + 1 < steps { effects.iter().filter(leads_on).collect() } else { Vec::new() };
        match onward.len() {
            _ if !is_left || effects.is_empty() => None,
            0 => effects.get(place % effects.len()),
            count => onward.get(place % count).copied(),
        }
    }

    fn told_twice(&self, state: usize, newcomer: &Newcomer, way: &[Input]) -> String {
        format!(
            "{}\n\n.. and then {way:?}: the last does something else than behind\n\n{}",
            self.told(newcomer.from, Some(newcomer.by), "the control state leaves something out"),
            self.told(state, way.last().copied(), ""),
        )
    }
}

/// A number far from those of its neighbours: what is tried in turn is not to follow the order of the inputs.
fn scattered(number: usize) -> usize {
    let hash = u32::try_from(number).unwrap_or_default().wrapping_mul(0x9E37_79B1);
    usize::try_from(hash >> 8).unwrap_or_default()
}
