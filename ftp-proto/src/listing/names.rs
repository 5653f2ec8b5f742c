//! NLST: names alone (RFC 959 §4.1.3).

use alloc::vec::Vec;

use ftp_types::Entry;

use super::ListFormatter;

pub(super) fn push(formatter: &ListFormatter, entry: &Entry, out: &mut Vec<u8>) {
    formatter.push_name(&entry.name, out);
}

#[cfg(test)]
mod tests {
    use ftp_types::{FileKind, Metadata, UnixTime};

    use super::super::ListStyle;
    use super::*;

    #[test]
    fn a_name_cannot_forge_a_line() {
        let formatter = ListFormatter::new(ListStyle::Names, UnixTime::EPOCH);
        let mut out = Vec::new();
        formatter.push(&Entry::new(b" a\r\nb ".to_vec(), Metadata::new(FileKind::File, 0)), &mut out);
        assert_eq!(out, b" a??b \r\n");
    }
}
