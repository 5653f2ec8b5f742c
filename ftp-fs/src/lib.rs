//! Storage, path translation, permissions and accounts.

#![forbid(unsafe_code)]

mod accounts;
mod auth;
mod backend;
#[cfg(any(feature = "testing", test))]
pub mod conformance;
mod local;
mod lockout;
mod memory;
mod mount;
mod offload;
mod password;
mod rules;
mod view;

pub use accounts::{Credential, Home, NewUser, UserError, VirtualUsers, Warning};
pub use auth::{Account, AuthError, Authenticator, BlockingAuthenticator, LoginAttempt};
pub use backend::{
    Backend, BlockingBackend, BlockingListing, BlockingReader, BlockingWriter, BoxFuture, Follow, Listing, Reader,
    Storage, UniqueFile, Writer,
};
pub use local::LocalFs;
pub use lockout::{FailureTable, Lockout, LockoutPolicy};
pub use memory::MemoryFs;
pub use mount::{MountError, Mounts};
pub use offload::{Offload, Unblock};
pub use password::{HashedPassword, InvalidHash, hash_password};
pub use rules::{Override, PermissionRules};
pub use view::{ListTarget, UserView};
