//! A directory of this machine.
//!
//! Where the system has `openat`, everything is opened relative to a descriptor of the root that is held from the
//! start, and no link is followed by the system on the way. Elsewhere `cap-std` does the same with what there is.

#[cfg(unix)]
#[cfg_attr(not(target_os = "linux"), path = "at_once_other.rs")]
mod at_once;
#[cfg(all(target_os = "linux", test))]
mod at_once_tests;
#[cfg(unix)]
mod beneath;
#[cfg(all(target_os = "linux", test))]
mod eager;
#[cfg(unix)]
mod errno;
#[cfg(all(target_os = "linux", test))]
mod failure_tests;
#[cfg(unix)]
mod file;
#[cfg(unix)]
mod listing;
#[cfg(unix)]
mod names;
#[cfg(any(not(unix), test))]
mod portable;
#[cfg(unix)]
mod resolve;
mod staging;
#[cfg(all(target_os = "linux", test))]
mod staging_tests;
#[cfg(all(unix, test))]
mod tests;
#[cfg(unix)]
mod unix;
#[cfg(any(not(unix), test))]
mod windows_names;

#[cfg(not(unix))]
pub use portable::PortableFs as LocalFs;
#[cfg(unix)]
pub use unix::LocalFs;
