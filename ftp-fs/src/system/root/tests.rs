//! What a thread is while it is root for a while, and after that. Only where the process is root can a thread give that
//! up first; of a process that never was, it is held that it cannot become root either.

use std::fs;
use std::thread;

use rustix::thread::set_capabilities_secure_bits;

use super::*;
use crate::system::credentials::tests::can_be_anybody;
use crate::system::impersonating;

/// Nobody's number.
const SOMEBODY: u32 = 42_424;

/// What the kernel says of this thread: its user ids, what it may do now, and what it may ask for.
fn status() -> [String; 3] {
    let text = fs::read_to_string("/proc/thread-self/status").unwrap();
    ["Uid:", "CapEff:", "CapPrm:"].map(|key| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    })
}

fn can_give_up_root() -> bool {
    can_be_anybody() && Root::new().unwrap().is_root()
}

/// On a thread that was root and has the capabilities still, if it asks for them. `keeps`: also when it ceases to be
/// root again.
fn on_a_thread_that_gave_up_root(keeps: bool, work: impl FnOnce() + Send + 'static) {
    let thread = thread::spawn(move || {
        set_keep_capabilities(true).unwrap();
        let somebody = Uid::from_raw(SOMEBODY);
        set_thread_res_uid(somebody, somebody, somebody).unwrap();
        set_keep_capabilities(keeps).unwrap();
        work();
    });
    thread.join().unwrap();
}

#[test]
fn a_thread_that_gave_up_root_is_root_for_a_while() {
    if !can_give_up_root() {
        return;
    }
    for keeps in [false, true] {
        on_a_thread_that_gave_up_root(keeps, move || {
            let before = status();
            assert_eq!(before[..2], [[&*SOMEBODY.to_string(); 4].join(" "), "0".repeat(16)]);
            let root = Root::new().unwrap();
            assert_eq!((root.is_root(), root.keeps), (false, keeps));
            // Twice: the way back is there the second time as well.
            for _ in 0..2 {
                let acting = impersonating(&root, status).unwrap();
                assert_eq!(acting, ["0 0 0 0".to_owned(), before[2].clone(), before[2].clone()]);
                assert_eq!(status(), before);
                assert_eq!(get_keep_capabilities().unwrap(), keeps, "as it was");
            }
        });
    }
}

/// Whoever started the server may have seen to it that no thread keeps anything.
#[test]
fn where_nothing_may_be_kept_a_thread_that_gave_up_root_stays_what_it_is() {
    let may_lock = Root::new().unwrap().own.capabilities.permitted.contains(CapabilitySet::SETPCAP);
    if !(can_give_up_root() && may_lock) {
        return;
    }
    on_a_thread_that_gave_up_root(false, || {
        let own = Own::of_this_thread().unwrap();
        own.set_effective(own.capabilities.permitted).unwrap();
        set_capabilities_secure_bits(CapabilitiesSecureBits::KEEP_CAPS_LOCKED).unwrap();
        own.set_effective(CapabilitySet::empty()).unwrap();
        let before = status();
        let done = impersonating(&Root::new().unwrap(), || panic!("there would be no way back"));
        assert_eq!(done.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(status(), before);
    });
}

#[test]
fn who_is_root_stays_what_they_are() {
    let root = Root::new().unwrap();
    if !root.is_root() {
        return;
    }
    let before = status();
    assert_eq!(impersonating(&root, status).unwrap(), before);
    assert_eq!(status(), before);
}

#[test]
fn who_was_left_nothing_does_not_become_root() {
    let is_root = Root::new().unwrap().is_root();
    if is_root && !can_give_up_root() {
        return;
    }
    let thread = thread::spawn(move || {
        if is_root {
            // With its ids all that it may do goes.
            let somebody = Uid::from_raw(SOMEBODY);
            set_thread_res_uid(somebody, somebody, somebody).unwrap();
        }
        let before = status();
        let done = impersonating(&Root::new().unwrap(), || panic!("nothing may be done as somebody else"));
        assert_eq!(done.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(status(), before);
    });
    thread.join().unwrap();
}
