//! No spelling of a path leaves the root.

#![no_main]

use ftp_types::VirtualPath;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (here, there) = input;
    let Ok(here) = VirtualPath::parse(here) else { return };
    let Ok(joined) = here.join(there) else { return };
    let bytes = joined.as_bytes();
    assert!(bytes.starts_with(b"/") && !bytes.contains(&0) && bytes.len() <= VirtualPath::MAX_LEN);
    assert!(joined.is_root() || !bytes.ends_with(b"/"));
    assert!(joined.components().all(|name| !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/')));
    assert_eq!(VirtualPath::parse(bytes).as_ref(), Ok(&joined));
    assert_eq!(joined.components().count(), joined.components().rev().count());
    if let (Some(parent), Some(name)) = (joined.parent(), joined.file_name()) {
        assert_eq!(parent.child(name).as_ref(), Ok(&joined));
        assert!(joined.starts_with(&parent) && !parent.starts_with(&joined));
    }
    assert!(!joined.to_string().chars().any(char::is_control));
});
