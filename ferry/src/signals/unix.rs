//! Signals of Unix.

use std::io;
use std::sync::Arc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};

use super::Signal;

pub(super) struct Signals(signal_hook::iterator::Signals);

impl Signals {
    pub(super) fn catch() -> io::Result<Self> {
        // A file that grows too large is for its upload to answer (EFBIG); by default the signal would end the process.
        signal_hook::flag::register(SIGXFSZ, Arc::default())?;
        signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP]).map(Self)
    }

    pub(super) fn for_each(mut self, mut react: impl FnMut(Signal)) {
        for signal in &mut self.0 {
            react(if signal == SIGHUP { Signal::Reload } else { Signal::Stop });
        }
    }
}
