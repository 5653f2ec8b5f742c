//! What can be done on a thread that must not wait, since all that it takes is in memory.
//!
//! `openat2` with `RESOLVE_CACHED` opens what it finds by the names that the kernel remembers, and nothing else; that is
//! what `io_uring` takes for an open that does not wait. The names of which file systems that is good for is
//! [`Medium`]'s concern, and that of `RESOLVE_NO_XDEV` that the path stays on the one that was asked for.
//!
//! Nothing here tells errors: what cannot be done so is done again where waiting is allowed.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ftp_types::{FileKind, VirtualPath};
use nix::sys::resource::{UsageWho, getrusage};
use rustix::fs::{self as sys, Dev, Mode, OFlags, ResolveFlags, Stat, StatVfsMountFlags};
use rustix::io::{Errno, ReadWriteFlags};

use super::beneath::{CONFINED, Root, kind};
use super::file::{CAREFUL, LocalReader, MAKE, NEW_FILE};
use super::staging;

/// What the files of a tree are on, as far as somebody who uses them has to wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Medium {
    /// Memory alone: nothing waits, but for pages that were swapped out.
    Memory,
    /// A disk of this machine. Whatever has a name in memory has its attributes there, too, and nobody is asked whether
    /// they are still true.
    Disk(AccessTimes),
    /// Anything else. File systems of networks and of programs ask others even for what they remember, or when a file is
    /// opened; `overlay` does as the one below it, which may be any.
    Other,
}

/// When the file system notes that a file was read, which can take a place in its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccessTimes {
    Always,
    /// After each change, and once a day: `relatime`, as usual.
    Relative,
    Never,
}

impl Medium {
    pub(super) fn of(file: impl AsFd) -> Self {
        match (sys::fstatfs(&file), sys::fstatvfs(&file)) {
            // As wide as a register, and of either sign.
            (Ok(system), Ok(mount)) => Self::with(system.f_type as u32, mount.f_flag),
            _ => Self::Other,
        }
    }

    /// By the number that file systems of a kind have, and how this one is mounted.
    const fn with(kind: u32, mount: StatVfsMountFlags) -> Self {
        const EXT: u32 = 0xEF53;
        const XFS: u32 = 0x5846_5342;
        const BTRFS: u32 = 0x9123_683E;
        const TMPFS: u32 = 0x0102_1994;
        const RAMFS: u32 = 0x8584_58F6;
        match kind {
            TMPFS | RAMFS => Self::Memory,
            EXT | XFS | BTRFS => Self::Disk(AccessTimes::with(mount)),
            _ => Self::Other,
        }
    }

    /// Whether nothing waits when what was only read is closed. The last one who closes a file that was removed frees its
    /// blocks. (Should it be removed at this very moment, they are freed here.)
    pub(super) fn closes_at_once(self, stat: &Stat) -> bool {
        self != Self::Other && stat.st_nlink > 0
    }

    /// Reads on, of what is in the page cache. On a file system that lies in memory that is all there is.
    pub(super) fn try_read(self, file: &File, buffer: &mut [u8]) -> Option<usize> {
        const WHERE_IT_STANDS: u64 = u64::MAX;
        match self {
            Self::Memory => rustix::io::read(file, buffer).ok(),
            Self::Disk(_) => {
                sys::fstat(file).ok().filter(|stat| self.leaves_no_trace(stat))?;
                let mut buffers = [IoSliceMut::new(buffer)];
                rustix::io::preadv2(file, &mut buffers, WHERE_IT_STANDS, ReadWriteFlags::NOWAIT).ok()
            }
            Self::Other => None,
        }
    }

    /// Whether reading the file changes nothing of it.
    fn leaves_no_trace(self, stat: &Stat) -> bool {
        match self {
            Self::Memory | Self::Disk(AccessTimes::Never) => true,
            Self::Disk(AccessTimes::Relative) => is_noted(stat),
            Self::Disk(AccessTimes::Always) | Self::Other => false,
        }
    }
}

impl AccessTimes {
    const fn with(mount: StatVfsMountFlags) -> Self {
        const NEVER: StatVfsMountFlags = StatVfsMountFlags::NOATIME.union(StatVfsMountFlags::RDONLY);
        if mount.intersects(NEVER) {
            Self::Never
        } else if mount.contains(StatVfsMountFlags::RELATIME) {
            Self::Relative
        } else {
            Self::Always
        }
    }
}

/// Whether the file has been read since it was changed, and not long ago, so that `relatime` has nothing to note.
fn is_noted(stat: &Stat) -> bool {
    let read = (stat.st_atime, stat.st_atime_nsec);
    let is_newer = read > (stat.st_mtime, stat.st_mtime_nsec) && read > (stat.st_ctime, stat.st_ctime_nsec);
    let day_ago = SystemTime::now() - NEARLY_A_DAY;
    let day_ago = day_ago.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    is_newer && u64::try_from(read.0).is_ok_and(|read| read > day_ago)
}

/// It is a day for the kernel, whose clock is another.
const NEARLY_A_DAY: Duration = Duration::from_secs(23 * 3600);

/// The medium of a tree, and what is known of the kernel.
pub(super) struct Cache {
    device: Dev,
    pub(super) medium: Medium,
    /// Whether the kernel knows `RESOLVE_CACHED`, as long as it has not said otherwise.
    is_known: AtomicBool,
    opens: Trust,
}

impl Cache {
    pub(super) fn of(directory: impl AsFd) -> Self {
        let device = sys::fstat(&directory).map_or(0, |stat| stat.st_dev);
        let medium = Medium::of(directory);
        Self { device, medium, is_known: AtomicBool::new(true), opens: Trust::default() }
    }

    /// What a file is on that may lie on another file system, somewhere in the tree.
    pub(super) fn medium_of(&self, stat: &Stat) -> Medium {
        if stat.st_dev == self.device { self.medium } else { Medium::Other }
    }
}

/// Whether files open at once, by experience: a program may have asked the kernel (fanotify) to judge each open first, as
/// scanners for viruses do. The kernel tells nobody who waits for what; but that the thread slept, and for how long.
#[derive(Debug, Default)]
struct Trust {
    /// In nanoseconds from the first use in the process.
    lost_until: AtomicU64,
    /// Whether an open has ever taken long, so that it is worth asking whether the thread sleeps.
    is_in_doubt: AtomicBool,
}

impl Trust {
    /// What is in memory opens in microseconds.
    const LONG: Duration = Duration::from_millis(20);
    /// After that files are opened where one may wait.
    const LOST_FOR: Duration = Duration::from_secs(60);

    fn open<T>(&self, thread: &impl Thread, open: impl FnOnce() -> T) -> Option<T> {
        let began = thread.clock();
        if began < Duration::from_nanos(self.lost_until.load(Ordering::Relaxed)) {
            return None;
        }
        let naps = self.is_in_doubt.load(Ordering::Relaxed).then(|| thread.naps());
        let opened = open();
        let ended = thread.clock();
        if ended.saturating_sub(began) > Self::LONG {
            self.is_in_doubt.store(true, Ordering::Relaxed);
            if naps.is_some_and(|naps| thread.naps() > naps) {
                self.lose(ended);
            }
        }
        Some(opened)
    }

    fn lose(&self, now: Duration) {
        tracing::debug!("opening a file took long: somebody seems to judge it");
        let until = u64::try_from((now + Self::LOST_FOR).as_nanos()).unwrap_or(u64::MAX);
        self.lost_until.store(until, Ordering::Relaxed);
    }
}

/// What is asked of the thread that opens.
trait Thread {
    /// Since the first use in the process.
    fn clock(&self) -> Duration;
    /// How often it has slept, because it had to wait. That others had their turn is none of these.
    fn naps(&self) -> i64;
}

/// The one that asks.
struct This;

impl Thread for This {
    fn clock(&self) -> Duration {
        static FIRST: OnceLock<Instant> = OnceLock::new();
        FIRST.get_or_init(Instant::now).elapsed()
    }

    fn naps(&self) -> i64 {
        getrusage(UsageWho::RUSAGE_THREAD).map_or(0, |usage| usage.voluntary_context_switches())
    }
}

impl Root {
    /// Opens what is at the path if all that this takes is in memory.
    fn try_open_any(&self, path: &VirtualPath, flags: OFlags) -> Option<OwnedFd> {
        let may_be_cached = self.cache.medium != Medium::Other && !path.components().any(staging::is_staged);
        let relative = if path.is_root() { b"." } else { path.relative() };
        may_be_cached.then(|| self.open_cached(&self.directory, relative, flags))?
    }

    fn open_cached(&self, directory: impl AsFd, relative: &[u8], flags: OFlags) -> Option<OwnedFd> {
        const CACHED: ResolveFlags = CONFINED.union(ResolveFlags::NO_XDEV).union(ResolveFlags::CACHED);
        if !self.has_openat2.load(Ordering::Relaxed) || !self.cache.is_known.load(Ordering::Relaxed) {
            return None;
        }
        match sys::openat2(directory, relative, flags, Mode::empty(), CACHED) {
            Ok(opened) => Some(opened),
            Err(errno) => {
                // Kernels before 5.12 do not know what is asked of them.
                let unknown = matches!(errno, Errno::INVAL | Errno::NOSYS | Errno::PERM);
                self.cache.is_known.fetch_and(!unknown, Ordering::Relaxed);
                None
            }
        }
    }

    /// As [`stat`](Self::stat).
    pub(super) fn try_stat(&self, path: &VirtualPath) -> Option<Stat> {
        sys::fstat(self.try_open_any(path, LOOK)?).ok()
    }

    /// As [`try_stat`](Self::try_stat), of what can be entered, if it is a directory.
    pub(super) fn try_enter(&self, path: &VirtualPath) -> Option<Stat> {
        let found = self.try_open_any(path, LOOK)?;
        let stat = sys::fstat(&found).ok()?;
        if kind(&stat) == FileKind::Directory {
            self.open_cached(&found, b".", LOOK)?;
        }
        Some(stat)
    }

    /// Opens a directory to read it, if it lies in memory: XFS begins to read it when it is opened.
    pub(super) fn try_directory(&self, path: &VirtualPath) -> Option<OwnedFd> {
        let open = || self.try_open_any(path, OFlags::RDONLY | OFlags::DIRECTORY | CAREFUL);
        if self.cache.medium == Medium::Memory { open() } else { None }
    }

    /// As [`LocalReader::open`]. What is no file is not opened here either.
    pub(super) fn try_open(&self, path: &VirtualPath, offset: u64) -> Option<LocalReader> {
        let is_file = |stat: &Stat| kind(stat) == FileKind::File;
        self.try_stat(path).filter(is_file)?;
        let open = || self.try_open_any(path, OFlags::RDONLY | CAREFUL);
        let file = File::from(self.cache.opens.open(&This, open)??);
        let stat = sys::fstat(&file).ok().filter(is_file)?;
        LocalReader::start(self, (file, stat), path, offset).ok()
    }

    /// Makes a file where nothing is by a single call, if that can be.
    pub(super) fn make_by_one_call(&self, path: &VirtualPath) -> Option<File> {
        self.make(path, CONFINED)
    }

    /// Makes a file where nothing is, if it would lie in memory. (A new name is never in the cache.)
    pub(super) fn try_make(&self, path: &VirtualPath) -> Option<File> {
        let make = || self.make(path, CONFINED | ResolveFlags::NO_XDEV);
        if self.cache.medium == Medium::Memory { self.cache.opens.open(&This, make)? } else { None }
    }

    fn make(&self, path: &VirtualPath, resolve: ResolveFlags) -> Option<File> {
        let may_be_made = self.has_openat2.load(Ordering::Relaxed) && !path.components().any(staging::is_staged);
        let make = || sys::openat2(&self.directory, path.relative(), MAKE, NEW_FILE, resolve).ok();
        may_be_made.then(make)?.map(File::from)
    }
}

/// To look at something without opening it.
const LOOK: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::path::Path;
    use std::sync::mpsc;

    use super::*;

    /// When it was read, changed, and its attributes were, in seconds before now.
    fn stat(read: i64, modified: i64, changed: i64) -> Stat {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let mut stat = sys::stat("/").unwrap();
        (stat.st_atime, stat.st_mtime, stat.st_ctime) = (now - read, now - modified, now - changed);
        (stat.st_atime_nsec, stat.st_mtime_nsec, stat.st_ctime_nsec) = (5, 5, 5);
        stat
    }

    #[test]
    fn the_first_read_after_a_change_and_of_a_day_is_noted() {
        let relative = Medium::Disk(AccessTimes::Relative);
        assert!(relative.leaves_no_trace(&stat(10, 20, 20)));
        for (read, modified, changed) in
            [(10, 10, 20), (10, 20, 10), (10, 5, 20), (10, 20, 5), (86_400, 90_000, 90_000)]
        {
            assert!(!relative.leaves_no_trace(&stat(read, modified, changed)), "{read} {modified} {changed}");
        }
        let mut later = stat(10, 10, 10);
        later.st_atime_nsec = 6;
        assert!(relative.leaves_no_trace(&later));
        assert!(!relative.leaves_no_trace(&stat(
            i64::from(u32::MAX),
            i64::from(u32::MAX) + 1,
            i64::from(u32::MAX) + 1
        )));
    }

    #[test]
    fn a_kernel_that_does_not_know_what_it_is_asked_is_not_asked_again() {
        let mut root = Root::open(Path::new("/")).unwrap();
        root.cache.medium = Medium::Memory;
        root.cache.is_known.store(false, Ordering::Relaxed);
        assert!(root.try_stat(&VirtualPath::root()).is_none());
    }

    #[derive(Default)]
    struct Scripted {
        time: Cell<Duration>,
        naps: Cell<i64>,
    }

    impl Thread for Scripted {
        fn clock(&self) -> Duration {
            self.time.get()
        }

        fn naps(&self) -> i64 {
            self.naps.get()
        }
    }

    impl Scripted {
        fn pass(&self, time: Duration, naps: i64) {
            self.time.set(self.time.get() + time);
            self.naps.set(self.naps.get() + naps);
        }
    }

    #[test]
    fn after_an_open_that_slept_for_long_files_are_opened_elsewhere_for_a_minute() {
        const TOO_LONG: Duration = Duration::from_nanos(Trust::LONG.as_nanos() as u64 + 1);
        let (trust, thread) = (Trust::default(), Scripted::default());
        let open_in = |time, naps| trust.open(&thread, || thread.pass(time, naps)).is_some();
        assert!(open_in(TOO_LONG, 1), "the first raises a doubt");
        assert!(open_in(Trust::LONG, 1) && open_in(TOO_LONG, 0), "a nap, and a busy machine");
        assert!(open_in(TOO_LONG, 1), "nobody knew");
        thread.pass(Trust::LOST_FOR - Duration::from_nanos(1), 0);
        assert!(!open_in(Duration::ZERO, 0));
        thread.pass(Duration::from_nanos(1), 0);
        assert!(open_in(Duration::ZERO, 0) && open_in(Duration::ZERO, 0));
    }

    #[test]
    fn a_thread_knows_that_it_waited_and_for_how_long() {
        const MOMENT: Duration = Duration::from_millis(1);
        let (began, naps) = (This.clock(), This.naps());
        let (_nobody_tells, told) = mpsc::channel::<()>();
        // On a busy machine the moment may be over before the thread gets to wait; not always.
        let has_napped = (0..1000).any(|_| told.recv_timeout(MOMENT).is_err() && This.naps() > naps);
        assert!(has_napped);
        assert!(This.clock() - began >= MOMENT);
    }

    #[test]
    fn other_ways_to_note_reads_do_not_depend_on_the_file() {
        for stat in [stat(10, 20, 20), stat(20, 10, 10)] {
            assert!(Medium::Memory.leaves_no_trace(&stat));
            assert!(Medium::Disk(AccessTimes::Never).leaves_no_trace(&stat));
            assert!(!Medium::Disk(AccessTimes::Always).leaves_no_trace(&stat));
            assert!(!Medium::Other.leaves_no_trace(&stat));
        }
    }

    #[test]
    fn file_systems_are_told_apart() {
        let of = |path: &str| Medium::of(File::open(path).unwrap());
        assert_eq!(of("/proc"), Medium::Other);
        let memory = rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        assert_eq!(Medium::of(memory), Medium::Memory);

        let usual = StatVfsMountFlags::RELATIME;
        let (ext4, xfs, btrfs, nfs, fuse, overlay) =
            (0xEF53, 0x5846_5342, 0x9123_683E, 0x6969, 0x6573_5546, 0x794C_7630);
        for disk in [ext4, xfs, btrfs] {
            assert_eq!(Medium::with(disk, usual), Medium::Disk(AccessTimes::Relative));
        }
        for other in [nfs, fuse, overlay] {
            assert_eq!(Medium::with(other, usual), Medium::Other);
        }
        for memory in [0x0102_1994, 0x8584_58F6] {
            assert_eq!(Medium::with(memory, usual), Medium::Memory);
        }
    }

    #[test]
    fn a_mount_tells_when_reads_are_noted() {
        use StatVfsMountFlags as Flags;

        for (mount, noted) in [
            (Flags::RELATIME, AccessTimes::Relative),
            (Flags::RELATIME | Flags::NODEV, AccessTimes::Relative),
            (Flags::NODEV, AccessTimes::Always),
            (Flags::NOATIME, AccessTimes::Never),
            (Flags::RDONLY | Flags::RELATIME, AccessTimes::Never),
        ] {
            assert_eq!(AccessTimes::with(mount), noted, "{mount:?}");
        }
    }
}
