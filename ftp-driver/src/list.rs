//! Directory listings: a batch of entries, their lines in one buffer, a write; and again.
//!
//! While the lines of one batch are on their way, storage reads the next. Memory does not grow with the directory.

use ftp_fs::Listing;
use ftp_proto::{ListFormatter, TransferError};
use ftp_types::Entry;

use crate::io::{both, yield_now};
use crate::runtime::Runtime;
use crate::wire::Wire;

/// Entries of the first batch: few, so that the first lines leave early.
const FIRST_BATCH: usize = 32;
/// Entries of every other batch. Two batches exist at a time, but the allocator may keep the room of one for each thread
/// that ever made one; this is what a listing leaves behind.
const BATCH: usize = 128;
/// How long a line is, about.
const LINE: usize = 80;
/// Lines are written when there are so many bytes of them.
const FULL: usize = 48 * 1024;
/// What the buffer holds at most, but for names beyond all measure.
const BUFFER: usize = 64 * 1024;

/// Sends the lines of all entries.
///
/// # Cancellation
/// The directory is closed, and the connection ends with what was sent so far.
pub(crate) async fn send<R: Runtime>(
    wire: &mut Wire<R>,
    mut listing: Box<dyn Listing>,
    formatter: &ListFormatter,
) -> Result<(), TransferError> {
    let mut lines = Vec::new();
    let mut entries = listing.next_batch(FIRST_BATCH).await;
    loop {
        let batch = entries.map_err(TransferError::Storage)?;
        if batch.is_empty() {
            break;
        }
        wire.thread(batch.len() * LINE).await;
        let (next, sent) = both(listing.next_batch(BATCH), send_batch(wire, &batch, formatter, &mut lines)).await;
        sent?;
        entries = next;
        yield_now().await;
    }
    wire.finish().await
}

async fn send_batch<R: Runtime>(
    wire: &mut Wire<R>,
    batch: &[Entry],
    formatter: &ListFormatter,
    lines: &mut Vec<u8>,
) -> Result<(), TransferError> {
    for entry in batch {
        formatter.push(entry, lines);
        if lines.len() >= FULL {
            send_lines(wire, lines).await?;
        }
    }
    send_lines(wire, lines).await
}

async fn send_lines<R: Runtime>(wire: &mut Wire<R>, lines: &mut Vec<u8>) -> Result<(), TransferError> {
    wire.send(lines).await?;
    lines.clear();
    lines.shrink_to(BUFFER);
    Ok(())
}
