//! The text of a configuration file, places in it, and what is wrong there.

use std::cell::RefCell;
use std::fmt::{self, Write};
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A longer file is not a configuration. The limit keeps `--config /dev/zero` from filling the memory.
const MAX_LEN: u64 = 4 << 20;

/// Everything that is wrong with a configuration file. Shown with one line for each, `FILE:LINE:COLUMN: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    file: PathBuf,
    list: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    /// Line and column; none when the file could not even be read.
    place: Option<Place>,
    message: String,
    cause: Cause,
}

/// Whom to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    /// What is written in the file.
    Text,
    /// The system, which does not let a file be read that the text names.
    System,
}

/// Where in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// From 1.
    line: usize,
    /// In characters, from 1.
    column: usize,
}

impl Problems {
    fn single(file: &Path, place: Option<Place>, message: String) -> Self {
        Self { file: file.to_owned(), list: vec![Problem { place, message, cause: Cause::Text }] }
    }

    /// Whether the file is right as far as it can be told: the system does not let other files be read.
    pub(crate) fn are_of_the_system(&self) -> bool {
        self.list.iter().all(|problem| problem.cause == Cause::System)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { place, message, .. }) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:", self.file.display())?;
            if let Some(Place { line, column }) = place {
                write!(f, "{line}:{column}:")?;
            }
            f.write_str(" ")?;
            // Names in it are the file's, and one problem is one line.
            message.chars().try_for_each(|c| if c.is_control() { c.escape_debug().fmt(f) } else { f.write_char(c) })?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Reads a file as text.
pub(super) fn read(file: &Path) -> Result<String, Problems> {
    let fail = |message| Problems::single(file, None, message);
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(|error| fail(format!("cannot be read: {error}")))?;
    opened.take(MAX_LEN + 1).read_to_end(&mut bytes).map_err(|error| fail(format!("cannot be read: {error}")))?;
    if bytes.len() as u64 > MAX_LEN {
        return Err(fail(format!("larger than {MAX_LEN} bytes, which no configuration is")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        let place = Cursor::new(&valid).advance_to(valid.len());
        Problems::single(file, Some(place), "not UTF-8, which TOML has to be".to_owned())
    })
}

/// The text while it is read, and what was found wrong so far.
pub(super) struct Source<'a> {
    file: &'a Path,
    text: &'a str,
    /// Byte of the text, what is wrong there, and whom to blame.
    complaints: RefCell<Vec<(usize, String, Cause)>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str) -> Self {
        Self { file, text, complaints: RefCell::default() }
    }

    /// Notes what is wrong at a byte of the text.
    pub(super) fn complain(&self, at: usize, message: String) {
        self.complaints.borrow_mut().push((at, message, Cause::Text));
    }

    /// Notes that a file that is named at a byte of the text cannot be read.
    pub(super) fn complain_of_file(&self, at: usize, message: String) {
        self.complaints.borrow_mut().push((at, message, Cause::System));
    }

    /// The text at some bytes of it.
    pub(super) fn slice(&self, span: Range<usize>) -> &'a str {
        self.text.get(span).unwrap_or_default()
    }

    /// A path in the file: relative ones are relative to the file's own directory.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.file.parent().unwrap_or_else(|| Path::new("")).join(path)
    }

    /// The value, if nothing was wrong.
    pub(super) fn finish<T>(self, value: T) -> Result<T, Problems> {
        let mut complaints = self.complaints.into_inner();
        if complaints.is_empty() {
            return Ok(value);
        }
        complaints.sort();
        complaints.dedup();
        let mut cursor = Cursor::new(self.text);
        let locate = |(at, message, cause)| Problem { place: Some(cursor.advance_to(at)), message, cause };
        Err(Problems { file: self.file.to_owned(), list: complaints.into_iter().map(locate).collect() })
    }
}

/// Where the line begins with which a text comes to have something that it keeps, however it goes on.
pub(super) fn first_line_that(text: &str, has: impl Fn(&str) -> bool) -> usize {
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).chain([text.len()]).collect();
    let lines_before = ends.partition_point(|end| !has(&text[..*end]));
    lines_before.checked_sub(1).map_or(0, |last| ends[last])
}

/// Walks through a text once, however many places are asked for.
struct Cursor<'a> {
    rest: std::str::CharIndices<'a>,
    place: Place,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.char_indices(), place: Place { line: 1, column: 1 } }
    }

    /// The place of a byte that does not lie before the one asked for last.
    fn advance_to(&mut self, at: usize) -> Place {
        while self.rest.offset() < at {
            match self.rest.next() {
                Some((_, '\n')) => self.place = Place { line: self.place.line + 1, column: 1 },
                Some(_) => self.place.column += 1,
                None => break,
            }
        }
        self.place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, at: usize) -> (usize, usize) {
        let Place { line, column } = Cursor::new(text).advance_to(at);
        (line, column)
    }

    #[test]
    fn a_line_is_found_by_what_it_adds() {
        let found = |what: &str| first_line_that("a\nbc\r\nd", |text| text.contains(what));
        assert_eq!(["a", "b", "c\r\n", "d"].map(found), [0, 2, 2, 6]);
        assert_eq!(first_line_that("", |_| true), 0);
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(place("ä = x", 5), (1, 5));
        assert_eq!(place("a\r\nb", 3), (2, 1));
        assert_eq!(place("a\n", 2), (2, 1));
        assert_eq!(place("", 9), (1, 1));
    }
}
