//! The storage behind each action: what is looked at, changed and opened through the user's view.

use ftp_fs::{ListTarget, Located, UniqueFile, UserView};
use ftp_proto::{Change, OpenTarget, Opened, Stat, StatPurpose};
use ftp_types::{FileKind, FsError, Metadata, UserName, VirtualPath, WriteMode};

use crate::holdings::{ChangeTrace, Extent, OpenHandle};

/// Looks at a file or directory, with the right that the purpose takes.
pub(crate) async fn stat(view: &UserView, Stat { path, purpose }: Stat) -> Result<Metadata, FsError> {
    if purpose == StatPurpose::RenameSource {
        view.check_rename(&path).await?;
        // RNFR asks for nothing but whether it can go on.
        return Ok(Metadata::new(FileKind::Other, 0));
    }
    view.stat(&path, purpose.right()).await
}

/// Changes the tree.
pub(crate) async fn change(view: &UserView, change: Change) -> Result<(), FsError> {
    match change {
        Change::MakeDirectory(path) => view.make_directory(&path).await,
        Change::RemoveDirectory(path) => view.remove_directory(&path).await,
        Change::RemoveFile(path) => view.remove_file(&path).await,
        Change::Rename { from, to } => view.rename(&from, &to).await,
        Change::SetMode { path, mode } => view.set_mode(&path, mode).await,
        Change::SetModified { path, time } => view.set_modified(&path, time).await,
        _ => Err(FsError::Unsupported),
    }
}

/// Where the change really takes place.
pub(crate) fn trace(view: &UserView, change: &Change, user: UserName) -> ChangeTrace {
    let (path, before) = match change {
        Change::MakeDirectory(path) | Change::RemoveDirectory(path) | Change::RemoveFile(path) => (Some(path), None),
        Change::SetMode { path, .. } | Change::SetModified { path, .. } => (Some(path), None),
        Change::Rename { from, to } => (Some(to), Some(from)),
        _ => (None, None),
    };
    let real = |path: Option<&VirtualPath>| path.and_then(|path| view.real_path(path));
    ChangeTrace { user, real_path: real(path), real_path_before: real(before) }
}

/// Tells whether it could be opened.
pub(crate) async fn check(view: &UserView, target: OpenTarget) -> Result<(), FsError> {
    match target {
        OpenTarget::Read { path, offset } => view.check_open(&path, offset).await,
        OpenTarget::Write { path, mode } => view.check_create(&path, mode).await,
        OpenTarget::Unique { directory, .. } => {
            let unused = directory.child(b"stou.check").map_err(|_| FsError::InvalidName)?;
            view.check_create(&unused, WriteMode::Replace).await
        }
        OpenTarget::List { path, file_will_do } => view.list(&path, list_target(file_will_do)).await.map(drop),
        _ => Err(FsError::Unsupported),
    }
}

/// Opens what a transfer needs. Of a file it also tells where it was found.
pub(crate) async fn open(
    view: &UserView,
    target: OpenTarget,
) -> Result<(OpenHandle, Opened, Option<VirtualPath>), FsError> {
    match target {
        OpenTarget::Read { path, offset } => {
            let Located { path, file: mut reader } = view.open(&path, offset).await?;
            let len = match reader.opened_len() {
                Some(len) => Some(len),
                None => reader.metadata().await.ok().map(|metadata| metadata.len),
            };
            let extent = len.map(|len| Extent { offset, len });
            let len = extent.map(|Extent { offset, len }| len.saturating_sub(offset));
            Ok((OpenHandle::Reader(reader, extent), Opened { len, name: None }, Some(path)))
        }
        OpenTarget::Write { path, mode } => {
            let Located { path, file } = view.create(&path, mode).await?;
            Ok((OpenHandle::Writer(file), Opened::default(), Some(path)))
        }
        OpenTarget::Unique { directory, prefix } => {
            let Located { path, file } = view.create_unique(&directory, &prefix).await?;
            let UniqueFile { name, writer } = file;
            Ok((OpenHandle::Writer(writer), Opened { len: None, name: Some(name) }, Some(path)))
        }
        OpenTarget::List { path, file_will_do } => {
            let listing = view.list(&path, list_target(file_will_do)).await?;
            Ok((OpenHandle::Listing(listing), Opened::default(), None))
        }
        _ => Err(FsError::Unsupported),
    }
}

fn list_target(file_will_do: bool) -> ListTarget {
    if file_will_do { ListTarget::Any } else { ListTarget::Directory }
}
