//! One small change of the code that the tests have to notice.

use std::{fmt, ops::Range, path::PathBuf};

/// A change, and how it is written into the source so that it can be switched on.
#[derive(Clone, Debug)]
pub(crate) struct Mutation {
    /// Where it is switched on: unique in a run.
    pub(crate) number: u32,
    pub(crate) name: Name,
    /// The line of the source, from 1.
    pub(crate) line: usize,
    pub(crate) kind: Kind,
    /// The bytes of the source that it concerns.
    pub(crate) place: Range<usize>,
}

/// What stays the same when lines move.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name {
    /// From the root of the workspace.
    pub(crate) file: PathBuf,
    pub(crate) function: String,
    pub(crate) change: String,
    /// Among those of the same function and change, from 1.
    pub(crate) occurrence: u32,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.file.display(), self.function, self.change)?;
        if self.occurrence > 1 {
            write!(f, " (number {})", self.occurrence)?;
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The function returns this at once; the place is that behind its opening brace.
    Returns(String),
    /// The expression is this instead.
    Becomes(String),
    /// The statement is left out.
    LeftOut,
    /// The arm of a match is never taken; the place is the pattern's end, or that of its guard.
    NeverTaken { has_guard: bool },
}
