//! What clients send behind LIST, NLST and STAT as if to `ls`: which of it are options, and which is the path.

use ferry_tests::Driver;
use ftp_proto::{Action, Config, OpenTarget};
use ftp_types::VirtualPath;

/// The argument of a listing.
///
/// # Panics
/// When another place is listed than the naive reader finds, or a name cannot be listed at all.
pub fn list_options(argument: &[u8]) {
    // What cannot be in one line, and what Telnet would take out, is no argument.
    if argument.len() > 1000 || argument.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0xFF)) {
        return;
    }
    for verb in ["LIST", "NLST", "STAT"] {
        // STAT alone tells of the session.
        if verb != "STAT" || !argument.is_empty() {
            assert_eq!(listed(verb, argument), place(naive(argument)), "{verb}");
        }
        if !argument.is_empty() {
            assert_eq!(listed(verb, &[b"-- ", argument].concat()), place(argument), "{verb}, behind --");
            assert_eq!(listed(verb, &[b"-al -R -- ", argument].concat()), place(argument), "{verb}, behind options");
        }
    }
    // Those for machines have none.
    assert_eq!(listed("MLSD", argument), place(argument));
    let relative = [b"./", argument].concat();
    assert_eq!(listed("LIST", &relative), place(&relative), "behind ./ a dash is nothing special");
}

/// Where the user of these sessions is.
const HERE: &str = "/home";

/// The place that a path names; none: it cannot be one.
fn place(path: &[u8]) -> Option<VirtualPath> {
    VirtualPath::try_from(HERE).expect("a path").join(path).ok()
}

/// The place that the session lists.
fn listed(verb: &str, argument: &[u8]) -> Option<VirtualPath> {
    let mut driver = Driver::new(Config::default());
    driver.log_in("bob", "hunter2");
    let blank = if argument.is_empty() { "" } else { " " };
    driver.send(&[verb.as_bytes(), blank.as_bytes(), argument, b"\r\n"].concat());
    let action = driver.ledger.take(|_| true);
    driver.ledger.replies.clear();
    match action {
        None => None,
        Some(Action::Open(ticket)) => match &ticket.request().target {
            OpenTarget::List { path, .. } => Some(path.clone()),
            other => panic!("{verb} opens {other:?}"),
        },
        Some(other) => panic!("{verb} does {other:?}"),
    }
}

/// Word by word: options are dropped, each with the one blank behind it, up to `--` or to the first word that is none.
fn naive(argument: &[u8]) -> &[u8] {
    let words: Vec<&[u8]> = argument.split(|byte| *byte == b' ').collect();
    let options = words.iter().take_while(|word| is_options(word)).count();
    let behind = if words.get(options) == Some(&&b"--"[..]) { options + 1 } else { options };
    let dropped: usize = words[..behind].iter().map(|word| word.len() + 1).sum();
    argument.get(dropped..).unwrap_or_default()
}

fn is_options(word: &[u8]) -> bool {
    let letters = word.strip_prefix(b"-").map(<[u8]>::to_vec).unwrap_or_default();
    let letters = String::from_utf8(letters).unwrap_or_default();
    !letters.is_empty() && letters.chars().all(|letter| "aAlL1FRtSrdn".contains(letter))
}
