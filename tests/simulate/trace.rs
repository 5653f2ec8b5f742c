//! What happens, as a hash by which two runs are compared, and as lines when a run is replayed.

use std::fmt::{Arguments, Write};
use std::time::Duration;

pub(crate) struct Trace {
    hash: Hash,
    lines: u64,
    shown: bool,
}

impl Trace {
    pub(crate) fn new(shown: bool) -> Self {
        Self { hash: Hash::new(), lines: 0, shown }
    }

    pub(crate) fn note(&mut self, now: Duration, what: Arguments<'_>) {
        self.lines += 1;
        if self.shown {
            println!("{:>14.6} {what}", now.as_secs_f64());
        }
        let written = write!(self.hash, "{} {what}", now.as_nanos());
        written.expect("hashing does not fail");
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash.0
    }

    pub(crate) fn lines(&self) -> u64 {
        self.lines
    }
}

/// FNV-1a.
pub(crate) struct Hash(pub(crate) u64);

impl Hash {
    pub(crate) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn take(&mut self, bytes: &[u8]) {
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        self.0 = bytes.iter().fold(self.0, step);
    }
}

impl Write for Hash {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.take(text.as_bytes());
        Ok(())
    }
}
