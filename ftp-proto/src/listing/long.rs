//! LIST: the format of `ls -l`, which nearly every client parses by its columns.
//!
//! Permissions, link count, owner, group, size, `Mon DD HH:MM` within 180 days or `Mon DD  YYYY` beyond, one blank,
//! the name as it is. No RFC fixes it; this is what EPLF-less clients have agreed on.

use alloc::vec::Vec;

use ftp_types::{Entry, FileKind, Metadata, UnixTime};

use super::{ListFormatter, push_number};

pub(super) fn push(formatter: &ListFormatter, entry: &Entry, out: &mut Vec<u8>) {
    let metadata = &entry.metadata;
    push_mode(metadata, out);
    out.push(b' ');
    push_padded(out, 3, Align::Right, |out| push_number(metadata.links, out));
    out.push(b' ');
    push_padded(out, 8, Align::Left, |out| push_account(metadata.owner.as_deref(), metadata.uid, out));
    out.push(b' ');
    push_padded(out, 8, Align::Left, |out| push_account(metadata.group.as_deref(), metadata.gid, out));
    out.push(b' ');
    push_padded(out, 8, Align::Right, |out| push_number(metadata.len, out));
    out.push(b' ');
    push_time(formatter, metadata.modified.unwrap_or_default(), out);
    out.push(b' ');
    formatter.push_name(&entry.name, out);
    if let Some(text) = entry.link.as_ref().and_then(|link| link.text.as_deref()) {
        out.extend_from_slice(b" -> ");
        formatter.push_name(text, out);
    }
}

fn push_mode(metadata: &Metadata, out: &mut Vec<u8>) {
    let (letter, usual) = match metadata.kind {
        FileKind::File => (b'-', 0o644),
        FileKind::Directory => (b'd', 0o755),
        FileKind::Symlink => (b'l', 0o777),
        FileKind::Other => (b's', 0o644),
    };
    let mode = metadata.mode.unwrap_or(usual);
    let mut text = *b"?rwxrwxrwx";
    text[0] = letter;
    for (bit, place) in text[1..].iter_mut().enumerate() {
        if mode & (0o400 >> bit) == 0 {
            *place = b'-';
        }
    }
    for (flag, place, set) in [(0o4000, 3, b's'), (0o2000, 6, b's'), (0o1000, 9, b't')] {
        if mode & flag != 0 {
            text[place] = if text[place] == b'-' { set.to_ascii_uppercase() } else { set };
        }
    }
    out.extend_from_slice(&text);
}

/// A name without blanks or control characters, or the number: a blank would shift every column behind it.
fn push_account(name: Option<&str>, number: Option<u32>, out: &mut Vec<u8>) {
    match (name, number) {
        (Some(name), _) if !name.is_empty() => {
            out.extend(name.bytes().map(|byte| if byte <= b' ' || byte == 0x7F { b'_' } else { byte }));
        }
        (_, Some(number)) => push_number(u64::from(number), out),
        _ => out.extend_from_slice(b"ftp"),
    }
}

fn push_time(formatter: &ListFormatter, time: UnixTime, out: &mut Vec<u8>) {
    const RECENT: i64 = 180 * 86_400;
    const AHEAD: i64 = 86_400;
    let civil = time.to_civil(formatter.zone.offset(time));
    out.extend_from_slice(civil.month_name().as_bytes());
    out.push(b' ');
    push_two_digits(civil.day, out);
    out.push(b' ');
    let age = formatter.now.seconds.saturating_sub(time.seconds);
    if (-AHEAD..RECENT).contains(&age) {
        push_two_digits(civil.hour, out);
        out.push(b':');
        push_two_digits(civil.minute, out);
    } else {
        out.push(b' ');
        push_padded(out, 4, Align::Zeros, |out| push_number(civil.year.clamp(0, 9999).unsigned_abs(), out));
    }
}

fn push_two_digits(number: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'0' + number / 10 % 10, b'0' + number % 10]);
}

enum Align {
    Left,
    Right,
    Zeros,
}

fn push_padded(out: &mut Vec<u8>, width: usize, align: Align, push: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    push(out);
    let written = out.len() - start;
    let missing = width.saturating_sub(written);
    let fill = if matches!(align, Align::Zeros) { b'0' } else { b' ' };
    out.resize(out.len() + missing, fill);
    if !matches!(align, Align::Left) {
        out[start..].rotate_right(missing);
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::string::String;
    use alloc::sync::Arc;

    use ftp_types::Link;

    use super::super::ListStyle;
    use super::*;

    const NOW: i64 = 1_709_210_096;

    fn line(entry: &Entry) -> String {
        let formatter = ListFormatter::new(ListStyle::Long, UnixTime::from_seconds(NOW));
        let mut out = Vec::new();
        formatter.push(entry, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn entry(kind: FileKind, age: i64) -> Entry {
        let mut metadata = Metadata::new(kind, 1234);
        metadata.modified = Some(UnixTime::from_seconds(NOW - age));
        metadata.owner = Some(Arc::from("al ice"));
        metadata.gid = Some(100);
        Entry::new(b" name ".to_vec(), metadata)
    }

    #[test]
    fn recent_and_old_files() {
        assert_eq!(
            line(&entry(FileKind::File, 0)),
            "-rw-r--r--   1 al_ice   100          1234 Feb 29 12:34  name \r\n"
        );
        let old = line(&entry(FileKind::Directory, 181 * 86_400));
        assert_eq!(old, "drwxr-xr-x   1 al_ice   100          1234 Sep 01  2023  name \r\n");
        assert!(line(&entry(FileKind::File, -2 * 86_400)).contains("Mar 02  2024"));
    }

    #[test]
    fn times_before_1970_are_times() {
        assert!(line(&entry(FileKind::File, NOW + 86_400)).contains("Dec 31  1969"));
        let mut ancient = entry(FileKind::File, 0);
        ancient.metadata.modified = Some(UnixTime::from_seconds(i64::MIN));
        assert!(line(&ancient).contains("  0000 "));
    }

    #[test]
    fn links_and_special_bits() {
        let mut link = entry(FileKind::Symlink, 0);
        link.link = Some(Box::new(Link { text: Some(b"to\nthere".to_vec()), ..Link::default() }));
        assert!(line(&link).ends_with("  name  -> to?there\r\n"));
        let mut special = entry(FileKind::File, 0);
        special.metadata.mode = Some(0o7654);
        assert!(line(&special).starts_with("-rwSr-sr-T "));
        special.metadata.mode = Some(0o1001);
        assert!(line(&special).starts_with("---------t "));
    }
}
