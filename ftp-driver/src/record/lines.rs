//! From the bytes of the client to the lines of the record: cut as the session cuts them, and kept without their secrets.

use std::hint::black_box;
use std::mem;

use ftp_proto::{Framed, LineReader, SecretFilter};

use super::outline::{Bytes, Line};
use super::wire::{self, IAC};

/// Of a line that is longer, spelled with Telnet commands without end, only the text is kept.
const MAX_SPELLING: usize = 2 * LineReader::MAX_LEN;
/// The begin of a Telnet subnegotiation.
const SB: u8 = 0xFA;

/// Follows the lines of one client. A line is known as a whole only at its end, and until then nothing of it leaves.
#[derive(Debug, Default)]
pub(super) struct Lines {
    reader: LineReader,
    filter: SecretFilter,
    /// The bytes of the line that has begun.
    spelling: Vec<u8>,
    /// How many of them had come when the record was told that a line has begun.
    opened: usize,
    /// Whether the rest of a line that is too long comes.
    skipping: bool,
    told: Told,
}

/// What the record has been told last.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    open: bool,
    more: bool,
}

impl Lines {
    /// Takes bytes that the session has taken. There is nothing to record when they are but a further piece of a line.
    pub(super) fn take(&mut self, bytes: &[u8], more: bool) -> Option<Bytes> {
        let lines: Vec<Line> = bytes.iter().filter_map(|byte| self.push(*byte)).collect();
        let open = self.reader.is_mid_line();
        if open && self.opened == 0 {
            self.opened = self.spelling.len();
        }
        let told = Told { open, more };
        let is_news = !lines.is_empty() || told != self.told;
        self.told = told;
        is_news.then_some(Bytes { lines, open, more })
    }

    /// The reading begins anew, under TLS.
    pub(super) fn begin_anew(&mut self) {
        self.forget_spelling();
        (self.reader, self.skipping, self.told.open) = (LineReader::new(), false, false);
    }

    /// Somebody has logged in.
    pub(super) fn log_in(&mut self) {
        self.filter.log_in();
    }

    /// The line that has begun and will have no end.
    pub(super) fn unfinished(&mut self) -> Option<Vec<u8>> {
        if self.skipping || !self.reader.is_mid_line() {
            return None;
        }
        let (_, framed) = self.reader.clone().push(b"\n");
        let Some(Framed::Line { line, urgent }) = framed else { return Some(b"?".to_vec()) };
        let kept = self.filter.stand_in(&line, urgent);
        let kept = kept.unwrap_or_else(|| wire::spell_open(&line, urgent));
        wipe(line);
        Some(kept)
    }

    /// Byte by byte, so that what a line was spelled with is known exactly.
    fn push(&mut self, byte: u8) -> Option<Line> {
        if !self.skipping && self.spelling.len() <= MAX_SPELLING {
            self.spelling.push(byte);
        }
        match self.reader.push(&[byte]).1 {
            Some(Framed::TooLong) => {
                self.forget_spelling();
                self.skipping = self.reader.is_mid_line();
                Some(Line::TooLong)
            }
            Some(Framed::Line { line, urgent }) => {
                let kept = self.keep(&line, urgent);
                wipe(line);
                self.forget_spelling();
                Some(kept)
            }
            None => {
                self.skipping &= self.reader.is_mid_line();
                None
            }
        }
    }

    fn keep(&mut self, line: &[u8], urgent: bool) -> Line {
        if let Some(line) = self.filter.stand_in(line, urgent) {
            return Line::Masked { line, urgent };
        }
        // What a subnegotiation holds is in no line, so that nobody has looked for secrets there.
        let has_more_than_the_line = self.spelling.windows(2).any(|pair| pair == [IAC, SB]);
        let (bytes, opened) = if has_more_than_the_line || self.spelling.len() > MAX_SPELLING {
            (wire::spell(line, urgent), 1)
        } else {
            // Where exactly a line was cut tells how long the lines before it were, secrets included. To the session
            // it only matters that it was.
            (self.spelling.clone(), self.opened.min(1))
        };
        Line::Plain { bytes, opened: opened as u16 }
    }

    fn forget_spelling(&mut self) {
        wipe(mem::take(&mut self.spelling));
        self.opened = 0;
    }
}

/// Overwrites what may hold a password.
fn wipe(mut bytes: Vec<u8>) {
    bytes.fill(0);
    black_box(&mut bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of a record, from bytes that came in these pieces.
    fn recorded(pieces: &[&[u8]]) -> Vec<Line> {
        let mut lines = Lines::default();
        let taken = pieces.iter().filter_map(|piece| lines.take(piece, false));
        taken.flat_map(|bytes| bytes.lines).collect()
    }

    fn plain(bytes: &[u8]) -> Line {
        Line::Plain { bytes: bytes.to_vec(), opened: 0 }
    }

    fn masked(line: &[u8]) -> Line {
        Line::Masked { line: line.to_vec(), urgent: false }
    }

    #[test]
    fn lines_are_kept_as_they_came() {
        let wire = b"NOOP\r\nPWD\n\xff\xf4\xff\xf2ABOR\r\n";
        assert_eq!(recorded(&[wire]), [plain(b"NOOP\r\n"), plain(b"PWD\n"), plain(b"\xff\xf4\xff\xf2ABOR\r\n")]);
        // That it was cut, and not where.
        let opened = Line::Plain { bytes: b"NOOP\r\n".to_vec(), opened: 1 };
        assert_eq!(recorded(&[b"NO", b"O", b"P\r", b"\n"]), [opened]);
    }

    #[test]
    fn a_secret_is_the_same_in_whatever_pieces_it_comes_and_however_long_it_is() {
        for wire in
            [&b"PASS secret\r\n"[..], b"PA\xff\xf1SS a-very-long-secret\n", b"  pass x\xff\xfa\r\nmore\xff\xf0\r\n"]
        {
            for size in [1, 2, 3, wire.len()] {
                let mut lines = Lines::default();
                let entries: Vec<Bytes> = wire.chunks(size).filter_map(|piece| lines.take(piece, false)).collect();
                let whole = Bytes { lines: vec![masked(b"PASS ******")], open: false, more: false };
                assert_eq!(entries.last(), Some(&whole));
                // That it has begun, and nothing of how it goes on.
                assert!(entries.len() <= 2, "{entries:?}");
            }
        }
    }

    #[test]
    fn what_telnet_takes_out_of_a_line_is_not_kept() {
        let wire = b"CWD x\xff\xfa\r\nPASS secret\r\n\xff\xf0\r\n";
        assert_eq!(recorded(&[wire]), [Line::Plain { bytes: b"CWD x\r\n".to_vec(), opened: 1 }]);
    }

    #[test]
    fn telnet_commands_without_end_take_no_memory() {
        let mut lines = Lines::default();
        for _ in 0..1000 {
            lines.take(&[IAC, 0xF1].repeat(1000), false);
        }
        assert!(lines.spelling.capacity() <= 2 * MAX_SPELLING + 2);
        assert_eq!(
            lines.take(b"NOOP\r\n", false).unwrap().lines,
            [Line::Plain { bytes: b"NOOP\r\n".to_vec(), opened: 1 }]
        );
    }

    #[test]
    fn nothing_of_a_line_that_is_too_long_is_kept() {
        let wire = [&b"PASS "[..], &b"secret".repeat(1000), b"\r\nNOOP\r\n"].concat();
        assert_eq!(recorded(&[&wire]), [Line::TooLong, plain(b"NOOP\r\n")]);
        let mut lines = Lines::default();
        lines.take(&wire[..5000], false);
        assert_eq!(lines.unfinished(), None);
    }

    #[test]
    fn what_stands_behind_an_http_request_is_not_kept() {
        let wire = b"GET / HTTP/1.1\r\nAuthorization: Basic c2VjcmV0\r\nx";
        let mut lines = Lines::default();
        assert_eq!(lines.take(wire, false).unwrap().lines, [masked(b"****** HTTP/1.1"), masked(b"******")]);
        assert_eq!(lines.unfinished(), Some(b"******".to_vec()));
    }

    #[test]
    fn a_line_without_end_is_kept_like_others() {
        for (wire, kept) in
            [(&b"PAS"[..], &b"PAS******"[..]), (b"PASS secr", b"PASS ******"), (b"CWD \xff\xff", b"CWD \xff\xff")]
        {
            let mut lines = Lines::default();
            lines.take(wire, false);
            assert_eq!(lines.unfinished().as_deref(), Some(kept));
        }
    }
}
