//! Certificates and keys in PEM files.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use ftp_driver::rustls::pki_types::pem::{self, PemObject};
use ftp_driver::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use ftp_driver::rustls::sign::CertifiedKey;
use ftp_driver::rustls::{InconsistentKeys, RootCertStore};
use ftp_driver::{TlsServer, rustls};
use x509_parser::certificate::Validity;
use x509_parser::time::ASN1Time;

use super::{Fault, TlsFile, TlsFileError};
use crate::config::Certificate;

/// A longer file holds something else. Bundles of all the world's authorities have a quarter of it.
const MAX_LEN: u64 = 1 << 20;

/// A chain, and its key if that is in a file of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'a> {
    pub(super) certfile: &'a Path,
    pub(super) keyfile: Option<&'a Path>,
}

impl<'a> From<&'a Certificate> for Pair<'a> {
    fn from(Certificate { certfile, keyfile }: &'a Certificate) -> Self {
        Self { certfile, keyfile: keyfile.as_deref() }
    }
}

/// The chain and key in these files.
pub(super) fn certified_key(Pair { certfile, keyfile }: Pair<'_>) -> Result<CertifiedKey, TlsFileError> {
    let text = read(TlsFile::Certfile, certfile)?;
    let chain = certificates(TlsFile::Certfile, certfile, &text)?;
    validity(certfile, &chain[0])?;
    let (file, path, key) = match keyfile {
        Some(keyfile) => (TlsFile::Keyfile, keyfile, private_key(keyfile, &read(TlsFile::Keyfile, keyfile)?)?),
        None => (TlsFile::Certfile, certfile, private_key_beside(certfile, &text)?),
    };
    CertifiedKey::from_der(chain, key, &TlsServer::crypto_provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            let message = format!("the private key is not that of the first certificate in {}", certfile.display());
            TlsFileError::useless(file, path, message)
        }
        error => TlsFileError::useless(file, path, format!("the private key cannot be used: {error}")),
    })
}

/// What is wrong with the time of the server's own certificate, so that clients do not take it now. What else may be
/// wrong with the file is told elsewhere.
pub(super) fn wrong_time(certfile: &Path) -> Option<String> {
    let chain = certificates(TlsFile::Certfile, certfile, &read(TlsFile::Certfile, certfile).ok()?).ok()?;
    let (validity, now) = (validity(certfile, &chain[0]).ok()?, ASN1Time::now());
    if validity.not_after < now {
        return Some(format!("the certificate has expired: {}", validity.not_after));
    }
    (validity.not_before > now).then(|| format!("the certificate is not valid yet: {}", validity.not_before))
}

/// The authorities in a file.
pub(super) fn roots(path: &Path) -> Result<RootCertStore, TlsFileError> {
    let file = TlsFile::ClientCa;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file, path, &read(file, path)?)? {
        let added = roots.add(certificate);
        added.map_err(|error| TlsFileError::useless(file, path, format!("a certificate cannot be used: {error}")))?;
    }
    Ok(roots)
}

fn read(file: TlsFile, path: &Path) -> Result<Vec<u8>, TlsFileError> {
    let unreadable = |error| TlsFileError::new(file, path, Fault::Unreadable(error));
    let useless = |problem: &str| Err(TlsFileError::useless(file, path, problem));
    // To open a FIFO would be to wait for whoever writes to it.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(unreadable(io::Error::other("it is not a file")));
    }
    let mut text = Vec::new();
    let opened = File::open(path).map_err(unreadable)?;
    opened.take(MAX_LEN + 1).read_to_end(&mut text).map_err(unreadable)?;
    match text.len() as u64 {
        0 => useless("the file is empty"),
        len if len > MAX_LEN => useless("the file is larger than any with certificates or keys"),
        _ => Ok(text),
    }
}

/// At least one.
fn certificates(file: TlsFile, path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(TlsFileError::useless(file, path, "there is no certificate in PEM in it")),
        Err(error) => Err(malformed(file, path, &error)),
    }
}

fn private_key(path: &Path, text: &[u8]) -> Result<PrivateKeyDer<'static>, TlsFileError> {
    find_private_key(TlsFile::Keyfile, path, text, "there is no private key in PEM in it")
}

/// The key that the file with the certificate has to hold as well.
fn private_key_beside(path: &Path, text: &[u8]) -> Result<PrivateKeyDer<'static>, TlsFileError> {
    let message = "there is a certificate in it, and no private key; keyfile has to name the file with the key";
    find_private_key(TlsFile::Certfile, path, text, message)
}

fn find_private_key(
    file: TlsFile,
    path: &Path,
    text: &[u8],
    none: &str,
) -> Result<PrivateKeyDer<'static>, TlsFileError> {
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        _ if is_encrypted(text) => {
            let message = "the private key is encrypted, and there is nobody to ask for its password; \
                 `openssl pkey -in ENCRYPTED -out PLAIN` takes it off";
            TlsFileError::useless(file, path, message)
        }
        pem::Error::NoItemsFound => TlsFileError::useless(file, path, none),
        error => malformed(file, path, &error),
    })
}

/// Whether there is an encrypted key, in the form of PKCS #8 or in that of older programs.
fn is_encrypted(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    ["-----BEGIN ENCRYPTED PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED"].iter().any(|mark| text.contains(mark))
}

fn malformed(file: TlsFile, path: &Path, error: &pem::Error) -> TlsFileError {
    TlsFileError::useless(file, path, format!("the file is broken PEM: {error}"))
}

fn validity(path: &Path, certificate: &CertificateDer<'_>) -> Result<Validity, TlsFileError> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).map_err(|error| {
        TlsFileError::useless(TlsFile::Certfile, path, format!("the first certificate cannot be used: {error}"))
    })?;
    Ok(parsed.validity().clone())
}
