//! Files that take the place of others when they are whole.
//!
//! The new content of an existing file is written beside it under a name of its own, which no client ever sees: such
//! names are not listed, and every operation treats them as missing. The writer holds a lock on the file, so that what
//! a killed server left behind can be told from an upload under way.

use ftp_types::{FsError, VirtualPath};

/// Whether a name is one of those that no client sees. Case does not matter, for the sake of systems where it does not.
pub(super) fn is_staged(name: &[u8]) -> bool {
    let starts = name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
    let rest = name.get(PREFIX.len()..).unwrap_or_default();
    let end = rest.len().checked_sub(SUFFIX.len()).and_then(|at| rest.get(at..));
    starts && end.is_some_and(|end| end.eq_ignore_ascii_case(SUFFIX))
}

/// Clients cannot make files with such names.
pub(super) fn can_be_made(path: &VirtualPath) -> Result<(), FsError> {
    if path.file_name().is_some_and(is_staged) { Err(FsError::InvalidName) } else { Ok(()) }
}

/// A new name of that kind.
pub(super) fn name() -> Vec<u8> {
    [PREFIX, &random_letters(12), SUFFIX].concat()
}

/// Letters and digits to make a name unique.
pub(super) fn random_letters(count: usize) -> Vec<u8> {
    (0..count).map(|_| fastrand::alphanumeric().to_ascii_lowercase() as u8).collect()
}

const PREFIX: &[u8] = b".ferry-";
const SUFFIX: &[u8] = b".part";

#[cfg(unix)]
pub(super) use unix::{Staged, sweep};

#[cfg(unix)]
mod unix {
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

    use rustix::fs::{self as sys, AtFlags, Dir, FlockOperation, Mode, OFlags, Stat};
    use rustix::io::Errno;

    /// A file on its way; removed when dropped.
    pub(in crate::local) struct Staged {
        directory: OwnedFd,
        name: Vec<u8>,
        target: Vec<u8>,
    }

    impl Staged {
        /// Makes the file, with the owner and group (where the system allows), mode and access control list of the one that
        /// it will replace.
        pub(in crate::local) fn new(
            directory: OwnedFd,
            target: &[u8],
            (old, replaced): (BorrowedFd<'_>, &Stat),
        ) -> Result<(Self, OwnedFd), (OwnedFd, Errno)> {
            let name = super::name();
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = match sys::openat(&directory, &*name, flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => file,
                Err(errno) => return Err((directory, errno)),
            };
            let _ = sys::flock(&file, FlockOperation::NonBlockingLockExclusive);
            let (owner, group) = (sys::Uid::from_raw(replaced.st_uid), sys::Gid::from_raw(replaced.st_gid));
            let mut mode = replaced.st_mode & 0o777;
            let same_list = copy_access_list(old, file.as_fd());
            // Users can give files to the groups that they are in, and to nobody else.
            let taken_over = sys::fchown(&file, Some(owner), Some(group)).is_ok();
            let same_group = taken_over || sys::fchown(&file, None, Some(group)).is_ok();
            if !same_group || !same_list {
                mode = without_group(mode);
            }
            let _ = sys::fchmod(&file, Mode::from_raw_mode(mode));
            if !taken_over && is_held(&directory, &file, replaced) {
                let _ = sys::unlinkat(&directory, &*name, AtFlags::empty());
                return Err((directory, Errno::PERM));
            }
            Ok((Self { directory, name, target: target.to_vec() }, file))
        }

        /// Puts the file in its place, in one step.
        pub(in crate::local) fn commit(mut self) -> Result<(), Errno> {
            sys::renameat(&self.directory, &*self.name, &self.directory, &*self.target)?;
            self.name.clear();
            Ok(())
        }
    }

    impl Drop for Staged {
        fn drop(&mut self) {
            if !self.name.is_empty() {
                let _ = sys::unlinkat(&self.directory, &*self.name, AtFlags::empty());
            }
        }
    }

    /// Gives one file the access control list of another, or none if that has none, and tells whether that is so then. Where
    /// there is a list, the mode of the group is the most that it gives to anybody, and not what the group has.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn copy_access_list(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> bool {
        const LIST: &str = "system.posix_acl_access";
        let mut list = [0; 8192];
        match sys::fgetxattr(from, LIST, &mut list) {
            Ok(len) => sys::fsetxattr(to, LIST, &list[..len], sys::XattrFlags::empty()).is_ok(),
            // The directory may have given the new file one.
            Err(Errno::NODATA) => matches!(sys::fremovexattr(to, LIST), Ok(()) | Err(Errno::NODATA)),
            Err(errno) => errno == Errno::OPNOTSUPP,
        }
    }

    /// Lists of other systems are not known here.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const fn copy_access_list(_: BorrowedFd<'_>, _: BorrowedFd<'_>) -> bool {
        true
    }

    /// Whether a file cannot be replaced by the one who made `file`: in a sticky directory, where both are others'.
    fn is_held(directory: &OwnedFd, file: &OwnedFd, replaced: &Stat) -> bool {
        let (Ok(directory), Ok(file)) = (sys::fstat(directory), sys::fstat(file)) else { return false };
        let is_sticky = Mode::from_raw_mode(directory.st_mode).contains(Mode::SVTX);
        is_sticky && ![directory.st_uid, replaced.st_uid].contains(&file.st_uid)
    }

    /// The mode of a file that got into another group, or lost its list: what the old one's had more than everybody is not
    /// for that group.
    const fn without_group(mode: sys::RawMode) -> sys::RawMode {
        let everybodys = (mode & 0o007) << 3;
        mode & (0o707 | everybodys)
    }

    /// Clears a directory in which nothing is but what a killed server left behind. Tells whether it is empty now.
    pub(in crate::local) fn sweep(directory: BorrowedFd<'_>, name: &[u8]) -> bool {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(mut names) = sys::openat(directory, name, flags, Mode::empty()).and_then(Dir::new) else { return false };
        let mut stale = Vec::new();
        while let Some(Ok(found)) = names.read() {
            match found.file_name().to_bytes() {
                b"." | b".." => {}
                name if super::is_staged(name) => stale.push(name.to_vec()),
                _ => return false,
            }
        }
        names.fd().is_ok_and(|opened| stale.iter().all(|name| remove_if_abandoned(opened, name)))
    }

    fn remove_if_abandoned(directory: BorrowedFd<'_>, name: &[u8]) -> bool {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let abandoned = sys::openat(directory, name, flags, Mode::empty())
            .and_then(|file| sys::flock(&file, FlockOperation::NonBlockingLockExclusive));
        abandoned.is_ok() && sys::unlinkat(directory, name, AtFlags::empty()).is_ok()
    }
}
