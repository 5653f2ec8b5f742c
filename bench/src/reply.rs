//! Replies of a server, taken out of the bytes that it sends.

use std::io;

/// One reply: its code, and the text of its last line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) text: String,
}

impl Reply {
    /// The first reply in the bytes, if it is whole, and how many bytes it has.
    pub(crate) fn parse(bytes: &[u8]) -> io::Result<Option<(Self, usize)>> {
        let mut end = 0;
        let mut several = None;
        while let Some(length) = bytes[end..].iter().position(|&byte| byte == b'\n') {
            let line = bytes[end..end + length].trim_ascii_end();
            end += length + 1;
            match (several, head(line)) {
                (None, Some((code, b'-'))) => several = Some(code),
                (None, Some((code, _))) => return Ok(Some((Self::new(code, line), end))),
                (None, None) => return Err(malformed(line)),
                (Some(first), Some((code, b' '))) if first == code => return Ok(Some((Self::new(code, line), end))),
                (Some(_), _) => {}
            }
        }
        Ok(None)
    }

    fn new(code: u16, line: &[u8]) -> Self {
        let text = line.get(4..).unwrap_or_default();
        Self { code, text: String::from_utf8_lossy(text).into_owned() }
    }

    /// This reply, if it has one of the codes.
    pub(crate) fn expect(self, what: &str, codes: &[u16]) -> io::Result<Self> {
        if codes.contains(&self.code) {
            return Ok(self);
        }
        let kind = match self.code {
            500 | 502 | 504 => io::ErrorKind::Unsupported,
            _ => io::ErrorKind::InvalidData,
        };
        Err(io::Error::new(kind, format!("{what} was answered by {} {}", self.code, self.text)))
    }

    /// The port of a 229.
    pub(crate) fn port(&self) -> io::Result<u16> {
        let inside = self.text.split_once("(|||").and_then(|(_, rest)| rest.split_once("|)"));
        inside.and_then(|(port, _)| port.parse().ok()).ok_or_else(|| malformed(self.text.as_bytes()))
    }
}

/// The code of a line, and what follows it: `-` for more lines, else a blank.
fn head(line: &[u8]) -> Option<(u16, u8)> {
    let digits = line.get(..3)?;
    let code = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match line.get(3) {
        None => Some((code, b' ')),
        Some(&next @ (b' ' | b'-')) => Some((code, next)),
        Some(_) => None,
    }
}

fn malformed(line: &[u8]) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no reply: {}", String::from_utf8_lossy(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<(u16, String, usize)> {
        Reply::parse(text.as_bytes()).unwrap().map(|(reply, length)| (reply.code, reply.text, length))
    }

    #[test]
    fn a_reply_of_one_line() {
        assert_eq!(parse("220 Hello\r\n331 next"), Some((220, "Hello".into(), 11)));
        assert_eq!(parse("220\r\n"), Some((220, String::new(), 5)));
    }

    #[test]
    fn a_reply_of_several_lines_ends_at_its_own_code() {
        let text = "220-One\r\n 220 two\r\n221 three\r\n220-four\r\n220 End\r\n";
        assert_eq!(parse(text), Some((220, "End".into(), text.len())));
    }

    #[test]
    fn a_cut_reply_is_waited_for() {
        assert_eq!(parse("220 Hel"), None);
        assert_eq!(parse("220-Hello\r\n220"), None);
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        assert!(Reply::parse(b"hello\r\n").is_err());
        assert!(Reply::parse(b"22x hello\r\n").is_err());
    }

    #[test]
    fn unknown_commands_are_told_from_failures() {
        let reply = |code| Reply { code, text: String::new() };
        assert_eq!(reply(500).expect("MLSD", &[150]).unwrap_err().kind(), io::ErrorKind::Unsupported);
        assert_eq!(reply(550).expect("RETR", &[150]).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(reply(125).expect("RETR", &[125, 150]).is_ok());
    }

    #[test]
    fn ports_of_epsv() {
        let reply = |text: &str| Reply { code: 229, text: text.into() };
        assert_eq!(reply("Extended Passive mode OK (|||58831|)").port().unwrap(), 58831);
        assert!(reply("Extended Passive mode OK").port().is_err());
        assert!(reply("(|||70000|)").port().is_err());
    }
}
