//! Storage of one's own: a tree whose files are made up when they are read, `7.txt` being the table of seven.

use std::error::Error;

use ftp_driver::Service;
use ftp_fs::{
    BlockingBackend, BlockingListing, BlockingReader, BlockingWriter, Follow, Storage, UniqueFile, VirtualUsers,
};
use ftp_runtime_smol::Server;
use ftp_types::{Entry, FileKind, FsError, Metadata, Permissions, UnixTime, VirtualPath, WriteMode};

/// The multiplication tables, from `1.txt` on.
struct Tables(u32);

impl Tables {
    fn text(number: u32) -> Vec<u8> {
        let line = |factor| format!("{factor:2} x {number} = {}\n", factor * number);
        (1..=10).map(line).collect::<String>().into_bytes()
    }

    fn metadata(number: u32) -> Metadata {
        Metadata::new(FileKind::File, Self::text(number).len() as u64)
    }

    /// Which table a path means.
    fn find(&self, path: &VirtualPath) -> Result<u32, FsError> {
        if path.is_root() {
            return Err(FsError::IsADirectory);
        }
        let name = std::str::from_utf8(path.as_bytes()).map_err(|_| FsError::NotFound)?;
        let number = name.strip_prefix('/').and_then(|name| name.strip_suffix(".txt")).ok_or(FsError::NotFound)?;
        let number = number.parse().map_err(|_| FsError::NotFound)?;
        if (1..=self.0).contains(&number) { Ok(number) } else { Err(FsError::NotFound) }
    }
}

impl BlockingBackend for Tables {
    fn resolve(&self, path: &VirtualPath, _: Follow) -> Result<VirtualPath, FsError> {
        // There are no links, so that every path is its own destination.
        Ok(path.clone())
    }

    fn stat(&self, path: &VirtualPath) -> Result<Metadata, FsError> {
        if path.is_root() {
            return Ok(Metadata::new(FileKind::Directory, 0));
        }
        self.find(path).map(Self::metadata)
    }

    fn list(&self, path: &VirtualPath) -> Result<Box<dyn BlockingListing>, FsError> {
        if path.is_root() {
            return Ok(Box::new(Numbers { next: 1, last: self.0 }));
        }
        self.find(path).and(Err(FsError::NotADirectory))
    }

    fn open(&self, path: &VirtualPath, offset: u64) -> Result<Box<dyn BlockingReader>, FsError> {
        let (number, offset) = (self.find(path)?, usize::try_from(offset).map_err(|_| FsError::OffsetPastEnd)?);
        let text = Self::text(number);
        let rest = text.get(offset..).ok_or(FsError::OffsetPastEnd)?;
        Ok(Box::new(Table { number, rest: rest.to_vec() }))
    }

    fn create(&self, _: &VirtualPath, _: WriteMode) -> Result<Box<dyn BlockingWriter>, FsError> {
        Err(FsError::ReadOnly)
    }

    fn create_unique(&self, _: &VirtualPath, _: &[u8]) -> Result<UniqueFile<Box<dyn BlockingWriter>>, FsError> {
        Err(FsError::ReadOnly)
    }

    fn make_directory(&self, _: &VirtualPath) -> Result<(), FsError> {
        Err(FsError::ReadOnly)
    }

    fn remove_directory(&self, _: &VirtualPath) -> Result<(), FsError> {
        Err(FsError::ReadOnly)
    }

    fn remove_file(&self, _: &VirtualPath) -> Result<(), FsError> {
        Err(FsError::ReadOnly)
    }

    fn rename(&self, _: &VirtualPath, _: &VirtualPath) -> Result<(), FsError> {
        Err(FsError::ReadOnly)
    }

    fn set_mode(&self, _: &VirtualPath, _: u32) -> Result<(), FsError> {
        Err(FsError::ReadOnly)
    }

    fn set_modified(&self, _: &VirtualPath, _: UnixTime) -> Result<(), FsError> {
        Err(FsError::ReadOnly)
    }
}

/// The root directory, read as far as `next`.
struct Numbers {
    next: u32,
    last: u32,
}

impl BlockingListing for Numbers {
    fn next_batch(&mut self, max: usize) -> Result<Vec<Entry>, FsError> {
        let batch: Vec<Entry> = (self.next..=self.last)
            .take(max)
            .map(|number| Entry::new(format!("{number}.txt").into_bytes(), Tables::metadata(number)))
            .collect();
        self.next += batch.len() as u32;
        Ok(batch)
    }
}

/// An open file: what has not been read yet.
struct Table {
    number: u32,
    rest: Vec<u8>,
}

impl BlockingReader for Table {
    fn metadata(&mut self) -> Result<Metadata, FsError> {
        Ok(Tables::metadata(self.number))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FsError> {
        let count = buffer.len().min(self.rest.len());
        buffer[..count].copy_from_slice(&self.rest[..count]);
        self.rest.drain(..count);
        Ok(count)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let users = VirtualUsers::new();
    users.add_anonymous(Storage::blocking(Tables(12)), Permissions::READ)?;

    let service = Service::builder(users).build();
    let server = Server::bind(ferry_examples::address(), service)?;
    println!("listening on ftp://{}", server.local_addrs()[0]);
    smol::block_on(server.serve());
    Ok(())
}
