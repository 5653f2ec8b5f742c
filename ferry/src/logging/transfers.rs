//! The transfer log: one line for each file, in the format of wu-ftpd's `xferlog`, which every log analyser reads.

use std::fmt::{self, Write};
use std::net::IpAddr;

use ftp_proto::{Direction, Representation, TransferReport};
use ftp_types::{TimeZone, UnixTime};

/// The line for a transfer that ended at `now`, with its end.
pub(super) fn line(report: &TransferReport, peer: IpAddr, now: UnixTime, zone: &dyn TimeZone) -> String {
    let mut line = String::with_capacity(160);
    write_line(&mut line, report, peer, now, zone).expect("a string takes everything");
    line
}

/// `current-time transfer-time remote-host file-size filename transfer-type special-action-flag direction access-mode
/// username service-name authentication-method authenticated-user-id completion-status`
fn write_line(
    line: &mut String,
    report: &TransferReport,
    peer: IpAddr,
    now: UnixTime,
    zone: &dyn TimeZone,
) -> fmt::Result {
    // Whole seconds, and at least one, so that nobody who computes a rate divides by zero: as wu-ftpd does.
    let seconds = (report.duration.as_secs_f64().round() as u64).max(1);
    let transfer_type = match report.representation {
        Representation::Ascii => 'a',
        Representation::Image => 'b',
    };
    let direction = match report.direction {
        Direction::Download => 'o',
        Direction::Upload => 'i',
    };
    let access_mode = if report.user.is_anonymous() { 'a' } else { 'r' };
    let status = if report.end.is_ok() { 'c' } else { 'i' };
    write_time(line, now, zone)?;
    write!(line, " {seconds} {} {} ", peer.to_canonical(), report.bytes)?;
    write!(OneWord(line), "{}", report.path)?;
    write!(line, " {transfer_type} _ {direction} {access_mode} ")?;
    write!(OneWord(line), "{}", report.user)?;
    writeln!(line, " ftp 0 * {status}")
}

/// As C's `ctime` has it: `Thu Sep  4 09:05:00 2025`.
fn write_time(line: &mut String, now: UnixTime, zone: &dyn TimeZone) -> fmt::Result {
    let offset = zone.offset(now);
    let civil = now.to_civil(offset);
    let days = now.seconds.saturating_add(offset.into()).div_euclid(86_400);
    // The epoch was a Thursday.
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][days.rem_euclid(7) as usize];
    let month = civil.month_name();
    write!(
        line,
        "{weekday} {month} {:2} {:02}:{:02}:{:02} {}",
        civil.day, civil.hour, civil.minute, civil.second, civil.year
    )
}

/// Blanks would shift the columns behind a name. Control characters are escaped already.
struct OneWord<'a>(&'a mut String);

impl Write for OneWord<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend(text.chars().map(|character| if character.is_whitespace() { '_' } else { character }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ftp_proto::{CloseReason, Incomplete};
    use ftp_types::{Utc, VirtualPath};

    use super::*;

    struct East;

    impl TimeZone for East {
        fn offset(&self, _at: UnixTime) -> i32 {
            7200
        }
    }

    fn report(user: &str, path: &[u8]) -> TransferReport {
        TransferReport {
            user: user.parse().unwrap(),
            path: VirtualPath::parse(path).unwrap(),
            direction: Direction::Download,
            representation: Representation::Image,
            bytes: 1_234_567,
            duration: Duration::from_millis(2700),
            end: Ok(()),
        }
    }

    const NOW: UnixTime = UnixTime::from_seconds(1_756_976_700);

    #[test]
    fn a_download() {
        let peer = "192.0.2.7".parse().unwrap();
        assert_eq!(
            line(&report("anonymous", b"/pub/a file.iso"), peer, NOW, &Utc),
            "Thu Sep  4 09:05:00 2025 3 192.0.2.7 1234567 /pub/a_file.iso b _ o a anonymous ftp 0 * c\n"
        );
    }

    #[test]
    fn a_cut_upload_in_another_zone() {
        let mut report = report("al ice", "/é\u{a0}\r\nx".as_bytes());
        report.direction = Direction::Upload;
        report.representation = Representation::Ascii;
        report.duration = Duration::ZERO;
        report.end = Err(Incomplete::SessionEnded(CloseReason::PeerClosed));
        let late = UnixTime::from_seconds(NOW.seconds + 13 * 3600);
        assert_eq!(
            line(&report, "::ffff:192.0.2.7".parse().unwrap(), late, &East),
            "Fri Sep  5 00:05:00 2025 1 192.0.2.7 1234567 /é_\\r\\nx a _ i r al_ice ftp 0 * i\n"
        );
    }
}
