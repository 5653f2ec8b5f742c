//! Paths as the client sees them.

use alloc::vec::Vec;
use core::fmt;

use crate::Escaped;

/// An absolute, normal path inside a user's tree, in bytes.
///
/// By construction it starts with `/`, holds neither `.` nor `..` nor an empty component, no NUL, and does not end in
/// `/` unless it is the root. What a client sends is joined lexically ([`VirtualPath::join`]); `..` stops at the root,
/// so that no spelling can climb out. Links are storage's business: they are resolved there, beneath the root.
///
/// A backslash is an ordinary byte: names that hold one are legal on Unix, and on other systems the local back end
/// refuses them.
///
/// ```
/// use ftp_types::VirtualPath;
///
/// let path = VirtualPath::root().join(b"a/./b/../c d//").unwrap();
/// assert_eq!(path.as_bytes(), b"/a/c d");
/// assert_eq!(path.join(b"../../../..").unwrap(), VirtualPath::root());
/// assert!(path.join(b"x\0y").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VirtualPath(Vec<u8>);

/// The bytes cannot be a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidPath {
    /// A NUL byte.
    Nul,
    /// More than [`VirtualPath::MAX_LEN`] bytes.
    TooLong,
    /// A name that is empty, `.`, `..` or holds a slash, where a single name was needed.
    NotAName,
}

impl VirtualPath {
    /// The longest path in bytes: what Linux calls `PATH_MAX`, twice.
    pub const MAX_LEN: usize = 8192;

    /// `/`.
    #[must_use]
    pub fn root() -> Self {
        Self(Vec::from(*b"/"))
    }

    /// Parses an absolute path, or one relative to the root: `/a/b` and `a/b` are the same.
    ///
    /// # Errors
    /// [`InvalidPath`] when it holds NUL or is too long.
    pub fn parse(path: &[u8]) -> Result<Self, InvalidPath> {
        Self::root().join(path)
    }

    /// Where `path` leads for someone who stands here: relative to this path, or to the root when it starts with `/`.
    ///
    /// # Errors
    /// [`InvalidPath`] when it holds NUL or the result is too long.
    pub fn join(&self, path: &[u8]) -> Result<Self, InvalidPath> {
        if path.contains(&0) {
            return Err(InvalidPath::Nul);
        }
        if path.len() > Self::MAX_LEN {
            return Err(InvalidPath::TooLong);
        }
        let mut joined = if path.first() == Some(&b'/') { Self::root() } else { self.clone() };
        for component in path.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => joined.pop(),
                name => joined.push_unchecked(name),
            }
        }
        if joined.0.len() > Self::MAX_LEN {
            return Err(InvalidPath::TooLong);
        }
        Ok(joined)
    }

    /// The path of an entry of this directory.
    ///
    /// # Errors
    /// [`InvalidPath`] when `name` is not a single name.
    pub fn child(&self, name: &[u8]) -> Result<Self, InvalidPath> {
        if matches!(name, b"" | b"." | b"..") || name.contains(&b'/') {
            return Err(InvalidPath::NotAName);
        }
        self.join(name)
    }

    /// The path as bytes, with its leading `/`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path without the leading `/`; empty for the root.
    #[must_use]
    pub fn relative(&self) -> &[u8] {
        &self.0[1..]
    }

    /// Whether this is `/`.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// The directory that holds it; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        (!self.is_root()).then(|| {
            let mut parent = self.clone();
            parent.pop();
            parent
        })
    }

    /// The last component; `None` for the root.
    #[must_use]
    pub fn file_name(&self) -> Option<&[u8]> {
        self.components().next_back()
    }

    /// The names from the root downwards.
    #[must_use]
    pub fn components(&self) -> Components<'_> {
        Components { rest: self.relative() }
    }

    /// How many names the path has; 0 for the root.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.components().count()
    }

    /// Whether `self` is `ancestor` or lies below it. Judged by whole names: `/in2` is not below `/in`.
    #[must_use]
    pub fn starts_with(&self, ancestor: &Self) -> bool {
        self.strip_prefix(ancestor).is_some()
    }

    /// The way from `ancestor` to here, without a leading `/`; `None` when `self` does not lie there.
    #[must_use]
    pub fn strip_prefix(&self, ancestor: &Self) -> Option<&[u8]> {
        if ancestor.is_root() {
            return Some(self.relative());
        }
        match self.0.strip_prefix(ancestor.as_bytes())? {
            [] => Some(&[]),
            [b'/', rest @ ..] => Some(rest),
            _ => None,
        }
    }

    /// The path with its last component taken off; the root stays the root.
    fn pop(&mut self) {
        let slash = self.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        self.0.truncate(slash.max(1));
    }

    fn push_unchecked(&mut self, name: &[u8]) {
        if !self.is_root() {
            self.0.push(b'/');
        }
        self.0.extend_from_slice(name);
    }
}

impl Default for VirtualPath {
    fn default() -> Self {
        Self::root()
    }
}

/// For logs: bytes that are not printable text come escaped, so that no name can forge a line.
impl fmt::Display for VirtualPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(&self.0).fmt(f)
    }
}

impl fmt::Debug for VirtualPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VirtualPath({self})")
    }
}

impl TryFrom<&str> for VirtualPath {
    type Error = InvalidPath;

    fn try_from(path: &str) -> Result<Self, Self::Error> {
        Self::parse(path.as_bytes())
    }
}

impl fmt::Display for InvalidPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nul => f.write_str("a path cannot hold NUL"),
            Self::TooLong => write!(f, "a path cannot be longer than {} bytes", VirtualPath::MAX_LEN),
            Self::NotAName => f.write_str("a name cannot be empty, \".\" or \"..\", or hold a slash"),
        }
    }
}

impl core::error::Error for InvalidPath {}

/// Iterator over the names of a path, from [`VirtualPath::components`].
#[derive(Clone, Debug)]
pub struct Components<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Components<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.iter().position(|byte| *byte == b'/').unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest.get(1..).unwrap_or_default();
        Some(name)
    }
}

impl DoubleEndedIterator for Components<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let slash = self.rest.iter().rposition(|byte| *byte == b'/');
        let name = &self.rest[slash.map_or(0, |slash| slash + 1)..];
        self.rest = &self.rest[..slash.unwrap_or(0)];
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn path(text: &str) -> VirtualPath {
        VirtualPath::try_from(text).unwrap()
    }

    #[test]
    fn joining_is_lexical_and_stops_at_the_root() {
        let cases = [
            ("/", "", "/"),
            ("/a", "", "/a"),
            ("/a", "b", "/a/b"),
            ("/a", "/b", "/b"),
            ("/a/b", "..", "/a"),
            ("/a", "..", "/"),
            ("/a", "../../../etc", "/etc"),
            ("/a", "./b//c/.", "/a/b/c"),
            ("/a", "...", "/a/..."),
            ("/a", " b ", "/a/ b "),
            ("/a", "..\\..\\b", "/a/..\\..\\b"),
        ];
        for (here, there, result) in cases {
            assert_eq!(path(here).join(there.as_bytes()).unwrap(), path(result), "{here} + {there}");
        }
    }

    #[test]
    fn prefixes_are_judged_by_whole_names() {
        assert!(path("/in/x").starts_with(&path("/in")));
        assert!(path("/in").starts_with(&path("/in")));
        assert!(!path("/in2").starts_with(&path("/in")));
        assert!(path("/in2").starts_with(&path("/")));
        assert_eq!(path("/a/b/c").strip_prefix(&path("/a")), Some(&b"b/c"[..]));
        assert_eq!(path("/a").strip_prefix(&path("/")), Some(&b"a"[..]));
    }

    #[test]
    fn components_from_both_ends() {
        let path = path("/a/bc/d");
        assert!(path.components().eq([&b"a"[..], b"bc", b"d"]));
        assert!(path.components().rev().eq([&b"d"[..], b"bc", b"a"]));
        assert_eq!(path.file_name(), Some(&b"d"[..]));
        assert_eq!(path.depth(), 3);
        assert_eq!(VirtualPath::root().file_name(), None);
        assert_eq!(VirtualPath::root().components().next_back(), None);
    }

    #[test]
    fn display_escapes_what_could_forge_a_line() {
        let path = VirtualPath::parse(b"a\r\nb\xff\xc3\xa4").unwrap();
        assert_eq!(format!("{path}"), "/a\\r\\nb\\xff\u{e4}");
    }

    #[test]
    fn nul_and_endless_paths_are_refused() {
        assert_eq!(VirtualPath::parse(b"a\0"), Err(InvalidPath::Nul));
        assert_eq!(VirtualPath::parse(&[b'a'; 9000]), Err(InvalidPath::TooLong));
        assert_eq!(path("/a").child(b".."), Err(InvalidPath::NotAName));
        assert_eq!(path("/a").child(b"b/c"), Err(InvalidPath::NotAName));
    }
}
