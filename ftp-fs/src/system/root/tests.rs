//! What a thread is while it is root for a while, and after that. Only where the process is root can a thread give that
//! up first; of a process that never was, it is held that it cannot become root either.

use std::fs;
use std::thread;

use super::*;
use crate::system::{can_impersonate, impersonating};

/// Nobody's number.
const SOMEBODY: u32 = 424_242;

/// What the kernel says of this thread: its user ids, what it may do now, and what it may ask for.
fn status() -> [String; 3] {
    let text = fs::read_to_string("/proc/thread-self/status").unwrap();
    ["Uid:", "CapEff:", "CapPrm:"].map(|key| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    })
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
    if !(can_impersonate().unwrap() && Root::new().unwrap().is_root()) {
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
    let thread = thread::spawn(|| {
        if Root::new().unwrap().is_root() {
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
