//! The ASCII codec, beside one that has all the bytes at once.

use ftp_proto::{AsciiDecoder, AsciiEncoder};

use crate::cut;

/// Both directions give what the naive ones give, however the bytes are cut; and what was encoded decodes to the file.
///
/// # Panics
/// When they do not.
pub fn ascii(bytes: &[u8]) {
    let (encoded, decoded) = (naive_encode(bytes), naive_decode(bytes));
    for pieces in cut::ways(bytes) {
        assert_eq!(encode(&pieces), encoded, "encoded in {} pieces", pieces.len());
        assert_eq!(decode(&pieces), decoded, "decoded in {} pieces", pieces.len());
    }
    // Back again, in pieces of its own.
    let pieces = cut::by_chance(&encoded, 5);
    assert_eq!(encode(&pieces), encoded, "what has CRLF already stays");
    assert_eq!(decode(&pieces), decoded, "to encode changes no line");
    if !bytes.windows(2).any(|pair| pair == b"\r\n") {
        assert_eq!(decode(&pieces), bytes, "a file without CRLF comes back unchanged");
    }
}

fn encode(pieces: &[&[u8]]) -> Vec<u8> {
    let (mut encoder, mut out) = (AsciiEncoder::new(), b"before".to_vec());
    for piece in pieces {
        let before = out.len();
        encoder.push(piece, &mut out);
        assert!(out.len() - before <= 2 * piece.len(), "at most twice as many");
    }
    encoder.finish(&mut out);
    out.strip_prefix(b"before").expect("what was there stays").to_vec()
}

fn decode(pieces: &[&[u8]]) -> Vec<u8> {
    let (mut decoder, mut out) = (AsciiDecoder::new(), b"before".to_vec());
    for piece in pieces {
        let before = out.len();
        decoder.push(piece, &mut out);
        assert!(out.len() - before <= piece.len() + 1, "at most one more");
    }
    decoder.finish(&mut out);
    out.strip_prefix(b"before").expect("what was there stays").to_vec()
}

fn naive_encode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, byte) in bytes.iter().enumerate() {
        if *byte == b'\n' && (index == 0 || bytes[index - 1] != b'\r') {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out
}

fn naive_decode(bytes: &[u8]) -> Vec<u8> {
    let is_end = |index: usize| bytes[index] == b'\r' && bytes.get(index + 1) == Some(&b'\n');
    (0..bytes.len()).filter(|index| !is_end(*index)).map(|index| bytes[index]).collect()
}
