//! Lines as bytes of the control connection.

use ftp_proto::LineReader;

/// Telnet's "interpret as command", and the data mark of a Synch.
pub(super) const IAC: u8 = 0xFF;
const DATA_MARK: u8 = 0xF2;

/// A line as it may have come: bytes that are read as that line, and how many of them come before part of the line is
/// there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spelled {
    pub(super) bytes: Vec<u8>,
    pub(super) opened: usize,
}

/// Spells a line with its end.
pub(super) fn spell(line: &[u8], urgent: bool) -> Spelled {
    let mut spelled = spell_open(line, urgent);
    spelled.bytes.extend_from_slice(b"\r\n");
    spelled
}

/// The same without the end.
pub(super) fn spell_open(line: &[u8], urgent: bool) -> Spelled {
    let mut bytes = if urgent { vec![IAC, DATA_MARK] } else { Vec::new() };
    let mut opened = 0;
    for byte in line {
        match byte {
            b'\r' => bytes.extend_from_slice(b"\r\0"),
            &IAC => bytes.extend_from_slice(&[IAC, IAC]),
            byte => bytes.push(*byte),
        }
        if opened == 0 {
            opened = bytes.len();
        }
    }
    Spelled { bytes, opened }
}

/// What is read, and is no text: Telnet's command to do nothing.
pub(super) const SILENCE: [u8; 2] = [IAC, 0xF1];
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
                let Spelled { bytes, opened } = spell(line, urgent);
                let mut reader = LineReader::new();
                assert_eq!(reader.push(&bytes[..opened]), (opened, None));
                assert_eq!(reader.is_mid_line(), opened > 0);
                let (_, framed) = reader.push(&bytes[opened..]);
                assert_eq!(framed, Some(Framed::Line { line: line.to_vec(), urgent }));
            }
        }
        let mut reader = LineReader::new();
        assert_eq!(reader.push(&TOO_LONG), (TOO_LONG.len(), Some(Framed::TooLong)));
    }
}
