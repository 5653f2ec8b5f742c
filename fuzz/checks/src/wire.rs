//! Replies as a client reads them off the wire, by RFC 959 §4.2 alone.

use ftp_proto::Reply;

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) code: u16,
    /// What is behind the code in its first line, Telnet undone.
    pub(crate) text: Vec<u8>,
}

impl Read {
    /// 1yz: another one follows to the same command.
    pub(crate) fn is_preliminary(&self) -> bool {
        self.code < 200
    }
}

/// What goes over the wire.
pub(crate) fn written<'a>(replies: impl IntoIterator<Item = &'a Reply>) -> Vec<u8> {
    let mut wire = Vec::new();
    replies.into_iter().for_each(|reply| reply.write_to(&mut wire));
    wire
}

/// Reads all replies. The end of a session may cut a listing over the control connection (STAT): then nothing or 421
/// comes in place of its end.
///
/// # Panics
/// When they are not what a client can read.
pub(crate) fn replies(wire: &[u8]) -> Vec<Read> {
    let mut lines = lines(wire).into_iter();
    let mut replies = Vec::new();
    while let Some(first) = lines.next() {
        let [a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', mark @ (b' ' | b'-'), text @ ..] = &first[..] else {
            panic!("no reply: {}", first.escape_ascii());
        };
        let end = [*a, *b, *c, b' '];
        if *mark == b'-' {
            // What is in between must not look like an end, to any client.
            let last = lines.by_ref().find(|line| !line.starts_with(b" ")).unwrap_or_else(|| b"421 ".to_vec());
            if last.starts_with(b"421 ") && first.starts_with(b"213-") {
                assert_eq!(lines.next(), None, "something behind the end");
                return replies;
            }
            assert!(last.starts_with(&end), "in the midst of a reply: {}", last.escape_ascii());
        }
        let digit = |digit: &u8| u16::from(digit - b'0');
        replies.push(Read { code: digit(a) * 100 + digit(b) * 10 + digit(c), text: text.to_vec() });
    }
    replies
}

fn lines(wire: &[u8]) -> Vec<Vec<u8>> {
    let Some(whole) = wire.strip_suffix(b"\r\n") else {
        assert!(wire.is_empty(), "the last line has no end");
        return Vec::new();
    };
    let text = without_telnet(whole);
    let lines = text.split(|byte| *byte == b'\n');
    let count = lines.clone().count();
    let stripped = lines.enumerate().map(|(index, line)| match line.strip_suffix(b"\r") {
        Some(line) if index + 1 < count => line,
        None if index + 1 == count => line,
        _ => panic!("a line ends in CRLF"),
    });
    let lines: Vec<Vec<u8>> = stripped.map(<[u8]>::to_vec).collect();
    assert!(lines.iter().flatten().all(|byte| !matches!(byte, b'\r' | 0)), "a line holds no CR and no NUL");
    lines
}

/// Nothing but IAC IAC is sent.
fn without_telnet(wire: &[u8]) -> Vec<u8> {
    let (mut text, mut rest) = (Vec::new(), wire);
    loop {
        rest = match rest {
            [255, 255, behind @ ..] => {
                text.push(255);
                behind
            }
            [255, ..] => panic!("a Telnet command in a reply"),
            [byte, behind @ ..] => {
                text.push(*byte);
                behind
            }
            [] => return text,
        };
    }
}
