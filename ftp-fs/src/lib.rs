//! Storage, path translation, permissions and accounts.
//!
//! A login makes an [`Account`] of a [`LoginAttempt`], in an [`Authenticator`]: [`VirtualUsers`] is one, and your own
//! may be another. The account says which storage the user sees ([`Mounts`]) and what they may do where
//! ([`PermissionRules`]). From it comes a [`UserView`], which judges every operation before a back end gets to see it.
//!
//! Back ends are plain functions ([`BlockingBackend`]: [`LocalFs`], [`MemoryFs`]) or async ones ([`Backend`]);
//! [`Offload`] makes the latter of the former with whatever a runtime has for blocking work ([`Unblock`]). Whoever
//! writes a back end can run the `conformance` suite of the feature `testing` on it.
//!
//! Nothing here knows the protocol, and no error carries a real path or a message of the system: those go to the log.
//!
//! ```
//! use ftp_fs::{Account, BlockingAuthenticator, Credential, LoginAttempt, MemoryFs, NewUser, Storage, VirtualUsers};
//! use ftp_types::Secret;
//!
//! let users = VirtualUsers::new();
//! let home = Storage::blocking(MemoryFs::new());
//! let alice = NewUser::new("alice".parse()?, Credential::Plain(Secret::from("secret")), home);
//! users.add(alice.letters("elrw"))?;
//!
//! let account = users.authenticate(&LoginAttempt {
//!     user: "alice".parse()?,
//!     password: Secret::from("secret"),
//!     peer: "192.0.2.1:1025".parse()?,
//!     local: "192.0.2.2:21".parse()?,
//!     secure: true,
//!     certificate: None,
//! })?;
//! assert_eq!(account.permissions.base().to_string(), "elrw");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(not(windows), forbid(unsafe_code))]

mod accounts;
mod auth;
mod backend;
pub mod blocking;
mod certificate;
#[cfg(any(feature = "testing", test))]
pub mod conformance;
mod crypt;
mod decoys;
mod local;
mod lockout;
mod memory;
mod mount;
mod offload;
mod offloaded;
mod password;
mod rules;
pub mod system;
mod user_error;
mod view;

pub use accounts::{Credential, Home, NewUser, UserInfo, VirtualUsers};
pub use auth::{Account, AuthError, Authenticator, BlockingAuthenticator, CertificateLogin, LoginAttempt};
pub use backend::{
    Backend, BlockingBackend, BlockingListing, BlockingReader, BlockingWriter, BoxFuture, Follow, Listing, Reader,
    Remains, Storage, UniqueFile, Writer,
};
pub use certificate::{ClientCertificate, Fingerprint, InvalidFingerprint};
pub use local::LocalFs;
pub use lockout::{FailureTable, Lockout, LockoutPolicy};
pub use memory::MemoryFs;
pub use mount::{MountError, Mounts};
pub use offload::{Offload, Unblock};
pub use password::{HashedPassword, InvalidHash, hash_password};
pub use rules::{Override, PermissionRules};
pub use user_error::{UserError, Warning};
pub use view::{ListTarget, Located, UserView};
