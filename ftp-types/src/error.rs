//! What storage can answer instead of doing as it was asked.

use core::fmt;

/// Why a storage operation did not happen.
///
/// It is small and `Copy` because the protocol core turns each variant into a fixed reply text: neither real paths nor
/// the operating system's messages may reach a client. Back ends log the details themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FsError {
    /// The file, directory or one of its parents does not exist.
    NotFound,
    /// The user's permission letters forbid it.
    Denied,
    /// The storage itself forbids it (file mode, ownership, read-only attribute).
    Refused,
    /// The name is taken.
    Exists,
    /// A directory was needed.
    NotADirectory,
    /// A file was needed and this is a directory.
    IsADirectory,
    /// A regular file was needed and this is a FIFO, a device or a socket.
    NotRegular,
    /// The directory still has entries.
    NotEmpty,
    /// The operation is not possible on the root of the tree.
    IsRoot,
    /// The path goes through a symbolic link. Back ends answer this instead of following one; the caller resolves the
    /// path, judges the result and tries again.
    IsLink,
    /// The path, or a link on it, leads out of the tree.
    Outside,
    /// A name is longer than the storage takes, or has bytes that it cannot hold.
    InvalidName,
    /// The restart offset lies beyond the end of the file.
    OffsetPastEnd,
    /// No space is left, or no inodes.
    NoSpace,
    /// A quota or a limit on the size of a file is used up.
    QuotaExceeded,
    /// The storage is read-only.
    ReadOnly,
    /// Source and destination lie on different storage.
    CrossesStorage,
    /// The file is in use, or the same thing happens to it at this moment.
    Busy,
    /// The process has run out of descriptors or memory; later it may work.
    Exhausted,
    /// The storage does not know this operation.
    Unsupported,
    /// Reading or writing failed; the back end has logged what the system said.
    Io,
    /// The work was dropped before it ended.
    Cancelled,
}

impl FsError {
    /// Whether the same request may succeed later without anyone changing it, which RFC 959 §4.2.1 answers with a
    /// 4yz reply.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Busy | Self::Exhausted | Self::Io | Self::Cancelled | Self::NoSpace)
    }
}

impl fmt::Display for FsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "no such file or directory",
            Self::Denied => "not enough privileges",
            Self::Refused => "permission denied",
            Self::Exists => "file exists",
            Self::NotADirectory => "not a directory",
            Self::IsADirectory => "is a directory",
            Self::NotRegular => "not a regular file",
            Self::NotEmpty => "directory not empty",
            Self::IsRoot => "not possible on the root directory",
            Self::IsLink => "the path goes through a symbolic link",
            Self::Outside => "the path leads outside of the root directory",
            Self::InvalidName => "invalid file name",
            Self::OffsetPastEnd => "restart offset beyond the end of the file",
            Self::NoSpace => "no space left",
            Self::QuotaExceeded => "quota or file size limit exceeded",
            Self::ReadOnly => "read-only storage",
            Self::CrossesStorage => "source and destination are on different storage",
            Self::Busy => "file is busy",
            Self::Exhausted => "out of system resources",
            Self::Unsupported => "not supported by this storage",
            Self::Io => "input/output error",
            Self::Cancelled => "cancelled",
        })
    }
}

impl core::error::Error for FsError {}
