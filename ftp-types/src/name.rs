//! The name that a client logs in with.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

/// A user name: not empty, at most [`UserName::MAX_LEN`] bytes, without control characters (RFC 959 §5.3.2).
///
/// Names are case sensitive. That none holds a control character means that no log line and no reply can be forged by
/// a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserName(Box<str>);

/// The bytes cannot be a user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidUserName {
    /// Nothing at all.
    Empty,
    /// More than [`UserName::MAX_LEN`] bytes.
    TooLong,
    /// A control character.
    Control,
}

impl UserName {
    /// The longest name in bytes.
    pub const MAX_LEN: usize = 256;

    /// Parses a name. Bytes that are not UTF-8 become U+FFFD, which no configured account has in its name.
    ///
    /// # Errors
    /// [`InvalidUserName`] when it is empty, too long or has control characters.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidUserName> {
        if bytes.is_empty() {
            return Err(InvalidUserName::Empty);
        }
        if bytes.len() > Self::MAX_LEN {
            return Err(InvalidUserName::TooLong);
        }
        let text = String::from_utf8_lossy(bytes);
        if text.chars().any(char::is_control) {
            return Err(InvalidUserName::Control);
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is one of the two names of the anonymous user (RFC 1635).
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        matches!(&*self.0, "anonymous" | "ftp")
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for UserName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl core::str::FromStr for UserName {
    type Err = InvalidUserName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Display for InvalidUserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a user name cannot be empty"),
            Self::TooLong => write!(f, "a user name cannot be longer than {} bytes", UserName::MAX_LEN),
            Self::Control => f.write_str("a user name cannot hold control characters"),
        }
    }
}

impl core::error::Error for InvalidUserName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_forge_a_log_line_are_refused() {
        assert_eq!(UserName::parse(b"a\nb"), Err(InvalidUserName::Control));
        assert_eq!(UserName::parse(b""), Err(InvalidUserName::Empty));
        assert_eq!(UserName::parse(&[b'a'; 257]), Err(InvalidUserName::TooLong));
        assert_eq!(UserName::parse(b"al ice").unwrap().as_str(), "al ice");
    }

    #[test]
    fn anonymous_is_case_sensitive() {
        assert!(UserName::parse(b"ftp").unwrap().is_anonymous());
        assert!(!UserName::parse(b"AnoNymouS").unwrap().is_anonymous());
    }
}
