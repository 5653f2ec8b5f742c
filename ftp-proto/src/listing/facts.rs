//! MLSD and MLST: machine-readable facts (RFC 3659 §7).

use alloc::string::String;
use alloc::vec::Vec;

use ftp_types::{FileKind, Metadata, Right, UnixTime};

use super::push_number;

/// A choice of facts. The order in which they are written is fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Facts(u16);

impl Facts {
    /// No fact: the line is the name alone.
    pub const NONE: Self = Self(0);
    /// What a client gets that has not asked for anything else: type, perm, size, modify and unique.
    pub const DEFAULT: Self = Self(0b0001_1111);
    /// Every fact there is.
    pub const ALL: Self = Self(0x1FF);

    /// The choice of an `OPTS MLST` argument: names that are not known are left out (RFC 3659 §7.9).
    #[must_use]
    pub fn parse(names: &[u8]) -> Self {
        names.split(|byte| *byte == b';').fold(Self::NONE, |chosen, name| {
            let known = NAMES.iter().position(|known| name.eq_ignore_ascii_case(known.as_bytes()));
            known.map_or(chosen, |index| Self(chosen.0 | 1 << index))
        })
    }

    /// The chosen names, each with its semicolon: what `OPTS MLST` answers.
    #[must_use]
    pub fn names(self) -> String {
        self.describe(|_, chosen| chosen.then_some(""))
    }

    /// All names, the chosen ones with a star: what FEAT shows (RFC 3659 §7.8).
    #[must_use]
    pub fn feature(self) -> String {
        self.describe(|_, chosen| Some(if chosen { "*" } else { "" }))
    }

    /// Appends the facts of a file, each with its semicolon. A fact that is not known is left out.
    pub fn push(self, metadata: &Metadata, out: &mut Vec<u8>) {
        for (index, name) in NAMES.iter().enumerate() {
            let start = out.len();
            if self.has(index) {
                out.extend_from_slice(name.as_bytes());
                out.push(b'=');
                if VALUES[index](metadata, out).is_some() {
                    out.push(b';');
                } else {
                    out.truncate(start);
                }
            }
        }
    }

    const fn has(self, index: usize) -> bool {
        self.0 & (1 << index) != 0
    }

    fn describe(self, mark: impl Fn(usize, bool) -> Option<&'static str>) -> String {
        NAMES.iter().enumerate().fold(String::new(), |mut text, (index, name)| {
            if let Some(mark) = mark(index, self.has(index)) {
                text.push_str(name);
                text.push_str(mark);
                text.push(';');
            }
            text
        })
    }
}

impl Default for Facts {
    fn default() -> Self {
        Self::DEFAULT
    }
}

const NAMES: [&str; 9] = ["type", "perm", "size", "modify", "unique", "unix.mode", "unix.uid", "unix.gid", "create"];

/// Appends a fact's value, or answers `None` when the file does not have it.
type Value = fn(&Metadata, &mut Vec<u8>) -> Option<()>;

const VALUES: [Value; 9] = [
    |metadata, out| {
        out.extend_from_slice(match metadata.kind {
            FileKind::File => b"file",
            FileKind::Directory => b"dir",
            FileKind::Symlink => b"OS.unix=symlink",
            FileKind::Other => b"OS.unix=special",
        });
        Some(())
    },
    push_permissions,
    |metadata, out| metadata.is_file().then(|| push_number(metadata.len, out)),
    |metadata, out| push_time(metadata.modified, out),
    |metadata, out| {
        let (device, file) = metadata.unique?;
        push_hex(device, out);
        out.push(b'g');
        push_hex(file, out);
        Some(())
    },
    |metadata, out| {
        let mode = metadata.mode?;
        out.push(b'0');
        for shift in [6, 3, 0] {
            out.push(b'0' + (mode >> shift & 7) as u8);
        }
        Some(())
    },
    |metadata, out| metadata.uid.map(|uid| push_number(u64::from(uid), out)),
    |metadata, out| metadata.gid.map(|gid| push_number(u64::from(gid), out)),
    |metadata, out| push_time(metadata.created, out),
];

/// The `perm` fact: what the user may do with it (RFC 3659 §7.5.5). Its letters are not the permission letters of the
/// configuration: `c` is creating files in a directory, `p` deleting in it, `w` writing a file.
fn push_permissions(metadata: &Metadata, out: &mut Vec<u8>) -> Option<()> {
    let rights = metadata.rights?;
    let table: &[(Right, u8)] = match metadata.kind {
        FileKind::Directory => &[
            (Right::Store, b'c'),
            (Right::Delete, b'd'),
            (Right::Enter, b'e'),
            (Right::Rename, b'f'),
            (Right::List, b'l'),
            (Right::MakeDirectory, b'm'),
            (Right::Delete, b'p'),
        ],
        FileKind::File => &[
            (Right::Append, b'a'),
            (Right::Delete, b'd'),
            (Right::Rename, b'f'),
            (Right::Retrieve, b'r'),
            (Right::Store, b'w'),
        ],
        FileKind::Symlink | FileKind::Other => &[(Right::Delete, b'd'), (Right::Rename, b'f')],
    };
    out.extend(table.iter().filter(|(right, _)| rights.allows(*right)).map(|(_, letter)| *letter));
    Some(())
}

/// `YYYYMMDDHHMMSS` in UTC (RFC 3659 §2.3).
fn push_time(time: Option<UnixTime>, out: &mut Vec<u8>) -> Option<()> {
    let civil = time?.to_civil(0);
    let year = civil.year.clamp(0, 9999) as u64;
    let pairs = [year / 100, year % 100].map(|pair| pair as u8);
    for pair in pairs.into_iter().chain([civil.month, civil.day, civil.hour, civil.minute, civil.second]) {
        out.extend_from_slice(&[b'0' + pair / 10, b'0' + pair % 10]);
    }
    Some(())
}

fn push_hex(number: u64, out: &mut Vec<u8>) {
    let digits = (u64::BITS - number.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(number >> (place * 4) & 15) as usize]);
    }
}

#[cfg(test)]
mod tests {
    use ftp_types::Permissions;

    use super::*;

    fn metadata(kind: FileKind) -> Metadata {
        let mut metadata = Metadata::new(kind, 42);
        metadata.modified = Some(UnixTime::from_seconds(1_709_210_096));
        metadata.created = Some(UnixTime::from_seconds(0));
        metadata.rights = Some(Permissions::ALL);
        metadata.mode = Some(0o640);
        metadata.uid = Some(1000);
        metadata.unique = Some((0xFD, 0));
        metadata
    }

    fn shown(facts: Facts, metadata: &Metadata) -> String {
        let mut out = Vec::new();
        facts.push(metadata, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn all_facts_of_a_file_and_a_directory() {
        assert_eq!(
            shown(Facts::ALL, &metadata(FileKind::File)),
            "type=file;perm=adfrw;size=42;modify=20240229123456;unique=fdg0;unix.mode=0640;unix.uid=1000;\
             create=19700101000000;"
        );
        assert_eq!(
            shown(Facts::DEFAULT, &metadata(FileKind::Directory)),
            "type=dir;perm=cdeflmp;modify=20240229123456;unique=fdg0;"
        );
        assert_eq!(shown(Facts::NONE, &metadata(FileKind::File)), "");
    }

    #[test]
    fn times_before_1970_are_times() {
        let mut old = metadata(FileKind::File);
        old.modified = Some(UnixTime::from_seconds(-1));
        assert_eq!(shown(Facts::parse(b"modify;"), &old), "modify=19691231235959;");
    }

    #[test]
    fn the_selection_is_shown_with_stars() {
        let chosen = Facts::parse(b"SIZE;nonsense;type;");
        assert_eq!(chosen.names(), "type;size;");
        assert_eq!(chosen.feature(), "type*;perm;size*;modify;unique;unix.mode;unix.uid;unix.gid;create;");
    }
}
