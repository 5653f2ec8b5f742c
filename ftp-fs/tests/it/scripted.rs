//! Storage that answers otherwise than a tree at rest: what changes under an operation, and what others say of it.

use std::sync::{Arc, Mutex};

use ftp_fs::{
    BlockingBackend, BlockingListing, BlockingReader, BlockingWriter, Follow, ListTarget, MemoryFs, Storage,
    UniqueFile, UserView,
};
use ftp_types::{FsError, Metadata, Right, UnixTime, VirtualPath, WriteMode};
use futures_lite::future::block_on;

use crate::common::{get, list, path, put, view};

/// A tree in memory that says of some things what `says` says. Of links, it knows none: each path is its own place.
struct Scripted {
    tree: MemoryFs,
    says: fn(&'static str, &[u8]) -> Result<(), FsError>,
    asked: Asked,
}

/// The operations that were tried, in their order.
type Asked = Arc<Mutex<Vec<&'static str>>>;

impl Scripted {
    fn ask(&self, operation: &'static str, path: &VirtualPath) -> Result<&MemoryFs, FsError> {
        self.asked.lock().unwrap().push(operation);
        (self.says)(operation, path.as_bytes()).map(|()| &self.tree)
    }
}

impl BlockingBackend for Scripted {
    fn resolve(&self, path: &VirtualPath, _: Follow) -> Result<VirtualPath, FsError> {
        self.ask("resolve", path).map(|_| path.clone())
    }

    fn stat(&self, path: &VirtualPath) -> Result<Metadata, FsError> {
        self.ask("stat", path)?.stat(path)
    }

    fn enter(&self, path: &VirtualPath) -> Result<Metadata, FsError> {
        self.ask("enter", path)?.enter(path)
    }

    fn list(&self, path: &VirtualPath) -> Result<Box<dyn BlockingListing>, FsError> {
        self.ask("list", path)?.list(path)
    }

    fn open(&self, path: &VirtualPath, offset: u64) -> Result<Box<dyn BlockingReader>, FsError> {
        self.ask("open", path)?.open(path, offset)
    }

    fn create(&self, path: &VirtualPath, mode: WriteMode) -> Result<Box<dyn BlockingWriter>, FsError> {
        self.ask("create", path)?.create(path, mode)
    }

    fn create_unique(
        &self,
        directory: &VirtualPath,
        prefix: &[u8],
    ) -> Result<UniqueFile<Box<dyn BlockingWriter>>, FsError> {
        self.ask("create_unique", directory)?.create_unique(directory, prefix)
    }

    fn make_directory(&self, path: &VirtualPath) -> Result<(), FsError> {
        self.ask("make_directory", path)?.make_directory(path)
    }

    fn remove_directory(&self, path: &VirtualPath) -> Result<(), FsError> {
        self.ask("remove_directory", path)?.remove_directory(path)
    }

    fn remove_file(&self, path: &VirtualPath) -> Result<(), FsError> {
        self.ask("remove_file", path)?.remove_file(path)
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<(), FsError> {
        self.ask("rename", from)?.rename(from, to)
    }

    fn set_mode(&self, path: &VirtualPath, mode: u32) -> Result<(), FsError> {
        self.ask("set_mode", path)?.set_mode(path, mode)
    }

    fn set_modified(&self, path: &VirtualPath, time: UnixTime) -> Result<(), FsError> {
        self.ask("set_modified", path)?.set_modified(path, time)
    }
}

/// A view of `/file` and `/in` that may do everything, and what storage is asked for it.
fn scripted(
    says: fn(&'static str, &[u8]) -> Result<(), FsError>,
    overrides: &[(&str, &str, bool)],
) -> (UserView, Asked) {
    let tree = MemoryFs::new();
    tree.make_directory(&path("/in")).unwrap();
    tree.create(&path("/file"), WriteMode::Replace).unwrap().finish().unwrap();
    let asked = Asked::default();
    let storage = Storage::blocking(Scripted { tree, says, asked: Arc::clone(&asked) });
    (view(storage, "elradfmwMT", overrides), asked)
}

/// Whoever swaps a link in at every look gets no further by it.
#[test]
fn what_is_a_link_whenever_it_is_used_and_none_when_it_is_resolved_is_busy() {
    type Attempt = fn(&UserView) -> Result<(), FsError>;
    let attempts: &[(&str, Attempt)] = &[
        ("stat", |view| block_on(view.stat(&path("/file"), Right::List)).map(drop)),
        ("enter", |view| block_on(view.stat(&path("/in"), Right::Enter)).map(drop)),
        ("stat", |view| block_on(view.check_open(&path("/file"), 0))),
        ("stat", |view| block_on(view.check_create(&path("/file"), WriteMode::Replace))),
        ("stat", |view| block_on(view.check_rename(&path("/file")))),
        ("list", |view| list(view, "/in").map(drop)),
        ("list", |view| block_on(view.list(&path("/in"), ListTarget::Directory)).map(drop)),
        ("open", |view| get(view, "/file").map(drop)),
        ("create", |view| put(view, "/file", "x")),
        ("create_unique", |view| block_on(view.create_unique(&path("/in"), b"x")).map(drop)),
        ("make_directory", |view| block_on(view.make_directory(&path("/in/new")))),
        ("remove_directory", |view| block_on(view.remove_directory(&path("/in")))),
        ("remove_file", |view| block_on(view.remove_file(&path("/file")))),
        ("rename", |view| block_on(view.rename(&path("/file"), &path("/new")))),
        ("set_mode", |view| block_on(view.set_mode(&path("/file"), 0o600))),
        ("set_modified", |view| block_on(view.set_modified(&path("/file"), UnixTime::EPOCH))),
    ];
    let swapped = |operation: &str, _: &[u8]| if operation == "resolve" { Ok(()) } else { Err(FsError::IsLink) };
    for (operation, attempt) in attempts {
        let (view, asked) = scripted(swapped, &[]);
        assert_eq!(attempt(&view), Err(FsError::Busy), "{operation}");
        let asked = asked.lock().unwrap();
        let tried = asked.iter().filter(|asked| *asked == operation).count();
        assert!((2..=8).contains(&tried), "{operation}: {asked:?}");
        assert!(asked.iter().all(|asked| asked == operation || ["resolve", "stat"].contains(asked)), "{asked:?}");
    }
}

#[test]
fn what_became_a_directory_after_it_was_listed_as_a_file_is_not_told_as_one() {
    let was_a_file = |operation: &str, path: &[u8]| match (operation, path) {
        ("list", b"/in") => Err(FsError::NotADirectory),
        _ => Ok(()),
    };
    let (view, _) = scripted(was_a_file, &[]);
    assert_eq!(list(&view, "/in").err(), Some(FsError::Denied));
    assert_eq!(block_on(view.list(&path("/in"), ListTarget::Directory)).err(), Some(FsError::NotADirectory));
}

/// Some storage knows nothing below a file, and says no more than that.
#[test]
fn nothing_can_be_made_below_a_file_of_which_storage_says_nothing_is_there() {
    let flat = |operation: &str, path: &[u8]| match (operation, path) {
        ("stat", b"/file/new" | b"/in/new") => Err(FsError::NotFound),
        _ => Ok(()),
    };
    let (view, _) = scripted(flat, &[]);
    assert_eq!(block_on(view.check_create(&path("/file/new"), WriteMode::Append)), Err(FsError::NotADirectory));
    assert_eq!(block_on(view.check_create(&path("/in/new"), WriteMode::Append)), Ok(()));
}

#[test]
fn what_resolving_says_is_for_those_who_may_do_the_thing() {
    let odd = |operation: &str, _: &[u8]| match operation {
        "resolve" => Err(FsError::Outside),
        "stat" => Ok(()),
        _ => Err(FsError::IsLink),
    };
    let try_all = |overrides: &[(&str, &str, bool)]| {
        let (view, _) = scripted(odd, overrides);
        let renamed = block_on(view.rename(&path("/file"), &path("/new")));
        [get(&view, "/file").map(drop), renamed, block_on(view.remove_file(&path("/file")))]
    };
    assert_eq!(try_all(&[]), [Err(FsError::Outside); 3]);
    assert_eq!(try_all(&[("/in", "", true)]), [Err(FsError::Outside); 3]);
    assert_eq!(try_all(&[("/file", "el", true)]), [Err(FsError::Denied); 3]);
}

#[test]
fn where_no_override_could_change_the_answer_storage_is_not_asked() {
    let (view, asked) = scripted(|_, _| Ok(()), &[]);
    drop((get(&view, "/file"), put(&view, "/file", "x")));
    assert_eq!(*asked.lock().unwrap(), ["open", "create"]);
    let (view, asked) = scripted(|_, _| Ok(()), &[("/in", "f", false)]);
    assert_eq!(block_on(view.set_mode(&path("/file"), 0o600)), Ok(()));
    assert_eq!(*asked.lock().unwrap(), ["set_mode"]);
    assert_eq!(block_on(view.set_mode(&path("/in/new"), 0o600)), Err(FsError::Denied));
    assert_eq!(*asked.lock().unwrap(), ["set_mode", "stat", "resolve", "stat"]);
}

#[test]
fn to_be_entered_is_asked_for_what_is_to_be_entered_and_not_for_what_is_looked_at() {
    let closed = |operation: &str, _: &[u8]| if operation == "enter" { Err(FsError::Refused) } else { Ok(()) };
    let (view, _) = scripted(closed, &[]);
    assert!(block_on(view.stat(&path("/in"), Right::List)).is_ok());
    assert_eq!(block_on(view.stat(&path("/in"), Right::Enter)).err(), Some(FsError::Refused));
}
