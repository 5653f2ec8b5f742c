//! Timers: those of the server, which are late and now and then early, and the patience of clients.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ftp_proto::Instant;

use crate::world::{State, Timer, World};

pub(crate) struct SimTimer {
    world: World,
    id: u64,
}

/// Waits for a client; nothing of the server's is counted for it.
pub(crate) struct Sleep {
    until: Instant,
    world: World,
    event: Option<(Instant, u64)>,
}

impl World {
    pub(crate) fn sleep(&self, time: Duration) -> Sleep {
        Sleep { until: self.now() + time, world: self.clone(), event: None }
    }

    /// A timer of the server's.
    pub(crate) fn timer_at(&self, at: Instant) -> SimTimer {
        let mut state = self.state();
        let id = state.next_id();
        state.timers.insert(id, Timer { at, fired: false, event: None, waker: None });
        drop(state);
        SimTimer { world: self.clone(), id }
    }
}

impl SimTimer {
    fn fires(world: &World, id: u64) {
        let mut state = world.state();
        let Some(timer) = state.timers.get_mut(&id) else { return };
        timer.fired = true;
        timer.waker.take().into_iter().for_each(Waker::wake);
    }

    /// Timers are late, and now and then early.
    fn delay(state: &mut State, at: Instant) -> Duration {
        let rest = at.saturating_since(state.now);
        if state.chance.one_in(10) {
            return rest.saturating_sub(state.chance.micros(Duration::from_millis(2)));
        }
        rest + state.chance.micros(Duration::from_millis(2))
    }
}

impl Future for SimTimer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.world.state();
        let (now, id) = (state.now, self.id);
        let Some(timer) = state.timers.get_mut(&id) else { return Poll::Ready(()) };
        if timer.fired || now >= timer.at {
            return Poll::Ready(());
        }
        timer.waker = Some(cx.waker().clone());
        if timer.event.is_none() {
            let at = timer.at;
            let delay = Self::delay(&mut state, at);
            let event = state.after(delay, move |world| Self::fires(world, id));
            state.timers.entry(id).and_modify(|timer| timer.event = Some(event));
        }
        Poll::Pending
    }
}

impl Drop for SimTimer {
    fn drop(&mut self) {
        let mut state = self.world.state();
        let event = state.timers.remove(&self.id).and_then(|timer| timer.event);
        event.and_then(|key| state.events.remove(&key));
    }
}

impl Sleep {
    fn forget(&mut self) {
        let event = self.event.take();
        event.and_then(|key| self.world.state().events.remove(&key));
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.forget();
        let mut state = self.world.state();
        if state.now >= self.until {
            return Poll::Ready(());
        }
        let (rest, waker) = (self.until.saturating_since(state.now), cx.waker().clone());
        let event = state.after(rest, move |_| waker.wake());
        drop(state);
        self.event = Some(event);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.forget();
    }
}
