//! What the system refuses, or has no room for, and what becomes of it.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use ftp_types::{Entry, FileKind, FsError, Link, UnixTime, VirtualPath, WriteMode};
use rustix::fs::{CWD, Dir, FileType, Mode, mknodat};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use tempfile::TempDir;

use super::beneath::Root;
use super::listing::LocalListing;
use crate::{BlockingBackend, BlockingListing, Follow, LocalFs, Remains};

const MODES: [WriteMode; 3] = [WriteMode::Replace, WriteMode::Append, WriteMode::From(0)];

/// Does the work as somebody to whom the permissions of files apply: root, too, without what makes it more than others.
pub(super) fn unprivileged<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    with_nothing_but(CapabilitySet::empty(), work)
}

/// Does the work with these capabilities, which the process has to have, and no others.
pub(super) fn with_nothing_but<T: Send>(kept: CapabilitySet, work: impl FnOnce() -> T + Send) -> T {
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    thread::scope(|scope| {
        // Capabilities are a thread's own, and there is no way back to them.
        let thread = scope.spawn(|| {
            set_capabilities(None, sets).unwrap();
            work()
        });
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

pub(super) fn path(text: &str) -> VirtualPath {
    VirtualPath::try_from(text).unwrap()
}

pub(super) fn home() -> (TempDir, LocalFs) {
    let home = tempfile::tempdir().unwrap();
    let fs = LocalFs::open(home.path()).unwrap();
    (home, fs)
}

/// A directory that is given back its rights before it is removed with all in it.
struct Closed(PathBuf);

impl Closed {
    fn new(home: &TempDir, name: &str, mode: u32) -> Self {
        let closed = Self(home.path().join(name));
        closed.set_mode(mode);
        closed
    }

    fn set_mode(&self, mode: u32) {
        fs::set_permissions(&self.0, fs::Permissions::from_mode(mode)).unwrap();
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        let _ = fs::set_permissions(&self.0, fs::Permissions::from_mode(0o755));
    }
}

pub(super) fn content(at: impl AsRef<Path>) -> String {
    fs::read_to_string(at).unwrap()
}

pub(super) fn upload(fs: &LocalFs, at: &str, mode: WriteMode, content: &str) -> Result<Remains, FsError> {
    let mut writer = fs.create(&path(at), mode)?;
    let remains = writer.remains();
    writer.write_all(content.as_bytes())?;
    writer.finish().map(|_| remains)
}

fn list(fs: &LocalFs, at: &str) -> Vec<Entry> {
    let mut listing = fs.list(&path(at)).unwrap();
    let mut entries = Vec::new();
    loop {
        match listing.next_batch(100).unwrap() {
            batch if batch.is_empty() => return entries,
            batch => entries.extend(batch),
        }
    }
}

#[test]
fn a_file_that_may_not_be_opened_is_refused_and_stays_as_it_is() {
    let (home, fs) = home();
    let file = home.path().join("file");
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    unprivileged(|| {
        assert_eq!(fs.open(&path("/file"), 0).err(), Some(FsError::Refused));
        for mode in MODES {
            assert_eq!(upload(&fs, "/file", mode, "new"), Err(FsError::Refused), "{mode:?}");
        }
    });
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(content(&file), "old");
    assert_eq!(list(&fs, "/").len(), 1);
}

#[test]
fn where_a_directory_takes_no_new_file_the_old_one_is_overwritten() {
    let (home, fs) = home();
    fs::create_dir(home.path().join("a")).unwrap();
    let file = home.path().join("a/file");
    fs::write(&file, "the old content").unwrap();
    let _closed = Closed::new(&home, "a", 0o555);
    unprivileged(|| {
        drop(fs.create(&path("/a/file"), WriteMode::Replace).unwrap());
        assert_eq!(content(&file), "the old content", "what sends nothing changes nothing");
        assert_eq!(upload(&fs, "/a/file", WriteMode::Replace, "new"), Ok(Remains::Overwritten));
        for mode in [WriteMode::Replace, WriteMode::Append] {
            assert_eq!(upload(&fs, "/a/new", mode, "new"), Err(FsError::Refused), "{mode:?}");
        }
        assert_eq!(fs.create_unique(&path("/a"), b"x").err(), Some(FsError::Refused));
        assert_eq!(fs.make_directory(&path("/a/new")), Err(FsError::Refused));
        assert_eq!(fs.remove_file(&path("/a/file")), Err(FsError::Refused));
        assert_eq!(fs.rename(&path("/a/file"), &path("/file")), Err(FsError::Refused));
    });
    assert_eq!(content(&file), "new");
    assert_eq!(list(&fs, "/a").len(), 1);
}

/// Gives a file or directory to somebody else. Only root can; whoever runs these tests otherwise has no such files.
fn give_away(at: &Path) -> bool {
    give_to(at, Some(4242))
}

/// The same with the group that it then has; `None`: the one that it has.
pub(super) fn give_to(at: &Path, group: Option<u32>) -> bool {
    match std::os::unix::fs::chown(at, Some(4242), group) {
        Ok(()) => true,
        Err(error) => {
            // In a namespace with one user there is nobody else.
            let is_nobody = error.kind() == std::io::ErrorKind::InvalidInput;
            assert!(is_nobody || !rustix::process::geteuid().is_root(), "{error}");
            false
        }
    }
}

#[test]
fn what_takes_the_place_of_another_groups_file_gives_the_new_one_no_more_than_everybody_has() {
    let (home, fs) = home();
    let replaced = |name: &str, mode: u32| {
        let file = home.path().join(name);
        fs::write(&file, "old").unwrap();
        let is_anothers = give_away(&file);
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let remains = unprivileged(|| upload(&fs, &format!("/{name}"), WriteMode::Replace, "new"));
        assert_eq!((remains, content(&file)), (Ok(Remains::Unchanged), "new".to_owned()));
        (is_anothers, fs::metadata(&file).unwrap().permissions().mode() & 0o777)
    };
    for (name, mode, without_its_group) in [("a", 0o676, 0o666), ("b", 0o662, 0o622), ("c", 0o606, 0o606)] {
        let (is_anothers, now) = replaced(name, mode);
        assert_eq!(now, if is_anothers { without_its_group } else { mode }, "{mode:o}");
    }
}

/// As `/tmp` is: who owns neither the directory nor the file cannot replace it.
#[test]
fn where_nothing_may_take_the_place_of_anothers_file_it_is_overwritten() {
    for (is_sticky, remains) in [(false, Remains::Unchanged), (true, Remains::Overwritten)] {
        let (home, fs) = home();
        let file = home.path().join("file");
        fs::write(&file, "the old content").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(if is_sticky { 0o1777 } else { 0o777 })).unwrap();
        if !(give_away(&file) && give_away(home.path())) {
            return;
        }
        assert_eq!(unprivileged(|| upload(&fs, "/file", WriteMode::Replace, "new")), Ok(remains));
        assert_eq!(content(&file), "new");
        assert_eq!(list(&fs, "/").len(), 1);
        let removed = unprivileged(|| fs.remove_file(&path("/file")));
        assert_eq!(removed, if is_sticky { Err(FsError::Refused) } else { Ok(()) });
    }
}

#[test]
fn a_directory_that_lets_nobody_in_tells_names_and_kinds_alone() {
    let (home, fs) = home();
    let inside = |name: &str| home.path().join("a").join(name);
    fs::create_dir_all(inside("directory")).unwrap();
    fs::write(inside("file"), "content").unwrap();
    symlink("file", inside("link")).unwrap();
    mknodat(CWD, inside("fifo"), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    let _closed = Closed::new(&home, "a", 0o444);
    let mut entries = unprivileged(|| {
        assert_eq!(fs.enter(&path("/a")).err(), Some(FsError::Refused));
        assert!(fs.stat(&path("/a")).unwrap().is_directory());
        list(&fs, "/a")
    });
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    let told = entries.iter().map(|entry| (&*entry.name, entry.metadata.kind, entry.metadata.modified));
    let expected: [(&[u8], _, _); 4] = [
        (b"directory", FileKind::Directory, None),
        (b"fifo", FileKind::Other, None),
        (b"file", FileKind::File, None),
        (b"link", FileKind::Symlink, None),
    ];
    assert!(told.eq(expected), "{entries:?}");
    assert!(entries.iter().all(|entry| entry.metadata.len == 0));
    assert_eq!(entries[3].link.as_deref(), Some(&Link::default()));
}

#[test]
fn a_directory_that_may_not_be_read_is_not_listed_nor_swept() {
    let (home, fs) = home();
    fs::create_dir(home.path().join("a")).unwrap();
    fs::write(home.path().join("a/.ferry-abandoned.part"), "half").unwrap();
    let closed = Closed::new(&home, "a", 0o311);
    unprivileged(|| {
        assert_eq!(fs.list(&path("/a")).err(), Some(FsError::Refused));
        assert_eq!(fs.remove_directory(&path("/a")), Err(FsError::NotEmpty));
        assert!(fs.enter(&path("/a")).is_ok());
    });
    assert!(home.path().join("a/.ferry-abandoned.part").exists());
    closed.set_mode(0o755);
    assert_eq!(fs.remove_directory(&path("/a")), Ok(()));
}

#[test]
fn names_that_are_too_long_for_the_disk_are_refused_as_names() {
    let (home, fs) = home();
    fs::write(home.path().join("file"), "content").unwrap();
    let long = path(&format!("/{}", "n".repeat(256)));
    for mode in MODES {
        assert_eq!(fs.create(&long, mode).err(), Some(FsError::InvalidName), "{mode:?}");
    }
    assert_eq!(fs.open(&long, 0).err(), Some(FsError::InvalidName));
    assert_eq!(fs.stat(&long).err(), Some(FsError::InvalidName));
    assert_eq!(fs.make_directory(&long), Err(FsError::InvalidName));
    assert_eq!(fs.rename(&path("/file"), &long), Err(FsError::InvalidName));
    assert_eq!(fs.resolve(&long, Follow::All), Err(FsError::InvalidName));
    let unique = |prefix: &[u8]| fs.create_unique(&path("/"), prefix).map(|made| made.name).err();
    assert_eq!(unique(&[b'n'; 248]), Some(FsError::InvalidName));
    assert_eq!(unique(b"in/side"), Some(FsError::InvalidName));
    assert_eq!(list(&fs, "/").len(), 1);
    assert_eq!(unique(&[b'n'; 247]), None);
}

#[test]
fn a_name_that_somebody_has_is_not_made_unique_twice() {
    let (_home, fs) = home();
    // After a seed the same names come up.
    let make = || {
        fastrand::seed(7);
        fs.create_unique(&path("/"), b"x.").map(|made| made.name)
    };
    (0..100).for_each(|_| drop(make().unwrap()));
    assert_eq!(list(&fs, "/").len(), 100);
    assert_eq!(make(), Err(FsError::Exists), "a hundred tries are enough");
}

#[test]
fn staged_directories_are_as_missing_as_staged_files() {
    let (home, fs) = home();
    fs::create_dir(home.path().join(".ferry-odd.part")).unwrap();
    fs::write(home.path().join(".ferry-odd.part/file"), "content").unwrap();
    let at = path("/.ferry-odd.part/file");
    assert_eq!(fs.open(&at, 0).err(), Some(FsError::NotFound));
    assert_eq!(fs.stat(&at).err(), Some(FsError::NotFound));
    assert_eq!(fs.remove_file(&at), Err(FsError::NotFound));
    assert_eq!(fs.create(&at, WriteMode::Replace).err(), Some(FsError::NotFound));
    assert_eq!(fs.list(&path("/.ferry-odd.part")).err(), Some(FsError::NotFound));
    assert_eq!(content(home.path().join(".ferry-odd.part/file")), "content");
}

#[test]
fn the_root_has_a_mode_and_what_is_no_file_no_time_to_set() {
    let (home, fs) = home();
    assert_eq!(fs.set_mode(&path("/"), 0o750), Ok(()));
    assert_eq!(fs.stat(&path("/")).unwrap().mode, Some(0o750));
    assert_eq!(fs::metadata(home.path()).unwrap().permissions().mode() & 0o7777, 0o750);
    mknodat(CWD, home.path().join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    assert_eq!(fs.set_modified(&path("/fifo"), UnixTime::EPOCH), Err(FsError::NotRegular));
    assert_eq!(fs.set_modified(&path("/"), UnixTime::EPOCH), Err(FsError::IsADirectory));
}

#[test]
fn a_listing_that_the_system_cannot_go_on_with_says_so() {
    let (home, _) = home();
    fs::write(home.path().join("file"), "no directory").unwrap();
    let root = Arc::new(Root::open(home.path()).unwrap());
    let names = Dir::new(File::open(home.path().join("file")).unwrap()).unwrap();
    let mut listing = LocalListing { root, directory: path("/"), names };
    assert_eq!(listing.next_batch(100), Err(FsError::NotADirectory));
}

#[test]
fn what_is_a_link_no_more_when_it_is_looked_at_is_described_as_nothing() {
    let (home, _) = home();
    fs::write(home.path().join("file"), "a link a moment ago").unwrap();
    let root = Root::open(home.path()).unwrap();
    assert_eq!(root.describe_link(&path("/file")), Link::default());
    assert_eq!(root.describe_link(&path("/gone")), Link::default());
}

#[test]
fn absolute_links_of_a_whole_machine_are_measured_by_its_root() {
    let home = tempfile::tempdir().unwrap();
    let real = home.path().canonicalize().unwrap().join("real");
    fs::create_dir(&real).unwrap();
    symlink(&real, home.path().join("link")).unwrap();
    let fs = LocalFs::open("/").unwrap();
    let link = path(home.path().canonicalize().unwrap().join("link").to_str().unwrap());
    assert_eq!(fs.resolve(&link, Follow::All), Ok(path(real.to_str().unwrap())));
    assert_eq!(fs.real_path(&link), Some(home.path().canonicalize().unwrap().join("link")));
    assert_eq!(fs.real_path(&path("/")), Some(PathBuf::from("/")));
}

/// What the kernel tells a thread of its own process there, it tells whoever the thread acts as.
#[test]
fn the_directories_of_processes_can_be_left_out() {
    let name = fs::read_link("/proc/self").unwrap();
    let own = VirtualPath::root().join(name.as_os_str().as_bytes()).unwrap();
    let status = own.child(b"status").unwrap();
    let all = LocalFs::open("/proc").unwrap();
    assert!(all.open(&status, 0).is_ok() && all.list(&own).is_ok());

    let fs = LocalFs::open("/proc").unwrap().without_processes();
    let mut buffer = [0; 5];
    assert_eq!(fs.open(&path("/version"), 0).unwrap().read(&mut buffer), Ok(5));
    assert_eq!(&buffer, b"Linux");
    assert!(list(&fs, "/").iter().any(|entry| entry.name == own.relative()));
    for at in [&own, &path("/sys")] {
        assert!(fs.stat(at).unwrap().is_directory(), "{at}");
        assert_eq!(fs.list(at).err(), Some(FsError::Refused), "{at}");
        assert_eq!(fs.enter(at).err(), Some(FsError::Refused), "{at}");
    }
    assert_eq!(fs.open(&status, 0).err(), Some(FsError::Refused));
    assert_eq!(fs.stat(&status).err(), Some(FsError::Refused));
    assert_eq!(fs.resolve(&path("/self/status"), Follow::All), Err(FsError::Refused));
    assert_eq!(fs.remove_file(&path("/version")), Err(FsError::Refused));
}

#[test]
fn directories_of_other_file_systems_are_none_of_processes() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("a")).unwrap();
    let fs = LocalFs::open(home.path()).unwrap().without_processes();
    assert_eq!(upload(&fs, "/a/file", WriteMode::Replace, "new"), Ok(Remains::Partial));
    assert_eq!(list(&fs, "/a").len(), 1);
}

#[test]
fn what_is_no_file_is_not_even_opened() {
    use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
    use rustix::io::Errno;

    let (home, fs) = home();
    let fifo = home.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    let watch = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
    add_watch(&watch, &fifo, WatchFlags::OPEN).unwrap();
    let mut buffer = [std::mem::MaybeUninit::uninit(); 1024];
    let mut opened = || Reader::new(&watch, &mut buffer).next().map(|event| event.events().contains(ReadFlags::OPEN));
    assert_eq!(fs.open(&path("/fifo"), 0).err(), Some(FsError::NotRegular));
    for mode in MODES {
        assert_eq!(fs.create(&path("/fifo"), mode).err(), Some(FsError::NotRegular));
    }
    assert_eq!(opened(), Err(Errno::AGAIN));
    drop(File::options().read(true).write(true).open(&fifo).unwrap());
    assert_eq!(opened(), Ok(true));
}

#[test]
fn links_that_lead_to_nothing_in_the_end_are_no_names_to_be_made() {
    let (home, fs) = home();
    symlink("second", home.path().join("first")).unwrap();
    symlink("third", home.path().join("second")).unwrap();
    symlink("missing", home.path().join("third")).unwrap();
    for link in ["/first", "/second", "/third"] {
        assert_eq!(fs.resolve(&path(link), Follow::All), Err(FsError::NotFound), "{link}");
    }
    assert_eq!(fs.resolve(&path("/missing"), Follow::All), Ok(path("/missing")));
}

#[test]
fn only_names_that_are_staged_from_end_to_end_are_hidden() {
    let staged = super::staging::name();
    assert!(super::staging::is_staged(&staged) && super::staging::is_staged(&staged.to_ascii_uppercase()));
    assert!(!super::staging::is_staged(&staged[1..]) && !super::staging::is_staged(&staged[..staged.len() - 1]));
}

/// In a sticky directory of others the system says no more than that it may not be removed.
#[test]
fn a_directory_is_told_to_be_one_where_its_removal_as_a_file_is_forbidden_anyway() {
    let (home, fs) = home();
    let directory = home.path().join("a");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    if give_away(&directory) && give_away(home.path()) {
        assert_eq!(unprivileged(|| fs.remove_file(&path("/a"))), Err(FsError::IsADirectory));
        assert!(directory.is_dir());
    }
}

#[test]
fn what_lies_behind_a_closed_directory_is_refused_in_either_way_and_not_missing() {
    let (home, fs) = home();
    fs::create_dir_all(home.path().join("a/b")).unwrap();
    fs::write(home.path().join("a/b/file"), "content").unwrap();
    let step_by_step = LocalFs::open_without_openat2(home.path()).unwrap();
    let _closed = Closed::new(&home, "a", 0o000);
    for fs in [fs, step_by_step] {
        unprivileged(|| {
            assert_eq!(fs.stat(&path("/a/b/file")).err(), Some(FsError::Refused));
            assert_eq!(fs.stat(&path("/a/b")).err(), Some(FsError::Refused));
        });
    }
}
