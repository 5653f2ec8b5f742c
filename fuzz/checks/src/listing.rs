//! Listings, read back as clients read them: long lines by their columns, facts by RFC 3659 §7.

use std::sync::Arc;

use ftp_proto::{Facts, ListFormatter, ListStyle};
use ftp_types::{Entry, FileKind, Link, Metadata, Permissions, Right, TimeZone, UnixTime};

use crate::{dates, source::Source};

/// An entry in the code of `Source`.
///
/// # Panics
/// When a line does not say what the entry is.
pub fn listing(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let now = UnixTime::from_seconds(time(&mut source));
    let offset = i32::from(source.byte() as i8) * 900;
    let wanted = source.bytes();
    let entry = entry(&mut source);
    let facts = facts(wanted);

    let line = |style| written(style, now, offset, &entry);
    assert_eq!(line(ListStyle::Names), shown(&entry.name));
    reads_as_long(&line(ListStyle::Long), &entry, now, offset);
    for facts in [facts, Facts::ALL, Facts::DEFAULT, Facts::NONE] {
        reads_as_facts(&line(ListStyle::Facts(facts)), facts, &entry);
    }
}

fn time(source: &mut Source<'_>) -> i64 {
    let (kind, number) = (source.byte(), source.number() as i64);
    // Most times of files lie within this and the last century.
    if kind < 64 { number } else { number % (1 << 32) }
}

fn entry(source: &mut Source<'_>) -> Entry {
    let mut entry = Entry::new(source.bytes().to_vec(), metadata(source));
    if source.byte() % 2 == 1 {
        let text = Some(source.bytes().to_vec()).filter(|text| !text.is_empty());
        let metadata = (source.byte() % 2 == 1).then(|| metadata(source));
        entry.link = Some(Box::new(Link { text, path: None, metadata }));
    }
    entry
}

fn metadata(source: &mut Source<'_>) -> Metadata {
    let kinds = [FileKind::File, FileKind::Directory, FileKind::Symlink, FileKind::Other];
    let mut metadata = Metadata::new(kinds[usize::from(source.byte()) % kinds.len()], source.number());
    let known = source.byte();
    metadata.links = source.number();
    metadata.modified = (known & 1 != 0).then(|| UnixTime::from_seconds(time(source)));
    metadata.created = (known & 2 != 0).then(|| UnixTime::from_seconds(time(source)));
    metadata.mode = (known & 4 != 0).then(|| source.number() as u32);
    metadata.uid = (known & 8 != 0).then(|| source.number() as u32);
    metadata.gid = (known & 16 != 0).then(|| source.number() as u32);
    metadata.unique = (known & 32 != 0).then(|| (source.number(), source.number()));
    let rights = source.number();
    let granted = Right::ALL.into_iter().enumerate().filter(|(bit, _)| rights >> bit & 1 == 1);
    let granted = granted.fold(Permissions::NONE, |set, (_, right)| set.with(right));
    metadata.rights = (known & 64 != 0).then_some(granted);
    if known & 128 != 0 {
        metadata.owner = Some(String::from_utf8_lossy(source.bytes()).into());
        metadata.group = Some(String::from_utf8_lossy(source.bytes()).into());
    }
    metadata
}

/// A zone whose clocks are always so many seconds ahead.
struct Ahead(i32);

impl TimeZone for Ahead {
    fn offset(&self, _: UnixTime) -> i32 {
        self.0
    }
}

/// The line, without its end.
fn written(style: ListStyle, now: UnixTime, offset: i32, entry: &Entry) -> Vec<u8> {
    let mut out = b"before".to_vec();
    ListFormatter::new(style, now).with_zone(Arc::new(Ahead(offset))).push(entry, &mut out);
    let line = out.strip_prefix(b"before").and_then(|line| line.strip_suffix(b"\r\n"));
    let line = line.expect("a line ends in CRLF, and is appended");
    assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{}", line.escape_ascii());
    line.to_vec()
}

/// A name as a listing can show it.
fn shown(name: &[u8]) -> Vec<u8> {
    name.iter().map(|byte| if matches!(byte, b'\r' | b'\n' | 0) { b'?' } else { *byte }).collect()
}

fn reads_as_long(line: &[u8], entry: &Entry, now: UnixTime, offset: i32) {
    let metadata = &entry.metadata;
    let (columns, name) = columns(line);
    let [permissions, links, owner, group, len, month, day, clock] = &columns;
    assert_eq!(permissions.as_bytes(), long_permissions(metadata));
    assert_eq!((links, len), (&metadata.links.to_string(), &metadata.len.to_string()));
    assert_eq!(*owner, account(metadata.owner.as_deref(), metadata.uid));
    assert_eq!(*group, account(metadata.group.as_deref(), metadata.gid));
    assert_eq!([month, day, clock], long_time(metadata.modified.unwrap_or_default(), now, offset).each_ref());
    let target = entry.link.as_ref().and_then(|link| link.text.as_deref());
    let target = target.map(|text| [b" -> ", &shown(text)[..]].concat()).unwrap_or_default();
    assert_eq!(name, [shown(&entry.name), target].concat());
}

/// Eight columns, and behind one more blank the name as it is.
fn columns(line: &[u8]) -> ([String; 8], &[u8]) {
    let mut rest = line;
    let columns = std::array::from_fn(|_| {
        let start = rest.iter().position(|byte| *byte != b' ').expect("a column");
        let len = rest[start..].iter().position(|byte| *byte == b' ').expect("a blank behind it");
        let column = String::from_utf8(rest[start..start + len].to_vec()).expect("columns are text");
        rest = &rest[start + len..];
        column
    });
    (columns, &rest[1..])
}

fn long_permissions(metadata: &Metadata) -> Vec<u8> {
    let (kind, usual) = match metadata.kind {
        FileKind::File => (b'-', 0o644),
        FileKind::Directory => (b'd', 0o755),
        FileKind::Symlink => (b'l', 0o777),
        FileKind::Other => (b's', 0o644),
    };
    let mode = metadata.mode.unwrap_or(usual);
    let three = |shift: u32, special: bool, letter: u8| {
        let bit = |bit: u32, letter: u8| if mode >> shift >> bit & 1 == 1 { letter } else { b'-' };
        let executable = match (special, bit(0, b'x')) {
            (true, b'x') => letter,
            (true, _) => letter.to_ascii_uppercase(),
            (false, plain) => plain,
        };
        [bit(2, b'r'), bit(1, b'w'), executable]
    };
    let special = |bit: u32| mode >> bit & 1 == 1;
    let parts = [three(6, special(11), b's'), three(3, special(10), b's'), three(0, special(9), b't')];
    [&[kind], &parts.concat()[..]].concat()
}

fn account(name: Option<&str>, number: Option<u32>) -> String {
    let without_blanks = |name: &str| name.replace(|letter: char| letter.is_ascii_control() || letter == ' ', "_");
    match (name, number) {
        (Some(name), _) if !name.is_empty() => without_blanks(name),
        (_, Some(number)) => number.to_string(),
        _ => "ftp".to_owned(),
    }
}

/// The time of day for half a year, the year before that and in the future.
fn long_time(time: UnixTime, now: UnixTime, offset: i32) -> [String; 3] {
    let (year, [month, day, hour, minute, _]) = dates::civil(time.seconds.saturating_add(offset.into()));
    let age = i128::from(now.seconds) - i128::from(time.seconds);
    let is_recent = (-86_400..180 * 86_400).contains(&age);
    let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = &months[usize::from(month - 1) * 3..][..3];
    let clock = if is_recent { format!("{hour:02}:{minute:02}") } else { format!("{:04}", year.clamp(0, 9999)) };
    [month.to_owned(), format!("{day:02}"), clock]
}

const FACTS: [&str; 9] = ["type", "perm", "size", "modify", "unique", "unix.mode", "unix.uid", "unix.gid", "create"];

/// The facts that a client asks for, by a naive reading of its list.
fn facts(wanted: &[u8]) -> Facts {
    let facts = Facts::parse(wanted);
    let wanted = String::from_utf8_lossy(wanted).to_ascii_lowercase();
    let expected: Vec<&str> = FACTS.into_iter().filter(|name| wanted.split(';').any(|one| one == *name)).collect();
    assert_eq!(facts.names(), expected.iter().map(|name| format!("{name};")).collect::<String>());
    assert_eq!(Facts::parse(facts.names().as_bytes()), facts);
    let star = |name: &str| if expected.contains(&name) { "*" } else { "" };
    assert_eq!(facts.feature(), FACTS.map(|name| format!("{name}{};", star(name))).concat());
    facts
}

fn reads_as_facts(line: &[u8], chosen: Facts, entry: &Entry) {
    let blank = line.iter().position(|byte| *byte == b' ').expect("a blank before the name");
    assert_eq!(&line[blank + 1..], shown(&entry.name));
    let text = std::str::from_utf8(&line[..blank]).expect("facts are text");
    let chosen = chosen.names();
    let chosen = chosen.split_terminator(';').filter_map(|name| Some((name, fact(name, entry.followed())?)));
    assert_eq!(text, chosen.map(|(name, value)| format!("{name}={value};")).collect::<String>());
}

/// What a fact has to say, if the file has it.
fn fact(name: &str, metadata: &Metadata) -> Option<String> {
    let time = |time: Option<UnixTime>| time.map(|time| dates::digits(time.seconds));
    match (name, metadata.kind) {
        ("type", FileKind::File) => Some("file".to_owned()),
        ("type", FileKind::Directory) => Some("dir".to_owned()),
        ("type", FileKind::Symlink) => Some("OS.unix=symlink".to_owned()),
        ("type", FileKind::Other) => Some("OS.unix=special".to_owned()),
        ("perm", kind) => metadata.rights.map(|rights| perm(kind, &rights.to_string())),
        ("size", FileKind::File) => Some(metadata.len.to_string()),
        ("modify", _) => time(metadata.modified),
        ("create", _) => time(metadata.created),
        ("unique", _) => metadata.unique.map(|(device, file)| format!("{device:x}g{file:x}")),
        ("unix.mode", _) => metadata.mode.map(|mode| format!("0{:03o}", mode & 0o777)),
        ("unix.uid", _) => metadata.uid.map(|uid| uid.to_string()),
        ("unix.gid", _) => metadata.gid.map(|gid| gid.to_string()),
        _ => None,
    }
}

/// RFC 3659 §7.5.5: which letters of the fact follow from which of the user's.
fn perm(kind: FileKind, letters: &str) -> String {
    let table: &[(char, char)] = match kind {
        FileKind::File => &[('a', 'a'), ('d', 'd'), ('f', 'f'), ('r', 'r'), ('w', 'w')],
        FileKind::Directory => &[('c', 'w'), ('d', 'd'), ('e', 'e'), ('f', 'f'), ('l', 'l'), ('m', 'm'), ('p', 'd')],
        FileKind::Symlink | FileKind::Other => &[('d', 'd'), ('f', 'f')],
    };
    table.iter().filter(|(_, letter)| letters.contains(*letter)).map(|(fact, _)| fact).collect()
}
