//! Wall-clock times and civil dates, by arithmetic alone.

use core::fmt;

/// A moment on the wall clock: seconds since 1970-01-01T00:00:00Z, negative before, and nanoseconds after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct UnixTime {
    /// Whole seconds, rounded towards the past.
    pub seconds: i64,
    /// Nanoseconds past `seconds`, below 1,000,000,000.
    pub nanoseconds: u32,
}

/// A date and time of day in the proleptic Gregorian calendar, of no particular zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CivilTime {
    /// Astronomical year: 0 is 1 BC.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59; Unix time has no leap seconds.
    pub second: u8,
}

/// How far a zone's clocks are ahead of UTC. The protocol core has no tables of zones; whoever embeds it does.
pub trait TimeZone: Send + Sync {
    /// Seconds east of UTC at that moment.
    fn offset(&self, at: UnixTime) -> i32;
}

/// Coordinated universal time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Utc;

impl TimeZone for Utc {
    fn offset(&self, _at: UnixTime) -> i32 {
        0
    }
}

impl UnixTime {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self { seconds: 0, nanoseconds: 0 };

    /// A moment of whole seconds.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self { seconds, nanoseconds: 0 }
    }

    /// The date and time of day at a place whose clocks are `offset` seconds ahead of UTC.
    #[must_use]
    pub const fn to_civil(self, offset: i32) -> CivilTime {
        let local = self.seconds.saturating_add(offset as i64);
        let days = local.div_euclid(SECONDS_PER_DAY);
        let second_of_day = local.rem_euclid(SECONDS_PER_DAY);
        let (year, month, day) = civil_from_days(days);
        CivilTime {
            year,
            month,
            day,
            hour: (second_of_day / 3600) as u8,
            minute: (second_of_day / 60 % 60) as u8,
            second: (second_of_day % 60) as u8,
        }
    }
}

impl CivilTime {
    /// Parses `YYYYMMDDHHMMSS`, exactly fourteen digits that name a date (RFC 3659 §2.3). Second 60, the leap second
    /// that the RFC allows, is taken as 59.
    #[must_use]
    pub fn parse(digits: &[u8]) -> Option<Self> {
        if digits.len() != 14 || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number = |from: usize, to: usize| digits[from..to].iter().fold(0_i64, |n, d| n * 10 + i64::from(d - b'0'));
        let civil = Self {
            year: number(0, 4),
            month: number(4, 6) as u8,
            day: number(6, 8) as u8,
            hour: number(8, 10) as u8,
            minute: number(10, 12) as u8,
            second: number(12, 14).min(60) as u8,
        };
        let second_fits = civil.second < 60 || digits[12..] == *b"60";
        let fits = (1..=12).contains(&civil.month)
            && civil.day >= 1
            && civil.day <= days_in_month(civil.year, civil.month)
            && civil.hour < 24
            && civil.minute < 60
            && second_fits;
        fits.then_some(Self { second: civil.second.min(59), ..civil })
    }

    /// The moment at which a clock set to UTC shows this.
    #[must_use]
    pub const fn to_unix(self) -> UnixTime {
        let days = days_from_civil(self.year, self.month, self.day);
        let seconds = self.hour as i64 * 3600 + self.minute as i64 * 60 + self.second as i64;
        UnixTime::from_seconds(days * SECONDS_PER_DAY + seconds)
    }

    /// The month's English abbreviation, as `ls -l` and every parser of it have it.
    #[must_use]
    pub const fn month_name(self) -> &'static str {
        const NAMES: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        NAMES[(self.month as usize + 11) % 12]
    }
}

/// `YYYYMMDDHHMMSS` (RFC 3659 §2.3). Years that four digits cannot show are clamped to 0000 and 9999.
impl fmt::Display for CivilTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let year = self.year.clamp(0, 9999);
        write!(f, "{year:04}{:02}{:02}{:02}{:02}{:02}", self.month, self.day, self.hour, self.minute, self.second)
    }
}

const SECONDS_PER_DAY: i64 = 86_400;
/// Days in 400 Gregorian years, after which the calendar repeats.
const DAYS_PER_ERA: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_EPOCH: i64 = 719_468;

/// Counts years from March, so that the leap day is the last of its year and months have a regular rhythm of 153 days
/// in five.
const fn civil_from_days(days: i64) -> (i64, u8, u8) {
    let days = days + DAYS_TO_EPOCH;
    let era = days.div_euclid(DAYS_PER_ERA);
    let day_of_era = days.rem_euclid(DAYS_PER_ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + (month <= 2) as i64;
    (year, month as u8, day as u8)
}

const fn days_from_civil(year: i64, month: u8, day: u8) -> i64 {
    let year = year - (month <= 2) as i64;
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month as i64 + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day as i64 - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_PER_ERA + day_of_era - DAYS_TO_EPOCH
}

const fn days_in_month(year: i64, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn known_dates() {
        let shown = |seconds| UnixTime::from_seconds(seconds).to_civil(0).to_string();
        assert_eq!(shown(0), "19700101000000");
        assert_eq!(shown(-1), "19691231235959");
        assert_eq!(shown(951_782_400), "20000229000000");
        assert_eq!(shown(1_709_210_096), "20240229123456");
        assert_eq!(shown(-2_208_988_800), "19000101000000");
        assert_eq!(shown(i64::MIN).len(), 14);
        assert_eq!(shown(i64::MAX).len(), 14);
    }

    #[test]
    fn every_day_of_eight_centuries_goes_there_and_back() {
        for day in -150_000..150_000_i64 {
            let time = UnixTime::from_seconds(day * SECONDS_PER_DAY + 3_661);
            assert_eq!(time.to_civil(0).to_unix(), time);
        }
    }

    #[test]
    fn offsets_shift_the_civil_time() {
        let time = UnixTime::from_seconds(0);
        assert_eq!(time.to_civil(3600).hour, 1);
        assert_eq!(time.to_civil(-3600).to_string(), "19691231230000");
    }

    #[test]
    fn only_fourteen_digits_that_name_a_date_parse() {
        assert_eq!(CivilTime::parse(b"20240229123456").unwrap().to_unix().seconds, 1_709_210_096);
        for wrong in ["", "2024022912345", "202402291234567", "20230229000000", "20241301000000", "20240100000000"] {
            assert_eq!(CivilTime::parse(wrong.as_bytes()), None, "{wrong}");
        }
        for wrong in ["20240101240000", "20240101006000", "20240101000061", "2024010100000a", "-0240101000000"] {
            assert_eq!(CivilTime::parse(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(CivilTime::parse(b"20161231235960").unwrap().second, 59);
    }
}
