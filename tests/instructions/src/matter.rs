//! What is listed and encoded.

use std::sync::Arc;

use ftp_types::{Entry, FileKind, Metadata, Permissions, UnixTime};

/// How many entries a listing has, as the names of the cases say.
pub const ENTRIES: usize = 256;
/// How many KiB a text has, as the names of the cases say.
pub const KIB: usize = 64;

/// 2024-02-29 12:34:56.
const NOON: i64 = 1_709_210_096;

/// A directory's entries as a back end gives them, files and folders, old and new.
#[must_use]
pub fn entries() -> Vec<Entry> {
    let (owner, group) = (Arc::from("alice"), Arc::from("users"));
    (0..ENTRIES).map(|number| entry(number, &owner, &group)).collect()
}

fn entry(number: usize, owner: &Arc<str>, group: &Arc<str>) -> Entry {
    let (kind, mode) = if number.is_multiple_of(8) { (FileKind::Directory, 0o755) } else { (FileKind::File, 0o644) };
    let mut metadata = Metadata::new(kind, (number * number * 1000) as u64);
    metadata.modified = Some(UnixTime::from_seconds(NOON - 100_000 * number as i64));
    metadata.mode = Some(mode);
    metadata.uid = Some(1000);
    metadata.gid = Some(100);
    metadata.owner = Some(Arc::clone(owner));
    metadata.group = Some(Arc::clone(group));
    metadata.unique = Some((0x801, 1_000_000 + number as u64));
    metadata.rights = Some(Permissions::ALL);
    Entry::new(format!("report-{number:05}.txt").into_bytes(), metadata)
}

/// A text of so many KiB in lines of 0 to 78 bytes that end so.
#[must_use]
pub fn text(end: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(KIB * 1024 + 80);
    for number in 0.. {
        text.extend(std::iter::repeat_n(b'a' + (number % 26) as u8, number * 7 % 79));
        text.extend_from_slice(end.as_bytes());
        if text.len() >= KIB * 1024 {
            break;
        }
    }
    text.truncate(KIB * 1024);
    text
}
