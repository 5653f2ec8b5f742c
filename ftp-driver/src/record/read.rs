//! From the bytes of a record to what they say. Whatever the bytes are, there is an answer and no panic.

use std::fmt;

use serde::de::DeserializeOwned;

use super::frame::{self, Frame, MAGIC, START, VERSION};
use super::outline::{Entry, Header, Input, Line};

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
            Ok((entry, _)) if is_too_much(&entry.input) => {
                break Ending::Broken(Broken { offset: place as u64, reason: BrokenReason::NoMeaning });
            }
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

impl Record {
    /// The bytes of the record, which read as the same: for those who leave something out before they pass it on, and
    /// for tests. An ending that no entry makes is left out.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame::append_start(&mut bytes);
        let header = frame::append(&mut bytes, &self.header);
        // What is too long to be read again ends it.
        let _ = header.and_then(|()| self.entries.iter().try_for_each(|entry| frame::append(&mut bytes, entry)));
        bytes
    }
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
        Frame::Nonsense => Err(broken(BrokenReason::NoFrame)),
        Frame::Content(content, end) => match postcard::take_from_bytes(content) {
            Ok((value, [])) => Ok((value, end)),
            _ => Err(broken(BrokenReason::NoMeaning)),
        },
    }
}

/// Whether an entry has more lines than a session is ever given at once. What is too long is short in a record, and long
/// again in a replay.
fn is_too_much(input: &Input) -> bool {
    let Input::Bytes(bytes) = input else { return false };
    let too_long = bytes.lines.iter().filter(|line| matches!(line, Line::TooLong)).count();
    bytes.lines.len() > MAX_LINES || too_long > MAX_TOO_LONG
}

/// In one entry. The driver gives a session 512 bytes at a time.
const MAX_LINES: usize = 4096;
const MAX_TOO_LONG: usize = 4;

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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ftp_proto::Config;

    use super::*;
    use crate::record::outcome::{Attributes, Outcome, Welcome};
    use crate::record::outline::{Bytes, Settings};
    use crate::record::{Mark, StorageFault, TransferFault, replay};

    fn record(inputs: impl IntoIterator<Item = Input>) -> Record {
        let (local, peer) = ("192.0.2.1:21".parse().unwrap(), "192.0.2.2:50000".parse().unwrap());
        let config = Config { tls: Some(Default::default()), ..Config::default() };
        let settings = Settings::of(&config, "192.0.2.1".parse().unwrap(), "");
        let header = Header {
            program: "test".to_owned(),
            session: 1,
            began: (0, 0),
            local,
            peer,
            implicit_tls: false,
            settings,
        };
        let entry = |input| Entry { after: 7, outputs: vec![Mark::Cancel(9)], drained: true, input };
        let mut entries: Vec<Entry> = inputs.into_iter().map(entry).collect();
        entries.push(entry(Input::End { unfinished: Some(b"x".to_vec()) }));
        Record { header, entries, ending: Ending::Whole }
    }

    fn say(line: &[u8]) -> Input {
        let lines = vec![Line::Plain { bytes: line.to_vec(), opened: 1 }];
        Input::Bytes(Bytes { lines, open: true, more: true })
    }

    /// One of each input, in an order that means something.
    fn inputs() -> Vec<Input> {
        let attributes = Attributes {
            kind: 1,
            len: 5,
            modified: Some((1, 2)),
            created: None,
            mode: Some(0o755),
            links: 1,
            uid: Some(0),
            gid: None,
            owner: Some("root".to_owned()),
            group: None,
            unique: Some((1, 2)),
            rights: Some("elr".to_owned()),
        };
        let welcome = Welcome { directory: b"/a".to_vec(), message: "Hi.".to_owned(), farewell: "Bye.".to_owned() };
        let masked = vec![Line::Masked { line: b"PASS ******".to_vec(), urgent: true }, Line::TooLong];
        let answer = |action, outcome| Input::Answer { action, outcome };
        vec![
            say(b"USER alice\r\n"),
            Input::Bytes(Bytes { lines: masked, open: false, more: false }),
            answer(1, Outcome::Authenticate(Ok(welcome))),
            say(b"MLST x\r\n"),
            answer(2, Outcome::Stat(Ok(attributes))),
            say(b"DELE x\r\n"),
            answer(3, Outcome::Change(Err(StorageFault::Denied))),
            say(b"EPSV\r\n"),
            Input::Wait { listen: 4 },
            answer(4, Outcome::Listen(Ok((5, Some("192.0.2.9".parse().unwrap()))))),
            say(b"STOU\r\n"),
            answer(5, Outcome::Accept(Ok(()))),
            answer(6, Outcome::Open(Ok((Some(3), Some(b"../x".to_vec()))))),
            Input::Progress { transfer: 7, bytes: 5 },
            Input::Pause { transfer: 7, until: 5 },
            answer(7, Outcome::Transfer(5, Err(TransferFault::Storage(StorageFault::NoSpace)))),
            say(b"AUTH TLS\r\n"),
            answer(8, Outcome::StartTls(Ok(true))),
            Input::Timeout,
            Input::Dismiss { now: false },
            Input::Shutdown { now: true },
            Input::Eof,
        ]
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = record(inputs());
        assert_eq!(read(&record.to_bytes()), Ok(record));
    }

    #[test]
    fn a_record_that_would_be_much_longer_in_a_replay_is_broken() {
        let flood = |line: Line, count| Input::Bytes(Bytes { lines: vec![line; count], open: false, more: false });
        let empty = Line::Plain { bytes: b"\n".to_vec(), opened: 0 };
        for (flood, is_broken) in [
            (flood(Line::TooLong, MAX_TOO_LONG), false),
            (flood(Line::TooLong, MAX_TOO_LONG + 1), true),
            (flood(empty.clone(), MAX_LINES), false),
            (flood(empty, MAX_LINES + 1), true),
        ] {
            let read = read(&record([flood]).to_bytes()).unwrap();
            assert_eq!(matches!(read.ending, Ending::Broken(_)), is_broken);
            assert_eq!(read.entries.is_empty(), is_broken);
        }
    }

    /// The checksum tells damage, and nobody's malice: contents that mean something else are let through.
    #[test]
    fn whatever_the_bytes_are_there_is_an_answer() {
        let good = record(inputs());
        let mut random = 1_u64;
        let mut next = |below: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize % below
        };
        let mut understood = 0;
        for _ in 0..3000 {
            let mut changed = good.clone();
            for _ in 0..=next(4) {
                let place = next(changed.entries.len());
                let mut content = postcard::to_allocvec(&changed.entries[place]).unwrap();
                let at = next(content.len());
                content[at] = [0, 1, 0x7F, 0xFF, content[at] ^ (1 << next(8))][next(5)];
                if let Ok(entry) = postcard::from_bytes(&content) {
                    changed.entries[place] = entry;
                    understood += 1;
                }
                let (one, other) = (next(changed.entries.len()), next(changed.entries.len()));
                changed.entries.swap(one, other);
            }
            let mut bytes = changed.to_bytes();
            let mut last = Duration::ZERO;
            replay(&changed, None, &mut |step| last = last.max(step.at));
            let at = next(bytes.len());
            bytes[at] ^= 1 << next(8);
            bytes.truncate(next(2 * bytes.len()).max(1));
            let _ = read(&bytes).map(|record| replay(&record, None, &mut |_| {}));
        }
        assert!(understood > 1000, "{understood}");
    }
}
