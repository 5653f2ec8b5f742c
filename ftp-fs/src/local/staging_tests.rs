//! Whose a file is that takes another's place, and what stays of names that are only for such files.

use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ftp_types::{FsError, WriteMode};
use rustix::fs::{self as sys, CWD, FileType, Mode, mknodat};
use rustix::thread::CapabilitySet;

use super::failure_tests::{content, give_to, home, path, unprivileged, upload, with_nothing_but};
use super::staging::Staged;
use crate::{BlockingBackend, Remains};

/// Owner, group and mode.
fn attributes(file: &Path) -> (u32, u32, u32) {
    let metadata = fs::metadata(file).unwrap();
    (metadata.uid(), metadata.gid(), metadata.mode() & 0o777)
}

/// Who cannot give files away can give them to a group of their own, for which the mode was.
#[test]
fn what_takes_the_place_of_anothers_file_in_a_group_of_ones_own_keeps_its_mode() {
    let (home, fs) = home();
    let file = home.path().join("file");
    fs::write(&file, "old").unwrap();
    let own = attributes(&file);
    give_to(&file, None);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o676)).unwrap();
    assert_eq!(unprivileged(|| upload(&fs, "/file", WriteMode::Replace, "new")), Ok(Remains::Unchanged));
    assert_eq!((content(&file), attributes(&file)), ("new".to_owned(), (own.0, own.1, 0o676)));
}

/// Who may give files away, and not change those of others, cannot set the mode any more by then.
#[test]
fn what_was_given_to_the_owner_and_cannot_get_its_mode_is_the_owners_alone() {
    let (home, fs) = home();
    let file = home.path().join("file");
    fs::write(&file, "old").unwrap();
    if !give_to(&file, Some(4242)) {
        return;
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let replace = || upload(&fs, "/file", WriteMode::Replace, "new");
    assert_eq!(with_nothing_but(CapabilitySet::CHOWN, replace), Ok(Remains::Unchanged));
    assert_eq!((content(&file), attributes(&file)), ("new".to_owned(), (4242, 4242, 0o600)));
}

/// As on many file systems; that of the processes is one at hand.
#[test]
fn where_there_are_no_access_control_lists_the_mode_says_all() {
    let (home, _) = home();
    let file = home.path().join("file");
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let (old, replaced) = (File::open("/proc/self/status").unwrap(), sys::stat(&file).unwrap());
    let directory = OwnedFd::from(File::open(home.path()).unwrap());
    let (staged, new) = Staged::new(directory, b"file", (old.as_fd(), &replaced)).expect("it can be made");
    assert_eq!(Mode::from_raw_mode(sys::fstat(&new).unwrap().st_mode), Mode::from_raw_mode(0o640));
    staged.commit().unwrap();
    assert_eq!(attributes(&file).2, 0o640);
}

/// Neither clients nor the server make such a thing; whoever is at the machine can.
#[test]
fn a_fifo_under_a_staged_name_holds_up_no_removal() {
    let (home, fs) = home();
    fs::create_dir(home.path().join("a")).unwrap();
    let fifo = home.path().join("a/.ferry-fifo.part");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || tell.send(fs.remove_directory(&path("/a"))));
    let removed =
        told.recv_timeout(Duration::from_secs(60)).expect("the removal waits for somebody to write to the FIFO");
    assert_eq!(removed, Ok(()));
    assert!(!fifo.exists());
}

#[test]
fn a_link_under_a_staged_name_is_no_upload_that_was_left_behind() {
    let (home, fs) = home();
    fs::create_dir(home.path().join("a")).unwrap();
    fs::write(home.path().join("file"), "content").unwrap();
    symlink("../file", home.path().join("a/.ferry-link.part")).unwrap();
    assert_eq!(fs.remove_directory(&path("/a")), Err(FsError::NotEmpty));
    assert!(home.path().join("a/.ferry-link.part").is_symlink());
}
