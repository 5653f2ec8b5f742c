//! The simulated world: a clock, events, and tasks of which one at a time has its turn. Every choice is the seed's.

use std::collections::BTreeMap;
use std::fmt::Arguments;
use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use ftp_proto::Instant;

use crate::chance::Chance;
use crate::net::Net;
use crate::pool::Pool;
use crate::trace::Trace;

/// How rough the world is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Climate {
    /// Without injected faults whoever does everything right is to succeed.
    pub(crate) faults: bool,
    /// The longest way between two hosts, and through a disk.
    pub(crate) latency: Duration,
    pub(crate) disk: Duration,
    /// Threads for blocking work.
    pub(crate) threads: usize,
    /// Whether a task gets another waker each time, after which older ones do nothing.
    pub(crate) fresh_wakers: bool,
    /// What a connection holds in one direction before its writer has to wait.
    pub(crate) pipe: usize,
    /// One of so many writes takes a part alone of what there is room for.
    pub(crate) whole_writes: u32,
    /// How many ports there are for passive data connections.
    pub(crate) ports: u16,
}

impl Climate {
    pub(crate) fn passive_ports(&self) -> RangeInclusive<u16> {
        50_000..=50_000 + self.ports - 1
    }
}

/// Clones are the same world.
#[derive(Clone)]
pub(crate) struct World(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    tasks: Mutex<BTreeMap<u64, Task>>,
    ready: Arc<Mutex<Vec<u64>>>,
}

pub(crate) struct State {
    pub(crate) now: Instant,
    pub(crate) chance: Chance,
    pub(crate) climate: Climate,
    pub(crate) net: Net,
    pub(crate) pool: Pool,
    pub(crate) trace: Trace,
    /// What was done to whom, and when last.
    faults: BTreeMap<String, Instant>,
    pub(crate) events: BTreeMap<(Instant, u64), Event>,
    pub(crate) timers: BTreeMap<u64, Timer>,
    last_id: u64,
    steps: u64,
}

pub(crate) type Event = Box<dyn FnOnce(&World) + Send>;

/// A timer of the server's that was not dropped.
pub(crate) struct Timer {
    pub(crate) at: Instant,
    pub(crate) fired: bool,
    pub(crate) event: Option<(Instant, u64)>,
    pub(crate) waker: Option<Waker>,
}

struct Task {
    name: String,
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    waker: Waker,
    turn: Arc<AtomicU64>,
}

struct Woken {
    id: u64,
    ready: Arc<Mutex<Vec<u64>>>,
    /// Which turn of the task the waker was made for; `None`: for all.
    made_for: Option<u64>,
    turn: Arc<AtomicU64>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        if self.made_for.is_some_and(|turn| turn != self.turn.load(Ordering::Relaxed)) {
            return;
        }
        let mut ready = lock(&self.ready);
        if !ready.contains(&self.id) {
            ready.push(self.id);
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(crate) fn new(chance: Chance, climate: Climate, shown: bool) -> Self {
        let state = State {
            now: Instant::from_epoch(Duration::from_secs(1000)),
            chance,
            climate,
            net: Net::default(),
            pool: Pool::new(climate.threads),
            trace: Trace::new(shown),
            faults: BTreeMap::new(),
            events: BTreeMap::new(),
            timers: BTreeMap::new(),
            last_id: 0,
            steps: 0,
        };
        Self(Arc::new(Inner { state: Mutex::new(state), tasks: Mutex::default(), ready: Arc::default() }))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }

    pub(crate) fn now(&self) -> Instant {
        self.state().now
    }

    pub(crate) fn note(&self, what: Arguments<'_>) {
        self.state().note(what);
    }

    /// Lets something happen later.
    pub(crate) fn after(&self, delay: Duration, event: impl FnOnce(&Self) + Send + 'static) {
        self.state().after(delay, event);
    }

    pub(crate) fn spawn(&self, name: String, future: impl Future<Output = ()> + Send + 'static) -> u64 {
        let id = self.state().next_id();
        let turn = Arc::new(AtomicU64::new(0));
        let waker = self.waker(id, None, &turn);
        let task = Task { name, future: Box::pin(future), waker, turn };
        lock(&self.0.tasks).insert(id, task);
        lock(&self.0.ready).push(id);
        id
    }

    /// The tasks that have not ended.
    pub(crate) fn tasks(&self) -> Vec<String> {
        lock(&self.0.tasks).values().map(|task| task.name.clone()).collect()
    }

    pub(crate) fn has_task(&self, name: &str) -> bool {
        lock(&self.0.tasks).values().any(|task| task.name == name)
    }

    /// Drops a task, if it has not ended.
    pub(crate) fn kill(&self, id: u64) {
        let task = lock(&self.0.tasks).remove(&id);
        drop(task);
    }

    /// Nothing happens any more.
    pub(crate) fn end(&self) {
        let tasks = std::mem::take(&mut *lock(&self.0.tasks));
        drop(tasks);
        // They know this world, and would keep it.
        let events = std::mem::take(&mut self.state().events);
        drop(events);
    }

    /// Lets one thing happen; `false` when nothing is left that could.
    pub(crate) fn step(&self) -> bool {
        let (due, task) = {
            let mut state = self.state();
            state.steps += 1;
            let mut ready = lock(&self.0.ready);
            let due = state.events.first_key_value().is_some_and(|((at, _), _)| *at <= state.now);
            if due && (ready.is_empty() || state.chance.one_in(2)) || ready.is_empty() {
                let Some(((at, _), event)) = state.events.pop_first() else { return false };
                state.now = state.now.max(at);
                (Some(event), 0)
            } else {
                let place = state.chance.below(ready.len());
                (None, ready.swap_remove(place))
            }
        };
        match due {
            Some(event) => event(self),
            None => self.poll(task),
        }
        true
    }

    fn poll(&self, id: u64) {
        let Some(mut task) = lock(&self.0.tasks).remove(&id) else { return };
        {
            let mut state = self.state();
            // Work takes its time.
            let took = state.chance.magnitude(30_000);
            state.now = state.now + Duration::from_nanos(took);
            if state.climate.fresh_wakers {
                let turn = task.turn.fetch_add(1, Ordering::Relaxed) + 1;
                task.waker = self.waker(id, Some(turn), &task.turn);
            }
        }
        match task.future.as_mut().poll(&mut Context::from_waker(&task.waker)) {
            Poll::Pending => drop(lock(&self.0.tasks).insert(id, task)),
            Poll::Ready(()) => self.note(format_args!("{} ends", task.name)),
        }
    }

    fn waker(&self, id: u64, made_for: Option<u64>, turn: &Arc<AtomicU64>) -> Waker {
        let (ready, turn) = (Arc::clone(&self.0.ready), Arc::clone(turn));
        Waker::from(Arc::new(Woken { id, ready, made_for, turn }))
    }

    /// Whether something was done to this since then that nobody there could help. A star at the end stands for any rest.
    pub(crate) fn was_hit(&self, whom: &str, since: Instant) -> bool {
        let state = self.state();
        match whom.strip_suffix('*') {
            Some(beginning) => state.faults.iter().any(|(whom, last)| whom.starts_with(beginning) && *last >= since),
            None => state.faults.get(whom).is_some_and(|last| *last >= since),
        }
    }

    pub(crate) fn steps(&self) -> u64 {
        self.state().steps
    }
}

impl State {
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(crate) fn note(&mut self, what: Arguments<'_>) {
        let now = self.now.since_epoch();
        self.trace.note(now, what);
    }

    pub(crate) fn after(&mut self, delay: Duration, event: impl FnOnce(&World) + Send + 'static) -> (Instant, u64) {
        let key = (self.now + delay, self.next_id());
        self.events.insert(key, Box::new(event));
        key
    }

    /// Decides about a fault, which happens in bad climate alone.
    pub(crate) fn fault(&mut self, one_in: u32) -> bool {
        self.climate.faults && self.chance.one_in(one_in)
    }

    pub(crate) fn hit(&mut self, whom: String) {
        self.note(format_args!("fault: {whom}"));
        self.faults.insert(whom, self.now);
    }
}
