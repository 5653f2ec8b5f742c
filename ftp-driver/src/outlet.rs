//! The way of a listing onto the control connection: STAT with a path writes its lines between two replies.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

/// One chunk of lines at a time, from the transfer that makes them to the connection that sends them. Both ends belong
/// to one session, thus to one task; the lock is held for the exchange alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outlet(Arc<Mutex<Vec<u8>>>);

impl Outlet {
    /// Hands the lines over as soon as the earlier ones are gone.
    pub(crate) async fn send(&self, lines: &[u8]) {
        // The session polls its work again whenever it has taken something, so that no waker need be kept.
        poll_fn(|_| if self.chunk().is_empty() { Poll::Ready(()) } else { Poll::Pending }).await;
        // On the control connection a byte of 255 is a Telnet command unless it comes twice.
        let mut chunk = self.chunk();
        for byte in lines {
            chunk.extend_from_slice(if *byte == 0xFF { &[0xFF, 0xFF] } else { std::slice::from_ref(byte) });
        }
    }

    /// Waits until everything that was handed over is on its way, so that the reply after it stays behind it.
    pub(crate) async fn flushed(&self) {
        poll_fn(|_| if self.chunk().is_empty() { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    /// Takes what there is.
    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.chunk())
    }

    /// Takes back what was handed over and is not on its way.
    pub(crate) fn clear(&self) {
        self.chunk().clear();
    }

    fn chunk(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
