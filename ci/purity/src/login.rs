//! Exercises of the pure crates.

use ftp_proto as _;
use ftp_types::VirtualPath;

/// Whether the core does what it does under an operating system.
pub fn succeeds() -> bool {
    let Ok(path) = VirtualPath::root().join(b"/a/../b//c") else {
        return false;
    };
    path.as_bytes() == b"/b/c" && alloc::format!("{path:?}").contains("/b/c")
}
