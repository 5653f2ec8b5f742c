//! Bytes of a peer in a log.

use core::fmt;

/// Shows bytes that are mostly text on one line: control characters and what is not UTF-8 come escaped, so that no
/// name and no command can forge a line.
///
/// ```
/// assert_eq!(ftp_types::Escaped(b"a\r\nb\xff\xc3\xa4").to_string(), "a\\r\\nb\\xff\u{e4}");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                if character.is_control() || misleads(character) {
                    write!(f, "{}", character.escape_default())?;
                } else {
                    fmt::Write::write_char(f, character)?;
                }
            }
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}

/// The separators of lines and paragraphs are no control characters, and yet where some programs begin a new line. Those
/// of direction show what follows in another order.
const fn misleads(character: char) -> bool {
    matches!(character, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn nothing_turns_the_text_around() {
        assert_eq!(Escaped("a\u{202e}cod.exe\u{2066}".as_bytes()).to_string(), r"a\u{202e}cod.exe\u{2066}");
    }

    #[test]
    fn nothing_that_ends_a_line_anywhere_is_left() {
        let ends = "a\nb\rc\u{b}d\u{c}e\u{1c}f\u{85}g\u{2028}h\u{2029}i";
        let shown = Escaped(ends.as_bytes()).to_string();
        assert_eq!(shown, r"a\nb\rc\u{b}d\u{c}e\u{1c}f\u{85}g\u{2028}h\u{2029}i");
    }
}
