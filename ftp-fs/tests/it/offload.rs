//! From blocking to async: what travels, and what a dropped future leaves behind.

use std::future::{Future, pending};
use std::io::Seek;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::common::{path, user};
use ftp_fs::{
    Authenticator, Backend, BlockingBackend, LocalFs, LoginAttempt, MemoryFs, Offload, Reader, Storage, Unblock,
    VirtualUsers, blocking,
};
use ftp_types::{FsError, Permissions, Secret, VirtualPath, WriteMode};
use futures_lite::future::block_on;

/// Counts its hops, and swallows the work of one when told to.
#[derive(Clone, Default)]
struct Hops(Arc<(AtomicUsize, AtomicBool)>);

impl Unblock for Hops {
    fn unblock<T, F>(&self, work: F) -> impl Future<Output = T> + Send
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.0.0.fetch_add(1, Ordering::Relaxed);
        let hang = self.0.1.load(Ordering::Relaxed);
        async move {
            if hang {
                pending::<()>().await;
            }
            work()
        }
    }
}

fn memory() -> (Hops, Offload<dyn BlockingBackend, Hops>) {
    let hops = Hops::default();
    (hops.clone(), Offload::new(Arc::new(MemoryFs::new()), hops))
}

#[test]
fn each_operation_is_one_hop() {
    let (hops, fs) = memory();
    block_on(async {
        let mut writer = fs.create(&path("/file"), WriteMode::Replace).await.unwrap();
        let (buffer, written) = writer.write_all(b"content".to_vec()).await;
        assert_eq!((&*buffer, written), (&b"content"[..], Ok(())));
        assert_eq!(writer.finish().await.map(|metadata| metadata.len), Ok(7));
        assert_eq!(hops.0.0.load(Ordering::Relaxed), 3);
        let mut reader = fs.open(&path("/file"), 0).await.unwrap();
        let (buffer, count) = reader.read(vec![0; 100]).await;
        assert_eq!((&buffer[..7], buffer.len(), count), (&b"content"[..], 100, Ok(7)));
        assert_eq!(hops.0.0.load(Ordering::Relaxed), 5);
    });
}

#[test]
fn the_last_bytes_and_the_end_are_one_hop() {
    let (hops, fs) = memory();
    block_on(async {
        let mut writer = fs.create(&path("/file"), WriteMode::Replace).await.unwrap();
        writer.write_all(b"con".to_vec()).await.1.unwrap();
        let before = hops.0.0.load(Ordering::Relaxed);
        assert_eq!(writer.finish_with(b"tent".to_vec()).await.map(|metadata| metadata.len), Ok(7));
        assert_eq!(hops.0.0.load(Ordering::Relaxed), before + 1);
    });
}

#[test]
fn an_upload_whose_last_bytes_have_no_room_is_not_finished() {
    let fs = Offload::new(Arc::new(MemoryFs::with_capacity(5)), Hops::default());
    block_on(async {
        let mut writer = fs.create(&path("/file"), WriteMode::Replace).await.unwrap();
        writer.write_all(b"con".to_vec()).await.1.unwrap();
        assert_eq!(writer.finish_with(b"tent".to_vec()).await, Err(FsError::NoSpace));
    });
}

#[test]
fn nothing_hops_on_a_thread_that_may_block() {
    let (hops, fs) = memory();
    blocking::allow(|| {
        block_on(async {
            let mut writer = fs.create(&path("/file"), WriteMode::Replace).await.unwrap();
            writer.write_all(b"content".to_vec()).await.1.unwrap();
            writer.finish().await.unwrap();
            let mut reader = fs.open(&path("/file"), 0).await.unwrap();
            assert_eq!(reader.read(vec![0; 100]).await.1, Ok(7));
            assert!(fs.list(&VirtualPath::root()).await.unwrap().next_batch(10).await.is_ok());
        });
    });
    assert_eq!(hops.0.0.load(Ordering::Relaxed), 0);
}

#[test]
fn a_dropped_future_takes_the_open_file_down() {
    let (hops, fs) = memory();
    let mut writer = block_on(fs.create(&path("/file"), WriteMode::Replace)).unwrap();
    hops.0.1.store(true, Ordering::Relaxed);
    {
        let mut write = writer.write_all(b"content".to_vec());
        assert!(write.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    hops.0.1.store(false, Ordering::Relaxed);
    assert_eq!(block_on(writer.write_all(b"more".to_vec())), (b"more".to_vec(), Err(FsError::Cancelled)));
    assert_eq!(block_on(writer.finish()), Err(FsError::Cancelled));
    assert_eq!(block_on(fs.stat(&path("/file"))).map(|metadata| metadata.len), Ok(0));

    let mut reader = block_on(fs.open(&path("/file"), 0)).unwrap();
    hops.0.1.store(true, Ordering::Relaxed);
    assert!(reader.read(vec![0; 3]).as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    hops.0.1.store(false, Ordering::Relaxed);
    assert_eq!(block_on(reader.read(vec![1, 2])), (vec![1, 2], Err(FsError::Cancelled)), "the buffer comes back");
    assert_eq!(block_on(reader.metadata()).err(), Some(FsError::Cancelled));
}

/// The door to zero copy.
#[test]
fn the_file_behind_a_reader_stands_where_the_reader_does() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("file"), "content").unwrap();
    let fs = Offload::new(Arc::new(LocalFs::open(home.path()).unwrap()), Hops::default());
    let mut reader = block_on(fs.open(&path("/file"), 3)).unwrap();
    let position = |reader: &dyn Reader| reader.as_file().unwrap().stream_position().unwrap();
    assert_eq!(position(&*reader), 3);
    assert_eq!(block_on(reader.read(vec![0; 2])), (b"te".to_vec(), Ok(2)));
    assert_eq!(position(&*reader), 5);
    assert_eq!(block_on(reader.metadata()).map(|metadata| metadata.len), Ok(7));
}

#[test]
fn closing_is_offloaded_too() {
    let (hops, fs) = memory();
    let writer = block_on(fs.create(&path("/file"), WriteMode::Replace)).unwrap();
    let before = hops.0.0.load(Ordering::Relaxed);
    drop(writer);
    assert_eq!(hops.0.0.load(Ordering::Relaxed), before + 1);
}

/// Work that has begun, and that nobody can stop any more.
#[derive(Clone, Default)]
struct Threads(Arc<Mutex<Vec<Work>>>);

type Work = Box<dyn FnOnce() + Send>;

impl Unblock for Threads {
    async fn unblock<T, F>(&self, work: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.0.lock().unwrap().push(Box::new(|| drop(work())));
        pending().await
    }
}

fn attempt(name: &str) -> LoginAttempt {
    let (peer, local) = ("192.0.2.1:1025".parse().unwrap(), "192.0.2.2:21".parse().unwrap());
    LoginAttempt { user: user(name), password: Secret::from("guess"), peer, local, secure: false, certificate: None }
}

#[test]
fn whoever_is_let_in_at_once_takes_no_thread() {
    let threads = Threads::default();
    let users = VirtualUsers::new();
    users.add_anonymous(Storage::blocking(MemoryFs::new()), Permissions::READ).map(drop).unwrap();
    let users = Offload::new(Arc::new(users), threads.clone());
    let log_in = |name| users.authenticate(attempt(name)).as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(log_in("anonymous"), Poll::Ready(Ok(_))));
    assert!(threads.0.lock().unwrap().is_empty());
    assert!(log_in("alice").is_pending());
    assert_eq!(threads.0.lock().unwrap().len(), 1);
}

#[test]
fn clients_that_leave_while_their_login_is_judged_take_no_more_threads_than_those_that_stay() {
    let threads = Threads::default();
    let users = Offload::new(Arc::new(VirtualUsers::new()), threads.clone());
    let begin_and_leave = || {
        let mut login = users.authenticate(attempt("alice"));
        assert!(login.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    };
    (0..10_000).for_each(|_| begin_and_leave());
    let at_once = threads.0.lock().unwrap().len();
    assert!((1..10_000).contains(&at_once), "{at_once}");

    // As many more have their turn when these are done.
    let done = std::mem::take(&mut *threads.0.lock().unwrap());
    done.into_iter().for_each(|work| work());
    (0..10_000).for_each(|_| begin_and_leave());
    assert_eq!(threads.0.lock().unwrap().len(), at_once);
}
