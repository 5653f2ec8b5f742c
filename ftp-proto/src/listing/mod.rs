//! Directory listings, formatted entry by entry into the caller's buffer.

mod facts;
mod long;
mod names;

use alloc::sync::Arc;
use alloc::vec::Vec;

use ftp_types::{Entry, Metadata, TimeZone, UnixTime, Utc};

use crate::config::PathCodec;
use crate::text::breaks_line;

pub use facts::Facts;

/// Which lines a listing consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListStyle {
    /// LIST: like `ls -l`.
    Long,
    /// NLST: names alone.
    Names,
    /// MLSD: these facts and the name (RFC 3659 §7).
    Facts(Facts),
}

/// Writes the lines of one listing. Memory does not grow with the directory: each entry is pushed into a buffer that
/// the caller empties when it likes.
#[derive(Clone)]
pub struct ListFormatter {
    style: ListStyle,
    now: UnixTime,
    zone: Arc<dyn TimeZone>,
    codec: Option<Arc<dyn PathCodec>>,
}

impl ListFormatter {
    /// A formatter in UTC. `now` decides between the time of day and the year in long lines.
    #[must_use]
    pub fn new(style: ListStyle, now: UnixTime) -> Self {
        Self { style, now, zone: Arc::new(Utc), codec: None }
    }

    /// Shows the times of long lines in this zone. Facts are always in UTC (RFC 3659 §2.3).
    #[must_use]
    pub fn with_zone(mut self, zone: Arc<dyn TimeZone>) -> Self {
        self.zone = zone;
        self
    }

    /// Writes names in this charset: [`Session::codec`](crate::Session::codec).
    #[must_use]
    pub fn with_codec(mut self, codec: Option<Arc<dyn PathCodec>>) -> Self {
        self.codec = codec;
        self
    }

    /// Appends the entry's line, CRLF included.
    pub fn push(&self, entry: &Entry, out: &mut Vec<u8>) {
        match self.style {
            ListStyle::Long => long::push(self, entry, out),
            ListStyle::Names => names::push(self, entry, out),
            ListStyle::Facts(facts) => {
                facts.push(entry.followed(), out);
                out.push(b' ');
                self.push_name(&entry.name, out);
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Appends a name in the client's charset. A byte that would break the line is shown as `?`: no name forges an
    /// entry.
    fn push_name(&self, name: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        match &self.codec {
            Some(codec) => out.extend_from_slice(&codec.encode(name)),
            None => out.extend_from_slice(name),
        }
        out[start..].iter_mut().filter(|byte| breaks_line(**byte)).for_each(|byte| *byte = b'?');
    }
}

/// The line of MLST: facts, a blank and the path (RFC 3659 §7.2).
pub(crate) fn fact_line(facts: Facts, metadata: &Metadata, path: &[u8]) -> Vec<u8> {
    let mut line = Vec::new();
    facts.push(metadata, &mut line);
    line.push(b' ');
    line.extend_from_slice(path);
    line
}

/// Appends a number in decimal digits.
fn push_number(number: u64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    let mut rest = number;
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use ftp_types::FileKind;

    use super::*;

    /// An hour ahead of UTC, and every letter in upper case.
    #[derive(Debug)]
    struct Elsewhere;

    impl TimeZone for Elsewhere {
        fn offset(&self, _at: UnixTime) -> i32 {
            3600
        }
    }

    impl PathCodec for Elsewhere {
        fn decode(&self, wire: &[u8]) -> Vec<u8> {
            wire.to_ascii_lowercase()
        }

        fn encode(&self, path: &[u8]) -> Vec<u8> {
            path.to_ascii_uppercase()
        }
    }

    #[test]
    fn lists_are_in_the_zone_and_in_the_charset_that_they_are_to_be_in() {
        let now = UnixTime::from_seconds(1_709_210_096);
        let mut metadata = Metadata::new(FileKind::File, 1234);
        metadata.modified = Some(now);
        let formatter = ListFormatter::new(ListStyle::Long, now);
        let formatter = formatter.with_zone(Arc::new(Elsewhere)).with_codec(Some(Arc::new(Elsewhere)));
        let mut line = Vec::new();
        formatter.push(&Entry::new(b"name".to_vec(), metadata), &mut line);
        assert!(line.ends_with(b"1234 Feb 29 13:34 NAME\r\n"), "{}", line.escape_ascii());
    }
}
