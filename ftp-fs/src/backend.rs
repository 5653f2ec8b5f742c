//! The two storage traits: blocking to write, async to consume.
//!
//! A back end for a disk implements [`BlockingBackend`] in plain functions; [`Offload`](crate::Offload) turns it into
//! the [`Backend`] that the driver calls. An object store implements [`Backend`] itself.
//!
//! **No operation but [`resolve`](BlockingBackend::resolve) follows a symbolic link, in any component of the path.**
//! One that meets a link on its way answers [`FsError::IsLink`]; the view of the user then resolves the path, judges
//! the permissions of the result, and tries again with it. So what was judged is what is used, whatever happens to the
//! tree in between. At the last component, `stat`, `remove_file` and `rename` mean the link itself; `list`, `open`,
//! `create`, `set_mode` and `set_modified` answer `IsLink` there as well.

use std::fs::File;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use ftp_types::{Entry, FsError, Metadata, UnixTime, VirtualPath, WriteMode};

use crate::{Offload, Unblock};

/// A future on the heap: one for each operation or chunk of data, never one for each directory entry.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What becomes of a link at the end of a path that is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// Resolve it too.
    All,
    /// Leave it: the operation is about the link itself (DELE, RNFR, RNTO).
    Parents,
}

/// Storage in plain blocking functions.
///
/// # Threads
/// All of them run where blocking is allowed, but for those whose names begin with `try_`: they are asked first, on a
/// thread that others wait for, and may take what is in memory, but never wait for a disk or a network. `None` says that
/// it might take that, or that it would fail; then their namesake is asked. That is what they say by default.
pub trait BlockingBackend: Send + Sync + 'static {
    /// Follows links and tells the path without any; the last component need not exist. Only paths inside the tree
    /// come out of it.
    ///
    /// # Errors
    /// [`FsError::Outside`] when a link leads out, [`FsError::NotFound`] when a parent (or the destination of a link
    /// on the way) is missing, and others. [`FsError::Unsupported`] never: a back end without links returns `path`.
    fn resolve(&self, path: &VirtualPath, follow: Follow) -> Result<VirtualPath, FsError>;
    /// Tells the attributes of the thing at `path`; of a link, those of the link.
    ///
    /// # Errors
    /// As [`FsError`] says.
    fn stat(&self, path: &VirtualPath) -> Result<Metadata, FsError>;
    /// As [`stat`](Self::stat), without waiting.
    fn try_stat(&self, path: &VirtualPath) -> Option<Metadata> {
        let _ = path;
        None
    }
    /// As [`stat`](Self::stat), of what a session is about to enter: a directory that the storage itself lets nobody
    /// enter is refused.
    ///
    /// # Errors
    /// As for `stat`, and [`FsError::Refused`].
    fn enter(&self, path: &VirtualPath) -> Result<Metadata, FsError> {
        self.stat(path)
    }
    /// As [`enter`](Self::enter), without waiting.
    fn try_enter(&self, path: &VirtualPath) -> Option<Metadata> {
        let _ = path;
        None
    }
    /// Opens a directory for listing. `.` and `..` do not appear.
    ///
    /// # Errors
    /// [`FsError::NotADirectory`] and others.
    fn list(&self, path: &VirtualPath) -> Result<Box<dyn BlockingListing>, FsError>;
    /// As [`list`](Self::list), without waiting.
    fn try_list(&self, path: &VirtualPath) -> Option<Box<dyn BlockingListing>> {
        let _ = path;
        None
    }
    /// Opens a regular file for reading from `offset` on.
    ///
    /// # Errors
    /// [`FsError::OffsetPastEnd`], [`FsError::IsADirectory`], [`FsError::NotRegular`] and others. Never blocks on a
    /// FIFO or a device.
    fn open(&self, path: &VirtualPath, offset: u64) -> Result<Box<dyn BlockingReader>, FsError>;
    /// As [`open`](Self::open), without waiting.
    fn try_open(&self, path: &VirtualPath, offset: u64) -> Option<Box<dyn BlockingReader>> {
        let _ = (path, offset);
        None
    }
    /// Opens a regular file for writing.
    ///
    /// # Errors
    /// As for [`open`](Self::open), and as [`WriteMode`] says.
    fn create(&self, path: &VirtualPath, mode: WriteMode) -> Result<Box<dyn BlockingWriter>, FsError>;
    /// As [`create`](Self::create), without waiting. `None`: nothing has changed.
    fn try_create(&self, path: &VirtualPath, mode: WriteMode) -> Option<Box<dyn BlockingWriter>> {
        let _ = (path, mode);
        None
    }
    /// Makes a new file with a name that nothing had, beginning with `prefix` (RFC 959 §4.1.3, STOU).
    ///
    /// # Errors
    /// [`FsError::Exists`] when no unused name was found in a bounded number of tries, and others.
    fn create_unique(
        &self,
        directory: &VirtualPath,
        prefix: &[u8],
    ) -> Result<UniqueFile<Box<dyn BlockingWriter>>, FsError>;
    /// Makes a directory.
    ///
    /// # Errors
    /// [`FsError::Exists`] and others.
    fn make_directory(&self, path: &VirtualPath) -> Result<(), FsError>;
    /// Removes an empty directory.
    ///
    /// # Errors
    /// [`FsError::NotADirectory`], [`FsError::NotEmpty`], [`FsError::IsRoot`] and others.
    fn remove_directory(&self, path: &VirtualPath) -> Result<(), FsError>;
    /// Removes a file or a link.
    ///
    /// # Errors
    /// [`FsError::IsADirectory`] and others.
    fn remove_file(&self, path: &VirtualPath) -> Result<(), FsError>;
    /// Gives a file, link or directory another path; an existing file there is replaced in one step.
    ///
    /// # Errors
    /// [`FsError::IsRoot`], [`FsError::CrossesStorage`] and others.
    fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<(), FsError>;
    /// Changes the permission bits (`0o777`; the others are kept clear).
    ///
    /// # Errors
    /// [`FsError::Unsupported`] where there are none, and others.
    fn set_mode(&self, path: &VirtualPath, mode: u32) -> Result<(), FsError>;
    /// Changes the time of last modification of a regular file.
    ///
    /// # Errors
    /// [`FsError::IsADirectory`], [`FsError::NotRegular`], [`FsError::Unsupported`] where there is no such time, and
    /// others.
    fn set_modified(&self, path: &VirtualPath, time: UnixTime) -> Result<(), FsError>;
    /// The path of this machine at which the thing lies, or would lie: told to hooks and logs, never to clients, and
    /// never used by Ferry itself. `None`, the default, for storage that is no file system of this machine.
    ///
    /// Nothing is looked up: it must not block.
    fn real_path(&self, path: &VirtualPath) -> Option<PathBuf> {
        let _ = path;
        None
    }
}

/// An open file that is read in order. Which of its methods may wait is told at [`BlockingBackend`].
pub trait BlockingReader: Send {
    /// Attributes of the open file.
    ///
    /// # Errors
    /// As [`FsError`] says.
    fn metadata(&mut self) -> Result<Metadata, FsError>;
    /// Reads the next bytes; 0 only at the end (for a buffer that is not empty).
    ///
    /// # Errors
    /// As [`FsError`] says.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FsError>;
    /// As [`read`](Self::read), without waiting. `None`: nothing was read.
    fn try_read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let _ = buffer;
        None
    }
    /// How long the file was when it was opened, if that was asked then. Must not block. This, or what
    /// [`metadata`](Self::metadata) says where it is not known, is taken for the end when a read comes to it that was not
    /// full: of a file that says less than it has, the rest may be left out.
    fn opened_len(&self) -> Option<u64> {
        None
    }
    /// Whether dropping it never waits; asked just before.
    fn closes_at_once(&self) -> bool {
        false
    }
    /// The file behind it, positioned where the next `read` starts, when there is one: the door to zero copy.
    fn as_file(&self) -> Option<&File> {
        None
    }
}

/// An open file that is written in order. Which of its methods may wait is told at [`BlockingBackend`].
///
/// Dropping it without [`finish`](Self::finish) means that the upload was cut: what arrived may be kept under the name
/// for a later resume, but nothing is ever promised about it.
pub trait BlockingWriter: Send {
    /// Writes all of it.
    ///
    /// # Errors
    /// [`FsError::NoSpace`], [`FsError::QuotaExceeded`] and others.
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), FsError>;
    /// Writes as many of the first bytes as can be without waiting, and tells how many; the others are for
    /// [`write_all`](Self::write_all), which also tells why nothing could be written.
    fn try_write(&mut self, bytes: &[u8]) -> Option<usize> {
        let _ = bytes;
        None
    }
    /// The upload came to its clean end. Returns the attributes of the file as it stands now. After an error the
    /// client is told that the upload failed.
    ///
    /// # Errors
    /// That of a write that failed before: what is not whole is never finished. And as [`FsError`] says.
    fn finish(self: Box<Self>) -> Result<Metadata, FsError>;
    /// As [`finish`](Self::finish), without waiting. `None`: the upload is not finished. Afterwards the writer is dropped.
    fn try_finish(&mut self) -> Option<Metadata> {
        None
    }
    /// Whether dropping it never waits; asked just before.
    fn closes_at_once(&self) -> bool {
        false
    }
    /// What a cut of the upload would leave at the path. Asked once, when the file has just been opened; must not
    /// block.
    fn remains(&self) -> Remains {
        Remains::Unknown
    }
}

/// What lies at the path of an upload that was cut. Who cleans up after clients deletes by it: only
/// [`Partial`](Self::Partial) is worth nothing to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Remains {
    /// The back end does not say.
    #[default]
    Unknown,
    /// What was there before, untouched: the upload was written elsewhere, to take its place when whole.
    Unchanged,
    /// A file that was not there before, with what has arrived.
    Partial,
    /// The file that was there before, as it was up to where the upload began (APPE: its end; REST: the marker); what
    /// has arrived lies behind that.
    Extended,
    /// The file that was there before, overwritten in place: from its first byte on the upload has destroyed it.
    Overwritten,
}

/// An open directory.
pub trait BlockingListing: Send {
    /// The next entries, at most `max`; none at the end. Entries that vanish while the directory is read are left out,
    /// as far as the system tells.
    ///
    /// # Errors
    /// As [`FsError`] says.
    fn next_batch(&mut self, max: usize) -> Result<Vec<Entry>, FsError>;
    /// Whether dropping it never waits; asked just before.
    fn closes_at_once(&self) -> bool {
        false
    }
}

/// A file that [`create_unique`](BlockingBackend::create_unique) made.
pub struct UniqueFile<W> {
    /// Its name, without directory.
    pub name: Vec<u8>,
    /// The open file.
    pub writer: W,
}

/// Storage as the driver calls it. Each method means what its namesake of [`BlockingBackend`] means.
///
/// # Cancellation
/// Dropping a returned future may leave the operation running or undone; it never leaves it half done where the
/// storage can help it.
#[expect(missing_docs, reason = "each method is documented at its namesake")]
pub trait Backend: Send + Sync + 'static {
    fn resolve<'a>(&'a self, path: &'a VirtualPath, follow: Follow) -> BoxFuture<'a, Result<VirtualPath, FsError>>;
    fn stat<'a>(&'a self, path: &'a VirtualPath) -> BoxFuture<'a, Result<Metadata, FsError>>;
    fn enter<'a>(&'a self, path: &'a VirtualPath) -> BoxFuture<'a, Result<Metadata, FsError>> {
        self.stat(path)
    }
    fn list<'a>(&'a self, path: &'a VirtualPath) -> BoxFuture<'a, Result<Box<dyn Listing>, FsError>>;
    fn open<'a>(&'a self, path: &'a VirtualPath, offset: u64) -> BoxFuture<'a, Result<Box<dyn Reader>, FsError>>;
    fn create<'a>(&'a self, path: &'a VirtualPath, mode: WriteMode) -> BoxFuture<'a, Result<Box<dyn Writer>, FsError>>;
    fn create_unique<'a>(
        &'a self,
        directory: &'a VirtualPath,
        prefix: &'a [u8],
    ) -> BoxFuture<'a, Result<UniqueFile<Box<dyn Writer>>, FsError>>;
    fn make_directory<'a>(&'a self, path: &'a VirtualPath) -> BoxFuture<'a, Result<(), FsError>>;
    fn remove_directory<'a>(&'a self, path: &'a VirtualPath) -> BoxFuture<'a, Result<(), FsError>>;
    fn remove_file<'a>(&'a self, path: &'a VirtualPath) -> BoxFuture<'a, Result<(), FsError>>;
    fn rename<'a>(&'a self, from: &'a VirtualPath, to: &'a VirtualPath) -> BoxFuture<'a, Result<(), FsError>>;
    fn set_mode<'a>(&'a self, path: &'a VirtualPath, mode: u32) -> BoxFuture<'a, Result<(), FsError>>;
    fn set_modified<'a>(&'a self, path: &'a VirtualPath, time: UnixTime) -> BoxFuture<'a, Result<(), FsError>>;
    fn real_path(&self, path: &VirtualPath) -> Option<PathBuf> {
        let _ = path;
        None
    }
}

/// An open file that the driver reads in order.
pub trait Reader: Send {
    /// Attributes of the open file.
    fn metadata(&mut self) -> BoxFuture<'_, Result<Metadata, FsError>>;
    /// Fills the buffer's spare length: `buffer.len()` says how much is wanted. The buffer comes back with the count
    /// of bytes at its front; 0 only at the end.
    fn read(&mut self, buffer: Vec<u8>) -> BoxFuture<'_, (Vec<u8>, Result<usize, FsError>)>;
    /// How long the file was when it was opened, as for [`BlockingReader::opened_len`].
    fn opened_len(&self) -> Option<u64> {
        None
    }
    /// The file behind it, as for [`BlockingReader::as_file`].
    fn as_file(&self) -> Option<&File> {
        None
    }
}

/// An open file that the driver writes in order. Dropped without `finish`, it counts as cut.
pub trait Writer: Send {
    /// Writes all of the buffer and hands it back.
    fn write_all(&mut self, buffer: Vec<u8>) -> BoxFuture<'_, (Vec<u8>, Result<(), FsError>)>;
    /// As for [`BlockingWriter::try_write`]: what can be written at once, if that is little.
    fn try_write(&mut self, bytes: &[u8]) -> Option<usize> {
        let _ = bytes;
        None
    }
    /// Ends the upload, as for [`BlockingWriter::finish`].
    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<Metadata, FsError>>;
    /// Writes the last bytes, if there are any, and ends the upload, all at a time.
    fn finish_with(mut self: Box<Self>, last: Vec<u8>) -> BoxFuture<'static, Result<Metadata, FsError>>
    where
        Self: 'static,
    {
        Box::pin(async move {
            if !last.is_empty() {
                self.write_all(last).await.1?;
            }
            self.finish().await
        })
    }
    /// The writer beneath, for threads that [may block](crate::blocking): they need no buffer to change hands.
    fn in_place(&mut self) -> Option<&mut dyn BlockingWriter> {
        None
    }
    /// What a cut would leave, as for [`BlockingWriter::remains`].
    fn remains(&self) -> Remains {
        Remains::Unknown
    }
}

/// An open directory that the driver reads batch by batch.
pub trait Listing: Send {
    /// As for [`BlockingListing::next_batch`].
    fn next_batch(&mut self, max: usize) -> BoxFuture<'_, Result<Vec<Entry>, FsError>>;
}

/// Either kind of storage. An authenticator hands it out without knowing the runtime; the driver, which knows it,
/// turns the blocking kind into the other with [`Storage::into_backend`].
#[derive(Clone)]
pub enum Storage {
    /// Plain functions that may block.
    Blocking(Arc<dyn BlockingBackend>),
    /// Futures.
    Async(Arc<dyn Backend>),
}

impl Storage {
    /// Storage from a blocking back end.
    pub fn blocking(backend: impl BlockingBackend) -> Self {
        Self::Blocking(Arc::new(backend))
    }

    /// Storage from an async back end.
    pub fn asynchronous(backend: impl Backend) -> Self {
        Self::Async(Arc::new(backend))
    }

    /// The kind that the driver calls. Blocking storage does its work through `unblock`.
    pub fn into_backend(self, unblock: impl Unblock) -> Arc<dyn Backend> {
        match self {
            Self::Blocking(backend) => Arc::new(Offload::new(backend, unblock)),
            Self::Async(backend) => backend,
        }
    }
}
