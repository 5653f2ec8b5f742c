//! The reactor of one thread: that thread alone polls it, when it has nothing else to do.
//!
//! A socket is registered once and stays so (edge-triggered), where smol's own reactor is told anew of every wait, and
//! sets a timer of the system for each of its own waits.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Registry, Token};
use slab::Slab;

use crate::socket::Direction;

/// What wakes the thread up is known by a number that no socket gets.
const UNPARK: Token = Token(usize::MAX);
/// Events that are taken at a time.
const EVENTS: usize = 256;

/// What others know of a reactor: sockets, timers, and how to wake its thread up.
#[derive(Debug)]
pub(crate) struct Reactor {
    registry: Registry,
    state: Mutex<State>,
    /// Whether the thread has ended, so that nothing here will ever happen again.
    closed: AtomicBool,
    notified: AtomicBool,
    sleeping: AtomicBool,
    unparker: mio::Waker,
}

/// The reactor as its thread has it.
#[derive(Debug)]
pub(crate) struct Turning {
    reactor: Arc<Reactor>,
    poll: mio::Poll,
    events: Events,
    woken: Vec<Waker>,
}

/// A socket in a reactor.
#[derive(Debug)]
pub(crate) struct Registration {
    reactor: Arc<Reactor>,
    source: Arc<Source>,
    token: Token,
    interest: Option<Interest>,
}

/// A timer in a reactor.
#[derive(Debug)]
pub(crate) struct Alarm {
    reactor: Arc<Reactor>,
    key: (Instant, u64),
    waker: Waker,
}

#[derive(Debug, Default)]
struct State {
    sources: Slab<Arc<Source>>,
    timers: BTreeMap<(Instant, u64), Waker>,
    next_timer: u64,
}

#[derive(Debug, Default)]
struct Source(Mutex<[Side; 2]>);

/// One direction of a socket.
#[derive(Debug, Default)]
struct Side {
    /// Whether there was an event since the last attempt.
    event: bool,
    /// Whether another attempt would find nothing to do, unless there is an event.
    blocked: bool,
    /// Whether the last event told of more than bytes: urgent data or the end.
    special: bool,
    waker: Option<Waker>,
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Reactor>>> = const { RefCell::new(None) };
}

/// The reactor of this thread, if it has one.
pub(crate) fn current() -> Option<Arc<Reactor>> {
    CURRENT.with_borrow(Clone::clone)
}

impl Reactor {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Has a place for a socket, which becomes known to the system once it has to wait.
    pub(crate) fn register(self: Arc<Self>) -> Registration {
        let source = Arc::new(Source::default());
        let token = Token(self.state().sources.insert(Arc::clone(&source)));
        Registration { reactor: self, source, token, interest: None }
    }

    /// Wakes this task at that moment.
    pub(crate) fn alarm(self: Arc<Self>, at: Instant, waker: &Waker) -> Alarm {
        let mut state = self.state();
        let key = (at, state.next_timer);
        state.next_timer += 1;
        state.timers.insert(key, waker.clone());
        drop(state);
        Alarm { reactor: self, key, waker: waker.clone() }
    }

    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let State { sources, timers, .. } = std::mem::take(&mut *self.state());
        let sides = |(_, source): (usize, Arc<Source>)| source.sides().each_mut().map(|side| side.waker.take());
        let waiting: Vec<Waker> = sources.into_iter().flat_map(sides).flatten().collect();
        waiting.into_iter().chain(timers.into_values()).for_each(Waker::wake);
    }
}

/// Wakes the thread up.
impl Wake for Reactor {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.notified.store(true, Ordering::SeqCst);
        if self.sleeping.swap(false, Ordering::SeqCst) {
            self.unparker.wake().expect("an event of one's own can be raised");
        }
    }
}

impl Turning {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let reactor = Arc::new(Reactor {
            registry: poll.registry().try_clone()?,
            state: Mutex::default(),
            closed: AtomicBool::new(false),
            notified: AtomicBool::new(false),
            sleeping: AtomicBool::new(false),
            unparker: mio::Waker::new(poll.registry(), UNPARK)?,
        });
        Ok(Self { reactor, poll, events: Events::with_capacity(EVENTS), woken: Vec::new() })
    }

    /// Polls the future on this thread until it is ready.
    pub(crate) fn block_on<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        let waker = Waker::from(Arc::clone(&self.reactor));
        let cx = &mut Context::from_waker(&waker);
        let _entered = Entered::new(Arc::clone(&self.reactor));
        loop {
            self.reactor.notified.store(false, Ordering::SeqCst);
            if let Poll::Ready(result) = future.as_mut().poll(cx) {
                return result;
            }
            self.turn();
        }
    }

    /// Waits until something happens, unless it has already, and wakes who waits for it.
    fn turn(&mut self) {
        let timeout = self.collect_timers();
        self.reactor.sleeping.store(true, Ordering::SeqCst);
        let is_due = self.reactor.notified.load(Ordering::SeqCst) || !self.woken.is_empty();
        let polled = self.poll.poll(&mut self.events, if is_due { Some(Duration::ZERO) } else { timeout });
        self.reactor.sleeping.store(false, Ordering::SeqCst);
        match polled {
            Ok(()) => self.collect_events(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => panic!("the system does not tell of events: {error}"),
        }
        self.woken.drain(..).for_each(Waker::wake);
    }

    /// Gathers whose time has come, and tells how long that of the next takes.
    fn collect_timers(&mut self) -> Option<Duration> {
        let mut state = self.reactor.state();
        let mut now = None;
        loop {
            let first = state.timers.first_entry()?;
            let (at, now) = (first.key().0, *now.get_or_insert_with(Instant::now));
            if at > now {
                return Some(at - now);
            }
            self.woken.push(first.remove());
        }
    }

    fn collect_events(&mut self) {
        let state = self.reactor.state();
        for event in &self.events {
            if let Some(source) = state.sources.get(event.token().0) {
                self.woken.extend(source.tell(event).into_iter().flatten());
            }
        }
    }
}

impl Drop for Turning {
    fn drop(&mut self) {
        self.reactor.close();
    }
}

/// Makes a reactor that of this thread, for as long as this is there.
struct Entered(Option<Arc<Reactor>>);

impl Entered {
    fn new(reactor: Arc<Reactor>) -> Self {
        Self(CURRENT.replace(Some(reactor)))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

impl Source {
    fn sides(&self) -> MutexGuard<'_, [Side; 2]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what happened; who waits for it is to be woken up.
    fn tell(&self, event: &Event) -> [Option<Waker>; 2] {
        let special = event.is_priority() || event.is_read_closed() || event.is_error();
        let mut sides = self.sides();
        let [read, write] = sides.each_mut();
        [
            read.tell(event.is_readable() || special, special),
            write.tell(event.is_writable() || event.is_write_closed() || event.is_error(), special),
        ]
    }
}

impl Side {
    fn tell(&mut self, happened: bool, special: bool) -> Option<Waker> {
        if !happened {
            return None;
        }
        (self.event, self.special) = (true, special);
        self.waker.take()
    }

    fn wait(&mut self, cx: &Context<'_>) {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
    }
}

impl Registration {
    /// Whether nothing will happen here any more: the socket needs another reactor.
    pub(crate) fn is_void(&self) -> bool {
        self.reactor.is_closed()
    }

    /// Lets the system forget the socket, and tells whose it was.
    pub(crate) fn end(self, socket: &impl AsFd) -> Arc<Reactor> {
        if self.interest.is_some() {
            // One that it does not know cannot be forgotten, either.
            let _ = self.reactor.registry.deregister(&mut SourceFd(&socket.as_fd().as_raw_fd()));
        }
        Arc::clone(&self.reactor)
    }

    /// To be asked before an attempt. Pending: it would be in vain, as the last one was.
    pub(crate) fn poll_attempt(&self, direction: Direction, cx: &Context<'_>) -> Poll<()> {
        let side = &mut self.source.sides()[direction as usize];
        // Sockets can be written before the system says so, which it does only once much of a large buffer is free. A
        // slow client takes longer for that than the stall timeout.
        if direction == Direction::Read && side.blocked && !side.event && !self.is_void() {
            side.wait(cx);
            return Poll::Pending;
        }
        (side.event, side.blocked) = (false, false);
        Poll::Ready(())
    }

    /// To be asked after an attempt in vain. Ready: another may not be.
    pub(crate) fn poll_ready(
        &mut self,
        socket: &impl AsFd,
        direction: Direction,
        cx: &Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.show_interest(socket, direction)?;
        let side = &mut self.source.sides()[direction as usize];
        side.blocked = true;
        side.wait(cx);
        // Looked at last: whoever closes the reactor wakes all wakers that it finds after that.
        if side.event || self.is_void() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// To be told when less was read than there was room for: then nothing is left, and there will be an event when
    /// there is more. Only in front of urgent data (Telnet's Synch, sent with ABOR) and of the end is that not so, of
    /// which there was an event, or will be.
    pub(crate) fn note_short_read(&self) {
        // A connection that was only waited for to stand, or to be written, tells of nothing to read.
        let will_be_told = TELLS_OF_URGENT_DATA && self.interest.is_some_and(Interest::is_readable);
        let side = &mut self.source.sides()[Direction::Read as usize];
        side.blocked |= will_be_told && !side.event && !side.special;
    }

    fn show_interest(&mut self, socket: &impl AsFd, direction: Direction) -> io::Result<()> {
        let interest = match direction {
            Direction::Read => readable(),
            Direction::Write => Interest::WRITABLE,
        };
        let Self { reactor: r, token, .. } = self;
        let fd = socket.as_fd().as_raw_fd();
        let all = self.interest.map_or(interest, |known| known | interest);
        match self.interest {
            Some(known) if known == all => return Ok(()),
            Some(_) => r.registry.reregister(&mut SourceFd(&fd), *token, all)?,
            None => r.registry.register(&mut SourceFd(&fd), *token, all)?,
        }
        self.interest = Some(all);
        Ok(())
    }
}

/// The system forgets a socket by itself when it is closed, as this one is next. Until then there may be events for
/// whoever gets the token: an attempt in vain.
impl Drop for Registration {
    fn drop(&mut self) {
        self.reactor.state().sources.try_remove(self.token.0);
    }
}

/// Whether events tell urgent data from other.
const TELLS_OF_URGENT_DATA: bool = cfg!(any(target_os = "linux", target_os = "android"));

#[cfg(any(target_os = "linux", target_os = "android"))]
fn readable() -> Interest {
    Interest::READABLE | Interest::PRIORITY
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn readable() -> Interest {
    Interest::READABLE
}

impl Alarm {
    /// Ready when the time has come. It may also be ready when the thread has ended: then it has to be set anew.
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.reactor.is_closed() || Instant::now() >= self.key.0 {
            return Poll::Ready(());
        }
        if !self.waker.will_wake(cx.waker()) {
            self.waker = cx.waker().clone();
            // Dropped once nothing is locked: nobody knows what hangs on it.
            let _before = self.reactor.state().timers.insert(self.key, cx.waker().clone());
            // It may have been over meanwhile, if this is another thread.
            self.reactor.wake_by_ref();
            if self.reactor.is_closed() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let _waker = self.reactor.state().timers.remove(&self.key);
    }
}
