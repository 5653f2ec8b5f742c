//! Rights and mounts of one user: the only door to a back end.

use std::path::PathBuf;
use std::sync::Arc;

use ftp_types::{Entry, FileKind, FsError, Link, Metadata, Permissions, Right, UnixTime, VirtualPath, WriteMode};

use crate::{Account, Backend, BoxFuture, Follow, Listing, PermissionRules, Reader, Unblock, UniqueFile, Writer};

/// The storage of a user who has logged in.
///
/// Paths are as the client gave them, joined lexically to its working directory. Each operation is first judged and
/// tried on that path. Back ends follow no link, so when there is one on the way they say so; the path is resolved
/// then, *the result is judged*, and the operation tried with it, which again follows nothing. Whoever swaps a link in
/// between gets the same treatment once more, and after a few rounds [`FsError::Busy`]. What is used is thus always
/// what was judged.
///
/// Rights come first: where they are missing the answer is [`FsError::Denied`], whether or not there is a file.
///
/// # Renaming
/// needs [`Right::Rename`] at both ends. It must not widen what the user may do: the rights at the new place may not
/// exceed those at the old one. A directory stays where it is when an override is given for it or for anything below
/// it, and nothing is moved over such a place: the overrides would come off, or apply to something else.
pub struct UserView {
    backend: Arc<dyn Backend>,
    rules: Arc<PermissionRules>,
}

/// What a listing can be asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListTarget {
    /// Directories alone (MLSD).
    Directory,
    /// Directories, and single files, whose listing is the one entry (LIST, NLST, STAT).
    Any,
}

/// A file that was opened, and where that was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The path that was used: that of the file itself, all links followed.
    pub path: VirtualPath,
    /// The open file.
    pub file: T,
}

/// What an operation needs.
#[derive(Clone, Copy)]
struct Ask {
    right: Right,
    subject: Subject,
    follow: Follow,
}

impl Ask {
    /// For an operation on what a link leads to.
    const fn of_target(right: Right, subject: Subject) -> Self {
        Self { right, subject, follow: Follow::All }
    }

    /// For an operation on the link itself.
    const fn of_itself(right: Right, subject: Subject) -> Self {
        Self { right, subject, follow: Follow::Parents }
    }

    const fn to_write(mode: WriteMode) -> Self {
        let right = match mode {
            WriteMode::Replace | WriteMode::From(_) => Right::Store,
            WriteMode::Append => Right::Append,
        };
        Self::of_target(right, Subject::NotDirectory)
    }
}

/// What kind of thing an operation can succeed with, for overrides that make a difference of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    Directory,
    /// A file, a link, or nothing yet.
    NotDirectory,
    /// Either kind: storage is asked, where an override makes it matter.
    Unknown,
    /// A new file in the directory that the path names.
    NewChild,
}

/// How often a path is resolved and tried while someone swaps links in it.
const ATTEMPTS: usize = 8;

impl UserView {
    /// The view of an account; blocking storage does its work through `unblock`.
    pub fn new(account: &Account, unblock: impl Unblock) -> Self {
        let backend = account.mounts.clone().into_backend(unblock);
        Self { backend, rules: Arc::new(account.permissions.clone()) }
    }

    /// Tells the attributes of what is at the path, links followed; `need` is the right that this takes, [`Right::List`]
    /// or [`Right::Enter`].
    ///
    /// # Errors
    /// As [`FsError`] says.
    pub async fn stat(&self, path: &VirtualPath, need: Right) -> Result<Metadata, FsError> {
        let look = if need == Right::Enter { enter_no_link } else { stat_no_link };
        let (place, mut metadata) = self.reach(path, Ask::of_target(need, Subject::Unknown), look).await?;
        metadata.rights = Some(self.rules.at(&place, metadata.is_directory()));
        Ok(metadata)
    }

    /// The path of this machine at which a path lies; see [`Backend::real_path`]. For hooks and logs: no client hears of
    /// it.
    #[must_use]
    pub fn real_path(&self, path: &VirtualPath) -> Option<PathBuf> {
        self.backend.real_path(path)
    }

    /// Opens a listing ([`Right::List`]). Each entry tells what the user may do with it.
    ///
    /// # Errors
    /// [`FsError::NotADirectory`] for files, unless `target` takes them, and others.
    pub async fn list(&self, path: &VirtualPath, target: ListTarget) -> Result<Box<dyn Listing>, FsError> {
        let ask = Ask::of_target(Right::List, Subject::Directory);
        match self.reach(path, ask, |backend, path| backend.list(path)).await {
            Ok((directory, listing)) => {
                Ok(Box::new(JudgedListing { listing, directory, rules: Arc::clone(&self.rules) }))
            }
            Err(FsError::NotADirectory | FsError::Denied) if target == ListTarget::Any => self.list_file(path).await,
            Err(error) => Err(error),
        }
    }

    async fn list_file(&self, path: &VirtualPath) -> Result<Box<dyn Listing>, FsError> {
        let metadata = self.stat(path, Right::List).await?;
        match path.file_name() {
            Some(name) if !metadata.is_directory() => {
                Ok(Box::new(SingleEntry(Some(Entry::new(name.to_vec(), metadata)))))
            }
            _ => Err(FsError::Denied),
        }
    }

    /// Opens a file for reading from `offset` on ([`Right::Retrieve`]).
    ///
    /// # Errors
    /// As for [`Backend::open`], and [`FsError::Denied`].
    pub async fn open(&self, path: &VirtualPath, offset: u64) -> Result<Located<Box<dyn Reader>>, FsError> {
        let ask = Ask::of_target(Right::Retrieve, Subject::NotDirectory);
        let (path, file) = self.reach(path, ask, |backend, path| backend.open(path, offset)).await?;
        Ok(Located { path, file })
    }

    /// Tells the errors that [`open`](Self::open) would give, as far as that goes without opening the file.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub async fn check_open(&self, path: &VirtualPath, offset: u64) -> Result<(), FsError> {
        let metadata = self.at(path, Ask::of_target(Right::Retrieve, Subject::NotDirectory), stat_no_link).await?;
        check_regular(&metadata)?;
        if offset <= metadata.len { Ok(()) } else { Err(FsError::OffsetPastEnd) }
    }

    /// Opens a file for writing ([`Right::Append`] to append, else [`Right::Store`]).
    ///
    /// # Errors
    /// As for [`Backend::create`], and [`FsError::Denied`].
    pub async fn create(&self, path: &VirtualPath, mode: WriteMode) -> Result<Located<Box<dyn Writer>>, FsError> {
        let ask = Ask::to_write(mode);
        let (path, file) = self.reach(path, ask, |backend, path| backend.create(path, mode)).await?;
        Ok(Located { path, file })
    }

    /// Tells the errors that [`create`](Self::create) would give, as far as that goes without making a file.
    ///
    /// # Errors
    /// As for [`create`](Self::create).
    pub async fn check_create(&self, path: &VirtualPath, mode: WriteMode) -> Result<(), FsError> {
        let found = self.at(path, Ask::to_write(mode), stat_no_link).await;
        match (found, mode) {
            (Ok(metadata), WriteMode::From(offset)) if metadata.is_file() && offset > metadata.len => {
                Err(FsError::OffsetPastEnd)
            }
            (Ok(metadata), _) => check_regular(&metadata),
            (Err(FsError::NotFound), WriteMode::Replace | WriteMode::Append) => self.check_parent(path).await,
            (Err(error), _) => Err(error),
        }
    }

    /// A file that does not exist can be made if it has a directory to be in, and is not the end of a dangling link.
    async fn check_parent(&self, path: &VirtualPath) -> Result<(), FsError> {
        let place = self.backend.resolve(path, Follow::All).await?;
        let parent = place.parent().ok_or(FsError::IsADirectory)?;
        let metadata = self.backend.stat(&parent).await?;
        if metadata.is_directory() { Ok(()) } else { Err(FsError::NotADirectory) }
    }

    /// Makes a file with a new name in a directory ([`Right::Store`]).
    ///
    /// # Errors
    /// As for [`Backend::create_unique`], and [`FsError::Denied`].
    pub async fn create_unique(
        &self,
        directory: &VirtualPath,
        prefix: &[u8],
    ) -> Result<Located<UniqueFile<Box<dyn Writer>>>, FsError> {
        let prefix = prefix.to_vec();
        let ask = Ask::of_target(Right::Store, Subject::NewChild);
        let made = self.reach(directory, ask, |backend, directory| {
            let prefix = prefix.clone();
            Box::pin(async move { backend.create_unique(directory, &prefix).await })
        });
        let (directory, file) = made.await?;
        let path = directory.child(&file.name).map_err(|_| FsError::InvalidName)?;
        Ok(Located { path, file })
    }

    /// Makes a directory ([`Right::MakeDirectory`]).
    ///
    /// # Errors
    /// As for [`Backend::make_directory`], and [`FsError::Denied`].
    pub async fn make_directory(&self, path: &VirtualPath) -> Result<(), FsError> {
        let ask = Ask::of_itself(Right::MakeDirectory, Subject::NotDirectory);
        self.at(path, ask, |backend, path| backend.make_directory(path)).await
    }

    /// Removes an empty directory ([`Right::Delete`]).
    ///
    /// # Errors
    /// As for [`Backend::remove_directory`], and [`FsError::Denied`].
    pub async fn remove_directory(&self, path: &VirtualPath) -> Result<(), FsError> {
        let ask = Ask::of_itself(Right::Delete, Subject::Directory);
        self.at(path, ask, |backend, path| backend.remove_directory(path)).await
    }

    /// Removes a file, or a link and not what it leads to ([`Right::Delete`]).
    ///
    /// # Errors
    /// As for [`Backend::remove_file`], and [`FsError::Denied`].
    pub async fn remove_file(&self, path: &VirtualPath) -> Result<(), FsError> {
        let ask = Ask::of_itself(Right::Delete, Subject::NotDirectory);
        self.at(path, ask, |backend, path| backend.remove_file(path)).await
    }

    /// Tells whether something is there that may be renamed ([`Right::Rename`]).
    ///
    /// # Errors
    /// [`FsError::IsRoot`], [`FsError::NotFound`], [`FsError::Denied`] and others.
    pub async fn check_rename(&self, from: &VirtualPath) -> Result<(), FsError> {
        if from.is_root() {
            return Err(FsError::IsRoot);
        }
        let ask = Ask::of_itself(Right::Rename, Subject::Unknown);
        let (place, _) = self.reach(from, ask, |backend, path| backend.stat(path)).await?;
        if self.rules.pin(&place) { Err(FsError::Denied) } else { Ok(()) }
    }

    /// Gives a file, link or directory another path; see [Renaming](Self#renaming).
    ///
    /// # Errors
    /// As for [`Backend::rename`], and [`FsError::Denied`].
    pub async fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<(), FsError> {
        if from.is_root() || to.is_root() {
            return Err(FsError::IsRoot);
        }
        let (mut source, mut destination) = (from.clone(), to.clone());
        for attempt in 0..ATTEMPTS {
            let allowed = self.may_rename(&source, &destination).await;
            if allowed {
                match self.backend.rename(&source, &destination).await {
                    Err(FsError::IsLink) => {}
                    result => return result,
                }
            } else if attempt > 0 || self.rules.overrides().is_empty() {
                return Err(FsError::Denied);
            }
            let hide = |error| if allowed { error } else { FsError::Denied };
            source = self.backend.resolve(from, Follow::Parents).await.map_err(hide)?;
            destination = self.backend.resolve(to, Follow::Parents).await.map_err(hide)?;
        }
        Err(FsError::Busy)
    }

    async fn may_rename(&self, source: &VirtualPath, destination: &VirtualPath) -> bool {
        if self.rules.overrides().is_empty() {
            return self.rules.base().allows(Right::Rename);
        }
        let is_directory = self.is_directory(source).await;
        let before = self.rules.at(source, is_directory);
        let after = self.rules.at(destination, is_directory);
        before.allows(Right::Rename)
            && after.allows(Right::Rename)
            && (after - before).is_empty()
            && !self.rules.pin(source)
            && !self.rules.pin(destination)
    }

    /// Changes the permission bits ([`Right::ChangeMode`]).
    ///
    /// # Errors
    /// As for [`Backend::set_mode`], and [`FsError::Denied`].
    pub async fn set_mode(&self, path: &VirtualPath, mode: u32) -> Result<(), FsError> {
        let ask = Ask::of_target(Right::ChangeMode, Subject::Unknown);
        self.at(path, ask, |backend, path| backend.set_mode(path, mode)).await
    }

    /// Changes the time of last modification of a file ([`Right::ChangeTime`]).
    ///
    /// # Errors
    /// As for [`Backend::set_modified`], and [`FsError::Denied`].
    pub async fn set_modified(&self, path: &VirtualPath, time: UnixTime) -> Result<(), FsError> {
        let ask = Ask::of_target(Right::ChangeTime, Subject::NotDirectory);
        self.at(path, ask, |backend, path| backend.set_modified(path, time)).await
    }

    /// [`reach`](Self::reach) for those who do not ask where they got.
    async fn at<T, F>(&self, path: &VirtualPath, ask: Ask, operation: F) -> Result<T, FsError>
    where
        F: for<'a> Fn(&'a dyn Backend, &'a VirtualPath) -> BoxFuture<'a, Result<T, FsError>> + Send + Sync,
    {
        Ok(self.reach(path, ask, operation).await?.1)
    }

    /// Judges a path and does the operation with it, as the type's documentation says. Tells the path that worked.
    async fn reach<T, F>(&self, path: &VirtualPath, ask: Ask, operation: F) -> Result<(VirtualPath, T), FsError>
    where
        F: for<'a> Fn(&'a dyn Backend, &'a VirtualPath) -> BoxFuture<'a, Result<T, FsError>> + Send + Sync,
    {
        let mut place = path.clone();
        for attempt in 0..ATTEMPTS {
            let allowed = self.allows(&place, ask).await;
            if allowed {
                match operation(&*self.backend, &place).await {
                    Err(FsError::IsLink) => {}
                    result => return result.map(|result| (place, result)),
                }
            } else if attempt > 0 || self.rules.overrides().is_empty() {
                return Err(FsError::Denied);
            }
            let hide = |error| if allowed { error } else { FsError::Denied };
            place = self.backend.resolve(path, ask.follow).await.map_err(hide)?;
        }
        Err(FsError::Busy)
    }

    async fn allows(&self, place: &VirtualPath, ask: Ask) -> bool {
        let Ask { right, .. } = ask;
        let is_directory = match ask.subject {
            Subject::Directory => true,
            Subject::NotDirectory => false,
            Subject::Unknown => self.rules.depend_on_kind(place, right) && self.is_directory(place).await,
            Subject::NewChild => return self.allows_new_child(place, right),
        };
        self.rules.at(place, is_directory).allows(right)
    }

    fn allows_new_child(&self, directory: &VirtualPath, right: Right) -> bool {
        // Overrides are for directories, and no directory has the name of a file that is yet to be made: any will do.
        directory.child(b"\n").is_ok_and(|child| self.rules.at(&child, false).allows(right))
    }

    async fn is_directory(&self, place: &VirtualPath) -> bool {
        self.backend.stat(place).await.is_ok_and(|metadata| metadata.is_directory())
    }
}

/// The attributes of anything but a link, which is to be followed first.
fn stat_no_link<'a>(backend: &'a dyn Backend, path: &'a VirtualPath) -> BoxFuture<'a, Result<Metadata, FsError>> {
    Box::pin(async move { no_link(backend.stat(path).await?) })
}

/// The same for what is to be entered.
fn enter_no_link<'a>(backend: &'a dyn Backend, path: &'a VirtualPath) -> BoxFuture<'a, Result<Metadata, FsError>> {
    Box::pin(async move { no_link(backend.enter(path).await?) })
}

fn no_link(metadata: Metadata) -> Result<Metadata, FsError> {
    if metadata.kind == FileKind::Symlink { Err(FsError::IsLink) } else { Ok(metadata) }
}

const fn check_regular(metadata: &Metadata) -> Result<(), FsError> {
    if metadata.is_file() {
        Ok(())
    } else if metadata.is_directory() {
        Err(FsError::IsADirectory)
    } else {
        Err(FsError::NotRegular)
    }
}

/// A listing that tells the rights of each entry.
struct JudgedListing {
    listing: Box<dyn Listing>,
    directory: VirtualPath,
    rules: Arc<PermissionRules>,
}

impl JudgedListing {
    fn judge(&self, entry: &mut Entry) {
        let own = self.rights_of_name(&entry.name, entry.metadata.is_directory());
        let rights = match &entry.link {
            None => own,
            Some(link) => self.rights_of_link(link, own),
        };
        entry.metadata.rights = Some(rights);
        if let Some(link) = &mut entry.link {
            if !rights.allows(Right::List) {
                // What MLST would not tell of the other end, a listing does not tell either; CWD tells that much.
                let entered = link.metadata.take_if(|found| found.is_directory() && rights.allows(Right::Enter));
                link.metadata = entered.map(|found| Metadata::new(found.kind, 0));
            }
            link.metadata.iter_mut().for_each(|metadata| metadata.rights = Some(rights));
        }
    }

    fn rights_of_name(&self, name: &[u8], is_directory: bool) -> Permissions {
        if self.rules.overrides().is_empty() {
            return self.rules.base();
        }
        self.directory.child(name).map_or(Permissions::NONE, |path| self.rules.at(&path, is_directory))
    }

    /// What DELE and RNFR do, they do to the link itself; everything else is done to what it leads to.
    fn rights_of_link(&self, link: &Link, own: Permissions) -> Permissions {
        let on_itself = Permissions::NONE.with(Right::Delete).with(Right::Rename);
        let beyond = match (&link.path, &link.metadata) {
            (Some(path), Some(metadata)) => self.rules.at(path, metadata.is_directory()),
            _ => Permissions::NONE,
        };
        (own & on_itself) | (beyond - on_itself)
    }
}

impl Listing for JudgedListing {
    fn next_batch(&mut self, max: usize) -> BoxFuture<'_, Result<Vec<Entry>, FsError>> {
        Box::pin(async move {
            let mut batch = self.listing.next_batch(max).await?;
            batch.iter_mut().for_each(|entry| self.judge(entry));
            Ok(batch)
        })
    }
}

/// The listing of a file.
struct SingleEntry(Option<Entry>);

impl Listing for SingleEntry {
    fn next_batch(&mut self, _max: usize) -> BoxFuture<'_, Result<Vec<Entry>, FsError>> {
        let entries = self.0.take().into_iter().collect();
        Box::pin(async move { Ok(entries) })
    }
}
