//! Storage that is used under somebody's identity.

use std::fs::File;
use std::io;
use std::mem::{self, ManuallyDrop};
use std::path::PathBuf;
use std::process;
use std::sync::Arc;

use ftp_types::{Entry, FsError, Metadata, UnixTime, VirtualPath, WriteMode};

use crate::{BlockingBackend, BlockingListing, BlockingReader, BlockingWriter, Follow, Remains, UniqueFile};

/// Somebody whose identity a thread can take on.
///
/// Only the calling thread changes. Identities do not nest: `terminate` gives back the identity of the process,
/// whoever the thread was before.
pub trait Impersonate: Send + Sync + 'static {
    /// Makes the calling thread act as that user. It may fail half way; [`terminate`](Self::terminate) follows either
    /// way.
    ///
    /// # Errors
    /// What the system says. Nothing is done for the user then.
    fn impersonate(&self) -> io::Result<()>;
    /// Makes the calling thread act as the process again.
    ///
    /// # Errors
    /// What the system says. The process ends then: it must not go on as somebody else.
    fn terminate(&self) -> io::Result<()>;
}

/// Does `work` on the calling thread as that user. The thread is itself again when this returns or panics.
///
/// # Errors
/// When the thread cannot become that user; `work` has not run then.
///
/// # Aborts
/// The process, when the thread cannot become itself again.
pub fn impersonating<C: Impersonate + ?Sized, T>(identity: &C, work: impl FnOnce() -> T) -> io::Result<T> {
    let acting = Acting(identity);
    acting.0.impersonate()?;
    Ok(work())
}

/// Ends when dropped, at a panic as well.
struct Acting<'a, C: Impersonate + ?Sized>(&'a C);

impl<C: Impersonate + ?Sized> Drop for Acting<'_, C> {
    fn drop(&mut self) {
        let end = End;
        if let Err(error) = self.0.terminate() {
            tracing::error!(%error, "the identity of the process cannot be taken on again");
            return;
        }
        mem::forget(end);
    }
}

/// Ends the process when dropped.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        process::abort();
    }
}

/// A back end that is used as one user: every operation, those of its open files and listings included, and their
/// closing.
///
/// Whoever takes the file behind a reader ([`BlockingReader::as_file`]) uses what the user could open.
pub struct Impersonated<B: Send + 'static, C: Impersonate + ?Sized>(Held<B, C>);

impl<B: Send + 'static, C: Impersonate + ?Sized> Impersonated<B, C> {
    /// Opens the back end, as the user already.
    ///
    /// # Errors
    /// That of `open`, and what the system says when the thread cannot become the user.
    pub fn open(identity: Arc<C>, open: impl FnOnce() -> io::Result<B>) -> io::Result<Self> {
        let backend = impersonating(&*identity, open)??;
        Ok(Self::new(identity, backend))
    }

    /// Wraps a back end that is open.
    pub const fn new(identity: Arc<C>, backend: B) -> Self {
        Self(Held { handle: Some(backend), identity })
    }
}

impl<B: BlockingBackend, C: Impersonate + ?Sized> BlockingBackend for Impersonated<B, C> {
    fn resolve(&self, path: &VirtualPath, follow: Follow) -> Result<VirtualPath, FsError> {
        self.0.ask(|backend| backend.resolve(path, follow))
    }

    fn stat(&self, path: &VirtualPath) -> Result<Metadata, FsError> {
        self.0.ask(|backend| backend.stat(path))
    }

    fn enter(&self, path: &VirtualPath) -> Result<Metadata, FsError> {
        self.0.ask(|backend| backend.enter(path))
    }

    fn list(&self, path: &VirtualPath) -> Result<Box<dyn BlockingListing>, FsError> {
        let listing = self.0.ask(|backend| backend.list(path))?;
        Ok(Box::new(self.0.hold(listing)))
    }

    fn open(&self, path: &VirtualPath, offset: u64) -> Result<Box<dyn BlockingReader>, FsError> {
        let reader = self.0.ask(|backend| backend.open(path, offset))?;
        Ok(Box::new(self.0.hold(reader)))
    }

    fn create(&self, path: &VirtualPath, mode: WriteMode) -> Result<Box<dyn BlockingWriter>, FsError> {
        let writer = self.0.ask(|backend| backend.create(path, mode))?;
        Ok(Box::new(self.0.hold(writer)))
    }

    fn create_unique(
        &self,
        directory: &VirtualPath,
        prefix: &[u8],
    ) -> Result<UniqueFile<Box<dyn BlockingWriter>>, FsError> {
        let UniqueFile { name, writer } = self.0.ask(|backend| backend.create_unique(directory, prefix))?;
        Ok(UniqueFile { name, writer: Box::new(self.0.hold(writer)) })
    }

    fn make_directory(&self, path: &VirtualPath) -> Result<(), FsError> {
        self.0.ask(|backend| backend.make_directory(path))
    }

    fn remove_directory(&self, path: &VirtualPath) -> Result<(), FsError> {
        self.0.ask(|backend| backend.remove_directory(path))
    }

    fn remove_file(&self, path: &VirtualPath) -> Result<(), FsError> {
        self.0.ask(|backend| backend.remove_file(path))
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<(), FsError> {
        self.0.ask(|backend| backend.rename(from, to))
    }

    fn set_mode(&self, path: &VirtualPath, mode: u32) -> Result<(), FsError> {
        self.0.ask(|backend| backend.set_mode(path, mode))
    }

    fn set_modified(&self, path: &VirtualPath, time: UnixTime) -> Result<(), FsError> {
        self.0.ask(|backend| backend.set_modified(path, time))
    }

    fn real_path(&self, path: &VirtualPath) -> Option<PathBuf> {
        // Nothing is looked up for it.
        self.0.handle.as_ref()?.real_path(path)
    }
}

/// Something of a back end that is used, and dropped, as one user.
struct Held<H: Send + 'static, C: Impersonate + ?Sized> {
    /// None only while it goes.
    handle: Option<H>,
    identity: Arc<C>,
}

impl<H: Send + 'static, C: Impersonate + ?Sized> Held<H, C> {
    fn hold<N: Send + 'static>(&self, handle: N) -> Held<N, C> {
        Held { handle: Some(handle), identity: Arc::clone(&self.identity) }
    }

    fn ask<T>(&self, work: impl FnOnce(&H) -> Result<T, FsError>) -> Result<T, FsError> {
        let handle = self.handle.as_ref().ok_or(FsError::Cancelled)?;
        as_user(&*self.identity, || work(handle))
    }

    fn run<T>(&mut self, work: impl FnOnce(&mut H) -> Result<T, FsError>) -> Result<T, FsError> {
        let handle = self.handle.as_mut().ok_or(FsError::Cancelled)?;
        as_user(&*self.identity, || work(handle))
    }
}

fn as_user<C: Impersonate + ?Sized, T>(identity: &C, work: impl FnOnce() -> Result<T, FsError>) -> Result<T, FsError> {
    impersonating(identity, work).unwrap_or_else(|error| {
        tracing::error!(%error, "a user's identity cannot be taken on");
        Err(FsError::Io)
    })
}

impl<C: Impersonate + ?Sized> BlockingReader for Held<Box<dyn BlockingReader>, C> {
    fn metadata(&mut self) -> Result<Metadata, FsError> {
        self.run(|reader| reader.metadata())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FsError> {
        self.run(|reader| reader.read(buffer))
    }

    fn opened_len(&self) -> Option<u64> {
        self.handle.as_ref()?.opened_len()
    }

    fn as_file(&self) -> Option<&File> {
        self.handle.as_ref()?.as_file()
    }
}

impl<C: Impersonate + ?Sized> BlockingWriter for Held<Box<dyn BlockingWriter>, C> {
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        self.run(|writer| writer.write_all(bytes))
    }

    fn finish(mut self: Box<Self>) -> Result<Metadata, FsError> {
        let writer = self.handle.take().ok_or(FsError::Cancelled)?;
        // To drop it is to use it; not as somebody else.
        let writer = ManuallyDrop::new(writer);
        as_user(&*self.identity, || ManuallyDrop::into_inner(writer).finish())
    }

    fn remains(&self) -> Remains {
        self.handle.as_ref().map_or_else(Remains::default, |writer| writer.remains())
    }
}

impl<C: Impersonate + ?Sized> BlockingListing for Held<Box<dyn BlockingListing>, C> {
    fn next_batch(&mut self, max: usize) -> Result<Vec<Entry>, FsError> {
        self.run(|listing| listing.next_batch(max))
    }
}

/// To drop a writer is to remove what it began; that, too, is done as the user, or not at all.
impl<H: Send + 'static, C: Impersonate + ?Sized> Drop for Held<H, C> {
    fn drop(&mut self) {
        let Some(handle) = self.handle.take() else { return };
        let handle = ManuallyDrop::new(handle);
        if let Err(error) = impersonating(&*self.identity, || drop(ManuallyDrop::into_inner(handle))) {
            tracing::error!(%error, "a user's file stays open: their identity cannot be taken on");
        }
    }
}
