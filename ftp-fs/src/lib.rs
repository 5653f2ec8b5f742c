//! Storage, path translation, permissions and accounts.

#![forbid(unsafe_code)]

mod auth;
mod backend;
mod mount;
mod offload;
mod rules;
mod view;

pub use auth::{Account, AuthError, Authenticator, BlockingAuthenticator, LoginAttempt};
pub use backend::{
    Backend, BlockingBackend, BlockingListing, BlockingReader, BlockingWriter, BoxFuture, Follow, Listing, Reader,
    Storage, UniqueFile, Writer,
};
pub use mount::{MountError, Mounts};
pub use offload::{Offload, Unblock};
pub use rules::{Override, PermissionRules};
pub use view::{ListTarget, UserView};
