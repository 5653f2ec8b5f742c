//! How a record is cut into frames: a file begins with a magic and a version, and then come frames, each with its length,
//! its checksum and its content. So a file that was cut is told from one that is broken.

use serde::Serialize;

pub(super) const MAGIC: &[u8; 8] = b"FERRYREC";
/// Goes up when older programs could not read what newer ones write.
pub(super) const VERSION: u16 = 1;
/// Magic and version.
pub(super) const START: usize = MAGIC.len() + 2;
/// The longest content. Entries are far shorter.
pub(super) const MAX_CONTENT: usize = 1 << 20;

const CHECKSUM: usize = 4;
/// The most bytes of a length.
const MAX_LENGTH: usize = 4;

/// Appends what a file begins with.
pub(super) fn append_start(out: &mut Vec<u8>) {
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
}

/// Appends a frame; `None`: it cannot be told.
pub(super) fn append(out: &mut Vec<u8>, value: &impl Serialize) -> Option<()> {
    let content = postcard::to_allocvec(value).ok().filter(|content| content.len() <= MAX_CONTENT)?;
    let mut length = content.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(&crc32fast::hash(&content).to_le_bytes());
    out.extend_from_slice(&content);
    Some(())
}

/// What stands at a place of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// A content, and the place behind it.
    Content(&'a [u8], usize),
    /// The file ends before the frame does.
    Cut,
    /// The checksum is not that of the content.
    Corrupt,
    /// The length is none.
    Nonsense,
}

/// Looks at the frame that begins at this place.
pub(super) fn at(bytes: &[u8], place: usize) -> Frame<'_> {
    let rest = bytes.get(place..).unwrap_or_default();
    let (length, taken) = match length(rest) {
        Ok(Some(found)) => found,
        Ok(None) => return Frame::Cut,
        Err(()) => return Frame::Nonsense,
    };
    let Some((checksum, rest)) = rest[taken..].split_first_chunk::<CHECKSUM>() else { return Frame::Cut };
    let Some(content) = rest.get(..length) else { return Frame::Cut };
    if crc32fast::hash(content) != u32::from_le_bytes(*checksum) {
        return Frame::Corrupt;
    }
    Frame::Content(content, place + taken + CHECKSUM + length)
}

/// A length in groups of seven bits, the lowest first, and how many bytes it took.
fn length(bytes: &[u8]) -> Result<Option<(usize, usize)>, ()> {
    let mut length = 0;
    for (place, byte) in bytes.iter().take(MAX_LENGTH).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            return if length == 0 || length > MAX_CONTENT { Err(()) } else { Ok(Some((length, place + 1))) };
        }
    }
    if bytes.len() < MAX_LENGTH { Ok(None) } else { Err(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_and_cuts_are_told_from_damage() {
        for size in [1_usize, 100, 127, 128, 20_000] {
            let mut bytes = Vec::new();
            append(&mut bytes, &vec![7_u8; size]).unwrap();
            let Frame::Content(content, end) = at(&bytes, 0) else { panic!("{size}") };
            assert_eq!((postcard::from_bytes::<Vec<u8>>(content).unwrap(), end), (vec![7; size], bytes.len()));
            for cut in 0..bytes.len() {
                assert_eq!(at(&bytes[..cut], 0), Frame::Cut, "{size} {cut}");
            }
            *bytes.last_mut().unwrap() ^= 1;
            assert_eq!(at(&bytes, 0), Frame::Corrupt);
        }
        assert_eq!(at(&[0, 0, 0, 0, 0, 0], 0), Frame::Nonsense);
        assert_eq!(at(&[0xFF; 10], 0), Frame::Nonsense);
        assert_eq!(append(&mut Vec::new(), &vec![0_u8; MAX_CONTENT]), None);
    }
}
