//! The ASCII representation type (RFC 959 §3.1.1.1): lines end in CRLF on the wire and in LF in the file.
//!
//! Both directions keep what little state they need across chunks, so that the result never depends on how the bytes
//! were split.

use alloc::vec::Vec;

/// From the file to the wire: LF becomes CRLF, and a CRLF that is there already stays.
#[derive(Clone, Debug, Default)]
pub struct AsciiEncoder {
    after_cr: bool,
}

impl AsciiEncoder {
    /// An encoder at the beginning of a file.
    #[must_use]
    pub const fn new() -> Self {
        Self { after_cr: false }
    }

    /// Appends the next bytes of the file, encoded; at most twice as many.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if let Some((b'\n', line)) = line.split_last() {
                out.extend_from_slice(line);
                let after_cr = line.last().map_or(self.after_cr, |byte| *byte == b'\r');
                out.extend_from_slice(if after_cr { b"\n" } else { b"\r\n" });
                self.after_cr = false;
            } else {
                out.extend_from_slice(line);
                self.after_cr = line.last() == Some(&b'\r');
            }
        }
    }

    /// The file has ended; nothing is held back.
    pub fn finish(self, _out: &mut Vec<u8>) {}
}

/// From the wire to the file: CRLF becomes LF; a CR that no LF follows stays, the very last one too.
#[derive(Clone, Debug, Default)]
pub struct AsciiDecoder {
    held_cr: bool,
}

impl AsciiDecoder {
    /// A decoder at the beginning of an upload.
    #[must_use]
    pub const fn new() -> Self {
        Self { held_cr: false }
    }

    /// Appends the next bytes of the upload, decoded; at most one more than there are.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\r') {
            if core::mem::take(&mut self.held_cr) && piece.first() != Some(&b'\n') {
                out.push(b'\r');
            }
            match piece.split_last() {
                Some((b'\r', piece)) => {
                    out.extend_from_slice(piece);
                    self.held_cr = true;
                }
                _ => out.extend_from_slice(piece),
            }
        }
    }

    /// The upload has ended: a CR that was held back is written.
    pub fn finish(self, out: &mut Vec<u8>) {
        if self.held_cr {
            out.push(b'\r');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(chunks: &[&[u8]]) -> Vec<u8> {
        let (mut encoder, mut out) = (AsciiEncoder::new(), Vec::new());
        chunks.iter().for_each(|chunk| encoder.push(chunk, &mut out));
        encoder.finish(&mut out);
        out
    }

    fn decode(chunks: &[&[u8]]) -> Vec<u8> {
        let (mut decoder, mut out) = (AsciiDecoder::new(), Vec::new());
        chunks.iter().for_each(|chunk| decoder.push(chunk, &mut out));
        decoder.finish(&mut out);
        out
    }

    #[test]
    fn whole_texts() {
        assert_eq!(encode(&[b"a\nb\r\nc\r\rd\n\n"]), b"a\r\nb\r\nc\r\rd\r\n\r\n");
        assert_eq!(decode(&[b"a\r\nb\nc\r\rd\r\n\r\n\r"]), b"a\nb\nc\r\rd\n\n\r");
    }

    #[test]
    fn no_split_changes_the_result() {
        let text = b"\n\r\n\ra\r\r\nb\n\n\r";
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let chunks = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(encode(&chunks), encode(&[text]));
                assert_eq!(decode(&chunks), decode(&[text]));
            }
        }
    }

    #[test]
    fn a_file_without_cr_before_lf_comes_back_unchanged() {
        for file in [&b"a\nb\n"[..], b"\r", b"\rx\r\r", b"no end", b"\n\n\r"] {
            assert_eq!(decode(&[&encode(&[file])]), file);
        }
    }
}
