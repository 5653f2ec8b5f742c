//! Threads for sessions, each with an executor and a reactor of its own.

use std::future::{Future, poll_fn};
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::thread::{self, ThreadId};

use async_executor::{Executor, Task};

use crate::reactor::Turning;

/// Threads that run futures. A future stays on the thread that it was given to, where nothing that it waits for passes
/// from thread to thread: the thread that the system tells of a client's bytes is the one that answers them. They
/// [take short turns](ftp_driver::take_short_turns).
///
/// Clones are the same threads. They end, and drop the futures that are left, when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Workers(Arc<Inner>);

#[derive(Debug)]
struct Inner(Vec<Arc<Worker>>);

#[derive(Debug, Default)]
struct Worker {
    executor: Executor<'static>,
    /// How many futures it has.
    load: Arc<AtomicUsize>,
    thread: OnceLock<ThreadId>,
    ending: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Workers {
    /// Starts that many threads, at least one.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(count: usize) -> io::Result<Self> {
        // Those that have been started end when a later one cannot be.
        let mut workers = Inner(Vec::new());
        for _ in 0..count.max(1) {
            let worker = Arc::new(Worker::default());
            let turning = Turning::new()?;
            workers.0.push(Arc::clone(&worker));
            thread::Builder::new().name("worker".to_owned()).spawn(move || worker.work(turning))?;
        }
        Ok(Self(Arc::new(workers)))
    }

    /// Runs a future on the thread that has the fewest, and rather on this one than on another.
    ///
    /// # Panics
    /// Never: there is at least one thread.
    pub fn spawn<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Task<T> {
        let here = thread::current().id();
        let load = |worker: &&Arc<Worker>| (worker.load.load(Ordering::Relaxed), worker.thread.get() != Some(&here));
        let worker = self.0.0.iter().min_by_key(load).expect("there is at least one");
        worker.load.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(Arc::clone(&worker.load));
        worker.executor.spawn(async move {
            let _counted = counted;
            future.await
        })
    }

    /// The same threads for who does not keep them.
    pub(crate) fn downgrade(&self) -> WeakWorkers {
        WeakWorkers(Arc::downgrade(&self.0))
    }

    /// Runs a future that does not count, since it mostly has nothing to do.
    pub(crate) fn spawn_beside<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> Task<T> {
        self.0.0[0].executor.spawn(future)
    }
}

impl Worker {
    /// A panic ends the future that it happened in, and not the thread, which others need: as it is on tokio.
    fn work(&self, mut turning: Turning) {
        self.thread.get_or_init(|| thread::current().id());
        ftp_driver::take_short_turns();
        let mut run = || turning.block_on(self.executor.run(poll_fn(|cx| self.poll_end(cx))));
        while panic::catch_unwind(AssertUnwindSafe(&mut run)).is_err() {}
    }

    fn poll_end(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| cx.waker().clone());
        if self.ending.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn end(&self) {
        self.ending.store(true, Ordering::SeqCst);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.0.iter().for_each(|worker| worker.end());
    }
}

/// [`Workers`] that may have ended.
#[derive(Clone, Debug)]
pub(crate) struct WeakWorkers(Weak<Inner>);

impl WeakWorkers {
    pub(crate) fn upgrade(&self) -> Option<Workers> {
        self.0.upgrade().map(Workers)
    }
}

/// A future, counted while it is there.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
