//! Properties of the pure helpers that a data pump calls.

use std::{num::NonZeroU64, time::Duration};

use ftp_proto::{
    AsciiDecoder, AsciiEncoder, Facts, Framed, HostPort, Instant, LineReader, ListFormatter, ListStyle, TokenBucket,
    parse_extended_port, parse_port,
};
use ftp_types::{Entry, FileKind, Link, Metadata, Permissions, UnixTime};
use proptest::{collection::vec, prelude::*, sample::select};

/// Bytes with many line ends.
fn text() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![3 => select(&b"\r\nab"[..]), 1 => any::<u8>()], 0..200)
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(0..9_usize, 0..60)
}

/// The bytes in pieces of these sizes; the last one is what is left.
fn cut<'a>(bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    for size in sizes {
        let (piece, behind) = rest.split_at((*size).min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces.push(rest);
    pieces
}

fn encode(pieces: &[&[u8]]) -> Vec<u8> {
    let (mut encoder, mut out) = (AsciiEncoder::new(), Vec::new());
    for piece in pieces {
        let before = out.len();
        encoder.push(piece, &mut out);
        assert!(out.len() - before <= 2 * piece.len(), "at most twice as many");
    }
    encoder.finish(&mut out);
    out
}

fn decode(pieces: &[&[u8]]) -> Vec<u8> {
    let (mut decoder, mut out) = (AsciiDecoder::new(), Vec::new());
    for piece in pieces {
        let before = out.len();
        decoder.push(piece, &mut out);
        assert!(out.len() - before <= piece.len() + 1, "at most one more");
    }
    decoder.finish(&mut out);
    out
}

fn replaced(bytes: &[u8], what: &[u8], by: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Some((first, behind)) = rest.split_first() {
        match rest.strip_prefix(what) {
            Some(behind) => {
                out.extend_from_slice(by);
                rest = behind;
            }
            None => {
                out.push(*first);
                rest = behind;
            }
        }
    }
    out
}

fn entry() -> impl Strategy<Value = Entry> {
    let kind = select(&[FileKind::File, FileKind::Directory, FileKind::Symlink, FileKind::Other][..]);
    let name = prop_oneof![vec(any::<u8>(), 0..40), Just(b"a\r\n-rw-r--r-- 1 x x 1 Jan 01  1970 b".to_vec())];
    let owner = prop_oneof![".{0,12}", Just(String::from("a\r\nb"))];
    let metadata = (kind, any::<u64>(), any::<Option<(i64, u32)>>(), any::<Option<u32>>(), any::<Option<u32>>(), owner);
    (name.clone(), metadata, proptest::option::of(name), any::<Option<(u64, u64)>>()).prop_map(
        |(name, (kind, len, modified, mode, uid, owner), link, unique)| {
            let mut metadata = Metadata::new(kind, len);
            metadata.modified = modified.map(|(seconds, nanoseconds)| UnixTime { seconds, nanoseconds });
            metadata.mode = mode;
            metadata.uid = uid;
            metadata.owner = Some(owner.into());
            metadata.unique = unique;
            metadata.rights = Some(Permissions::ALL);
            let link = link.map(|text| Link { text: Some(text), ..Link::default() });
            Entry { name, metadata, link: link.map(Box::new) }
        },
    )
}

proptest! {
    #[test]
    fn no_split_changes_what_ascii_gives(text in text(), sizes in cuts()) {
        prop_assert_eq!(encode(&cut(&text, &sizes)), encode(&[&text]));
        prop_assert_eq!(decode(&cut(&text, &sizes)), decode(&[&text]));
    }

    #[test]
    fn decoding_is_crlf_to_lf_and_nothing_else(text in text()) {
        prop_assert_eq!(decode(&[&text]), replaced(&text, b"\r\n", b"\n"));
    }

    #[test]
    fn encoding_is_lf_to_crlf_and_leaves_crlf(text in text()) {
        let encoded = encode(&[&text]);
        prop_assert_eq!(&encoded, &replaced(&replaced(&text, b"\r\n", b"\n"), b"\n", b"\r\n"));
        prop_assert_eq!(encode(&[&encoded]), encoded, "what has CRLF already stays");
    }

    #[test]
    fn a_text_without_crlf_comes_back_unchanged(text in text()) {
        let text = replaced(&text, b"\n", b"x\n");
        prop_assert_eq!(decode(&[&encode(&[&text])]), text);
    }

    #[test]
    fn no_name_and_no_owner_forges_a_line(entry in entry(), now in any::<i64>(), facts in any::<bool>()) {
        let facts = if facts { Facts::ALL } else { Facts::NONE };
        for style in [ListStyle::Long, ListStyle::Names, ListStyle::Facts(facts)] {
            let mut out = b"before".to_vec();
            ListFormatter::new(style, UnixTime::from_seconds(now)).push(&entry, &mut out);
            let line = out.strip_prefix(b"before").and_then(|line| line.strip_suffix(b"\r\n"));
            let line = line.expect("a line ends in CRLF");
            prop_assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{}", line.escape_ascii());
        }
    }

    #[test]
    fn a_name_stands_as_it_is(name in vec(1..=255_u8, 1..40)) {
        prop_assume!(!name.iter().any(|byte| matches!(byte, b'\r' | b'\n')));
        let entry = Entry::new(name.clone(), Metadata::new(FileKind::File, 0));
        for style in [ListStyle::Long, ListStyle::Names, ListStyle::Facts(Facts::DEFAULT)] {
            let mut out = Vec::new();
            ListFormatter::new(style, UnixTime::EPOCH).push(&entry, &mut out);
            let end = [&name[..], b"\r\n"].concat();
            let end = if style == ListStyle::Names { end } else { [b" ", &end[..]].concat() };
            prop_assert!(out.ends_with(&end));
        }
    }

    #[test]
    fn a_long_line_has_nine_columns(entry in entry(), now in any::<i64>()) {
        let entry = Entry { name: b"name".to_vec(), link: None, ..entry };
        let mut out = Vec::new();
        ListFormatter::new(ListStyle::Long, UnixTime::from_seconds(now)).push(&entry, &mut out);
        let columns = out.split(|byte| *byte == b' ').filter(|column| !column.is_empty()).count();
        prop_assert_eq!(columns, 9, "{}", out.escape_ascii());
    }

    #[test]
    fn a_bucket_never_exceeds_its_rate(
        rate in 1..u64::MAX,
        burst in 0..1_000_000_000_u64,
        asks in vec((0..1_000_000_usize, 0..3_000_000_000_u64), 1..100),
    ) {
        let start = Instant::from_epoch(Duration::from_secs(7));
        let mut bucket = TokenBucket::new(NonZeroU64::new(rate).unwrap(), Duration::from_nanos(burst), start);
        let (mut now, mut moved, mut last) = (start, 0_u128, start);
        for (bytes, nanoseconds) in asks {
            let turn = bucket.reserve(bytes, now);
            prop_assert!(turn >= now && turn >= last, "nobody is overtaken");
            moved += bytes as u128;
            last = turn;
            let passed = turn.saturating_since(start).as_nanos();
            let earned = (passed + u128::from(burst)) * u128::from(rate) / 1_000_000_000;
            prop_assert!(moved <= earned, "{moved} of {earned}");
            now = now + Duration::from_nanos(nanoseconds);
        }
    }

    #[test]
    fn a_bucket_bears_any_moments(
        rate in 1..=u64::MAX,
        burst in any::<Duration>(),
        asks in vec((any::<usize>(), any::<u64>(), any::<bool>()), 1..20),
    ) {
        let mut bucket = TokenBucket::new(NonZeroU64::new(rate).unwrap(), burst, Instant::default());
        for (bytes, seconds, put_back) in asks {
            let now = Instant::from_epoch(Duration::new(seconds, 999_999_999));
            let _ = bucket.reserve(bytes, now);
            prop_assert!(bucket.piece(now) >= bucket.quantum() && bucket.quantum() > 0);
            if put_back {
                bucket.put_back(bytes);
            }
        }
    }

    #[test]
    fn lines_do_not_depend_on_the_pieces(text in text(), sizes in cuts()) {
        let lines = |pieces: &[&[u8]]| {
            let (mut reader, mut found) = (LineReader::new(), Vec::new());
            for piece in pieces {
                let mut rest = *piece;
                while !rest.is_empty() {
                    let (taken, framed) = reader.push(rest);
                    assert!(taken > 0 && (framed.is_some() || taken == rest.len()));
                    found.extend(framed);
                    rest = &rest[taken..];
                }
            }
            found
        };
        let whole = lines(&[&text]);
        let is_clean = |framed: &Framed| matches!(framed, Framed::Line { line, .. } if !line.contains(&b'\n'));
        prop_assert!(whole.iter().all(is_clean));
        prop_assert_eq!(whole, lines(&cut(&text, &sizes)));
    }

    #[test]
    fn ports_go_there_and_back(host in any::<[u8; 4]>(), port in 1..=u16::MAX) {
        let ([h1, h2, h3, h4], [p1, p2]) = (host, port.to_be_bytes());
        let address = std::net::SocketAddr::from((host, port));
        prop_assert_eq!(parse_port(format!("{h1},{h2},{h3},{h4},{p1},{p2}").as_bytes()), Some(address));
        let extended = format!("|1|{}|{port}|", address.ip());
        prop_assert_eq!(parse_extended_port(extended.as_bytes()), Some(HostPort::Address(address)));
    }

    #[test]
    fn odd_ports_never_panic(argument in vec(prop_oneof![select(&b"|,1259.:"[..]), any::<u8>()], 0..40)) {
        let _ = (parse_port(&argument), parse_extended_port(&argument));
    }
}
