//! What a thread is while it acts as somebody, and after that. What only those can do who may act as others is held to
//! be refused to everybody else.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::thread;

use super::*;
use crate::system::impersonating;

/// Nobody's number.
const SOMEBODY: u32 = 42_424;

/// Whether this process can act as anybody: as what is root of the machine, and not of a namespace with itself in it.
pub(in crate::system) fn can_be_anybody() -> bool {
    let with_groups = fs::read_to_string("/proc/self/setgroups").is_ok_and(|told| told.trim() == "allow");
    can_impersonate().unwrap() && with_groups
}

/// What the kernel says of this thread.
fn status() -> Vec<String> {
    let text = fs::read_to_string("/proc/thread-self/status").unwrap();
    let keys = ["Uid:", "Gid:", "Groups:", "CapEff:", "CapPrm:"];
    let line = |key| text.lines().find(|line| line.starts_with(key)).unwrap();
    keys.map(|key| line(key).split_whitespace().collect::<Vec<_>>().join(" ")).into()
}

#[test]
fn a_thread_without_the_capabilities_becomes_nobody() {
    let thread = thread::spawn(|| {
        let own = capabilities(None).unwrap();
        let (effective, permitted) = (own.effective - NEEDED, own.permitted - NEEDED);
        set_capabilities(None, CapabilitySets { effective, permitted, ..own }).unwrap();
        let before = status();
        assert!(!can_impersonate().unwrap());
        assert!(Credentials::new(SOMEBODY, SOMEBODY, [SOMEBODY]).unwrap().impersonate().is_err());
        assert_eq!(status(), before);
    });
    thread.join().unwrap();
}

#[test]
fn one_of_the_capabilities_is_not_enough() {
    for missing in [CapabilitySet::SETUID, CapabilitySet::SETGID] {
        let thread = thread::spawn(move || {
            let own = capabilities(None).unwrap();
            let (effective, permitted) = (own.effective - missing, own.permitted - missing);
            set_capabilities(None, CapabilitySets { effective, permitted, ..own }).unwrap();
            assert!(!can_impersonate().unwrap(), "without {missing:?}");
        });
        thread.join().unwrap();
    }
}

#[test]
fn nobody_but_root_has_any_of_what_the_process_may_do() {
    let mut own = Own::of_this_thread().unwrap();
    own.capabilities.effective = CapabilitySet::CHOWN | NEEDED;
    let of = |uid| Credentials { own: own.clone(), ..Credentials::new(uid, SOMEBODY, []).unwrap() }.capabilities();
    assert_eq!((of(0), of(SOMEBODY)), (CapabilitySet::CHOWN | NEEDED, CapabilitySet::empty()));
}

#[test]
fn a_thread_acts_as_the_user_and_is_itself_again() {
    if !can_be_anybody() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    fs::create_dir(folder.path().join("closed")).unwrap();
    fs::set_permissions(folder.path().join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    let before = status();
    let somebody = Credentials::new(SOMEBODY, SOMEBODY + 1, [SOMEBODY + 1, SOMEBODY + 2]).unwrap();
    let acting = impersonating(&somebody, || {
        fs::write(folder.path().join("made"), "").unwrap();
        let denied = fs::read_dir(folder.path().join("closed")).unwrap_err();
        assert_eq!(denied.kind(), io::ErrorKind::PermissionDenied);
        status()
    });
    let acting = acting.unwrap();
    assert!(acting[0].ends_with(&format!(" {SOMEBODY}")) && acting[1].ends_with(&format!(" {}", SOMEBODY + 1)));
    assert_eq!(acting[2], format!("Groups: {} {}", SOMEBODY + 1, SOMEBODY + 2));
    assert_eq!(acting[3], "CapEff: 0000000000000000");
    assert_eq!(acting[4], before[4], "or there would be no way back");
    assert_eq!(status(), before);
    let made = fs::metadata(folder.path().join("made")).unwrap();
    assert_eq!((made.uid(), made.gid()), (SOMEBODY, SOMEBODY + 1));
}

#[test]
fn root_keeps_what_the_process_may_do() {
    if !can_be_anybody() {
        return;
    }
    let before = status();
    let as_root = impersonating(&Credentials::new(0, 0, [0]).unwrap(), status).unwrap();
    assert_eq!(as_root[3..], before[3..]);
    assert_eq!(status(), before);
}

/// The kernel does nothing about such a number, and says nothing; of a list with one it says so.
#[test]
fn who_cannot_be_acted_as_is_not_taken_for_somebody_else() {
    if !can_be_anybody() {
        return;
    }
    let before = status();
    let refused = |uid, gid, groups: [u32; 1]| {
        let nobody = Credentials::new(uid, gid, groups).unwrap();
        impersonating(&nobody, || panic!("nothing may be done as somebody else")).unwrap_err().kind()
    };
    assert_eq!(refused(u32::MAX, SOMEBODY, [SOMEBODY]), io::ErrorKind::PermissionDenied);
    assert_eq!(refused(SOMEBODY, u32::MAX, [SOMEBODY]), io::ErrorKind::PermissionDenied);
    assert_eq!(refused(SOMEBODY, SOMEBODY, [u32::MAX]), io::ErrorKind::InvalidInput);
    assert_eq!(status(), before);
}

/// The numbers of the capabilities are those of the kernel's headers: `CAP_SETGID` is 6, `CAP_SETUID` is 7.
#[test]
fn who_can_act_as_others_is_told_by_what_the_kernel_says() {
    let told = status().pop().unwrap();
    let permitted = u64::from_str_radix(told.strip_prefix("CapPrm: ").unwrap(), 16).unwrap();
    assert_eq!(can_impersonate().unwrap(), permitted & 0xC0 == 0xC0, "{told}");
}

#[test]
fn a_process_that_asks_for_its_capabilities_only_when_it_needs_them_acts_as_others_too() {
    if !can_be_anybody() {
        return;
    }
    let thread = thread::spawn(|| {
        let own = capabilities(None).unwrap();
        set_capabilities(None, CapabilitySets { effective: CapabilitySet::empty(), ..own }).unwrap();
        let before = status();
        let somebody = Credentials::new(SOMEBODY, SOMEBODY, [SOMEBODY]).unwrap();
        let acting = impersonating(&somebody, status).unwrap();
        assert!(acting[0].ends_with(&format!(" {SOMEBODY}")), "{acting:?}");
        assert_eq!(acting[2..4], [format!("Groups: {SOMEBODY}"), "CapEff: 0000000000000000".to_owned()]);
        assert_eq!(status(), before);
    });
    thread.join().unwrap();
}
