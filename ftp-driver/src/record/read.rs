//! From the bytes of a record to what they say. Whatever the bytes are, there is an answer and no panic.

use std::fmt;

use serde::de::DeserializeOwned;

use super::frame::{self, Frame, MAGIC, START, VERSION};
use super::outline::{Entry, Header, Input};

/// A session as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// How it began.
    pub header: Header,
    /// What it was given, in order.
    pub entries: Vec<Entry>,
    /// Where the record ends.
    pub ending: Ending,
}

/// Where a record ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// At the end of the session.
    Whole,
    /// At its limit.
    Full,
    /// In the middle of the session: at this byte the next entry would have begun. The process was killed, say, or the
    /// disk was full; or the session goes on.
    Cut(u64),
    /// Where it is broken. The entries before that are good.
    Broken(Broken),
}

/// Bytes that are no record, from this place on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Bytes from the start.
    pub offset: u64,
    /// What is wrong there.
    pub reason: BrokenReason,
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BrokenReason {
    /// It does not begin like one.
    NotARecord,
    /// It is of a version that this program does not know.
    UnknownVersion(u16),
    /// It ends before it has said anything.
    TooShort,
    /// A checksum is wrong.
    Checksum,
    /// There is no frame where one should begin.
    NoFrame,
    /// The checksum is right, and what it covers has no meaning.
    NoMeaning,
    /// Something comes behind the end.
    BehindTheEnd,
}

/// Reads a record.
///
/// # Errors
/// When not even its beginning can be read. What is wrong behind that is said by [`Record::ending`].
pub fn read(bytes: &[u8]) -> Result<Record, Broken> {
    check_start(bytes)?;
    let (header, mut place) = next::<Header>(bytes, START).map_err(|end| match end {
        Ending::Broken(broken) => broken,
        _ => Broken { offset: bytes.len() as u64, reason: BrokenReason::TooShort },
    })?;
    let mut entries = Vec::new();
    let ending = loop {
        match next::<Entry>(bytes, place) {
            Ok((entry, end)) => {
                place = end;
                let over = last(&entry.input);
                entries.push(entry);
                if let Some(ending) = over {
                    break check_end(bytes, place).map_or(ending, Ending::Broken);
                }
            }
            Err(ending) => break ending,
        }
    };
    Ok(Record { header, entries, ending })
}

fn check_start(bytes: &[u8]) -> Result<(), Broken> {
    let broken = |offset, reason| Err(Broken { offset, reason });
    let (magic, rest) = bytes.split_at(bytes.len().min(MAGIC.len()));
    if !MAGIC.starts_with(magic) {
        return broken(0, BrokenReason::NotARecord);
    }
    match rest.first_chunk::<2>().map(|version| u16::from_le_bytes(*version)) {
        None => broken(bytes.len() as u64, BrokenReason::TooShort),
        Some(VERSION) => Ok(()),
        Some(version) => broken(MAGIC.len() as u64, BrokenReason::UnknownVersion(version)),
    }
}

fn next<T: DeserializeOwned>(bytes: &[u8], place: usize) -> Result<(T, usize), Ending> {
    let broken = |reason| Ending::Broken(Broken { offset: place as u64, reason });
    match frame::at(bytes, place) {
        Frame::Cut => Err(Ending::Cut(place as u64)),
        Frame::Corrupt => Err(broken(BrokenReason::Checksum)),
        Frame::NoFrame => Err(broken(BrokenReason::NoFrame)),
        Frame::Content(content, end) => match postcard::take_from_bytes(content) {
            Ok((value, [])) => Ok((value, end)),
            _ => Err(broken(BrokenReason::NoMeaning)),
        },
    }
}

/// The ending that an entry makes, if it is the last.
fn last(input: &Input) -> Option<Ending> {
    match input {
        Input::End { .. } => Some(Ending::Whole),
        Input::Full => Some(Ending::Full),
        _ => None,
    }
}

fn check_end(bytes: &[u8], place: usize) -> Option<Broken> {
    (place < bytes.len()).then_some(Broken { offset: place as u64, reason: BrokenReason::BehindTheEnd })
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: ", self.offset)?;
        match self.reason {
            BrokenReason::NotARecord => f.write_str("this is no record of a session"),
            BrokenReason::UnknownVersion(version) => {
                write!(f, "the record is of version {version}; this program knows version {VERSION}")
            }
            BrokenReason::TooShort => f.write_str("the record ends before it says anything"),
            BrokenReason::Checksum => f.write_str("the checksum is wrong, so that the record is damaged"),
            BrokenReason::NoFrame => f.write_str("there is no frame of a record"),
            BrokenReason::NoMeaning => f.write_str("there is nothing in the frame that this program understands"),
            BrokenReason::BehindTheEnd => f.write_str("there is something behind the end of the record"),
        }
    }
}

impl std::error::Error for Broken {}
