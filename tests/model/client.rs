//! The client's side of the control connection: lines, and the bytes that they are.

use std::fmt;

use crate::setup::Cuts;
use crate::syntax::{Bytes, replaced, verb_and_argument};

/// The longest line that is a command.
pub(crate) const LONGEST_LINE: usize = 4096;

/// A line as the client means it, and how it spells it on the wire.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: Bytes,
    /// Telnet's interrupt and Synch come before it (RFC 959 §4.1.3, ABOR).
    pub(crate) synch: bool,
    /// A Telnet NOP is in the middle of it.
    pub(crate) noise: bool,
    /// It ends with LF alone.
    pub(crate) bare_lf: bool,
}

/// What comes out of the stream of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Framed {
    Line { text: Bytes, synch: bool },
    TooLong,
}

/// Bytes that arrive, and what they complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) bytes: Bytes,
    pub(crate) makes: Makes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Makes {
    /// The line is not at its end.
    Part,
    Whole(Framed),
    /// The end of a line that was too long.
    Nothing,
}

/// What one `write` of the client holds.
pub(crate) type Write = Vec<Piece>;

impl Line {
    pub(crate) fn plain(text: impl Into<Bytes>) -> Self {
        Self { text: text.into(), synch: false, noise: false, bare_lf: false }
    }

    fn verb(&self) -> String {
        verb_and_argument(&self.text).0
    }

    fn framed(&self) -> Framed {
        Framed::Line { text: self.text.clone(), synch: self.synch }
    }

    fn prefix(&self) -> &'static [u8] {
        if self.synch { b"\xff\xf4\xff\xf2" } else { b"" }
    }

    fn end(&self) -> &'static [u8] {
        if self.bare_lf { b"\n" } else { b"\r\n" }
    }

    /// CR inside of a line is sent as CR NUL (RFC 2640 §3.1), and Telnet's byte twice.
    fn bytes(&self) -> Bytes {
        let escaped = |text| {
            replaced(text, |byte| match byte {
                b'\r' => Some(b"\r\0"),
                0xFF => Some(b"\xff\xff"),
                _ => None,
            })
        };
        let (front, back) = self.text.split_at(self.text.len() / 2);
        let noise: &[u8] = if self.noise { b"\xff\xf1" } else { b"" };
        [self.prefix(), &escaped(front), noise, &escaped(back), self.end()].concat()
    }

    fn pieces(&self) -> Write {
        if self.text.len() > LONGEST_LINE {
            let (head, tail) = self.text.split_at(LONGEST_LINE + 1);
            return vec![
                Piece { bytes: [self.prefix(), head].concat(), makes: Makes::Whole(Framed::TooLong) },
                Piece { bytes: [tail, self.end()].concat(), makes: Makes::Nothing },
            ];
        }
        vec![Piece { bytes: self.bytes(), makes: Makes::Whole(self.framed()) }]
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.text[..self.text.len().min(60)];
        let more =
            if self.text.len() > shown.len() { format!(".. ({} bytes)", self.text.len()) } else { String::new() };
        let synch = if self.synch { "<SYNCH>" } else { "" };
        let noise = if self.noise { " <NOP inside>" } else { "" };
        let end = if self.bare_lf { " <LF>" } else { "" };
        write!(f, "{synch}{}{more}{noise}{end}", shown.escape_ascii())
    }
}

/// A client that may leave a line half sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    rest: Option<Piece>,
}

impl Client {
    /// Sends whole lines, pipelined; what was left of one comes first. They are one write, unless they are to arrive in
    /// pieces: then what is behind AUTH is a write of its own, since it matters whether the server has seen it.
    pub(crate) fn send(&mut self, lines: &[Line], cuts: Cuts) -> Vec<Write> {
        let pieces = self.rest.take().into_iter().chain(lines.iter().flat_map(Line::pieces));
        let mut writes = vec![Write::new()];
        for piece in pieces {
            let ends = cuts != Cuts::Whole && piece.is_auth();
            writes.last_mut().expect("there is one").push(piece);
            if ends {
                writes.push(Write::new());
            }
        }
        writes.retain(|write| !write.is_empty());
        writes
    }

    /// Sends a line but for its last bytes: so many hundredths of it.
    pub(crate) fn begin(&mut self, line: &Line, hundredths: u8, cuts: Cuts) -> Vec<Write> {
        let mut writes = self.send(&[], cuts);
        let bytes = line.bytes();
        let cut = (bytes.len() * usize::from(hundredths) / 100).clamp(1, bytes.len().min(LONGEST_LINE) - 1);
        self.rest = Some(Piece { bytes: bytes[cut..].to_vec(), makes: Makes::Whole(line.framed()) });
        writes.push(vec![Piece { bytes: bytes[..cut].to_vec(), makes: Makes::Part }]);
        writes
    }
}

impl Piece {
    fn is_auth(&self) -> bool {
        matches!(&self.makes, Makes::Whole(Framed::Line { text, .. }) if verb_and_argument(text).0 == "AUTH")
    }
}

/// Whether the line can be left half sent: it is none that is too long, or empty.
pub(crate) fn can_be_cut(line: &Line) -> bool {
    line.text.len() < LONGEST_LINE && line.bytes().len() > 1 && !line.verb().is_empty()
}
