//! One connection under TLS: bytes in, bytes out, and rustls in between. What comes is decrypted where it was received.

use std::io;

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    AppDataRecord, ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, UnbufferedStatus,
};
use rustls::{Error, HandshakeKind, ProtocolVersion};

use crate::tls_buffer::Buffer;

/// How much is encrypted at a time: four full records.
const ENCRYPTED: usize = 64 * 1024;

pub(crate) struct TlsConnection {
    rustls: UnbufferedServerConnection,
    /// What was received, and is not decrypted.
    incoming: Buffer,
    /// What was decrypted, and was more than there was room for: of a record, and when something is written, of all that
    /// was received.
    rest: Vec<u8>,
    rest_taken: usize,
    /// What is encrypted, and not sent.
    outgoing: Buffer,
    /// The peer has sent `close_notify`.
    has_ended: bool,
    failure: Option<Error>,
}

/// What rustls is asked for.
enum Job<'a> {
    Read(&'a mut [u8]),
    Write(&'a [u8]),
    Close,
}

/// How far that is.
enum Turn {
    GoesOn,
    Read(usize),
    Written(usize),
    /// More has to come from the peer.
    Waits,
}

impl TlsConnection {
    pub(crate) fn new(rustls: UnbufferedServerConnection) -> Self {
        Self {
            rustls,
            incoming: Buffer::default(),
            rest: Vec::new(),
            rest_taken: 0,
            outgoing: Buffer::default(),
            has_ended: false,
            failure: None,
        }
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.rustls.is_handshaking()
    }

    /// Whether the handshake resumes a session in TLS 1.3.
    pub(crate) fn resumes_in_tls13(&self) -> bool {
        self.is_tls13() && self.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    pub(crate) fn is_tls13(&self) -> bool {
        self.rustls.protocol_version() == Some(ProtocolVersion::TLSv1_3)
    }

    pub(crate) fn handshake_kind(&self) -> Option<HandshakeKind> {
        self.rustls.handshake_kind()
    }

    pub(crate) fn peer_certificate(&self) -> Option<&[u8]> {
        self.rustls.peer_certificates()?.first().map(|certificate| certificate.as_ref())
    }

    /// Where what is received from the peer has to be; [`read`](Self::read) makes something of it.
    pub(crate) fn incoming(&mut self) -> &mut Buffer {
        &mut self.incoming
    }

    /// What is to be sent to the peer.
    pub(crate) fn outgoing(&mut self) -> &mut Buffer {
        &mut self.outgoing
    }

    pub(crate) fn has_unsent(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether the peer has said its last word, and all that came before it was read.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// Whether nothing has come of a record that is not whole.
    pub(crate) fn is_between_records(&self) -> bool {
        self.incoming.is_empty()
    }

    /// Decrypts into the buffer what has come. 0 where that is nothing, and without room for anything; the handshake goes
    /// on all the same.
    ///
    /// # Errors
    /// The peer breaks the protocol; what is outgoing tells it.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut filled = self.take_rest(into);
        while self.goes_on(filled, into.len()) {
            match self.turn(Job::Read(&mut into[filled..])) {
                Turn::Read(count) => filled += count,
                Turn::Waits => break,
                Turn::GoesOn | Turn::Written(_) => {}
            }
        }
        self.encode_answers();
        match &self.failure {
            Some(error) if filled == 0 => Err(io::Error::new(io::ErrorKind::InvalidData, error.clone())),
            _ => Ok(filled),
        }
    }

    /// Encrypts some of it; `None` while the handshake is not done.
    ///
    /// # Errors
    /// The connection has failed before. Nobody asks once the last word is said.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        let bytes = &bytes[..bytes.len().min(ENCRYPTED)];
        self.until_written(|| Job::Write(bytes)).map(|written| written.map(|_| bytes.len()))
    }

    /// Says the last word, once; not after a fatal alert, nor in the middle of a handshake.
    pub(crate) fn close(&mut self) {
        // There is nothing to tell of what fails now.
        let _ = self.until_written(|| Job::Close);
    }

    fn until_written<'a>(&mut self, mut job: impl FnMut() -> Job<'a>) -> io::Result<Option<usize>> {
        while self.failure.is_none() {
            match self.turn(job()) {
                Turn::Written(count) => return Ok(Some(count)),
                Turn::Waits => return Ok(None),
                Turn::GoesOn | Turn::Read(_) => {}
            }
        }
        Err(io::ErrorKind::BrokenPipe.into())
    }

    /// Whether more can be read into a buffer of that length.
    fn goes_on(&self, filled: usize, room: usize) -> bool {
        let is_open = self.failure.is_none() && !self.has_ended;
        is_open && self.rest.is_empty() && (filled == 0 || self.next_record() <= room - filled)
    }

    /// How long the next record may be when it is decrypted.
    fn next_record(&self) -> usize {
        match self.incoming.filled() {
            [_, _, _, high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])),
            _ => 0,
        }
    }

    fn turn(&mut self, mut job: Job<'_>) -> Turn {
        let UnbufferedStatus { mut discard, state } = self.rustls.process_tls_records(self.incoming.filled_mut());
        let turn = match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                let mut count = 0;
                while let Some(record) = traffic.next_record() {
                    let Ok(AppDataRecord { discard: more, payload }) = record else { break };
                    discard += more;
                    count += deliver(payload, job.room(count), &mut self.rest);
                }
                Ok(Turn::Read(count))
            }
            Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.outgoing).map(|()| Turn::GoesOn),
            Ok(ConnectionState::TransmitTlsData(data)) => {
                // It is in the outgoing buffer, and as good as sent.
                data.done();
                Ok(Turn::GoesOn)
            }
            Ok(ConnectionState::PeerClosed) => {
                self.has_ended = true;
                Ok(Turn::GoesOn)
            }
            Ok(ConnectionState::WriteTraffic(mut traffic)) => match job {
                Job::Read(_) => Ok(Turn::Waits),
                Job::Write(bytes) => encrypt(|room| traffic.encrypt(bytes, room), &mut self.outgoing),
                Job::Close => encrypt(|room| traffic.queue_close_notify(room), &mut self.outgoing),
            },
            // Early data is never taken.
            Ok(_) => Ok(Turn::Waits),
            Err(error) => Err(error),
        };
        self.incoming.discard(discard);
        if self.has_ended {
            // What comes behind `close_notify` is nobody's.
            self.incoming.clear();
        }
        turn.unwrap_or_else(|error| {
            self.failure = Some(error);
            self.incoming.clear();
            self.encode_answers();
            Turn::GoesOn
        })
    }

    /// Takes what rustls has to say out of it, be it an alert. It is shown nothing, and has nothing else to do before that.
    fn encode_answers(&mut self) {
        while self.rustls.wants_write() {
            let state = self.rustls.process_tls_records(&mut []).state;
            let Ok(ConnectionState::EncodeTlsData(data)) = state else { return };
            if encode(data, &mut self.outgoing).is_err() {
                return;
            }
        }
    }

    fn take_rest(&mut self, into: &mut [u8]) -> usize {
        let rest = &self.rest[self.rest_taken..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.rest_taken += count;
        if self.rest_taken == self.rest.len() {
            (self.rest, self.rest_taken) = (Vec::new(), 0);
        }
        count
    }
}

impl Job<'_> {
    /// Room to read into, behind what was read.
    fn room(&mut self, read: usize) -> &mut [u8] {
        match self {
            Self::Read(into) => &mut into[read..],
            Self::Write(_) | Self::Close => &mut [],
        }
    }
}

fn deliver(payload: &[u8], into: &mut [u8], rest: &mut Vec<u8>) -> usize {
    let (fits, more) = payload.split_at(payload.len().min(into.len()));
    into[..fits.len()].copy_from_slice(fits);
    rest.extend_from_slice(more);
    fits.len()
}

fn encode<Data>(mut data: EncodeTlsData<'_, Data>, outgoing: &mut Buffer) -> Result<(), Error> {
    loop {
        match data.encode(outgoing.room()) {
            Ok(count) => {
                outgoing.add(count);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => {
                outgoing.make_room_for(required_size);
            }
            Err(EncodeError::AlreadyEncoded) => return Err(Error::EncryptError),
        }
    }
}

fn encrypt(
    mut write: impl FnMut(&mut [u8]) -> Result<usize, EncryptError>,
    outgoing: &mut Buffer,
) -> Result<Turn, Error> {
    loop {
        match write(outgoing.room()) {
            Ok(count) => {
                outgoing.add(count);
                return Ok(Turn::Written(count));
            }
            Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size })) => {
                outgoing.make_room_for(required_size);
            }
            Err(EncryptError::EncryptExhausted) => return Err(Error::EncryptError),
        }
    }
}
