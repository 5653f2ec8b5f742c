//! Tasks as they stand in transcripts.

use std::fmt;

use crate::tasks::{Alteration, Target, Task};

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Judge { user, password: Some(password) } => {
                write!(f, "judge {user} by password \"{}\"", password.escape_ascii())
            }
            Self::Judge { user, password: None } => write!(f, "judge {user} by certificate"),
            Self::Look { path, why } => write!(f, "look at {} ({why:?})", path.escape_ascii()),
            Self::Alter(alteration) => write!(f, "{alteration:?}"),
            Self::Open { what, only_check: false } => write!(f, "open {what:?}"),
            Self::Open { what, only_check: true } => write!(f, "check {what:?}"),
            Self::Listen { address, extended: false } => write!(f, "listen at {address}"),
            Self::Listen { address, extended: true } => write!(f, "listen at {address}, extended"),
            Self::Accept { listener, from: Some(address) } => write!(f, "accept {address} at #{listener}"),
            Self::Accept { listener, from: None } => write!(f, "accept anybody at #{listener}"),
            Self::Connect(address) => write!(f, "connect to {address}"),
            Self::Secure(over) => write!(f, "start TLS: {over:?}"),
            Self::Move { file, how, over } => write!(f, "move file #{file}: {how:?}, {over:?}"),
        }
    }
}

impl fmt::Debug for Alteration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MakeDirectory(path) => write!(f, "make directory {}", path.escape_ascii()),
            Self::RemoveDirectory(path) => write!(f, "remove directory {}", path.escape_ascii()),
            Self::RemoveFile(path) => write!(f, "remove file {}", path.escape_ascii()),
            Self::Rename(from, to) => write!(f, "rename {} to {}", from.escape_ascii(), to.escape_ascii()),
            Self::Mode(path, mode) => write!(f, "set mode of {} to {mode:o}", path.escape_ascii()),
            Self::Time(path, time) => write!(f, "set time of {} to {time}", path.escape_ascii()),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, offset) => write!(f, "{} to be read from {offset} on", path.escape_ascii()),
            Self::Write(path, mode) => write!(f, "{} to be written ({mode:?})", path.escape_ascii()),
            Self::Unique { directory, prefix } => {
                write!(f, "a new file {}.. in {}", prefix.escape_ascii(), directory.escape_ascii())
            }
            Self::List { path, file_will_do: true } => write!(f, "{} to be listed", path.escape_ascii()),
            Self::List { path, file_will_do: false } => write!(f, "directory {} to be listed", path.escape_ascii()),
        }
    }
}
