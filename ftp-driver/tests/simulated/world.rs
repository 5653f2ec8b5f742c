//! A runtime without sockets and without time: pipes in memory, and a clock that moves when nothing else does.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use ftp_driver::{Runtime, Stream};
use ftp_fs::Unblock;
use ftp_proto::Instant;
use futures_io::{AsyncRead, AsyncWrite};

/// What a pipe holds before its writer has to wait.
const PIPE: usize = 64 * 1024;

/// Connections to this port are neither made nor refused.
pub(crate) const BLACK_HOLE: u16 = 9999;

/// The simulated world, which is the runtime at the same time.
#[derive(Clone, Default)]
pub(crate) struct World(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    now: Instant,
    timers: BTreeMap<(Instant, u64), Waker>,
    listeners: HashMap<SocketAddr, Waiting>,
    last_id: u64,
    /// How often accepting fails still, and how often it did.
    shortage: u32,
    pub(crate) failed_accepts: u32,
    /// Whether blocking work never comes to its end.
    hangs: bool,
    /// How long it is on its way back, having been done at once.
    delay: Duration,
    /// How much of it there was.
    jobs: u64,
}

/// The connections that wait at a listener.
#[derive(Default)]
struct Waiting {
    streams: VecDeque<(SimStream, SocketAddr)>,
    waker: Option<Waker>,
}

/// One direction of a connection.
#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    ended: bool,
    unread: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

pub(crate) struct SimStream {
    incoming: Arc<Mutex<Pipe>>,
    outgoing: Arc<Mutex<Pipe>>,
}

pub(crate) struct SimListener {
    world: World,
    address: SocketAddr,
}

pub(crate) struct SimTimer {
    world: World,
    key: (Instant, u64),
}

/// A future that is polled when it was woken.
pub(crate) struct Task<T> {
    future: Pin<Box<dyn Future<Output = T> + Send>>,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

impl World {
    /// Lets accepting fail so many times, as if there were no descriptors.
    pub(crate) fn fail_accepts(&self, times: u32) {
        self.state().shortage = times;
    }

    pub(crate) fn failed_accepts(&self) -> u32 {
        self.state().failed_accepts
    }

    /// Whether blocking work is to be begun and never done.
    pub(crate) fn hang_blocking_work(&self, yes: bool) {
        self.state().hangs = yes;
    }

    /// How long blocking work takes.
    pub(crate) fn delay_blocking_work(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// How much blocking work there was so far.
    pub(crate) fn jobs(&self) -> u64 {
        self.state().jobs
    }

    /// Moves the clock to the next timer; `false` when there is none.
    pub(crate) fn skip_to_next_timer(&self) -> bool {
        let mut state = self.state();
        let Some(((at, _), waker)) = state.timers.pop_first() else { return false };
        state.now = state.now.max(at);
        drop(state);
        waker.wake();
        true
    }

    /// Connects to a listener of the simulation.
    pub(crate) fn connect_to(&self, address: SocketAddr, from: SocketAddr) -> io::Result<SimStream> {
        let (here, there) = SimStream::pair();
        let mut state = self.state();
        let waiting = state.listeners.get_mut(&address).ok_or(io::ErrorKind::ConnectionRefused)?;
        waiting.streams.push_back((there, from));
        waiting.waker.take().into_iter().for_each(Waker::wake);
        Ok(here)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn next_id(&self) -> u64 {
        let mut state = self.state();
        state.last_id += 1;
        state.last_id
    }
}

impl Unblock for World {
    async fn unblock<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(&self, work: F) -> T {
        self.state().jobs += 1;
        if self.state().hangs {
            std::future::pending::<()>().await;
        }
        let done = work();
        let delay = self.state().delay;
        if !delay.is_zero() {
            self.timer(self.now() + delay).await;
        }
        done
    }
}

impl Runtime for World {
    type Stream = SimStream;
    type Listener = SimListener;
    type Timer = SimTimer;

    fn now(&self) -> Instant {
        self.state().now
    }

    fn timer(&self, at: Instant) -> SimTimer {
        SimTimer { world: self.clone(), key: (at, self.next_id()) }
    }

    fn listen(&self, address: SocketAddr) -> io::Result<(SimListener, SocketAddr)> {
        let port = if address.port() == 0 { 50_000 + self.next_id() as u16 } else { address.port() };
        let address = SocketAddr::new(address.ip(), port);
        let mut state = self.state();
        if state.listeners.contains_key(&address) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        state.listeners.insert(address, Waiting::default());
        Ok((SimListener { world: self.clone(), address }, address))
    }

    fn poll_accept(&self, listener: &SimListener, cx: &mut Context<'_>) -> Poll<io::Result<(SimStream, SocketAddr)>> {
        let mut state = self.state();
        if state.listeners[&listener.address].streams.is_empty() {
            state.listeners.get_mut(&listener.address).unwrap().waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if state.shortage > 0 {
            state.shortage -= 1;
            state.failed_accepts += 1;
            return Poll::Ready(Err(io::Error::other("too many open files")));
        }
        Poll::Ready(Ok(state.listeners.get_mut(&listener.address).unwrap().streams.pop_front().unwrap()))
    }

    fn connect(
        &self,
        local: IpAddr,
        remote: SocketAddr,
    ) -> impl Future<Output = io::Result<SimStream>> + Send + 'static {
        let connected = self.connect_to(remote, SocketAddr::new(local, 20));
        async move {
            if remote.port() == BLACK_HOLE {
                std::future::pending::<()>().await;
            }
            connected
        }
    }
}

impl SimStream {
    pub(crate) fn pair() -> (Self, Self) {
        let (a, b) = (Arc::default(), Arc::default());
        (Self { incoming: Arc::clone(&a), outgoing: Arc::clone(&b) }, Self { incoming: b, outgoing: a })
    }

    /// Sends as much as goes without waiting; how much.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> usize {
        let mut cx = Context::from_waker(Waker::noop());
        let mut sent = 0;
        while let Poll::Ready(Ok(count)) = Pin::new(&mut *self).poll_write(&mut cx, &bytes[sent..]) {
            sent += count;
            if sent == bytes.len() {
                break;
            }
        }
        sent
    }

    /// Reads no more than so many bytes of what is there; how many.
    pub(crate) fn receive_up_to(&mut self, most: usize) -> usize {
        match Pin::new(self).poll_read(&mut Context::from_waker(Waker::noop()), &mut vec![0; most]) {
            Poll::Ready(Ok(count)) => count,
            _ => 0,
        }
    }

    /// Everything that is there, and whether that is all there will ever be.
    pub(crate) fn receive(&mut self) -> (Vec<u8>, bool) {
        let mut cx = Context::from_waker(Waker::noop());
        let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
        while let Poll::Ready(Ok(count)) = Pin::new(&mut *self).poll_read(&mut cx, &mut buffer) {
            if count == 0 {
                return (all, true);
            }
            all.extend_from_slice(&buffer[..count]);
        }
        (all, false)
    }
}

impl AsyncRead for SimStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut pipe = self.incoming.lock().unwrap();
        if pipe.bytes.is_empty() && !pipe.ended {
            pipe.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = buffer.len().min(pipe.bytes.len());
        pipe.bytes.drain(..count).zip(&mut buffer[..count]).for_each(|(byte, place)| *place = byte);
        pipe.writer.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut pipe = self.outgoing.lock().unwrap();
        if pipe.unread || pipe.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let count = bytes.len().min(PIPE - pipe.bytes.len());
        if count == 0 {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        pipe.bytes.extend(&bytes[..count]);
        pipe.reader.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pipe = self.outgoing.lock().unwrap();
        pipe.ended = true;
        pipe.reader.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(()))
    }
}

impl Stream for SimStream {}

impl Drop for SimStream {
    fn drop(&mut self) {
        let mut outgoing = self.outgoing.lock().unwrap();
        outgoing.ended = true;
        outgoing.reader.take().into_iter().for_each(Waker::wake);
        drop(outgoing);
        let mut incoming = self.incoming.lock().unwrap();
        incoming.unread = true;
        incoming.writer.take().into_iter().for_each(Waker::wake);
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        self.world.state().listeners.remove(&self.address);
    }
}

impl Future for SimTimer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.world.state();
        if state.now >= self.key.0 {
            return Poll::Ready(());
        }
        state.timers.insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for SimTimer {
    fn drop(&mut self) {
        self.world.state().timers.remove(&self.key);
    }
}

impl<T> Task<T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self { future: Box::pin(future), woken: Arc::new(Woken(AtomicBool::new(true))) }
    }

    /// Polls once.
    pub(crate) fn run_once(&mut self) -> Option<T> {
        match self.future.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(&self.woken)))) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }

    /// Polls as long as something wakes it; the result, if it came to that.
    pub(crate) fn run(&mut self) -> Option<T> {
        let waker = Waker::from(Arc::clone(&self.woken));
        while self.woken.0.swap(false, Ordering::Relaxed) {
            if let Poll::Ready(result) = self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Some(result);
            }
        }
        None
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
