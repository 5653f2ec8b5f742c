//! One end of a transfer: where its bytes go, how many went, how fast they may.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use ftp_proto::{Instant, TransferError};

use crate::data::{DataStream, poll_discard};
use crate::io::{self, within};
use crate::outlet::Outlet;
use crate::runtime::{Runtime, Stream};
use crate::stretch::{self, Wish};
use crate::throttle::Throttle;

/// How long the end of a download waits for the client to close its side.
const CLOSE_WAIT: Duration = Duration::from_millis(250);

/// How many bytes a transfer has moved, and until when it may not move: noted inside of it, read by the session that
/// polls it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter(Arc<Readings>);

#[derive(Debug, Default)]
struct Readings {
    bytes: AtomicU64,
    /// In nanoseconds of the runtime's clock.
    paused_until: AtomicU64,
}

impl Meter {
    pub(crate) fn add(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn pause(&self, until: Instant) {
        let nanos = u64::try_from(until.since_epoch().as_nanos()).unwrap_or(u64::MAX);
        self.0.paused_until.store(nanos, Ordering::Relaxed);
    }

    pub(crate) fn paused_until(&self) -> Instant {
        Instant::from_epoch(Duration::from_nanos(self.0.paused_until.load(Ordering::Relaxed)))
    }
}

/// Whether the client of a session has the habit of closing a data connection when it has read its end, before it
/// reads the final reply. Most do. Waiting for the others would cost them [`CLOSE_WAIT`] per transfer, so the session
/// learns from the first one.
#[derive(Clone, Debug)]
pub(crate) struct ClosesFirst(Arc<AtomicBool>);

impl Default for ClosesFirst {
    fn default() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }
}

/// The connection that a transfer goes over.
pub(crate) enum Channel<R: Runtime> {
    Data(DataStream<R::Stream>, ClosesFirst),
    Control(Outlet),
}

/// A channel with its meter and its speed limits.
pub(crate) struct Wire<R: Runtime> {
    pub(crate) runtime: R,
    pub(crate) channel: Channel<R>,
    pub(crate) meter: Meter,
    pub(crate) throttle: Throttle,
    wish: Wish,
}

impl<R: Runtime> Wire<R> {
    pub(crate) fn new(runtime: R, channel: Channel<R>, meter: Meter, throttle: Throttle, wish: Wish) -> Self {
        Self { runtime, channel, meter, throttle, wish }
    }

    /// So many bytes are about to move: the transfer goes on on a thread that may block, if it has earned one and there
    /// is one. What has to wait for its turn needs none.
    pub(crate) async fn thread(&mut self, bytes: usize) {
        let Channel::Data(stream, _) = &mut self.channel else { return };
        if self.wish.is_earned(bytes) && !self.throttle.is_limited() {
            stream.rest();
            self.wish.thread().await;
        }
    }

    /// Whoever is waited for again and again is not worth a thread. The beginning says nothing about that.
    pub(crate) fn has_waited(&self) {
        if self.meter.bytes() > 0 {
            self.wish.reset();
        }
    }

    /// As [`receive`](Self::receive), behind a beginning that came alone: how long it was waited for says nothing either.
    pub(crate) async fn receive_behind_beginning(&mut self, buffer: &mut [u8]) -> Result<(usize, bool), TransferError> {
        let received = self.receive(buffer).await;
        self.wish.forgive();
        received
    }

    /// Sends all of it.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), TransferError> {
        self.send_pieces(bytes, false).await
    }

    /// The same with the last bytes of all, which [`finish`](Self::finish) is to follow at once.
    pub(crate) async fn send_last(&mut self, bytes: &[u8]) -> Result<(), TransferError> {
        self.send_pieces(bytes, true).await
    }

    async fn send_pieces(&mut self, mut bytes: &[u8], with_end: bool) -> Result<(), TransferError> {
        while !bytes.is_empty() {
            let Self { runtime, channel, meter, throttle, .. } = self;
            let turn = throttle.turn(runtime, meter, bytes.len()).await;
            let piece = &bytes[..turn.bytes()];
            let (sent, has_waited) = match channel {
                Channel::Data(stream, _) if with_end && piece.len() == bytes.len() => {
                    noticing(poll_fn(|cx| stream.poll_write_before_end(cx, piece))).await
                }
                Channel::Data(stream, _) => noticing(io::write(&mut **stream, piece)).await,
                Channel::Control(outlet) => {
                    outlet.send(piece).await;
                    (Ok(piece.len()), false)
                }
            };
            let sent = sent.map_err(lost)?;
            turn.moved(sent);
            meter.add(sent);
            bytes = &bytes[sent..];
            if has_waited {
                self.has_waited();
            }
        }
        Ok(())
    }

    /// Receives into the buffer: waits for the first bytes, then takes what is there already, until the buffer is
    /// full, or as full as the speed limits want it. `true` is the clean end.
    ///
    /// What may not go on yet is held here: a client that sends nothing keeps no turn that others could use.
    pub(crate) async fn receive(&mut self, buffer: &mut [u8]) -> Result<(usize, bool), TransferError> {
        let quantum = self.throttle.quantum(buffer.len());
        let mut filled = self.receive_some(&mut buffer[..quantum]).await?;
        let mut ended = filled == 0;
        let piece = self.throttle.piece(buffer.len(), self.runtime.now());
        while filled < piece && !ended {
            match self.receive_ready(&mut buffer[filled..piece]).await? {
                None => break,
                Some(count) => (filled, ended) = (filled + count, count == 0),
            }
        }
        self.throttle.wait(&self.runtime, &self.meter, filled).await;
        Ok((filled, ended))
    }

    /// Everything is written: sends the end of the stream, and waits a moment for the peer's. So the final reply comes
    /// when the client has all of it, and a client that went away in between is not told of success.
    pub(crate) async fn finish(&mut self) -> Result<(), TransferError> {
        let finished = self.try_finish().await;
        // Of nothing, nothing can be lost: curl closes as soon as 150 tells it of an empty file.
        if self.meter.bytes() == 0 { Ok(()) } else { finished }
    }

    async fn try_finish(&mut self) -> Result<(), TransferError> {
        let (stream, closes_first) = match &mut self.channel {
            Channel::Data(stream, closes_first) => (stream, closes_first),
            Channel::Control(outlet) => {
                outlet.flushed().await;
                return Ok(());
            }
        };
        io::finish_sending(&mut **stream).await.map_err(lost)?;
        if !closes_first.0.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut discarded = 0;
        let end = poll_fn(|cx| poll_discard(stream.raw(), &mut discarded, cx));
        match within(&self.runtime, CLOSE_WAIT, end).await {
            Some(end) => {
                stream.has_ended();
                end.map_err(lost)
            }
            None => {
                closes_first.0.store(false, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    /// Everything is received: tells the peer that nothing comes from here.
    pub(crate) async fn finish_receiving(&mut self) -> Result<(), TransferError> {
        let Channel::Data(stream, _) = &mut self.channel else { return Ok(()) };
        // Under TLS there may be more behind the peer's last word.
        let has_ended = !stream.is_under_tls();
        if has_ended {
            stream.has_ended();
        }
        // A socket that is closed next says so by itself.
        if has_ended && stream.socket().is_some() {
            return Ok(());
        }
        io::finish_sending(&mut **stream).await.map_err(lost)
    }

    async fn receive_some(&mut self, buffer: &mut [u8]) -> Result<usize, TransferError> {
        let Channel::Data(stream, _) = &mut self.channel else { return Err(TransferError::ConnectionLost) };
        let (count, has_waited) = noticing(io::read(&mut **stream, buffer)).await;
        let count = count.map_err(lost)?;
        if has_waited {
            self.has_waited();
        }
        self.meter.add(count);
        Ok(count)
    }

    /// As [`receive_some`](Self::receive_some), but `None` when it would have to wait.
    async fn receive_ready(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, TransferError> {
        let Channel::Data(stream, _) = &mut self.channel else { return Err(TransferError::ConnectionLost) };
        let read = poll_fn(|cx| {
            Poll::Ready(match stretch::without_waiting(|| io::poll_read(&mut **stream, cx, buffer)) {
                Poll::Ready(result) => Some(result),
                Poll::Pending => None,
            })
        });
        let Some(count) = read.await.transpose().map_err(lost)? else { return Ok(None) };
        self.meter.add(count);
        Ok(Some(count))
    }
}

/// What comes of it, and whether it had to wait.
pub(crate) async fn noticing<T: Send>(work: impl Future<Output = T> + Send) -> (T, bool) {
    let (mut work, mut has_waited) = (pin!(work), false);
    let result = poll_fn(|cx| {
        let polled = work.as_mut().poll(cx);
        has_waited |= polled.is_pending();
        polled
    })
    .await;
    (result, has_waited)
}

/// Whatever the system says of a data connection, to the client it is the same.
pub(crate) fn lost(_: std::io::Error) -> TransferError {
    TransferError::ConnectionLost
}
