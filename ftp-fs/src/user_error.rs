//! Why a user cannot be added to a table or changed in it, and what is hardly meant.

use std::fmt;
use std::io;
use std::path::PathBuf;

use ftp_types::{UnknownLetter, UserName, VirtualPath};

use crate::{InvalidHash, MountError};

/// Why a user, or an override for one, cannot be added.
#[derive(Debug)]
#[non_exhaustive]
pub enum UserError {
    /// There is a user of this name.
    Exists(UserName),
    /// The password hash is none.
    Hash(InvalidHash),
    /// The home cannot be opened.
    NoSuchHome(PathBuf, io::Error),
    /// A permission letter is unknown.
    Letter(UnknownLetter),
    /// Two storages at one path.
    Mount(MountError),
    /// There is no user of this name.
    Unknown(UserName),
    /// An override is for a directory that does not exist.
    NoSuchDirectory(VirtualPath),
    /// The home itself has its letters already.
    OverridesHome,
    /// The directory of an override lies outside of the home: a link leads there.
    OverrideEscapes(VirtualPath),
}

/// Something that works and is hardly meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "an operator should hear of it"]
pub enum Warning {
    /// Everybody may change files.
    AnonymousMayWrite,
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(name) => write!(f, "user '{name}' already exists"),
            Self::Hash(error) => error.fmt(f),
            Self::NoSuchHome(path, error) => write!(f, "no such directory: '{}' ({error})", path.display()),
            Self::Letter(error) => error.fmt(f),
            Self::Mount(error) => error.fmt(f),
            Self::Unknown(name) => write!(f, "no such user: '{name}'"),
            Self::NoSuchDirectory(path) => write!(f, "no such directory: '{path}'"),
            Self::OverridesHome => f.write_str("can't override home directory permissions"),
            Self::OverrideEscapes(path) => write!(f, "path escapes user home directory: '{path}'"),
        }
    }
}

impl std::error::Error for UserError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoSuchHome(_, error) => Some(error),
            Self::Hash(error) => Some(error),
            Self::Letter(error) => Some(error),
            Self::Mount(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnonymousMayWrite => f.write_str("write permissions assigned to anonymous user"),
        }
    }
}
