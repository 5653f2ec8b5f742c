//! Records of sessions: whatever the bytes are, they are read or refused at a place in them. What was read is replayed,
//! shown on lines that nothing can forge, and written as what reads the same.

use ferry::replay::show;
use ftp_driver::record::{Broken, Ending, Record, Replayed, read};

/// The bytes of a file, and the same with checksums that are right: nobody finds those by chance.
///
/// # Panics
/// When a fault has no place in the file, a replay is not the same the second time, or a line is more than one.
pub fn record(bytes: &[u8]) {
    check(bytes);
    check(&with_checksums(bytes));
}

fn check(bytes: &[u8]) {
    let is_inside = |offset: u64| assert!(offset <= bytes.len() as u64, "byte {offset} of {}", bytes.len());
    let record = match read(bytes) {
        Ok(record) => record,
        Err(Broken { offset, .. }) => return is_inside(offset),
    };
    match record.ending {
        Ending::Cut(offset) | Ending::Broken(Broken { offset, .. }) => is_inside(offset),
        Ending::Whole | Ending::Full => {}
    }
    let again = read(&record.to_bytes()).expect("what was read is written");
    assert_eq!((&again.header, &again.entries), (&record.header, &record.entries));
    assert_eq!(shown(&again, false), shown(&record, false), "a replay is always the same");
    let (lines, _) = shown(&record, true);
    assert!(lines.iter().all(|line| line.starts_with('{') && line.ends_with('}')), "{lines:#?}");
}

fn shown(record: &Record, json: bool) -> (Vec<String>, Replayed) {
    let mut lines = Vec::new();
    let replayed = show(record, &mut |line| lines.push(line.to_owned()), json);
    for line in &lines {
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    (lines, replayed)
}

/// The frames as docs/flight-recorder.md tells them.
fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut fixed = bytes.to_vec();
    let mut place = 10;
    loop {
        let (mut length, mut digit) = (0, 0);
        loop {
            let Some(byte) = bytes.get(place) else { return fixed };
            length += usize::from(byte % 128) << (7 * digit);
            (place, digit) = (place + 1, digit + 1);
            if *byte < 128 || digit == 4 {
                break;
            }
        }
        let content = place + 4;
        if length == 0 || content + length > bytes.len() {
            return fixed;
        }
        let checksum = crc_32(&bytes[content..content + length]);
        fixed[place..content].copy_from_slice(&checksum.to_le_bytes());
        place = content + length;
    }
}

/// Bit by bit, as the standard has it.
fn crc_32(bytes: &[u8]) -> u32 {
    let mut rest = u32::MAX;
    for byte in bytes {
        rest ^= u32::from(*byte);
        for _ in 0..8 {
            rest = if rest & 1 == 1 { (rest >> 1) ^ 0xEDB8_8320 } else { rest >> 1 };
        }
    }
    !rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_real_records() {
        let records: Vec<_> = crate::kept().into_iter().filter(|seed| seed.target == "record").collect();
        assert!(!records.is_empty());
        for seed in records {
            assert_eq!(with_checksums(&seed.bytes), seed.bytes, "{}", seed.name);
        }
    }
}
