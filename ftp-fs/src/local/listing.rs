//! Attributes of files, and directories read batch by batch.

use std::sync::Arc;

use ftp_types::{Entry, FileKind, FsError, Metadata, UnixTime, VirtualPath};
use rustix::fs::{self as sys, AtFlags, Dir, DirEntry, FileType, Stat};
use rustix::io::Errno;

use super::beneath::{Root, kind};
use super::errno::{Explain, meaning};
use super::names::{self, LastNames, Names};
use super::staging;
use crate::BlockingListing;

/// An open directory. It holds one block of names at a time, however long the directory is.
pub(super) struct LocalListing {
    pub(super) root: Arc<Root>,
    pub(super) directory: VirtualPath,
    pub(super) names: Dir,
}

impl LocalListing {
    /// Adds what is listed: not the directory itself and its parent, files that vanished meanwhile, staged ones.
    fn add(&self, found: &DirEntry, names: &mut LastNames, batch: &mut Vec<Entry>) -> Result<(), FsError> {
        let name = found.file_name().to_bytes();
        if matches!(name, b"." | b"..") || staging::is_staged(name) {
            return Ok(());
        }
        let directory = self.names.fd().explain("listing", &self.directory)?;
        let metadata = match sys::statat(directory, found.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => with_names(&stat, names.of(stat.st_uid, stat.st_gid)),
            Err(Errno::NOENT) => return Ok(()),
            Err(_) => Metadata::new(kind_of_entry(found), 0),
        };
        let is_link = metadata.kind == FileKind::Symlink;
        batch.push(Entry::new(name.to_vec(), metadata));
        if let Some(entry) = batch.last_mut().filter(|_| is_link) {
            let path = self.directory.child(name);
            entry.link = Some(path.map(|path| Box::new(self.root.describe_link(&path))).unwrap_or_default());
        }
        Ok(())
    }
}

impl BlockingListing for LocalListing {
    fn next_batch(&mut self, max: usize) -> Result<Vec<Entry>, FsError> {
        let (mut batch, mut names) = (Vec::with_capacity(max.min(256)), LastNames::default());
        while batch.len() < max {
            match self.names.read() {
                Some(Ok(found)) => self.add(&found, &mut names, &mut batch)?,
                // The directory has been removed, so nothing is in it any more.
                None | Some(Err(Errno::NOENT)) => break,
                Some(Err(errno)) => {
                    tracing::debug!(directory = %self.directory, %errno, "listing failed");
                    return Err(meaning(errno));
                }
            }
        }
        Ok(batch)
    }

    fn closes_at_once(&self) -> bool {
        self.names.stat().is_ok_and(|stat| self.root.cache.medium_of(&stat).closes_at_once(&stat))
    }
}

fn kind_of_entry(found: &DirEntry) -> FileKind {
    match found.file_type() {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        _ => FileKind::Other,
    }
}

/// Everything that the system tells about a file.
pub(super) fn metadata(stat: &Stat) -> Metadata {
    with_names(stat, (names::owner(stat.st_uid), names::group(stat.st_gid)))
}

/// The same, unless somebody has to be asked for the names of its owner and its group.
pub(super) fn known_metadata(stat: &Stat) -> Option<Metadata> {
    Some(with_names(stat, names::known(stat.st_uid, stat.st_gid)?))
}

pub(super) fn len(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

#[allow(clippy::unnecessary_cast, reason = "the fields have other types on other systems")]
fn with_names(stat: &Stat, (owner, group): Names) -> Metadata {
    Metadata {
        modified: Some(UnixTime { seconds: stat.st_mtime as i64, nanoseconds: stat.st_mtime_nsec as u32 }),
        mode: Some(stat.st_mode as u32 & 0o7777),
        links: stat.st_nlink as u64,
        uid: Some(stat.st_uid),
        gid: Some(stat.st_gid),
        owner,
        group,
        unique: Some((stat.st_dev as u64, stat.st_ino as u64)),
        ..Metadata::new(kind(stat), len(stat))
    }
}
