//! Accounts of the machine, and work done under their identity.
//!
//! [`Impersonated`] makes any back end one that is used as somebody ([`Impersonate`]). On Linux, `SystemUsers` lets the
//! accounts of the machine log in, and gives them its files under their own ids ([`Credentials`]); with the feature
//! `pam`, `Pam` knows their passwords. On Windows, `WindowsUsers` does the like. Other Unixes have identities for whole
//! processes only, so there is nothing like that for them here.

#[cfg(target_os = "linux")]
mod credentials;
mod impersonate;
#[cfg(all(target_os = "linux", feature = "pam"))]
mod pam;
#[cfg(any(target_os = "linux", windows))]
mod policy;
#[cfg(all(target_os = "linux", feature = "pam"))]
mod root;
#[cfg(target_os = "linux")]
mod shells;
#[cfg(target_os = "linux")]
mod users;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub use credentials::{Credentials, can_impersonate};
pub use impersonate::{Impersonate, Impersonated, impersonating};
#[cfg(all(target_os = "linux", feature = "pam"))]
pub use pam::{InvalidService, Pam};
#[cfg(any(target_os = "linux", windows))]
pub use policy::{Filesystem, SystemOptions, SystemUsersError, UserOverride};
#[cfg(target_os = "linux")]
pub use users::{AccountCheck, CheckError, SystemUsers};
#[cfg(windows)]
pub use windows::WindowsUsers;

#[cfg(target_os = "linux")]
use users as machine;
#[cfg(windows)]
use windows as machine;
