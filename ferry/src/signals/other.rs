//! Ctrl-C, where there are no signals.

use std::io;
use std::sync::mpsc::{self, Receiver};

use super::Signal;

pub(super) struct Signals(Receiver<()>);

impl Signals {
    pub(super) fn catch() -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        // Nobody receives any more when the process ends, and then nobody cares.
        ctrlc::set_handler(move || _ = sender.send(())).map_err(io::Error::other)?;
        Ok(Self(receiver))
    }

    pub(super) fn for_each(self, mut react: impl FnMut(Signal)) {
        self.0.iter().for_each(|()| react(Signal::Stop));
    }
}
