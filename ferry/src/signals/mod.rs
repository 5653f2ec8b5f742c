//! What the system tells the process to do.

#[cfg(not(unix))]
mod other;
#[cfg(unix)]
mod unix;

use std::io;
use std::thread;

#[cfg(not(unix))]
use other as sys;
#[cfg(unix)]
use unix as sys;

/// A wish of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM, SIGINT, Ctrl-C.
    Stop,
    /// SIGHUP.
    Reload,
}

/// The signals that came since this was made.
pub struct Signals(sys::Signals);

impl Signals {
    /// Begins to catch signals; they wait until [`handle`](Self::handle).
    ///
    /// # Errors
    /// What the system says.
    pub fn catch() -> io::Result<Self> {
        sys::Signals::catch().map(Self)
    }

    /// Calls `react` for each signal, on a thread of its own, so that it does not matter how busy the server is.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn handle(self, react: impl FnMut(Signal) + Send + 'static) -> io::Result<()> {
        thread::Builder::new().name("signals".to_owned()).spawn(move || self.0.for_each(react)).map(drop)
    }
}
