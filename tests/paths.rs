//! Properties of the shared values: paths, times, rights.

use ftp_types::{CivilTime, Permissions, Right, UnixTime, VirtualPath};
use proptest::{collection::vec, prelude::*, sample::select};

/// What a client may send as a path: names, dots, slashes and any bytes.
fn spelling() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just(b"..".to_vec()),
        Just(b".".to_vec()),
        Just(b"/".to_vec()),
        Just(b"//".to_vec()),
        Just(b"../".to_vec()),
        Just(b"/..".to_vec()),
        Just(b"...".to_vec()),
        Just(b"..\\".to_vec()),
        Just(b"%2e%2e%2f".to_vec()),
        Just(b"\xC0\xAE\xC0\xAE/".to_vec()),
        "[a-z .]{1,8}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..4),
    ];
    vec(part, 0..12).prop_map(|parts| parts.concat())
}

fn path() -> impl Strategy<Value = VirtualPath> {
    spelling().prop_filter_map("a path", |spelling| VirtualPath::parse(&spelling).ok())
}

fn is_normal(path: &VirtualPath) -> bool {
    let bytes = path.as_bytes();
    let names_are_names = path
        .components()
        .all(|name| !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/') && !name.contains(&0));
    bytes.first() == Some(&b'/') && (path.is_root() || bytes.last() != Some(&b'/')) && names_are_names
}

proptest! {
    #[test]
    fn no_spelling_leaves_the_root(here in path(), spelling in spelling()) {
        match here.join(&spelling) {
            Ok(joined) => prop_assert!(is_normal(&joined), "{joined:?}"),
            Err(_) => prop_assert!(spelling.contains(&0) || spelling.len() + here.as_bytes().len() > VirtualPath::MAX_LEN),
        }
    }

    #[test]
    fn parsing_a_path_again_gives_the_same(here in path(), other in path()) {
        prop_assert_eq!(&VirtualPath::parse(here.as_bytes()).unwrap(), &here);
        prop_assert_eq!(&other.join(here.as_bytes()).unwrap(), &here);
        prop_assert_eq!(&here.join(b"").unwrap(), &here);
        prop_assert_eq!(&here.join(b".").unwrap(), &here);
        prop_assert_eq!(VirtualPath::parse(here.relative()).unwrap(), here);
    }

    #[test]
    fn joining_in_two_steps_is_joining_once(here in path(), first in spelling(), second in spelling()) {
        // An absolute second step would not be one.
        let second = [b"./", &second[..]].concat();
        if let Ok(there) = here.join(&first).and_then(|middle| middle.join(&second)) {
            let first = if first.is_empty() { b".".to_vec() } else { first };
            prop_assert_eq!(there, here.join(&[first, second].join(&b'/')).unwrap());
        }
    }

    #[test]
    fn a_name_goes_there_and_back(here in path(), name in "[^/\0]{1,20}") {
        match here.child(name.as_bytes()) {
            Ok(child) => {
                prop_assert_eq!(child.file_name(), Some(name.as_bytes()));
                prop_assert_eq!(child.parent(), Some(here.clone()));
                prop_assert_eq!(child.depth(), here.depth() + 1);
                prop_assert_eq!(child.strip_prefix(&here), Some(name.as_bytes()));
                prop_assert_eq!(child.join(b"..").unwrap(), here);
            }
            Err(_) => prop_assert!(matches!(&*name, "." | "..")),
        }
    }

    #[test]
    fn components_make_the_path(here in path()) {
        let joined = here.components().fold(VirtualPath::root(), |path, name| path.child(name).unwrap());
        prop_assert_eq!(&joined, &here);
        let mut backwards: Vec<&[u8]> = here.components().rev().collect();
        backwards.reverse();
        prop_assert!(here.components().eq(backwards));
    }

    #[test]
    fn ancestors_are_judged_by_whole_names(here in path(), other in path()) {
        let by_names = here.components().count() >= other.components().count()
            && here.components().zip(other.components()).all(|(ours, theirs)| ours == theirs);
        prop_assert_eq!(here.starts_with(&other), by_names);
        if let Some(way) = here.strip_prefix(&other) {
            prop_assert_eq!(other.join(way).unwrap(), here);
        }
    }

    #[test]
    fn no_path_forges_a_log_line(here in path()) {
        for shown in [here.to_string(), format!("{:?}", here)] {
            prop_assert!(!shown.chars().any(char::is_control));
        }
    }

    #[test]
    fn times_go_there_and_back(seconds in -(1_i64 << 55)..1 << 55, offset in -86_400..86_400) {
        let time = UnixTime::from_seconds(seconds);
        prop_assert_eq!(time.to_civil(0).to_unix(), time);
        prop_assert_eq!(time.to_civil(offset).to_unix().seconds, seconds + i64::from(offset));
    }

    #[test]
    fn no_moment_panics(seconds in any::<i64>(), nanoseconds in any::<u32>(), offset in any::<i32>()) {
        let civil = UnixTime { seconds, nanoseconds }.to_civil(offset);
        prop_assert!((1..=12).contains(&civil.month) && (1..=31).contains(&civil.day));
        prop_assert!(civil.hour < 24 && civil.minute < 60 && civil.second < 60);
        prop_assert_eq!(civil.to_string().len(), 14);
    }

    #[test]
    fn fourteen_digits_parse_to_what_prints_them(digits in "[0-2][0-9]{3}[01][0-9][0-3][0-9][0-2][0-9][0-6][0-9][0-6][0-9]") {
        if let Some(civil) = CivilTime::parse(digits.as_bytes()) {
            prop_assert!(civil.to_string() == digits || digits.ends_with("60"));
            prop_assert_eq!(civil.to_unix().to_civil(0), civil);
        }
    }

    #[test]
    fn nothing_but_fourteen_digits_is_a_time(bytes in vec(any::<u8>(), 0..20)) {
        let digits = bytes.len() == 14 && bytes.iter().all(u8::is_ascii_digit);
        prop_assert!(digits || CivilTime::parse(&bytes).is_none());
    }

    #[test]
    fn letters_make_the_set(letters in vec(select(&Right::ALL[..]), 0..20)) {
        let text: String = letters.iter().map(|right| right.letter()).collect();
        let set: Permissions = text.parse().unwrap();
        for right in Right::ALL {
            prop_assert_eq!(set.allows(right), letters.contains(&right));
            prop_assert!(set.with(right).allows(right) && !set.without(right).allows(right));
        }
        prop_assert_eq!(set.to_string().parse(), Ok(set));
        prop_assert_eq!((Permissions::ALL - set) | set, Permissions::ALL);
        prop_assert_eq!((Permissions::ALL - set) & set, Permissions::NONE);
    }

    #[test]
    fn only_letters_are_letters(text in "[elradfmwMTxyz!é]{0,12}") {
        let parsed: Result<Permissions, _> = text.parse();
        let wrong = text.chars().position(|letter| Right::from_letter(letter).is_none());
        prop_assert_eq!(parsed.err().map(|error| error.position), wrong);
    }
}
