//! From blocking to async: every call runs where blocking is allowed.

use std::future::{Future, ready};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::thread;

use async_lock::Semaphore;
use ftp_types::{FsError, Metadata, UnixTime, VirtualPath, WriteMode};

use crate::offloaded::{Handle, Offloaded, in_place_or};
use crate::{
    Account, AuthError, Authenticator, Backend, BlockingAuthenticator, BlockingBackend, BoxFuture, CertificateLogin,
    Follow, Listing, LoginAttempt, Reader, UniqueFile, Writer,
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
/// [without waiting](BlockingBackend#threads) or on a thread that [may block](crate::blocking). Open files and listings travel
/// there and back.
///
/// # Cancellation
/// When a future of a reader, writer or listing is dropped before it ends, the open file goes down with the work that
/// holds it (a cut upload, then), and later calls answer [`FsError::Cancelled`].
pub struct Offload<B: ?Sized, U> {
    inner: Arc<B>,
    unblock: U,
    /// Turns of logins, once there is one: back ends have none.
    logins: OnceLock<Arc<Semaphore>>,
}

impl<B: ?Sized + Send + Sync + 'static, U: Unblock> Offload<B, U> {
    /// Wraps `inner`, whose work `unblock` runs.
    pub fn new(inner: Arc<B>, unblock: U) -> Self {
        Self { inner, unblock, logins: OnceLock::new() }
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
            let turn = self.logins.get_or_init(|| Arc::new(Semaphore::new(logins_at_once()))).acquire_arc().await;
            self.run(move |inner| {
                // The turn ends with the work, which goes on when the client has left.
                let _turn = turn;
                work(inner)
            })
            .await
        })
    }

    fn wrap<H: Handle>(&self, handle: H) -> Box<Offloaded<H, U>> {
        Box::new(Offloaded::new(handle, self.unblock.clone()))
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
        if let Some(account) = self.inner.authenticate_at_once(&attempt) {
            return Box::pin(ready(Ok(account)));
        }
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
