//! The graceful stop: told to every session, and waited for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use ftp_proto::Shutdown;

/// Tells sessions to stop, and knows when all of them have. Clones belong together.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Mutex<State>>);

/// One listener to a [`Stop`].
#[derive(Debug)]
pub struct Stopping {
    stop: Stop,
    key: u64,
}

#[derive(Debug, Default)]
struct State {
    asked: Option<Shutdown>,
    next_key: u64,
    /// Everybody who listens; the waker of those that wait.
    listeners: BTreeMap<u64, Option<Waker>>,
    /// Who waits for the last listener to go.
    idle: Option<Waker>,
}

impl Stop {
    /// Nobody has been asked to stop.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everybody to stop. Once asked to stop now, nobody is asked to stop gracefully again.
    pub fn ask(&self, how: Shutdown) {
        let mut state = self.state();
        if state.asked != Some(Shutdown::Now) {
            state.asked = Some(how);
        }
        let wakers: Vec<Waker> = state.listeners.values_mut().filter_map(Option::take).collect();
        let idle = state.idle.take();
        drop(state);
        wakers.into_iter().chain(idle).for_each(Waker::wake);
    }

    /// What was asked last.
    #[must_use]
    pub fn asked(&self) -> Option<Shutdown> {
        self.state().asked
    }

    /// Begins to listen.
    #[must_use]
    pub fn listen(&self) -> Stopping {
        let mut state = self.state();
        let key = state.next_key;
        state.next_key += 1;
        state.listeners.insert(key, None);
        Stopping { stop: self.clone(), key }
    }

    /// Ready when nobody listens any more. One task at a time can wait for it; it also wakes when somebody asks.
    pub(crate) fn poll_idle(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.listeners.is_empty() {
            return Poll::Ready(());
        }
        state.idle = Some(cx.waker().clone());
        Poll::Pending
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stopping {
    /// What has been asked; pending while that is nothing, or what the caller knows already.
    pub(crate) fn poll_asked(&self, known: Option<Shutdown>, cx: &mut Context<'_>) -> Poll<Shutdown> {
        let mut state = self.stop.state();
        match state.asked {
            Some(how) if state.asked != known => Poll::Ready(how),
            _ => {
                let waker = state.listeners.entry(self.key).or_default();
                if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    *waker = Some(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for Stopping {
    fn drop(&mut self) {
        let mut state = self.stop.state();
        let waker = state.listeners.remove(&self.key);
        let idle = if state.listeners.is_empty() { state.idle.take() } else { None };
        drop(state);
        drop(waker);
        idle.into_iter().for_each(Waker::wake);
    }
}
