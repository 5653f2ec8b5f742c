//! Threads for sessions, each with a scheduler and a reactor of its own.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, ThreadId};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Threads that run futures, each a runtime of tokio's. A future stays on the thread that it was given to, where nothing
/// that it waits for passes from thread to thread: the thread that the system tells of a client's bytes is the one that
/// answers them. A multi-threaded runtime wakes another thread for that, which costs more than the answer. They
/// [take short turns](ftp_driver::take_short_turns).
///
/// Clones are the same threads. They end, and drop the futures that are left, when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Workers(Arc<Vec<Worker>>);

#[derive(Debug)]
struct Worker {
    handle: Handle,
    thread: ThreadId,
    /// How many futures it has.
    load: Arc<AtomicUsize>,
    /// Dropped, it ends the thread.
    _end: oneshot::Sender<()>,
}

impl Workers {
    /// Starts that many threads, at least one.
    ///
    /// # Errors
    /// What the system says.
    pub fn start(count: usize) -> io::Result<Self> {
        // Those that have been started end when a later one cannot be.
        let workers = (0..count.max(1)).map(|_| Worker::start()).collect::<io::Result<Vec<_>>>()?;
        Ok(Self(Arc::new(workers)))
    }

    /// Runs a future on the thread that has the fewest, and rather on this one than on another.
    ///
    /// # Panics
    /// Never: there is at least one thread.
    pub fn spawn<T: Send + 'static>(&self, future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        let here = thread::current().id();
        let load = |worker: &&Worker| (worker.load.load(Ordering::Relaxed), worker.thread != here);
        let worker = self.0.iter().min_by_key(load).expect("there is at least one");
        worker.load.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(Arc::clone(&worker.load));
        worker.handle.spawn(async move {
            let _counted = counted;
            future.await
        })
    }

    /// The same threads for who does not keep them.
    pub(crate) fn downgrade(&self) -> WeakWorkers {
        WeakWorkers(Arc::downgrade(&self.0))
    }

    /// Runs a future that does not count, since it mostly has nothing to do.
    pub(crate) fn spawn_beside<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.0[0].handle.spawn(future)
    }
}

impl Worker {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let work = move || {
            ftp_driver::take_short_turns();
            let _ = runtime.block_on(ended);
            // Blocking work that hangs holds up nothing.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("worker".to_owned()).spawn(work)?.thread().id();
        Ok(Self { handle, thread, load: Arc::default(), _end: end })
    }
}

/// [`Workers`] that may have ended.
#[derive(Clone, Debug)]
pub(crate) struct WeakWorkers(Weak<Vec<Worker>>);

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
