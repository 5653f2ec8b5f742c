//! The local back end for systems with `openat`.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ftp_types::{FileKind, FsError, Metadata, UnixTime, VirtualPath, WriteMode};
use rustix::fs::{self as sys, AtFlags, Dir, Mode, OFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;

use super::beneath::{Root, could_be_a_link, kind, link_or_file, stat_name};
use super::errno::Explain;
use super::file::{LocalReader, LocalWriter};
use super::listing::{LocalListing, known_metadata, metadata};
use super::staging;
use crate::{BlockingBackend, BlockingListing, BlockingReader, BlockingWriter, Follow, UniqueFile};

/// A directory of this machine and everything below it.
///
/// The directory is opened once; what happens to its path later does not matter. Every operation opens its way from
/// there without following a link (`openat2` on Linux, component by component elsewhere), so that nobody who swaps
/// directories and links at the same time can lead it out.
///
/// An upload over an existing file is written beside it and takes its place when it is whole, with its mode, on Linux
/// its access control list, and, where the system allows, its owner and group; without its group, the new one gets no
/// more rights than everybody. Hard links to the old file keep the old content. (Where the directory takes no new
/// file, or lets none take the place of the old one, that is overwritten.) New files are written in place and stay
/// when the upload is cut, for a later resume; only one for which there was no space gives back what it took. New
/// files are never writable for everybody; for the rest the umask of the process decides.
pub struct LocalFs {
    root: Arc<Root>,
}

impl LocalFs {
    /// Opens the directory, which may be given by a link.
    ///
    /// # Errors
    /// What the system says when it does not exist, is not a directory or must not be opened.
    pub fn open(directory: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self { root: Arc::new(Root::open(directory.as_ref())?) })
    }

    /// The same without the directories of processes in `/proc` and all other directories there, wherever that is mounted:
    /// they are refused. The kernel lets a thread at what it tells of the thread's own process (open files, layout of the
    /// memory), whoever the thread acts as, so that is not for users who are served under their own ids.
    ///
    /// # Panics
    /// Never: nothing has been opened with it yet.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn without_processes(mut self) -> Self {
        Arc::get_mut(&mut self.root).expect("only listings share the root").has_processes = false;
        self
    }

    /// As if the directory were on something else.
    #[cfg(all(test, target_os = "linux"))]
    pub(super) fn open_on(directory: &Path, medium: super::at_once::Medium) -> io::Result<Self> {
        let mut root = Root::open(directory)?;
        root.cache.medium = medium;
        Ok(Self { root: Arc::new(root) })
    }

    #[cfg(all(test, any(target_os = "linux", target_os = "android")))]
    pub(super) fn open_without_openat2(directory: &Path) -> io::Result<Self> {
        Ok(Self { root: Arc::new(Root::open(directory)?.without_openat2()) })
    }
}

impl Root {
    /// The attributes of what is at the path; a link is not followed.
    pub(super) fn stat(&self, path: &VirtualPath) -> Result<Stat, FsError> {
        if path.is_root() {
            return sys::fstat(self.directory(path)?).explain("asking for attributes", path);
        }
        let (directory, name) = self.parent(path)?;
        stat_name(directory.as_fd(), name).explain("asking for attributes", path)
    }
}

impl BlockingBackend for LocalFs {
    fn resolve(&self, path: &VirtualPath, follow: Follow) -> Result<VirtualPath, FsError> {
        self.root.resolve(path, follow)
    }

    fn stat(&self, path: &VirtualPath) -> Result<Metadata, FsError> {
        Ok(metadata(&self.root.stat(path)?))
    }

    fn try_stat(&self, path: &VirtualPath) -> Option<Metadata> {
        known_metadata(&self.root.try_stat(path)?)
    }

    fn enter(&self, path: &VirtualPath) -> Result<Metadata, FsError> {
        let stat = self.root.stat(path)?;
        if kind(&stat) == FileKind::Directory {
            // To look for itself in a directory takes the same right as to enter it.
            stat_name(self.root.directory(path)?.as_fd(), b".").explain("entering a directory", path)?;
        }
        Ok(metadata(&stat))
    }

    fn try_enter(&self, path: &VirtualPath) -> Option<Metadata> {
        known_metadata(&self.root.try_enter(path)?)
    }

    fn list(&self, path: &VirtualPath) -> Result<Box<dyn BlockingListing>, FsError> {
        let (directory, name) = match self.root.parent(path) {
            Err(FsError::IsRoot) => (self.root.directory(path)?, &b"."[..]),
            parent => parent?,
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = match sys::openat(&directory, name, flags, Mode::empty()) {
            Err(errno) if could_be_a_link(errno) => Err(link_or_file(directory.as_fd(), name)),
            opened => opened.explain("opening a directory", path),
        }?;
        self.root.check_passage(&opened, path)?;
        let names = Dir::new(opened).explain("opening a directory", path)?;
        Ok(Box::new(LocalListing { root: Arc::clone(&self.root), directory: path.clone(), names }))
    }

    fn try_list(&self, path: &VirtualPath) -> Option<Box<dyn BlockingListing>> {
        let names = Dir::new(self.root.try_directory(path)?).ok()?;
        Some(Box::new(LocalListing { root: Arc::clone(&self.root), directory: path.clone(), names }))
    }

    fn open(&self, path: &VirtualPath, offset: u64) -> Result<Box<dyn BlockingReader>, FsError> {
        Ok(Box::new(LocalReader::open(&self.root, path, offset)?))
    }

    fn try_open(&self, path: &VirtualPath, offset: u64) -> Option<Box<dyn BlockingReader>> {
        Some(Box::new(self.root.try_open(path, offset)?))
    }

    fn create(&self, path: &VirtualPath, mode: WriteMode) -> Result<Box<dyn BlockingWriter>, FsError> {
        staging::can_be_made(path)?;
        Ok(Box::new(LocalWriter::open(&self.root, path, mode)?))
    }

    fn try_create(&self, path: &VirtualPath, mode: WriteMode) -> Option<Box<dyn BlockingWriter>> {
        Some(Box::new(LocalWriter::try_open(&self.root, path, mode)?))
    }

    fn create_unique(
        &self,
        directory: &VirtualPath,
        prefix: &[u8],
    ) -> Result<UniqueFile<Box<dyn BlockingWriter>>, FsError> {
        let opened = self.root.directory(directory)?;
        for _ in 0..100 {
            let name = [prefix, &staging::random_letters(8)].concat();
            let path = directory.child(&name).map_err(|_| FsError::InvalidName)?;
            staging::can_be_made(&path)?;
            match LocalWriter::make(opened.as_fd(), &name, &path) {
                Ok(writer) => return Ok(UniqueFile { name, writer: Box::new(writer) }),
                Err(FsError::Exists) => {}
                Err(error) => return Err(error),
            }
        }
        Err(FsError::Exists)
    }

    fn make_directory(&self, path: &VirtualPath) -> Result<(), FsError> {
        staging::can_be_made(path)?;
        let (directory, name) = match self.root.parent(path) {
            Err(FsError::IsRoot) => return Err(FsError::Exists),
            parent => parent?,
        };
        sys::mkdirat(directory, name, Mode::from_raw_mode(0o775)).explain("making a directory", path)
    }

    fn remove_directory(&self, path: &VirtualPath) -> Result<(), FsError> {
        let (directory, name) = self.root.parent(path)?;
        let remove = || sys::unlinkat(&directory, name, AtFlags::REMOVEDIR);
        let removed = match remove() {
            Err(Errno::NOTEMPTY | Errno::EXIST) if staging::sweep(directory.as_fd(), name) => remove(),
            Err(Errno::EXIST) => Err(Errno::NOTEMPTY),
            removed => removed,
        };
        removed.explain("removing a directory", path)
    }

    fn remove_file(&self, path: &VirtualPath) -> Result<(), FsError> {
        let (directory, name) = self.root.parent(path)?;
        let is_directory = || stat_name(directory.as_fd(), name).is_ok_and(|stat| kind(&stat) == FileKind::Directory);
        match sys::unlinkat(&directory, name, AtFlags::empty()) {
            // What POSIX says, and some systems do.
            Err(Errno::PERM) if is_directory() => Err(FsError::IsADirectory),
            removed => removed.explain("removing a file", path),
        }
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<(), FsError> {
        staging::can_be_made(to)?;
        let (source, old) = self.root.parent(from)?;
        let (destination, new) = self.root.parent(to)?;
        sys::renameat(source, old, destination, new).explain("renaming", from)
    }

    fn set_mode(&self, path: &VirtualPath, mode: u32) -> Result<(), FsError> {
        let mode = Mode::from_raw_mode((mode & 0o777) as sys::RawMode);
        let (directory, name) = match self.root.parent(path) {
            Err(FsError::IsRoot) => (self.root.directory(path)?, &b"."[..]),
            parent => parent?,
        };
        change_mode(&directory, name, mode, path)
    }

    fn set_modified(&self, path: &VirtualPath, time: UnixTime) -> Result<(), FsError> {
        let (directory, name) = self.root.parent(path).map_err(super::file::root_is_a_directory)?;
        let stat = stat_name(directory.as_fd(), name).explain("asking for attributes", path)?;
        match kind(&stat) {
            FileKind::File => {}
            FileKind::Directory => return Err(FsError::IsADirectory),
            FileKind::Symlink => return Err(FsError::IsLink),
            FileKind::Other => return Err(FsError::NotRegular),
        }
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: sys::UTIME_OMIT },
            last_modification: Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds.into() },
        };
        sys::utimensat(directory, name, &times, AtFlags::SYMLINK_NOFOLLOW).explain("setting the time", path)
    }

    fn real_path(&self, path: &VirtualPath) -> Option<PathBuf> {
        Some(self.root.real_path(path))
    }
}

/// Linux offers no `fchmodat` that spares links, but a descriptor that is good for nothing else: what it stands for is
/// looked at, and then changed by the name that the process has for it.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn change_mode(directory: impl AsFd, name: &[u8], mode: Mode, path: &VirtualPath) -> Result<(), FsError> {
    use std::os::fd::AsRawFd;

    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = sys::openat(directory, name, flags, Mode::empty()).explain("opening a file", path)?;
    let stat = sys::fstat(&file).explain("asking for attributes", path)?;
    match kind(&stat) {
        FileKind::File | FileKind::Directory => {}
        FileKind::Symlink => return Err(FsError::IsLink),
        FileKind::Other => return Err(FsError::NotRegular),
    }
    let name = format!("/proc/self/fd/{}", file.as_raw_fd());
    match sys::chmodat(sys::CWD, name, mode, AtFlags::empty()) {
        Err(Errno::NOENT) => Err(FsError::Unsupported),
        changed => changed.explain("changing the mode", path),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn change_mode(directory: impl AsFd, name: &[u8], mode: Mode, path: &VirtualPath) -> Result<(), FsError> {
    match kind(&stat_name(directory.as_fd(), name).explain("asking for attributes", path)?) {
        FileKind::File | FileKind::Directory => {}
        FileKind::Symlink => return Err(FsError::IsLink),
        FileKind::Other => return Err(FsError::NotRegular),
    }
    sys::chmodat(directory, name, mode, AtFlags::SYMLINK_NOFOLLOW).explain("changing the mode", path)
}
