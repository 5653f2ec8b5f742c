//! A directory of this machine.
//!
//! Where the system has `openat`, everything is opened relative to a descriptor of the root that is held from the
//! start, and no link is followed by the system on the way. Elsewhere `cap-std` does the same with what there is.

#[cfg(unix)]
mod beneath;
#[cfg(unix)]
mod errno;
#[cfg(unix)]
mod file;
#[cfg(unix)]
mod listing;
#[cfg(unix)]
mod names;
#[cfg(unix)]
mod resolve;
mod staging;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub use portable::PortableFs as LocalFs;
#[cfg(unix)]
pub use unix::LocalFs;
