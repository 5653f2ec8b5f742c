//! Back ends and authenticators that do no more than they have to: what the traits say for the rest.

use std::future::ready;
use std::sync::{Arc, Mutex};

use ftp_fs::{
    Account, AuthError, Authenticator, Backend, BlockingListing, BlockingReader, BlockingWriter, BoxFuture,
    CertificateLogin, ClientCertificate, Follow, Listing, LoginAttempt, Reader, Remains, Storage, UniqueFile, Writer,
};
use ftp_types::{Entry, FileKind, FsError, Metadata, Right, UnixTime, VirtualPath, WriteMode};
use futures_lite::future::block_on;

use crate::common::{Inline, get, path, put, user, view};

/// One file, `/file`, which reads `content` and takes everything that is written to it.
struct OneFile;

const CONTENT: &[u8] = b"content";

fn answer<'a, T: Send + 'a>(result: Result<T, FsError>) -> BoxFuture<'a, Result<T, FsError>> {
    Box::pin(ready(result))
}

fn only_the_file(path: &VirtualPath) -> Result<Metadata, FsError> {
    match path.as_bytes() {
        b"/" => Ok(Metadata::new(FileKind::Directory, 0)),
        b"/file" => Ok(Metadata::new(FileKind::File, CONTENT.len() as u64)),
        _ => Err(FsError::NotFound),
    }
}

impl Backend for OneFile {
    fn resolve<'a>(&'a self, path: &'a VirtualPath, _: Follow) -> BoxFuture<'a, Result<VirtualPath, FsError>> {
        answer(Ok(path.clone()))
    }

    fn stat<'a>(&'a self, path: &'a VirtualPath) -> BoxFuture<'a, Result<Metadata, FsError>> {
        answer(only_the_file(path))
    }

    fn list<'a>(&'a self, _: &'a VirtualPath) -> BoxFuture<'a, Result<Box<dyn Listing>, FsError>> {
        answer(Ok(Box::new(Self)))
    }

    fn open<'a>(&'a self, path: &'a VirtualPath, _: u64) -> BoxFuture<'a, Result<Box<dyn Reader>, FsError>> {
        answer(only_the_file(path).map(|_| Box::new(Self) as _))
    }

    fn create<'a>(&'a self, path: &'a VirtualPath, _: WriteMode) -> BoxFuture<'a, Result<Box<dyn Writer>, FsError>> {
        answer(only_the_file(path).map(|_| Box::new(Self) as _))
    }

    fn create_unique<'a>(
        &'a self,
        _: &'a VirtualPath,
        _: &'a [u8],
    ) -> BoxFuture<'a, Result<UniqueFile<Box<dyn Writer>>, FsError>> {
        answer(Err(FsError::Unsupported))
    }

    fn make_directory<'a>(&'a self, _: &'a VirtualPath) -> BoxFuture<'a, Result<(), FsError>> {
        answer(Err(FsError::Unsupported))
    }

    fn remove_directory<'a>(&'a self, _: &'a VirtualPath) -> BoxFuture<'a, Result<(), FsError>> {
        answer(Err(FsError::Unsupported))
    }

    fn remove_file<'a>(&'a self, _: &'a VirtualPath) -> BoxFuture<'a, Result<(), FsError>> {
        answer(Err(FsError::Unsupported))
    }

    fn rename<'a>(&'a self, _: &'a VirtualPath, _: &'a VirtualPath) -> BoxFuture<'a, Result<(), FsError>> {
        answer(Err(FsError::Unsupported))
    }

    fn set_mode<'a>(&'a self, _: &'a VirtualPath, _: u32) -> BoxFuture<'a, Result<(), FsError>> {
        answer(Err(FsError::Unsupported))
    }

    fn set_modified<'a>(&'a self, _: &'a VirtualPath, _: UnixTime) -> BoxFuture<'a, Result<(), FsError>> {
        answer(Err(FsError::Unsupported))
    }
}

impl Listing for OneFile {
    fn next_batch(&mut self, _: usize) -> BoxFuture<'_, Result<Vec<Entry>, FsError>> {
        answer(Ok(Vec::new()))
    }
}

impl Reader for OneFile {
    fn metadata(&mut self) -> BoxFuture<'_, Result<Metadata, FsError>> {
        answer(only_the_file(&path("/file")))
    }

    fn read(&mut self, mut buffer: Vec<u8>) -> BoxFuture<'_, (Vec<u8>, Result<usize, FsError>)> {
        buffer[..CONTENT.len()].copy_from_slice(CONTENT);
        Box::pin(ready((buffer, Ok(CONTENT.len()))))
    }
}

impl Writer for OneFile {
    fn write_all(&mut self, buffer: Vec<u8>) -> BoxFuture<'_, (Vec<u8>, Result<(), FsError>)> {
        Box::pin(ready((buffer, Ok(()))))
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<Metadata, FsError>> {
        answer(only_the_file(&path("/file")))
    }
}

#[test]
fn storage_with_futures_of_its_own_is_served_as_it_is() {
    let view = view(Storage::asynchronous(OneFile), "elrw", &[]);
    assert_eq!(get(&view, "/file"), Ok("content".to_owned()));
    assert_eq!(put(&view, "/file", "x"), Ok(()));
    assert_eq!(get(&view, "/other"), Err(FsError::NotFound));
    // To enter is to be there.
    assert!(block_on(view.stat(&path("/"), Right::Enter)).unwrap().is_directory());
    assert_eq!(block_on(view.stat(&path("/other"), Right::Enter)).err(), Some(FsError::NotFound));
}

#[test]
fn what_storage_says_nothing_of_is_no_file_of_this_machine_and_may_leave_anything() {
    let backend = Storage::asynchronous(OneFile).into_backend(Inline);
    assert_eq!(backend.real_path(&path("/file")), None);
    assert_eq!(block_on(backend.enter(&path("/file"))), block_on(backend.stat(&path("/file"))));
    let reader = block_on(backend.open(&path("/file"), 0)).unwrap();
    assert!(reader.as_file().is_none() && reader.opened_len().is_none());
    let mut writer = block_on(backend.create(&path("/file"), WriteMode::Replace)).unwrap();
    assert_eq!(writer.remains(), Remains::Unknown);
    assert!(writer.in_place().is_none() && writer.try_write(CONTENT).is_none());
}

/// The same, for those who may wait.
impl BlockingReader for OneFile {
    fn metadata(&mut self) -> Result<Metadata, FsError> {
        only_the_file(&path("/file"))
    }

    fn read(&mut self, _: &mut [u8]) -> Result<usize, FsError> {
        Ok(0)
    }
}

impl BlockingWriter for OneFile {
    fn write_all(&mut self, _: &[u8]) -> Result<(), FsError> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Metadata, FsError> {
        only_the_file(&path("/file"))
    }
}

impl BlockingListing for OneFile {
    fn next_batch(&mut self, _: usize) -> Result<Vec<Entry>, FsError> {
        Ok(Vec::new())
    }
}

#[test]
fn what_says_nothing_of_waiting_may_have_to_wait_for_everything() {
    let reader: &mut dyn BlockingReader = &mut OneFile;
    assert_eq!((reader.try_read(&mut [0; 8]), reader.opened_len()), (None, None));
    assert!(reader.as_file().is_none() && !reader.closes_at_once());
    let writer: &mut dyn BlockingWriter = &mut OneFile;
    assert_eq!((writer.try_write(CONTENT), writer.try_finish(), writer.remains()), (None, None, Remains::Unknown));
    assert!(!writer.closes_at_once());
    let listing: &dyn BlockingListing = &OneFile;
    assert!(!listing.closes_at_once());
}

/// Notes what it is asked for. It has room for no more than seven bytes at a time.
struct Narrow(Arc<Mutex<Vec<String>>>);

impl Writer for Narrow {
    fn write_all(&mut self, buffer: Vec<u8>) -> BoxFuture<'_, (Vec<u8>, Result<(), FsError>)> {
        self.0.lock().unwrap().push(format!("write {}", buffer.len()));
        let written = if buffer.len() > CONTENT.len() { Err(FsError::NoSpace) } else { Ok(()) };
        Box::pin(ready((buffer, written)))
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<Metadata, FsError>> {
        self.0.lock().unwrap().push("finish".to_owned());
        answer(only_the_file(&path("/file")))
    }
}

#[test]
fn the_last_bytes_are_written_before_the_end_if_there_are_any() {
    let end_with = |last: &[u8]| {
        let asked = Arc::default();
        let ended = block_on(Box::new(Narrow(Arc::clone(&asked))).finish_with(last.to_vec()));
        (ended.map(drop), std::mem::take(&mut *asked.lock().unwrap()))
    };
    assert_eq!(end_with(CONTENT), (Ok(()), vec!["write 7".to_owned(), "finish".to_owned()]));
    assert_eq!(end_with(b"too much"), (Err(FsError::NoSpace), vec!["write 8".to_owned()]));
    assert_eq!(end_with(b""), (Ok(()), vec!["finish".to_owned()]));
}

/// Lets everybody in who has a password.
struct Passwords;

impl Authenticator for Passwords {
    fn authenticate(&self, attempt: LoginAttempt) -> BoxFuture<'_, Result<Account, AuthError>> {
        let storage = Storage::asynchronous(OneFile);
        Box::pin(ready(Ok(Account::new(attempt.user, storage, ftp_types::Permissions::READ))))
    }
}

#[test]
fn an_authenticator_that_says_nothing_of_certificates_lets_nobody_in_by_one() {
    let (peer, local) = ("192.0.2.1:1025".parse().unwrap(), "192.0.2.2:21".parse().unwrap());
    let certificate = ClientCertificate::new(*b"of alice");
    let login = CertificateLogin { user: user("alice"), certificate: certificate.clone(), peer, local };
    let users: Arc<dyn Authenticator> = Arc::new(Passwords);
    assert_eq!(block_on(users.authenticate_certificate(login)).err(), Some(AuthError::Rejected));
    let (user, password) = (user("alice"), "x".into());
    let attempt = LoginAttempt { user, password, peer, local, secure: true, certificate: Some(certificate) };
    assert!(block_on(users.authenticate(attempt)).is_ok());
}
