//! Files from the page cache to the socket without a stop in our memory, where the system can do that.

#[cfg(target_os = "linux")]
#[path = "zero_copy_linux.rs"]
mod system;

#[cfg(not(target_os = "linux"))]
#[path = "zero_copy_other.rs"]
mod system;

pub(crate) use system::{send, start_of};
