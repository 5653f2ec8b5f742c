//! TLS as the configuration asks for it: certificates from files, or one that is made at start.

mod files;
mod self_signed;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ftp_driver::rustls::ServerConfig;
use ftp_driver::rustls::server::danger::ClientCertVerifier;
use ftp_driver::rustls::server::{NoClientAuth, WebPkiClientVerifier};
use ftp_driver::rustls::sign::CertifiedKey;
use ftp_driver::{CertificatesByName, TlsServer, rustls};
use tracing::warn;

use self::files::Pair;
use self::self_signed::SelfSigned;
use crate::config::{ClientCertificates, Config, Tls, TlsVersion};

/// One of the files of `[tls]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the keys")]
pub enum TlsFile {
    Certfile,
    Keyfile,
    ClientCa,
}

impl TlsFile {
    /// Its key in the configuration file, and its flag without the dashes.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Certfile => "certfile",
            Self::Keyfile => "keyfile",
            Self::ClientCa => "client_ca",
        }
    }
}

/// A file that TLS cannot be offered with.
#[derive(Debug)]
pub struct TlsFileError {
    file: TlsFile,
    path: PathBuf,
    fault: Fault,
}

/// What is wrong with a file.
#[derive(Debug)]
enum Fault {
    Unreadable(io::Error),
    Useless(String),
}

impl TlsFileError {
    fn new(file: TlsFile, path: &Path, fault: Fault) -> Self {
        Self { file, path: path.to_owned(), fault }
    }

    fn useless(file: TlsFile, path: &Path, fault: impl fmt::Display) -> Self {
        Self::new(file, path, Fault::Useless(fault.to_string()))
    }

    /// Which of the files it is.
    #[must_use]
    pub const fn file(&self) -> TlsFile {
        self.file
    }

    /// Whether the system does not let it be read, as opposed to its content being wrong.
    #[must_use]
    pub const fn is_unreadable(&self) -> bool {
        matches!(self.fault, Fault::Unreadable(_))
    }
}

impl fmt::Display for TlsFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match &self.fault {
            Fault::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Fault::Useless(problem) => f.write_str(problem),
        }
    }
}

impl std::error::Error for TlsFileError {}

/// Why TLS cannot be offered.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// A file is to blame.
    File(TlsFileError),
    /// No certificate could be made.
    SelfSigned(rcgen::Error),
    /// The cryptography does not do what is asked of it.
    Crypto(rustls::Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => write!(f, "{}: {error}", error.file.key()),
            Self::SelfSigned(error) => write!(f, "no certificate could be made: {error}"),
            Self::Crypto(error) => write!(f, "TLS cannot be offered: {error}"),
        }
    }
}

impl std::error::Error for TlsError {}

impl From<TlsFileError> for TlsError {
    fn from(error: TlsFileError) -> Self {
        Self::File(error)
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        Self::Crypto(error)
    }
}

/// Reads a chain of certificates and its key, which is beside it if there is no file for it.
///
/// # Errors
/// The file that TLS cannot be offered with.
pub fn check_pair(certfile: &Path, keyfile: Option<&Path>) -> Result<(), TlsFileError> {
    files::certified_key(Pair { certfile, keyfile }).map(drop)
}

/// The same for one that clients get by a name in it.
///
/// # Errors
/// The file that TLS cannot be offered with.
pub fn check_named_pair(certfile: &Path, keyfile: Option<&Path>) -> Result<(), TlsFileError> {
    let key = Arc::new(files::certified_key(Pair { certfile, keyfile })?);
    add_named(CertificatesByName::new(Arc::clone(&key)), certfile, key).map(drop)
}

/// Reads the authorities of client certificates.
///
/// # Errors
/// TLS cannot be offered with them.
pub fn check_authorities(path: &Path) -> Result<(), TlsFileError> {
    verifier(path, ClientCertificates::Required).map(drop)
}

/// What is not wrong enough to stop a server and is hardly meant: certificates that no client takes at this time.
#[must_use]
pub fn warnings(config: &Config) -> Vec<String> {
    let pairs = config.tls.iter().flat_map(pairs);
    let warning = |pair: Pair<'_>| Some(format!("{}: {}", pair.certfile.display(), files::wrong_time(pair.certfile)?));
    pairs.filter_map(warning).collect()
}

/// All certificates that are named, the default first.
fn pairs(tls: &Tls) -> impl Iterator<Item = Pair<'_>> {
    let default = tls.certfile.as_deref().map(|certfile| Pair { certfile, keyfile: tls.keyfile.as_deref() });
    default.into_iter().chain(tls.certificates.iter().map(Pair::from))
}

/// Makes what the service needs for TLS. A certificate that was made by it lasts as long as this does: a reload does
/// not bring another one to those who trust it.
#[derive(Debug, Default)]
pub struct Identity {
    made: OnceLock<SelfSigned>,
    told: OnceLock<()>,
}

impl Identity {
    /// TLS by this configuration; none if it asks for none. Reads the files.
    ///
    /// # Errors
    /// As [`TlsError`] says.
    pub fn server(&self, config: &Config) -> Result<Option<TlsServer>, TlsError> {
        let Some(tls) = &config.tls else { return Ok(None) };
        let mut pairs = pairs(tls);
        let default = match pairs.next() {
            Some(pair) => files::certified_key(pair)?,
            None => self.made(config)?.certified_key()?,
        };
        let mut certificates = CertificatesByName::new(default);
        for pair in pairs {
            certificates = add_named(certificates, pair.certfile, files::certified_key(pair)?.into())?;
        }
        let verifier = match tls.client_ca.as_deref() {
            Some(path) => verifier(path, tls.client_certificates)?,
            None => Arc::new(NoClientAuth),
        };
        let server = TlsServer::new(server_config(&tls.versions, certificates, verifier)?)
            .require_session_reuse(tls.require_session_reuse)
            .lenient_eof(tls.lenient_eof);
        Ok(Some(server))
    }

    /// Tells the fingerprint of the certificate that was made, if there is one, the first time that this is called.
    pub fn tell_fingerprint(&self) {
        if let Some(made) = self.made.get() {
            self.told.get_or_init(|| {
                warn!("no certfile is named; clients cannot verify the certificate made here, {}", made.fingerprint());
            });
        }
    }

    fn made(&self, config: &Config) -> Result<&SelfSigned, TlsError> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let made = SelfSigned::make(config).map_err(TlsError::SelfSigned)?;
        Ok(self.made.get_or_init(|| made))
    }
}

/// These versions, or TLS 1.2 and 1.3, with the ciphers that rustls holds for safe.
fn server_config(
    versions: &[TlsVersion],
    certificates: CertificatesByName,
    verifier: Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(TlsServer::crypto_provider());
    let spoken = |version: &TlsVersion| match version {
        TlsVersion::V1_2 => &rustls::version::TLS12,
        TlsVersion::V1_3 => &rustls::version::TLS13,
    };
    let named: Vec<_> = versions.iter().map(spoken).collect();
    let versions = if named.is_empty() { rustls::DEFAULT_VERSIONS } else { &named };
    let builder = builder.with_protocol_versions(versions)?.with_client_cert_verifier(verifier);
    Ok(builder.with_cert_resolver(Arc::new(certificates)))
}

fn add_named(
    all: CertificatesByName,
    certfile: &Path,
    key: Arc<CertifiedKey>,
) -> Result<CertificatesByName, TlsFileError> {
    all.with(key).map_err(|error| TlsFileError::useless(TlsFile::Certfile, certfile, error))
}

/// Takes certificates of clients that an authority in this file has signed.
fn verifier(path: &Path, demand: ClientCertificates) -> Result<Arc<dyn ClientCertVerifier>, TlsFileError> {
    let roots = Arc::new(files::roots(path)?);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, TlsServer::crypto_provider());
    let builder = match demand {
        ClientCertificates::Required => builder,
        ClientCertificates::Optional => builder.allow_unauthenticated(),
    };
    builder.build().map_err(|error| TlsFileError::useless(TlsFile::ClientCa, path, error))
}
