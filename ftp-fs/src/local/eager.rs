//! A directory of which as much is done at once as can be, for tests that know nothing of that.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ftp_types::{Entry, FsError, Metadata, UnixTime, VirtualPath, WriteMode};
use futures_lite::future::block_on;

use super::at_once::Medium;
use crate::{
    Backend, BlockingBackend, BlockingListing, BlockingReader, BlockingWriter, Follow, Listing, LocalFs, Offload,
    Reader, Remains, Unblock, UniqueFile, Writer,
};

/// Counts what is not done at once, and does it on the spot.
#[derive(Clone, Default)]
pub(super) struct Hops(Arc<AtomicUsize>);

impl Unblock for Hops {
    async fn unblock<T, F>(&self, work: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.0.fetch_add(1, Ordering::Relaxed);
        work()
    }
}

impl Hops {
    pub(super) fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// What the driver sees of a directory, in blocking functions again: as much as can be is done at once.
pub(super) struct Eager(Offload<LocalFs, Hops>);

impl Eager {
    /// As if that were on a file system in memory, with which most is done at once.
    pub(super) fn in_memory(directory: &Path) -> Self {
        Self::on(Medium::Memory, directory)
    }

    pub(super) fn on(medium: Medium, directory: &Path) -> Self {
        let fs = LocalFs::open_on(directory, medium).unwrap();
        Self(Offload::new(Arc::new(fs), Hops::default()))
    }
}

impl BlockingBackend for Eager {
    fn resolve(&self, path: &VirtualPath, follow: Follow) -> Result<VirtualPath, FsError> {
        block_on(self.0.resolve(path, follow))
    }

    fn stat(&self, path: &VirtualPath) -> Result<Metadata, FsError> {
        block_on(self.0.stat(path))
    }

    fn enter(&self, path: &VirtualPath) -> Result<Metadata, FsError> {
        block_on(self.0.enter(path))
    }

    fn list(&self, path: &VirtualPath) -> Result<Box<dyn BlockingListing>, FsError> {
        Ok(Box::new(Again(block_on(self.0.list(path))?)))
    }

    fn open(&self, path: &VirtualPath, offset: u64) -> Result<Box<dyn BlockingReader>, FsError> {
        Ok(Box::new(Again(block_on(self.0.open(path, offset))?)))
    }

    fn create(&self, path: &VirtualPath, mode: WriteMode) -> Result<Box<dyn BlockingWriter>, FsError> {
        Ok(Box::new(Again(block_on(self.0.create(path, mode))?)))
    }

    fn create_unique(
        &self,
        directory: &VirtualPath,
        prefix: &[u8],
    ) -> Result<UniqueFile<Box<dyn BlockingWriter>>, FsError> {
        let UniqueFile { name, writer } = block_on(self.0.create_unique(directory, prefix))?;
        Ok(UniqueFile { name, writer: Box::new(Again(writer)) })
    }

    fn make_directory(&self, path: &VirtualPath) -> Result<(), FsError> {
        block_on(self.0.make_directory(path))
    }

    fn remove_directory(&self, path: &VirtualPath) -> Result<(), FsError> {
        block_on(self.0.remove_directory(path))
    }

    fn remove_file(&self, path: &VirtualPath) -> Result<(), FsError> {
        block_on(self.0.remove_file(path))
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<(), FsError> {
        block_on(self.0.rename(from, to))
    }

    fn set_mode(&self, path: &VirtualPath, mode: u32) -> Result<(), FsError> {
        block_on(self.0.set_mode(path, mode))
    }

    fn set_modified(&self, path: &VirtualPath, time: UnixTime) -> Result<(), FsError> {
        block_on(self.0.set_modified(path, time))
    }
}

/// Something open, in blocking functions again.
struct Again<H: ?Sized>(Box<H>);

impl BlockingReader for Again<dyn Reader> {
    fn metadata(&mut self) -> Result<Metadata, FsError> {
        block_on(self.0.metadata())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FsError> {
        let (read, count) = block_on(self.0.read(vec![0; buffer.len()]));
        buffer.copy_from_slice(&read);
        count
    }
}

impl BlockingWriter for Again<dyn Writer> {
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        block_on(self.0.write_all(bytes.to_vec())).1
    }

    fn finish(self: Box<Self>) -> Result<Metadata, FsError> {
        block_on(self.0.finish())
    }

    fn remains(&self) -> Remains {
        self.0.remains()
    }
}

impl BlockingListing for Again<dyn Listing> {
    fn next_batch(&mut self, max: usize) -> Result<Vec<Entry>, FsError> {
        block_on(self.0.next_batch(max))
    }
}
