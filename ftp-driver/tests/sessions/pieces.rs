//! How much of a file is moved at a time.

use std::sync::{Arc, Mutex};

use ftp_fs::{BlockingBackend, BlockingListing, BlockingReader, BlockingWriter, Follow, Storage, UniqueFile};
use ftp_types::{FileKind, FsError, Metadata, UnixTime, VirtualPath, WriteMode};

use crate::client::pattern;
use crate::on_both;
use crate::server::{Start, in_memory, service};

on_both! {
    files_are_moved_in_pieces_of_the_size_that_was_set,
    pieces_of_large_files_grow_up_to_that,
    a_small_file_is_read_once_unless_it_has_grown,
    sizes_that_cannot_be_are_brought_to_what_can,
}

const LEN: usize = 10_000;

fn files_are_moved_in_pieces_of_the_size_that_was_set(start: Start) {
    for ascii in [false, true] {
        let pieces = Pieces::of(LEN);
        let builder = service(Storage::blocking(pieces.clone()));
        let server = start(builder.read_buffer(1_000).write_buffer(2_000).build());
        let mut client = server.logged_in();
        client.command(if ascii { "TYPE A" } else { "TYPE I" }, 200);
        client.upload("STOR file", &pattern(LEN));
        let written = pieces.take();
        // In ASCII a CR waits for what follows it.
        assert!(written.iter().all(|size| *size <= 1_001) && written.len() >= LEN / 1_001, "{written:?}");
        client.download("RETR file");
        let read = pieces.take();
        assert!(read.iter().all(|size| *size == 2_000) && read.len() > LEN / 2_000, "{read:?}");
    }
}

fn pieces_of_large_files_grow_up_to_that(start: Start) {
    const LARGE: usize = 2_000_000;
    let pieces = Pieces::of(LARGE);
    let server = start(service(Storage::blocking(pieces.clone())).build());
    let mut client = server.logged_in();
    client.upload("STOR file", &pattern(LARGE));
    let written = pieces.take();
    assert!(written[0] <= 32 << 10 && written.iter().all(|size| *size <= 512 << 10), "{written:?}");
    assert_eq!(written.iter().sum::<usize>(), LARGE);
    assert_eq!(client.download("RETR file").len(), LARGE);
    let read = pieces.take();
    assert!(read[0] == 128 << 10 && read[1..].iter().all(|size| *size == 512 << 10), "{read:?}");
}

fn a_small_file_is_read_once_unless_it_has_grown(start: Start) {
    for (told, reads) in [(LEN, vec![LEN + 1]), (LEN - 1_000, vec![LEN - 999, 4 * (LEN - 999)])] {
        let pieces = Pieces { told: Some(told as u64), ..Pieces::of(LEN) };
        let server = start(service(Storage::blocking(pieces.clone())).build());
        let mut client = server.logged_in();
        assert_eq!(client.download("RETR file").len(), LEN);
        // The next may be asked for while the last is on its way.
        let read = pieces.take();
        assert_eq!(read[..reads.len()], reads);
        assert!(told < LEN || read.len() == 1, "{read:?}");
    }
}

fn sizes_that_cannot_be_are_brought_to_what_can(start: Start) {
    for size in [0, usize::MAX] {
        let server = start(in_memory().read_buffer(size).write_buffer(size).build());
        let mut client = server.logged_in();
        client.upload("STOR file", &pattern(LEN));
        assert_eq!(client.download("RETR file"), pattern(LEN));
    }
}

/// A file that takes all and tells how much came, or was asked for, at a time.
#[derive(Clone)]
struct Pieces {
    sizes: Arc<Mutex<Vec<usize>>>,
    /// How long the file is.
    len: usize,
    /// How long it is said to have been when it was opened.
    told: Option<u64>,
}

impl Pieces {
    fn of(len: usize) -> Self {
        Self { sizes: Arc::default(), len, told: None }
    }

    fn push(&self, size: usize) {
        self.sizes.lock().unwrap().push(size);
    }

    fn take(&self) -> Vec<usize> {
        std::mem::take(&mut *self.sizes.lock().unwrap())
    }

    fn metadata(&self) -> Metadata {
        Metadata::new(FileKind::File, self.len as u64)
    }
}

struct Reading {
    pieces: Pieces,
    left: usize,
}

impl BlockingReader for Reading {
    fn metadata(&mut self) -> Result<Metadata, FsError> {
        Ok(self.pieces.metadata())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FsError> {
        self.pieces.push(buffer.len());
        let count = buffer.len().min(self.left);
        self.left -= count;
        Ok(count)
    }

    fn opened_len(&self) -> Option<u64> {
        self.pieces.told
    }
}

impl BlockingWriter for Pieces {
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        self.push(bytes.len());
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Metadata, FsError> {
        Ok(self.metadata())
    }
}

impl BlockingBackend for Pieces {
    fn resolve(&self, path: &VirtualPath, _: Follow) -> Result<VirtualPath, FsError> {
        Ok(path.clone())
    }

    fn open(&self, _: &VirtualPath, _: u64) -> Result<Box<dyn BlockingReader>, FsError> {
        Ok(Box::new(Reading { pieces: self.clone(), left: self.len }))
    }

    fn create(&self, _: &VirtualPath, _: WriteMode) -> Result<Box<dyn BlockingWriter>, FsError> {
        Ok(Box::new(self.clone()))
    }

    fn stat(&self, _: &VirtualPath) -> Result<Metadata, FsError> {
        Err(FsError::Unsupported)
    }

    fn list(&self, _: &VirtualPath) -> Result<Box<dyn BlockingListing>, FsError> {
        Err(FsError::Unsupported)
    }

    fn create_unique(&self, _: &VirtualPath, _: &[u8]) -> Result<UniqueFile<Box<dyn BlockingWriter>>, FsError> {
        Err(FsError::Unsupported)
    }

    fn make_directory(&self, _: &VirtualPath) -> Result<(), FsError> {
        Err(FsError::Unsupported)
    }

    fn remove_directory(&self, _: &VirtualPath) -> Result<(), FsError> {
        Err(FsError::Unsupported)
    }

    fn remove_file(&self, _: &VirtualPath) -> Result<(), FsError> {
        Err(FsError::Unsupported)
    }

    fn rename(&self, _: &VirtualPath, _: &VirtualPath) -> Result<(), FsError> {
        Err(FsError::Unsupported)
    }

    fn set_mode(&self, _: &VirtualPath, _: u32) -> Result<(), FsError> {
        Err(FsError::Unsupported)
    }

    fn set_modified(&self, _: &VirtualPath, _: UnixTime) -> Result<(), FsError> {
        Err(FsError::Unsupported)
    }
}
