//! The conformance suite on what Ferry itself puts before a back end: the async face, and a tree of mounts.

use std::fs::File;
use std::sync::Arc;

use ftp_fs::{
    Backend, BlockingBackend, BlockingListing, BlockingReader, BlockingWriter, Follow, Listing, MemoryFs, Mounts,
    Reader, Remains, Storage, UniqueFile, Writer, conformance,
};
use ftp_types::{Entry, FsError, Metadata, UnixTime, VirtualPath, WriteMode};
use futures_lite::future::block_on;

use crate::common::{Inline, path};

/// A directory of an async back end as a blocking one.
struct Blocked {
    backend: Arc<dyn Backend>,
    directory: VirtualPath,
}

impl Blocked {
    fn at(backend: Arc<dyn Backend>, directory: &str) -> Self {
        Self { backend, directory: path(directory) }
    }

    fn inside(&self, path: &VirtualPath) -> VirtualPath {
        self.directory.join(path.relative()).unwrap()
    }
}

impl BlockingBackend for Blocked {
    fn resolve(&self, path: &VirtualPath, follow: Follow) -> Result<VirtualPath, FsError> {
        let resolved = block_on(self.backend.resolve(&self.inside(path), follow))?;
        let rest = resolved.strip_prefix(&self.directory).expect("nothing leads out of the directory");
        Ok(VirtualPath::parse(rest).unwrap())
    }

    fn stat(&self, path: &VirtualPath) -> Result<Metadata, FsError> {
        block_on(self.backend.stat(&self.inside(path)))
    }

    fn enter(&self, path: &VirtualPath) -> Result<Metadata, FsError> {
        block_on(self.backend.enter(&self.inside(path)))
    }

    fn list(&self, path: &VirtualPath) -> Result<Box<dyn BlockingListing>, FsError> {
        Ok(Box::new(BlockedListing(block_on(self.backend.list(&self.inside(path)))?)))
    }

    fn open(&self, path: &VirtualPath, offset: u64) -> Result<Box<dyn BlockingReader>, FsError> {
        Ok(Box::new(BlockedReader(block_on(self.backend.open(&self.inside(path), offset))?)))
    }

    fn create(&self, path: &VirtualPath, mode: WriteMode) -> Result<Box<dyn BlockingWriter>, FsError> {
        Ok(Box::new(BlockedWriter(block_on(self.backend.create(&self.inside(path), mode))?)))
    }

    fn create_unique(
        &self,
        directory: &VirtualPath,
        prefix: &[u8],
    ) -> Result<UniqueFile<Box<dyn BlockingWriter>>, FsError> {
        let made = block_on(self.backend.create_unique(&self.inside(directory), prefix))?;
        Ok(UniqueFile { name: made.name, writer: Box::new(BlockedWriter(made.writer)) })
    }

    fn make_directory(&self, path: &VirtualPath) -> Result<(), FsError> {
        block_on(self.backend.make_directory(&self.inside(path)))
    }

    fn remove_directory(&self, path: &VirtualPath) -> Result<(), FsError> {
        block_on(self.backend.remove_directory(&self.inside(path)))
    }

    fn remove_file(&self, path: &VirtualPath) -> Result<(), FsError> {
        block_on(self.backend.remove_file(&self.inside(path)))
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<(), FsError> {
        block_on(self.backend.rename(&self.inside(from), &self.inside(to)))
    }

    fn set_mode(&self, path: &VirtualPath, mode: u32) -> Result<(), FsError> {
        block_on(self.backend.set_mode(&self.inside(path), mode))
    }

    fn set_modified(&self, path: &VirtualPath, time: UnixTime) -> Result<(), FsError> {
        block_on(self.backend.set_modified(&self.inside(path), time))
    }
}

struct BlockedReader(Box<dyn Reader>);

impl BlockingReader for BlockedReader {
    fn metadata(&mut self) -> Result<Metadata, FsError> {
        block_on(self.0.metadata())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FsError> {
        let (read, count) = block_on(self.0.read(vec![0; buffer.len()]));
        let count = count?;
        buffer[..count].copy_from_slice(&read[..count]);
        Ok(count)
    }

    fn as_file(&self) -> Option<&File> {
        self.0.as_file()
    }
}

struct BlockedWriter(Box<dyn Writer>);

impl BlockingWriter for BlockedWriter {
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

struct BlockedListing(Box<dyn Listing>);

impl BlockingListing for BlockedListing {
    fn next_batch(&mut self, max: usize) -> Result<Vec<Entry>, FsError> {
        block_on(self.0.next_batch(max))
    }
}

fn memory() -> Storage {
    Storage::blocking(MemoryFs::new())
}

#[test]
fn the_async_face() {
    conformance::run(|| Blocked::at(memory().into_backend(Inline), "/"));
}

#[test]
fn a_mount_beside_others() {
    conformance::run(|| {
        let mounts = Mounts::new(memory()).with(path("/here"), memory()).unwrap();
        let mounts = mounts.with(path("/there"), memory()).unwrap().with(path("/here/and/deep"), memory()).unwrap();
        Blocked::at(mounts.into_backend(Inline), "/there")
    });
}

#[test]
fn a_directory_of_a_home_with_mounts() {
    // It is the root of nothing.
    for check in conformance::CHECKS.iter().filter(|check| check.name != "the_root_stays") {
        println!("conformance: {}", check.name);
        let mounts = Mounts::new(memory()).with(path("/mounted"), memory()).unwrap();
        let backend = mounts.into_backend(Inline);
        block_on(backend.make_directory(&path("/own"))).unwrap();
        (check.run)(&Blocked::at(backend, "/own"));
    }
}

#[test]
fn storage_that_is_async_is_used_as_it_is() {
    conformance::run(|| {
        // Mounted, and so async already, before it becomes somebody's storage.
        let mounts = Mounts::new(memory()).with(path("/mounted"), memory()).unwrap();
        let storage = Storage::Async(mounts.into_backend(Inline));
        Blocked::at(storage.into_backend(Inline), "/mounted")
    });
}
