//! `sendfile` on Linux, kept from waiting for a disk on a thread that serves others.
//!
//! `sendfile` reads pages that are not in memory while everybody else of the thread waits. So each window of the file
//! is probed first, by reads that refuse to wait (`RWF_NOWAIT`); a window that is not all there is read where blocking
//! is allowed, and sent afterwards. Files of tmpfs are in memory, as far as anything is: they need no probe, and do not
//! allow one.

use std::fs::File;
use std::future::poll_fn;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use ftp_fs::Reader;
use ftp_proto::TransferError;
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use crate::io::yield_now;
use crate::runtime::{Runtime, Stream};
use crate::wire::{Channel, Wire, lost};

/// How much is probed, and sent at most, at a time.
const WINDOW: usize = 256 * 1024;
/// The distance of the bytes that are probed. The page cache is filled by read-ahead and emptied in runs of many
/// pages; the odd page missing in between costs one short wait.
const STRIDE: usize = 64 * 1024;
/// How many windows go in one turn.
const WINDOWS_PER_TURN: usize = 8;

/// What a probe says of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    Warm,
    Cold,
    Unsupported,
}

/// An open file and where to start in it. Its descriptor is its own, since work that warms the file up outlives a
/// transfer that is dropped.
pub(crate) struct Source {
    file: Arc<File>,
    start: u64,
}

/// The file behind the reader, if there is one.
pub(crate) fn file_of(reader: &dyn Reader) -> Option<Source> {
    let file = reader.as_file()?;
    let start = rustix::fs::tell(file).ok()?;
    Some(Source { file: Arc::new(file.try_clone().ok()?), start })
}

/// Sends the file to its end, and tells how many bytes that were. `None`: that is not possible with this file or
/// connection, and nothing was sent.
pub(crate) async fn send<R: Runtime>(wire: &mut Wire<R>, source: Source) -> Result<Option<u64>, TransferError> {
    let Source { file, start } = source;
    let mut offset = start;
    let mut needs_probe = true;
    for turn in 1.. {
        match if needs_probe { probe(&file, offset) } else { Probe::Warm } {
            Probe::Warm => {}
            Probe::Unsupported if offset == start && is_in_memory(&file) => needs_probe = false,
            Probe::Unsupported if offset == start => return Ok(None),
            Probe::Cold | Probe::Unsupported => warm(&wire.runtime, &file, offset).await,
        }
        let Wire { runtime, channel, meter, throttle } = wire;
        // Usually there are no limits here; there may be since the transfer began.
        let turn_to_send = throttle.turn(runtime, meter, WINDOW).await;
        match send_window::<R>(channel, &file, offset, turn_to_send.bytes()).await {
            Ok(0) => break,
            Ok(count) => {
                turn_to_send.moved(count);
                meter.add(count);
                offset += count as u64;
            }
            Err(error) if offset == start && is_unsupported(&error) => return Ok(None),
            Err(error) => return Err(failure(&error)),
        }
        if turn % WINDOWS_PER_TURN == 0 {
            yield_now().await;
        }
    }
    Ok(Some(offset - start))
}

fn probe(file: &File, offset: u64) -> Probe {
    let mut byte = [0];
    for place in (0..WINDOW).step_by(STRIDE).chain([WINDOW - 1]) {
        let mut buffers = [IoSliceMut::new(&mut byte)];
        match preadv2(file, &mut buffers, offset + place as u64, ReadWriteFlags::NOWAIT) {
            Ok(0) => break,
            Ok(_) => {}
            Err(Errno::AGAIN) => return Probe::Cold,
            Err(Errno::INTR) => {}
            Err(_) => return Probe::Unsupported,
        }
    }
    Probe::Warm
}

/// Whether the file has no other place than memory.
fn is_in_memory(file: &File) -> bool {
    const TMPFS_MAGIC: u32 = 0x0102_1994;
    const RAMFS_MAGIC: u32 = 0x8584_58F6;
    // As wide as a register, and of either sign.
    rustix::fs::fstatfs(file).is_ok_and(|of| matches!(of.f_type as u32, TMPFS_MAGIC | RAMFS_MAGIC))
}

/// Reads the window into the page cache. Should that fail, `sendfile` meets the same error and tells it.
async fn warm<R: Runtime>(runtime: &R, file: &Arc<File>, offset: u64) {
    let file = Arc::clone(file);
    runtime
        .unblock(move || {
            let mut buffer = vec![0; 64 * 1024];
            let mut place = offset;
            while place < offset + WINDOW as u64 {
                match file.read_at(&mut buffer, place) {
                    Ok(0) => break,
                    Ok(count) => place += count as u64,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
        })
        .await;
}

async fn send_window<R: Runtime>(
    channel: &mut Channel<R>,
    file: &File,
    offset: u64,
    count: usize,
) -> io::Result<usize> {
    let Channel::Data(stream, _) = channel else { return Err(io::ErrorKind::Unsupported.into()) };
    poll_fn(|cx| {
        stream.poll_write_with(cx, &mut |socket| loop {
            let mut place = offset;
            match rustix::fs::sendfile(socket, file, Some(&mut place), count) {
                Err(Errno::INTR) => {}
                result => return result.map_err(io::Error::from),
            }
        })
    })
    .await
}

fn is_unsupported(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    error.kind() == io::ErrorKind::Unsupported || matches!(errno, Some(Errno::INVAL | Errno::NOSYS | Errno::OVERFLOW))
}

/// `EIO` comes from the file; all else comes from the connection.
fn failure(error: &io::Error) -> TransferError {
    match Errno::from_io_error(error) {
        Some(Errno::IO) => TransferError::Storage(ftp_types::FsError::Io),
        Some(Errno::NOMEM) => TransferError::Storage(ftp_types::FsError::Exhausted),
        _ => lost(io::Error::from(error.kind())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_memory_allows_no_probe_and_needs_none() {
        let file = File::from(rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::CLOEXEC).unwrap());
        file.set_len(1).unwrap();
        assert!(probe(&file, 0) != Probe::Cold && is_in_memory(&file));
    }
}
