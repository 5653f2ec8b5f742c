//! Small helpers for bytes that are mostly text.

/// Whether the byte would break the line that holds it (CR, LF), or the string (NUL).
pub(crate) const fn breaks_line(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0)
}

/// Splits at the first blank: the word before it, and all that follows, further blanks included.
pub(crate) fn split_word(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|byte| *byte == b' ') {
        Some(blank) => (&text[..blank], Some(&text[blank + 1..])),
        None => (text, None),
    }
}

/// A number of ASCII digits alone: no sign, no blank, no empty text, no overflow.
pub(crate) fn parse_number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits_alone() {
        assert_eq!(parse_number(b"0"), Some(0));
        assert_eq!(parse_number(b"18446744073709551615"), Some(u64::MAX));
        for wrong in ["", "-1", "+1", " 1", "1 ", "1.5", "0x1", "18446744073709551616", "\u{661}"] {
            assert_eq!(parse_number(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn everything_behind_the_first_blank_belongs_to_the_rest() {
        assert_eq!(split_word(b"RETR  a b "), (&b"RETR"[..], Some(&b" a b "[..])));
        assert_eq!(split_word(b"NOOP"), (&b"NOOP"[..], None));
    }
}
