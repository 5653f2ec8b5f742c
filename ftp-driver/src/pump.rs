//! Files through data connections, both ways.
//!
//! Reading the one and writing the other overlap: while a chunk is on its way, the next is fetched. How long chunks are is
//! said by [`room`](crate::room).

use std::mem;
use std::ops::RangeInclusive;

use ftp_fs::{Reader, Writer, blocking};
use ftp_proto::{AsciiDecoder, AsciiEncoder, Representation, TransferError};
use ftp_types::FsError;
use tracing::debug;

use crate::holdings::Extent;
use crate::io::{both, yield_now};
use crate::room::{Room, first_read, next_room};
use crate::runtime::Runtime;
use crate::wire::Wire;
use crate::zero_copy;

/// Sends the file, from where the reader stands to its end. `extent` is how much that was when the file was
/// opened: one that was cut since is not whole, and the client hears of it. `piece` is how much is read at a time at most.
///
/// What the client sends meanwhile is not read: it stays in its system once ours has had enough. That it has closed
/// its sending direction ends nothing; a reset does.
///
/// # Cancellation
/// The file is closed, and the connection ends with what was sent so far.
pub(crate) async fn download<R: Runtime>(
    wire: &mut Wire<R>,
    mut reader: Box<dyn Reader>,
    extent: Option<Extent>,
    representation: Representation,
    zero_copy: bool,
    piece: usize,
) -> Result<(), TransferError> {
    let image = representation == Representation::Image;
    let may_go = zero_copy && image && !wire.throttle.is_limited() && !is_small(extent);
    let sent = match if may_go { zero_copy::start_of(&*reader, extent) } else { None } {
        Some(start) => zero_copy::send(wire, &mut *reader, start, extent).await?,
        None => None,
    };
    let sent = match sent {
        Some(sent) => sent,
        None => {
            let first = first_read(piece, extent);
            copy_out(wire, &mut *reader, extent, (!image).then(AsciiEncoder::new), first..=piece).await?
        }
    };
    if let Some(Extent { offset, len }) = extent
        && offset + sent < len
    {
        check_not_cut(&mut *reader, len).await?;
    }
    wire.finish().await
}

/// Writes what the client sends into the file, as much at a time as there is `room` for, and finishes it. Only a clean end of the
/// stream is an end.
///
/// # Cancellation
/// The writer is dropped unfinished: the upload counts as cut.
pub(crate) async fn upload<R: Runtime>(
    wire: &mut Wire<R>,
    mut writer: Box<dyn Writer>,
    representation: Representation,
    room: Room,
) -> Result<(), TransferError> {
    let decoder = (representation == Representation::Ascii).then(AsciiDecoder::new);
    let last = copy_in(wire, &mut *writer, decoder, room).await?;
    writer.finish_with(last).await.map_err(TransferError::Storage)?;
    // The file is whole; a client that is gone by now has lost nothing but the farewell.
    let _ = wire.finish_receiving().await;
    Ok(())
}

/// Less came than the file had when it was opened: asks whether it has less now, since there are files that never have
/// as much as they say.
async fn check_not_cut(reader: &mut dyn Reader, len: u64) -> Result<(), TransferError> {
    let now = reader.metadata().await.map_err(TransferError::Storage)?.len;
    if now >= len {
        return Ok(());
    }
    debug!(len, now, "the file was cut while it was sent");
    Err(TransferError::Storage(FsError::Io))
}

/// To send a small file by `sendfile` takes more calls of the system than to read and send it, and longer.
fn is_small(extent: Option<Extent>) -> bool {
    extent.is_some_and(|Extent { offset, len }| len.saturating_sub(offset) <= SMALL)
}

const SMALL: u64 = 16 * 1024;

/// Returns how many bytes of the file went.
async fn copy_out<R: Runtime>(
    wire: &mut Wire<R>,
    reader: &mut dyn Reader,
    extent: Option<Extent>,
    mut encoder: Option<AsciiEncoder>,
    rooms: RangeInclusive<usize>,
) -> Result<u64, TransferError> {
    let (mut encoded, mut spare) = (Vec::new(), Vec::new());
    let mut room = *rooms.start();
    let (mut chunk, mut came) = reader.read(vec![0; room]).await;
    let mut total = 0;
    loop {
        let count = came.map_err(TransferError::Storage)?;
        if count == 0 {
            return Ok(total);
        }
        wire.thread(count).await;
        let bytes = match &mut encoder {
            None => &chunk[..count],
            Some(encoder) => {
                encoded.clear();
                encoder.push(&chunk[..count], &mut encoded);
                &encoded[..]
            }
        };
        total += count as u64;
        if count < room && extent.is_some_and(|Extent { offset, len }| offset + total == len) {
            // There was room for more, and there is to be no more.
            wire.send_last(bytes).await?;
            return Ok(total);
        }
        room = next_room(room, count, *rooms.end());
        if blocking::is_allowed() {
            // One after the other, in one buffer: more of it is in the processor's caches.
            wire.send(bytes).await?;
            chunk.resize(room, 0);
            (chunk, came) = reader.read(chunk).await;
        } else {
            spare.resize(room, 0);
            let ((next, next_came), sent) = both(reader.read(spare), wire.send(bytes)).await;
            sent?;
            spare = mem::replace(&mut chunk, next);
            came = next_came;
        }
        yield_now().await;
    }
}

/// Returns the last bytes, which are yet to be written: of a small file, all.
async fn copy_in<R: Runtime>(
    wire: &mut Wire<R>,
    writer: &mut dyn Writer,
    mut decoder: Option<AsciiDecoder>,
    mut room: Room,
) -> Result<Vec<u8>, TransferError> {
    let (mut chunk, mut spare) = (vec![0; room.size()], Vec::new());
    let (mut count, mut ended) = wire.receive(&mut chunk).await?;
    if !ended && decoder.is_none() {
        (count, ended) = write_beginning(wire, writer, &mut chunk, count).await?;
    }
    while !ended {
        wire.thread(count).await;
        room.came(count);
        if blocking::is_allowed()
            && let Some(written) = write_in_place(writer, &chunk[..count], &mut spare, &mut decoder)
        {
            written.map_err(TransferError::Storage)?;
            chunk.resize(room.size(), 0);
            (count, ended) = wire.receive(&mut chunk).await?;
            continue;
        }
        let full = take_received(&mut chunk, count, &mut spare, room.size(), &mut decoder);
        let ((written, result), received) = both(writer.write_all(full), wire.receive(&mut chunk)).await;
        result.map_err(TransferError::Storage)?;
        (count, ended) = received?;
        spare = written;
        give_back(&mut spare, room.size());
        yield_now().await;
    }
    let mut full = take_received(&mut chunk, count, &mut spare, 0, &mut decoder);
    if let Some(decoder) = decoder {
        decoder.finish(&mut full);
    }
    Ok(full)
}

/// Writes what comes without waiting, as long as all is less than a buffer: there may be no more, with the end on its way,
/// which is not worth a thread. Returns what is to be written next.
async fn write_beginning<R: Runtime>(
    wire: &mut Wire<R>,
    writer: &mut dyn Writer,
    chunk: &mut [u8],
    mut count: usize,
) -> Result<(usize, bool), TransferError> {
    let mut ended = false;
    while !ended && wire.meter.bytes() < chunk.len() as u64 {
        let written = writer.try_write(&chunk[..count]).unwrap_or(0);
        if written < count {
            chunk.copy_within(written..count, 0);
            return Ok((count - written, false));
        }
        (count, ended) = wire.receive_behind_beginning(chunk).await?;
    }
    Ok((count, ended))
}

/// Writes what was received on this thread. The buffer stays, and with it what the processor's caches have of it.
fn write_in_place(
    writer: &mut dyn Writer,
    received: &[u8],
    decoded: &mut Vec<u8>,
    decoder: &mut Option<AsciiDecoder>,
) -> Option<Result<(), FsError>> {
    let writer = writer.in_place()?;
    let Some(decoder) = decoder else { return Some(writer.write_all(received)) };
    decoded.clear();
    decoder.push(received, decoded);
    Some(writer.write_all(decoded))
}

/// Takes what was received out as it is to be written, and leaves a buffer of that length to receive into.
fn take_received(
    chunk: &mut Vec<u8>,
    count: usize,
    spare: &mut Vec<u8>,
    room: usize,
    decoder: &mut Option<AsciiDecoder>,
) -> Vec<u8> {
    match decoder {
        Some(decoder) => {
            spare.clear();
            decoder.push(&chunk[..count], spare);
            chunk.resize(room, 0);
            give_back(chunk, room);
        }
        None => {
            // The other buffer is the next to receive into. What is in it will be written over.
            spare.resize(room, 0);
            mem::swap(chunk, spare);
            spare.truncate(count);
        }
    }
    mem::take(spare)
}

/// Gives back the memory of a buffer that had more room on a thread.
fn give_back(buffer: &mut Vec<u8>, room: usize) {
    if buffer.capacity() > 2 * room {
        buffer.shrink_to(room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::USUAL;

    #[test]
    fn no_buffer_keeps_the_room_that_it_had_on_a_thread() {
        const LARGE: usize = 4 << 20;
        for decoder in [None, Some(AsciiDecoder::new())] {
            let (mut decoder, mut chunk, mut spare) = (decoder, vec![0; LARGE], Vec::new());
            take_received(&mut chunk, 10, &mut spare, USUAL, &mut decoder);
            assert!(chunk.len() == USUAL && chunk.capacity() <= 2 * USUAL, "{}", chunk.capacity());
        }
    }
}
