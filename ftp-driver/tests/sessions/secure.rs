//! A client under TLS, and certificates for its server.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use ftp_driver::{TlsServer, rustls};
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned, SupportedProtocolVersion};

use crate::client::{Client, Connection};

pub(crate) use rustls::version::{TLS12, TLS13};

/// The versions that everything has to work in.
pub(crate) const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

pub(crate) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// A certificate for `localhost`, and its key.
pub(crate) struct Certificate {
    chain: String,
    key: String,
}

pub(crate) struct SecureClient {
    pub(crate) client: Client<TlsStream>,
    /// For data connections.
    pub(crate) config: Arc<ClientConfig>,
    /// What the server is called.
    pub(crate) name: &'static str,
}

impl Connection for TlsStream {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self { chain: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    pub(crate) fn server(&self) -> TlsServer {
        TlsServer::from_pem(self.chain.as_bytes(), self.key.as_bytes()).unwrap()
    }

    /// A client that trusts it, and remembers the sessions that it can resume.
    pub(crate) fn client(&self, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.chain.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(TlsServer::crypto_provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }
}

/// The same client without a memory.
pub(crate) fn forgetful(config: &ClientConfig) -> Arc<ClientConfig> {
    let mut config = config.clone();
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// Makes the handshake.
pub(crate) fn secure(socket: TcpStream, config: &Arc<ClientConfig>) -> std::io::Result<TlsStream> {
    secure_by("localhost", socket, config)
}

/// The same with a server of this name.
fn secure_by(name: &'static str, socket: TcpStream, config: &Arc<ClientConfig>) -> std::io::Result<TlsStream> {
    let connection = ClientConnection::new(Arc::clone(config), name.try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

impl SecureClient {
    /// AUTH TLS, and what follows.
    pub(crate) fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        Self::connect_by("localhost", address, config)
    }

    /// The same with a server of this name.
    pub(crate) fn connect_by(name: &'static str, address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let mut client = Client::connect(address);
        client.command("AUTH TLS", 234);
        let control = secure_by(name, client.control.into_inner(), config).unwrap();
        Self { client: Client { control: BufReader::new(control) }, config: Arc::clone(config), name }
    }

    /// TLS first.
    pub(crate) fn connect_implicit(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let control = secure(Client::open(address).control.into_inner(), config).unwrap();
        let mut client = Client { control: BufReader::new(control) };
        client.expect(220);
        Self { client, config: Arc::clone(config), name: "localhost" }
    }

    pub(crate) fn login(&mut self) {
        self.client.login();
        self.client.command("PBSZ 0", 200);
        self.client.command("PROT P", 200);
    }

    pub(crate) fn logged_in(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let mut client = Self::connect(address, config);
        client.login();
        client
    }

    /// A passive data connection under TLS, whose handshake comes first.
    pub(crate) fn passive(&mut self) -> TlsStream {
        secure_by(self.name, self.client.passive(), &self.config).unwrap()
    }

    /// Most clients begin the handshake when the command has begun.
    fn begin(&mut self, command: &str) -> TlsStream {
        let socket = self.client.passive();
        self.client.begin(command);
        secure_by(self.name, socket, &self.config).unwrap()
    }

    pub(crate) fn upload(&mut self, command: &str, bytes: &[u8]) {
        let mut data = self.begin(command);
        data.write_all(bytes).unwrap();
        end(&mut data);
        drop(data);
        self.client.expect(226);
    }

    pub(crate) fn download(&mut self, command: &str) -> Vec<u8> {
        let data = self.begin(command);
        self.read_all(data)
    }

    /// The same when the handshake came before the command.
    pub(crate) fn download_over(&mut self, data: TlsStream, command: &str) -> Vec<u8> {
        self.client.begin(command);
        self.read_all(data)
    }

    /// An end without `close_notify` would fail here.
    fn read_all(&mut self, mut data: TlsStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        data.read_to_end(&mut bytes).unwrap();
        end(&mut data);
        drop(data);
        self.client.expect(226);
        bytes
    }

    /// A download whose data connection is refused under TLS: nothing of the file comes.
    pub(crate) fn expect_refused(&mut self, command: &str) {
        let socket = self.client.passive();
        self.client.begin(command);
        // In TLS 1.3 the client is done before the server has judged it.
        if let Ok(mut data) = secure_by(self.name, socket, &self.config) {
            let mut bytes = Vec::new();
            let _ = data.read_to_end(&mut bytes);
            assert_eq!(bytes, b"");
        }
        self.client.expect(522);
    }

    /// A listing over a data connection that does not resume what the server requires.
    pub(crate) fn expect_not_resumed(&mut self) {
        let socket = self.client.passive();
        self.client.begin("LIST");
        let data = secure_by(self.name, socket, &self.config).unwrap();
        let reply = self.client.expect(522);
        assert!(reply.contains("resume"), "{reply}");
        assert_eq!(data.conn.handshake_kind(), Some(HandshakeKind::Full));
    }
}

/// Sends `close_notify`.
pub(crate) fn end(stream: &mut TlsStream) {
    stream.conn.send_close_notify();
    stream.flush().unwrap();
}

/// Reads until the peer's `close_notify`; there must be nothing before it.
pub(crate) fn expect_end(stream: &mut TlsStream) {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
}
