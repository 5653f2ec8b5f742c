//! The time zone of this machine, for listings and transfer logs in local time.

use ftp_types::{TimeZone, UnixTime};
use jiff::Timestamp;
use jiff::tz;

/// The zone that the system is set to (`TZ`, `/etc/localtime`), as it was when this was made.
#[derive(Clone, Debug)]
pub struct LocalZone(tz::TimeZone);

impl LocalZone {
    /// Asks the system for its zone; UTC, with a warning, when that cannot be found out.
    #[must_use]
    pub fn of_system() -> Self {
        Self(tz::TimeZone::try_system().unwrap_or_else(|error| {
            tracing::warn!(%error, "the local time zone is unknown, so local times are those of UTC");
            tz::TimeZone::UTC
        }))
    }
}

impl TimeZone for LocalZone {
    fn offset(&self, at: UnixTime) -> i32 {
        // Times that the library cannot hold lie ten thousand years off; any rule of a zone is a guess there.
        Timestamp::from_second(at.seconds).map_or(0, |moment| self.0.to_offset(moment).seconds())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summer_and_winter_differ() {
        let berlin = LocalZone(tz::TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap());
        assert_eq!(berlin.offset(UnixTime::from_seconds(1_704_067_200)), 3600);
        assert_eq!(berlin.offset(UnixTime::from_seconds(1_719_792_000)), 7200);
        assert_eq!(berlin.offset(UnixTime::from_seconds(i64::MAX)), 0);
    }
}
