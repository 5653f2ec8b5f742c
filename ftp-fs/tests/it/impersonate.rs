//! Who does the work of a back end that is used as somebody.

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ftp_fs::system::{Impersonate, Impersonated, impersonating};
use ftp_fs::{
    BlockingBackend, BlockingListing, BlockingReader, BlockingWriter, Follow, LocalFs, MemoryFs, Remains, UniqueFile,
    conformance,
};
use ftp_types::{Entry, FsError, Metadata, UnixTime, VirtualPath, WriteMode};

use crate::common::path;

thread_local! {
    /// Whether this thread is somebody else now.
    static ACTING: Cell<bool> = const { Cell::new(false) };
}

/// Somebody who counts how often a thread was them.
#[derive(Default)]
struct Somebody {
    begun: AtomicUsize,
    ended: AtomicUsize,
    refuses: bool,
    stays: bool,
}

impl Impersonate for Somebody {
    fn impersonate(&self) -> io::Result<()> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        ACTING.set(true);
        if self.refuses { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
    }

    fn terminate(&self) -> io::Result<()> {
        self.ended.fetch_add(1, Ordering::Relaxed);
        if self.stays {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        ACTING.set(false);
        Ok(())
    }
}

/// Refuses to be used, and to be dropped, by a thread that is not somebody.
struct Guarded<T>(Option<T>);

impl<T> Guarded<T> {
    fn new(inner: T) -> Self {
        Self(Some(inner))
    }

    fn get(&self) -> &T {
        assert!(ACTING.get(), "used as the server");
        self.0.as_ref().unwrap()
    }

    fn get_mut(&mut self) -> &mut T {
        assert!(ACTING.get(), "used as the server");
        self.0.as_mut().unwrap()
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        assert!(ACTING.get() || std::thread::panicking(), "dropped as the server");
    }
}

/// A back end each of whose operations has to be done as somebody. Its own end does nothing to files.
struct Strict(MemoryFs);

impl Strict {
    fn get(&self) -> &MemoryFs {
        assert!(ACTING.get(), "used as the server");
        &self.0
    }
}

impl BlockingBackend for Strict {
    fn resolve(&self, path: &VirtualPath, follow: Follow) -> Result<VirtualPath, FsError> {
        self.get().resolve(path, follow)
    }

    fn stat(&self, path: &VirtualPath) -> Result<Metadata, FsError> {
        self.get().stat(path)
    }

    fn enter(&self, path: &VirtualPath) -> Result<Metadata, FsError> {
        self.get().enter(path)
    }

    fn list(&self, path: &VirtualPath) -> Result<Box<dyn BlockingListing>, FsError> {
        Ok(Box::new(Guarded::new(self.get().list(path)?)))
    }

    fn open(&self, path: &VirtualPath, offset: u64) -> Result<Box<dyn BlockingReader>, FsError> {
        Ok(Box::new(Guarded::new(self.get().open(path, offset)?)))
    }

    fn create(&self, path: &VirtualPath, mode: WriteMode) -> Result<Box<dyn BlockingWriter>, FsError> {
        Ok(Box::new(Guarded::new(self.get().create(path, mode)?)))
    }

    fn create_unique(
        &self,
        directory: &VirtualPath,
        prefix: &[u8],
    ) -> Result<UniqueFile<Box<dyn BlockingWriter>>, FsError> {
        let UniqueFile { name, writer } = self.get().create_unique(directory, prefix)?;
        Ok(UniqueFile { name, writer: Box::new(Guarded::new(writer)) })
    }

    fn make_directory(&self, path: &VirtualPath) -> Result<(), FsError> {
        self.get().make_directory(path)
    }

    fn remove_directory(&self, path: &VirtualPath) -> Result<(), FsError> {
        self.get().remove_directory(path)
    }

    fn remove_file(&self, path: &VirtualPath) -> Result<(), FsError> {
        self.get().remove_file(path)
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath) -> Result<(), FsError> {
        self.get().rename(from, to)
    }

    fn set_mode(&self, path: &VirtualPath, mode: u32) -> Result<(), FsError> {
        self.get().set_mode(path, mode)
    }

    fn set_modified(&self, path: &VirtualPath, time: UnixTime) -> Result<(), FsError> {
        self.get().set_modified(path, time)
    }
}

impl BlockingReader for Guarded<Box<dyn BlockingReader>> {
    fn metadata(&mut self) -> Result<Metadata, FsError> {
        self.get_mut().metadata()
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FsError> {
        self.get_mut().read(buffer)
    }
}

impl BlockingWriter for Guarded<Box<dyn BlockingWriter>> {
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        self.get_mut().write_all(bytes)
    }

    fn finish(mut self: Box<Self>) -> Result<Metadata, FsError> {
        self.get();
        self.0.take().unwrap().finish()
    }
}

impl BlockingListing for Guarded<Box<dyn BlockingListing>> {
    fn next_batch(&mut self, max: usize) -> Result<Vec<Entry>, FsError> {
        self.get_mut().next_batch(max)
    }
}

fn strict(somebody: Somebody) -> (Arc<Somebody>, Impersonated<Strict, Somebody>) {
    let somebody = Arc::new(somebody);
    (Arc::clone(&somebody), Impersonated::new(somebody, Strict(MemoryFs::new())))
}

#[test]
fn every_operation_is_done_as_the_user_and_the_rest_as_the_server() {
    conformance::run(|| strict(Somebody::default()).1);
    assert!(!ACTING.get());
}

#[test]
fn each_step_begins_and_ends_once() {
    let (somebody, storage) = strict(Somebody::default());
    let mut writer = storage.create(&path("/a"), WriteMode::Replace).unwrap();
    writer.write_all(b"content").unwrap();
    writer.finish().unwrap();
    assert_eq!((somebody.begun.load(Ordering::Relaxed), somebody.ended.load(Ordering::Relaxed)), (3, 3));
    let reader = storage.open(&path("/a"), 0).unwrap();
    drop(reader);
    assert_eq!((somebody.begun.load(Ordering::Relaxed), somebody.ended.load(Ordering::Relaxed)), (5, 5));
}

#[test]
fn what_hooks_ask_is_passed_on() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Impersonated::new(Arc::new(Somebody::default()), LocalFs::open(directory.path()).unwrap());
    assert_eq!(storage.real_path(&path("/a")), Some(directory.path().canonicalize().unwrap().join("a")));
    assert_eq!(storage.create(&path("/a"), WriteMode::Replace).unwrap().remains(), Remains::Partial);
    std::fs::write(directory.path().join("a"), "content").unwrap();
    let reader = storage.open(&path("/a"), 0).unwrap();
    assert!(reader.as_file().is_some());
    let own = LocalFs::open(directory.path()).unwrap().open(&path("/a"), 0).unwrap();
    assert_eq!(reader.opened_len(), own.opened_len());
    assert!(own.opened_len().is_none_or(|len| len == 7), "not every system asks");
}

#[test]
fn to_enter_is_not_the_same_as_to_look_for_whoever_does_it() {
    let (somebody, storage) = strict(Somebody::default());
    assert!(storage.enter(&VirtualPath::root()).unwrap().is_directory());
    assert_eq!(storage.enter(&path("/nothing")).err(), Some(FsError::NotFound));
    assert_eq!(somebody.begun.load(Ordering::Relaxed), 2);
}

#[test]
fn opening_the_back_end_is_done_as_the_user() {
    let somebody = Arc::new(Somebody::default());
    let open = || {
        assert!(ACTING.get());
        Err::<MemoryFs, _>(io::ErrorKind::NotFound.into())
    };
    let error = Impersonated::open(somebody, open).err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(!ACTING.get());
    let storage = Impersonated::open(Arc::new(Somebody::default()), || Ok(Strict(MemoryFs::new()))).unwrap();
    assert!(storage.stat(&VirtualPath::root()).is_ok());
    let refused = Arc::new(Somebody { refuses: true, ..Somebody::default() });
    let never = || -> io::Result<MemoryFs> { panic!("opened as the server") };
    assert_eq!(Impersonated::open(refused, never).err().unwrap().kind(), io::ErrorKind::PermissionDenied);
}

#[test]
fn a_panic_leaves_the_thread_itself() {
    let panicked = catch_unwind(AssertUnwindSafe(|| impersonating(&Somebody::default(), || panic!("on purpose"))));
    assert!(panicked.is_err());
    assert!(!ACTING.get());
}

#[test]
fn nothing_is_done_when_the_thread_cannot_become_the_user() {
    let (_, storage) = strict(Somebody { refuses: true, ..Somebody::default() });
    assert_eq!(storage.make_directory(&path("/made")), Err(FsError::Io));
    assert_eq!(storage.stat(&VirtualPath::root()), Err(FsError::Io));
    assert!(!ACTING.get());
    assert!(impersonating(&Somebody { refuses: true, ..Somebody::default() }, || ()).is_err());
}

/// How a process ends that aborts, where that is no signal.
const ABORTED: i32 = if cfg!(windows) { 0xC000_0409_u32.cast_signed() } else { 134 };

/// Runs itself again, as the process that has to end.
#[test]
fn the_process_ends_when_a_thread_cannot_become_itself_again() {
    const VICTIM: &str = "FERRY_TEST_VICTIM";
    const NAME: &str = "impersonate::the_process_ends_when_a_thread_cannot_become_itself_again";
    if std::env::var_os(VICTIM).is_some() {
        let _ = impersonating(&Somebody { stays: true, ..Somebody::default() }, || ());
        std::process::exit(0);
    }
    let program = std::env::current_exe().unwrap();
    let status = Command::new(program).args(["--exact", NAME]).env(VICTIM, "1").output().unwrap().status;
    assert!(!status.success());
    assert_eq!(status.code().unwrap_or(ABORTED), ABORTED, "it aborted");
}
