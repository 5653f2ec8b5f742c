//! What comes of one step: the machine predicts it, the session does it.

use std::collections::BTreeSet;
use std::fmt;

use ftp_proto::CloseReason;

use crate::syntax::Bytes;
use crate::tasks::{Number, Task, Thing};

/// All that the session says and does in one step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// In order: bytes before an action are written before it starts.
    pub(crate) acts: Vec<Act>,
    pub(crate) cancelled: BTreeSet<Number>,
    pub(crate) released: BTreeSet<Thing>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Say(Said),
    Start(Number, Task),
    Close(CloseReason),
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) code: u16,
    pub(crate) part: Part,
    /// What its first line has to say, or all of it as far as it matters.
    pub(crate) text: Bytes,
}

/// Which part of the answer to a command a reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Preliminary,
    /// The first line of a reply that goes on when a listing has been written.
    Head,
    Final,
}

impl Said {
    /// A reply whose text does not matter.
    pub(crate) fn code(code: u16) -> Self {
        Self::with(code, "")
    }

    /// A reply that says this, among other things.
    pub(crate) fn with(code: u16, text: impl Into<Bytes>) -> Self {
        let part = if code < 200 { Part::Preliminary } else { Part::Final };
        Self { code, part, text: text.into() }
    }

    /// The head of a reply that a listing goes between.
    pub(crate) fn head(code: u16) -> Self {
        Self { part: Part::Head, ..Self::code(code) }
    }

    /// Whether what was said is what was to be said.
    fn is_met_by(&self, other: &Self) -> bool {
        let says = self.text.is_empty() || other.text.windows(self.text.len()).any(|part| part == self.text);
        self.code == other.code && self.part == other.part && says
    }
}

impl Effects {
    /// Whether these predicted effects are those that were seen.
    pub(crate) fn are_met_by(&self, seen: &Self) -> bool {
        let same = |(predicted, seen): (&Act, &Act)| match (predicted, seen) {
            (Act::Say(predicted), Act::Say(seen)) => predicted.is_met_by(seen),
            (predicted, seen) => predicted == seen,
        };
        self.acts.len() == seen.acts.len()
            && self.acts.iter().zip(&seen.acts).all(same)
            && self.cancelled == seen.cancelled
            && self.released == seen.released
    }
}

impl fmt::Display for Effects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for act in &self.acts {
            match act {
                Act::Say(Said { code, part, text }) => {
                    let mark = if *part == Part::Head { "-" } else { " " };
                    let text = text.trim_ascii_end().escape_ascii();
                    writeln!(f, "    S: {code}{mark}{text}")?;
                }
                Act::Start(number, task) => writeln!(f, "    start #{number} {task:?}")?,
                Act::Close(reason) => writeln!(f, "    close: {reason}")?,
            }
        }
        if !self.cancelled.is_empty() {
            writeln!(f, "    cancel {:?}", self.cancelled)?;
        }
        if !self.released.is_empty() {
            writeln!(f, "    release {:?}", self.released)?;
        }
        Ok(())
    }
}
