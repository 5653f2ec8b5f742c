#![expect(unsafe_code, reason = "no safe waker is another than its clones")]

use std::mem::ManuallyDrop;
use std::sync::atomic::AtomicUsize;
use std::task::{RawWaker, RawWakerVTable, Wake};

use super::*;

#[derive(Default)]
struct Calls(AtomicUsize);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn who_has_waited_hears_of_all_that_is_asked_later() {
    let (stop, calls) = (Stop::new(), Arc::new(Calls::default()));
    let waker = Waker::from(Arc::clone(&calls));
    let cx = &mut Context::from_waker(&waker);
    let mut stopping = stop.listen();
    assert!(stopping.poll_asked(None, cx).is_pending() && stopping.poll_asked(None, cx).is_pending());
    stop.ask(Shutdown::Graceful);
    assert_eq!(calls.0.load(Ordering::Relaxed), 1);
    let gracefully = Asked::Stop(Shutdown::Graceful);
    assert_eq!(stopping.poll_asked(None, cx), Poll::Ready(gracefully));
    assert_eq!(stopping.poll_asked(None, cx), Poll::Ready(gracefully), "it could not stop yet");
    assert!(stopping.poll_asked(Some(gracefully), cx).is_pending());
    assert!(stopping.poll_asked(Some(gracefully), cx).is_pending());
    stop.ask(Shutdown::Now);
    assert_eq!(calls.0.load(Ordering::Relaxed), 2);
    assert_eq!(stopping.poll_asked(Some(gracefully), cx), Poll::Ready(Asked::Stop(Shutdown::Now)));
}

#[test]
fn whoever_polled_last_is_woken_up() {
    let (stop, first, second) = (Stop::new(), Arc::new(Calls::default()), Arc::new(Calls::default()));
    let mut stopping = stop.listen();
    for calls in [&first, &second] {
        let waker = Waker::from(Arc::clone(calls));
        assert!(stopping.poll_asked(None, &mut Context::from_waker(&waker)).is_pending());
    }
    stop.ask(Shutdown::Graceful);
    assert_eq!([first, second].map(|calls| calls.0.load(Ordering::Relaxed)), [0, 1]);
}

/// Lies where it was made, but for its clones: those of C are like that.
static BORROWED: RawWakerVTable = RawWakerVTable::new(
    |place| {
        // SAFETY: it is made of a reference to these, below, and polled with while that lasts.
        let calls = unsafe { &*place.cast::<Arc<Calls>>() };
        let owned = ManuallyDrop::new(Waker::from(Arc::clone(calls)));
        RawWaker::new(owned.data(), owned.vtable())
    },
    |_| {},
    |_| {},
    |_| {},
);

#[test]
fn a_waker_that_lies_where_another_lay_is_not_taken_for_that() {
    let (stop, first, second) = (Stop::new(), Arc::new(Calls::default()), Arc::new(Calls::default()));
    let (mut stopping, mut place) = (stop.listen(), Arc::clone(&first));
    for calls in [&first, &second] {
        place.clone_from(calls);
        // SAFETY: as its functions want it, and no function but `clone` does anything.
        let waker = unsafe { Waker::from_raw(RawWaker::new((&raw const place).cast(), &BORROWED)) };
        assert!(stopping.poll_asked(None, &mut Context::from_waker(&waker)).is_pending());
    }
    stop.ask(Shutdown::Graceful);
    assert_eq!([first, second].map(|calls| calls.0.load(Ordering::Relaxed)), [0, 1]);
}
