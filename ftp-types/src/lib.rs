//! The values that every crate of Ferry shares.
//!
//! All of them are parsed at the edge and carry the proof with them: a [`VirtualPath`] cannot hold `..` or NUL, a
//! [`Permissions`] set cannot hold an unknown letter, a [`Secret`] never prints. Nothing here does I/O or reads a
//! clock, and the crate needs `alloc` alone.

#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::std_instead_of_core, clippy::std_instead_of_alloc, clippy::alloc_instead_of_core)]

extern crate alloc;

mod error;
mod escaped;
mod meta;
mod name;
mod path;
mod rights;
mod secret;
mod time;

pub use error::FsError;
pub use escaped::Escaped;
pub use meta::{Entry, FileKind, Link, Metadata, WriteMode};
pub use name::{InvalidUserName, UserName};
pub use path::{Components, InvalidPath, VirtualPath};
pub use rights::{Permissions, Right, UnknownLetter};
pub use secret::Secret;
pub use time::{CivilTime, TimeZone, UnixTime, Utc};
