//! Timers, in the reactor of the thread that polls them.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::reactor::{self, Alarm};

/// A timer. It may be early when the thread that waited for it has ended.
#[derive(Debug)]
pub struct Timer(Setting);

#[derive(Debug)]
enum Setting {
    /// It is so late that the clock cannot hold it.
    Never,
    Unset(Instant),
    Own(Alarm),
    /// In smol's reactor.
    Smol(Box<async_io::Timer>),
}

impl Timer {
    pub(crate) fn new(at: Option<Instant>) -> Self {
        Self(at.map_or(Setting::Never, Setting::Unset))
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let at = match &mut self.0 {
                Setting::Never => return Poll::Pending,
                Setting::Own(alarm) => return alarm.poll(cx),
                Setting::Smol(timer) => return Pin::new(timer).poll(cx).map(drop),
                Setting::Unset(at) => *at,
            };
            self.0 = match reactor::current() {
                Some(reactor) => Setting::Own(reactor.alarm(at, cx.waker())),
                None => Setting::Smol(Box::new(async_io::Timer::at(at))),
            };
        }
    }
}
