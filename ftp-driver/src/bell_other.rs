//! Systems on which no thread waits for a socket here.

use std::io;
use std::time::Duration;

use socket2::Socket;

use super::Readiness;

/// Whether a thread can wait for a socket.
pub(crate) const CAN_WAIT: bool = false;

/// Never rung.
#[derive(Debug)]
pub(crate) struct Bell;

impl Bell {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn ring(&self) {}

    pub(crate) fn wait(&self, _: &Socket, _: Readiness, _: Duration) -> io::Result<bool> {
        Ok(false)
    }
}
