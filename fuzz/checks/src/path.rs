//! Virtual paths, beside a normaliser that keeps a stack of names; and the quotes around them in 257.

use ferry_tests::Driver;
use ftp_proto::Config;
use ftp_types::{InvalidPath, VirtualPath};

use crate::wire;

/// Two lines: where the client is, and where it wants to go.
///
/// # Panics
/// When the way is not that of the naive normaliser, or a path is none.
pub fn path(input: &[u8]) {
    let mut lines = input.splitn(2, |byte| *byte == b'\n');
    let (here, there) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let parsed = VirtualPath::parse(here);
    assert_eq!(parsed.as_ref().map(names).map_err(|error| *error), naive(&[], here));
    let Ok(here) = parsed else { return };
    is_normal(&here);
    let joined = here.join(there);
    assert_eq!(joined.as_ref().map(names).map_err(|error| *error), naive(&names(&here), there));
    if let Ok(there) = &joined {
        is_normal(there);
        are_judged_by_names(&here, there);
        are_judged_by_names(there, &here);
    }
    is_a_child_only_by_one_name(&here, there);
    comes_back_from_257(&here, there);
}

type Names = Vec<Vec<u8>>;

fn names(path: &VirtualPath) -> Names {
    path.components().map(<[u8]>::to_vec).collect()
}

/// Where `path` leads from here, by a stack of names.
fn naive(here: &[Vec<u8>], path: &[u8]) -> Result<Names, InvalidPath> {
    if path.contains(&0) {
        return Err(InvalidPath::Nul);
    }
    let mut stack = if path.starts_with(b"/") { Names::new() } else { here.to_vec() };
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b".." => drop(stack.pop()),
            b"" | b"." => {}
            name => stack.push(name.to_vec()),
        }
    }
    let fits = path.len() <= VirtualPath::MAX_LEN && written(&stack).len() <= VirtualPath::MAX_LEN;
    fits.then_some(stack).ok_or(InvalidPath::TooLong)
}

fn written(names: &[Vec<u8>]) -> Vec<u8> {
    [b"/", &names.join(&b'/')[..]].concat()
}

/// What no path is without, however it came about.
fn is_normal(path: &VirtualPath) {
    let bytes = path.as_bytes();
    assert_eq!(bytes, written(&names(path)));
    assert!(!bytes.contains(&0) && bytes.len() <= VirtualPath::MAX_LEN);
    assert!(path.components().all(|name| !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/')));
    assert_eq!(VirtualPath::parse(bytes).as_ref(), Ok(path));
    assert_eq!(VirtualPath::parse(path.relative()).as_ref(), Ok(path));
    let mut backwards: Names = path.components().rev().map(<[u8]>::to_vec).collect();
    backwards.reverse();
    assert_eq!(backwards, names(path));
    assert_eq!((path.is_root(), path.depth()), (names(path).is_empty(), names(path).len()));
    assert_eq!(path.file_name().map(<[u8]>::to_vec), names(path).last().cloned());
    assert_eq!(path.parent().map(|parent| names(&parent)), names(path).split_last().map(|(_, above)| above.to_vec()));
    for shown in [path.to_string(), format!("{path:?}")] {
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
    }
}

fn are_judged_by_names(path: &VirtualPath, ancestor: &VirtualPath) {
    let (path_names, ancestor_names) = (names(path), names(ancestor));
    let way = path_names.strip_prefix(&ancestor_names[..]).map(|way| way.join(&b'/'));
    assert_eq!(path.strip_prefix(ancestor).map(<[u8]>::to_vec), way);
    assert_eq!(path.starts_with(ancestor), way.is_some());
}

fn is_a_child_only_by_one_name(here: &VirtualPath, name: &[u8]) {
    let is_name = !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/');
    match here.child(name) {
        Ok(child) => assert_eq!((child.parent().as_ref(), child.file_name()), (Some(here), Some(name))),
        Err(InvalidPath::NotAName) => assert!(!is_name),
        Err(_) => assert!(name.contains(&0) || name.len() + here.as_bytes().len() >= VirtualPath::MAX_LEN),
    }
}

/// A client that makes a directory reads its path out of the reply (RFC 959 appendix II).
fn comes_back_from_257(here: &VirtualPath, there: &[u8]) {
    let Ok(path) = here.join(there) else { return };
    // What can be sent as the argument of a command, whole.
    let sent = path.as_bytes();
    if sent.len() > 2000 || sent.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0xFF)) {
        return;
    }
    let mut driver = Driver::new(Config::default());
    driver.log_in("alice", "secret");
    driver.send(&[b"MKD ", sent, b"\r\n"].concat());
    let Some(ftp_proto::Action::Change(ticket)) = driver.ledger.take(|_| true) else { panic!("MKD changes something") };
    driver.answer(ticket, Ok(()));
    let reply = wire::replies(&wire::written(&driver.ledger.replies)).remove(0);
    assert_eq!(unquoted(&reply.text).as_deref(), Some(sent), "{}", reply.text.escape_ascii());
    driver.ledger.replies.clear();
}

/// The path in quotes, in which a quote is doubled.
fn unquoted(text: &[u8]) -> Option<Vec<u8>> {
    let (mut path, mut rest) = (Vec::new(), text.strip_prefix(b"\"")?);
    loop {
        rest = match rest {
            [b'"', b'"', behind @ ..] => {
                path.push(b'"');
                behind
            }
            [b'"', ..] => return Some(path),
            [byte, behind @ ..] => {
                path.push(*byte);
                behind
            }
            [] => return None,
        };
    }
}
