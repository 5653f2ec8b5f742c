//! Opening directories beneath a root without ever following a link.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf, absolute};
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::sync::atomic::{AtomicBool, Ordering};

use ftp_types::{FileKind, FsError, VirtualPath};
#[cfg(any(target_os = "linux", target_os = "android"))]
use rustix::fs::ResolveFlags;
use rustix::fs::{self as sys, AtFlags, CWD, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::at_once::Cache;
use super::errno::Explain;
use super::staging;

/// A directory that nothing leads out of.
pub(super) struct Root {
    pub(super) directory: OwnedFd,
    /// Where it is on this machine: as it was named, and with all links resolved. Absolute links are measured by them.
    known_as: [VirtualPath; 2],
    /// Whether the directories of processes are there; see [`LocalFs::without_processes`](super::LocalFs).
    #[cfg(target_os = "linux")]
    pub(super) has_processes: bool,
    pub(super) cache: Cache,
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) has_openat2: AtomicBool,
}

/// For directories that are only passed through: no right to read them is needed where the system allows that.
#[cfg(any(target_os = "linux", target_os = "android"))]
const PASSAGE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const PASSAGE: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Nothing leads out, and nothing but names leads on.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) const CONFINED: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

impl Root {
    /// Opens the directory, which may itself be a link.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let directory = sys::openat(CWD, path, PASSAGE, Mode::empty())?;
        Ok(Self {
            cache: Cache::of(&directory),
            directory,
            known_as: [as_virtual(&absolute(path)?)?, as_virtual(&path.canonicalize()?)?],
            #[cfg(target_os = "linux")]
            has_processes: true,
            #[cfg(any(target_os = "linux", target_os = "android"))]
            has_openat2: AtomicBool::new(true),
        })
    }

    /// Where an absolute path of this machine lies in the tree, as bytes relative to the root; `None` outside.
    pub(super) fn inside<'p>(&self, target: &'p [u8]) -> Option<&'p [u8]> {
        self.known_as.iter().find_map(|root| {
            let rest = target.strip_prefix(root.as_bytes())?;
            (root.is_root() || rest.is_empty() || rest.first() == Some(&b'/')).then_some(rest)
        })
    }

    /// Where the path lies on this machine.
    pub(super) fn real_path(&self, path: &VirtualPath) -> PathBuf {
        let [_, resolved] = &self.known_as;
        let root = Path::new(OsStr::from_bytes(resolved.as_bytes()));
        if path.is_root() { root.to_owned() } else { root.join(OsStr::from_bytes(path.relative())) }
    }

    /// Opens a directory to pass through it.
    pub(super) fn directory(&self, path: &VirtualPath) -> Result<OwnedFd, FsError> {
        let directory = self.any_directory(path)?;
        self.check_passage(&directory, path)?;
        Ok(directory)
    }

    /// Refuses the directories of processes, if there are to be none.
    #[cfg(target_os = "linux")]
    pub(super) fn check_passage(&self, directory: impl AsFd, path: &VirtualPath) -> Result<(), FsError> {
        // The number that the root of every procfs has.
        const PROC_ROOT: u64 = 1;
        let is_of_processes = || -> Result<bool, Errno> {
            let system = sys::fstatfs(&directory)?;
            Ok(system.f_type == sys::PROC_SUPER_MAGIC && sys::fstat(&directory)?.st_ino != PROC_ROOT)
        };
        let refused = !self.has_processes && is_of_processes().explain("asking for the file system", path)?;
        if refused { Err(FsError::Refused) } else { Ok(()) }
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn check_passage(&self, _: impl AsFd, _: &VirtualPath) -> Result<(), FsError> {
        Ok(())
    }

    fn any_directory(&self, path: &VirtualPath) -> Result<OwnedFd, FsError> {
        if path.components().any(staging::is_staged) {
            return Err(FsError::NotFound);
        }
        let relative = if path.is_root() { b"." } else { path.relative() };
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(opened) = self.directory_at_once(relative) {
            return opened.explain("opening a directory", path);
        }
        let mut directory =
            sys::openat(&self.directory, ".", PASSAGE, Mode::empty()).explain("opening the root", path)?;
        for name in path.components() {
            directory = step(directory.as_fd(), name, path)?;
        }
        Ok(directory)
    }

    /// Opens the directory that holds the last component, and tells that component.
    ///
    /// # Errors
    /// [`FsError::IsRoot`] for the root, which is in no directory.
    pub(super) fn parent<'p>(&self, path: &'p VirtualPath) -> Result<(OwnedFd, &'p [u8]), FsError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(FsError::IsRoot) };
        if staging::is_staged(name) {
            return Err(FsError::NotFound);
        }
        Ok((self.directory(&parent)?, name))
    }

    /// One system call for all components, where there is one: `None` when the kernel or a sandbox does not offer it.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn directory_at_once(&self, relative: &[u8]) -> Option<Result<OwnedFd, Errno>> {
        if !self.has_openat2.load(Ordering::Relaxed) {
            return None;
        }
        // EAGAIN: something was renamed meanwhile and the kernel cannot vouch for the result.
        let opened = (0..8)
            .map(|_| sys::openat2(&self.directory, relative, PASSAGE, Mode::empty(), CONFINED))
            .find(|opened| !matches!(opened, Err(Errno::AGAIN)))
            .unwrap_or(Err(Errno::AGAIN));
        if matches!(opened, Err(Errno::NOSYS | Errno::PERM)) {
            self.has_openat2.store(false, Ordering::Relaxed);
            return None;
        }
        Some(opened)
    }

    /// Makes do without `openat2` from now on.
    #[cfg(all(test, any(target_os = "linux", target_os = "android")))]
    pub(super) fn without_openat2(self) -> Self {
        self.has_openat2.store(false, Ordering::Relaxed);
        self
    }
}

fn step(directory: BorrowedFd<'_>, name: &[u8], path: &VirtualPath) -> Result<OwnedFd, FsError> {
    match sys::openat(directory, name, PASSAGE | OFlags::NOFOLLOW, Mode::empty()) {
        Err(errno) if could_be_a_link(errno) => Err(link_or_file(directory, name)),
        opened => opened.explain("opening a directory", path),
    }
}

/// Systems differ in what they say of a link where a directory is wanted and no link is to be followed.
pub(super) const fn could_be_a_link(errno: Errno) -> bool {
    matches!(errno, Errno::LOOP | Errno::NOTDIR | Errno::MLINK)
}

/// What it was when no directory could be opened: a link, unless it is clearly something else. If it is a directory now,
/// somebody has swapped it meanwhile, and the caller should try again as for a link.
pub(super) fn link_or_file(directory: BorrowedFd<'_>, name: &[u8]) -> FsError {
    match stat_name(directory, name).map(|stat| kind(&stat)) {
        Ok(FileKind::File | FileKind::Other) => FsError::NotADirectory,
        Ok(FileKind::Symlink | FileKind::Directory) => FsError::IsLink,
        Err(_) => FsError::NotFound,
    }
}

pub(super) fn stat_name(directory: BorrowedFd<'_>, name: &[u8]) -> Result<Stat, Errno> {
    sys::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
}

pub(super) fn kind(stat: &Stat) -> FileKind {
    match sys::FileType::from_raw_mode(stat.st_mode) {
        sys::FileType::RegularFile => FileKind::File,
        sys::FileType::Directory => FileKind::Directory,
        sys::FileType::Symlink => FileKind::Symlink,
        _ => FileKind::Other,
    }
}

fn as_virtual(path: &Path) -> io::Result<VirtualPath> {
    VirtualPath::parse(path.as_os_str().as_bytes()).map_err(io::Error::other)
}
