//! Accounts of the machine, as far as this build of the program can offer them.

#[cfg(not(all(target_os = "linux", feature = "pam")))]
mod none;
#[cfg(all(target_os = "linux", feature = "pam"))]
mod pam;

#[cfg(not(all(target_os = "linux", feature = "pam")))]
pub(crate) use none::*;
#[cfg(all(target_os = "linux", feature = "pam"))]
pub(crate) use pam::*;
