//! The few async helpers that the driver needs: reading, writing, waiting, two things at once.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use ftp_proto::Instant;
use futures_io::{AsyncRead, AsyncWrite};

use crate::runtime::{Runtime, Stream};
use crate::stretch;

/// A moment, and what wakes whoever waits for it.
pub(crate) struct Deadline<R: Runtime> {
    at: Instant,
    timer: Option<R::Timer>,
}

impl<R: Runtime> Deadline<R> {
    pub(crate) fn at(at: Instant) -> Self {
        Self { at, timer: None }
    }

    /// The clock decides; the timer only wakes.
    pub(crate) fn poll(&mut self, runtime: &R, cx: &mut Context<'_>) -> Poll<()> {
        while runtime.now() < self.at {
            let timer = self.timer.get_or_insert_with(|| runtime.timer(self.at));
            ready!(Pin::new(timer).poll(cx));
            self.timer = None;
        }
        Poll::Ready(())
    }
}

/// Reads once; 0 is the end of the stream.
pub(crate) async fn read(stream: &mut impl Stream, buffer: &mut [u8]) -> io::Result<usize> {
    poll_fn(|cx| poll_read(stream, cx, buffer)).await
}

/// Writes once, at least one byte.
pub(crate) async fn write(stream: &mut impl Stream, bytes: &[u8]) -> io::Result<usize> {
    poll_fn(|cx| poll_write(stream, cx, bytes)).await
}

/// Shuts down the sending direction.
pub(crate) async fn finish_sending(stream: &mut impl Stream) -> io::Result<()> {
    poll_fn(|cx| poll_finish_sending(stream, cx)).await
}

pub(crate) fn poll_read(stream: &mut impl Stream, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
    loop {
        match AsyncRead::poll_read(Pin::new(&mut *stream), cx, buffer) {
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

pub(crate) fn poll_write(stream: &mut impl Stream, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    loop {
        match AsyncWrite::poll_write(Pin::new(&mut *stream), cx, bytes) {
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Poll::Ready(Ok(0)) if !bytes.is_empty() => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            other => return other,
        }
    }
}

pub(crate) fn poll_finish_sending(stream: &mut impl Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    match AsyncWrite::poll_flush(Pin::new(&mut *stream), cx) {
        Poll::Ready(Ok(())) => AsyncWrite::poll_close(Pin::new(stream), cx),
        other => other,
    }
}

/// Waits until the clock says so, however early the runtime's timer is.
pub(crate) async fn sleep_until<R: Runtime>(runtime: &R, at: Instant) {
    while runtime.now() < at {
        runtime.timer(at).await;
    }
}

/// Runs `work` for that long at most; `None` when it did not end in time.
pub(crate) async fn within<R: Runtime, T>(
    runtime: &R,
    limit: Duration,
    work: impl Future<Output = T> + Send,
) -> Option<T> {
    let mut work = pin!(work);
    let mut sleep = pin!(sleep_until(runtime, runtime.now() + limit));
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending => sleep.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// Runs both to their ends at the same time.
pub(crate) async fn both<A: Send, B: Send>(
    first: impl Future<Output = A> + Send,
    second: impl Future<Output = B> + Send,
) -> (A, B) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut a, mut b) = (None, None);
    poll_fn(|cx| {
        poll_into(&mut a, first.as_mut(), cx);
        poll_into(&mut b, second.as_mut(), cx);
        match (a.take(), b.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            unfinished => {
                (a, b) = unfinished;
                Poll::Pending
            }
        }
    })
    .await
}

/// Lets everything else of the session, and of the thread, have its turn; a thread of its own has nothing else.
pub(crate) async fn yield_now() {
    let mut yielded = stretch::is_here();
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn poll_into<T>(slot: &mut Option<T>, future: Pin<&mut impl Future<Output = T>>, cx: &mut Context<'_>) {
    if slot.is_none()
        && let Poll::Ready(value) = future.poll(cx)
    {
        *slot = Some(value);
    }
}
