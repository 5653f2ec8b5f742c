//! A file system that fails: full, broken, out of descriptors, slow to give, cut while it is read.
//!
//! It stands before a [`MemoryFs`], counts what is open, and tells which paths it has done wrong.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ftp_fs::{BlockingBackend, BlockingListing, BlockingReader, BlockingWriter, Follow, MemoryFs, Remains, UniqueFile};
use ftp_types::{Entry, FsError, Metadata, UnixTime, VirtualPath, WriteMode};

use crate::world::World;

#[derive(Clone)]
pub(crate) struct Disk {
    pub(crate) files: Arc<MemoryFs>,
    world: World,
    open: Arc<AtomicUsize>,
}

/// Something that is open, counted.
struct Held<H> {
    handle: H,
    path: VirtualPath,
    disk: Disk,
    /// What it did wrong stays wrong.
    failed: Option<FsError>,
    /// Whether the file ends here, whatever it was.
    cut: Option<u64>,
    position: u64,
}

/// Times that were set, not those that a clock of this machine has given, which are another each time.
const LAST_SET_TIME: i64 = 1_000_000_000;

impl Disk {
    pub(crate) fn new(world: &World, capacity: Option<u64>) -> Self {
        let files = Arc::new(MemoryFs::with_capacity(capacity.unwrap_or(u64::MAX)));
        Self { files, world: world.clone(), open: Arc::default() }
    }

    /// How many files and directories are open.
    pub(crate) fn open_handles(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// What is there at this moment, past all faults.
    pub(crate) fn content(&self, path: &str) -> Option<Vec<u8>> {
        let mut reader = self.files.open(&place(path), 0).ok()?;
        let mut content = Vec::new();
        let mut source = Source(&mut *reader);
        source.read_to_end(&mut content).ok()?;
        Some(content)
    }

    pub(crate) fn is_directory(&self, path: &str) -> bool {
        self.files.stat(&place(path)).is_ok_and(|metadata| metadata.is_directory())
    }

    pub(crate) fn put_directory(&self, path: &str) {
        self.files.make_directory(&place(path)).expect("nothing has the name");
    }

    /// The names in a directory.
    pub(crate) fn names(&self, path: &str) -> Vec<String> {
        let mut listing = self.files.list(&place(path)).expect("it is a directory");
        let entries = listing.next_batch(usize::MAX).expect("nothing fails here");
        entries.into_iter().map(|entry| String::from_utf8_lossy(&entry.name).into_owned()).collect()
    }

    /// How many bytes all files have.
    pub(crate) fn used(&self) -> u64 {
        self.used_below("")
    }

    fn used_below(&self, directory: &str) -> u64 {
        let names = self.names(if directory.is_empty() { "/" } else { directory });
        let path = |name| format!("{directory}/{name}");
        let used =
            |path: String| self.content(&path).map_or_else(|| self.used_below(&path), |content| content.len() as u64);
        names.into_iter().map(path).map(used).sum()
    }

    pub(crate) fn put(&self, path: &str, content: &[u8]) {
        let mut writer = self.files.create(&place(path), WriteMode::Replace).expect("there is a directory");
        writer.write_all(content).expect("there is room");
        writer.finish().expect("nothing has failed");
    }

    /// Fails now and then.
    fn touch(&self, path: &VirtualPath, one_in: u32) -> Result<(), FsError> {
        let mut state = self.world.state();
        if !state.fault(one_in) {
            return Ok(());
        }
        state.hit(format!("path {path}"));
        Err(*state.chance.pick(&[FsError::Io, FsError::NoSpace, FsError::Exhausted]))
    }

    fn hold<H>(&self, handle: H, path: &VirtualPath) -> Box<Held<H>> {
        self.open.fetch_add(1, Ordering::Relaxed);
        Box::new(Held { handle, path: path.clone(), disk: self.clone(), failed: None, cut: None, position: 0 })
    }
}

pub(crate) fn place(path: &str) -> VirtualPath {
    VirtualPath::try_from(path).expect("it is a path")
}

struct Source<'a>(&'a mut dyn BlockingReader);

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer).map_err(std::io::Error::other)
    }
}

fn without_clock(mut metadata: Metadata) -> Metadata {
    for time in [&mut metadata.modified, &mut metadata.created].into_iter().flatten() {
        if time.seconds > LAST_SET_TIME {
            *time = UnixTime { seconds: LAST_SET_TIME, nanoseconds: 0 };
        }
    }
    metadata
}

impl BlockingBackend for Disk {
    fn resolve(&self, path: &VirtualPath, follow: Follow) -> Result<VirtualPath, FsError> {
        self.files.resolve(path, follow)
    }

    fn stat(&self, path: &VirtualPath) -> Result<Metadata, FsError> {
        self.touch(path, 80)?;
        self.files.stat(path).map(without_clock)
    }

    fn list(&self, path: &VirtualPath) -> Result<Box<dyn BlockingListing>, FsError> {
        self.touch(path, 50)?;
        Ok(self.hold(self.files.list(path)?, path))
    }

    fn open(&self, path: &VirtualPath, offset: u64) -> Result<Box<dyn BlockingReader>, FsError> {
        self.touch(path, 50)?;
        let mut held = self.hold(self.files.open(path, offset)?, path);
        held.position = offset;
        Ok(held)
    }

    fn create(&self, path: &VirtualPath, mode: WriteMode) -> Result<Box<dyn BlockingWriter>, FsError> {
        self.touch(path, 50)?;
        Ok(self.hold(self.files.create(path, mode)?, path))
    }

    fn create_unique(
        &self,
        directory: &VirtualPath,
        prefix: &[u8],
    ) -> Result<UniqueFile<Box<dyn BlockingWriter>>, FsError> {
        self.touch(directory, 50)?;
        let UniqueFile { name, writer } = self.files.create_unique(directory, prefix)?;
        let path = directory.child(&name).map_err(|_| FsError::InvalidName)?;
        Ok(UniqueFile { name, writer: self.hold(writer, &path) })
    }

    fn make_directory(&self, path: &VirtualPath) -> Result<(), FsError> {
        self.touch(path, 50)?;
        self.files.make_directory(path)
    }

    fn remove_directory(&self, path: &VirtualPath) -> Result<(), FsError> {
        self.touch(path, 50)?;
        self.files.remove_directory(path)
    }

    fn remove_file(&self, path: &VirtualPath) -> Result<(), FsError> {
        self.touch(path, 50)?;
        self.files.remove_file(path)
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<(), FsError> {
        self.touch(from, 50)?;
        self.files.rename(from, to)
    }

    fn set_mode(&self, path: &VirtualPath, mode: u32) -> Result<(), FsError> {
        self.touch(path, 50)?;
        self.files.set_mode(path, mode)
    }

    fn set_modified(&self, path: &VirtualPath, time: UnixTime) -> Result<(), FsError> {
        self.touch(path, 50)?;
        self.files.set_modified(path, time)
    }
}

impl<H> Held<H> {
    fn fail(&mut self, one_in: u32) -> Result<(), FsError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.disk.touch(&self.path, one_in).inspect_err(|error| self.failed = Some(*error))
    }
}

impl BlockingReader for Held<Box<dyn BlockingReader>> {
    fn metadata(&mut self) -> Result<Metadata, FsError> {
        let mut metadata = without_clock(self.handle.metadata()?);
        metadata.len = self.cut.unwrap_or(metadata.len);
        Ok(metadata)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FsError> {
        self.fail(150)?;
        let (cut, fewer) = {
            let mut state = self.disk.world.state();
            let cut = state.fault(200);
            if cut {
                state.hit(format!("path {}", self.path));
            }
            let fewer = if state.chance.one_in(6) { state.chance.between(1, buffer.len()) } else { buffer.len() };
            (cut, fewer)
        };
        if cut && self.cut.is_none() {
            self.cut = Some(self.position);
        }
        if self.cut.is_some() {
            return Ok(0);
        }
        let count = self.handle.read(&mut buffer[..fewer])?;
        self.position += count as u64;
        Ok(count)
    }
}

impl BlockingWriter for Held<Box<dyn BlockingWriter>> {
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        let failed_before = self.failed.is_some();
        if let Err(error) = self.fail(100) {
            let some = self.disk.world.state().chance.below(bytes.len() + 1);
            let some = if failed_before { 0 } else { some };
            self.handle.write_all(&bytes[..some])?;
            return Err(error);
        }
        self.handle.write_all(bytes)
    }

    fn finish(mut self: Box<Self>) -> Result<Metadata, FsError> {
        self.fail(100)?;
        let handle = std::mem::replace(&mut self.handle, Box::new(Finished));
        handle.finish().map(without_clock)
    }

    fn remains(&self) -> Remains {
        self.handle.remains()
    }
}

/// What is left of a writer when it is finished.
struct Finished;

impl BlockingWriter for Finished {
    fn write_all(&mut self, _: &[u8]) -> Result<(), FsError> {
        Err(FsError::Cancelled)
    }

    fn finish(self: Box<Self>) -> Result<Metadata, FsError> {
        Err(FsError::Cancelled)
    }
}

impl BlockingListing for Held<Box<dyn BlockingListing>> {
    fn next_batch(&mut self, max: usize) -> Result<Vec<Entry>, FsError> {
        self.fail(100)?;
        let batch = self.handle.next_batch(max)?;
        let without_clock = |Entry { name, metadata, .. }| Entry::new(name, without_clock(metadata));
        Ok(batch.into_iter().map(without_clock).collect())
    }
}

impl<H> Drop for Held<H> {
    fn drop(&mut self) {
        self.disk.open.fetch_sub(1, Ordering::Relaxed);
    }
}
