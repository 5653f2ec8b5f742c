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
                if character.is_control() {
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
