//! Blocking work: it takes a thread and some time, is done at the beginning or at the end of that time, and goes on when
//! nobody waits for it any more.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ftp_fs::Unblock;

use crate::world::{State, World, lock};

/// Where it ends when a disk is gone for a while.
pub(crate) const OUTAGE: Duration = Duration::from_secs(400);

pub(crate) struct Pool {
    threads: usize,
    busy: usize,
    queue: VecDeque<Job>,
    /// What was handed over and is not done.
    open: BTreeSet<u64>,
    /// Who waits for everything up to some work.
    waiting: Vec<(u64, Waker)>,
}

struct Job {
    id: u64,
    work: Box<dyn FnOnce() + Send>,
    tell: Box<dyn FnOnce() + Send>,
}

struct Blocking<T, F> {
    world: World,
    work: Arc<Mutex<Option<F>>>,
    answer: Arc<Mutex<Answer<T>>>,
    begun: bool,
}

struct Answer<T> {
    result: Option<T>,
    told: bool,
    waker: Option<Waker>,
}

impl Pool {
    pub(crate) fn new(threads: usize) -> Self {
        Self { threads, busy: 0, queue: VecDeque::new(), open: BTreeSet::new(), waiting: Vec::new() }
    }

    /// The last work that was handed over.
    pub(crate) fn latest(&self) -> u64 {
        self.open.last().copied().unwrap_or(0)
    }

    /// Whether everything up to this is done.
    pub(crate) fn is_done(&self, latest: u64) -> bool {
        self.open.first().is_none_or(|first| *first > latest)
    }

    fn is_over(&mut self, id: u64) {
        self.open.remove(&id);
        self.busy -= 1;
        let open = self.open.first().copied().unwrap_or(u64::MAX);
        self.waiting.extract_if(.., |(latest, _)| *latest < open).for_each(|(_, waker)| waker.wake());
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.open.is_empty()
    }
}

impl State {
    fn begin_job(&mut self, job: Job) -> Option<(Job, Duration, bool)> {
        if self.pool.busy >= self.pool.threads {
            self.pool.queue.push_back(job);
            return None;
        }
        self.pool.busy += 1;
        let takes = if self.fault(3000) {
            self.hit("disk".to_owned());
            OUTAGE
        } else {
            self.chance.micros(self.climate.disk)
        };
        let at_once = self.chance.one_in(2);
        self.note(format_args!("work {} takes {takes:?} {}", job.id, if at_once { "from" } else { "until" }));
        Some((job, takes, at_once))
    }
}

impl World {
    fn submit(&self, work: Box<dyn FnOnce() + Send>, tell: Box<dyn FnOnce() + Send>) {
        let mut state = self.state();
        let id = state.next_id();
        state.pool.open.insert(id);
        let begun = state.begin_job(Job { id, work, tell });
        drop(state);
        self.carry_on(begun);
    }

    fn carry_on(&self, begun: Option<(Job, Duration, bool)>) {
        let Some((Job { id, work, tell }, takes, at_once)) = begun else { return };
        let at_start = if at_once { takes.min(Duration::from_micros(1)) } else { takes };
        self.after(at_start, move |_| work());
        self.after(takes + Duration::from_nanos(1), move |world| {
            tell();
            let next = {
                let mut state = world.state();
                state.pool.is_over(id);
                state.pool.queue.pop_front().and_then(|job| state.begin_job(job))
            };
            world.carry_on(next);
        });
    }

    /// Waits for all blocking work that was handed over by now.
    pub(crate) async fn work_done(&self) {
        let latest = self.state().pool.latest();
        std::future::poll_fn(|cx| {
            let pool = &mut self.state().pool;
            if pool.is_done(latest) {
                return Poll::Ready(());
            }
            pool.waiting.push((latest, cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

impl Unblock for World {
    fn unblock<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(&self, work: F) -> impl Future<Output = T> + Send {
        let answer = Arc::new(Mutex::new(Answer { result: None, told: false, waker: None }));
        Blocking { world: self.clone(), work: Arc::new(Mutex::new(Some(work))), answer, begun: false }
    }
}

impl<T: Send + 'static, F: FnOnce() -> T + Send + 'static> Blocking<T, F> {
    fn begin(&self) {
        let (work, result, answer) = (Arc::clone(&self.work), Arc::clone(&self.answer), Arc::clone(&self.answer));
        let work = move || {
            let Some(work) = lock(&work).take() else { return };
            let done = work();
            lock(&result).result = Some(done);
        };
        let tell = move || {
            let mut answer = lock(&answer);
            answer.told = true;
            answer.waker.take().into_iter().for_each(Waker::wake);
        };
        self.world.submit(Box::new(work), Box::new(tell));
    }
}

impl<T: Send + 'static, F: FnOnce() -> T + Send + 'static> Future for Blocking<T, F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        if !std::mem::replace(&mut self.begun, true) {
            self.begin();
        }
        let mut answer = lock(&self.answer);
        match answer.result.take_if(|_| true) {
            Some(result) if answer.told => Poll::Ready(result),
            early => {
                answer.result = early;
                answer.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Work that nobody waits for is done all the same, or, if it has not begun, sometimes dropped.
impl<T, F> Drop for Blocking<T, F> {
    fn drop(&mut self) {
        if self.begun && self.world.state().chance.one_in(4) {
            let unbegun = lock(&self.work).take();
            drop(unbegun);
        }
    }
}
