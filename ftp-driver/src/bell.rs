//! What a thread waits for: its socket, or that somebody calls it.

#[cfg(unix)]
#[path = "bell_unix.rs"]
mod system;

#[cfg(not(unix))]
#[path = "bell_other.rs"]
mod system;

pub(crate) use system::{Bell, CAN_WAIT};

/// What a socket is to be ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    Read,
    Write,
}
