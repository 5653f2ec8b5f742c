//! Bytes that must not leak: passwords.

use alloc::boxed::Box;
use core::fmt;
use core::hint::black_box;

/// A password. It never prints, compares in constant time and is overwritten when dropped.
///
/// Overwriting is done with safe code and [`black_box`], which the compiler documents as best effort; copies that the
/// peer's bytes made on their way here (socket and line buffers) are cleared by their owners.
#[derive(Clone, Default)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Takes a copy of the bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The bytes themselves. Every call is a place to look at in review.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares in a time that depends on the lengths alone.
    #[must_use]
    pub fn equals(&self, other: &[u8]) -> bool {
        let mut difference = u8::from(self.0.len() != other.len());
        for (index, byte) in self.0.iter().enumerate() {
            let theirs = other.get(index).copied().unwrap_or(!*byte);
            difference = black_box(difference | (byte ^ theirs));
        }
        difference == 0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.equals(&other.0)
    }
}

impl Eq for Secret {}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        black_box(&mut self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn it_never_prints() {
        assert_eq!(format!("{:?}", Secret::from("hunter2")), "Secret(***)");
    }

    #[test]
    fn equality_looks_at_every_byte_and_the_length() {
        let secret = Secret::from("abc");
        assert!(secret.equals(b"abc"));
        assert!(!secret.equals(b"abd"));
        assert!(!secret.equals(b"ab"));
        assert!(!secret.equals(b"abcd"));
        assert!(!secret.equals(b""));
        assert!(Secret::default().equals(b""));
        assert!(!Secret::default().equals(b"x"));
    }
}
