//! There are no reactors of threads on this system; smol's own does all.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::socket::Direction;

#[derive(Debug)]
pub(crate) struct Reactor(Infallible);

#[derive(Debug)]
pub(crate) struct Turning;

#[derive(Debug)]
pub(crate) struct Registration(Infallible);

#[derive(Debug)]
pub(crate) struct Alarm(Infallible);

pub(crate) fn current() -> Option<Arc<Reactor>> {
    None
}

impl Reactor {
    pub(crate) fn register(self: Arc<Self>) -> Registration {
        match self.0 {}
    }

    pub(crate) fn alarm(self: Arc<Self>, _: Instant, _: &Waker) -> Alarm {
        match self.0 {}
    }
}

impl Turning {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn block_on<T>(&mut self, future: impl Future<Output = T>) -> T {
        async_io::block_on(future)
    }
}

impl Registration {
    pub(crate) fn is_void(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn end<S>(self, _: &S) -> Arc<Reactor> {
        match self.0 {}
    }

    pub(crate) fn poll_attempt(&self, _: Direction, _: &Context<'_>) -> Poll<()> {
        match self.0 {}
    }

    pub(crate) fn note_short_read(&self) {
        match self.0 {}
    }

    pub(crate) fn poll_ready<S>(&mut self, _: &S, _: Direction, _: &Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }
}

impl Alarm {
    pub(crate) fn poll(&mut self, _: &Context<'_>) -> Poll<()> {
        match self.0 {}
    }
}
