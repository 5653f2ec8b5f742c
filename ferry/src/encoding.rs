//! Charsets of paths on the wire.
//!
//! Paths on disk are taken for UTF-8. For a client that does not speak it they are converted, in both directions.

use std::fmt;

use encoding_rs::{Encoding, UTF_8};
use ftp_proto::PathCodec;

/// Converts paths between UTF-8 and one charset.
///
/// What the charset can say survives the way there and back; for what it cannot say, `?` goes over the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Charset(&'static Encoding);

impl Charset {
    /// The codec for a charset; none for UTF-8, where bytes are left as they are.
    #[must_use]
    pub fn new(encoding: &'static Encoding) -> Option<Self> {
        (encoding != UTF_8).then_some(Self(encoding))
    }

    /// The bytes for a text; none if they would not come back as the same text. Some charsets take one character for
    /// another, as the yen sign for the backslash.
    fn encode_exactly(self, text: &str) -> Option<Vec<u8>> {
        let (wire, _, unmappable) = self.0.encode(text);
        let comes_back = || self.0.decode_without_bom_handling(&wire).0 == text;
        (!unmappable && comes_back()).then(|| wire.into_owned())
    }

    fn has(self, character: char) -> bool {
        self.encode_exactly(character.encode_utf8(&mut [0; 4])).is_some()
    }
}

impl PathCodec for Charset {
    fn decode(&self, wire: &[u8]) -> Vec<u8> {
        self.0.decode_without_bom_handling(wire).0.into_owned().into_bytes()
    }

    fn encode(&self, path: &[u8]) -> Vec<u8> {
        if path.is_ascii() && self.0.is_ascii_compatible() {
            return path.to_vec();
        }
        let text = utf8_or_question_marks(path);
        self.encode_exactly(&text).unwrap_or_else(|| {
            let or_question_mark = |character| if self.has(character) { character } else { '?' };
            let sayable: String = text.chars().map(or_question_mark).collect();
            self.0.encode(&sayable).0.into_owned()
        })
    }
}

impl fmt::Debug for Charset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Charset({})", self.0.name())
    }
}

fn utf8_or_question_marks(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().first().map(|_| '?'));
    }
    text
}

#[cfg(test)]
mod tests {
    use encoding_rs::{BIG5, EUC_JP, GB18030, ISO_2022_JP, KOI8_R, SHIFT_JIS, WINDOWS_1252, WINDOWS_1253};

    use super::*;

    #[test]
    fn utf_8_needs_no_codec() {
        assert_eq!(Charset::new(UTF_8), None);
    }

    #[test]
    fn every_byte_that_a_charset_has_survives() {
        for encoding in [WINDOWS_1252, WINDOWS_1253, KOI8_R] {
            let charset = Charset::new(encoding).unwrap();
            for byte in 0..=255_u8 {
                let path = charset.decode(&[byte]);
                if path != "\u{fffd}".as_bytes() {
                    assert_eq!(charset.encode(&path), [byte], "{encoding:?} {byte:#x}");
                }
            }
        }
    }

    #[test]
    fn names_of_the_charset_go_there_and_back() {
        let names = [
            (WINDOWS_1252, "/Übung €/naïve"),
            (SHIFT_JIS, "/日本語/ソース.txt"),
            (EUC_JP, "/日本語"),
            (ISO_2022_JP, "/日本語/a"),
            (BIG5, "/中文 名"),
            (GB18030, "/中文/😀"),
            (KOI8_R, "/Привет"),
        ];
        for (encoding, name) in names {
            let charset = Charset::new(encoding).unwrap();
            let wire = charset.encode(name.as_bytes());
            assert!(!wire.contains(&b'?'), "{encoding:?}");
            assert_eq!(String::from_utf8(charset.decode(&wire)).unwrap(), name, "{encoding:?}");
        }
    }

    #[test]
    fn what_a_charset_cannot_say_becomes_a_question_mark() {
        let encode = |encoding, path: &[u8]| Charset::new(encoding).unwrap().encode(path);
        assert_eq!(encode(WINDOWS_1252, "/ä日b".as_bytes()), b"/\xe4?b");
        assert_eq!(encode(WINDOWS_1252, b"/a\xff\xfeb"), b"/a??b");
        assert_eq!(encode(SHIFT_JIS, "/¥".as_bytes()), b"/?");
        assert_eq!(encode(ISO_2022_JP, "/日€本".as_bytes()), b"/\x1b$BF|\x1b(B?\x1b$BK\\\x1b(B");
    }
}
