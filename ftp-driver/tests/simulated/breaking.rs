//! Storage in which nothing works but the beginning of a listing.

use ftp_fs::{BlockingBackend, BlockingListing, BlockingReader, BlockingWriter, Follow, UniqueFile};
use ftp_types::{Entry, FileKind, FsError, Metadata, UnixTime, VirtualPath, WriteMode};

pub(crate) struct Breaking {
    /// How many entries come before the error.
    pub(crate) entries: usize,
}

struct Entries(usize);

impl BlockingListing for Entries {
    fn next_batch(&mut self, max: usize) -> Result<Vec<Entry>, FsError> {
        let count = max.min(self.0);
        self.0 -= count;
        let name = b"a-file-with-a-long-name".to_vec();
        let entry = Entry::new(name, Metadata::new(FileKind::File, 0));
        if count == 0 { Err(FsError::Io) } else { Ok(vec![entry; count]) }
    }
}

impl BlockingBackend for Breaking {
    fn list(&self, _: &VirtualPath) -> Result<Box<dyn BlockingListing>, FsError> {
        Ok(Box::new(Entries(self.entries)))
    }

    fn resolve(&self, _: &VirtualPath, _: Follow) -> Result<VirtualPath, FsError> {
        Err(FsError::Io)
    }

    fn stat(&self, _: &VirtualPath) -> Result<Metadata, FsError> {
        Err(FsError::Io)
    }

    fn open(&self, _: &VirtualPath, _: u64) -> Result<Box<dyn BlockingReader>, FsError> {
        Err(FsError::Io)
    }

    fn create(&self, _: &VirtualPath, _: WriteMode) -> Result<Box<dyn BlockingWriter>, FsError> {
        Err(FsError::Io)
    }

    fn create_unique(&self, _: &VirtualPath, _: &[u8]) -> Result<UniqueFile<Box<dyn BlockingWriter>>, FsError> {
        Err(FsError::Io)
    }

    fn make_directory(&self, _: &VirtualPath) -> Result<(), FsError> {
        Err(FsError::Io)
    }

    fn remove_directory(&self, _: &VirtualPath) -> Result<(), FsError> {
        Err(FsError::Io)
    }

    fn remove_file(&self, _: &VirtualPath) -> Result<(), FsError> {
        Err(FsError::Io)
    }

    fn rename(&self, _: &VirtualPath, _: &VirtualPath) -> Result<(), FsError> {
        Err(FsError::Io)
    }

    fn set_mode(&self, _: &VirtualPath, _: u32) -> Result<(), FsError> {
        Err(FsError::Io)
    }

    fn set_modified(&self, _: &VirtualPath, _: UnixTime) -> Result<(), FsError> {
        Err(FsError::Io)
    }
}
