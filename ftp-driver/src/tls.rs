//! TLS as its server: what the caller configures, and what of it belongs to one session (RFC 4217).

use std::future::poll_fn;
use std::io;
use std::sync::Arc;

use ftp_fs::ClientCertificate;
use ftp_proto::TlsError;
use rustls::server::UnbufferedServerConnection;
#[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
use rustls::sign::CertifiedKey;
use rustls::{HandshakeKind, ServerConfig};

use crate::certificates::RememberedCertificate;
#[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
use crate::certificates::{CertificateError, CertificatesByName};
use crate::maybe_tls::MaybeTls;
use crate::runtime::Stream;
use crate::tls_buffer::{COMMAND_STEP, FILE_STEP};
use crate::tls_sessions::{ControlSessions, DataSessions, NoTickets, Sessions, SharedPurpose};

/// How many tickets of TLS 1.3 a client gets at least that has to resume its session. Some use each but once; with a
/// ticket they get another, except with uploads. Few of them keep more than that, and those that keep but one cannot
/// transfer anything after an upload. (rustls sends tickets at the end of a handshake alone, so that the control
/// connection can bring no later ones. With uploads, even curl loses the race: it may close before it has read the
/// ticket, and the upload is cut.)
const TICKETS: usize = 8;

/// Certificates, and how strict to be about TLS. A clone is another handle to the same.
#[derive(Clone, Debug)]
pub struct TlsServer {
    config: Arc<ServerConfig>,
    require_session_reuse: bool,
    lenient_eof: bool,
}

/// TLS for the connections of one session.
#[derive(Clone)]
pub(crate) struct SessionTls {
    control: Arc<ServerConfig>,
    sessions: Sessions,
    /// What the data connection that is made is for.
    purpose: SharedPurpose,
    require_session_reuse: bool,
    lenient_eof: bool,
}

impl TlsServer {
    /// TLS by this configuration, whose certificates, versions, ciphers and verifier of client certificates all apply.
    ///
    /// Its session storage and ticketer do not: every control connection has a storage of its own, so that its data
    /// connections, and nobody else's, can resume its TLS session. Early data is not taken.
    #[must_use]
    pub fn new(config: impl Into<Arc<ServerConfig>>) -> Self {
        Self { config: config.into(), require_session_reuse: false, lenient_eof: false }
    }

    /// TLS 1.2 and 1.3 with this chain of certificates, the server's own first, and its private key, both in PEM. They
    /// may be in one text, which is then given twice.
    ///
    /// # Errors
    /// When a text holds nothing of what is looked for, or nothing that can be used.
    #[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        Self::from_certificates(CertificatesByName::new(Self::certified_key(chain, key)?))
    }

    /// TLS 1.2 and 1.3 with several chains, which clients get by the name that they connect to.
    /// [`certified_key`](Self::certified_key) reads them from PEM.
    ///
    /// # Errors
    /// [`CertificateError::Unusable`] when the cryptography does not do what TLS asks of it.
    #[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
    pub fn from_certificates(certificates: CertificatesByName) -> Result<Self, CertificateError> {
        let config = ServerConfig::builder_with_provider(Self::crypto_provider())
            .with_safe_default_protocol_versions()
            .map_err(CertificateError::Unusable)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(certificates));
        Ok(Self::new(config))
    }

    /// A chain of certificates, the server's own first, and its private key, both in PEM.
    ///
    /// # Errors
    /// As for [`from_pem`](Self::from_pem).
    #[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
    pub fn certified_key(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, CertificateError> {
        use rustls::pki_types::pem::{self, PemObject};
        use rustls::pki_types::{CertificateDer, PrivateKeyDer};

        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(chain).collect::<Result<_, _>>().map_err(CertificateError::Malformed)?;
        if chain.is_empty() {
            return Err(CertificateError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound => CertificateError::NoKey,
            error => CertificateError::Malformed(error),
        })?;
        CertifiedKey::from_der(chain, key, &Self::crypto_provider()).map_err(CertificateError::Unusable)
    }

    /// The cryptography that this crate was built with, for those who put a [`ServerConfig`] together.
    #[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
    #[must_use]
    pub fn crypto_provider() -> Arc<rustls::crypto::CryptoProvider> {
        #[cfg(feature = "tls-aws-lc")]
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        #[cfg(not(feature = "tls-aws-lc"))]
        let provider = rustls::crypto::ring::default_provider();
        Arc::new(provider)
    }

    /// Whether data connections must resume the TLS session of their control connection, which nobody else can. They
    /// need not by default, since not all clients can do it; in TLS 1.3, those that keep but one ticket and use it once can
    /// transfer nothing after an upload.
    #[must_use]
    pub fn require_session_reuse(mut self, yes: bool) -> Self {
        self.require_session_reuse = yes;
        self
    }

    /// Whether an upload that ends without the `close_notify` of TLS is whole all the same, as old clients need it;
    /// then whoever can cut connections can cut files. One that ends within a TLS record is never whole. By default
    /// `close_notify` has to come.
    #[must_use]
    pub fn lenient_eof(mut self, yes: bool) -> Self {
        self.lenient_eof = yes;
        self
    }

    /// TLS for a control connection that has just come, and for its data connections.
    pub(crate) fn for_session(&self) -> SessionTls {
        let sessions = Sessions::default();
        let mut control = ServerConfig::clone(&self.config);
        control.ticketer = Arc::new(NoTickets);
        control.max_early_data_size = 0;
        control.cert_resolver = Arc::new(RememberedCertificate::new(Arc::clone(&self.config.cert_resolver)));
        control.session_storage = Arc::new(ControlSessions(sessions.clone()));
        if self.require_session_reuse {
            control.send_tls13_tickets = control.send_tls13_tickets.max(TICKETS);
        }
        SessionTls {
            control: Arc::new(control),
            sessions,
            purpose: SharedPurpose::default(),
            require_session_reuse: self.require_session_reuse,
            lenient_eof: self.lenient_eof,
        }
    }
}

impl SessionTls {
    /// Begins TLS on the control connection.
    pub(crate) fn begin_control<S: Stream>(&self, stream: &mut MaybeTls<S>) -> Result<(), TlsError> {
        begin(stream, &self.control, false, COMMAND_STEP)
    }

    /// Carries a data connection into TLS. If the client presents a certificate there, it is that of its control
    /// connection, if that had one: otherwise somebody else is there.
    ///
    /// # Cancellation
    /// The connection stays in the middle of its handshake, and can only be closed.
    pub(crate) async fn secure_data<S: Stream>(
        &self,
        stream: &mut MaybeTls<S>,
        certificate: Option<&ClientCertificate>,
    ) -> Result<(), TlsError> {
        let sessions = Arc::new(DataSessions::new(&self.sessions, &self.purpose));
        let _awaited = sessions.awaited();
        begin(stream, &Arc::new(self.for_data(&sessions)), self.lenient_eof, FILE_STEP)?;
        if self.require_session_reuse {
            // Clients that make the handshake before they send their command would get no new ticket otherwise.
            poll_fn(|cx| stream.poll_handshake_to_last_word(cx)).await.map_err(|error| handshake_error(&error))?;
            if stream.handshake_kind() == Some(HandshakeKind::Resumed) {
                self.purpose.known().await;
            }
        }
        poll_fn(|cx| stream.poll_handshake(cx)).await.map_err(|error| handshake_error(&error))?;
        if stream.handshake_kind() == Some(HandshakeKind::Resumed) {
            sessions.keep_new();
        } else if self.require_session_reuse {
            return Err(TlsError::NotResumed);
        }
        match (stream.peer_certificate(), certificate) {
            (Some(presented), Some(expected)) if presented != expected.der() => {
                tracing::debug!("the data connection presents another certificate than the control connection");
                Err(TlsError::Handshake)
            }
            _ => Ok(()),
        }
    }

    fn for_data(&self, sessions: &Arc<DataSessions>) -> ServerConfig {
        let mut config = ServerConfig::clone(&self.control);
        config.session_storage = Arc::clone(sessions) as _;
        // Where the client reads it, as `purpose` says.
        config.send_tls13_tickets = 1;
        config
    }

    /// What the data connection is for. A client that reads from it gets a new ticket of TLS 1.3 in its handshake. One
    /// who only uploads would not read it; when it closes, its system would answer with a reset, and the upload would be
    /// cut.
    pub(crate) fn purpose(&self) -> &SharedPurpose {
        &self.purpose
    }
}

fn begin<S: Stream>(
    stream: &mut MaybeTls<S>,
    config: &Arc<ServerConfig>,
    lenient_eof: bool,
    step: usize,
) -> Result<(), TlsError> {
    let connection = UnbufferedServerConnection::new(Arc::clone(config)).map_err(|error| {
        tracing::error!(%error, "TLS cannot be used as it is configured");
        TlsError::Handshake
    })?;
    stream.begin_tls(connection, lenient_eof, step);
    Ok(())
}

/// What the core is told of a handshake that failed; the log is told why.
pub(crate) fn handshake_error(error: &io::Error) -> TlsError {
    tracing::debug!(%error, "TLS handshake failed");
    TlsError::Handshake
}

#[cfg(all(test, any(feature = "tls-aws-lc", feature = "tls-ring")))]
mod tests {
    use rustls::server::StoresServerSessions;

    use super::*;
    use crate::tls_sessions::Purpose;

    /// A certificate and its key.
    fn made() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn error(chain: &str, key: &str) -> CertificateError {
        TlsServer::from_pem(chain.as_bytes(), key.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_certificate_and_its_key_may_be_in_one_text() {
        let (chain, key) = made();
        TlsServer::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        let both = chain + &key;
        TlsServer::from_pem(both.as_bytes(), both.as_bytes()).unwrap();
    }

    #[test]
    fn what_is_missing_or_wrong_is_told() {
        let ((chain, key), (_, other)) = (made(), made());
        assert!(matches!(error("", &key), CertificateError::NoCertificate));
        assert!(matches!(error(&chain, &chain), CertificateError::NoKey));
        assert!(matches!(error("-----BEGIN CERTIFICATE-----\n", &key), CertificateError::Malformed(_)));
        assert!(matches!(error(&chain, &other), CertificateError::Unusable(_)));
    }

    #[test]
    fn a_session_has_its_own_storage_and_takes_no_early_data() {
        let (chain, key) = made();
        let server = TlsServer::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        let (one, other) = (server.for_session(), server.for_session());
        assert!(one.control.session_storage.put(vec![1], vec![2]));
        let data = |tls: &SessionTls| DataSessions::new(&tls.sessions, &tls.purpose);
        assert_eq!(data(&one).take(&[1]), Some(vec![2]));
        assert_eq!(data(&one).take(&[1]), Some(vec![2]));
        assert_eq!(data(&other).take(&[1]), None);
        let config = one.for_data(&Arc::new(data(&one)));
        assert_eq!((one.control.max_early_data_size, config.max_early_data_size), (0, 0));
        assert!(config.session_storage.take(&[1]).is_some());
    }

    #[test]
    fn a_handshake_that_nobody_waits_for_makes_no_session() {
        let (chain, key) = made();
        let tls = TlsServer::from_pem(chain.as_bytes(), key.as_bytes()).unwrap().for_session();
        tls.purpose.prepare(Purpose::ClientReads);
        tls.purpose.announce();
        let sessions = DataSessions::new(&tls.sessions, &tls.purpose);
        let awaited = sessions.awaited();
        assert!(sessions.put(vec![1], vec![2]));
        drop(awaited);
        assert!(!sessions.put(vec![1], vec![2]));
    }
}
