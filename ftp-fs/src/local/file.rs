//! Open files, for reading and for writing.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ftp_types::{FileKind, FsError, Metadata, VirtualPath, WriteMode};
use rustix::fs::{self as sys, Mode, OFlags, Stat};
use rustix::io::{Errno, retry_on_intr};

use super::at_once::Medium;
use super::beneath::{Root, could_be_a_link, kind, stat_name};
use super::errno::Explain;
use super::listing::{known_metadata, len, metadata};
use super::staging::Staged;
use crate::{BlockingReader, BlockingWriter, Remains};

/// A file being downloaded.
pub(super) struct LocalReader {
    file: File,
    path: VirtualPath,
    /// How long it was when it was opened.
    len: u64,
    medium: Medium,
}

/// A file being uploaded.
pub(super) struct LocalWriter {
    file: File,
    path: VirtualPath,
    /// To cut the file to before anything is written.
    cut: Option<u64>,
    /// What a cut leaves.
    remains: Remains,
    /// Set when the file takes another's place in the end.
    staged: Option<Staged>,
    /// What went wrong: such an upload is never finished.
    failure: Option<FsError>,
    /// Whether it is a new file in memory, that is written without waiting.
    in_memory: bool,
    /// Whether it is whole, and had a name still.
    is_finished: bool,
}

/// Devices and FIFOs block nobody when they are opened in spite of all care.
pub(super) const CAREFUL: OFlags =
    OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);
/// Less the umask of the process. Never writable for everybody, whatever that is.
pub(super) const NEW_FILE: Mode = Mode::from_raw_mode(0o664);

/// For files that do not exist.
pub(super) const MAKE: OFlags = OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(CAREFUL);

impl LocalReader {
    pub(super) fn open(root: &Root, path: &VirtualPath, offset: u64) -> Result<Self, FsError> {
        let (directory, name) = root.parent(path).map_err(root_is_a_directory)?;
        Self::start(root, open_regular(directory.as_fd(), name, OFlags::RDONLY, path)?, path, offset)
    }

    /// Goes to the offset in a file that is open.
    pub(super) fn start(
        root: &Root,
        (mut file, stat): (File, Stat),
        path: &VirtualPath,
        offset: u64,
    ) -> Result<Self, FsError> {
        if offset > len(&stat) {
            return Err(FsError::OffsetPastEnd);
        }
        if offset > 0 {
            file.seek(SeekFrom::Start(offset)).explain("seeking", path)?;
        }
        Ok(Self { file, path: path.clone(), len: len(&stat), medium: root.cache.medium_of(&stat) })
    }
}

impl BlockingReader for LocalReader {
    fn metadata(&mut self) -> Result<Metadata, FsError> {
        Ok(metadata(&sys::fstat(&self.file).explain("asking for attributes", &self.path)?))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FsError> {
        retry_on_intr(|| rustix::io::read(&self.file, &mut *buffer)).explain("reading", &self.path)
    }

    fn opened_len(&self) -> Option<u64> {
        Some(self.len)
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        self.medium.try_read(&self.file, buffer)
    }

    fn closes_at_once(&self) -> bool {
        sys::fstat(&self.file).is_ok_and(|stat| self.medium.closes_at_once(&stat))
    }

    fn as_file(&self) -> Option<&File> {
        Some(&self.file)
    }
}

impl LocalWriter {
    pub(super) fn open(root: &Root, path: &VirtualPath, mode: WriteMode) -> Result<Self, FsError> {
        if mode == WriteMode::Replace
            && let Some(made) = root.make_by_one_call(path)
        {
            return Ok(Self::new(made, path));
        }
        let (directory, name) = root.parent(path).map_err(root_is_a_directory)?;
        match mode {
            WriteMode::Replace => Self::replace(directory, name, path),
            WriteMode::From(offset) => Self::resume(directory.as_fd(), name, path, offset),
            WriteMode::Append => Self::append(directory.as_fd(), name, path),
        }
    }

    /// As [`open`](Self::open) for a file that did not exist, if it lies in memory.
    pub(super) fn try_open(root: &Root, path: &VirtualPath, mode: WriteMode) -> Option<Self> {
        let made = if mode == WriteMode::Replace { root.try_make(path)? } else { return None };
        Some(Self { in_memory: true, ..Self::new(made, path) })
    }

    /// Makes a file that did not exist.
    pub(super) fn make(directory: BorrowedFd<'_>, name: &[u8], path: &VirtualPath) -> Result<Self, FsError> {
        match sys::openat(directory, name, MAKE, NEW_FILE) {
            Ok(file) => Ok(Self::new(file.into(), path)),
            Err(Errno::EXIST) => Err(FsError::Exists),
            Err(errno) => Err(errno).explain("making a file", path),
        }
    }

    fn new(made: File, path: &VirtualPath) -> Self {
        Self { remains: Remains::Partial, ..Self::in_place(made, path, None) }
    }

    fn in_place(file: File, path: &VirtualPath, cut: Option<u64>) -> Self {
        let remains = if cut == Some(0) { Remains::Overwritten } else { Remains::Extended };
        Self {
            file,
            path: path.clone(),
            cut,
            remains,
            staged: None,
            failure: None,
            in_memory: false,
            is_finished: false,
        }
    }

    fn replace(directory: OwnedFd, name: &[u8], path: &VirtualPath) -> Result<Self, FsError> {
        // The file may come and go meanwhile.
        for _ in 0..4 {
            match Self::make(directory.as_fd(), name, path) {
                Err(FsError::Exists) => {}
                result => return result,
            }
            match open_regular(directory.as_fd(), name, OFlags::WRONLY, path) {
                Err(FsError::NotFound) => {}
                Ok((file, stat)) => return Self::stage(directory, name, path, file, &stat),
                Err(error) => return Err(error),
            }
        }
        Err(FsError::Busy)
    }

    /// Where the directory takes no new file, the old one is overwritten; that it could be opened shows that this is
    /// allowed.
    fn stage(directory: OwnedFd, name: &[u8], path: &VirtualPath, old: File, stat: &Stat) -> Result<Self, FsError> {
        match Staged::new(directory, name, (old.as_fd(), stat)) {
            Ok((staged, file)) => {
                let beside = Self::in_place(file.into(), path, None);
                Ok(Self { staged: Some(staged), remains: Remains::Unchanged, ..beside })
            }
            Err((_, Errno::ACCESS | Errno::PERM | Errno::ROFS)) => Ok(Self::in_place(old, path, Some(0))),
            Err((_, errno)) => Err(errno).explain("making a file beside the old one", path),
        }
    }

    fn resume(directory: BorrowedFd<'_>, name: &[u8], path: &VirtualPath, offset: u64) -> Result<Self, FsError> {
        let (mut file, stat) = open_regular(directory, name, OFlags::WRONLY, path)?;
        if offset > len(&stat) {
            return Err(FsError::OffsetPastEnd);
        }
        file.seek(SeekFrom::Start(offset)).explain("seeking", path)?;
        Ok(Self::in_place(file, path, Some(offset)))
    }

    fn append(directory: BorrowedFd<'_>, name: &[u8], path: &VirtualPath) -> Result<Self, FsError> {
        for _ in 0..4 {
            match open_regular(directory, name, OFlags::WRONLY | OFlags::APPEND, path) {
                Err(FsError::NotFound) => {}
                opened => return Ok(Self::in_place(opened?.0, path, None)),
            }
            match Self::make(directory, name, path) {
                Err(FsError::Exists) => {}
                made => return made,
            }
        }
        Err(FsError::Busy)
    }

    fn cut(&mut self) -> Result<(), FsError> {
        match self.cut.take() {
            Some(len) => self.file.set_len(len).explain("cutting a file", &self.path),
            None => Ok(()),
        }
    }

    /// A new file that did not fit gives its space back. (Its name stays: it could be another's by now.)
    fn give_up(&mut self, error: FsError) {
        self.failure = Some(error);
        if self.remains == Remains::Partial && matches!(error, FsError::NoSpace | FsError::QuotaExceeded) {
            let _ = self.file.set_len(0);
        }
    }
}

impl BlockingWriter for LocalWriter {
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        let written = self.cut().and_then(|()| self.file.write_all(bytes).explain("writing", &self.path));
        written.inspect_err(|error| self.give_up(*error))
    }

    fn finish(mut self: Box<Self>) -> Result<Metadata, FsError> {
        self.failure.map_or(Ok(()), Err)?;
        self.cut()?;
        if let Some(staged) = self.staged.take() {
            staged.commit().explain("replacing a file", &self.path)?;
        }
        Ok(metadata(&sys::fstat(&self.file).explain("asking for attributes", &self.path)?))
    }

    fn try_write(&mut self, bytes: &[u8]) -> Option<usize> {
        let is_possible = self.in_memory && self.failure.is_none();
        is_possible.then(|| rustix::io::write(&self.file, bytes).ok())?
    }

    fn try_finish(&mut self) -> Option<Metadata> {
        let is_possible = self.in_memory && self.failure.is_none();
        let stat = is_possible.then(|| sys::fstat(&self.file).ok())??;
        self.is_finished = stat.st_nlink > 0;
        known_metadata(&stat)
    }

    fn closes_at_once(&self) -> bool {
        let has_name = || sys::fstat(&self.file).is_ok_and(|stat| stat.st_nlink > 0);
        self.in_memory && (self.is_finished || has_name())
    }

    fn remains(&self) -> Remains {
        self.remains
    }
}

/// Opens what is a regular file, and tells what it is otherwise. It is looked at first, since to open a device can have
/// effects, and again when it is open, since it can have been swapped.
fn open_regular(
    directory: BorrowedFd<'_>,
    name: &[u8],
    flags: OFlags,
    path: &VirtualPath,
) -> Result<(File, Stat), FsError> {
    regular(&stat_name(directory, name).explain("asking for attributes", path)?)?;
    let file = match sys::openat(directory, name, flags | CAREFUL, Mode::empty()) {
        Err(errno) if could_be_a_link(errno) => Err(FsError::IsLink),
        opened => opened.explain("opening a file", path),
    }?;
    let stat = sys::fstat(&file).explain("asking for attributes", path)?;
    regular(&stat)?;
    Ok((file.into(), stat))
}

fn regular(stat: &Stat) -> Result<(), FsError> {
    match kind(stat) {
        FileKind::File => Ok(()),
        FileKind::Directory => Err(FsError::IsADirectory),
        FileKind::Symlink => Err(FsError::IsLink),
        FileKind::Other => Err(FsError::NotRegular),
    }
}

/// The root has no parent to open it in, and is no file.
pub(super) fn root_is_a_directory(error: FsError) -> FsError {
    if error == FsError::IsRoot { FsError::IsADirectory } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_whose_file_cannot_be_cut_is_never_finished() {
        let unwritable = File::open("/dev/null").unwrap();
        let mut writer = Box::new(LocalWriter::in_place(unwritable, &VirtualPath::root(), Some(0)));
        assert!(writer.write_all(b"").is_err());
        assert!(writer.finish().is_err());
    }

    #[test]
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn an_upload_that_the_disk_has_no_room_for_fails_to_its_end() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut writer = Box::new(LocalWriter::in_place(full, &VirtualPath::root(), None));
        assert_eq!(writer.write_all(b"content"), Err(FsError::NoSpace));
        assert_eq!(writer.finish(), Err(FsError::NoSpace));
    }

    #[test]
    fn an_upload_that_failed_is_not_gone_on_with_at_once_either() {
        let folder = tempfile::tempdir().unwrap();
        let path = VirtualPath::root().child(b"file").unwrap();
        let made = LocalWriter::make(File::open(folder.path()).unwrap().as_fd(), b"file", &path).unwrap();
        let mut writer = LocalWriter { in_memory: true, ..made };
        assert_eq!(writer.try_write(b"content"), Some(7));
        writer.give_up(FsError::Io);
        assert_eq!((writer.try_write(b"more"), writer.try_finish()), (None, None));
        assert_eq!(Box::new(writer).finish(), Err(FsError::Io));
    }

    #[test]
    fn an_upload_that_had_a_name_when_it_was_whole_is_closed_without_another_look() {
        let folder = tempfile::tempdir().unwrap();
        let path = VirtualPath::root().child(b"file").unwrap();
        let remove = || std::fs::remove_file(folder.path().join("file")).unwrap();
        let make = || {
            let made = LocalWriter::make(File::open(folder.path()).unwrap().as_fd(), b"file", &path).unwrap();
            LocalWriter { in_memory: true, ..made }
        };
        let mut removed_later = make();
        removed_later.try_finish();
        remove();
        assert!(removed_later.closes_at_once());
        let mut removed_before = make();
        remove();
        removed_before.try_finish();
        assert!(!removed_before.closes_at_once(), "what it takes is freed now");
    }

    #[test]
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn a_file_in_memory_that_was_removed_is_not_closed_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("file");
        std::fs::write(&place, "content").unwrap();
        let file = File::open(&place).unwrap();
        let reader = LocalReader { file, path: VirtualPath::root(), len: 7, medium: Medium::Memory };
        assert!(reader.closes_at_once());
        std::fs::remove_file(&place).unwrap();
        assert!(!reader.closes_at_once(), "it may have grown, and nobody knows what it takes by now");
    }

    #[test]
    fn only_a_new_file_that_did_not_fit_gives_its_space_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = VirtualPath::root().child(b"file").unwrap();
        let make = || LocalWriter::make(File::open(folder.path()).unwrap().as_fd(), b"file", &path).unwrap();
        let append = || {
            let root = Root::open(folder.path()).unwrap();
            LocalWriter::open(&root, &path, WriteMode::Append).unwrap()
        };
        let left = |mut writer: LocalWriter, error| {
            writer.write_all(b"content").unwrap();
            writer.give_up(error);
            assert_eq!(Box::new(writer).finish(), Err(error));
            std::fs::read(folder.path().join("file")).unwrap().len()
        };
        assert_eq!(left(make(), FsError::NoSpace), 0);
        assert_eq!(left(append(), FsError::NoSpace), 7, "it was there before");
        std::fs::remove_file(folder.path().join("file")).unwrap();
        assert_eq!(left(make(), FsError::Io), 7, "a later upload may go on with it");
        std::fs::remove_file(folder.path().join("file")).unwrap();
        assert_eq!(left(make(), FsError::QuotaExceeded), 0);
    }
}
