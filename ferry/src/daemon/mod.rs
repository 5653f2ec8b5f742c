//! `--daemonize`: the server as a process in the background.
//!
//! The process that was started starts another one, with the same arguments, and waits until that one serves or has
//! failed. So its exit status tells which, whatever step it was that failed. To fork instead would have to come before
//! there are threads, that is, before the log and most of what can fail.

#[cfg(not(unix))]
mod other;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub use self::other::{launch, leave_terminal, let_go_of_output};
#[cfg(unix)]
pub use self::unix::{launch, leave_terminal, let_go_of_output};

/// Set for the process in the background.
const MARK: &str = "FERRY_IN_BACKGROUND";

/// Whether this is the process in the background.
#[must_use]
pub fn is_in_background() -> bool {
    std::env::var_os(MARK).is_some()
}
