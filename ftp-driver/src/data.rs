//! Data connections, and how they end: with FIN, never with RST; under TLS with `close_notify` before it.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use ftp_proto::Instant;

use crate::io::{poll_finish_sending, poll_read};
use crate::maybe_tls::MaybeTls;
use crate::runtime::{Runtime, Stream};

/// How long a closed data connection is kept for what its peer still sends. A socket that is closed over unread bytes
/// answers with RST, which makes the peer's system throw away what the peer's program has not read yet.
const LINGER: Duration = Duration::from_secs(1);
/// How much of it is read before patience ends.
const LINGER_BYTES: usize = 4 << 20;
/// How many connections linger in one session; the oldest go first.
const LINGERING: usize = 8;
/// How much is discarded in one turn, so that everything else has its turn too.
const BYTES_PER_TURN: usize = 256 * 1024;

/// The data connections of a session that were given up and have not ended yet.
///
/// A connection arrives here whenever a [`DataStream`] is dropped, also from inside of a transfer that is dropped half
/// way. The lock is held for a push or a take, never while anything is awaited.
pub(crate) struct ClosingQueue<S>(Arc<Mutex<Vec<MaybeTls<S>>>>);

/// A data connection that comes to its session's [`ClosingQueue`] when dropped.
pub(crate) struct DataStream<S> {
    stream: Option<MaybeTls<S>>,
    closing: ClosingQueue<S>,
}

/// The connections that linger, and since when.
pub(crate) struct Lingering<R: Runtime> {
    arrivals: ClosingQueue<R::Stream>,
    streams: Vec<Linger<R>>,
}

struct Linger<R: Runtime> {
    stream: MaybeTls<R::Stream>,
    timer: R::Timer,
    until: Instant,
    discarded: usize,
    finished_sending: bool,
}

impl<S> Clone for ClosingQueue<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> DataStream<S> {
    pub(crate) fn new(stream: S, closing: &ClosingQueue<S>) -> Self {
        Self { stream: Some(MaybeTls::new(stream)), closing: closing.clone() }
    }
}

impl<S> Deref for DataStream<S> {
    type Target = MaybeTls<S>;

    fn deref(&self) -> &MaybeTls<S> {
        self.stream.as_ref().expect("only drop takes the stream out")
    }
}

impl<S> DerefMut for DataStream<S> {
    fn deref_mut(&mut self) -> &mut MaybeTls<S> {
        self.stream.as_mut().expect("only drop takes the stream out")
    }
}

impl<S> Drop for DataStream<S> {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.closing.0.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
        }
    }
}

impl<R: Runtime> Lingering<R> {
    pub(crate) fn new() -> Self {
        Self { arrivals: ClosingQueue(Arc::default()), streams: Vec::new() }
    }

    /// Where data connections of this session go.
    pub(crate) fn closing(&self) -> &ClosingQueue<R::Stream> {
        &self.arrivals
    }

    /// Brings the connections nearer to their ends; ready when none is left.
    pub(crate) fn poll(&mut self, runtime: &R, cx: &mut Context<'_>) -> Poll<()> {
        self.admit(runtime);
        self.streams.retain_mut(|linger| linger.poll(runtime, cx).is_pending());
        if self.streams.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    fn admit(&mut self, runtime: &R) {
        let arrivals = std::mem::take(&mut *self.arrivals.0.lock().unwrap_or_else(PoisonError::into_inner));
        let until = runtime.now() + LINGER;
        self.streams.extend(arrivals.into_iter().map(|stream| Linger {
            stream,
            timer: runtime.timer(until),
            until,
            discarded: 0,
            finished_sending: false,
        }));
        let excess = self.streams.len().saturating_sub(LINGERING);
        self.streams.drain(..excess);
    }
}

impl<R: Runtime> Linger<R> {
    fn poll(&mut self, runtime: &R, cx: &mut Context<'_>) -> Poll<()> {
        if !self.finished_sending {
            match poll_finish_sending(&mut self.stream, cx) {
                Poll::Ready(Ok(())) => self.finished_sending = true,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => {}
            }
        }
        if poll_discard(self.stream.raw(), &mut self.discarded, cx).is_ready() {
            return Poll::Ready(());
        }
        while std::pin::Pin::new(&mut self.timer).poll(cx).is_ready() {
            if runtime.now() >= self.until {
                return Poll::Ready(());
            }
            self.timer = runtime.timer(self.until);
        }
        Poll::Pending
    }
}

/// Reads and forgets; ready at the end of the stream, at an error, and when it is too much. `Err` is the error. What is
/// to be forgotten need not be decrypted: under TLS this is given what is [beneath](MaybeTls::raw).
pub(crate) fn poll_discard(
    stream: &mut impl Stream,
    discarded: &mut usize,
    cx: &mut Context<'_>,
) -> Poll<std::io::Result<()>> {
    let mut buffer = [0; 4096];
    let turn_ends = *discarded + BYTES_PER_TURN;
    while *discarded < turn_ends {
        match poll_read(stream, cx, &mut buffer) {
            Poll::Ready(Ok(0)) => return Poll::Ready(Ok(())),
            Poll::Ready(Ok(count)) => *discarded += count,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        }
        if *discarded > LINGER_BYTES {
            return Poll::Ready(Ok(()));
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}
