//! What happens, as a hash by which two runs are compared, and as lines when a run is replayed.

use std::fmt::{Arguments, Write};
use std::time::Duration;

pub(crate) struct Trace {
    hash: u64,
    lines: u64,
    shown: bool,
}

impl Trace {
    pub(crate) fn new(shown: bool) -> Self {
        Self { hash: 0xcbf2_9ce4_8422_2325, lines: 0, shown }
    }

    pub(crate) fn note(&mut self, now: Duration, what: Arguments<'_>) {
        self.lines += 1;
        if self.shown {
            println!("{:>14.6} {what}", now.as_secs_f64());
        }
        let written = write!(self, "{} {what}", now.as_nanos());
        written.expect("hashing does not fail");
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }
}

/// FNV-1a.
impl Write for Trace {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.hash = text.bytes().fold(self.hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Ok(())
    }
}
