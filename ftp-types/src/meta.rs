//! What storage tells about a file.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::{Permissions, UnixTime, VirtualPath};

/// What kind of thing a directory entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link itself, not what it points to.
    Symlink,
    /// A FIFO, device, socket or anything else that FTP cannot transfer.
    Other,
}

/// The attributes of one file, as far as its storage knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// File, directory, link or other.
    pub kind: FileKind,
    /// Size in bytes.
    pub len: u64,
    /// Last modification.
    pub modified: Option<UnixTime>,
    /// Creation, where the storage remembers it: Windows does.
    pub created: Option<UnixTime>,
    /// Permission bits (`0o7777`), without the file type.
    pub mode: Option<u32>,
    /// Number of hard links.
    pub links: u64,
    /// Numeric owner.
    pub uid: Option<u32>,
    /// Numeric group.
    pub gid: Option<u32>,
    /// Owner's name; shared, since a directory of a hundred thousand entries has few owners.
    pub owner: Option<Arc<str>>,
    /// Group's name.
    pub group: Option<Arc<str>>,
    /// A pair that no other file has at the same time: device and inode (RFC 3659 §7.5.2).
    pub unique: Option<(u64, u64)>,
    /// What the asking user may do with it; filled in by the view of that user, and the source of the `perm` fact
    /// (RFC 3659 §7.5.5).
    pub rights: Option<Permissions>,
}

impl Metadata {
    /// Attributes of a thing about which nothing but kind and size is known.
    #[must_use]
    pub const fn new(kind: FileKind, len: u64) -> Self {
        Self {
            kind,
            len,
            modified: None,
            created: None,
            mode: None,
            links: 1,
            uid: None,
            gid: None,
            owner: None,
            group: None,
            unique: None,
            rights: None,
        }
    }

    /// Whether this is a regular file.
    #[must_use]
    pub const fn is_file(&self) -> bool {
        matches!(self.kind, FileKind::File)
    }

    /// Whether this is a directory.
    #[must_use]
    pub const fn is_directory(&self) -> bool {
        matches!(self.kind, FileKind::Directory)
    }
}

/// One line of a directory listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, without any directory.
    pub name: Vec<u8>,
    /// Attributes of the entry itself (a link is not followed).
    pub metadata: Metadata,
    /// Where a link leads; `None` for everything else. Most entries are no links, so that it lies elsewhere.
    pub link: Option<Box<Link>>,
}

impl Entry {
    /// An entry that is no link.
    #[must_use]
    pub const fn new(name: Vec<u8>, metadata: Metadata) -> Self {
        Self { name, metadata, link: None }
    }

    /// What a client meets when it uses the name: the link's destination where there is one inside the tree, else the
    /// entry itself.
    #[must_use]
    pub fn followed(&self) -> &Metadata {
        self.link.as_ref().and_then(|link| link.metadata.as_ref()).unwrap_or(&self.metadata)
    }
}

/// The other end of a symbolic link.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Link {
    /// The text to show behind `->`: virtual, never a real path. `None` when the link leads out of the tree.
    pub text: Option<Vec<u8>>,
    /// The resolved place in the tree, for the judgement of permissions. `None` when it dangles or leads out.
    pub path: Option<VirtualPath>,
    /// Attributes of that place.
    pub metadata: Option<Metadata>,
}

/// How a file is opened for writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteMode {
    /// The content of the file becomes what is written (STOR). What an existing file held is kept at least until the
    /// first byte arrives or the writer is finished.
    Replace,
    /// Writes from this offset of an existing file on, which must not lie beyond its end; what it held behind that
    /// goes (REST and STOR, RFC 3659 §5). [`FsError::NotFound`](crate::FsError::NotFound) when there is no file,
    /// [`FsError::OffsetPastEnd`](crate::FsError::OffsetPastEnd) when it is shorter.
    From(u64),
    /// Adds to the end of the file, which is made when it does not exist (APPE).
    Append,
}
