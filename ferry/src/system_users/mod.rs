//! Accounts of the machine, as far as this build of the program can offer them.

#[cfg(not(any(all(target_os = "linux", feature = "pam"), windows)))]
mod none;
#[cfg(any(all(target_os = "linux", feature = "pam"), windows))]
mod options;
#[cfg(all(target_os = "linux", feature = "pam"))]
mod pam;
#[cfg(windows)]
mod windows;

#[cfg(not(any(all(target_os = "linux", feature = "pam"), windows)))]
pub(crate) use none::*;
#[cfg(any(all(target_os = "linux", feature = "pam"), windows))]
pub(crate) use options::*;
#[cfg(all(target_os = "linux", feature = "pam"))]
pub(crate) use pam::*;
#[cfg(windows)]
pub(crate) use windows::*;
