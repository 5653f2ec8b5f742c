//! Certificates for a test, and a client that speaks TLS.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use ftp_driver::TlsServer;
use ftp_driver::rustls::client::Resumption;
use ftp_driver::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use ftp_driver::rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use ftp_driver::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use ftp_driver::rustls::{
    self, ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
    SupportedProtocolVersion,
};
use rcgen::{CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};

use super::{Client, LIMIT};

/// A certificate and its key.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) chain: String,
    pub(crate) key: String,
    der: Vec<u8>,
}

impl Identity {
    /// One that is signed by itself.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        change(&mut parameters);
        Self::of(&parameters.self_signed(&key).unwrap(), &key)
    }

    /// An authority, as PEM, and a client that it vouches for.
    pub(crate) fn client() -> (String, Self) {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
        let mut parameters = CertificateParams::default();
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        (authority.pem(), Self::of(&parameters.signed_by(&key, &authority).unwrap(), &key))
    }

    fn of(certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        let (chain, pem, der) = (certificate.pem(), key.serialize_pem(), key.serialize_der());
        Self { certificate: certificate.der().clone(), chain, key: pem, der }
    }

    /// Both in one text.
    pub(crate) fn pem(&self) -> String {
        format!("{}{}", self.chain, self.key)
    }
}

/// What a client does in its handshakes.
#[derive(Default)]
pub(crate) struct Options<'a> {
    pub(crate) version: Option<&'static SupportedProtocolVersion>,
    pub(crate) identity: Option<&'a Identity>,
    pub(crate) never_resumes: bool,
    /// The name of the server; `localhost` otherwise.
    pub(crate) name: Option<&'static str>,
}

impl Options<'_> {
    fn config(&self) -> Arc<ClientConfig> {
        let provider = TlsServer::crypto_provider();
        let verifier = Arc::new(Anybody(provider.signature_verification_algorithms));
        let builder = ClientConfig::builder_with_provider(provider);
        let versions = self.version.map_or_else(|| rustls::DEFAULT_VERSIONS.to_vec(), |version| vec![version]);
        let builder = builder.with_protocol_versions(&versions).unwrap();
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = match self.identity {
            Some(Identity { certificate, der, .. }) => {
                let key = PrivateKeyDer::try_from(der.clone()).unwrap();
                builder.with_client_auth_cert(vec![certificate.clone()], key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        if self.never_resumes {
            config.resumption = Resumption::disabled();
        }
        Arc::new(config)
    }
}

pub(crate) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// A session over TLS.
pub(crate) struct TlsClient {
    control: BufReader<TlsStream>,
    config: Arc<ClientConfig>,
    name: &'static str,
}

impl TlsClient {
    /// After AUTH TLS.
    pub(crate) fn explicit(address: SocketAddr, options: &Options<'_>) -> Self {
        let mut clear = Client::connect(address);
        let reply = clear.command("AUTH TLS");
        assert!(reply.starts_with("234"), "{reply}");
        Self::over(clear.into_stream(), options).unwrap()
    }

    /// On a listener for implicit TLS, past its greeting.
    pub(crate) fn implicit(address: SocketAddr, options: &Options<'_>) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut client = Self::over(stream, options).unwrap();
        assert!(client.reply().starts_with("220"));
        client
    }

    /// On a connection where the server waits for TLS.
    pub(crate) fn over(stream: TcpStream, options: &Options<'_>) -> std::io::Result<Self> {
        let (config, name) = (options.config(), options.name.unwrap_or("localhost"));
        let control = BufReader::new(shake_hands(stream, name, &config)?);
        Ok(Self { control, config, name })
    }

    /// The certificate that the server showed.
    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.control.get_ref().conn.peer_certificates().unwrap()[0].clone().into_owned()
    }

    /// What is below TLS.
    pub(crate) fn socket(&self) -> &TcpStream {
        &self.control.get_ref().sock
    }

    /// Says that nothing more comes.
    pub(crate) fn close(&mut self) {
        let stream = self.control.get_mut();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
    }

    /// Logs in, and has data connections protected.
    #[track_caller]
    pub(crate) fn login(&mut self, user: &str, password: &str) {
        for (line, code) in [
            (format!("USER {user}"), "331"),
            (format!("PASS {password}"), "230"),
            ("PBSZ 0".to_owned(), "200"),
            ("PROT P".to_owned(), "200"),
            ("TYPE I".to_owned(), "200"),
        ] {
            let reply = self.command(&line);
            assert!(reply.starts_with(code), "{line}: {reply}");
        }
    }

    pub(crate) fn command(&mut self, line: &str) -> String {
        self.control.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.reply()
    }

    /// The same, for a server that may have hung up.
    pub(crate) fn try_command(&mut self, line: &str) -> std::io::Result<String> {
        self.control.get_mut().write_all(format!("{line}\r\n").as_bytes())?;
        let mut reply = String::new();
        match self.control.read_line(&mut reply)? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(reply),
        }
    }

    /// The next reply; of one with several lines, the last.
    pub(crate) fn reply(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            self.control.read_line(&mut line).unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }

    /// Opens a data connection, gives the command that uses it, and shakes hands.
    #[track_caller]
    pub(crate) fn transfer(&mut self, line: &str) -> std::io::Result<TlsStream> {
        let reply = self.command("EPSV");
        let port = reply.split('|').nth(3).unwrap_or_else(|| panic!("{reply}")).parse().unwrap();
        let mut address = self.control.get_ref().sock.peer_addr().unwrap();
        address.set_port(port);
        let data = TcpStream::connect(address).unwrap();
        data.set_read_timeout(Some(LIMIT)).unwrap();
        let reply = self.command(line);
        assert!(reply.starts_with('1'), "{line}: {reply}");
        shake_hands(data, self.name, &self.config)
    }

    /// What comes ends with `close_notify`: without it, reading fails.
    #[track_caller]
    pub(crate) fn retrieve(&mut self, line: &str) -> Vec<u8> {
        let mut content = Vec::new();
        self.transfer(line).unwrap().read_to_end(&mut content).unwrap();
        assert!(self.reply().starts_with("226"));
        content
    }

    #[track_caller]
    pub(crate) fn store(&mut self, line: &str, content: &[u8]) {
        let mut data = self.transfer(line).unwrap();
        data.write_all(content).unwrap();
        data.conn.send_close_notify();
        data.flush().unwrap();
        drop(data);
        let reply = self.reply();
        assert!(reply.starts_with("226"), "{reply}");
    }
}

fn shake_hands(mut stream: TcpStream, name: &'static str, config: &Arc<ClientConfig>) -> std::io::Result<TlsStream> {
    let name = ServerName::try_from(name).unwrap();
    let mut connection = ClientConnection::new(Arc::clone(config), name).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(connection, stream))
}

/// Takes any certificate; tests look at it themselves.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
