//! How long a thread runs at a time when others want its processor.

#[cfg(target_os = "linux")]
#[path = "slice_linux.rs"]
mod system;

/// Asks the system to give this thread short turns and to let it have them soon: for threads that serve sessions, which
/// have little to do at a time and are waited for. Beside threads that are busy with transfers, replies come sooner so;
/// how much of the processor each of them gets stays the same. It is not asked for the threads that this one starts.
///
/// That is known to Linux from 6.12 on, and done for threads of the usual policy (`SCHED_OTHER`) whose priority nobody
/// has raised. Anywhere else this does nothing.
pub fn take_short_turns() {
    #[cfg(target_os = "linux")]
    if let Err(error) = system::take_short_turns() {
        tracing::debug!(%error, "the system does not give short turns");
    }
}
