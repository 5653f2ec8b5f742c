//! The local back end for systems without `openat`: Windows.
//!
//! It has no open way of its own but goes from directory to directory through `cap-std`, which never leaves the root
//! and, told so, follows no link. Links and other reparse points are shown and can be removed; nothing is reached
//! through them.

#![cfg_attr(all(unix, test), expect(unreachable_pub, reason = "it is public where it is the local back end"))]

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_fs_ext::{DirExt, FollowSymlinks, OpenOptionsFollowExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirEntry, Metadata as Attributes, OpenOptions, ReadDir};
use ftp_types::{Entry, FileKind, FsError, Metadata, UnixTime, VirtualPath, WriteMode};

use super::{staging, windows_names};
use crate::{BlockingBackend, BlockingListing, BlockingReader, BlockingWriter, Follow, Remains, UniqueFile};

/// A directory of this machine and everything below it.
///
/// An upload over an existing file is written beside it and takes its place when it is whole. New files are written in
/// place and stay when the upload is cut, for a later resume.
pub struct PortableFs {
    root: Dir,
    /// Where it is on this machine.
    known_as: PathBuf,
}

impl PortableFs {
    /// Opens the directory.
    ///
    /// # Errors
    /// What the system says when it does not exist, is not a directory or must not be opened.
    pub fn open(directory: impl AsRef<Path>) -> io::Result<Self> {
        let known_as = directory.as_ref().canonicalize()?;
        Ok(Self { root: Dir::open_ambient_dir(directory, ambient_authority())?, known_as })
    }

    fn directory(&self, path: &VirtualPath) -> Result<Dir, FsError> {
        let root = self.root.try_clone().map_err(meaning)?;
        path.components().try_fold(root, |directory, name| {
            let name = usable(name)?;
            directory.open_dir_nofollow(name).map_err(|error| match kind_of(&directory, name) {
                Ok(FileKind::Symlink) => FsError::IsLink,
                Ok(FileKind::Directory) | Err(_) => meaning(error),
                Ok(_) => FsError::NotADirectory,
            })
        })
    }

    /// Opens the directory that holds the last component, and tells that component.
    fn parent<'p>(&self, path: &'p VirtualPath) -> Result<(Dir, &'p str), FsError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(FsError::IsRoot) };
        Ok((self.directory(&parent)?, usable(name)?))
    }

    /// The same for something that is to be a file.
    fn parent_of_file<'p>(&self, path: &'p VirtualPath) -> Result<(Dir, &'p str), FsError> {
        self.parent(path).map_err(|error| if error == FsError::IsRoot { FsError::IsADirectory } else { error })
    }
}

/// The name as this system knows it.
fn usable(name: &[u8]) -> Result<&str, FsError> {
    if staging::is_staged(name) {
        return Err(FsError::NotFound);
    }
    let name = str::from_utf8(name).map_err(|_| FsError::InvalidName)?;
    if cfg!(windows) && !windows_names::is_usable(name) { Err(FsError::InvalidName) } else { Ok(name) }
}

fn kind_of(directory: &Dir, name: &str) -> Result<FileKind, FsError> {
    directory.symlink_metadata(name).map(|attributes| kind(&attributes)).map_err(meaning)
}

fn regular(kind: FileKind) -> Result<(), FsError> {
    match kind {
        FileKind::File => Ok(()),
        FileKind::Directory => Err(FsError::IsADirectory),
        FileKind::Symlink => Err(FsError::IsLink),
        FileKind::Other => Err(FsError::NotRegular),
    }
}

/// Opens what is a regular file: looked at before, for an open can have effects, and after.
fn open_regular(directory: &Dir, name: &str, options: &mut OpenOptions) -> Result<(File, u64), FsError> {
    regular(kind_of(directory, name)?)?;
    let file = directory.open_with(name, options.follow(FollowSymlinks::No)).map_err(meaning)?;
    let attributes = file.metadata().map_err(meaning)?;
    regular(kind(&attributes))?;
    Ok((file.into_std(), attributes.len()))
}

/// Opens it at an offset that it reaches.
fn open_at(directory: &Dir, name: &str, options: &mut OpenOptions, offset: u64) -> Result<File, FsError> {
    let (mut file, len) = open_regular(directory, name, options)?;
    if offset > len {
        return Err(FsError::OffsetPastEnd);
    }
    file.seek(SeekFrom::Start(offset)).map_err(meaning)?;
    Ok(file)
}

fn make_file(directory: &Dir, name: &str) -> Result<File, FsError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).follow(FollowSymlinks::No);
    directory.open_with(name, &options).map(cap_std::fs::File::into_std).map_err(meaning)
}

impl BlockingBackend for PortableFs {
    fn resolve(&self, path: &VirtualPath, follow: Follow) -> Result<VirtualPath, FsError> {
        let outside = |error| if error == FsError::IsLink { FsError::Outside } else { error };
        match self.parent(path).map_err(outside) {
            Err(FsError::IsRoot) => {}
            Err(error) => return Err(error),
            Ok((directory, name)) => {
                if follow == Follow::All && kind_of(&directory, name) == Ok(FileKind::Symlink) {
                    return Err(FsError::Outside);
                }
            }
        }
        Ok(path.clone())
    }

    fn stat(&self, path: &VirtualPath) -> Result<Metadata, FsError> {
        let attributes = match self.parent(path) {
            Err(FsError::IsRoot) => self.root.dir_metadata(),
            Err(error) => return Err(error),
            Ok((directory, name)) => directory.symlink_metadata(name),
        };
        attributes.map(|attributes| metadata(&attributes)).map_err(meaning)
    }

    fn list(&self, path: &VirtualPath) -> Result<Box<dyn BlockingListing>, FsError> {
        let names = self.directory(path)?.entries().map_err(meaning)?;
        Ok(Box::new(PortableListing { names }))
    }

    fn open(&self, path: &VirtualPath, offset: u64) -> Result<Box<dyn BlockingReader>, FsError> {
        let (directory, name) = self.parent_of_file(path)?;
        let file = open_at(&directory, name, OpenOptions::new().read(true), offset)?;
        Ok(Box::new(PortableReader { file }))
    }

    fn create(&self, path: &VirtualPath, mode: WriteMode) -> Result<Box<dyn BlockingWriter>, FsError> {
        staging::can_be_made(path)?;
        let (directory, name) = self.parent_of_file(path)?;
        if let WriteMode::From(offset) = mode {
            let file = open_at(&directory, name, OpenOptions::new().write(true), offset)?;
            let remains = if offset == 0 { Remains::Overwritten } else { Remains::Extended };
            return Ok(Box::new(PortableWriter { cut: Some(offset), ..PortableWriter::in_place(file, remains) }));
        }
        match make_file(&directory, name) {
            // Some systems say the latter of a directory.
            Err(FsError::Exists) => {}
            Err(FsError::Refused) if kind_of(&directory, name).is_ok() => {}
            made => return Ok(Box::new(PortableWriter::in_place(made?, Remains::Partial))),
        }
        let writer = match mode {
            WriteMode::Append => {
                let (file, _) = open_regular(&directory, name, OpenOptions::new().append(true))?;
                PortableWriter::in_place(file, Remains::Extended)
            }
            _ => stage(directory, name)?,
        };
        Ok(Box::new(writer))
    }

    fn create_unique(
        &self,
        directory: &VirtualPath,
        prefix: &[u8],
    ) -> Result<UniqueFile<Box<dyn BlockingWriter>>, FsError> {
        let opened = self.directory(directory)?;
        for _ in 0..100 {
            let name = [prefix, &staging::random_letters(8)].concat();
            staging::can_be_made(&directory.child(&name).map_err(|_| FsError::InvalidName)?)?;
            match make_file(&opened, usable(&name)?) {
                Ok(file) => {
                    let writer = Box::new(PortableWriter::in_place(file, Remains::Partial));
                    return Ok(UniqueFile { name, writer });
                }
                Err(FsError::Exists) => {}
                Err(error) => return Err(error),
            }
        }
        Err(FsError::Exists)
    }

    fn make_directory(&self, path: &VirtualPath) -> Result<(), FsError> {
        staging::can_be_made(path)?;
        match self.parent(path) {
            Err(FsError::IsRoot) => Err(FsError::Exists),
            Err(error) => Err(error),
            Ok((directory, name)) => directory.create_dir(name).map_err(meaning),
        }
    }

    fn remove_directory(&self, path: &VirtualPath) -> Result<(), FsError> {
        let (directory, name) = self.parent(path)?;
        match kind_of(&directory, name)? {
            FileKind::Directory => directory.remove_dir(name).map_err(meaning),
            _ => Err(FsError::NotADirectory),
        }
    }

    fn remove_file(&self, path: &VirtualPath) -> Result<(), FsError> {
        let (directory, name) = self.parent_of_file(path)?;
        match kind_of(&directory, name)? {
            FileKind::Directory => Err(FsError::IsADirectory),
            _ => directory.remove_file_or_symlink(name).map_err(meaning),
        }
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<(), FsError> {
        staging::can_be_made(to)?;
        let (source, old) = self.parent(from)?;
        let (destination, new) = self.parent(to)?;
        // Some systems would put the directory in the file's place.
        let is_directory = |at: &Dir, name| at.symlink_metadata(name).map(|metadata| metadata.is_dir());
        if is_directory(&source, old).map_err(meaning)? && is_directory(&destination, new).is_ok_and(|is| !is) {
            return Err(FsError::NotADirectory);
        }
        source.rename(old, &destination, new).map_err(meaning)
    }

    fn set_mode(&self, _path: &VirtualPath, _mode: u32) -> Result<(), FsError> {
        Err(FsError::Unsupported)
    }

    fn set_modified(&self, path: &VirtualPath, time: UnixTime) -> Result<(), FsError> {
        let (directory, name) = self.parent_of_file(path)?;
        let (file, _) = open_regular(&directory, name, OpenOptions::new().write(true))?;
        file.set_modified(system_time(time).ok_or(FsError::Unsupported)?).map_err(meaning)
    }

    fn real_path(&self, path: &VirtualPath) -> Option<PathBuf> {
        let mut real = self.known_as.clone();
        // One by one, for the separator of the system.
        path.components().try_for_each(|name| str::from_utf8(name).map(|name| real.push(name))).ok()?;
        Some(real)
    }
}

struct PortableReader {
    file: File,
}

impl BlockingReader for PortableReader {
    fn metadata(&mut self) -> Result<Metadata, FsError> {
        attributes_of(&self.file)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FsError> {
        self.file.read(buffer).map_err(meaning)
    }

    fn as_file(&self) -> Option<&File> {
        Some(&self.file)
    }
}

struct PortableWriter {
    file: File,
    /// To cut the file to before anything is written.
    cut: Option<u64>,
    /// Set when the file takes another's place in the end. Dropped after the file, which is closed by then.
    staged: Option<Staged>,
    /// What went wrong: such an upload is never finished.
    failure: Option<FsError>,
    /// What a cut leaves.
    remains: Remains,
}

/// A file on its way; removed when dropped.
struct Staged {
    directory: Dir,
    name: String,
    target: String,
}

fn stage(directory: Dir, target: &str) -> Result<PortableWriter, FsError> {
    // Opened to see that it may be written; it has to be closed again, or it could not be replaced.
    drop(open_regular(&directory, target, OpenOptions::new().write(true))?);
    let name = String::from_utf8(staging::name()).expect("the name of a staged file is ASCII");
    let file = make_file(&directory, &name)?;
    let staged = Staged { directory, name, target: target.into() };
    Ok(PortableWriter { staged: Some(staged), ..PortableWriter::in_place(file, Remains::Unchanged) })
}

impl Staged {
    fn commit(mut self) -> Result<(), FsError> {
        self.directory.rename(&self.name, &self.directory, &self.target).map_err(meaning)?;
        self.name.clear();
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            let _ = self.directory.remove_file(&self.name);
        }
    }
}

impl PortableWriter {
    const fn in_place(file: File, remains: Remains) -> Self {
        Self { file, cut: None, staged: None, failure: None, remains }
    }

    fn cut(&mut self) -> Result<(), FsError> {
        self.cut.take().map_or(Ok(()), |len| self.file.set_len(len)).map_err(meaning)
    }
}

impl BlockingWriter for PortableWriter {
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        let written = self.cut().and_then(|()| self.file.write_all(bytes).map_err(meaning));
        written.inspect_err(|error| self.failure = Some(*error))
    }

    fn finish(mut self: Box<Self>) -> Result<Metadata, FsError> {
        self.failure.map_or(Ok(()), Err)?;
        self.cut()?;
        let metadata = attributes_of(&self.file)?;
        let Self { file, staged, .. } = *self;
        drop(file);
        staged.map_or(Ok(()), Staged::commit)?;
        Ok(metadata)
    }

    fn remains(&self) -> Remains {
        self.remains
    }
}

struct PortableListing {
    names: ReadDir,
}

impl BlockingListing for PortableListing {
    fn next_batch(&mut self, max: usize) -> Result<Vec<Entry>, FsError> {
        let mut batch = Vec::new();
        while batch.len() < max {
            match self.names.next() {
                Some(Ok(found)) => batch.extend(entry(&found)),
                Some(Err(error)) if error.kind() != ErrorKind::NotFound => return Err(meaning(error)),
                // The directory has been removed, or is at its end.
                _ => break,
            }
        }
        Ok(batch)
    }
}

/// `None` for what is not listed: names that no client could send back, files that vanished meanwhile, staged ones.
fn entry(found: &DirEntry) -> Option<Entry> {
    let name = found.file_name().into_string().ok()?.into_bytes();
    if staging::is_staged(&name) {
        return None;
    }
    let mut entry = Entry::new(name, metadata(&found.metadata().ok()?));
    if entry.metadata.kind == FileKind::Symlink {
        entry.link = Some(Box::default());
    }
    Some(entry)
}

fn attributes_of(file: &File) -> Result<Metadata, FsError> {
    Attributes::from_file(file).map(|attributes| metadata(&attributes)).map_err(meaning)
}

fn metadata(attributes: &Attributes) -> Metadata {
    let time = |time: io::Result<cap_std::time::SystemTime>| time.ok().map(|time| unix_time(time.into_std()));
    let (modified, created) = (time(attributes.modified()), time(attributes.created()));
    Metadata { modified, created, ..Metadata::new(kind(attributes), attributes.len()) }
}

fn kind(attributes: &Attributes) -> FileKind {
    if attributes.is_symlink() {
        FileKind::Symlink
    } else if attributes.is_dir() {
        FileKind::Directory
    } else if attributes.is_file() {
        FileKind::File
    } else {
        FileKind::Other
    }
}

fn unix_time(time: SystemTime) -> UnixTime {
    let whole = |since: Duration| i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => UnixTime { seconds: whole(since), nanoseconds: since.subsec_nanos() },
        Err(before) => match before.duration() {
            before if before.subsec_nanos() == 0 => UnixTime::from_seconds(-whole(before)),
            before => UnixTime { seconds: -whole(before) - 1, nanoseconds: 1_000_000_000 - before.subsec_nanos() },
        },
    }
}

fn system_time(time: UnixTime) -> Option<SystemTime> {
    let whole = Duration::from_secs(time.seconds.unsigned_abs());
    let second = if time.seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    second?.checked_add(Duration::from_nanos(time.nanoseconds.into()))
}

/// Gives an error its meaning for the client and writes what the system said to the log.
#[expect(clippy::needless_pass_by_value, reason = "it is the argument of map_err everywhere")]
fn meaning(error: io::Error) -> FsError {
    /// `ERROR_SHARING_VIOLATION` and `ERROR_LOCK_VIOLATION`.
    const IN_USE: [i32; 2] = [32, 33];
    let meaning = match error.kind() {
        ErrorKind::NotFound => FsError::NotFound,
        ErrorKind::PermissionDenied => FsError::Refused,
        ErrorKind::AlreadyExists => FsError::Exists,
        ErrorKind::NotADirectory => FsError::NotADirectory,
        ErrorKind::IsADirectory => FsError::IsADirectory,
        ErrorKind::DirectoryNotEmpty => FsError::NotEmpty,
        ErrorKind::StorageFull => FsError::NoSpace,
        ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => FsError::QuotaExceeded,
        ErrorKind::ReadOnlyFilesystem => FsError::ReadOnly,
        ErrorKind::CrossesDevices => FsError::CrossesStorage,
        ErrorKind::ResourceBusy | ErrorKind::ExecutableFileBusy => FsError::Busy,
        ErrorKind::InvalidFilename | ErrorKind::InvalidInput => FsError::InvalidName,
        ErrorKind::OutOfMemory => FsError::Exhausted,
        ErrorKind::Unsupported => FsError::Unsupported,
        _ if cfg!(windows) && error.raw_os_error().is_some_and(|code| IN_USE.contains(&code)) => FsError::Busy,
        _ => FsError::Io,
    };
    tracing::debug!(%error, ?meaning, "a file operation failed");
    meaning
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;

    #[test]
    fn it_conforms() {
        let parent = tempfile::tempdir().unwrap();
        let mut count = 0;
        conformance::run(|| {
            count += 1;
            let home = parent.path().join(count.to_string());
            std::fs::create_dir(&home).unwrap();
            PortableFs::open(home).unwrap()
        });
    }

    #[test]
    #[cfg(unix)]
    fn nothing_is_reached_through_links() {
        let parent = tempfile::tempdir().unwrap();
        let home = parent.path().join("home");
        std::fs::create_dir_all(home.join("inside")).unwrap();
        std::fs::write(parent.path().join("secret"), "secret").unwrap();
        std::os::unix::fs::symlink("../secret", home.join("out")).unwrap();
        std::os::unix::fs::symlink("inside", home.join("in")).unwrap();
        let fs = PortableFs::open(&home).unwrap();
        let path = |text: &str| VirtualPath::try_from(text).unwrap();
        assert_eq!(fs.open(&path("/out"), 0).err(), Some(FsError::IsLink));
        assert_eq!(fs.create(&path("/out"), WriteMode::Replace).err(), Some(FsError::IsLink));
        assert_eq!(fs.list(&path("/in")).err(), Some(FsError::IsLink));
        assert_eq!(fs.make_directory(&path("/in/new")), Err(FsError::IsLink));
        assert_eq!(fs.resolve(&path("/in/new"), Follow::All), Err(FsError::Outside));
        assert_eq!(fs.remove_file(&path("/out")), Ok(()));
        assert_eq!(std::fs::read(parent.path().join("secret")).unwrap(), b"secret");
    }

    #[test]
    #[cfg(windows)]
    fn names_that_windows_reads_otherwise_lead_nowhere() {
        let parent = tempfile::tempdir().unwrap();
        let home = parent.path().join("home");
        std::fs::create_dir(&home).unwrap();
        let fs = PortableFs::open(&home).unwrap();
        std::fs::write(home.join("file"), "content").unwrap();
        let file = VirtualPath::try_from("/file").unwrap();
        for name in ["CON", "nul.txt", "COM1", "file:stream", "file::$DATA", "a\\b", "..\\out", "C:", "file.", "file "]
        {
            for path in [format!("/{name}"), format!("/{name}/below")] {
                let path = VirtualPath::try_from(path.as_str()).unwrap();
                let refused = Some(FsError::InvalidName);
                assert_eq!(fs.stat(&path).err(), refused, "{path}");
                assert_eq!(fs.list(&path).err(), refused, "{path}");
                assert_eq!(fs.open(&path, 0).err(), refused, "{path}");
                for mode in [WriteMode::Replace, WriteMode::Append, WriteMode::From(0)] {
                    assert_eq!(fs.create(&path, mode).err(), refused, "{path}");
                }
                assert_eq!(fs.create_unique(&path, b"x").err(), refused, "{path}");
                assert_eq!(fs.make_directory(&path).err(), refused, "{path}");
                assert_eq!(fs.remove_directory(&path).err(), refused, "{path}");
                assert_eq!(fs.remove_file(&path).err(), refused, "{path}");
                assert_eq!(fs.rename(&path, &file).err(), refused, "{path}");
                assert_eq!(fs.rename(&file, &path).err(), refused, "{path}");
                assert_eq!(fs.set_modified(&path, UnixTime::EPOCH).err(), refused, "{path}");
            }
        }
        assert_eq!(std::fs::read(home.join("file")).unwrap(), b"content");
        assert_eq!((home.read_dir().unwrap().count(), parent.path().read_dir().unwrap().count()), (1, 1));
    }

    #[test]
    fn the_time_of_creation_does_not_change_with_the_file() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("file"), "").unwrap();
        let fs = PortableFs::open(home.path()).unwrap();
        let file = VirtualPath::try_from("/file").unwrap();
        fs.set_modified(&file, UnixTime::EPOCH).unwrap();
        let metadata = fs.stat(&file).unwrap();
        // Not every file system remembers it, and Wine takes the earliest time that it finds for it.
        let created = std::fs::metadata(home.path().join("file")).and_then(|file| file.created()).ok().map(unix_time);
        assert_eq!((metadata.modified, metadata.created), (Some(UnixTime::EPOCH), created));
    }

    #[test]
    fn times_before_the_epoch_survive() {
        for time in [UnixTime { seconds: -1, nanoseconds: 500 }, UnixTime::from_seconds(-86_400), UnixTime::EPOCH] {
            assert_eq!(unix_time(system_time(time).unwrap()), time);
        }
    }
}
