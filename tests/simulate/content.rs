//! What files hold: bytes that tell which upload they come from, and text with ends of lines of every kind.

use crate::chance::Chance;

/// Bytes that no other upload has, after the number of the upload.
pub(crate) fn marked(number: u64, len: usize) -> Vec<u8> {
    let mut chance = Chance::new(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let body = (8..len).map(|_| chance.below(256) as u8);
    let mut bytes: Vec<u8> = number.to_be_bytes().into_iter().chain(body).collect();
    bytes.truncate(len);
    bytes
}

/// Which upload the bytes are of; `None`: they are too few to tell.
pub(crate) fn mark(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|number| u64::from_be_bytes(*number))
}

/// Lines that end in LF, CRLF, CR or not at all.
pub(crate) fn text(chance: &mut Chance, len: usize) -> Vec<u8> {
    (0..len).map(|_| *chance.pick(b"ab\r\n\r\nc")).collect()
}

/// A file as it goes over the wire in ASCII type (RFC 959 §3.1.1.1): each LF without a CR before it gets one.
pub(crate) fn to_wire(file: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for (place, byte) in file.iter().enumerate() {
        if *byte == b'\n' && (place == 0 || file[place - 1] != b'\r') {
            wire.push(b'\r');
        }
        wire.push(*byte);
    }
    wire
}

/// The file that comes of such a text: each CR before a LF is left out.
pub(crate) fn from_wire(wire: &[u8]) -> Vec<u8> {
    let next = |place: usize| wire.get(place + 1).copied();
    let kept = |(place, byte): &(usize, &u8)| !(**byte == b'\r' && next(*place) == Some(b'\n'));
    wire.iter().enumerate().filter(kept).map(|(_, byte)| *byte).collect()
}
