//! The command log: one line for each command, with masked passwords.

use std::net::SocketAddr;

use ftp_proto::CommandLine;
use ftp_types::{UnixTime, UserName};

/// `2025-09-04T09:05:00Z 192.0.2.7:40000 session user command`; before a login the user is `-`. Blanks in the user's
/// name become `_`, so that the command is all that comes after the fourth blank.
pub(super) fn line(now: UnixTime, peer: SocketAddr, id: u64, user: Option<&UserName>, command: &CommandLine) -> String {
    let civil = now.to_civil(0);
    let user = user.map_or_else(|| "-".to_owned(), |user| user.as_str().replace(char::is_whitespace, "_"));
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z {peer} {id} {user} {command}\n",
        civil.year, civil.month, civil.day, civil.hour, civil.minute, civil.second
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_that_cannot_be_forged() {
        let now = UnixTime::from_seconds(1_756_976_700);
        let peer = "192.0.2.7:40000".parse().unwrap();
        let user = "al ice".parse().unwrap();
        assert_eq!(
            line(now, peer, 3, Some(&user), &CommandLine::new(b"STOR a\nb")),
            "2025-09-04T09:05:00Z 192.0.2.7:40000 3 al_ice STOR a\\nb\n"
        );
        assert_eq!(
            line(now, peer, 3, None, &CommandLine::new(b"pass hunter2")),
            "2025-09-04T09:05:00Z 192.0.2.7:40000 3 - PASS ******\n"
        );
    }
}
