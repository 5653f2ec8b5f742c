//! Small uploads into memory, whose end mostly comes a moment behind their bytes.

use std::sync::Arc;

use ftp_fs::{BlockingBackend, BlockingListing, BlockingReader, BlockingWriter, Follow, MemoryFs, UniqueFile};
use ftp_types::{FsError, Metadata, UnixTime, VirtualPath, WriteMode};

use crate::world::SimStream;
use crate::{Simulated, path, service_with};

/// Storage that need not wait to write so much.
#[derive(Clone)]
struct AtOnce(Arc<MemoryFs>, usize);

/// Takes so many bytes at once, and others when it may wait.
struct AtOnceWriter(Option<Box<dyn BlockingWriter>>, usize);

impl BlockingWriter for AtOnceWriter {
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        self.0.as_mut().ok_or(FsError::Cancelled)?.write_all(bytes)
    }

    fn try_write(&mut self, bytes: &[u8]) -> Option<usize> {
        let count = bytes.len().min(self.1);
        self.write_all(&bytes[..count]).is_ok().then_some(count)
    }

    fn finish(mut self: Box<Self>) -> Result<Metadata, FsError> {
        self.0.take().ok_or(FsError::Cancelled)?.finish()
    }

    fn try_finish(&mut self) -> Option<Metadata> {
        self.0.take()?.finish().ok()
    }

    fn closes_at_once(&self) -> bool {
        true
    }
}

impl BlockingBackend for AtOnce {
    fn create(&self, path: &VirtualPath, mode: WriteMode) -> Result<Box<dyn BlockingWriter>, FsError> {
        self.0.create(path, mode).map(|writer| Box::new(AtOnceWriter(Some(writer), self.1)) as Box<dyn BlockingWriter>)
    }

    fn list(&self, path: &VirtualPath) -> Result<Box<dyn BlockingListing>, FsError> {
        self.0.list(path)
    }

    fn resolve(&self, path: &VirtualPath, follow: Follow) -> Result<VirtualPath, FsError> {
        self.0.resolve(path, follow)
    }

    fn stat(&self, path: &VirtualPath) -> Result<Metadata, FsError> {
        self.0.stat(path)
    }

    fn open(&self, path: &VirtualPath, offset: u64) -> Result<Box<dyn BlockingReader>, FsError> {
        self.0.open(path, offset)
    }

    fn create_unique(
        &self,
        directory: &VirtualPath,
        stem: &[u8],
    ) -> Result<UniqueFile<Box<dyn BlockingWriter>>, FsError> {
        self.0.create_unique(directory, stem)
    }

    fn make_directory(&self, path: &VirtualPath) -> Result<(), FsError> {
        self.0.make_directory(path)
    }

    fn remove_directory(&self, path: &VirtualPath) -> Result<(), FsError> {
        self.0.remove_directory(path)
    }

    fn remove_file(&self, path: &VirtualPath) -> Result<(), FsError> {
        self.0.remove_file(path)
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<(), FsError> {
        self.0.rename(from, to)
    }

    fn set_mode(&self, path: &VirtualPath, mode: u32) -> Result<(), FsError> {
        self.0.set_mode(path, mode)
    }

    fn set_modified(&self, path: &VirtualPath, modified: UnixTime) -> Result<(), FsError> {
        self.0.set_modified(path, modified)
    }
}

struct Upload {
    session: Simulated,
    data: SimStream,
    storage: AtOnce,
    /// Blocking work before any byte came.
    jobs: u64,
}

impl Upload {
    fn begin() -> Self {
        Self::begin_with(usize::MAX, "I")
    }

    /// With storage that takes so much at once, and of this type.
    fn begin_with(at_once: usize, representation: &str) -> Self {
        let storage = AtOnce(Arc::default(), at_once);
        let mut session = Simulated::new(service_with(storage.clone()));
        session.login();
        session.says(&format!("TYPE {representation}\r\n"), "200 ");
        let data = session.passive();
        session.says("STOR new\r\n", "125 ");
        Self { jobs: session.world.jobs(), session, data, storage }
    }

    /// Sends, and lets the session see it.
    fn send(&mut self, bytes: &[u8]) {
        assert_eq!(self.data.send(bytes), bytes.len());
        self.session.run();
    }

    fn content(&self) -> Vec<u8> {
        let mut content = vec![0; 100_000];
        let count = self.storage.0.open(&path("/new"), 0).unwrap().read(&mut content).unwrap();
        content.truncate(count);
        content
    }

    /// Ends the upload, and tells how much blocking work it was.
    fn end(&mut self) -> u64 {
        self.data = SimStream::pair().0;
        self.session.run();
        assert!(self.session.said().starts_with("226 "));
        self.session.world.jobs() - self.jobs
    }
}

#[test]
fn a_small_upload_whose_end_comes_later_takes_no_thread() {
    let mut upload = Upload::begin();
    upload.send(b"con");
    assert_eq!(upload.content(), b"con");
    upload.send(b"tent");
    assert_eq!(upload.end(), 0);
    assert_eq!(upload.content(), b"content");
}

#[test]
fn one_that_comes_by_full_buffers_takes_one() {
    let mut upload = Upload::begin();
    upload.send(&[b'x'; 20_000]);
    assert_ne!(upload.end(), 0);
    assert_eq!(upload.content(), [b'x'; 20_000]);
}

#[test]
fn one_that_begins_with_little_takes_one_as_well() {
    let mut upload = Upload::begin();
    upload.send(b"little");
    upload.send(&[b'x'; 20_000]);
    assert_ne!(upload.end(), 0);
    assert_eq!(upload.content().len(), 20_006);
}

#[test]
fn what_cannot_be_written_at_once_is_written_behind_it() {
    for at_once in [0, 3] {
        let mut upload = Upload::begin_with(at_once, "I");
        upload.send(b"content");
        upload.send(b" and more");
        assert_ne!(upload.end(), 0);
        assert_eq!(upload.content(), b"content and more");
    }
}

#[test]
fn text_is_decoded_first() {
    let mut upload = Upload::begin_with(usize::MAX, "A");
    upload.send(b"a line\r\n");
    upload.send(b"another");
    upload.end();
    assert_eq!(upload.content(), b"a line\nanother");
}
