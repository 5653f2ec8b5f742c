//! The certificate of all servers: ECDSA P-256, made for each run.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;

use crate::tls::{Version, client_config};

pub(crate) struct Identity {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) both: PathBuf,
    clients: [Arc<ClientConfig>; 2],
}

impl Identity {
    pub(crate) fn create(place: &Path) -> io::Result<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).map_err(io::Error::other)?;
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let write = |name: &str, text: &str| {
            let path = place.join(name);
            fs::write(&path, text)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            Ok::<_, io::Error>(path)
        };
        Ok(Self {
            certificate: write("certificate.pem", &certificate)?,
            both: write("both.pem", &(key.clone() + &certificate))?,
            key: write("key.pem", &key)?,
            clients: [
                client_config(made.cert.der().clone(), Version::Tls12)?,
                client_config(made.cert.der().clone(), Version::Tls13)?,
            ],
        })
    }

    /// A client that trusts it.
    pub(crate) fn client(&self, version: Version) -> Arc<ClientConfig> {
        let [older, newer] = &self.clients;
        Arc::clone(if version == Version::Tls12 { older } else { newer })
    }
}
