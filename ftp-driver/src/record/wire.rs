//! Lines as bytes of the control connection.

use ftp_proto::LineReader;

/// Telnet's "interpret as command", and the data mark of a Synch.
pub(super) const IAC: u8 = 0xFF;
const DATA_MARK: u8 = 0xF2;

/// Spells a line as it may have come: bytes that are read as that line.
pub(super) fn spell(line: &[u8], urgent: bool) -> Vec<u8> {
    let mut bytes = spell_open(line, urgent);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// The same without the end.
pub(super) fn spell_open(line: &[u8], urgent: bool) -> Vec<u8> {
    let mut bytes = if urgent { vec![IAC, DATA_MARK] } else { Vec::new() };
    for byte in line {
        match byte {
            b'\r' => bytes.extend_from_slice(b"\r\0"),
            &IAC => bytes.extend_from_slice(&[IAC, IAC]),
            byte => bytes.push(*byte),
        }
    }
    bytes
}

/// What is read as a line that is too long, as long as its end does not come.
pub(super) const TOO_LONG: [u8; LineReader::MAX_LEN + 1] = [b'*'; LineReader::MAX_LEN + 1];

#[cfg(test)]
mod tests {
    use ftp_proto::Framed;

    use super::*;

    #[test]
    fn what_is_spelled_is_read_as_the_line_that_it_was() {
        for line in [&b"NOOP"[..], b"", b"\r", b"\ra\r\0b\xff", b"\xff\xf2", b"a\0"] {
            for urgent in [false, true] {
                let bytes = spell(line, urgent);
                let mut reader = LineReader::new();
                assert_eq!(reader.push(&bytes[..1]), (1, None));
                assert!(reader.is_mid_line());
                let (_, framed) = reader.push(&bytes[1..]);
                assert_eq!(framed, Some(Framed::Line { line: line.to_vec(), urgent }));
            }
        }
        let mut reader = LineReader::new();
        assert_eq!(reader.push(&TOO_LONG), (TOO_LONG.len(), Some(Framed::TooLong)));
    }
}
