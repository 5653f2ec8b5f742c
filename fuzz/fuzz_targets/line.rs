//! Lines out of bytes: the same however they are cut, bounded, and without an end of line inside.

#![no_main]

use ftp_proto::{Framed, LineReader};
use libfuzzer_sys::fuzz_target;

fn lines(bytes: &[u8], size: usize) -> Vec<Framed> {
    let (mut reader, mut found) = (LineReader::new(), Vec::new());
    for mut piece in bytes.chunks(size.max(1)) {
        while !piece.is_empty() {
            let (taken, framed) = reader.push(piece);
            assert!(taken > 0 && (framed.is_some() || taken == piece.len()));
            piece = &piece[taken..];
            found.extend(framed);
        }
    }
    found
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = input;
    let whole = lines(bytes, bytes.len());
    for framed in &whole {
        if let Framed::Line { line, .. } = framed {
            assert!(line.len() <= LineReader::MAX_LEN && !line.contains(&b'\n'));
        }
    }
    assert_eq!(whole, lines(bytes, size.into()));
    assert_eq!(whole, lines(bytes, 1));
});
