//! What the client sends in a transcript (`tests/trace/script.rs` tells their form), and what happens around it, as
//! inputs of the session's targets.

use crate::session_bytes;
use crate::session_ops::{FOREIGN, code};

/// One scenario.
#[derive(Default)]
pub(crate) struct Scenario {
    /// The first byte for `session_bytes`.
    pub(crate) circumstances: u8,
    /// What the client sends.
    pub(crate) sent: Vec<u8>,
    /// The input for `session_ops`.
    pub(crate) operations: Vec<u8>,
}

pub(crate) fn scenarios(text: &str) -> Vec<Scenario> {
    let scenarios = text.split("\n== ").skip(1);
    scenarios.map(scenario).collect()
}

/// A client that was served well all the time.
pub(crate) fn operations_of_client(sent: &[u8]) -> Vec<u8> {
    let mut operations = vec![FOREIGN];
    for line in sent.split_inclusive(|byte| *byte == b'\n') {
        operations.push(code::LINE_AS_IT_IS);
        operations.extend_from_slice(line);
        operations.extend([code::SUCCEED, 0].repeat(4));
    }
    operations
}

fn scenario(text: &str) -> Scenario {
    let mut scenario = Scenario { operations: vec![0], ..Scenario::default() };
    for line in text.lines().skip(1) {
        let (mark, rest) = line.split_at_checked(2).unwrap_or((line, ""));
        let text = rest.strip_prefix(' ').unwrap_or(rest);
        match mark {
            "@ " => scenario.setting(rest),
            "C:" => scenario.send(&[unescaped(text), b"\r\n".to_vec()].concat()),
            "C>" => scenario.send(&unescaped(text)),
            "LO" => scenario.send(&[&[b'x'; 5000][..], b" DELE readme.txt\r\n"].concat()),
            _ => scenario.operations.extend(around(mark, text)),
        }
    }
    scenario
}

impl Scenario {
    fn setting(&mut self, setting: &str) {
        let (for_bytes, for_operations) = match setting.split(' ').next().unwrap_or_default() {
            "login" => (1, 1),
            "tls" | "tls-control" | "tls-data" => (2, 16),
            "delay" => (0, 2),
            "foreign" => (session_bytes::FOREIGN, FOREIGN),
            "ipv6" => (16, 0),
            _ => (0, 0),
        };
        self.circumstances |= for_bytes;
        self.operations[0] |= for_operations;
    }

    fn send(&mut self, bytes: &[u8]) {
        self.sent.extend_from_slice(bytes);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if line.ends_with(b"\n") {
                self.operations.push(code::LINE_AS_IT_IS);
                self.operations.extend_from_slice(line);
            } else {
                self.operations.extend([code::BYTES, line.len() as u8]);
                self.operations.extend_from_slice(&line[..line.len() % 256]);
            }
        }
    }
}

/// What is neither a setting nor sent. Where the server says something, it may have got an answer before.
fn around(mark: &str, text: &str) -> Vec<u8> {
    let number = || text.parse::<f64>().unwrap_or(0.0);
    match (mark, text) {
        ("S:", "nothing") => Vec::new(),
        ("S:", _) => vec![code::FINISH, 0],
        ("A:", _) => match text.split_once(" -> ").map(|(_, answer)| answer) {
            None => Vec::new(),
            Some("cancelled") => vec![code::DROP, 0],
            Some(answer) if answer.starts_with("ok") || answer.ends_with("bytes") => vec![code::SUCCEED, 0],
            Some(_) => vec![code::FAIL, 0],
        },
        ("P:", _) => vec![code::PROGRESS, number() as u8],
        ("T:", _) => [code::WAIT, 100]
            .repeat(number() as usize / 100)
            .into_iter()
            .chain([code::WAIT, number() as u8 % 100])
            .collect(),
        ("E:", "eof") => vec![code::EOF],
        ("E:", _) => {
            vec![if text.starts_with("stop") { code::STOP } else { code::DISMISS }, u8::from(text.ends_with("now"))]
        }
        _ => Vec::new(),
    }
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let (byte, behind) = match (first, behind) {
            (b'\\', [b'r', behind @ ..]) => (b'\r', behind),
            (b'\\', [b'n', behind @ ..]) => (b'\n', behind),
            (b'\\', [b't', behind @ ..]) => (b'\t', behind),
            (b'\\', [b'0', behind @ ..]) => (0, behind),
            (b'\\', [b'x', high, low, behind @ ..]) => (hexadecimal(*high) * 16 + hexadecimal(*low), behind),
            (b'\\', [other, behind @ ..]) => (*other, behind),
            (byte, behind) => (*byte, behind),
        };
        bytes.push(byte);
        rest = behind;
    }
    bytes
}

fn hexadecimal(digit: u8) -> u8 {
    char::from(digit).to_digit(16).unwrap_or(0) as u8
}
