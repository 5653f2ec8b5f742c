//! TLS bytes to bytes, for the client and for the limit program, and a client's stream under it.

use std::io;
use std::sync::Arc;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::crypto::aws_lc_rs::{self, cipher_suite};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus};
use rustls::{ClientConfig, RootCertStore};

use crate::socket::Socket;

/// What is encrypted at a time.
pub(crate) const CHUNK: usize = 128 << 10;

/// The client of all measurements: one suite, the one key exchange that every server has (vsftpd and pure-ftpd know P-256
/// alone), and every handshake a full one, so that no server does other work than the next.
pub(crate) fn client_config(certificate: CertificateDer<'static>, version: Version) -> io::Result<Arc<ClientConfig>> {
    let (version, suite) = match version {
        Version::Tls13 => (&rustls::version::TLS13, cipher_suite::TLS13_AES_256_GCM_SHA384),
        Version::Tls12 => (&rustls::version::TLS12, cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    };
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = vec![suite];
    provider.kx_groups = vec![aws_lc_rs::kx_group::SECP256R1];
    let mut roots = RootCertStore::empty();
    roots.add(certificate).map_err(io::Error::other)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// What a client speaks; 1.2 is for a server that has nothing newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Tls12,
    Tls13,
}

/// The two kinds of connections.
pub(crate) trait Process {
    type Data;
    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Process for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
}

impl Process for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn process<'c, 'i>(&'c mut self, incoming: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(incoming)
    }
}

/// What an engine can do no more without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The handshake needs bytes of the peer.
    Handshaking,
    /// Data may go both ways; to read more needs bytes of the peer.
    Open,
    /// The peer has said that nothing will follow.
    PeerClosed,
}

/// One connection, without a socket.
pub(crate) struct Engine<C> {
    connection: C,
    incoming: Vec<u8>,
    start: usize,
    end: usize,
    /// What has to be sent.
    pub(crate) outgoing: Vec<u8>,
    peer_closed: bool,
}

impl<C: Process> Engine<C> {
    pub(crate) fn new(connection: C, buffer: usize) -> Self {
        let incoming = vec![0; buffer];
        Self { connection, incoming, start: 0, end: 0, outgoing: Vec::new(), peer_closed: false }
    }

    /// Where bytes of the peer go; `received` tells how many came.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        self.incoming.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        &mut self.incoming[self.end..]
    }

    pub(crate) fn received(&mut self, count: usize) {
        self.end += count;
    }

    /// Goes on as far as it can with what has been received.
    pub(crate) fn advance(&mut self, mut data: impl FnMut(&[u8])) -> io::Result<Stage> {
        loop {
            if self.peer_closed {
                return Ok(Stage::PeerClosed);
            }
            let incoming = &mut self.incoming[self.start..self.end];
            let head = head(incoming);
            let status = self.connection.process(incoming);
            let mut discard = status.discard;
            let mut stage = None;
            match status.state.map_err(|error| broken(&error, head))? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(io::Error::other)?;
                        discard += record.discard;
                        data(record.payload);
                    }
                }
                ConnectionState::EncodeTlsData(mut record) => {
                    append(&mut self.outgoing, 0, |place| record.encode(place))?;
                }
                ConnectionState::TransmitTlsData(transmit) => transmit.done(),
                ConnectionState::BlockedHandshake => stage = Some(Stage::Handshaking),
                ConnectionState::WriteTraffic(_) => stage = Some(Stage::Open),
                ConnectionState::PeerClosed | ConnectionState::Closed => self.peer_closed = true,
                _ => return Err(io::Error::other("early data, which was not offered")),
            }
            self.start += discard;
            if let Some(stage) = stage {
                return Ok(stage);
            }
        }
    }

    /// Encrypts into `outgoing`.
    pub(crate) fn encrypt(&mut self, bytes: &[u8]) -> io::Result<()> {
        let status = self.connection.process(&mut []);
        let ConnectionState::WriteTraffic(mut traffic) = status.state.map_err(io::Error::other)? else {
            return Err(io::Error::other("TLS takes no data now"));
        };
        append(&mut self.outgoing, bytes.len(), |place| traffic.encrypt(bytes, place)).map(drop)
    }

    pub(crate) fn close(&mut self) -> io::Result<()> {
        let status = self.connection.process(&mut []);
        match status.state.map_err(io::Error::other)? {
            ConnectionState::WriteTraffic(mut traffic) => {
                append(&mut self.outgoing, 0, |place| traffic.queue_close_notify(place)).map(drop)
            }
            _ => Ok(()),
        }
    }
}

/// What an error is told with: the beginning of the bytes that made it. Some servers answer in clear.
fn head(bytes: &[u8]) -> [u8; 16] {
    let mut head = [0; 16];
    let length = bytes.len().min(head.len());
    head[..length].copy_from_slice(&bytes[..length]);
    head
}

fn broken(error: &rustls::Error, head: [u8; 16]) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{error}, at \"{}\"", head.escape_ascii()))
}

/// Errors that can say how much place they want.
trait Insufficient: std::error::Error + Send + Sync + 'static {
    fn required(&self) -> Option<usize>;
}

impl Insufficient for EncodeError {
    fn required(&self) -> Option<usize> {
        match self {
            Self::InsufficientSize(InsufficientSizeError { required_size }) => Some(*required_size),
            Self::AlreadyEncoded => None,
        }
    }
}

impl Insufficient for EncryptError {
    fn required(&self) -> Option<usize> {
        match self {
            Self::InsufficientSize(InsufficientSizeError { required_size }) => Some(*required_size),
            Self::EncryptExhausted => None,
        }
    }
}

/// Lets `write` append to a buffer, with as much place as it turns out to need.
fn append<E: Insufficient>(
    buffer: &mut Vec<u8>,
    guess: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, E>,
) -> io::Result<usize> {
    let length = buffer.len();
    let mut place = guess + guess / 256 + 64;
    loop {
        buffer.resize(length + place, 0);
        match write(&mut buffer[length..]) {
            Ok(count) => {
                buffer.truncate(length + count);
                return Ok(count);
            }
            Err(error) => {
                place = error.required().filter(|&size| size > place).ok_or_else(|| io::Error::other(error))?
            }
        }
    }
}

/// A client's connection under TLS.
pub(crate) struct TlsStream {
    socket: Socket,
    engine: Engine<UnbufferedClientConnection>,
    /// Data that came with the end of the handshake, or with more than was asked for.
    early: Vec<u8>,
}

impl TlsStream {
    pub(crate) async fn handshake(socket: Socket, config: &Arc<ClientConfig>, buffer: usize) -> io::Result<Self> {
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let connection = UnbufferedClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        let mut stream = Self { socket, engine: Engine::new(connection, buffer), early: Vec::new() };
        loop {
            let early = &mut stream.early;
            let stage = stream.engine.advance(|data| early.extend_from_slice(data))?;
            stream.flush().await?;
            if stage != Stage::Handshaking {
                return Ok(stream);
            }
            if stream.fill().await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed within a TLS handshake"));
            }
        }
    }

    /// Hands over what comes next; false at a clean end.
    pub(crate) async fn receive(&mut self, mut data: impl FnMut(&[u8])) -> io::Result<bool> {
        if !self.early.is_empty() {
            data(&std::mem::take(&mut self.early));
            return Ok(true);
        }
        loop {
            let mut any = false;
            let stage = self.engine.advance(|bytes| {
                any = true;
                data(bytes);
            })?;
            self.flush().await?;
            if any {
                return Ok(true);
            }
            if stage == Stage::PeerClosed {
                return Ok(false);
            }
            if self.fill().await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "TLS was cut, without close_notify"));
            }
        }
    }

    pub(crate) async fn send_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        for chunk in bytes.chunks(CHUNK) {
            self.engine.encrypt(chunk)?;
            self.flush().await?;
        }
        Ok(())
    }

    /// Says that nothing will follow.
    pub(crate) async fn close(&mut self) -> io::Result<()> {
        self.engine.close()?;
        self.flush().await?;
        self.socket.end_writing()
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    async fn flush(&mut self) -> io::Result<()> {
        if !self.engine.outgoing.is_empty() {
            self.socket.send_all(&self.engine.outgoing).await?;
            self.engine.outgoing.clear();
        }
        Ok(())
    }

    async fn fill(&mut self) -> io::Result<usize> {
        let count = self.socket.receive(self.engine.space()).await?;
        self.engine.received(count);
        Ok(count)
    }
}
