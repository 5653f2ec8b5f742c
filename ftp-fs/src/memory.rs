//! A tree in memory, for tests and for servers that keep nothing.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use ftp_types::{Entry, FileKind, FsError, Metadata, UnixTime, VirtualPath, WriteMode};

use crate::{BlockingBackend, BlockingListing, BlockingReader, BlockingWriter, Follow, Remains, UniqueFile};

/// A tree of files in memory. It has no links.
///
/// The content of a file that is replaced stays until the upload is finished; a download goes on with the content that
/// it began with. A new file holds what has arrived. An upload that adds to a file while another replaces it fails
/// ([`FsError::Busy`]), and leaves nothing in the new content.
pub struct MemoryFs {
    tree: Arc<Tree>,
}

struct Tree {
    /// Every path but the root's own, sorted, so that what lies below a directory stands together.
    nodes: Mutex<BTreeMap<VirtualPath, Node>>,
    budget: Arc<Budget>,
    next_id: AtomicU64,
}

/// Content bytes that may be held, and that are.
struct Budget {
    capacity: u64,
    used: AtomicU64,
}

#[derive(Clone)]
struct Node {
    id: u64,
    /// How often an upload has taken the place of the content: what others add to the old one is not for the new one.
    replaced: u64,
    created: UnixTime,
    modified: UnixTime,
    mode: u32,
    /// `None` for directories.
    content: Option<Arc<Content>>,
}

/// The bytes of a file; it gives back its share of the capacity when the last one lets go of it.
struct Content {
    budget: Arc<Budget>,
    bytes: Vec<u8>,
}

impl MemoryFs {
    /// An empty tree without a limit.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(u64::MAX)
    }

    /// An empty tree whose files hold so many bytes together at most; what is more gets [`FsError::NoSpace`].
    #[must_use]
    pub fn with_capacity(bytes: u64) -> Self {
        let budget = Arc::new(Budget { capacity: bytes, used: AtomicU64::new(0) });
        let tree = Tree { nodes: Mutex::default(), budget, next_id: AtomicU64::new(2) };
        Self { tree: Arc::new(tree) }
    }
}

impl Default for MemoryFs {
    fn default() -> Self {
        Self::new()
    }
}

type Nodes = BTreeMap<VirtualPath, Node>;

impl Tree {
    /// Held for a few steps in memory at a time, never while anyone waits for a client.
    fn lock(&self) -> MutexGuard<'_, Nodes> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_node(&self, content: Option<Arc<Content>>) -> Node {
        let mode = if content.is_some() { 0o644 } else { 0o755 };
        let created = now();
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        Node { id, replaced: 0, created, modified: created, mode, content }
    }

    /// Makes an empty file.
    fn make(&self, nodes: &mut Nodes, path: &VirtualPath) -> u64 {
        let node = self.new_node(Some(Arc::new(Content::new(&self.budget))));
        let id = node.id;
        nodes.insert(path.clone(), node);
        id
    }
}

impl Budget {
    fn reserve(&self, bytes: u64) -> Result<(), FsError> {
        let grow = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.capacity);
        let grown = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grow);
        grown.map(drop).map_err(|_| FsError::NoSpace)
    }
}

impl Content {
    fn new(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), bytes: Vec::new() }
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        self.budget.reserve(bytes.len() as u64)?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn truncate(&mut self, len: usize) {
        let gone = self.bytes.len().saturating_sub(len);
        self.bytes.truncate(len);
        self.budget.used.fetch_sub(gone as u64, Ordering::Relaxed);
    }

    fn duplicate(&self) -> Result<Self, FsError> {
        let mut copy = Self::new(&self.budget);
        copy.extend(&self.bytes)?;
        Ok(copy)
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        self.truncate(0);
    }
}

impl Node {
    fn metadata(&self) -> Metadata {
        let (kind, len) = match &self.content {
            Some(content) => (FileKind::File, content.bytes.len() as u64),
            None => (FileKind::Directory, 0),
        };
        Metadata {
            modified: Some(self.modified),
            created: Some(self.created),
            mode: Some(self.mode),
            unique: Some((0, self.id)),
            ..Metadata::new(kind, len)
        }
    }

    fn file(&self) -> Result<&Arc<Content>, FsError> {
        self.content.as_ref().ok_or(FsError::IsADirectory)
    }

    /// The bytes, to be changed. Downloads that hold them keep what they have.
    fn content_mut(&mut self) -> Result<&mut Content, FsError> {
        let content = self.content.as_mut().ok_or(FsError::IsADirectory)?;
        if Arc::get_mut(content).is_none() {
            *content = Arc::new(content.duplicate()?);
        }
        Ok(Arc::get_mut(content).expect("nobody else has got it since, for that takes the lock"))
    }
}

fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime { seconds: since.as_secs().try_into().unwrap_or(i64::MAX), nanoseconds: since.subsec_nanos() }
}

fn root() -> Node {
    Node { id: 1, replaced: 0, created: UnixTime::EPOCH, modified: UnixTime::EPOCH, mode: 0o755, content: None }
}

/// What is at the path, provided that directories lead there.
fn find<'n>(nodes: &'n mut Nodes, path: &VirtualPath) -> Result<&'n mut Node, FsError> {
    match parent(nodes, path) {
        Ok(()) => nodes.get_mut(path).ok_or(FsError::NotFound),
        Err(error) => Err(error),
    }
}

/// Whether the parent is a directory.
fn parent(nodes: &Nodes, path: &VirtualPath) -> Result<(), FsError> {
    let Some(parent) = path.parent() else { return Err(FsError::IsRoot) };
    if parent.is_root() {
        return Ok(());
    }
    match nodes.get(&parent) {
        Some(node) if node.content.is_none() => Ok(()),
        Some(_) => Err(FsError::NotADirectory),
        None => Err(FsError::NotFound),
    }
}

/// Whether anything is in the directory.
fn has_entries(nodes: &Nodes, path: &VirtualPath) -> bool {
    nodes
        .range(after(path))
        .take_while(|(other, _)| may_be_below(other, path))
        .any(|(other, _)| other.starts_with(path))
}

fn after(path: &VirtualPath) -> (Bound<&VirtualPath>, Bound<&VirtualPath>) {
    (Bound::Excluded(path), Bound::Unbounded)
}

/// Paths sort by bytes, and some bytes come before the slash: `/a!` stands between `/a` and `/a/b`.
fn may_be_below(other: &VirtualPath, path: &VirtualPath) -> bool {
    other.as_bytes().starts_with(path.as_bytes())
}

fn root_is_a_directory(error: FsError) -> FsError {
    if error == FsError::IsRoot { FsError::IsADirectory } else { error }
}

impl BlockingBackend for MemoryFs {
    fn resolve(&self, path: &VirtualPath, _follow: Follow) -> Result<VirtualPath, FsError> {
        match parent(&self.tree.lock(), path) {
            Ok(()) | Err(FsError::IsRoot) => Ok(path.clone()),
            Err(error) => Err(error),
        }
    }

    fn stat(&self, path: &VirtualPath) -> Result<Metadata, FsError> {
        match find(&mut self.tree.lock(), path) {
            Ok(node) => Ok(node.metadata()),
            Err(FsError::IsRoot) => Ok(root().metadata()),
            Err(error) => Err(error),
        }
    }

    fn list(&self, path: &VirtualPath) -> Result<Box<dyn BlockingListing>, FsError> {
        if !self.stat(path)?.is_directory() {
            return Err(FsError::NotADirectory);
        }
        Ok(Box::new(MemoryListing { tree: Arc::clone(&self.tree), directory: path.clone(), last: path.clone() }))
    }

    fn open(&self, path: &VirtualPath, offset: u64) -> Result<Box<dyn BlockingReader>, FsError> {
        let node = find(&mut self.tree.lock(), path).map_err(root_is_a_directory)?.clone();
        let content = Arc::clone(node.file()?);
        let position = within(&content, offset)?;
        Ok(Box::new(MemoryReader { metadata: node.metadata(), content, position }))
    }

    fn create(&self, path: &VirtualPath, mode: WriteMode) -> Result<Box<dyn BlockingWriter>, FsError> {
        let mut nodes = self.tree.lock();
        let (id, replaced, plan, remains) = match find(&mut nodes, path).map_err(root_is_a_directory) {
            Ok(node) => {
                let plan = Plan::for_existing(node.file()?, mode)?;
                let remains = plan.remains();
                (node.id, node.replaced, plan, remains)
            }
            Err(FsError::NotFound) if !matches!(mode, WriteMode::From(_)) => {
                parent(&nodes, path)?;
                (self.tree.make(&mut nodes, path), 0, Plan::Extend, Remains::Partial)
            }
            Err(error) => return Err(error),
        };
        let (tree, path) = (Arc::clone(&self.tree), path.clone());
        Ok(Box::new(MemoryWriter { tree, path, id, replaced, plan, remains }))
    }

    fn create_unique(
        &self,
        directory: &VirtualPath,
        prefix: &[u8],
    ) -> Result<UniqueFile<Box<dyn BlockingWriter>>, FsError> {
        let mut nodes = self.tree.lock();
        for _ in 0..100 {
            let letters: Vec<u8> = (0..8).map(|_| fastrand::lowercase() as u8).collect();
            let name = [prefix, &letters].concat();
            let path = directory.child(&name).map_err(|_| FsError::InvalidName)?;
            parent(&nodes, &path)?;
            if !nodes.contains_key(&path) {
                let id = self.tree.make(&mut nodes, &path);
                let (tree, remains) = (Arc::clone(&self.tree), Remains::Partial);
                let writer = MemoryWriter { tree, path, id, replaced: 0, plan: Plan::Extend, remains };
                return Ok(UniqueFile { name, writer: Box::new(writer) });
            }
        }
        Err(FsError::Exists)
    }

    fn make_directory(&self, path: &VirtualPath) -> Result<(), FsError> {
        let mut nodes = self.tree.lock();
        match find(&mut nodes, path) {
            Ok(_) | Err(FsError::IsRoot) => return Err(FsError::Exists),
            Err(FsError::NotFound) => parent(&nodes, path)?,
            Err(error) => return Err(error),
        }
        nodes.insert(path.clone(), self.tree.new_node(None));
        Ok(())
    }

    fn remove_directory(&self, path: &VirtualPath) -> Result<(), FsError> {
        let mut nodes = self.tree.lock();
        if find(&mut nodes, path)?.content.is_some() {
            return Err(FsError::NotADirectory);
        }
        if has_entries(&nodes, path) {
            return Err(FsError::NotEmpty);
        }
        nodes.remove(path);
        Ok(())
    }

    fn remove_file(&self, path: &VirtualPath) -> Result<(), FsError> {
        let mut nodes = self.tree.lock();
        find(&mut nodes, path).map_err(root_is_a_directory)?.file()?;
        nodes.remove(path);
        Ok(())
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<(), FsError> {
        let mut nodes = self.tree.lock();
        let is_directory = find(&mut nodes, from)?.content.is_none();
        parent(&nodes, to)?;
        if from == to {
            return Ok(());
        }
        if to.starts_with(from) {
            return Err(FsError::InvalidName);
        }
        match nodes.get(to).map(|node| node.content.is_none()) {
            Some(true) if !is_directory => return Err(FsError::IsADirectory),
            Some(false) if is_directory => return Err(FsError::NotADirectory),
            Some(true) if has_entries(&nodes, to) => return Err(FsError::NotEmpty),
            _ => {}
        }
        // All of it or nothing: some of the new paths may be too long.
        let target = |path: &VirtualPath| Some(to.join(path.strip_prefix(from)?).map(|target| (path.clone(), target)));
        let moved = nodes.keys().filter_map(target).collect::<Result<Vec<_>, _>>();
        for (path, target) in moved.map_err(|_| FsError::InvalidName)? {
            let node = nodes.remove(&path);
            nodes.extend(node.map(|node| (target, node)));
        }
        Ok(())
    }

    fn set_mode(&self, path: &VirtualPath, mode: u32) -> Result<(), FsError> {
        find(&mut self.tree.lock(), path)?.mode = mode & 0o777;
        Ok(())
    }

    fn set_modified(&self, path: &VirtualPath, time: UnixTime) -> Result<(), FsError> {
        let mut nodes = self.tree.lock();
        let node = find(&mut nodes, path).map_err(root_is_a_directory)?;
        node.file()?;
        node.modified = time;
        Ok(())
    }
}

fn within(content: &Content, offset: u64) -> Result<usize, FsError> {
    let offset = usize::try_from(offset).map_err(|_| FsError::OffsetPastEnd)?;
    if offset <= content.bytes.len() { Ok(offset) } else { Err(FsError::OffsetPastEnd) }
}

struct MemoryReader {
    metadata: Metadata,
    content: Arc<Content>,
    position: usize,
}

impl BlockingReader for MemoryReader {
    fn metadata(&mut self) -> Result<Metadata, FsError> {
        Ok(self.metadata.clone())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FsError> {
        let rest = &self.content.bytes[self.position..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.position += count;
        Ok(count)
    }
}

struct MemoryWriter {
    tree: Arc<Tree>,
    path: VirtualPath,
    /// Which file it is, should the path be another's by now.
    id: u64,
    /// As it was when the upload began.
    replaced: u64,
    plan: Plan,
    remains: Remains,
}

/// What becomes of the bytes that arrive.
enum Plan {
    /// They are kept aside until all are there.
    Replace(Content),
    /// They follow this offset, behind which the file is cut first.
    CutAndExtend(usize),
    /// They are added to the file.
    Extend,
    /// No more of them: something went wrong, and the upload is never finished.
    Fail(FsError),
}

impl Plan {
    fn for_existing(content: &Arc<Content>, mode: WriteMode) -> Result<Self, FsError> {
        Ok(match mode {
            WriteMode::Replace => Self::Replace(Content::new(&content.budget)),
            WriteMode::From(offset) => Self::CutAndExtend(within(content, offset)?),
            WriteMode::Append => Self::Extend,
        })
    }

    /// What a cut leaves of a file that was there before.
    const fn remains(&self) -> Remains {
        match self {
            Self::Replace(_) => Remains::Unchanged,
            Self::CutAndExtend(0) => Remains::Overwritten,
            Self::CutAndExtend(_) | Self::Extend | Self::Fail(_) => Remains::Extended,
        }
    }
}

impl MemoryWriter {
    /// Writes to the file, if it is still there; what arrives for one that was removed or replaced is gone, as on a disk.
    fn extend(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        let mut nodes = self.tree.lock();
        let is_there = |node: &&mut Node| node.id == self.id && node.replaced == self.replaced;
        let Some(node) = nodes.get_mut(&self.path).filter(is_there) else { return Ok(()) };
        node.modified = now();
        let content = node.content_mut()?;
        if let Plan::CutAndExtend(len) = std::mem::replace(&mut self.plan, Plan::Extend) {
            content.truncate(len);
        }
        content.extend(bytes)
    }
}

impl BlockingWriter for MemoryWriter {
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        let written = match &mut self.plan {
            Plan::Fail(error) => Err(*error),
            Plan::Replace(content) => content.extend(bytes),
            Plan::CutAndExtend(_) | Plan::Extend => self.extend(bytes),
        };
        written.inspect_err(|error| self.plan = Plan::Fail(*error))
    }

    fn finish(mut self: Box<Self>) -> Result<Metadata, FsError> {
        let plan = std::mem::replace(&mut self.plan, Plan::Extend);
        let mut nodes = self.tree.lock();
        let node = nodes.get_mut(&self.path).filter(|node| node.id == self.id).ok_or(FsError::NotFound)?;
        match plan {
            Plan::Replace(content) => {
                node.content = Some(Arc::new(content));
                node.replaced += 1;
                node.modified = now();
            }
            Plan::Fail(error) => return Err(error),
            Plan::CutAndExtend(_) | Plan::Extend if node.replaced != self.replaced => return Err(FsError::Busy),
            Plan::CutAndExtend(len) => node.content_mut()?.truncate(len),
            Plan::Extend => {}
        }
        Ok(node.metadata())
    }

    fn remains(&self) -> Remains {
        self.remains
    }
}

/// Looks up the next names each time, so that it holds nothing and locks nothing between the batches.
struct MemoryListing {
    tree: Arc<Tree>,
    directory: VirtualPath,
    last: VirtualPath,
}

impl BlockingListing for MemoryListing {
    fn next_batch(&mut self, max: usize) -> Result<Vec<Entry>, FsError> {
        let nodes = self.tree.lock();
        let mut batch = Vec::new();
        for (path, node) in nodes.range(after(&self.last)).take_while(|(path, _)| may_be_below(path, &self.directory)) {
            match path.strip_prefix(&self.directory) {
                Some(name) if !name.contains(&b'/') => {
                    batch.push(Entry::new(name.to_vec(), node.metadata()));
                    self.last = path.clone();
                }
                _ => {}
            }
            if batch.len() == max {
                break;
            }
        }
        Ok(batch)
    }
}

#[cfg(test)]
mod tests;
