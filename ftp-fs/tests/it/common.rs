//! What several tests need.

use ftp_fs::{Account, Override, PermissionRules, Storage, Unblock, UserView};
use ftp_types::{Entry, FsError, Permissions, UserName, VirtualPath, WriteMode};
use futures_lite::future::block_on;

/// Runs the work on the spot.
#[derive(Clone)]
pub(crate) struct Inline;

impl Unblock for Inline {
    async fn unblock<T, F>(&self, work: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        work()
    }
}

pub(crate) fn path(text: &str) -> VirtualPath {
    VirtualPath::try_from(text).unwrap()
}

pub(crate) fn user(name: &str) -> UserName {
    name.parse().unwrap()
}

pub(crate) fn rule(at: &str, letters: &str, recursive: bool) -> Override {
    Override { path: path(at), permissions: letters.parse().unwrap(), recursive }
}

/// A view of a storage, with a base set of letters and overrides.
pub(crate) fn view(storage: Storage, letters: &str, overrides: &[(&str, &str, bool)]) -> UserView {
    let base = PermissionRules::new(letters.parse().unwrap());
    let add = |rules: PermissionRules, (at, letters, recursive): &(&str, &str, bool)| {
        rules.with_override(rule(at, letters, *recursive))
    };
    let rules = overrides.iter().fold(base, add);
    UserView::new(&Account::new(user("tester"), storage, Permissions::NONE).with_permissions(rules), Inline)
}

pub(crate) fn put(view: &UserView, at: &str, content: &str) -> Result<(), FsError> {
    upload(view, at, WriteMode::Replace, content)
}

pub(crate) fn upload(view: &UserView, at: &str, mode: WriteMode, content: &str) -> Result<(), FsError> {
    block_on(async {
        let mut writer = view.create(&path(at), mode).await?.file;
        writer.write_all(content.as_bytes().to_vec()).await.1?;
        writer.finish().await.map(drop)
    })
}

pub(crate) fn get(view: &UserView, at: &str) -> Result<String, FsError> {
    block_on(async {
        let mut reader = view.open(&path(at), 0).await?.file;
        let (mut buffer, count) = reader.read(vec![0; 1000]).await;
        buffer.truncate(count?);
        Ok(String::from_utf8(buffer).unwrap())
    })
}

pub(crate) fn list(view: &UserView, at: &str) -> Result<Vec<Entry>, FsError> {
    block_on(async {
        let mut listing = view.list(&path(at), ftp_fs::ListTarget::Any).await?;
        let mut entries = listing.next_batch(1000).await?;
        entries.extend(listing.next_batch(1000).await?);
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    })
}

/// The names in a directory, with the letters of each.
pub(crate) fn rights(view: &UserView, at: &str) -> Vec<(String, String)> {
    let shown = |entry: Entry| {
        let rights = entry.metadata.rights.unwrap().to_string();
        (String::from_utf8(entry.name).unwrap(), rights)
    };
    list(view, at).unwrap().into_iter().map(shown).collect()
}
