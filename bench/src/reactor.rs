//! One thread that drives all clients: a future for each of them, polled when epoll tells of one of its sockets.
//!
//! Events come edge-triggered, and every operation is tried before it is waited for. So no interest is ever changed, and
//! all that a wait costs is its part of one `epoll_wait`.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

/// Nothing has happened for so long: what is waited for does not come.
const PATIENCE: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

/// As many bytes as one call drops.
pub(crate) const SCRATCH: usize = 1 << 20;

pub(crate) struct Reactor {
    epoll: OwnedFd,
    /// Tasks that gave way to others, and go on after them.
    ready: RefCell<Vec<usize>>,
    /// Where dropped bytes would go if the kernel copied them.
    scratch: RefCell<Vec<u8>>,
}

/// A task's way to its reactor.
#[derive(Clone)]
pub(crate) struct Handle {
    reactor: Rc<Reactor>,
    task: usize,
}

impl Reactor {
    pub(crate) fn new() -> io::Result<Rc<Self>> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Rc::new(Self { epoll, ready: RefCell::default(), scratch: RefCell::new(vec![0; SCRATCH]) }))
    }

    /// Runs one task for each input until all have ended; the first error ends all.
    ///
    /// A socket belongs to the number of the task that made it: what one run returns, the next has to be given in the
    /// same order.
    pub(crate) fn each<I, T, F>(
        self: &Rc<Self>,
        inputs: impl IntoIterator<Item = I>,
        client: impl Fn(Handle, I) -> F,
    ) -> io::Result<Vec<T>>
    where
        F: Future<Output = io::Result<T>>,
    {
        self.each_from(0, inputs, client)
    }

    /// The same for tasks whose numbers begin with `first`.
    pub(crate) fn each_from<I, T, F>(
        self: &Rc<Self>,
        first: usize,
        inputs: impl IntoIterator<Item = I>,
        client: impl Fn(Handle, I) -> F,
    ) -> io::Result<Vec<T>>
    where
        F: Future<Output = io::Result<T>>,
    {
        let start = |(task, input)| Some(Box::pin(client(Handle { reactor: Rc::clone(self), task }, input)));
        let mut crowd = Crowd::new(first, std::iter::zip(first.., inputs).map(start).collect());
        for task in first..first + crowd.tasks.len() {
            crowd.poll(task)?;
        }
        let mut events = Vec::with_capacity(1024);
        while crowd.running > 0 {
            self.wait(&mut events, crowd.running)?;
            let told = events.drain(..).map(|event| usize::try_from(event.data.u64()).unwrap_or(usize::MAX));
            let ready = self.ready.take();
            for task in ready.into_iter().chain(told) {
                crowd.poll(task)?;
            }
        }
        Ok(crowd.results.into_iter().flatten().collect())
    }

    fn wait(&self, events: &mut Vec<epoll::Event>, running: usize) -> io::Result<()> {
        let busy = !self.ready.borrow().is_empty();
        let patience = if busy { Timespec { tv_sec: 0, tv_nsec: 0 } } else { PATIENCE };
        match epoll::wait(&self.epoll, spare_capacity(events), Some(&patience)) {
            Ok(0) if !busy => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("{running} clients wait for a server that says nothing for {} s", PATIENCE.tv_sec),
            )),
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Handle {
    pub(crate) fn register(&self, socket: impl AsFd) -> io::Result<()> {
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        let data = epoll::EventData::new_u64(self.task as u64);
        Ok(epoll::add(&self.reactor.epoll, socket, data, flags)?)
    }

    /// Lets all others go on first.
    pub(crate) async fn give_way(&self) {
        let mut given = false;
        poll_fn(|_| {
            if std::mem::replace(&mut given, true) {
                return Poll::Ready(());
            }
            self.reactor.ready.borrow_mut().push(self.task);
            Poll::Pending
        })
        .await;
    }

    pub(crate) fn with_scratch<T>(&self, work: impl FnOnce(&mut [u8]) -> T) -> T {
        work(&mut self.reactor.scratch.borrow_mut())
    }
}

/// Tries until it does not say that it would block.
pub(crate) async fn attempt<T>(mut operation: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    poll_fn(|_| {
        loop {
            return match operation() {
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => Poll::Pending,
                result => Poll::Ready(result.map_err(io::Error::from)),
            };
        }
    })
    .await
}

/// Tasks of one kind, and what came of them.
struct Crowd<F, T> {
    first: usize,
    tasks: Vec<Option<Pin<Box<F>>>>,
    results: Vec<Option<T>>,
    running: usize,
}

impl<T, F: Future<Output = io::Result<T>>> Crowd<F, T> {
    fn new(first: usize, tasks: Vec<Option<Pin<Box<F>>>>) -> Self {
        Self { first, results: tasks.iter().map(|_| None).collect(), running: tasks.len(), tasks }
    }

    /// Polls a task, if there is one of that number that has not ended.
    fn poll(&mut self, number: usize) -> io::Result<()> {
        let Some(index) = number.checked_sub(self.first) else { return Ok(()) };
        let Some(place) = self.tasks.get_mut(index) else { return Ok(()) };
        let Some(task) = place else { return Ok(()) };
        if let Poll::Ready(result) = task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            *place = None;
            self.running -= 1;
            self.results[index] = Some(result?);
        }
        Ok(())
    }
}

/// Gives out numbers below a limit to tasks that share the work.
pub(crate) struct Shared {
    next: Cell<usize>,
    limit: usize,
}

impl Shared {
    pub(crate) fn below(limit: usize) -> Self {
        Self { next: Cell::new(0), limit }
    }

    pub(crate) fn take(&self) -> Option<usize> {
        let number = self.next.get();
        self.next.set(number + 1);
        (number < self.limit).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_end_with_their_results_in_order() {
        let reactor = Reactor::new().unwrap();
        let results = reactor.each([3, 1, 2], |handle, turns| async move {
            for _ in 0..turns {
                handle.give_way().await;
            }
            Ok(turns * 10)
        });
        assert_eq!(results.unwrap(), [30, 10, 20]);
    }

    #[test]
    fn the_first_error_ends_all() {
        let reactor = Reactor::new().unwrap();
        let result = reactor.each([true, false], |handle, waits| async move {
            if waits {
                loop {
                    handle.give_way().await;
                }
            }
            Err::<(), _>(io::Error::other("broken"))
        });
        assert_eq!(result.unwrap_err().to_string(), "broken");
    }

    #[test]
    fn shared_work_is_given_out_once() {
        let shared = Shared::below(5);
        let reactor = Reactor::new().unwrap();
        let taken = reactor.each([(), ()], |handle, ()| {
            let shared = &shared;
            async move {
                let mut mine = Vec::new();
                while let Some(number) = shared.take() {
                    mine.push(number);
                    handle.give_way().await;
                }
                Ok(mine)
            }
        });
        let mut all = taken.unwrap().concat();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4]);
    }
}
