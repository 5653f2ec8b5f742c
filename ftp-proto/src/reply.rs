//! Replies: their codes, their texts and their framing (RFC 959 §4.2).
//!
//! Every reply goes through [`Reply::write_to`], which lets no byte of a file name or a message break a line: nobody
//! can forge a reply by a name.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use ftp_types::{Escaped, FsError};

use crate::text::breaks_line;

/// A three-digit reply code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplyCode(u16);

impl ReplyCode {
    /// The number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Whether another reply to the same command will follow (1yz, RFC 959 §4.2.1).
    #[must_use]
    pub const fn is_preliminary(self) -> bool {
        self.0 < 200
    }

    /// Whether the command did what it was to do, or does it so far (1yz, 2yz, 3yz).
    #[must_use]
    pub const fn is_positive(self) -> bool {
        self.0 < 400
    }
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}", self.0)
    }
}

/// One reply to the client, of one line or more.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    code: ReplyCode,
    shape: Shape,
    first: Cow<'static, [u8]>,
    rest: Vec<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// `211 text`, or with more lines `211-text`, ` line` .., `211 last`.
    Whole,
    /// `213-text` alone: lines from elsewhere follow, and a whole reply of the same code ends them.
    Head,
}

impl Reply {
    /// A reply of one line.
    #[must_use]
    pub(crate) const fn new(code: u16, text: &'static str) -> Self {
        Self { code: ReplyCode(code), shape: Shape::Whole, first: Cow::Borrowed(text.as_bytes()), rest: Vec::new() }
    }

    /// A reply of one line whose text was made for the occasion.
    #[must_use]
    pub(crate) fn with_text(code: u16, text: impl Into<Vec<u8>>) -> Self {
        Self { code: ReplyCode(code), shape: Shape::Whole, first: Cow::Owned(text.into()), rest: Vec::new() }
    }

    /// A reply of several lines: the first, those in the middle, and the last.
    #[must_use]
    pub(crate) fn lines(code: u16, first: &'static str, mut middle: Vec<Vec<u8>>, last: &'static str) -> Self {
        middle.push(Vec::from(last.as_bytes()));
        Self { code: ReplyCode(code), shape: Shape::Whole, first: Cow::Borrowed(first.as_bytes()), rest: middle }
    }

    /// A reply whose text comes from an operator and may have line breaks. A line that is long for a reply of one line
    /// becomes the first of two, as clients show it better.
    #[must_use]
    pub(crate) fn message(code: u16, text: &str) -> Self {
        let text = text.trim_end();
        let mut lines = text.lines().map(|line| Vec::from(line.as_bytes()));
        let first = lines.next().unwrap_or_default();
        let mut rest: Vec<_> = lines.collect();
        if rest.is_empty() && text.chars().count() > LONG_LINE {
            rest.push(Vec::new());
        }
        Self { code: ReplyCode(code), shape: Shape::Whole, first: Cow::Owned(first), rest }
    }

    /// The first line of a reply whose further lines a transfer writes.
    #[must_use]
    pub(crate) fn head(code: u16, text: impl Into<Vec<u8>>) -> Self {
        Self { shape: Shape::Head, ..Self::with_text(code, text) }
    }

    /// What to say to a client that is one too many, before closing: the driver's own reply, for connections for which
    /// it does not even make a session.
    #[must_use]
    pub const fn too_many_connections() -> Self {
        Self::new(421, "Too many connections, try again later.")
    }

    /// The same when the limit is that of the client's address.
    #[must_use]
    pub const fn too_many_connections_from_address() -> Self {
        Self::new(421, "Too many connections from your address.")
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> ReplyCode {
        self.code
    }

    /// Whether this is the final reply to a command: neither preliminary nor the head of a reply that goes on.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !self.code.is_preliminary() && matches!(self.shape, Shape::Whole)
    }

    /// Appends the reply as it goes over the wire.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let Some((last, middle)) = self.rest.split_last() else {
            let separator = if matches!(self.shape, Shape::Head) { b'-' } else { b' ' };
            return self.write_line(out, separator, &self.first);
        };
        self.write_line(out, b'-', &self.first);
        for line in middle {
            // A blank in front keeps a line that begins with digits from looking like the end (RFC 959 §4.2).
            out.push(b' ');
            write_text(out, line);
        }
        self.write_line(out, b' ', last);
    }

    fn write_line(&self, out: &mut Vec<u8>, separator: u8, text: &[u8]) {
        let ReplyCode(code) = self.code;
        // The code, the separator and the end of the line.
        out.reserve(text.len() + 6);
        let digit = |value: u16| b'0' + (value % 10) as u8;
        out.extend_from_slice(&[digit(code / 100), digit(code / 10), digit(code), separator]);
        write_text(out, text);
    }
}

/// For logs: the first line, and how many more there are.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, Escaped(&self.first))?;
        match self.rest.len() {
            0 => Ok(()),
            more => write!(f, " (+{more} lines)"),
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({self})")
    }
}

/// Characters of an operator's text that still go into a reply of one line.
const LONG_LINE: usize = 75;

fn write_text(out: &mut Vec<u8>, mut text: &[u8]) {
    let is_special = |byte: &u8| breaks_line(*byte) || *byte == 0xFF;
    // Mostly nothing is. A look that does not end at the first takes many bytes at a time.
    let has_special = text.iter().fold(false, |any, byte| any | is_special(byte));
    while has_special && let Some(place) = text.iter().position(is_special) {
        out.extend_from_slice(&text[..place]);
        // On the control connection IAC is a Telnet command and must be doubled (RFC 2640 §2.2 leaves it to Telnet).
        out.extend_from_slice(if text[place] == 0xFF { &[0xFF, 0xFF] } else { b"?" });
        text = &text[place + 1..];
    }
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

/// The reply to an operation that storage refused. `what` is the client's own name for the thing.
pub(crate) fn storage_failure(error: FsError) -> Reply {
    match error {
        FsError::NotFound => Reply::new(550, "No such file or directory."),
        FsError::Denied => Reply::new(550, "Not enough privileges."),
        FsError::Refused => Reply::new(550, "Permission denied."),
        FsError::Exists => Reply::new(550, "File exists."),
        FsError::NotADirectory => Reply::new(550, "Not a directory."),
        FsError::IsADirectory => Reply::new(550, "Is a directory."),
        FsError::NotRegular => Reply::new(550, "Not a regular file."),
        FsError::NotEmpty => Reply::new(550, "Directory not empty."),
        FsError::IsRoot => Reply::new(550, "Not possible on the root directory."),
        FsError::IsLink | FsError::Outside => Reply::new(550, "The path leads outside of your root directory."),
        FsError::InvalidName => Reply::new(553, "File name not allowed."),
        FsError::OffsetPastEnd => Reply::new(554, "Restart marker is beyond the end of the file."),
        FsError::NoSpace => Reply::new(452, "No space left."),
        FsError::QuotaExceeded => Reply::new(552, "Quota or file size limit exceeded."),
        FsError::ReadOnly => Reply::new(550, "Storage is read-only."),
        FsError::CrossesStorage => Reply::new(550, "Source and destination are on different storage."),
        FsError::Busy => Reply::new(450, "File busy."),
        FsError::Exhausted => Reply::new(451, "Out of resources, try again later."),
        FsError::Unsupported => Reply::new(504, "Not supported by this storage."),
        FsError::Cancelled => Reply::new(426, "Aborted."),
        _ => Reply::new(451, "Local error in processing."),
    }
}

/// A path as 257 shows it: in quotes, with quotes inside doubled (RFC 959 appendix II).
pub(crate) fn quoted(path: &[u8], tail: &str) -> Vec<u8> {
    let mut text = Vec::with_capacity(path.len() + tail.len() + 2);
    text.push(b'"');
    for byte in path {
        text.push(*byte);
        if *byte == b'"' {
            text.push(b'"');
        }
    }
    text.push(b'"');
    text.extend_from_slice(tail.as_bytes());
    text
}

/// Shorthand for a text made by `format!`.
pub(crate) fn text(code: u16, text: String) -> Reply {
    Reply::with_text(code, text.into_bytes())
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn wire(reply: &Reply) -> Vec<u8> {
        let mut out = Vec::new();
        reply.write_to(&mut out);
        out
    }

    #[test]
    fn the_first_digit_says_how_it_went() {
        let went = |code| {
            let code = Reply::new(code, "").code();
            (code.is_preliminary(), code.is_positive())
        };
        assert_eq!([150, 199, 200, 399].map(went), [(true, true), (true, true), (false, true), (false, true)]);
        assert_eq!([400, 550].map(went), [(false, false), (false, false)]);
    }

    #[test]
    fn one_line_and_many() {
        assert_eq!(wire(&Reply::new(200, "Done.")), b"200 Done.\r\n");
        let feat = Reply::lines(211, "Features:", vec![b"UTF8".to_vec(), b"211 odd".to_vec()], "End");
        assert_eq!(wire(&feat), b"211-Features:\r\n UTF8\r\n 211 odd\r\n211 End\r\n");
        assert_eq!(wire(&Reply::message(230, "a\nb\r\nc\n")), b"230-a\r\n b\r\n230 c\r\n");
        assert_eq!(wire(&Reply::message(230, "")), b"230 \r\n");
        let long = "é".repeat(75);
        assert_eq!(wire(&Reply::message(230, &long)), alloc::format!("230 {long}\r\n").as_bytes());
        assert_eq!(
            wire(&Reply::message(230, &alloc::format!("{long}.\n"))),
            alloc::format!("230-{long}.\r\n230 \r\n").as_bytes()
        );
        assert_eq!(wire(&Reply::head(213, "Status:")), b"213-Status:\r\n");
    }

    #[test]
    fn a_name_cannot_forge_a_reply() {
        let reply = Reply::with_text(257, quoted(b"/a\r\n230 \"x\"\0", ""));
        assert_eq!(wire(&reply), b"257 \"/a??230 \"\"x\"\"?\"\r\n");
    }

    #[test]
    fn a_log_shows_the_first_line_and_how_many_follow() {
        assert_eq!(alloc::format!("{:?}", Reply::with_text(250, *b"\r\xff")), "Reply(250 \\r\\xff)");
        assert_eq!(alloc::format!("{}", Reply::message(230, "a\nb\nc")), "230 a (+2 lines)");
        assert_eq!(alloc::format!("{}", ReplyCode(50)), "050");
    }

    #[test]
    fn storage_refuses_with_codes_of_its_own() {
        let mut said = Vec::new();
        for (error, code) in [
            (FsError::NotFound, 550),
            (FsError::Denied, 550),
            (FsError::Refused, 550),
            (FsError::Exists, 550),
            (FsError::NotADirectory, 550),
            (FsError::IsADirectory, 550),
            (FsError::NotRegular, 550),
            (FsError::NotEmpty, 550),
            (FsError::IsRoot, 550),
            (FsError::IsLink, 550),
            (FsError::InvalidName, 553),
            (FsError::OffsetPastEnd, 554),
            (FsError::NoSpace, 452),
            (FsError::QuotaExceeded, 552),
            (FsError::ReadOnly, 550),
            (FsError::CrossesStorage, 550),
            (FsError::Busy, 450),
            (FsError::Exhausted, 451),
            (FsError::Unsupported, 504),
            (FsError::Cancelled, 426),
            (FsError::Io, 451),
        ] {
            let reply = storage_failure(error);
            assert_eq!(reply.code().number(), code, "{error:?}");
            assert!(!said.contains(&reply), "{error:?}: {reply}");
            said.push(reply);
        }
        assert_eq!(storage_failure(FsError::Outside), storage_failure(FsError::IsLink));
    }

    #[test]
    fn iac_is_doubled() {
        assert_eq!(wire(&Reply::with_text(250, *b"\xff")), b"250 \xff\xff\r\n");
    }
}
