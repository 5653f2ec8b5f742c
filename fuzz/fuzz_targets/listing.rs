//! No name, owner or time breaks a listing line.

#![no_main]

use arbitrary::Arbitrary;
use ftp_proto::{Facts, ListFormatter, ListStyle};
use ftp_types::{Entry, FileKind, Link, Metadata, Permissions, UnixTime};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    name: &'a [u8],
    link: Option<&'a [u8]>,
    owner: Option<&'a str>,
    group: Option<&'a str>,
    kind: u8,
    len: u64,
    links: u64,
    modified: Option<(i64, u32)>,
    mode: Option<u32>,
    ids: (Option<u32>, Option<u32>),
    unique: Option<(u64, u64)>,
    now: i64,
    facts: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let kinds = [FileKind::File, FileKind::Directory, FileKind::Symlink, FileKind::Other];
    let mut metadata = Metadata::new(kinds[usize::from(input.kind) % kinds.len()], input.len);
    metadata.links = input.links;
    metadata.modified = input.modified.map(|(seconds, nanoseconds)| UnixTime { seconds, nanoseconds });
    metadata.mode = input.mode;
    (metadata.uid, metadata.gid) = input.ids;
    metadata.owner = input.owner.map(Into::into);
    metadata.group = input.group.map(Into::into);
    metadata.unique = input.unique;
    metadata.rights = Some(Permissions::ALL);
    let link = input.link.map(|text| Box::new(Link { text: Some(text.to_vec()), path: None, metadata: None }));
    let entry = Entry { name: input.name.to_vec(), metadata, link };

    let facts = Facts::parse(input.facts);
    assert_eq!(Facts::parse(facts.names().as_bytes()), facts);
    let styles = [ListStyle::Long, ListStyle::Names, ListStyle::Facts(facts), ListStyle::Facts(Facts::ALL)];
    for style in styles {
        let mut out = Vec::new();
        ListFormatter::new(style, UnixTime::from_seconds(input.now)).push(&entry, &mut out);
        let line = out.strip_suffix(b"\r\n").expect("a line ends in CRLF");
        assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    }
});
