//! Threads that may block.
//!
//! What is polled on such a thread needs no other thread for its blocking work: [`Offload`](crate::Offload) does it in
//! place. So a future can be polled on a runtime's threads while it waits for its peer, and on one of these while there
//! is much to be done, and is the same future all the time.

use std::cell::Cell;

thread_local! {
    static ALLOWED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` on this thread, which may block until it returns: one of a pool for blocking work. To be called by those
/// who own such a thread, never on one that drives other futures.
pub fn allow<T>(work: impl FnOnce() -> T) -> T {
    let _restore = Restore(ALLOWED.replace(true));
    work()
}

/// Whether this thread may block.
#[must_use]
pub fn is_allowed() -> bool {
    ALLOWED.get()
}

/// Makes the thread what it was, at a panic, too.
struct Restore(bool);

impl Drop for Restore {
    fn drop(&mut self) {
        ALLOWED.set(self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn a_thread_may_block_as_long_as_it_was_allowed_to() {
        assert!(!is_allowed());
        assert!(allow(|| allow(is_allowed) && is_allowed()));
        assert!(catch_unwind(|| allow(|| panic!("as planned"))).is_err());
        assert!(!is_allowed());
    }
}
