//! Transfers that run for a stretch on a thread that may block, and go on where their session is while they wait.
//!
//! A transfer is one future. Polled by its session it waits for sockets by the runtime's reactor, and each piece of work
//! on its file is handed to another thread. That is right for a client that takes its time. For one that does not it
//! costs more than the transfer itself, and keeps the other sessions of the thread waiting. So a transfer that moves much
//! without having to wait asks for a thread of the runtime's pool, and is polled there: sockets and files are then used
//! by plain system calls ([`Direct`](crate::direct::Direct), [`blocking`]). When its client keeps it waiting, or its time
//! is up, it comes back as it is.

use std::cell::{OnceCell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use ftp_fs::{BoxFuture, Unblock, blocking};
use ftp_proto::Instant;
use socket2::Socket;
use tracing::Span;

use crate::bell::{Bell, CAN_WAIT, Readiness};
use crate::seats::{Seat, Seats};

/// How long a stretch lasts at most. Then the session hears how far it is, and work that others have handed to the
/// pool has its turn.
const STRETCH: Duration = Duration::from_millis(200);
/// How long a thread waits for a client. Whoever takes longer is waited for without a thread.
const PATIENCE: Duration = Duration::from_millis(50);
/// How much a download sends before it asks for a thread: a small file that is in memory is best sent at once. An upload
/// asks with its first bytes, since what is written may always block, unless those are few and could be written at once.
const FIRST: usize = 64 * 1024;
/// How much a transfer moves without having to wait before it asks for a thread again, at most and in buffers.
const AGAIN: usize = 1024 * 1024;
const AGAIN_BUFFERS: usize = 16;

/// So many transfers of a server may have a thread at a time; none where a thread cannot wait for a socket.
pub(crate) fn threads(most: usize) -> Seats {
    Seats::new(if CAN_WAIT { most } else { 0 })
}

/// What a transfer and [`in_stretches`] tell each other. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Wish(Arc<Wishes>);

#[derive(Debug)]
struct Wishes {
    /// Bytes that are still to be moved before it is worth a thread.
    missing: AtomicUsize,
    /// What they are after each time of waiting.
    again: usize,
    is_asked: AtomicBool,
    is_away: AtomicBool,
    is_recalled: AtomicBool,
    /// Of the thread, from when it first waits to the end of the stretch. The lock is held for a look or a ring.
    bell: Mutex<Option<Arc<Bell>>>,
}

impl Wish {
    /// Of a transfer with buffers of so many bytes.
    pub(crate) fn new(receives: bool, buffer: usize) -> Self {
        Self(Arc::new(Wishes {
            missing: AtomicUsize::new(if receives { 0 } else { FIRST.min(buffer) }),
            again: buffer.saturating_mul(AGAIN_BUFFERS).min(AGAIN),
            is_asked: AtomicBool::new(false),
            is_away: AtomicBool::new(false),
            is_recalled: AtomicBool::new(false),
            bell: Mutex::default(),
        }))
    }

    /// Whether the transfer [is away](Self::is_away). If so, it is to come back, and to stay until it is
    /// [let go](Self::let_go): as soon as it looks up, unless the disk holds it up.
    pub(crate) fn recall(&self) -> bool {
        let is_away = self.is_away();
        // Whoever is about to wait hangs its bell up before it looks here for the last time.
        if is_away && !self.0.is_recalled.swap(true, Ordering::SeqCst) {
            self.lock_bell().iter().for_each(|bell| bell.ring());
        }
        is_away
    }

    /// Whether the transfer is on a thread.
    pub(crate) fn is_away(&self) -> bool {
        self.0.is_away.load(Ordering::Relaxed)
    }

    /// The transfer may have a thread again.
    pub(crate) fn let_go(&self) {
        self.0.is_recalled.store(false, Ordering::Relaxed);
    }

    /// The transfer is about to move so many bytes: whether it has earned a thread and has none.
    pub(crate) fn is_earned(&self, bytes: usize) -> bool {
        if !CAN_WAIT || blocking::is_allowed() {
            return false;
        }
        let missing = self.0.missing.load(Ordering::Relaxed);
        self.0.missing.store(missing.saturating_sub(bytes), Ordering::Relaxed);
        missing <= bytes && !self.0.is_recalled.load(Ordering::Relaxed)
    }

    /// Asks for a thread, and returns on it, or where it is if there is none.
    pub(crate) async fn thread(&self) {
        self.0.is_asked.store(true, Ordering::Relaxed);
        poll_fn(|_| if self.0.is_asked.load(Ordering::Relaxed) { Poll::Pending } else { Poll::Ready(()) }).await;
    }

    /// The transfer has to wait: a thread has to be earned anew.
    pub(crate) fn reset(&self) {
        self.0.missing.store(self.0.again, Ordering::Relaxed);
    }

    /// Nothing is missing, whether or not the transfer has had to wait: the next bytes ask for a thread.
    pub(crate) fn forgive(&self) {
        self.0.missing.store(0, Ordering::Relaxed);
    }

    /// The bell of this thread, hung up for who recalls the transfer.
    fn hang_up_bell(&self) -> io::Result<Arc<Bell>> {
        let bell = BELL.with(|own| match own.get() {
            Some(bell) => Ok(Arc::clone(bell)),
            None => Bell::new().map(|new| Arc::clone(own.get_or_init(|| Arc::new(new)))),
        })?;
        Ok(Arc::clone(self.lock_bell().insert(bell)))
    }

    fn lock_bell(&self) -> MutexGuard<'_, Option<Arc<Bell>>> {
        self.0.bell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_asked(&self) -> bool {
        self.0.is_asked.swap(false, Ordering::Relaxed)
    }

    fn renew(&self, end: End) {
        match end {
            End::TimeIsUp => self.forgive(),
            End::Waits => self.reset(),
        }
    }
}

/// Runs `work`, in stretches on threads where `unblock` runs things, if it asks for them by its `wish`. `clock` says how
/// long a stretch lasts.
///
/// # Cancellation
/// Dropping the future drops `work`: at once or, if it is on another thread, there, as soon as it looks up.
pub(crate) async fn in_stretches<T: Send + 'static>(
    unblock: impl Unblock,
    clock: impl Fn() -> Instant + Clone + Send + 'static,
    threads: Seats,
    wish: Wish,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    let mut alternating = Alternating { unblock, clock, threads, wish, at: Whereabouts::Here(Box::pin(work)) };
    poll_fn(|cx| alternating.poll(cx)).await
}

struct Alternating<U, C, T> {
    unblock: U,
    clock: C,
    threads: Seats,
    wish: Wish,
    at: Whereabouts<T>,
}

/// Where the work is.
enum Whereabouts<T> {
    Here(BoxFuture<'static, T>),
    Away(BoxFuture<'static, Returned<T>>, Absence<T>),
    Done,
}

/// Work that waits for a thread, with its place there, until the thread takes it, or the session takes it back.
type Unbegun<T> = Arc<Mutex<Option<(BoxFuture<'static, T>, Seat)>>>;

/// What comes back from a thread.
enum Returned<T> {
    Unfinished(BoxFuture<'static, T>, End),
    Finished(T),
    TakenBack,
}

/// Why a stretch is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    TimeIsUp,
    Waits,
}

/// That a transfer is on a thread. Dropped before its [`end`](Self::end), it recalls it.
struct Absence<T> {
    wish: Wish,
    unbegun: Unbegun<T>,
}

impl<T> Absence<T> {
    fn begin(wish: &Wish, work: BoxFuture<'static, T>, seat: Seat) -> Self {
        wish.0.is_away.store(true, Ordering::Relaxed);
        Self { wish: wish.clone(), unbegun: Arc::new(Mutex::new(Some((work, seat)))) }
    }

    /// What has been recalled, if no thread has begun it: that may take long where all are busy.
    fn take_back(&self) -> Option<BoxFuture<'static, T>> {
        if !self.wish.0.is_recalled.load(Ordering::Relaxed) {
            return None;
        }
        take(&self.unbegun).map(|(work, _)| work)
    }

    fn end(&self) {
        self.wish.0.is_away.store(false, Ordering::Relaxed);
    }
}

impl<T> Drop for Absence<T> {
    fn drop(&mut self) {
        self.wish.recall();
        drop(take(&self.unbegun));
    }
}

fn take<T>(unbegun: &Unbegun<T>) -> Option<(BoxFuture<'static, T>, Seat)> {
    unbegun.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl<U: Unblock, C: Fn() -> Instant + Clone + Send + 'static, T: Send + 'static> Alternating<U, C, T> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        loop {
            match &mut self.at {
                Whereabouts::Here(work) => match work.as_mut().poll(cx) {
                    Poll::Pending if self.wish.take_asked() => self.send_away(),
                    polled => return polled,
                },
                Whereabouts::Away(away, absence) => {
                    if let Some(work) = absence.take_back() {
                        absence.end();
                        self.wish.renew(End::TimeIsUp);
                        self.at = Whereabouts::Here(work);
                        continue;
                    }
                    let returned = ready!(away.as_mut().poll(cx));
                    absence.end();
                    match returned {
                        Returned::Finished(result) => {
                            self.at = Whereabouts::Done;
                            return Poll::Ready(result);
                        }
                        Returned::Unfinished(work, end) => {
                            self.wish.renew(end);
                            self.at = Whereabouts::Here(work);
                        }
                        Returned::TakenBack => unreachable!("what was taken back is not waited for"),
                    }
                }
                Whereabouts::Done => unreachable!("what is done is not polled"),
            }
        }
    }

    /// Onto a thread, if there is one for it.
    fn send_away(&mut self) {
        self.wish.reset();
        let Some(seat) = self.threads.take() else { return };
        let Whereabouts::Here(work) = mem::replace(&mut self.at, Whereabouts::Done) else { return };
        let (unblock, clock) = (self.unblock.clone(), self.clock.clone());
        let absence = Absence::begin(&self.wish, work, seat);
        let (wish, span, unbegun) = (self.wish.clone(), Span::current(), Arc::clone(&absence.unbegun));
        let stretch = move || {
            let Some((work, _seat)) = take(&unbegun) else { return Returned::TakenBack };
            span.in_scope(|| run(work, Stretch::new(clock, wish)))
        };
        self.at = Whereabouts::Away(Box::pin(async move { unblock.unblock(stretch).await }), absence);
    }
}

/// Polls the work on this thread until it is done, or the stretch is over.
fn run<T>(mut work: BoxFuture<'static, T>, stretch: Stretch) -> Returned<T> {
    blocking::allow(|| {
        HERE.set(Some(stretch));
        let _leave = Leave;
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => {
                // Files are closed here, where that may block.
                drop(work);
                Returned::Finished(result)
            }
            Poll::Pending => {
                let end = with_stretch(|stretch| stretch.end).flatten();
                Returned::Unfinished(work, end.unwrap_or(End::Waits))
            }
        }
    })
}

thread_local! {
    /// The stretch that this thread is in.
    static HERE: RefCell<Option<Stretch>> = const { RefCell::new(None) };
    /// Wakes this thread; made when it first waits. It is not made for each transfer: it takes two descriptors.
    static BELL: OnceCell<Arc<Bell>> = const { OnceCell::new() };
}

struct Stretch {
    clock: Box<dyn Fn() -> Instant>,
    until: Instant,
    wish: Wish,
    end: Option<End>,
    may_wait: bool,
}

impl Stretch {
    fn new(clock: impl Fn() -> Instant + 'static, wish: Wish) -> Self {
        Self { until: clock() + STRETCH, clock: Box::new(clock), wish, end: None, may_wait: true }
    }

    fn goes_on(&mut self) -> bool {
        if self.wish.0.is_recalled.load(Ordering::SeqCst) || (self.clock)() >= self.until {
            self.end.get_or_insert(End::TimeIsUp);
        }
        self.end.is_none()
    }
}

struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        HERE.take().iter().for_each(|stretch| *stretch.wish.lock_bell() = None);
    }
}

fn with_stretch<T>(look: impl FnOnce(&mut Stretch) -> T) -> Option<T> {
    HERE.with_borrow_mut(|here| here.as_mut().map(look))
}

/// Whether this thread is in a stretch: sockets are not the reactor's, then.
pub(crate) fn is_here() -> bool {
    HERE.with_borrow(Option::is_some)
}

/// Whether the stretch of this thread goes on.
pub(crate) fn goes_on() -> bool {
    with_stretch(Stretch::goes_on).unwrap_or(false)
}

/// Waits for the socket on this thread; whether it is worth trying again. If not, nobody is to wait here, or not any
/// longer.
pub(crate) fn wait(socket: &Socket, readiness: Readiness) -> bool {
    let Some(wish) = with_stretch(|stretch| stretch.may_wait.then(|| stretch.wish.clone())).flatten() else {
        return false;
    };
    // Where there are no descriptors for a bell, the session waits.
    let is_worth_it =
        wish.hang_up_bell().and_then(|bell| if goes_on() { bell.wait(socket, readiness, PATIENCE) } else { Ok(false) });
    let is_worth_it = is_worth_it.unwrap_or(false);
    if !is_worth_it && goes_on() {
        give_up();
    }
    is_worth_it
}

/// A socket keeps the stretch of this thread waiting for too long: it ends.
pub(crate) fn give_up() {
    with_stretch(|stretch| {
        if stretch.may_wait {
            stretch.end.get_or_insert(End::Waits);
        }
    });
}

/// Does what must not wait, such as looking whether there is more.
pub(crate) fn without_waiting<T>(look: impl FnOnce() -> T) -> T {
    let before = with_stretch(|stretch| mem::replace(&mut stretch.may_wait, false));
    let seen = look();
    with_stretch(|stretch| stretch.may_wait = before.unwrap_or(true));
    seen
}

#[cfg(all(test, unix))]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread;

    use async_io::block_on;

    use super::*;

    /// A thread for each piece of work.
    #[derive(Clone)]
    struct Fresh;

    impl Unblock for Fresh {
        async fn unblock<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(&self, work: F) -> T {
            let shared = Arc::new(Mutex::new((None, Waker::noop().clone())));
            let theirs = Arc::clone(&shared);
            thread::spawn(move || {
                let result = work();
                let mut shared = theirs.lock().unwrap();
                shared.0 = Some(result);
                shared.1.wake_by_ref();
            });
            poll_fn(|cx| {
                let mut shared = shared.lock().unwrap();
                shared.1 = cx.waker().clone();
                shared.0.take().map_or(Poll::Pending, Poll::Ready)
            })
            .await
        }
    }

    /// Runs the work with so many threads for it, while no time passes.
    fn alternating<T: Send + 'static>(
        threads: usize,
        wish: &Wish,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> {
        in_stretches(Fresh, Instant::default, super::threads(threads), wish.clone(), work)
    }

    fn upload() -> (Wish, Wish) {
        let wish = Wish::new(true, 1 << 20);
        (wish.clone(), wish)
    }

    /// A socket to which nobody sends anything, and the other end.
    fn silent() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (listener.accept().unwrap().0.into(), peer)
    }

    /// On a thread: waits for what never comes, until it is called back.
    fn wait_for_ever(socket: &Socket, entered: &Sender<()>) -> Poll<()> {
        let _ = entered.send(());
        while goes_on() {
            // Whoever waits for long is sent back: as if patience had no end.
            let _ = wait(socket, Readiness::Read);
            with_stretch(|stretch| stretch.end = stretch.end.filter(|end| *end == End::TimeIsUp));
        }
        Poll::Pending
    }

    #[test]
    fn work_that_has_earned_it_goes_on_where_it_may_block() {
        let (wish, own) = upload();
        let work = async move {
            let before = (is_here(), blocking::is_allowed(), own.is_earned(1));
            own.thread().await;
            (before, (is_here(), blocking::is_allowed(), own.is_earned(1)))
        };
        let (before, after) = block_on(alternating(1, &wish, work));
        assert_eq!((before, after), ((false, false, true), (true, true, false)));
        assert!(!wish.recall(), "it is back");
    }

    #[test]
    fn where_no_thread_is_left_it_goes_on_where_it_is() {
        let (wish, own) = upload();
        let work = async move {
            own.thread().await;
            (is_here(), own.is_earned((1 << 20) - 1), own.is_earned(1))
        };
        assert_eq!(block_on(alternating(0, &wish, work)), (false, false, true));
    }

    #[test]
    fn a_download_earns_it_by_what_it_sends() {
        let wish = Wish::new(false, 1000);
        assert!(!wish.is_earned(999) && wish.is_earned(1));
        wish.reset();
        assert!(!wish.is_earned(15_999) && wish.is_earned(1));
    }

    #[test]
    fn what_waits_for_long_comes_back_and_has_to_earn_it_again() {
        let ((wish, own), (socket, _peer)) = (upload(), silent());
        let work = async move {
            own.thread().await;
            poll_fn(|_| {
                if is_here() {
                    wait(&socket, Readiness::Read);
                    Poll::Pending
                } else {
                    Poll::Ready(())
                }
            })
            .await;
            own.is_earned(1)
        };
        assert!(!block_on(alternating(1, &wish, work)));
    }

    #[test]
    fn a_call_that_nobody_waited_for_ends_no_later_wait() {
        let ((wish, own), (socket, _peer)) = (upload(), silent());
        let work = async move {
            own.thread().await;
            own.hang_up_bell().unwrap().ring();
            (wait(&socket, Readiness::Read), goes_on())
        };
        assert_eq!(block_on(alternating(1, &wish, work)), (true, true));
    }

    #[test]
    fn who_is_back_has_no_bell() {
        let ((wish, own), (socket, _peer)) = (upload(), silent());
        let work = async move {
            own.thread().await;
            wait(&socket, Readiness::Read);
            let before = own.lock_bell().is_some();
            poll_fn(|_| if is_here() { Poll::Pending } else { Poll::Ready(()) }).await;
            (before, own.lock_bell().is_some())
        };
        assert_eq!(block_on(alternating(1, &wish, work)), (true, false));
    }

    #[test]
    fn looking_without_waiting_ends_nothing() {
        let ((wish, own), (socket, _peer)) = (upload(), silent());
        let work = async move {
            own.thread().await;
            let waited = without_waiting(|| wait(&socket, Readiness::Read));
            (waited, goes_on())
        };
        assert_eq!(block_on(alternating(1, &wish, work)), (false, true));
    }

    #[test]
    fn what_is_recalled_comes_back_at_once_and_stays_until_it_is_let_go() {
        let ((wish, own), (socket, _peer)) = (upload(), silent());
        let (entered, has_entered) = channel();
        let caller = wish.clone();
        let calling = thread::spawn(move || {
            has_entered.recv().unwrap();
            assert!(caller.recall());
        });
        let work = async move {
            own.thread().await;
            poll_fn(|_| if is_here() { wait_for_ever(&socket, &entered) } else { Poll::Ready(()) }).await;
            let recalled = own.is_earned(1);
            own.let_go();
            (recalled, own.is_earned(1))
        };
        assert_eq!(block_on(alternating(1, &wish, work)), (false, true));
        calling.join().unwrap();
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_dropped_on_its_thread() {
        let ((wish, own), (socket, _peer)) = (upload(), silent());
        let ((entered, has_entered), (dropped, is_dropped)) = (channel(), channel());
        let work = async move {
            let _tells = Tells(dropped);
            own.thread().await;
            poll_fn(|_| if is_here() { wait_for_ever(&socket, &entered) } else { Poll::Ready(()) }).await;
        };
        let mut work = Box::pin(alternating(1, &wish, work));
        assert!(work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        until(&has_entered);
        drop(work);
        until(&is_dropped);
    }

    struct Tells(Sender<()>);

    impl Drop for Tells {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }

    fn until(told: &Receiver<()>) {
        told.recv_timeout(Duration::from_secs(60)).expect("it happens");
    }
}
