//! From blocking to async: what travels, and what a dropped future leaves behind.

use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Waker};

use crate::common::path;
use ftp_fs::{Backend, BlockingBackend, MemoryFs, Offload, Unblock};
use ftp_types::{FsError, WriteMode};
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
}

#[test]
fn closing_is_offloaded_too() {
    let (hops, fs) = memory();
    let writer = block_on(fs.create(&path("/file"), WriteMode::Replace)).unwrap();
    let before = hops.0.0.load(Ordering::Relaxed);
    drop(writer);
    assert_eq!(hops.0.0.load(Ordering::Relaxed), before + 1);
}
