//! A command line in its parts: verb and argument (RFC 959 §5.3).

use alloc::vec::Vec;

use crate::command::{self, CommandInfo};
use crate::text::split_word;

/// A parsed command line: a known verb and everything behind the first blank, further blanks included.
///
/// ```
/// use ftp_proto::Command;
///
/// let command = Command::parse(b"retr  my file ").unwrap();
/// assert_eq!(command.info().name, "RETR");
/// assert_eq!(command.argument(), b" my file ");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Command<'a> {
    pub(crate) row: &'static command::Row,
    argument: &'a [u8],
}

impl<'a> Command<'a> {
    /// Parses a line without its end; `None` when its verb is unknown. Verbs are known in any case; blanks before them
    /// are passed over.
    #[must_use]
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let (verb, argument) = words(line);
        command::find(verb).map(|row| Self { row, argument })
    }

    /// What the table says of the verb.
    #[must_use]
    pub fn info(&self) -> &'static CommandInfo {
        &self.row.info
    }

    /// The argument; empty when there is none.
    #[must_use]
    pub fn argument(&self) -> &'a [u8] {
        self.argument
    }

    /// Appends the line that parses to this command, without its end.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.row.info.name.as_bytes());
        if !self.argument.is_empty() {
            out.push(b' ');
            out.extend_from_slice(self.argument);
        }
    }
}

/// Two commands are the same when they have the same name and argument.
impl PartialEq for Command<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.info().name == other.info().name && self.argument == other.argument
    }
}

impl Eq for Command<'_> {}

/// The verb and the argument of a line whose verb need not be known.
pub(crate) fn words(line: &[u8]) -> (&[u8], &[u8]) {
    let start = line.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(line.len());
    let (verb, argument) = split_word(&line[start..]);
    (verb, argument.unwrap_or_default())
}

/// Whether the line is the first of an HTTP request: a browser, or a page that makes a browser talk to us.
pub(crate) fn is_http(line: &[u8]) -> bool {
    let version = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    version.starts_with(b"HTTP/") && version.len() < line.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_leading_blanks_do_not_matter() {
        for line in ["NOOP", "noop", " \tNoOp", "noop "] {
            let command = Command::parse(line.as_bytes()).unwrap();
            assert_eq!((command.info().name, command.argument()), ("NOOP", &b""[..]));
        }
        assert!(Command::parse(b"").is_none());
        assert!(Command::parse(b"NOOPE").is_none());
        assert!(Command::parse(b"NO OP").is_none());
    }

    #[test]
    fn printing_and_parsing_again_gives_the_same() {
        for line in ["RETR a", "retr  a b ", "PASS ", "site chmod 644 x", "CWD"] {
            let command = Command::parse(line.as_bytes()).unwrap();
            let mut printed = Vec::new();
            command.write_to(&mut printed);
            assert_eq!(Command::parse(&printed).unwrap(), command);
        }
    }

    #[test]
    fn commands_differ_by_name_and_by_argument() {
        let parse = |line: &'static [u8]| Command::parse(line).unwrap();
        assert_eq!(parse(b"retr a"), parse(b"RETR a"));
        assert_ne!(parse(b"RETR a"), parse(b"STOR a"));
        assert_ne!(parse(b"RETR a"), parse(b"RETR b"));
    }

    #[test]
    fn http_is_told_from_ftp() {
        assert!(is_http(b"GET / HTTP/1.1"));
        assert!(is_http(b"POST /x y HTTP/1.0"));
        assert!(!is_http(b"RETR HTTP"));
        assert!(!is_http(b"HTTP/1.1"));
    }
}
