//! Data connections, and how they end: with FIN, never with RST; under TLS with `close_notify` before it.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::direct::Direct;
use crate::io::{Deadline, poll_finish_sending, poll_read};
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
/// way, by whatever thread it is on. The lock is held for a push or a take, never while anything is awaited.
pub(crate) struct ClosingQueue<S>(Arc<Mutex<Closing<S>>>);

struct Closing<S> {
    arrivals: Vec<MaybeTls<Direct<S>>>,
    /// How many connections have not arrived.
    in_use: usize,
    /// Whether the session waits for nothing else.
    is_last_call: bool,
    waker: Option<Waker>,
}

/// A data connection that comes to its session's [`ClosingQueue`] when dropped.
pub(crate) struct DataStream<S> {
    stream: Option<MaybeTls<Direct<S>>>,
    closing: ClosingQueue<S>,
    has_ended: bool,
}

/// The connections that linger, and since when.
pub(crate) struct Lingering<R: Runtime> {
    arrivals: ClosingQueue<R::Stream>,
    streams: Vec<Linger<R>>,
    /// How long connections are waited for that have not arrived when the session is over.
    last_call: Option<Deadline<R>>,
}

struct Linger<R: Runtime> {
    stream: MaybeTls<Direct<R::Stream>>,
    patience: Deadline<R>,
    discarded: usize,
    finished_sending: bool,
}

impl<S> Clone for ClosingQueue<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> ClosingQueue<S> {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Closing { arrivals: Vec::new(), in_use: 0, is_last_call: false, waker: None })))
    }

    fn lock(&self) -> MutexGuard<'_, Closing<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Closing<S> {
    /// Others arrive at any time: what has, since somebody looked, woke the session.
    fn have_all_been_seen(&self) -> bool {
        self.in_use == 0 && self.arrivals.is_empty()
    }
}

impl<S> DataStream<S> {
    pub(crate) fn new(stream: S, closing: &ClosingQueue<S>) -> Self {
        closing.lock().in_use += 1;
        Self { stream: Some(MaybeTls::new(Direct::new(stream))), closing: closing.clone(), has_ended: false }
    }

    /// Both sides have said their last word: there is nothing to linger for.
    pub(crate) fn has_ended(&mut self) {
        self.has_ended = true;
    }
}

impl<S> Deref for DataStream<S> {
    type Target = MaybeTls<Direct<S>>;

    fn deref(&self) -> &MaybeTls<Direct<S>> {
        self.stream.as_ref().expect("only drop takes the stream out")
    }
}

impl<S> DerefMut for DataStream<S> {
    fn deref_mut(&mut self) -> &mut MaybeTls<Direct<S>> {
        self.stream.as_mut().expect("only drop takes the stream out")
    }
}

impl<S> Drop for DataStream<S> {
    fn drop(&mut self) {
        let Some(stream) = self.stream.take() else { return };
        let mut closing = self.closing.lock();
        closing.in_use -= 1;
        if !self.has_ended {
            closing.arrivals.push(stream);
        }
        let waker = if self.has_ended && !closing.is_last_call { None } else { closing.waker.take() };
        drop(closing);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<R: Runtime> Lingering<R> {
    pub(crate) fn new() -> Self {
        Self { arrivals: ClosingQueue::new(), streams: Vec::new(), last_call: None }
    }

    /// Where data connections of this session go.
    pub(crate) fn closing(&self) -> &ClosingQueue<R::Stream> {
        &self.arrivals
    }

    /// Brings the connections nearer to their ends; ready when none is left of those that have arrived.
    pub(crate) fn poll(&mut self, runtime: &R, cx: &mut Context<'_>) -> Poll<()> {
        self.admit(runtime, cx);
        self.streams.retain_mut(|linger| linger.poll(runtime, cx).is_pending());
        if self.streams.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// As [`poll`](Self::poll), when the session is over: waits for those, too, that are still on another thread, but no
    /// longer than any connection lingers. Whatever holds that thread up holds up nothing else.
    pub(crate) fn poll_last(&mut self, runtime: &R, cx: &mut Context<'_>) -> Poll<()> {
        self.arrivals.lock().is_last_call = true;
        let arrived = self.poll(runtime, cx);
        if self.arrivals.lock().have_all_been_seen() {
            return arrived;
        }
        let last_call = self.last_call.get_or_insert_with(|| Deadline::at(runtime.now() + LINGER));
        if last_call.poll(runtime, cx).is_ready() { arrived } else { Poll::Pending }
    }

    fn admit(&mut self, runtime: &R, cx: &mut Context<'_>) {
        let mut closing = self.arrivals.lock();
        let arrivals = std::mem::take(&mut closing.arrivals);
        if closing.in_use > 0 && !closing.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            closing.waker = Some(cx.waker().clone());
        }
        drop(closing);
        if arrivals.is_empty() {
            return;
        }
        let until = runtime.now() + LINGER;
        self.streams.extend(arrivals.into_iter().map(|stream| Linger {
            stream,
            patience: Deadline::at(until),
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
                // What comes is part of a handshake, and not to be thrown away.
                Poll::Pending if self.stream.is_midway() => return self.patience.poll(runtime, cx),
                Poll::Pending => {}
            }
        }
        match poll_discard(self.stream.raw(), &mut self.discarded, cx) {
            // A peer that sends nothing more may read all the same: TLS has to say its last words.
            Poll::Ready(Ok(())) if !self.finished_sending => {}
            Poll::Ready(_) => return Poll::Ready(()),
            Poll::Pending => {}
        }
        self.patience.poll(runtime, cx)
    }
}

/// Reads and forgets; ready at the end of the stream, at an error, and when it is too much. `Err` is the error. What is
/// to be forgotten need not be decrypted: under TLS this is given what is [beneath](MaybeTls::raw).
pub(crate) fn poll_discard(
    stream: &mut impl Stream,
    discarded: &mut usize,
    cx: &mut Context<'_>,
) -> Poll<std::io::Result<()>> {
    // Mostly there is nothing but the end.
    let mut buffer = [0; 1024];
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

#[cfg(test)]
mod tests {
    use std::future::{Future, Pending};
    use std::io;
    use std::net::{IpAddr, SocketAddr};
    use std::pin::Pin;

    use ftp_fs::Unblock;
    use ftp_proto::Instant;
    use futures_io::{AsyncRead, AsyncWrite};

    use super::*;

    /// A connection whose peer sends nothing more, and which cannot be written to at first.
    #[derive(Clone, Default)]
    struct HalfClosed(Arc<Mutex<Calls>>);

    #[derive(Default)]
    struct Calls {
        flushes: usize,
        has_sent_end: bool,
        rests: usize,
        /// What goes when this is read from.
        other: Option<DataStream<HalfClosed>>,
    }

    impl Stream for HalfClosed {
        fn rest(&mut self) {
            self.0.lock().unwrap().rests += 1;
        }
    }

    impl AsyncRead for HalfClosed {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
            drop(self.0.lock().unwrap().other.take());
            Poll::Ready(Ok(0))
        }
    }

    impl AsyncWrite for HalfClosed {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            let mut calls = self.0.lock().unwrap();
            calls.flushes += 1;
            if calls.flushes == 1 { Poll::Pending } else { Poll::Ready(Ok(())) }
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.0.lock().unwrap().has_sent_end = true;
            Poll::Ready(Ok(()))
        }
    }

    /// A runtime in which no time passes.
    #[derive(Clone)]
    struct Standstill;

    impl Unblock for Standstill {
        async fn unblock<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(&self, work: F) -> T {
            work()
        }
    }

    impl Runtime for Standstill {
        type Stream = HalfClosed;
        type Listener = ();
        type Timer = Pending<()>;

        fn now(&self) -> Instant {
            Instant::from_epoch(Duration::ZERO)
        }

        fn timer(&self, _: Instant) -> Pending<()> {
            std::future::pending()
        }

        fn listen(&self, _: SocketAddr) -> io::Result<((), SocketAddr)> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn poll_accept(&self, (): &(), _: &mut Context<'_>) -> Poll<io::Result<(HalfClosed, SocketAddr)>> {
            Poll::Pending
        }

        fn connect(&self, _: IpAddr, _: SocketAddr) -> impl Future<Output = io::Result<HalfClosed>> + Send + 'static {
            std::future::ready(Err(io::ErrorKind::Unsupported.into()))
        }
    }

    #[test]
    fn a_peer_that_has_half_closed_is_told_the_end_when_it_can_be() {
        let (stream, mut lingering) = (HalfClosed::default(), Lingering::<Standstill>::new());
        drop(DataStream::new(stream.clone(), lingering.closing()));
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(lingering.poll(&Standstill, cx).is_pending());
        assert!(lingering.poll(&Standstill, cx).is_ready());
        assert!(stream.0.lock().unwrap().has_sent_end);
    }

    #[test]
    fn a_connection_that_rests_does_so_beneath_all_that_is_around_it() {
        let (stream, lingering) = (HalfClosed::default(), Lingering::<Standstill>::new());
        DataStream::new(stream.clone(), lingering.closing()).rest();
        assert_eq!(stream.0.lock().unwrap().rests, 1);
    }

    #[test]
    fn what_arrives_while_the_last_are_looked_at_is_waited_for() {
        let (first, second, mut lingering) =
            (HalfClosed::default(), HalfClosed::default(), Lingering::<Standstill>::new());
        first.0.lock().unwrap().flushes = 1;
        first.0.lock().unwrap().other = Some(DataStream::new(second.clone(), lingering.closing()));
        drop(DataStream::new(first, lingering.closing()));
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(lingering.poll_last(&Standstill, cx).is_pending());
        assert!(lingering.poll_last(&Standstill, cx).is_pending(), "it cannot be written to at first");
        assert!(lingering.poll_last(&Standstill, cx).is_ready());
        assert!(second.0.lock().unwrap().has_sent_end);
    }
}
