//! `sendfile` on Linux, kept from waiting for a disk on a thread that serves others.
//!
//! `sendfile` reads pages that are not in memory while everybody else of the thread waits. So each window of the file
//! is probed first, by reads that refuse to wait (`RWF_NOWAIT`); a window that is not all there is read where blocking
//! is allowed, and sent afterwards. Files of tmpfs are in memory, as far as anything is: they need no probe, and do not
//! allow one. On a thread of its own ([`stretch`](crate::stretch)) a transfer probes nothing.

use std::fs::File;
use std::future::poll_fn;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::task::Poll;

use ftp_fs::{Reader, blocking};
use ftp_proto::TransferError;
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use socket2::Socket;

use crate::holdings::Extent;
use crate::io::yield_now;
use crate::runtime::{Runtime, Stream};
use crate::wire::{Channel, Wire, lost, noticing};

/// How much is probed, and sent at most, at a time.
const WINDOW: usize = 256 * 1024;
/// The distance of the bytes that are probed. The page cache is filled by read-ahead and emptied in runs of many
/// pages; the odd page missing in between costs one short wait.
const STRIDE: usize = 64 * 1024;
/// How much is sent at most at a time where nothing has to be probed, and nobody waits for the thread.
const WINDOW_ON_THREAD: usize = 4 * 1024 * 1024;
/// How many windows go in one turn.
const WINDOWS_PER_TURN: usize = 8;

/// What a probe says of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    Warm,
    Cold,
    Unsupported,
}

/// Where to begin in a file that can be sent this way.
pub(crate) struct Start(u64);

/// Where the reader stands, if there is a file behind it.
pub(crate) fn start_of(reader: &dyn Reader, extent: Option<Extent>) -> Option<Start> {
    let file = reader.as_file()?;
    extent.map_or_else(|| rustix::fs::tell(file).ok(), |extent| Some(extent.offset)).map(Start)
}

/// Sends the file to its end, and tells how many bytes that were. `None`: that is not possible with this file or
/// connection, and nothing was sent.
pub(crate) async fn send<R: Runtime>(
    wire: &mut Wire<R>,
    reader: &mut dyn Reader,
    Start(start): Start,
    extent: Option<Extent>,
) -> Result<Option<u64>, TransferError> {
    let mut offset = start;
    let mut needs_probe = true;
    for turn in 1.. {
        wire.thread(extent.map_or(WINDOW, |extent| extent.behind(offset).min(WINDOW))).await;
        match if needs_probe && !blocking::is_allowed() { look(reader.as_file(), offset) } else { Probe::Warm } {
            Probe::Warm => {}
            Probe::Unsupported if is_in_memory(reader.as_file()) => needs_probe = false,
            Probe::Unsupported if offset == start => return Ok(None),
            Probe::Cold | Probe::Unsupported => warm(&wire.runtime, reader, offset).await,
        }
        let Wire { runtime, channel, meter, throttle, .. } = wire;
        // Usually there are no limits here; there may be since the transfer began.
        let most = if blocking::is_allowed() { WINDOW_ON_THREAD } else { WINDOW };
        let turn_to_send = throttle.turn(runtime, meter, most).await;
        match noticing(send_window::<R>(channel, reader, offset, turn_to_send.bytes())).await {
            (Ok(Some(0)), _) => break,
            (Ok(Some(count)), has_waited) => {
                turn_to_send.moved(count);
                meter.add(count);
                offset += count as u64;
                if has_waited {
                    wire.has_waited();
                }
            }
            (Ok(None), _) => {}
            (Err(error), _) if offset == start && is_unsupported(&error) => return Ok(None),
            (Err(error), _) => return Err(failure(&error)),
        }
        if turn % WINDOWS_PER_TURN == 0 {
            yield_now().await;
        }
    }
    Ok(Some(offset - start))
}

fn look(file: Option<&File>, offset: u64) -> Probe {
    file.map_or(Probe::Unsupported, |file| probe(file, offset))
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
fn is_in_memory(file: Option<&File>) -> bool {
    const TMPFS_MAGIC: u32 = 0x0102_1994;
    const RAMFS_MAGIC: u32 = 0x8584_58F6;
    // As wide as a register, and of either sign.
    let is_in_memory = |of: rustix::fs::StatFs| matches!(of.f_type as u32, TMPFS_MAGIC | RAMFS_MAGIC);
    file.and_then(|file| rustix::fs::fstatfs(file).ok()).is_some_and(is_in_memory)
}

/// Reads the window into the page cache. Should that fail, `sendfile` meets the same error and tells it. The descriptor
/// is one of its own, since the work outlives a transfer that is dropped.
async fn warm<R: Runtime>(runtime: &R, reader: &mut dyn Reader, offset: u64) {
    let Some(file) = reader.as_file().and_then(|file| file.try_clone().ok()) else { return };
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

/// Sends so many bytes at most. `None`: nothing was sent, since the transfer has come back from a thread that may block
/// to one that may not, for which the window has to be looked at first.
async fn send_window<R: Runtime>(
    channel: &mut Channel<R>,
    reader: &mut dyn Reader,
    offset: u64,
    count: usize,
) -> io::Result<Option<usize>> {
    let Channel::Data(stream, _) = channel else { return Err(io::ErrorKind::Unsupported.into()) };
    let was_allowed = blocking::is_allowed();
    poll_fn(move |cx| {
        if was_allowed && !blocking::is_allowed() {
            return Poll::Ready(Ok(None));
        }
        let Some(file) = reader.as_file() else { return Poll::Ready(Err(io::ErrorKind::Unsupported.into())) };
        let mut send = |socket: &Socket| loop {
            let mut place = offset;
            match rustix::fs::sendfile(socket, file, Some(&mut place), count) {
                Err(Errno::INTR) => {}
                result => return result.map_err(io::Error::from),
            }
        };
        stream.poll_write_with(cx, &mut send).map_ok(Some)
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
        assert!(look(Some(&file), 0) != Probe::Cold && is_in_memory(Some(&file)));
    }
}
