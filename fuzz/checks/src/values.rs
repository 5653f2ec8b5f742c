//! The small values of arguments: times, names of users, permission letters.

use ftp_types::{CivilTime, Permissions, Right, UnixTime, UserName};

use crate::{dates, source::Source};

/// The same text as each of them, and its bytes as numbers.
///
/// # Panics
/// When one is not what the naive reader makes of it.
pub fn values(bytes: &[u8]) {
    time(bytes);
    moment(&mut Source::new(bytes));
    user_name(bytes);
    if let Ok(letters) = std::str::from_utf8(bytes) {
        permissions(letters);
    }
}

/// `YYYYMMDDHHMMSS` (RFC 3659 §2.3).
fn time(bytes: &[u8]) {
    let parsed = CivilTime::parse(bytes);
    let expected = naive_time(bytes);
    let fields = |civil: CivilTime| (civil.year, [civil.month, civil.day, civil.hour, civil.minute, civil.second]);
    assert_eq!(parsed.map(fields), expected);
    if let (Some(civil), Some(expected)) = (parsed, expected) {
        let seconds = civil.to_unix().seconds;
        assert_eq!(dates::civil(seconds), expected, "{seconds} is another moment");
        assert_eq!(civil.to_string(), dates::digits(seconds));
        assert_eq!(CivilTime::parse(civil.to_string().as_bytes()), Some(civil));
    }
}

fn naive_time(bytes: &[u8]) -> Option<(i64, [u8; 5])> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() == 14)?;
    if !text.chars().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let year = text[..4].parse().ok()?;
    let [month, day, hour, minute, second] = [4, 6, 8, 10, 12].map(|at| text[at..at + 2].parse::<u8>().unwrap_or(99));
    let is_date = (1..=12).contains(&month) && day >= 1 && day <= dates::days_of_month(year, month);
    // Unix time has no leap seconds: the 60th second is the 59th.
    (is_date && hour <= 23 && minute <= 59 && second <= 60).then(|| (year, [month, day, hour, minute, second.min(59)]))
}

/// Any moment has a date, the same as by counting.
fn moment(source: &mut Source<'_>) {
    let (seconds, offset) = (source.number() as i64, source.number() as i32);
    let civil = UnixTime { seconds, nanoseconds: 0 }.to_civil(offset);
    let local = seconds.saturating_add(i64::from(offset));
    let fields = (civil.year, [civil.month, civil.day, civil.hour, civil.minute, civil.second]);
    assert_eq!(fields, dates::civil(local));
    assert_eq!(civil.to_string(), dates::digits(local));
    if local.unsigned_abs() < 1 << 60 {
        assert_eq!(civil.to_unix().seconds, local);
    }
}

fn user_name(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let is_name = (1..=UserName::MAX_LEN).contains(&bytes.len()) && !text.chars().any(char::is_control);
    let parsed = UserName::parse(bytes);
    assert_eq!(parsed.as_ref().ok().map(UserName::as_str), is_name.then_some(&*text));
    if let Ok(name) = parsed {
        assert_eq!(name.to_string(), text);
        assert_eq!(name.is_anonymous(), ["anonymous", "ftp"].contains(&&*text));
    }
}

fn permissions(letters: &str) {
    const KNOWN: &str = "elradfmwMT";
    match letters.parse::<Permissions>() {
        Ok(set) => {
            let expected: String = KNOWN.chars().filter(|letter| letters.contains(*letter)).collect();
            assert_eq!(set.to_string(), expected);
            assert_eq!(expected.parse(), Ok(set));
            assert_eq!(letters.chars().find(|letter| !KNOWN.contains(*letter)), None);
            let each = Right::ALL.into_iter().filter(|right| set.allows(*right)).map(Right::letter);
            assert_eq!(each.collect::<String>(), expected);
        }
        Err(error) => {
            let wrong = letters.chars().position(|letter| !KNOWN.contains(letter));
            assert_eq!((Some(error.position), Some(error.letter)), (wrong, letters.chars().nth(error.position)));
        }
    }
}
