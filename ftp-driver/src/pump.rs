//! Files through data connections, both ways.
//!
//! Reading the one and writing the other overlap: while a chunk is on its way, the next is fetched.

use ftp_fs::{Reader, Writer};
use ftp_proto::{AsciiDecoder, AsciiEncoder, Representation, TransferError};
use ftp_types::FsError;
use tracing::debug;

use crate::holdings::Extent;
use crate::io::{both, yield_now};
use crate::runtime::Runtime;
use crate::wire::Wire;
use crate::zero_copy;

/// Sends the file, from where the reader stands to its end. `extent` is how much that was when the file was
/// opened: one that was cut since is not whole, and the client hears of it. `piece` is how much is read at a time.
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
    let file = if zero_copy && image && !wire.throttle.is_limited() { zero_copy::file_of(&*reader) } else { None };
    let sent = match file {
        Some(file) => zero_copy::send(wire, file).await?,
        None => None,
    };
    let sent = match sent {
        Some(sent) => sent,
        None => copy_out(wire, &mut *reader, (!image).then(AsciiEncoder::new), piece).await?,
    };
    if let Some(Extent { offset, len }) = extent
        && offset + sent < len
    {
        check_not_cut(&mut *reader, len).await?;
    }
    wire.finish().await
}

/// Writes what the client sends into the file, at most `piece` of it at a time, and finishes it. Only a clean end of the
/// stream is an end.
///
/// # Cancellation
/// The writer is dropped unfinished: the upload counts as cut.
pub(crate) async fn upload<R: Runtime>(
    wire: &mut Wire<R>,
    mut writer: Box<dyn Writer>,
    representation: Representation,
    piece: usize,
) -> Result<(), TransferError> {
    let decoder = (representation == Representation::Ascii).then(AsciiDecoder::new);
    copy_in(wire, &mut *writer, decoder, piece).await?;
    writer.finish().await.map_err(TransferError::Storage)?;
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

/// Returns how many bytes of the file went.
async fn copy_out<R: Runtime>(
    wire: &mut Wire<R>,
    reader: &mut dyn Reader,
    mut encoder: Option<AsciiEncoder>,
    piece: usize,
) -> Result<u64, TransferError> {
    let (mut encoded, spare) = (Vec::new(), vec![0; piece]);
    let (mut chunk, count) = reader.read(vec![0; piece]).await;
    let mut count = count.map_err(TransferError::Storage)?;
    let mut total = 0;
    let mut spare = Some(spare);
    while count > 0 {
        let bytes = match &mut encoder {
            None => &chunk[..count],
            Some(encoder) => {
                encoded.clear();
                encoder.push(&chunk[..count], &mut encoded);
                &encoded[..]
            }
        };
        let buffer = spare.take().unwrap_or_default();
        let ((next, next_count), sent) = both(reader.read(buffer), wire.send(bytes)).await;
        sent?;
        total += count as u64;
        count = next_count.map_err(TransferError::Storage)?;
        spare = Some(std::mem::replace(&mut chunk, next));
        yield_now().await;
    }
    Ok(total)
}

async fn copy_in<R: Runtime>(
    wire: &mut Wire<R>,
    writer: &mut dyn Writer,
    mut decoder: Option<AsciiDecoder>,
    piece: usize,
) -> Result<(), TransferError> {
    let (mut chunk, mut spare) = (vec![0; piece], Vec::new());
    let (mut count, mut ended) = wire.receive(&mut chunk).await?;
    while !ended {
        let full = take_received(&mut chunk, count, &mut spare, &mut decoder);
        let ((written, result), received) = both(writer.write_all(full), wire.receive(&mut chunk)).await;
        result.map_err(TransferError::Storage)?;
        (count, ended) = received?;
        spare = written;
        yield_now().await;
    }
    let mut full = take_received(&mut chunk, count, &mut spare, &mut decoder);
    if let Some(decoder) = decoder {
        decoder.finish(&mut full);
    }
    if full.is_empty() {
        return Ok(());
    }
    writer.write_all(full).await.1.map_err(TransferError::Storage)
}

/// Takes what was received out as it is to be written, and leaves a buffer of full length to receive into.
fn take_received(
    chunk: &mut Vec<u8>,
    count: usize,
    spare: &mut Vec<u8>,
    decoder: &mut Option<AsciiDecoder>,
) -> Vec<u8> {
    spare.clear();
    match decoder {
        Some(decoder) => decoder.push(&chunk[..count], spare),
        None => {
            // The other buffer is the next to receive into.
            spare.resize(chunk.len(), 0);
            std::mem::swap(chunk, spare);
            spare.truncate(count);
        }
    }
    std::mem::take(spare)
}
