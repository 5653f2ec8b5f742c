//! Lines out of bytes, beside a cutter that has the whole stream at once and no state.

use ftp_proto::{Framed, LineReader};

use crate::cut;

/// The lines are those of the naive cutter, however the stream is cut.
///
/// # Panics
/// When they are not.
pub fn line(stream: &[u8]) {
    let expected = lines(stream);
    for framed in &expected {
        if let Framed::Line { line, .. } = framed {
            assert!(line.len() <= LineReader::MAX_LEN && !line.contains(&b'\n'));
        }
    }
    for pieces in cut::ways(stream) {
        assert_eq!(read(&pieces), expected, "in {} pieces", pieces.len());
    }
}

fn read(pieces: &[&[u8]]) -> Vec<Framed> {
    let (mut reader, mut found) = (LineReader::new(), Vec::new());
    for mut piece in pieces.iter().copied() {
        while !piece.is_empty() {
            let (taken, framed) = reader.push(piece);
            assert!(taken > 0 && (framed.is_some() || taken == piece.len()));
            piece = &piece[taken..];
            found.extend(framed);
        }
    }
    found
}

/// The lines of a whole stream (RFC 959 §3.1 and §5.3, RFC 854, RFC 2640 §3.1), found the simple way.
pub(crate) fn lines(stream: &[u8]) -> Vec<Framed> {
    let tokens = tokens(stream);
    let mut lines = Vec::new();
    let mut rest = &tokens[..];
    while !rest.is_empty() {
        let Line { text, urgent, ended, behind } = first_line(rest);
        rest = behind;
        if text.len() > LineReader::MAX_LEN {
            lines.push(Framed::TooLong);
        } else if ended {
            lines.push(Framed::Line { line: text, urgent });
        }
    }
    lines
}

/// What remains of a stream when Telnet has been taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// IAC before this byte, which makes no command.
    Odd(u8),
    Synch,
}

fn tokens(stream: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = stream;
    loop {
        rest = match rest {
            [] | [255] | [255, 251..=254] => return tokens,
            [255, 251..=254, _option, behind @ ..] => behind,
            [255, 250, negotiation @ ..] => behind_negotiation(negotiation),
            [255, 242, behind @ ..] => {
                tokens.push(Token::Synch);
                behind
            }
            [255, 240..=249, behind @ ..] => behind,
            [255, 255, behind @ ..] => {
                tokens.push(Token::Byte(255));
                behind
            }
            [255, byte, behind @ ..] => {
                tokens.push(Token::Odd(*byte));
                behind
            }
            [byte, behind @ ..] => {
                tokens.push(Token::Byte(*byte));
                behind
            }
        };
    }
}

/// Behind IAC SE, in front of which IAC IAC is a byte of the negotiation.
fn behind_negotiation(mut rest: &[u8]) -> &[u8] {
    loop {
        rest = match rest {
            [] | [255] => return &[],
            [255, 240, behind @ ..] => return behind,
            [255, _, behind @ ..] | [_, behind @ ..] => behind,
        };
    }
}

struct Line<'a> {
    text: Vec<u8>,
    urgent: bool,
    ended: bool,
    behind: &'a [Token],
}

fn first_line(tokens: &[Token]) -> Line<'_> {
    let urgent_before = |end: usize| tokens[..end].contains(&Token::Synch);
    let mut bytes = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Synch => continue,
            Token::Byte(byte) => bytes.push(*byte),
            // At the start of a line it is what is left of a Synch.
            Token::Odd(byte) if bytes.is_empty() => bytes.push(*byte),
            Token::Odd(byte) => bytes.extend([255, *byte]),
        }
        if let [text @ .., b'\n'] = &bytes[..] {
            let text = with_returns(text.strip_suffix(b"\r").unwrap_or(text));
            return Line { text, urgent: urgent_before(index), ended: true, behind: &tokens[index + 1..] };
        }
    }
    // Whether a CR at the end belongs to the text is not known yet.
    let text = with_returns(bytes.strip_suffix(b"\r").unwrap_or(&bytes));
    Line { text, urgent: false, ended: false, behind: &[] }
}

/// CR NUL is CR.
fn with_returns(mut rest: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    while let Some((first, behind)) = rest.split_first() {
        text.push(*first);
        rest = if *first == b'\r' { behind.strip_prefix(b"\0").unwrap_or(behind) } else { behind };
    }
    text
}
