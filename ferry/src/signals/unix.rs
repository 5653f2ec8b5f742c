//! Signals of Unix.

use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::Signal;

pub(super) struct Signals(signal_hook::iterator::Signals);

impl Signals {
    pub(super) fn catch() -> io::Result<Self> {
        signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP]).map(Self)
    }

    pub(super) fn for_each(mut self, mut react: impl FnMut(Signal)) {
        for signal in &mut self.0 {
            react(if signal == SIGHUP { Signal::Reload } else { Signal::Stop });
        }
    }
}
