//! One transfer: what is open, over which connection, and how far it is.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use ftp_fs::{BlockingListing, BlockingReader, BlockingWriter};
use ftp_proto::{
    AsciiDecoder, AsciiEncoder, ListFormatter, Representation, Ticket, Transfer, TransferError, TransferKind,
    Transferred,
};
use ftp_types::{FsError, UnixTime};

use crate::would_block;

/// Something that was opened for a transfer.
pub(crate) enum OpenFile {
    Read(Box<dyn BlockingReader>),
    Write(Box<dyn BlockingWriter>),
    List(Box<dyn BlockingListing>),
}

pub(crate) struct Moving {
    pub(crate) ticket: Ticket<Transfer>,
    pub(crate) data: TcpStream,
    pub(crate) bytes: u64,
    work: Work,
    /// Bytes for the wire, and how many of them are written.
    chunk: (Vec<u8>, usize),
}

enum Work {
    Send(Box<dyn BlockingReader>, Option<AsciiEncoder>),
    List(Box<dyn BlockingListing>, ListFormatter),
    Receive(Option<Box<dyn BlockingWriter>>, Option<AsciiDecoder>),
}

impl Moving {
    pub(crate) fn new(ticket: Ticket<Transfer>, file: OpenFile, data: TcpStream) -> Self {
        let ascii = |representation| representation == Representation::Ascii;
        let work = match (file, ticket.request().kind) {
            (OpenFile::Read(reader), TransferKind::Send(kind)) => {
                Work::Send(reader, ascii(kind).then(AsciiEncoder::new))
            }
            (OpenFile::Write(writer), TransferKind::Receive(kind)) => {
                Work::Receive(Some(writer), ascii(kind).then(AsciiDecoder::new))
            }
            (OpenFile::List(listing), TransferKind::List(style)) => {
                Work::List(listing, ListFormatter::new(style, UnixTime::EPOCH))
            }
            _ => unreachable!("the session transfers what it has opened for it"),
        };
        Self { ticket, data, bytes: 0, work, chunk: (Vec::new(), 0) }
    }

    pub(crate) fn receives(&self) -> bool {
        matches!(self.work, Work::Receive(..))
    }

    /// Moves as much as goes without waiting; the outcome when that was the last of it.
    pub(crate) fn drive(&mut self) -> Option<Transferred> {
        let end = if self.receives() { self.receive() } else { self.send() };
        let end = end.transpose()?;
        let _ = self.data.shutdown(Shutdown::Write);
        Some(Transferred { bytes: self.bytes, end })
    }

    /// `None`: to be continued.
    fn send(&mut self) -> Result<Option<()>, TransferError> {
        loop {
            let (chunk, written) = &mut self.chunk;
            while *written < chunk.len() {
                match would_block(self.data.write(&chunk[*written..])) {
                    Ok(Some(count)) => (*written, self.bytes) = (*written + count, self.bytes + count as u64),
                    Ok(None) => return Ok(None),
                    Err(_) => return Err(TransferError::ConnectionLost),
                }
            }
            chunk.clear();
            *written = 0;
            self.work.fill(chunk).map_err(TransferError::Storage)?;
            if chunk.is_empty() {
                return Ok(Some(()));
            }
        }
    }

    fn receive(&mut self) -> Result<Option<()>, TransferError> {
        let Work::Receive(writer, decoder) = &mut self.work else { return Ok(Some(())) };
        let mut buffer = [0; 16 * 1024];
        loop {
            // Only the clean end of the stream is an end.
            let count = match would_block(self.data.read(&mut buffer)) {
                Ok(Some(count)) => count,
                Ok(None) => return Ok(None),
                Err(_) => return Err(TransferError::ConnectionLost),
            };
            self.bytes += count as u64;
            let mut decoded = Vec::new();
            match decoder {
                Some(_) if count == 0 => decoder.take().into_iter().for_each(|last| last.finish(&mut decoded)),
                Some(decoder) => decoder.push(&buffer[..count], &mut decoded),
                None => decoded.extend_from_slice(&buffer[..count]),
            }
            let Some(open) = writer.as_mut() else { return Ok(Some(())) };
            open.write_all(&decoded).map_err(TransferError::Storage)?;
            if count == 0 {
                let finished = writer.take().map_or(Err(FsError::Cancelled), BlockingWriter::finish);
                return finished.map(|_| Some(())).map_err(TransferError::Storage);
            }
        }
    }
}

impl Work {
    /// Fetches the next bytes for the wire; none at the end.
    fn fill(&mut self, chunk: &mut Vec<u8>) -> Result<(), FsError> {
        match self {
            Self::Send(reader, encoder) => {
                let mut buffer = [0; 16 * 1024];
                let count = reader.read(&mut buffer)?;
                match encoder {
                    Some(encoder) => encoder.push(&buffer[..count], chunk),
                    None => chunk.extend_from_slice(&buffer[..count]),
                }
            }
            Self::List(listing, formatter) => {
                listing.next_batch(100)?.iter().for_each(|entry| formatter.push(entry, chunk));
            }
            Self::Receive(..) => {}
        }
        Ok(())
    }
}
