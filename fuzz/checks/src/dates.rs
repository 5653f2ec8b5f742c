//! Dates by counting years and months, one after the other.

/// Year, month, day, hour, minute and second in UTC.
pub(crate) fn civil(seconds: i64) -> (i64, [u8; 5]) {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // The calendar is the same every 400 years; 2000-01-01 came 10,957 days after the epoch.
    let (mut year, mut left) = (2000 + 400 * (days - 10_957).div_euclid(146_097), (days - 10_957).rem_euclid(146_097));
    while left >= days_of_year(year) {
        left -= days_of_year(year);
        year += 1;
    }
    let mut month = 1;
    while left >= i64::from(days_of_month(year, month)) {
        left -= i64::from(days_of_month(year, month));
        month += 1;
    }
    (year, [month, left as u8 + 1, (second / 3600) as u8, (second / 60 % 60) as u8, (second % 60) as u8])
}

/// 14 digits, the year within what four of them can say.
pub(crate) fn digits(seconds: i64) -> String {
    let (year, [month, day, hour, minute, second]) = civil(seconds);
    format!("{:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}", year.clamp(0, 9999))
}

pub(crate) fn days_of_month(year: i64, month: u8) -> u8 {
    let february = if is_leap(year) { 29 } else { 28 };
    [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][usize::from(month) - 1]
}

fn days_of_year(year: i64) -> i64 {
    if is_leap(year) { 366 } else { 365 }
}

fn is_leap(year: i64) -> bool {
    year.rem_euclid(400) == 0 || (year.rem_euclid(4) == 0 && year.rem_euclid(100) != 0)
}
