//! Several storages in one tree.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use ftp_types::{Entry, FileKind, FsError, Link, Metadata, UnixTime, VirtualPath, WriteMode};

use crate::{Backend, BoxFuture, Follow, Listing, Reader, Storage, Unblock, UniqueFile, Writer};

/// A home and further storages at places below it.
///
/// The mount point with the longest matching path takes an operation, whether or not the storage around it has a
/// directory there; it appears in the listing of the directory above. It can be neither removed nor renamed, nor can
/// the directories that lead to it. Links never lead from one storage into another.
#[derive(Clone)]
pub struct Mounts {
    home: Storage,
    others: Vec<(VirtualPath, Storage)>,
}

/// Why a storage cannot be mounted at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MountError {
    /// The root is where the home is.
    AtRoot,
    /// Another storage has this mount point.
    Taken,
}

impl Mounts {
    /// A home alone.
    #[must_use]
    pub const fn new(home: Storage) -> Self {
        Self { home, others: Vec::new() }
    }

    /// The same with one more storage at `point`.
    ///
    /// # Errors
    /// [`MountError`] when the mount point is the root or taken.
    pub fn with(mut self, point: VirtualPath, storage: Storage) -> Result<Self, MountError> {
        if point.is_root() {
            return Err(MountError::AtRoot);
        }
        if self.others.iter().any(|(taken, _)| *taken == point) {
            return Err(MountError::Taken);
        }
        self.others.push((point, storage));
        Ok(self)
    }

    /// The storage at the root.
    #[must_use]
    pub const fn home(&self) -> &Storage {
        &self.home
    }

    /// All of it as one back end; blocking ones do their work through `unblock`.
    pub fn into_backend(self, unblock: impl Unblock) -> Arc<dyn Backend> {
        let home = self.home.into_backend(unblock.clone());
        if self.others.is_empty() {
            return home;
        }
        let mut mounts: Vec<Mount> = (self.others.into_iter())
            .map(|(point, storage)| Mount { point, backend: storage.into_backend(unblock.clone()) })
            .collect();
        mounts.push(Mount { point: VirtualPath::root(), backend: home });
        mounts.sort_by_key(|mount| std::cmp::Reverse(mount.point.as_bytes().len()));
        Arc::new(MountTree(mounts.into()))
    }
}

/// From the longest mount point to the root, which is always there.
#[derive(Clone)]
struct MountTree(Arc<[Mount]>);

struct Mount {
    point: VirtualPath,
    backend: Arc<dyn Backend>,
}

impl MountTree {
    /// The mount that a path belongs to, and the path inside it.
    fn locate(&self, path: &VirtualPath) -> (&Mount, VirtualPath) {
        let inside = |mount| Some((mount, path.strip_prefix(&Mount::point(mount))?));
        let (mount, rest) = self.0.iter().find_map(inside).expect("the root contains every path");
        (mount, VirtualPath::parse(rest).expect("a part of a path is a path"))
    }

    /// Whether a mount point lies at the path or below.
    fn leads_to_a_mount(&self, path: &VirtualPath) -> bool {
        self.0.iter().any(|mount| mount.point.starts_with(path))
    }

    /// What is told of a path: directories that no storage has are there all the same, if they lead to a mount point.
    fn or_way_to_a_mount(&self, path: &VirtualPath, told: Result<Metadata, FsError>) -> Result<Metadata, FsError> {
        match told {
            Err(FsError::NotFound) if self.leads_to_a_mount(path) => Ok(Metadata::new(FileKind::Directory, 0)),
            told => told,
        }
    }

    /// The names in a directory behind which mount points lie.
    fn names_below(&self, path: &VirtualPath) -> BTreeSet<Vec<u8>> {
        let next = |mount: &Mount| {
            let rest = mount.point.strip_prefix(path)?;
            let name = rest.split(|byte| *byte == b'/').next()?;
            (!name.is_empty()).then(|| name.to_vec())
        };
        self.0.iter().filter_map(next).collect()
    }

    /// The path in the whole tree of something inside a mount.
    ///
    /// # Errors
    /// [`FsError::Outside`] when the place is covered by another mount: a link has led there.
    fn outward(&self, mount: &Mount, inner: &VirtualPath) -> Result<VirtualPath, FsError> {
        let path = mount.point.join(inner.relative()).map_err(|_| FsError::InvalidName)?;
        let (owner, _) = self.locate(&path);
        if owner.point == mount.point { Ok(path) } else { Err(FsError::Outside) }
    }

    fn link_outward(&self, mount: &Mount, link: Link) -> Link {
        let Some(path) = link.path else { return Link { text: self.text_outward(mount, link.text), ..link } };
        match self.outward(mount, &path) {
            Ok(path) => Link { text: self.text_outward(mount, link.text), path: Some(path), ..link },
            Err(_) => Link::default(),
        }
    }

    fn text_outward(&self, mount: &Mount, text: Option<Vec<u8>>) -> Option<Vec<u8>> {
        let text = text?;
        if text.first() != Some(&b'/') {
            return Some(text);
        }
        let path = self.outward(mount, &VirtualPath::parse(&text).ok()?).ok()?;
        Some(path.as_bytes().to_vec())
    }

    async fn open_listing(&self, path: &VirtualPath) -> Result<Box<dyn Listing>, FsError> {
        let (mount, inner) = self.locate(path);
        let names = self.names_below(path);
        let listing = match mount.backend.list(&inner).await {
            Ok(listing) => Some(listing),
            Err(FsError::NotFound) if !names.is_empty() => None,
            Err(error) => return Err(error),
        };
        let mut points = Vec::with_capacity(names.len());
        for name in &names {
            let point = path.child(name).map_err(|_| FsError::InvalidName)?;
            let metadata = self.stat(&point).await.unwrap_or(Metadata::new(FileKind::Directory, 0));
            points.push(Entry::new(name.clone(), metadata));
        }
        Ok(Box::new(MountListing { tree: self.clone(), directory: path.clone(), listing, points, names }))
    }
}

impl Mount {
    fn point(&self) -> VirtualPath {
        self.point.clone()
    }
}

impl Backend for MountTree {
    fn resolve<'a>(&'a self, path: &'a VirtualPath, follow: Follow) -> BoxFuture<'a, Result<VirtualPath, FsError>> {
        Box::pin(async move {
            let (mount, inner) = self.locate(path);
            match mount.backend.resolve(&inner, follow).await {
                Ok(resolved) => self.outward(mount, &resolved),
                Err(FsError::NotFound) if self.leads_to_a_mount(path) => Ok(path.clone()),
                Err(error) => Err(error),
            }
        })
    }

    fn stat<'a>(&'a self, path: &'a VirtualPath) -> BoxFuture<'a, Result<Metadata, FsError>> {
        Box::pin(async move {
            let (mount, inner) = self.locate(path);
            self.or_way_to_a_mount(path, mount.backend.stat(&inner).await)
        })
    }

    fn enter<'a>(&'a self, path: &'a VirtualPath) -> BoxFuture<'a, Result<Metadata, FsError>> {
        Box::pin(async move {
            let (mount, inner) = self.locate(path);
            self.or_way_to_a_mount(path, mount.backend.enter(&inner).await)
        })
    }

    fn list<'a>(&'a self, path: &'a VirtualPath) -> BoxFuture<'a, Result<Box<dyn Listing>, FsError>> {
        Box::pin(self.open_listing(path))
    }

    fn open<'a>(&'a self, path: &'a VirtualPath, offset: u64) -> BoxFuture<'a, Result<Box<dyn Reader>, FsError>> {
        let (mount, inner) = self.locate(path);
        Box::pin(async move { mount.backend.open(&inner, offset).await })
    }

    fn create<'a>(&'a self, path: &'a VirtualPath, mode: WriteMode) -> BoxFuture<'a, Result<Box<dyn Writer>, FsError>> {
        let (mount, inner) = self.locate(path);
        Box::pin(async move { mount.backend.create(&inner, mode).await })
    }

    fn create_unique<'a>(
        &'a self,
        directory: &'a VirtualPath,
        prefix: &'a [u8],
    ) -> BoxFuture<'a, Result<UniqueFile<Box<dyn Writer>>, FsError>> {
        let (mount, inner) = self.locate(directory);
        Box::pin(async move { mount.backend.create_unique(&inner, prefix).await })
    }

    fn make_directory<'a>(&'a self, path: &'a VirtualPath) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(async move {
            if self.leads_to_a_mount(path) {
                return Err(FsError::Exists);
            }
            let (mount, inner) = self.locate(path);
            mount.backend.make_directory(&inner).await
        })
    }

    fn remove_directory<'a>(&'a self, path: &'a VirtualPath) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(async move {
            if self.leads_to_a_mount(path) {
                return Err(FsError::IsRoot);
            }
            let (mount, inner) = self.locate(path);
            mount.backend.remove_directory(&inner).await
        })
    }

    fn remove_file<'a>(&'a self, path: &'a VirtualPath) -> BoxFuture<'a, Result<(), FsError>> {
        let (mount, inner) = self.locate(path);
        Box::pin(async move { mount.backend.remove_file(&inner).await })
    }

    fn rename<'a>(&'a self, from: &'a VirtualPath, to: &'a VirtualPath) -> BoxFuture<'a, Result<(), FsError>> {
        Box::pin(async move {
            if self.leads_to_a_mount(from) || self.leads_to_a_mount(to) {
                return Err(FsError::IsRoot);
            }
            let ((source, from), (destination, to)) = (self.locate(from), self.locate(to));
            if source.point != destination.point {
                return Err(FsError::CrossesStorage);
            }
            source.backend.rename(&from, &to).await
        })
    }

    fn set_mode<'a>(&'a self, path: &'a VirtualPath, mode: u32) -> BoxFuture<'a, Result<(), FsError>> {
        let (mount, inner) = self.locate(path);
        Box::pin(async move { mount.backend.set_mode(&inner, mode).await })
    }

    fn set_modified<'a>(&'a self, path: &'a VirtualPath, time: UnixTime) -> BoxFuture<'a, Result<(), FsError>> {
        let (mount, inner) = self.locate(path);
        Box::pin(async move { mount.backend.set_modified(&inner, time).await })
    }

    fn real_path(&self, path: &VirtualPath) -> Option<PathBuf> {
        let (mount, inner) = self.locate(path);
        mount.backend.real_path(&inner)
    }
}

/// A directory with the mount points in it first, in place of what they cover.
struct MountListing {
    tree: MountTree,
    directory: VirtualPath,
    /// `None` when there is nothing but mount points.
    listing: Option<Box<dyn Listing>>,
    /// Those not yet listed.
    points: Vec<Entry>,
    names: BTreeSet<Vec<u8>>,
}

impl MountListing {
    async fn batch(&mut self, max: usize) -> Result<Vec<Entry>, FsError> {
        if !self.points.is_empty() {
            let taken = max.min(self.points.len());
            return Ok(self.points.drain(..taken).collect());
        }
        let Some(listing) = &mut self.listing else { return Ok(Vec::new()) };
        loop {
            let mut batch = listing.next_batch(max).await?;
            let was_last = batch.is_empty();
            batch.retain(|entry| !self.names.contains(&entry.name));
            if was_last || !batch.is_empty() {
                return Ok(batch);
            }
        }
    }
}

impl Listing for MountListing {
    fn next_batch(&mut self, max: usize) -> BoxFuture<'_, Result<Vec<Entry>, FsError>> {
        Box::pin(async move {
            let mut batch = self.batch(max).await?;
            let (mount, _) = self.tree.locate(&self.directory);
            for entry in &mut batch {
                entry.link = entry.link.take().map(|link| Box::new(self.tree.link_outward(mount, *link)));
            }
            Ok(batch)
        })
    }
}

impl fmt::Display for MountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtRoot => "nothing can be mounted over the home directory",
            Self::Taken => "something is mounted there already",
        })
    }
}

impl std::error::Error for MountError {}
