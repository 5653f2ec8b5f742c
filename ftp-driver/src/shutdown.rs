//! The graceful stop: told to every session, and waited for.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use ftp_proto::Shutdown;

use crate::sessions::Presence;

/// Tells sessions to stop, all of them or some, and knows which there are and when all have ended. Clones belong
/// together.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Shared>);

/// One listener to a [`Stop`].
#[derive(Debug)]
pub struct Stopping {
    pub(crate) stop: Stop,
    pub(crate) key: u64,
    waits: Option<Waits>,
}

/// A waker is with the [`State`]: which one that is, and how often anything had been asked then. Nobody else can have its
/// address as long as it is there. It is no clone, since that would keep a task alive which belongs to nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waits {
    data: usize,
    vtable: usize,
    /// One more than it is, so that there is room to say that nobody waits.
    asks: NonZeroU64,
}

#[derive(Debug, Default)]
struct Shared {
    /// How often anything was asked of anybody. Changed with the lock held, before wakers are taken out: as long as it
    /// stays the same, everything that a listener has left with the state is still there.
    asks: AtomicU64,
    state: Mutex<State>,
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
        self.note_ask(&mut state);
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
        Stopping { stop: self.clone(), key, waits: None }
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
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something is asked of somebody, by whoever has the state in hand.
    pub(crate) fn note_ask(&self, _: &mut State) {
        self.0.asks.fetch_add(1, Ordering::Release);
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
    pub(crate) fn poll_asked(&mut self, known: Option<Asked>, cx: &mut Context<'_>) -> Poll<Asked> {
        // Sessions look here in each of their turns, and all of them share the lock.
        if self.waits == Some(self.waiting(cx.waker())) {
            return Poll::Pending;
        }
        self.waits = None;
        let mut state = self.stop.state();
        match state.asked_of(self.key) {
            Some(asked) if Some(asked) != known => Poll::Ready(asked),
            _ => {
                let slot = &mut state.listeners.entry(self.key).or_default().waker;
                let kept = slot.take_if(|waker| waker.will_wake(cx.waker())).unwrap_or_else(|| cx.waker().clone());
                // The clone may be another than what it was made of, which may lie where another will.
                self.waits = Some(self.waiting(&kept));
                *slot = Some(kept);
                Poll::Pending
            }
        }
    }

    fn waiting(&self, waker: &Waker) -> Waits {
        let (data, vtable) = (waker.data().addr(), ptr::from_ref(waker.vtable()).addr());
        Waits { data, vtable, asks: NonZeroU64::MIN.saturating_add(self.stop.0.asks.load(Ordering::Acquire)) }
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

#[cfg(test)]
mod tests;
