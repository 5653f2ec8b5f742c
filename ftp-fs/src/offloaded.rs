//! What is open travels to a thread that may block, and back.

use std::fs::File;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use ftp_types::{Entry, FsError, Metadata};

use crate::{
    BlockingListing, BlockingReader, BlockingWriter, BoxFuture, Listing, Reader, Remains, Unblock, Writer, blocking,
};

/// Runs the work on this thread, if it may block, else where `unblock` does.
pub(crate) async fn in_place_or<T: Send + 'static>(
    unblock: &impl Unblock,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if blocking::is_allowed() { work() } else { unblock.unblock(work).await }
}

/// What can be open.
pub(crate) trait Handle: Send + 'static {
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
pub(crate) struct Offloaded<H: Handle, U: Unblock> {
    handle: Option<H>,
    unblock: U,
}

impl<H: Handle, U: Unblock> Offloaded<H, U> {
    pub(crate) fn new(handle: H, unblock: U) -> Self {
        Self { handle: Some(handle), unblock }
    }

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
    fn try_write(&mut self, bytes: &[u8]) -> Option<usize> {
        let writer = self.handle.as_mut().filter(|_| bytes.len() <= AT_ONCE)?;
        writer.try_write(bytes)
    }

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
            let written = if last.is_empty() { 0 } else { self.try_write(&last).unwrap_or(0) };
            if written == last.len() {
                return self.finish().await;
            }
            let mut writer = self.handle.take().ok_or(FsError::Cancelled)?;
            let work = move || {
                writer.write_all(&last[written..])?;
                writer.finish()
            };
            in_place_or(&self.unblock, work).await
        })
    }

    fn in_place(&mut self) -> Option<&mut dyn BlockingWriter> {
        Some(&mut **self.handle.as_mut()?)
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
    use std::sync::{Arc, Mutex};

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
    struct Reluctant(Noted);

    type Noted = Arc<Mutex<Vec<(&'static str, Vec<u8>)>>>;
    type Wrapped = Offloaded<Box<dyn BlockingWriter>, Inline>;

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

    fn reluctant() -> (Box<Wrapped>, Noted) {
        let noted = Noted::default();
        let handle: Box<dyn BlockingWriter> = Box::new(Reluctant(Arc::clone(&noted)));
        (Box::new(Offloaded::new(handle, Inline)), noted)
    }

    #[test]
    fn what_was_written_at_once_is_not_written_again() {
        let (mut writer, noted) = reluctant();
        let take = || mem::take(&mut *noted.lock().unwrap());
        let in_two = |first: &[u8], then: &[u8]| vec![("at once", first.to_vec()), ("waiting", then.to_vec())];
        assert_eq!(block_on(writer.write_all(b"abcd".to_vec())), (b"abcd".to_vec(), Ok(())));
        assert_eq!(take(), in_two(b"ab", b"cd"));
        assert_eq!(block_on(writer.write_all(b"ef".to_vec())).1, Ok(()));
        assert_eq!(take(), [("at once", b"ef".to_vec())]);
        assert!(block_on(writer.finish_with(b"ghi".to_vec())).is_ok());
        assert_eq!(take(), in_two(b"gh", b"i"));
    }

    #[test]
    fn where_nothing_is_left_nothing_is_written_at_the_end() {
        let (writer, noted) = reluctant();
        assert!(block_on(writer.finish_with(Vec::new())).is_ok());
        assert!(noted.lock().unwrap().is_empty());
    }

    #[test]
    fn whoever_may_block_writes_by_the_writer_beneath() {
        let (mut writer, noted) = reluctant();
        assert_eq!(writer.in_place().expect("it is there").write_all(b"abcd"), Ok(()));
        assert_eq!(*noted.lock().unwrap(), [("waiting", b"abcd".to_vec())]);
    }
}
