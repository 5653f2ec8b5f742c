//! From blocking to async: every call runs where blocking is allowed.

use std::fs::File;
use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread;

use async_lock::Semaphore;
use ftp_types::{Entry, FsError, Metadata, UnixTime, VirtualPath, WriteMode};

use crate::{
    Account, AuthError, Authenticator, Backend, BlockingAuthenticator, BlockingBackend, BlockingListing,
    BlockingReader, BlockingWriter, BoxFuture, CertificateLogin, Follow, Listing, LoginAttempt, Reader, Remains,
    UniqueFile, Writer, blocking,
};

/// Runs blocking work where it delays no other session: a runtime's pool of threads for it.
pub trait Unblock: Clone + Send + Sync + 'static {
    /// Runs `work` and hands out what it returns. The work starts when the future is polled first; a panic in it may
    /// pass on to the caller.
    ///
    /// # Cancellation
    /// Dropping the future must drop `work`, or let it run to its end and drop the result.
    fn unblock<T, F>(&self, work: F) -> impl Future<Output = T> + Send
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static;
}

/// The async face of something that blocks: a [`Backend`] over a [`BlockingBackend`], an [`Authenticator`] over a
/// [`BlockingAuthenticator`].
///
/// Each operation, chunk of a file and batch of a listing is one hop to another thread, unless it is done
/// [without waiting](BlockingBackend#threads) or on a thread that [may block](blocking). Open files and listings travel
/// there and back.
///
/// # Cancellation
/// When a future of a reader, writer or listing is dropped before it ends, the open file goes down with the work that
/// holds it (a cut upload, then), and later calls answer [`FsError::Cancelled`].
pub struct Offload<B: ?Sized, U> {
    inner: Arc<B>,
    unblock: U,
    logins: Arc<Semaphore>,
}

impl<B: ?Sized + Send + Sync + 'static, U: Unblock> Offload<B, U> {
    /// Wraps `inner`, whose work `unblock` runs.
    pub fn new(inner: Arc<B>, unblock: U) -> Self {
        Self { inner, unblock, logins: Arc::new(Semaphore::new(logins_at_once())) }
    }

    fn run<T: Send + 'static>(&self, work: impl FnOnce(&B) -> T + Send + 'static) -> BoxFuture<'static, T> {
        let inner = Arc::clone(&self.inner);
        let unblock = self.unblock.clone();
        Box::pin(async move { in_place_or(&unblock, move || work(&inner)).await })
    }

    /// Does it at once, as `try_now` tells, or else runs `work`.
    async fn now_or_run<T: Send + 'static>(
        &self,
        path: &VirtualPath,
        try_now: impl FnOnce(&B, &VirtualPath) -> Option<T>,
        work: impl FnOnce(&B, &VirtualPath) -> Result<T, FsError> + Send + 'static,
    ) -> Result<T, FsError> {
        if let Some(done) = try_now(&self.inner, path) {
            return Ok(done);
        }
        let (inner, path) = (Arc::clone(&self.inner), path.clone());
        in_place_or(&self.unblock, move || work(&inner, &path)).await
    }

    fn run_in_turn<T: Send + 'static>(&self, work: impl FnOnce(&B) -> T + Send + 'static) -> BoxFuture<'_, T> {
        Box::pin(async move {
            let turn = self.logins.acquire_arc().await;
            self.run(move |inner| {
                // The turn ends with the work, which goes on when the client has left.
                let _turn = turn;
                work(inner)
            })
            .await
        })
    }

    fn wrap<H: Handle>(&self, handle: H) -> Box<Offloaded<H, U>> {
        Box::new(Offloaded { handle: Some(handle), unblock: self.unblock.clone() })
    }
}

impl<B: BlockingBackend + ?Sized, U: Unblock> Backend for Offload<B, U> {
    fn resolve<'a>(&'a self, path: &'a VirtualPath, follow: Follow) -> BoxFuture<'a, Result<VirtualPath, FsError>> {
        let path = path.clone();
        self.run(move |backend| backend.resolve(&path, follow))
    }

    fn stat<'a>(&'a self, path: &'a VirtualPath) -> BoxFuture<'a, Result<Metadata, FsError>> {
        Box::pin(self.now_or_run(path, B::try_stat, B::stat))
    }

    fn enter<'a>(&'a self, path: &'a VirtualPath) -> BoxFuture<'a, Result<Metadata, FsError>> {
        Box::pin(self.now_or_run(path, B::try_enter, B::enter))
    }

    fn list<'a>(&'a self, path: &'a VirtualPath) -> BoxFuture<'a, Result<Box<dyn Listing>, FsError>> {
        let opened = self.now_or_run(path, B::try_list, B::list);
        Box::pin(async move { Ok(self.wrap(opened.await?) as _) })
    }

    fn open<'a>(&'a self, path: &'a VirtualPath, offset: u64) -> BoxFuture<'a, Result<Box<dyn Reader>, FsError>> {
        let try_open = move |backend: &B, path: &VirtualPath| backend.try_open(path, offset);
        let opened = self.now_or_run(path, try_open, move |backend, path| backend.open(path, offset));
        Box::pin(async move { Ok(self.wrap(opened.await?) as _) })
    }

    fn create<'a>(&'a self, path: &'a VirtualPath, mode: WriteMode) -> BoxFuture<'a, Result<Box<dyn Writer>, FsError>> {
        let try_create = move |backend: &B, path: &VirtualPath| backend.try_create(path, mode);
        let opened = self.now_or_run(path, try_create, move |backend, path| backend.create(path, mode));
        Box::pin(async move { Ok(self.wrap(opened.await?) as _) })
    }

    fn create_unique<'a>(
        &'a self,
        directory: &'a VirtualPath,
        prefix: &'a [u8],
    ) -> BoxFuture<'a, Result<UniqueFile<Box<dyn Writer>>, FsError>> {
        let (directory, prefix) = (directory.clone(), prefix.to_vec());
        let opened = self.run(move |backend| backend.create_unique(&directory, &prefix));
        Box::pin(async move {
            let UniqueFile { name, writer } = opened.await?;
            Ok(UniqueFile { name, writer: self.wrap(writer) as _ })
        })
    }

    fn make_directory<'a>(&'a self, path: &'a VirtualPath) -> BoxFuture<'a, Result<(), FsError>> {
        let path = path.clone();
        self.run(move |backend| backend.make_directory(&path))
    }

    fn remove_directory<'a>(&'a self, path: &'a VirtualPath) -> BoxFuture<'a, Result<(), FsError>> {
        let path = path.clone();
        self.run(move |backend| backend.remove_directory(&path))
    }

    fn remove_file<'a>(&'a self, path: &'a VirtualPath) -> BoxFuture<'a, Result<(), FsError>> {
        let path = path.clone();
        self.run(move |backend| backend.remove_file(&path))
    }

    fn rename<'a>(&'a self, from: &'a VirtualPath, to: &'a VirtualPath) -> BoxFuture<'a, Result<(), FsError>> {
        let (from, to) = (from.clone(), to.clone());
        self.run(move |backend| backend.rename(&from, &to))
    }

    fn set_mode<'a>(&'a self, path: &'a VirtualPath, mode: u32) -> BoxFuture<'a, Result<(), FsError>> {
        let path = path.clone();
        self.run(move |backend| backend.set_mode(&path, mode))
    }

    fn set_modified<'a>(&'a self, path: &'a VirtualPath, time: UnixTime) -> BoxFuture<'a, Result<(), FsError>> {
        let path = path.clone();
        self.run(move |backend| backend.set_modified(&path, time))
    }

    fn real_path(&self, path: &VirtualPath) -> Option<PathBuf> {
        self.inner.real_path(path)
    }
}

/// A flood of logins takes a bounded number of threads, and of the megabytes that a slow hash needs; the others wait
/// their turn without a thread.
impl<A: BlockingAuthenticator + ?Sized, U: Unblock> Authenticator for Offload<A, U> {
    fn authenticate(&self, attempt: LoginAttempt) -> BoxFuture<'_, Result<Account, AuthError>> {
        self.run_in_turn(move |inner| inner.authenticate(&attempt))
    }

    fn authenticate_certificate(&self, login: CertificateLogin) -> BoxFuture<'_, Result<Account, AuthError>> {
        self.run_in_turn(move |inner| inner.authenticate_certificate(&login))
    }
}

/// Twice the processors: authenticators that sleep (PAM does after a wrong password) keep nobody else from logging in.
fn logins_at_once() -> usize {
    thread::available_parallelism().map_or(4, |processors| (2 * processors.get()).max(4))
}

/// Runs the work on this thread, if it may block, else where `unblock` does.
async fn in_place_or<T: Send + 'static>(unblock: &impl Unblock, work: impl FnOnce() -> T + Send + 'static) -> T {
    if blocking::is_allowed() { work() } else { unblock.unblock(work).await }
}

/// What can be open.
trait Handle: Send + 'static {
    fn closes_at_once(&self) -> bool;
}

impl Handle for Box<dyn BlockingReader> {
    fn closes_at_once(&self) -> bool {
        (**self).closes_at_once()
    }
}

impl Handle for Box<dyn BlockingWriter> {
    fn closes_at_once(&self) -> bool {
        (**self).closes_at_once()
    }
}

impl Handle for Box<dyn BlockingListing> {
    fn closes_at_once(&self) -> bool {
        (**self).closes_at_once()
    }
}

/// An open file or listing that travels to the blocking thread and back.
struct Offloaded<H: Handle, U: Unblock> {
    handle: Option<H>,
    unblock: U,
}

impl<H: Handle, U: Unblock> Offloaded<H, U> {
    async fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut H) -> Result<T, FsError> + Send + 'static,
    ) -> Result<T, FsError> {
        let mut handle = self.handle.take().ok_or(FsError::Cancelled)?;
        let work = move || {
            let result = work(&mut handle);
            (handle, result)
        };
        let (handle, result) = in_place_or(&self.unblock, work).await;
        self.handle = Some(handle);
        result
    }
}

/// Copying more than this takes the time of others, even when it waits for nothing.
const AT_ONCE: usize = 64 * 1024;

impl<U: Unblock> Offloaded<Box<dyn BlockingReader>, U> {
    fn try_read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let reader = self.handle.as_mut().filter(|_| buffer.len() <= AT_ONCE)?;
        reader.try_read(buffer)
    }
}

impl<U: Unblock> Offloaded<Box<dyn BlockingWriter>, U> {
    fn try_write(&mut self, bytes: &[u8]) -> Option<usize> {
        let writer = self.handle.as_mut().filter(|_| bytes.len() <= AT_ONCE)?;
        writer.try_write(bytes)
    }
}

impl<U: Unblock> Reader for Offloaded<Box<dyn BlockingReader>, U> {
    fn metadata(&mut self) -> BoxFuture<'_, Result<Metadata, FsError>> {
        Box::pin(self.run(|reader| reader.metadata()))
    }

    fn read(&mut self, mut buffer: Vec<u8>) -> BoxFuture<'_, (Vec<u8>, Result<usize, FsError>)> {
        Box::pin(async move {
            if let Some(count) = self.try_read(&mut buffer) {
                return (buffer, Ok(count));
            }
            let Some(mut reader) = self.handle.take() else { return (buffer, Err(FsError::Cancelled)) };
            let work = move || {
                let result = reader.read(&mut buffer);
                (reader, buffer, result)
            };
            let (reader, buffer, result) = in_place_or(&self.unblock, work).await;
            self.handle = Some(reader);
            (buffer, result)
        })
    }

    fn opened_len(&self) -> Option<u64> {
        self.handle.as_ref()?.opened_len()
    }

    fn as_file(&self) -> Option<&File> {
        self.handle.as_ref()?.as_file()
    }
}

impl<U: Unblock> Writer for Offloaded<Box<dyn BlockingWriter>, U> {
    fn write_all(&mut self, buffer: Vec<u8>) -> BoxFuture<'_, (Vec<u8>, Result<(), FsError>)> {
        Box::pin(async move {
            let written = self.try_write(&buffer);
            if written == Some(buffer.len()) {
                return (buffer, Ok(()));
            }
            let Some(mut writer) = self.handle.take() else { return (buffer, Err(FsError::Cancelled)) };
            let work = move || {
                let result = writer.write_all(&buffer[written.unwrap_or(0)..]);
                (writer, buffer, result)
            };
            let (writer, buffer, result) = in_place_or(&self.unblock, work).await;
            self.handle = Some(writer);
            (buffer, result)
        })
    }

    fn finish(mut self: Box<Self>) -> BoxFuture<'static, Result<Metadata, FsError>> {
        Box::pin(async move {
            if let Some(metadata) = self.handle.as_mut().and_then(|writer| writer.try_finish()) {
                return Ok(metadata);
            }
            let writer = self.handle.take().ok_or(FsError::Cancelled)?;
            in_place_or(&self.unblock, move || writer.finish()).await
        })
    }

    fn finish_with(mut self: Box<Self>, last: Vec<u8>) -> BoxFuture<'static, Result<Metadata, FsError>> {
        Box::pin(async move {
            let written = self.try_write(&last);
            if written == Some(last.len()) {
                return self.finish().await;
            }
            let mut writer = self.handle.take().ok_or(FsError::Cancelled)?;
            let work = move || {
                writer.write_all(&last[written.unwrap_or(0)..])?;
                writer.finish()
            };
            in_place_or(&self.unblock, work).await
        })
    }

    fn remains(&self) -> Remains {
        self.handle.as_ref().map_or_else(Remains::default, |writer| writer.remains())
    }
}

impl<U: Unblock> Listing for Offloaded<Box<dyn BlockingListing>, U> {
    fn next_batch(&mut self, max: usize) -> BoxFuture<'_, Result<Vec<Entry>, FsError>> {
        Box::pin(self.run(move |listing| listing.next_batch(max)))
    }
}

/// Closing blocks too: giving up an upload of many gigabytes frees their blocks. So it is handed over as well, by a
/// single poll that starts the work; nobody waits for its end.
impl<H: Handle, U: Unblock> Drop for Offloaded<H, U> {
    fn drop(&mut self) {
        if blocking::is_allowed() || self.handle.as_ref().is_some_and(H::closes_at_once) {
            return;
        }
        if let Some(handle) = self.handle.take() {
            let closing = pin!(self.unblock.unblock(move || drop(handle)));
            let _ = closing.poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::mem;
    use std::sync::Mutex;

    use ftp_types::FileKind;
    use futures_lite::future::block_on;

    use super::*;

    #[derive(Clone)]
    struct Inline;

    impl Unblock for Inline {
        async fn unblock<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(&self, work: F) -> T {
            work()
        }
    }

    /// Takes two bytes at once, and notes how all came.
    struct Reluctant(Arc<Mutex<Vec<Written>>>);

    type Written = (&'static str, Vec<u8>);

    impl Reluctant {
        fn note(&self, how: &'static str, bytes: &[u8]) {
            self.0.lock().unwrap().push((how, bytes.to_vec()));
        }
    }

    impl BlockingWriter for Reluctant {
        fn write_all(&mut self, bytes: &[u8]) -> Result<(), FsError> {
            self.note("waiting", bytes);
            Ok(())
        }

        fn try_write(&mut self, bytes: &[u8]) -> Option<usize> {
            let count = bytes.len().min(2);
            self.note("at once", &bytes[..count]);
            Some(count)
        }

        fn finish(self: Box<Self>) -> Result<Metadata, FsError> {
            Ok(Metadata::new(FileKind::File, 0))
        }
    }

    #[test]
    fn what_was_written_at_once_is_not_written_again() {
        let noted = Arc::new(Mutex::default());
        let handle: Box<dyn BlockingWriter> = Box::new(Reluctant(Arc::clone(&noted)));
        let mut writer = Box::new(Offloaded { handle: Some(handle), unblock: Inline });
        let take = || mem::take(&mut *noted.lock().unwrap());
        let in_two = |first: &[u8], then: &[u8]| vec![("at once", first.to_vec()), ("waiting", then.to_vec())];
        assert_eq!(block_on(writer.write_all(b"abcd".to_vec())), (b"abcd".to_vec(), Ok(())));
        assert_eq!(take(), in_two(b"ab", b"cd"));
        assert_eq!(block_on(writer.write_all(b"ef".to_vec())).1, Ok(()));
        assert_eq!(take(), [("at once", b"ef".to_vec())]);
        assert!(block_on(writer.finish_with(b"ghi".to_vec())).is_ok());
        assert_eq!(take(), in_two(b"gh", b"i"));
    }
}
