//! The graceful stop: told to every session, and waited for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use ftp_proto::Shutdown;

use crate::sessions::Presence;

/// Tells sessions to stop, all of them or some, and knows which there are and when all have ended. Clones belong
/// together.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Mutex<State>>);

/// One listener to a [`Stop`].
#[derive(Debug)]
pub struct Stopping {
    pub(crate) stop: Stop,
    pub(crate) key: u64,
}

/// What a listener is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The server stops.
    Stop(Shutdown),
    /// This session is to end.
    Dismiss(Shutdown),
}

#[derive(Debug, Default)]
pub(crate) struct State {
    asked: Option<Shutdown>,
    next_key: u64,
    /// Everybody who listens.
    listeners: BTreeMap<u64, Listener>,
    /// Who waits for the last listener to go.
    idle: Option<Waker>,
}

#[derive(Debug, Default)]
struct Listener {
    /// While it waits.
    waker: Option<Waker>,
    /// What is known of it, if it is a session.
    presence: Option<Box<Presence>>,
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
        let wakers: Vec<Waker> = state.listeners.values_mut().filter_map(|listener| listener.waker.take()).collect();
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
        state.listeners.insert(key, Listener::default());
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

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The listeners that are sessions, in the order in which they began.
    pub(crate) fn presences(&self) -> impl Iterator<Item = (u64, &Presence)> {
        self.listeners.iter().filter_map(|(key, listener)| Some((*key, listener.presence.as_deref()?)))
    }

    pub(crate) fn presence(&mut self, key: u64) -> Option<&mut Presence> {
        self.listeners.get_mut(&key)?.presence.as_deref_mut()
    }

    pub(crate) fn set_presence(&mut self, key: u64, presence: Box<Presence>) {
        self.listeners.entry(key).or_default().presence = Some(presence);
    }

    /// Who is to be woken up to learn that something is asked of this listener.
    pub(crate) fn take_waker(&mut self, key: u64) -> Option<Waker> {
        self.listeners.get_mut(&key)?.waker.take()
    }

    /// What is asked of this listener. An end at once goes before a graceful one, and its own before that of all.
    fn asked_of(&self, key: u64) -> Option<Asked> {
        let presence = self.listeners.get(&key).and_then(|listener| listener.presence.as_ref());
        match (self.asked, presence.and_then(|presence| presence.dismissed)) {
            (Some(Shutdown::Now), _) => Some(Asked::Stop(Shutdown::Now)),
            (_, Some(how)) => Some(Asked::Dismiss(how)),
            (asked, None) => asked.map(Asked::Stop),
        }
    }
}

impl Stopping {
    /// What has been asked; pending while that is nothing, or what the caller knows already.
    pub(crate) fn poll_asked(&self, known: Option<Asked>, cx: &mut Context<'_>) -> Poll<Asked> {
        let mut state = self.stop.state();
        match state.asked_of(self.key) {
            Some(asked) if Some(asked) != known => Poll::Ready(asked),
            _ => {
                let waker = &mut state.listeners.entry(self.key).or_default().waker;
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
        let listener = state.listeners.remove(&self.key);
        let idle = if state.listeners.is_empty() { state.idle.take() } else { None };
        drop(state);
        drop(listener);
        idle.into_iter().for_each(Waker::wake);
    }
}
