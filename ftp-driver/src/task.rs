//! An action under way: its future, and beside it the ticket that answers it.

use std::future::Future;
use std::task::{Context, Poll};

use ftp_fs::BoxFuture;
use ftp_proto::{ActionId, Instant, Ticket};

use crate::holdings::Holdings;
use crate::record::{Core, Recorded};
use crate::runtime::Runtime;
use crate::stretch::Wish;
use crate::wire::Meter;

/// A [`Task`] of any kind.
pub(crate) trait Running<R: Runtime>: Send {
    fn id(&self) -> ActionId;
    /// Ready when the work is done; then comes [`finish`](Self::finish).
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()>;
    /// Stores what was made, and answers.
    fn finish(self: Box<Self>, holdings: &mut Holdings<R>, session: &mut Core, now: Instant);
    /// Drops the work, and answers that it was.
    fn cancel(self: Box<Self>, session: &mut Core, now: Instant);
    /// Of a transfer: how far it is, whether it is on another thread, and whether the bytes come from the client.
    fn progress(&mut self) -> Option<&mut Progress>;
}

/// How far a transfer is.
#[derive(Debug)]
pub(crate) struct Progress {
    pub(crate) meter: Meter,
    pub(crate) wish: Wish,
    pub(crate) receives: bool,
    reported: u64,
    pause: Instant,
}

/// The work of one action. What it yields becomes the answer by `keep`, which puts sockets, files and accounts where
/// the session finds them.
pub(crate) struct Task<Q: Recorded, T, K> {
    ticket: Ticket<Q>,
    future: BoxFuture<'static, T>,
    result: Option<T>,
    keep: K,
    progress: Option<Progress>,
}

impl Progress {
    pub(crate) fn new(meter: Meter, wish: Wish, receives: bool) -> Self {
        Self { meter, wish, receives, reported: 0, pause: Instant::default() }
    }

    /// The bytes so far, if there are more than last time.
    pub(crate) fn news(&mut self) -> Option<u64> {
        let bytes = self.meter.bytes();
        (std::mem::replace(&mut self.reported, bytes) != bytes).then_some(bytes)
    }

    /// Until when speed limits hold the transfer back, if that was not told yet.
    pub(crate) fn pause(&mut self) -> Option<Instant> {
        let until = self.meter.paused_until();
        (std::mem::replace(&mut self.pause, until) != until).then_some(until)
    }
}

impl<Q: Recorded, T, K> Task<Q, T, K> {
    pub(crate) fn new(ticket: Ticket<Q>, work: impl Future<Output = T> + Send + 'static, keep: K) -> Box<Self> {
        Box::new(Self { ticket, future: Box::pin(work), result: None, keep, progress: None })
    }

    pub(crate) fn with_progress(mut self: Box<Self>, progress: Progress) -> Box<Self> {
        self.progress = Some(progress);
        self
    }
}

impl<R, Q, T, K> Running<R> for Task<Q, T, K>
where
    R: Runtime,
    Q: Recorded + Send,
    T: Send,
    K: FnOnce(T, ActionId, &mut Holdings<R>) -> Q::Outcome + Send,
{
    fn id(&self) -> ActionId {
        self.ticket.id()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.result.is_none() {
            match self.future.as_mut().poll(cx) {
                Poll::Ready(result) => self.result = Some(result),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    fn finish(self: Box<Self>, holdings: &mut Holdings<R>, session: &mut Core, now: Instant) {
        let Self { ticket, future, result, keep, .. } = *self;
        drop(future);
        let outcome = match result {
            Some(result) => keep(result, ticket.id(), holdings),
            None => Q::cancelled(),
        };
        session.complete(ticket, outcome, now);
    }

    fn cancel(self: Box<Self>, session: &mut Core, now: Instant) {
        let Self { ticket, future, .. } = *self;
        drop(future);
        session.complete(ticket, Q::cancelled(), now);
    }

    fn progress(&mut self) -> Option<&mut Progress> {
        self.progress.as_mut()
    }
}
