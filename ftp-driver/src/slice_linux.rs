//! By `sched_setattr(2)`: the length of its slice is the one thing that a thread of the usual policy may ask for without
//! privileges. Of two that are due, the kernel takes the one with the earlier deadline, which is that of the shorter
//! slice, and with `PREEMPT_SHORT`, which it is built with, does so as soon as that one wakes up.

#![expect(unsafe_code, reason = "no safe crate that is kept up has these calls")]

use std::io;
use std::mem::size_of;

use libc::{SYS_sched_getattr, SYS_sched_setattr, c_long, sched_attr, syscall};

/// The shortest that the kernel gives.
const SLICE_NANOS: u64 = 100_000;

pub(super) fn take_short_turns() -> io::Result<()> {
    let mut attributes = of_this_thread()?;
    // Whoever asked for another policy, or a higher priority (below zero), knows better; and threads that this one starts
    // would lose both by the flag.
    if attributes.sched_policy != libc::SCHED_OTHER as u32 || attributes.sched_nice < 0 {
        return Ok(());
    }
    attributes.sched_runtime = SLICE_NANOS;
    attributes.sched_flags |= libc::SCHED_FLAG_RESET_ON_FORK as u64;
    // SAFETY: the kernel reads as many bytes as `size` in it says, which are no more than it has; thread 0 is this one;
    // there are no flags. What is set is how this thread is scheduled, which no other code's soundness rests on.
    done(unsafe { syscall(SYS_sched_setattr, 0, &raw const attributes, 0) })
}

fn of_this_thread() -> io::Result<sched_attr> {
    let size = size_of::<sched_attr>() as u32;
    let mut attributes = sched_attr {
        size,
        sched_policy: 0,
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the kernel writes no more than `size` bytes, which the structure has, and every value of its numbers is
    // valid; nobody else has it meanwhile; thread 0 is this one; there are no flags.
    done(unsafe { syscall(SYS_sched_getattr, 0, &raw mut attributes, size, 0) })?;
    Ok(attributes)
}

fn done(result: c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// What a new thread makes of what it is told to do, and a thread that it starts then.
    fn after(work: impl FnOnce() + Send + 'static) -> [sched_attr; 2] {
        let start = move || {
            work();
            [of_this_thread().unwrap(), thread::spawn(|| of_this_thread().unwrap()).join().unwrap()]
        };
        thread::spawn(start).join().unwrap()
    }

    #[test]
    fn a_thread_takes_short_turns_and_those_that_it_starts_take_the_usual() {
        let [usual, _] = after(|| ());
        let [own, started] = after(|| take_short_turns().unwrap());
        assert_eq!((own.sched_policy, own.sched_nice), (usual.sched_policy, usual.sched_nice));
        // Older kernels keep nothing of it, and tell nothing. Whoever runs the test may have asked for something else.
        let is_asked = usual.sched_policy == libc::SCHED_OTHER as u32 && usual.sched_nice >= 0;
        let is_known = is_asked && usual.sched_runtime != 0;
        assert_eq!(own.sched_runtime, if is_known { SLICE_NANOS } else { usual.sched_runtime });
        assert_eq!(started.sched_runtime, usual.sched_runtime);
    }

    #[test]
    fn another_policy_is_left_as_it_is() {
        let become_idle = || {
            let mut attributes = of_this_thread().unwrap();
            attributes.sched_policy = libc::SCHED_IDLE as u32;
            // SAFETY: as above.
            done(unsafe { syscall(SYS_sched_setattr, 0, &raw const attributes, 0) }).unwrap();
            take_short_turns().unwrap();
        };
        let [own, _] = after(become_idle);
        assert_eq!((own.sched_policy, own.sched_flags), (libc::SCHED_IDLE as u32, 0));
        assert_ne!(own.sched_runtime, SLICE_NANOS);
    }
}
