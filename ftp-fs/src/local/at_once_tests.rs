//! What is done at once, what is not, and that it is the same in the end.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use ftp_types::{FileKind, FsError, Metadata, VirtualPath, WriteMode};
use futures_lite::future::block_on;
use rustix::fs::{Advice, CWD, FileType, Mode, OFlags, ResolveFlags, fadvise, inotify, mknodat, openat2};
use rustix::io::Errno;
use tempfile::TempDir;

use super::at_once::{AccessTimes, Medium};
use super::eager::{Eager, Hops};
use super::failure_tests::unprivileged;
use crate::{Backend, BlockingBackend, BlockingReader, LocalFs, Offload, Reader, Remains, conformance};

const DISK: Medium = Medium::Disk(AccessTimes::Never);

fn path(text: &str) -> VirtualPath {
    VirtualPath::try_from(text).unwrap()
}

/// A tree with a file, whose owner's name is known, and which the kernel remembers.
struct Place {
    home: TempDir,
    medium: Medium,
    hops: Hops,
    fs: Offload<LocalFs, Hops>,
}

impl Place {
    fn on(medium: Medium) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("a")).unwrap();
        fs::write(home.path().join("a/file"), "content").unwrap();
        let hops = Hops::default();
        let fs = LocalFs::open_on(home.path(), medium).unwrap();
        fs.stat(&path("/a/file")).unwrap();
        Self { home, medium, fs: Offload::new(Arc::new(fs), hops.clone()), hops }
    }

    /// Whether the work takes no hop. The kernel may forget what it knows, or be busy with it, at any time, but not
    /// forever.
    fn at_once(&self, work: impl Fn(&Offload<LocalFs, Hops>)) -> bool {
        (0..1000).any(|_| {
            self.hops.take();
            work(&self.fs);
            self.hops.take() == 0
        })
    }

    fn open(&self) -> Box<dyn Reader> {
        block_on(self.fs.open(&path("/a/file"), 0)).unwrap()
    }

    /// The same file for those who may wait.
    fn reader(&self) -> Box<dyn BlockingReader> {
        LocalFs::open_on(self.home.path(), self.medium).unwrap().open(&path("/a/file"), 0).unwrap()
    }
}

/// Asks the kernel.
fn knows_cached() -> bool {
    let looked = openat2(CWD, "/", OFlags::PATH, Mode::empty(), ResolveFlags::CACHED);
    let knows = !matches!(looked, Err(Errno::INVAL | Errno::NOSYS | Errno::PERM));
    if !knows {
        println!("this kernel has no RESOLVE_CACHED");
    }
    knows
}

#[test]
fn what_is_done_at_once_conforms() {
    for medium in [Medium::Memory, DISK, Medium::Disk(AccessTimes::Relative)] {
        let parent = tempfile::tempdir().unwrap();
        let mut count = 0;
        conformance::run(|| {
            count += 1;
            let home = parent.path().join(count.to_string());
            fs::create_dir(&home).unwrap();
            Eager::on(medium, &home)
        });
    }
}

#[test]
fn what_is_known_is_told_and_opened_at_once() {
    for medium in [Medium::Memory, DISK] {
        let place = Place::on(medium);
        if !knows_cached() {
            continue;
        }
        assert!(place.at_once(|fs| assert!(block_on(fs.stat(&VirtualPath::root())).unwrap().is_directory())));
        assert!(place.at_once(|fs| assert!(block_on(fs.enter(&path("/a"))).unwrap().is_directory())));
        assert!(place.at_once(|fs| assert_eq!(block_on(fs.enter(&path("/a/file"))).unwrap().len, 7)));
        let lists = place.at_once(|fs| drop(block_on(fs.list(&path("/a"))).unwrap()));
        assert_eq!(lists, medium == Medium::Memory, "{medium:?}");
        let offset = place.at_once(|fs| {
            let reader = block_on(fs.open(&path("/a/file"), 3)).unwrap();
            assert_eq!(reader.opened_len(), Some(7));
        });
        assert!(offset);
    }
}

#[test]
fn what_is_told_at_once_is_the_same_as_after_a_wait() {
    let place = Place::on(DISK);
    let fs = LocalFs::open_on(place.home.path(), DISK).unwrap();
    let told = fs.stat(&path("/a/file")).unwrap();
    let at_once =
        |ask: fn(&LocalFs, &VirtualPath) -> Option<Metadata>| (0..1000).find_map(|_| ask(&fs, &path("/a/file")));
    if knows_cached() {
        assert_eq!(at_once(LocalFs::try_stat).as_ref(), Some(&told));
        assert_eq!(at_once(LocalFs::try_enter).as_ref(), Some(&told));
    }
}

#[test]
fn what_is_missing_says_nothing_of_what_is_there() {
    let place = Place::on(DISK);
    assert_eq!(block_on(place.fs.stat(&path("/missing"))), Err(FsError::NotFound));
    assert_eq!(place.hops.take(), 1, "errors are told by who may wait");
    assert!(!knows_cached() || place.at_once(|fs| drop(block_on(fs.stat(&path("/a/file"))).unwrap())));
}

#[test]
fn a_small_file_in_memory_goes_down_without_a_hop() {
    let place = Place::on(Medium::Memory);
    let down = |fs: &Offload<LocalFs, Hops>| {
        let mut reader = block_on(fs.open(&path("/a/file"), 0)).unwrap();
        let (buffer, count) = block_on(reader.read(vec![0; 8]));
        assert_eq!((&buffer[..7], count), (&b"content"[..], Ok(7)));
        assert_eq!(block_on(reader.read(buffer)).1, Ok(0));
    };
    assert!(!knows_cached() || place.at_once(down));
}

#[test]
fn a_small_file_goes_up_into_memory_without_a_hop() {
    let place = Place::on(Medium::Memory);
    let up = |fs: &Offload<LocalFs, Hops>| {
        let mut writer = block_on(fs.create(&path("/a/new"), WriteMode::Replace)).unwrap();
        assert_eq!(writer.remains(), Remains::Partial);
        assert_eq!(block_on(writer.write_all(b"what is new".to_vec())), (b"what is new".to_vec(), Ok(())));
        assert_eq!(block_on(writer.finish()).unwrap().len, 11);
        fs::remove_file(place.home.path().join("a/new")).unwrap();
    };
    assert!(!knows_cached() || place.at_once(up));
    let at_a_time = |fs: &Offload<LocalFs, Hops>| {
        let writer = block_on(fs.create(&path("/a/new"), WriteMode::Replace)).unwrap();
        assert_eq!(block_on(writer.finish_with(b"what is new".to_vec())).unwrap().len, 11);
        assert_eq!(fs::read(place.home.path().join("a/new")).unwrap(), b"what is new");
        fs::remove_file(place.home.path().join("a/new")).unwrap();
    };
    assert!(!knows_cached() || place.at_once(at_a_time));
    let unfinished = |fs: &Offload<LocalFs, Hops>| {
        drop(block_on(fs.create(&path("/a/new"), WriteMode::Replace)).unwrap());
        fs::remove_file(place.home.path().join("a/new")).unwrap();
    };
    assert!(!knows_cached() || place.at_once(unfinished));
}

/// A new file on a disk takes a place in the journal, and what others have written may be long.
#[test]
fn uploads_to_a_disk_or_over_a_file_are_not_done_at_once() {
    for (medium, name, mode) in [
        (DISK, "/a/new", WriteMode::Replace),
        (Medium::Memory, "/a/file", WriteMode::Replace),
        (Medium::Memory, "/a/file", WriteMode::From(3)),
        (Medium::Memory, "/a/file", WriteMode::Append),
        (Medium::Memory, "/.ferry-x.part/new", WriteMode::Replace),
    ] {
        let place = Place::on(medium);
        fs::create_dir(place.home.path().join(".ferry-x.part")).unwrap();
        let made = block_on(place.fs.create(&path(name), mode));
        assert_eq!(place.hops.take(), 1, "{name} {mode:?}");
        let Ok(mut writer) = made else {
            assert!(name.contains("part"));
            continue;
        };
        assert_eq!(block_on(writer.write_all(b"new".to_vec())).1, Ok(()));
        assert!(block_on(writer.finish()).is_ok());
        assert_eq!(place.hops.take(), 2, "{name} {mode:?}");
    }
}

#[test]
fn of_other_file_systems_nothing_is_done_at_once() {
    let place = Place::on(Medium::Other);
    block_on(place.fs.stat(&path("/a/file"))).unwrap();
    block_on(place.fs.enter(&path("/a"))).unwrap();
    drop(block_on(place.fs.list(&path("/a"))).unwrap());
    assert_eq!(place.hops.take(), 4);
    let mut reader = place.open();
    assert_eq!(block_on(reader.read(vec![0; 8])).1, Ok(7));
    drop(reader);
    drop(block_on(place.fs.create(&path("/a/new"), WriteMode::Replace)).unwrap());
    assert_eq!(place.hops.take(), 5);
}

#[test]
fn what_is_mounted_below_is_not_asked_at_once() {
    let fs = LocalFs::open_on(Path::new("/"), DISK).unwrap();
    fs.stat(&VirtualPath::root()).unwrap();
    let device = |at: &str| fs::metadata(at).map_or(0, |found| found.dev());
    let mounted =
        ["/dev", "/dev/shm", "/proc", "/sys"].into_iter().filter(|at| ![0, device("/")].contains(&device(at)));
    for at in mounted {
        assert_eq!(fs.try_stat(&path(at)), None, "{at}");
        let (name, in_memory) = (format!("{at}/ferry-test-{}", process::id()), Medium::Memory);
        let made = LocalFs::open_on(Path::new("/"), in_memory).unwrap().try_create(&path(&name), WriteMode::Replace);
        let _ = fs::remove_file(&name);
        assert!(made.is_none(), "{at}");
    }
    for _ in 0..10 {
        assert!(fs.stat(&path("/proc/uptime")).unwrap().is_file());
        assert_eq!(fs.try_stat(&path("/proc/uptime")), None);
        assert!(fs.try_open(&path("/proc/uptime"), 0).is_none());
        let mut reader = fs.open(&path("/proc/uptime"), 0).unwrap();
        assert_eq!((reader.try_read(&mut [0; 8]), reader.closes_at_once()), (None, false));
    }
}

#[test]
fn what_is_removed_while_it_is_open_is_not_closed_at_once() {
    let place = Place::on(DISK);
    let (reader, listing) = (place.open(), block_on(place.fs.list(&path("/a"))).unwrap());
    let again = place.open();
    place.hops.take();
    drop(reader);
    assert_eq!(place.hops.take(), 0);
    fs::remove_dir_all(place.home.path().join("a")).unwrap();
    drop(again);
    drop(listing);
    assert_eq!(place.hops.take(), 2, "their blocks are freed now");

    let place = Place::on(Medium::Memory);
    let writer = block_on(place.fs.create(&path("/a/new"), WriteMode::Replace)).unwrap();
    fs::remove_file(place.home.path().join("a/new")).unwrap();
    place.hops.take();
    drop(writer);
    assert_eq!(place.hops.take(), 1, "it may be long");
}

#[test]
fn long_pieces_are_not_copied_at_once() {
    const LONGEST: usize = 64 * 1024;
    let place = Place::on(Medium::Memory);
    let up = |fs: &Offload<LocalFs, Hops>, len| {
        let mut writer = block_on(fs.create(&path("/long"), WriteMode::Replace)).unwrap();
        assert_eq!(block_on(writer.write_all(vec![0; len])).1, Ok(()));
        drop(writer);
        fs::remove_file(place.home.path().join("long")).unwrap();
    };
    assert!(!knows_cached() || place.at_once(|fs| up(fs, LONGEST)));
    place.hops.take();
    up(&place.fs, LONGEST + 1);
    assert_ne!(place.hops.take(), 0);
    let mut reader = place.open();
    for (len, count, hops) in [(LONGEST, 7, 0), (LONGEST + 1, 0, 1)] {
        place.hops.take();
        assert_eq!(block_on(reader.read(vec![0; len])).1, Ok(count));
        assert_eq!(place.hops.take(), hops, "{len}");
    }
}

#[test]
fn what_is_no_file_and_what_is_hidden_is_not_opened_at_once() {
    let place = Place::on(DISK);
    mknodat(CWD, place.home.path().join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    fs::write(place.home.path().join("a/.ferry-x.part"), "half").unwrap();
    std::os::unix::fs::symlink("a/file", place.home.path().join("link")).unwrap();
    let fs = LocalFs::open_on(place.home.path(), Medium::Memory).unwrap();
    for at in ["/fifo", "/a", "/link", "/a/.ferry-x.part", "/"] {
        assert!(fs.try_open(&path(at), 0).is_none(), "{at}");
    }
    assert!(fs.try_list(&path("/a/file")).is_none() && fs.try_list(&path("/link")).is_none());
    assert_eq!(fs.try_stat(&path("/a/.ferry-x.part")), None);
    assert!(!knows_cached() || fs.try_stat(&path("/link")).unwrap().kind == FileKind::Symlink);
    assert!(fs.try_open(&path("/a/file"), 8).is_none(), "behind its end");
}

#[test]
fn what_is_no_file_is_not_even_touched() {
    let place = Place::on(DISK);
    mknodat(CWD, place.home.path().join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    inotify::add_watch(&watch, place.home.path().join("fifo"), inotify::WatchFlags::OPEN).unwrap();
    let fs = LocalFs::open_on(place.home.path(), DISK).unwrap();
    assert!(fs.try_open(&path("/fifo"), 0).is_none());
    assert!(fs.open(&path("/fifo"), 0).is_err());
    assert_eq!(rustix::io::read(&watch, &mut [0; 1000]), Err(Errno::AGAIN), "nobody who writes to it may notice");
    File::options().read(true).write(true).open(place.home.path().join("fifo")).unwrap();
    assert!(rustix::io::read(&watch, &mut [0; 1000]).is_ok(), "that would be seen");
}

#[test]
fn a_directory_that_lets_nobody_in_is_not_entered_at_once() {
    let place = Place::on(DISK);
    fs::set_permissions(place.home.path().join("a"), fs::Permissions::from_mode(0o644)).unwrap();
    let fs = LocalFs::open_on(place.home.path(), DISK).unwrap();
    unprivileged(|| {
        assert_eq!(fs.try_enter(&path("/a")), None);
        assert_eq!(fs.enter(&path("/a")), Err(FsError::Refused));
    });
    fs::set_permissions(place.home.path().join("a"), fs::Permissions::from_mode(0o755)).unwrap();
}

/// Which takes a place in the journal.
#[test]
fn a_read_that_has_to_be_noted_is_not_done_at_once() {
    let place = Place::on(Medium::Disk(AccessTimes::Always));
    let reads = |place: &Place| place.reader().try_read(&mut [0; 8]);
    assert_eq!(reads(&place), None);
    let place = Place::on(Medium::Disk(AccessTimes::Relative));
    let file = File::options().write(true).open(place.home.path().join("a/file")).unwrap();
    file.set_times(FileTimes::new().set_accessed(UNIX_EPOCH)).unwrap();
    assert_eq!(reads(&place), None);
}

#[test]
fn what_is_not_in_the_page_cache_is_not_read_at_once() {
    let place = Place::on(DISK);
    let file = File::open(place.home.path().join("a/file")).unwrap();
    if !matches!(Medium::of(&file), Medium::Disk(_)) {
        println!("this is no disk");
        return;
    }
    // The system drops a page when it can.
    let is_left = (0..1000).any(|_| {
        file.sync_all().unwrap();
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
        place.reader().try_read(&mut [0; 8]).is_none()
    });
    assert!(is_left);
    assert_eq!(place.reader().read(&mut [0; 8]), Ok(7));
}

#[test]
fn without_openat2_nothing_is_opened_at_once() {
    let place = Place::on(DISK);
    let fs = LocalFs::open_without_openat2(place.home.path()).unwrap();
    assert_eq!(fs.try_stat(&path("/a/file")), None);
    assert!(fs.try_create(&path("/a/new"), WriteMode::Replace).is_none());
    drop(fs.create(&path("/a/new"), WriteMode::Replace).unwrap());
}
