//! A tiny tree and three accounts: what a session's questions are answered from.

use std::collections::BTreeMap;

use ftp_proto::{
    Authenticate, Change, Listen, ListenError, Listening, Login, LoginError, Open, OpenTarget, Opened, Proof, Stat,
};
use ftp_types::{FileKind, FsError, Metadata, Permissions, UnixTime, VirtualPath, WriteMode};

/// The accounts are `alice` (password `secret`), `bob` (`hunter2`, who starts in `/home`) and `anonymous` (any
/// password). The tree:
///
/// ```text
/// /readme.txt (12 bytes)   /docs/a.txt (3 bytes)   /empty/   /home/   /ancient.txt (of 1969)
/// ```
#[derive(Clone, Debug)]
pub struct World {
    nodes: BTreeMap<VirtualPath, Node>,
    names_made: u32,
    ports_given: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Directory,
    File { len: u64, modified: i64 },
}

/// 2024-02-29 12:34:56.
const RECENT: i64 = 1_709_210_096;

impl Default for World {
    fn default() -> Self {
        let file = |len, modified| Node::File { len, modified };
        let nodes = [
            ("/", Node::Directory),
            ("/readme.txt", file(12, RECENT)),
            ("/docs", Node::Directory),
            ("/docs/a.txt", file(3, RECENT)),
            ("/empty", Node::Directory),
            ("/home", Node::Directory),
            ("/ancient.txt", file(1, -1)),
        ];
        let path = |text| VirtualPath::try_from(text).expect("a path");
        Self { nodes: nodes.map(|(name, node)| (path(name), node)).into(), names_made: 0, ports_given: 0 }
    }
}

impl World {
    /// Judges a login.
    ///
    /// # Errors
    /// The login is wrong.
    pub fn authenticate(&self, request: &Authenticate) -> Result<Login, LoginError> {
        let right = |password: &[u8]| request.proof.is_password(password);
        match request.user.as_str() {
            "carol" if matches!(request.proof, Proof::Certificate) => Ok(Login::default()),
            _ if matches!(request.proof, Proof::Certificate) => Err(LoginError::Rejected),
            "alice" if right(b"secret") => Ok(Login::default()),
            "bob" if right(b"hunter2") => Ok(Login {
                directory: VirtualPath::try_from("/home").expect("a path"),
                message: String::from("Hello,\nBob."),
                farewell: String::from("Bye, Bob."),
            }),
            "anonymous" => Ok(Login::default()),
            _ => Err(LoginError::Rejected),
        }
    }

    /// Looks at a file.
    ///
    /// # Errors
    /// There is none.
    pub fn stat(&self, request: &Stat) -> Result<Metadata, FsError> {
        self.look(&request.path)
    }

    /// Changes the tree.
    ///
    /// # Errors
    /// As a file system has them.
    pub fn change(&mut self, request: &Change) -> Result<(), FsError> {
        match request {
            Change::MakeDirectory(path) if self.nodes.contains_key(path) => Err(FsError::Exists),
            Change::MakeDirectory(path) => self.parent_of(path).map(|()| {
                self.nodes.insert(path.clone(), Node::Directory);
            }),
            Change::RemoveDirectory(path) => match self.node(path)? {
                Node::File { .. } => Err(FsError::NotADirectory),
                Node::Directory if self.has_children(path) => Err(FsError::NotEmpty),
                Node::Directory => self.remove(path).map(|_| ()),
            },
            Change::RemoveFile(path) => match self.node(path)? {
                Node::Directory => Err(FsError::IsADirectory),
                Node::File { .. } => self.remove(path).map(|_| ()),
            },
            Change::Rename { from, to } => {
                self.parent_of(to)?;
                let node = self.remove(from)?;
                self.nodes.insert(to.clone(), node);
                Ok(())
            }
            Change::SetMode { path, .. } | Change::SetModified { path, .. } => self.node(path).map(|_| ()),
            _ => Err(FsError::Unsupported),
        }
    }

    /// Opens what a transfer needs.
    ///
    /// # Errors
    /// As a file system has them.
    pub fn open(&mut self, request: &Open) -> Result<Opened, FsError> {
        match &request.target {
            OpenTarget::Read { path, offset } => match self.node(path)? {
                Node::Directory => Err(FsError::IsADirectory),
                Node::File { len, .. } if *offset > len => Err(FsError::OffsetPastEnd),
                Node::File { len, .. } => Ok(Opened { len: Some(len - offset), name: None }),
            },
            OpenTarget::Write { path, mode } => self.write(path, *mode, request.only_check),
            OpenTarget::Unique { directory, prefix } => {
                self.node(directory)?;
                self.names_made += 1;
                let name = [prefix, self.names_made.to_string().as_bytes()].concat();
                Ok(Opened { len: None, name: Some(name) })
            }
            OpenTarget::List { path, file_will_do } => match self.node(path)? {
                Node::File { .. } if !file_will_do => Err(FsError::NotADirectory),
                _ => Ok(Opened::default()),
            },
            _ => Err(FsError::Unsupported),
        }
    }

    /// Binds a port: 50001, 50002, and so on.
    ///
    /// # Errors
    /// None; real ones have some.
    pub fn listen(&mut self, _request: &Listen) -> Result<Listening, ListenError> {
        self.ports_given = self.ports_given % 1000 + 1;
        Ok(Listening { port: 50_000 + self.ports_given, address: None })
    }

    fn look(&self, path: &VirtualPath) -> Result<Metadata, FsError> {
        let mut metadata = match self.node(path)? {
            Node::Directory => Metadata::new(FileKind::Directory, 0),
            Node::File { len, modified } => {
                let mut metadata = Metadata::new(FileKind::File, len);
                metadata.modified = Some(UnixTime::from_seconds(modified));
                metadata
            }
        };
        metadata.rights = Some(Permissions::ALL);
        Ok(metadata)
    }

    fn write(&mut self, path: &VirtualPath, mode: WriteMode, only_check: bool) -> Result<Opened, FsError> {
        self.parent_of(path)?;
        match (self.nodes.get(path), mode) {
            (Some(Node::Directory), _) => return Err(FsError::IsADirectory),
            (None, WriteMode::From(_)) => return Err(FsError::NotFound),
            (Some(Node::File { len, .. }), WriteMode::From(offset)) if offset > *len => {
                return Err(FsError::OffsetPastEnd);
            }
            _ => {}
        }
        if !only_check {
            self.nodes.entry(path.clone()).or_insert(Node::File { len: 0, modified: RECENT });
        }
        Ok(Opened::default())
    }

    fn node(&self, path: &VirtualPath) -> Result<Node, FsError> {
        self.nodes.get(path).copied().ok_or(FsError::NotFound)
    }

    fn parent_of(&self, path: &VirtualPath) -> Result<(), FsError> {
        match self.node(&path.parent().ok_or(FsError::IsRoot)?)? {
            Node::Directory => Ok(()),
            Node::File { .. } => Err(FsError::NotADirectory),
        }
    }

    fn has_children(&self, path: &VirtualPath) -> bool {
        self.nodes.keys().any(|other| other != path && other.starts_with(path))
    }

    fn remove(&mut self, path: &VirtualPath) -> Result<Node, FsError> {
        self.nodes.remove(path).ok_or(FsError::NotFound)
    }
}
