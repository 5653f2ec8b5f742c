//! A certificate for a server that was given none.

use ftp_driver::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use ftp_driver::rustls::sign::CertifiedKey;
use ftp_driver::{TlsServer, rustls};
use ftp_fs::Fingerprint;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

use crate::config::Config;

/// A certificate that only its fingerprint vouches for, and its key.
#[derive(Debug)]
pub(super) struct SelfSigned {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl SelfSigned {
    /// For this machine's own name, and for the addresses that the server listens on and tells.
    pub(super) fn make(config: &Config) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::new(names(config))?;
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, "Ferry");
        let certificate = parameters.self_signed(&key)?.der().clone();
        Ok(Self { certificate, key })
    }

    pub(super) fn certified_key(&self) -> Result<CertifiedKey, rustls::Error> {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        CertifiedKey::from_der(vec![self.certificate.clone()], key, &TlsServer::crypto_provider())
    }

    /// `SHA-256 AA:BB:…`
    pub(super) fn fingerprint(&self) -> String {
        format!("SHA-256 {}", Fingerprint::of(&self.certificate))
    }
}

fn names(config: &Config) -> Vec<String> {
    let server = &config.server;
    let listening = server.listen.iter().chain(&server.listen_implicit_tls).map(|address| address.ip());
    let mut addresses: Vec<String> = listening.filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_string()).collect();
    addresses.extend(config.data.masquerade_address.as_ref().map(|ip| ip.to_string()));
    addresses.extend(["127.0.0.1", "::1", "localhost"].map(str::to_owned));
    addresses.sort();
    addresses.dedup();
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_in_the_form_of_openssl() {
        let fingerprint = SelfSigned::make(&Config::default()).unwrap().fingerprint();
        let bytes: Vec<&str> = fingerprint.strip_prefix("SHA-256 ").unwrap().split(':').collect();
        assert_eq!(bytes.len(), 32);
        let is_digit = |digit: u8| digit.is_ascii_digit() || digit.is_ascii_uppercase();
        assert!(bytes.iter().all(|byte| byte.len() == 2 && byte.bytes().all(is_digit)), "{fingerprint}");
    }

    #[test]
    fn every_server_has_a_key_of_its_own() {
        let make = || SelfSigned::make(&Config::default()).unwrap();
        assert_ne!(make().fingerprint(), make().fingerprint());
        assert!(make().certified_key().is_ok());
    }
}
