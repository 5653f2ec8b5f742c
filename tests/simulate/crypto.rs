//! TLS whose every byte follows from the seed: its randomness is the run's, and its clock is the world's.

use std::fmt;
use std::sync::{Arc, LazyLock};

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use ftp_driver::TlsServer;
use rcgen::{CertificateParams, KeyPair};
use rustls::client::Resumption;
use rustls::crypto::{
    self, ActiveKeyExchange, CryptoProvider, GetRandomFailed, SecureRandom, SharedSecret, SupportedKxGroup,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, Error, NamedGroup, PeerMisbehaved, RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::tickets::{ClientTls, Tickets};
use crate::world::World;

/// What the server is called, and its certificate is for.
pub(crate) const NAME: &str = "ftp.example";

/// A key of Ed25519 (RFC 8410), whose signatures take no randomness.
const KEY_BEGINNING: [u8; 16] = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
const KEY: [u8; 32] = *b"this is known to everybody, hush";

static CERTIFICATE: LazyLock<CertificateDer<'static>> = LazyLock::new(|| {
    let key = KeyPair::try_from(&key()).expect("it is a key");
    let mut certificate = CertificateParams::new([NAME.to_owned()]).expect("it is a name");
    // The clock of the world begins in 1970.
    certificate.not_before = rcgen::date_time_ymd(1970, 1, 1);
    certificate.self_signed(&key).expect("it can be signed").into()
});

fn key() -> PrivatePkcs8KeyDer<'static> {
    [&KEY_BEGINNING[..], &KEY].concat().into()
}

/// The randomness that was seeded when the run began.
#[derive(Debug)]
struct Seeded;

impl SecureRandom for Seeded {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        fastrand::fill(bytes);
        Ok(())
    }
}

/// X25519 with keys of that randomness; the libraries' own draw from the system.
#[derive(Debug)]
struct Exchange;

struct Begun {
    private: PrivateKey,
    public: agreement::PublicKey,
}

impl SupportedKxGroup for Exchange {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut bytes = [0; 32];
        fastrand::fill(&mut bytes);
        let private = PrivateKey::from_private_key(&agreement::X25519, &bytes).map_err(|_| GetRandomFailed)?;
        let public = private.compute_public_key().map_err(|_| GetRandomFailed)?;
        Ok(Box::new(Begun { private, public }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

impl ActiveKeyExchange for Begun {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let peer = UnparsedPublicKey::new(&agreement::X25519, peer);
        let wrong = Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);
        agreement::agree(&self.private, peer, wrong, |secret| Ok(secret.into()))
    }

    fn pub_key(&self) -> &[u8] {
        self.public.as_ref()
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

/// The time of the world.
struct Clock(World);

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(self.0.now().since_epoch()))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        kx_groups: vec![&Exchange],
        secure_random: &Seeded,
        ..crypto::aws_lc_rs::default_provider()
    })
}

/// TLS as the server has it.
pub(crate) fn server(world: &World) -> TlsServer {
    let config = ServerConfig::builder_with_details(provider(), Arc::new(Clock(world.clone())))
        .with_protocol_versions(&[&TLS12, &TLS13])
        .expect("there are ciphers for both")
        .with_no_client_auth()
        .with_single_cert(vec![CERTIFICATE.clone()], PrivateKeyDer::Pkcs8(key()))
        .expect("they fit");
    TlsServer::new(config)
}

/// TLS as a client has it for one visit: its data connections resume what its control connection began, unless it
/// forgets that.
pub(crate) fn client(world: &World, modern: bool, forgets: bool) -> ClientTls {
    let version: &'static SupportedProtocolVersion = if modern { &TLS13 } else { &TLS12 };
    let mut roots = RootCertStore::empty();
    roots.add(CERTIFICATE.clone()).expect("it is a certificate");
    let mut config = ClientConfig::builder_with_details(provider(), Arc::new(Clock(world.clone())))
        .with_protocol_versions(&[version])
        .expect("there are ciphers for it")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tickets = Arc::new(Tickets::new());
    config.resumption = if forgets { Resumption::disabled() } else { Resumption::store(tickets.clone()) };
    ClientTls { config: Arc::new(config), tickets }
}
