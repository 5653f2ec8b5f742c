//! The ASCII codec: the same however the bytes are cut, and back again.

#![no_main]

use ftp_proto::{AsciiDecoder, AsciiEncoder};
use libfuzzer_sys::fuzz_target;

fn encode(bytes: &[u8], size: usize) -> Vec<u8> {
    let (mut encoder, mut out) = (AsciiEncoder::new(), Vec::new());
    bytes.chunks(size.max(1)).for_each(|piece| encoder.push(piece, &mut out));
    encoder.finish(&mut out);
    out
}

fn decode(bytes: &[u8], size: usize) -> Vec<u8> {
    let (mut decoder, mut out) = (AsciiDecoder::new(), Vec::new());
    bytes.chunks(size.max(1)).for_each(|piece| decoder.push(piece, &mut out));
    decoder.finish(&mut out);
    out
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = input;
    let (encoded, decoded) = (encode(bytes, bytes.len()), decode(bytes, bytes.len()));
    assert_eq!(encoded, encode(bytes, size.into()));
    assert_eq!(decoded, decode(bytes, size.into()));
    assert!(!decoded.windows(2).any(|pair| pair == b"\r\n") || bytes.windows(3).any(|three| three == b"\r\r\n"));
    assert_eq!(encode(&encoded, 7), encoded, "what has CRLF already stays");
    if !bytes.windows(2).any(|pair| pair == b"\r\n") {
        assert_eq!(decode(&encoded, size.into()), bytes);
    }
});
