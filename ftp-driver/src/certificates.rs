//! The server's certificates, and which of them a client gets: by the name that it connects to (RFC 6066 §3).

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

/// Why certificates cannot be served.
#[derive(Debug)]
#[non_exhaustive]
pub enum CertificateError {
    /// There is no certificate in the first text.
    NoCertificate,
    /// There is no private key in the second text, or one that is protected by a password.
    NoKey,
    /// A text is not PEM.
    Malformed(rustls::pki_types::pem::Error),
    /// The certificate or the key cannot be used, or they do not belong together.
    Unusable(rustls::Error),
    /// There is no DNS name in the certificate, so that no client would ever get it.
    NoName,
}

/// Chains of certificates with their keys, for a server that has several names.
///
/// A client that tells the name which it connects to gets the first chain whose own certificate bears that name, else
/// the first with a wildcard for it (`*.example.org` for `ftp.example.org`), among those whose key it can verify. All
/// others get the default: those that tell no name, as clients that connect to a bare address do, or one that nobody
/// bears.
///
/// It can be the [`cert_resolver`](rustls::ServerConfig::cert_resolver) of any configuration.
#[derive(Clone, Debug)]
pub struct CertificatesByName {
    default: Arc<CertifiedKey>,
    /// By name in lower case, or by its parent with `*.` before it. The default's own names are here, too.
    named: HashMap<String, Vec<Arc<CertifiedKey>>>,
}

impl CertificatesByName {
    /// The default alone. It needs no name.
    #[must_use]
    pub fn new(default: impl Into<Arc<CertifiedKey>>) -> Self {
        let default = default.into();
        let mut new = Self { default: Arc::clone(&default), named: HashMap::new() };
        new.add(&default);
        new
    }

    /// With one more chain. What is given earlier goes first where two have the same name.
    ///
    /// # Errors
    /// [`CertificateError::NoName`].
    pub fn with(mut self, key: impl Into<Arc<CertifiedKey>>) -> Result<Self, CertificateError> {
        if self.add(&key.into()) == 0 {
            return Err(CertificateError::NoName);
        }
        Ok(self)
    }

    /// Returns how many names it has.
    fn add(&mut self, key: &Arc<CertifiedKey>) -> usize {
        let names = names(key);
        for name in &names {
            self.named.entry(name.clone()).or_default().push(Arc::clone(key));
        }
        names.len()
    }

    /// The chain for this name, whose key has to satisfy `fits`.
    fn find(&self, name: Option<&str>, fits: impl Fn(&CertifiedKey) -> bool) -> &Arc<CertifiedKey> {
        let named = |name: &str| self.named.get(name).into_iter().flatten().find(|key| fits(key));
        let found = name.map(str::to_ascii_lowercase).and_then(|name| {
            let wildcard = name.split_once('.').map(|(_, parent)| format!("*.{parent}"));
            named(&name).or_else(|| named(&wildcard?))
        });
        found.unwrap_or(&self.default)
    }
}

impl ResolvesServerCert for CertificatesByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let fits = |key: &CertifiedKey| key.key.choose_scheme(hello.signature_schemes()).is_some();
        Some(Arc::clone(self.find(hello.server_name(), fits)))
    }
}

/// The DNS names in a chain's own certificate, in lower case.
fn names(key: &CertifiedKey) -> Vec<String> {
    let certificate = key.end_entity_cert().ok().and_then(|der| EndEntityCert::try_from(der).ok());
    let names = |certificate: &EndEntityCert<'_>| certificate.valid_dns_names().map(str::to_ascii_lowercase).collect();
    certificate.as_ref().map(names).unwrap_or_default()
}

/// Remembers what a control connection got, for its data connections: many clients tell no name there.
#[derive(Debug)]
pub(crate) struct RememberedCertificate {
    inner: Arc<dyn ResolvesServerCert>,
    chosen: OnceLock<Arc<CertifiedKey>>,
}

impl RememberedCertificate {
    pub(crate) fn new(inner: Arc<dyn ResolvesServerCert>) -> Self {
        Self { inner, chosen: OnceLock::new() }
    }
}

impl ResolvesServerCert for RememberedCertificate {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(chosen) = self.chosen.get() {
            return Some(Arc::clone(chosen));
        }
        let chosen = self.inner.resolve(hello)?;
        Some(Arc::clone(self.chosen.get_or_init(|| chosen)))
    }

    fn only_raw_public_keys(&self) -> bool {
        self.inner.only_raw_public_keys()
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("there is no certificate in it"),
            Self::NoKey => f.write_str("there is no private key in it, or none without a password"),
            Self::Malformed(error) => write!(f, "not PEM: {error}"),
            Self::Unusable(error) => write!(f, "the certificate or its key cannot be used: {error}"),
            Self::NoName => f.write_str("there is no DNS name in the certificate that clients could ask for"),
        }
    }
}

impl Error for CertificateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoCertificate | Self::NoKey | Self::NoName => None,
            Self::Malformed(error) => Some(error),
            Self::Unusable(error) => Some(error),
        }
    }
}

#[cfg(all(test, any(feature = "tls-aws-lc", feature = "tls-ring")))]
mod tests {
    use super::*;
    use crate::TlsServer;

    fn key(names: &[&str]) -> Arc<CertifiedKey> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        Arc::new(TlsServer::certified_key(chain.as_bytes(), key.as_bytes()).unwrap())
    }

    #[test]
    fn names_go_before_wildcards_and_wildcards_before_the_default() {
        let default = key(&["example.org", "192.0.2.1"]);
        let (wild, exact) = (key(&["*.example.org"]), key(&["FTP.example.org", "files.example.net"]));
        let late = key(&["example.org", "*.example.net"]);
        let all = CertificatesByName::new(Arc::clone(&default));
        let all = [&wild, &exact, &late].into_iter().try_fold(all, |all, key| all.with(Arc::clone(key))).unwrap();
        for (name, expected) in [
            (Some("example.org"), &default),
            (Some("ftp.example.org"), &exact),
            (Some("FTP.Example.ORG"), &exact),
            (Some("other.example.org"), &wild),
            (Some("files.example.net"), &exact),
            (Some("other.example.net"), &late),
            // A wildcard is for one label, and not for none.
            (Some("a.b.example.org"), &default),
            (Some("example.net"), &default),
            (Some("*.example.org"), &wild),
            (Some("unknown"), &default),
            (Some("org"), &default),
            (Some(""), &default),
            (Some("."), &default),
            (None, &default),
        ] {
            assert!(Arc::ptr_eq(all.find(name, |_| true), expected), "{name:?}");
        }
        // A client that cannot verify the one gets the next, and the default in the end.
        let not_exact = |key: &CertifiedKey| key.cert != exact.cert;
        assert!(Arc::ptr_eq(all.find(Some("ftp.example.org"), not_exact), &wild));
        assert!(Arc::ptr_eq(all.find(Some("ftp.example.org"), |_| false), &default));
    }

    #[test]
    fn a_certificate_that_no_client_would_get_is_an_error() {
        let all = CertificatesByName::new(key(&["192.0.2.1"]));
        assert!(matches!(all.with(key(&["192.0.2.2"])), Err(CertificateError::NoName)));
    }
}
