//! The command log: what clients and server say, a line for each command and reply, with masked passwords.

use std::fmt;
use std::net::SocketAddr;

use ftp_proto::{CommandLine, Reply};
use ftp_types::{UnixTime, UserName};
use serde_json::json;

use crate::config::LogFormat;

/// A line of the log.
pub(super) struct Line<'a> {
    pub(super) time: UnixTime,
    /// The number of the session.
    pub(super) session: u64,
    pub(super) peer: SocketAddr,
    pub(super) user: Option<&'a UserName>,
    pub(super) said: Said<'a>,
}

/// Who says what.
pub(super) enum Said<'a> {
    Client(&'a CommandLine),
    Server(&'a Reply),
}

impl Line<'_> {
    /// The line with its end.
    pub(super) fn format(&self, format: LogFormat) -> String {
        match format {
            LogFormat::Text => format!("{self}\n"),
            LogFormat::Json => self.json(),
        }
    }

    fn json(&self) -> String {
        let Line { time, session, peer, user, said } = self;
        let (kind, text) = match said {
            Said::Client(command) => ("command", command.to_string()),
            Said::Server(reply) => ("reply", reply.to_string()),
        };
        let (time, user) = (Stamp(*time).to_string(), user.map(UserName::as_str));
        format!("{}\n", json!({ "timestamp": time, "session": session, "peer": peer, "user": user, kind: text }))
    }
}

/// `2025-09-04T09:05:00Z 192.0.2.7:40000 session user <== command`, or `==> reply`; before a login the user is `-`.
/// Blanks in the user's name become `_`, so that what is said is all that comes after the fifth blank.
impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { time, session, peer, user, said } = self;
        let user = user.map_or_else(|| "-".to_owned(), |user| user.as_str().replace(char::is_whitespace, "_"));
        write!(f, "{} {peer} {session} {user} ", Stamp(*time))?;
        match said {
            Said::Client(command) => write!(f, "<== {command}"),
            Said::Server(reply) => write!(f, "==> {reply}"),
        }
    }
}

struct Stamp(UnixTime);

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let civil = self.0.to_civil(0);
        let (year, month, day) = (civil.year, civil.month, civil.day);
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", civil.hour, civil.minute, civil.second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(user: Option<&UserName>, command: &[u8], format: LogFormat) -> String {
        let command = CommandLine::new(command);
        let (time, peer) = (UnixTime::from_seconds(1_756_976_700), "192.0.2.7:40000".parse().unwrap());
        Line { time, session: 3, peer, user, said: Said::Client(&command) }.format(format)
    }

    #[test]
    fn one_line_that_cannot_be_forged() {
        let user = "al ice".parse().unwrap();
        assert_eq!(
            line(Some(&user), b"STOR a\nb", LogFormat::Text),
            "2025-09-04T09:05:00Z 192.0.2.7:40000 3 al_ice <== STOR a\\nb\n"
        );
        assert_eq!(
            line(None, b"pass hunter2", LogFormat::Text),
            "2025-09-04T09:05:00Z 192.0.2.7:40000 3 - <== PASS ******\n"
        );
    }

    #[test]
    fn json_is_json() {
        let user = "al\"ice".parse().unwrap();
        let line = line(Some(&user), b"STOR \"a\\b\x01", LogFormat::Json);
        let parsed: serde_json::Value = serde_json::from_str(&line).unwrap();
        let expected = json!({
            "timestamp": "2025-09-04T09:05:00Z",
            "session": 3,
            "peer": "192.0.2.7:40000",
            "user": "al\"ice",
            "command": CommandLine::new(b"STOR \"a\\b\x01").to_string(),
        });
        assert_eq!(parsed, expected);
        assert_eq!(line.find('\n'), Some(line.len() - 1));
    }
}
