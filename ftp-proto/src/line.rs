//! Command lines out of a byte stream: CRLF framing, a limit, and what to do beyond it.

use alloc::vec::Vec;
use core::mem;

use crate::telnet::{Decoded, IAC, Telnet};

/// Cuts the control connection's bytes into lines.
///
/// A line ends with CRLF; a bare LF will do. CR NUL is a CR in the text (RFC 2640 §3.1), and so is a CR before anything
/// else. A line longer than [`LineReader::MAX_LEN`] is reported once and then skipped up to its LF, so that its tail is
/// never taken for a command. Telnet commands are taken out.
#[derive(Clone, Debug, Default)]
pub struct LineReader {
    line: Vec<u8>,
    telnet: Telnet,
    begun: bool,
    after_cr: bool,
    skipping: bool,
    urgent: bool,
}

/// What the reader found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framed {
    /// A line, without its end.
    Line {
        /// The text.
        line: Vec<u8>,
        /// Whether a Telnet Synch came since the line before (RFC 959 §4.1.3, ABOR).
        urgent: bool,
    },
    /// A line went beyond the limit; the rest of it is being skipped.
    TooLong,
}

impl Framed {
    /// The text of the line, if it was not too long.
    pub(crate) fn line(&self) -> Option<&[u8]> {
        match self {
            Self::Line { line, .. } => Some(line),
            Self::TooLong => None,
        }
    }
}

impl LineReader {
    /// The longest line in bytes, without its end.
    pub const MAX_LEN: usize = 4096;

    /// A reader at the beginning of a connection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads up to the end of one line: how many bytes were taken, and what they completed. Without a result, all
    /// were taken.
    pub fn push(&mut self, bytes: &[u8]) -> (usize, Option<Framed>) {
        let mut taken = 0;
        while taken < bytes.len() {
            self.begun = true;
            let plain = self.take_plain(&bytes[taken..]);
            taken += plain;
            let found = if plain > 0 {
                self.check_length()
            } else {
                taken += 1;
                match self.telnet.push(bytes[taken - 1]) {
                    Decoded::Text(byte) => self.take_byte(byte),
                    Decoded::Raw(byte) => self.take_raw(byte),
                    Decoded::Nothing => None,
                    Decoded::Synch => {
                        self.urgent = true;
                        None
                    }
                }
            };
            if found.is_some() {
                return (taken, found);
            }
        }
        (taken, None)
    }

    /// The line that `bytes` begin with and how many of them it takes, if it is all there, nothing stands before it, and
    /// nothing in it needs a look: mostly so. It is then as if it had been [pushed](Self::push).
    pub(crate) fn whole_line<'a>(&self, bytes: &'a [u8]) -> Option<(&'a [u8], usize)> {
        let end = bytes.iter().position(is_special).filter(|end| !self.begun && *end <= Self::MAX_LEN)?;
        let (line, rest) = bytes.split_at(end);
        match rest {
            [b'\r', b'\n', ..] => Some((line, end + 2)),
            [b'\n', ..] => Some((line, end + 1)),
            _ => None,
        }
    }

    /// Whether anything has come since the end of the last line, be it Telnet commands alone.
    #[must_use]
    pub fn is_mid_line(&self) -> bool {
        self.begun
    }

    /// Whether there is text in the line so far.
    fn has_text(&self) -> bool {
        !self.line.is_empty() || self.after_cr || self.skipping
    }

    /// Takes the run of bytes that need no look, but no more than make the line too long.
    fn take_plain(&mut self, bytes: &[u8]) -> usize {
        if !self.telnet.in_text() || self.after_cr {
            return 0;
        }
        let run = bytes.iter().position(is_special).unwrap_or(bytes.len());
        if self.skipping {
            return run;
        }
        let run = run.min(Self::MAX_LEN + 1 - self.line.len());
        self.line.extend_from_slice(&bytes[..run]);
        run
    }

    fn take_byte(&mut self, byte: u8) -> Option<Framed> {
        let after_cr = mem::take(&mut self.after_cr);
        match byte {
            b'\n' => return self.end_line(),
            0 if after_cr => self.append(b'\r'),
            b'\r' => {
                if after_cr {
                    self.append(b'\r');
                }
                self.after_cr = true;
            }
            byte => {
                if after_cr {
                    self.append(b'\r');
                }
                self.append(byte);
            }
        }
        self.check_length()
    }

    /// An IAC that introduced no command. At the start of a line it is what remains of a Synch whose urgent byte the
    /// network kept out of the stream; elsewhere it is a byte of a name in some one-byte charset.
    fn take_raw(&mut self, byte: u8) -> Option<Framed> {
        let before = if self.has_text() { self.take_byte(IAC) } else { None };
        // Taken even if the line has just become too long: it may be the line's end.
        let found = self.take_byte(byte);
        before.or(found)
    }

    fn append(&mut self, byte: u8) {
        if !self.skipping {
            self.line.push(byte);
        }
    }

    fn check_length(&mut self) -> Option<Framed> {
        if self.skipping || self.line.len() <= Self::MAX_LEN {
            return None;
        }
        self.line = Vec::new();
        self.skipping = true;
        Some(Framed::TooLong)
    }

    fn end_line(&mut self) -> Option<Framed> {
        self.begun = false;
        let urgent = mem::take(&mut self.urgent);
        if mem::take(&mut self.skipping) {
            return None;
        }
        Some(Framed::Line { line: mem::take(&mut self.line), urgent })
    }
}

fn is_special(byte: &u8) -> bool {
    matches!(*byte, b'\r' | b'\n' | IAC)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn a_line_that_is_all_there_is_what_would_have_been_pushed() {
        let longest = vec![b'x'; LineReader::MAX_LEN];
        let with_end = |end: &[u8]| [&longest, end].concat();
        for bytes in [&b"NOOP\r\nQUIT"[..], b"NOOP\nQUIT", b"\n", b"\r\n", &with_end(b"\r\n"), &with_end(b"\nx")] {
            let (line, taken) = LineReader::new().whole_line(bytes).unwrap();
            let framed = Framed::Line { line: line.to_vec(), urgent: false };
            assert_eq!(LineReader::new().push(bytes), (taken, Some(framed)));
        }
        let parts = [&b""[..], b"NOOP", b"NOOP\r", b"NO\rOP\n", b"NO\r\0\n", b"\xff\xf1NOOP\n", &with_end(b"x\n")];
        assert!(parts.iter().all(|bytes| LineReader::new().whole_line(bytes).is_none()));
    }

    #[test]
    fn what_stands_before_a_line_belongs_to_it() {
        for before in [&b"x"[..], b"\r", b"\xff", b"\xff\xf1", b"\xff\xf2", &[b'x'; LineReader::MAX_LEN + 1]] {
            let mut reader = LineReader::new();
            reader.push(before);
            assert!(reader.whole_line(b"NOOP\r\n").is_none(), "{before:?}");
        }
    }

    fn lines(chunks: &[&[u8]]) -> Vec<Framed> {
        let (mut reader, mut found) = (LineReader::new(), Vec::new());
        for chunk in chunks {
            let mut rest = *chunk;
            while !rest.is_empty() {
                let (taken, framed) = reader.push(rest);
                assert!(taken > 0);
                rest = &rest[taken..];
                found.extend(framed);
            }
        }
        found
    }

    fn line(text: &[u8]) -> Framed {
        Framed::Line { line: text.to_vec(), urgent: false }
    }

    #[test]
    fn ends_of_lines() {
        assert_eq!(lines(&[b"a\r\nb\n\r\n"]), vec![line(b"a"), line(b"b"), line(b"")]);
        assert_eq!(lines(&[b"a\rb\r\0c\0\r\r\n"]), vec![line(b"a\rb\rc\0\r")]);
    }

    #[test]
    fn telnet_commands_are_taken_out_wherever_they_are_split() {
        let wire = b"\xff\xf4\xff\xf2ABOR\r\nA\xff\xfb\x01B\xff\xfa\x18x\xff\xf1\xff\xf0C\xff\xffD\r\n";
        let whole = vec![Framed::Line { line: b"ABOR".to_vec(), urgent: true }, line(b"ABC\xffD")];
        for split in 0..=wire.len() {
            assert_eq!(lines(&[&wire[..split], &wire[split..]]), whole, "{split}");
        }
    }

    #[test]
    fn a_synch_without_its_urgent_byte_leaves_the_command_whole() {
        assert_eq!(lines(&[b"\xff\xf4\xffABOR\r\n"]), vec![line(b"ABOR")]);
        assert_eq!(lines(&[b"RETR \xffx\r\n"]), vec![line(b"RETR \xffx")]);
    }

    #[test]
    fn an_iac_behind_a_return_at_the_start_of_a_line_is_text() {
        assert_eq!(lines(&[b"\r\xffx\n"]), vec![line(b"\r\xffx")]);
    }

    #[test]
    fn a_nul_is_text_but_behind_a_return() {
        assert_eq!(lines(&[b"a\0b\xff\0c\n"]), vec![line(b"a\0b\xff\0c")]);
    }

    #[test]
    fn a_line_has_begun_with_its_first_byte_and_ends_with_its_last() {
        for part in [&b"N"[..], b"\r", b"\xff", b"\xff\xf4\xff\xf2", b"\xff\xfa\x18", &[b'x'; 5000]] {
            let mut reader = LineReader::new();
            assert!(!reader.is_mid_line());
            let mut rest = part;
            while !rest.is_empty() {
                rest = &rest[reader.push(rest).0..];
            }
            assert!(reader.is_mid_line(), "{}", part.escape_ascii());
            reader.push(b"\xff\xf0\r\n");
            assert!(!reader.is_mid_line(), "{}", part.escape_ascii());
        }
    }

    #[test]
    fn an_overlong_line_is_one_error_and_its_tail_no_command() {
        let mut wire = vec![b'a'; LineReader::MAX_LEN];
        wire.extend_from_slice(b"\r\n");
        wire.extend_from_slice(&vec![b'b'; LineReader::MAX_LEN + 1]);
        wire.extend_from_slice(b"DELE x\r\xff\xf2NOOP\r\nNOOP\r\n");
        for size in [1, 7, 4096, wire.len()] {
            let chunks: Vec<&[u8]> = wire.chunks(size).collect();
            let found = lines(&chunks);
            assert_eq!(found[1..], [Framed::TooLong, line(b"NOOP")], "{size}");
        }
    }

    #[test]
    fn the_end_of_an_overlong_line_is_seen_behind_an_iac_that_made_it_too_long() {
        let wire = [&vec![b'a'; LineReader::MAX_LEN][..], b"\xff\nNOOP\r\n"].concat();
        assert_eq!(lines(&[&wire]), vec![Framed::TooLong, line(b"NOOP")]);
    }

    #[test]
    fn endless_bytes_stay_in_bounded_memory() {
        let mut reader = LineReader::new();
        let chunk = [0xFF_u8; 65_536];
        for _ in 0..16 {
            let mut rest = &chunk[..];
            while !rest.is_empty() {
                rest = &rest[reader.push(rest).0..];
            }
        }
        assert!(reader.line.capacity() <= 2 * LineReader::MAX_LEN);
    }
}
