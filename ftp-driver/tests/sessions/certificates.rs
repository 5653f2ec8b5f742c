//! Several certificates of a server, and those of clients: logins by them, and whose data connections are whose.

use std::sync::Arc;
use std::time::Duration;

use ftp_driver::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use ftp_driver::rustls::server::WebPkiClientVerifier;
use ftp_driver::rustls::sign::CertifiedKey;
use ftp_driver::rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use ftp_driver::{CertificatesByName, Service, ServiceBuilder, TlsServer};
use ftp_fs::{Credential, Fingerprint, MemoryFs, NewUser, Storage, VirtualUsers};
use ftp_proto::Config;
use ftp_types::{Permissions, Secret};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};

use crate::on_both;
use crate::secure::{SecureClient, VERSIONS, forgetful};
use crate::server::{Server, Start, in_memory};

on_both! {
    a_certificate_logs_in_without_a_password,
    a_certificate_of_another_or_none_leaves_the_password,
    a_certificate_and_a_password_may_both_be_needed,
    data_connections_present_the_certificate_of_their_session,
    clients_get_the_certificate_of_the_name_that_they_connect_to,
}

/// An authority that both sides trust.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What one side shows.
struct Identity {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, "authority");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap())
    }

    fn identity(&self, usage: ExtendedKeyUsagePurpose) -> Identity {
        self.named("localhost", usage)
    }

    fn named(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> Identity {
        let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
        parameters.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.0).unwrap().der().clone();
        Identity { certificate, key }
    }

    fn client(&self) -> Identity {
        self.identity(ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        Arc::new(roots)
    }

    /// Clients may present a certificate and need not.
    fn tls(&self) -> TlsServer {
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots(), TlsServer::crypto_provider());
        let identity = self.identity(ExtendedKeyUsagePurpose::ServerAuth);
        let config = ServerConfig::builder_with_provider(TlsServer::crypto_provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
            .with_single_cert(vec![identity.certificate.clone()], identity.key())
            .unwrap();
        TlsServer::new(config)
    }

    fn client_config(
        &self,
        version: &'static SupportedProtocolVersion,
        identity: Option<&Identity>,
    ) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(TlsServer::crypto_provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(self.roots());
        Arc::new(match identity {
            Some(identity) => {
                builder.with_client_auth_cert(vec![identity.certificate.clone()], identity.key()).unwrap()
            }
            None => builder.with_no_client_auth(),
        })
    }
}

impl Identity {
    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }

    fn certified(&self) -> CertifiedKey {
        CertifiedKey::from_der(vec![self.certificate.clone()], self.key(), &TlsServer::crypto_provider()).unwrap()
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }
}

/// Serves a user `alice` of the password `secret`, as `adapt` makes her.
fn serve(start: Start, authority: &Authority, adapt: impl FnOnce(NewUser) -> NewUser) -> Server {
    let users = VirtualUsers::new();
    let storage = Storage::blocking(MemoryFs::new());
    let alice = NewUser::new("alice".parse().unwrap(), Credential::Plain(Secret::new(b"secret")), storage);
    users.add(adapt(alice.permissions(Permissions::ALL))).map(drop).unwrap();
    let builder: ServiceBuilder = Service::builder(users);
    let config = Config { failed_login_delay: Duration::ZERO, ..Config::default() };
    start(builder.config(config).tls(authority.tls()).build())
}

fn protect(client: &mut SecureClient) {
    client.client.command("TYPE I", 200);
    client.client.command("PBSZ 0", 200);
    client.client.command("PROT P", 200);
}

fn a_certificate_logs_in_without_a_password(start: Start) {
    let authority = Authority::new();
    let (first, second) = (authority.client(), authority.client());
    let certificates = [first.fingerprint(), second.fingerprint()];
    let server = serve(start, &authority, |alice| certificates.into_iter().fold(alice, NewUser::certificate));
    for version in VERSIONS {
        for identity in [&first, &second] {
            let config = authority.client_config(version, Some(identity));
            let mut client = SecureClient::connect(server.address(), &config);
            client.client.command("USER nobody", 331);
            client.client.command("USER alice", 232);
            // Sent along by those who do not look at the answer.
            client.client.command("PASS wrong", 230);
            protect(&mut client);
            client.upload("STOR file", b"content");
            assert_eq!(client.download("RETR file"), b"content");
            let mut client = SecureClient::connect_implicit(server.implicit_tls_address(), &config);
            client.client.command("USER alice", 232);
        }
    }
}

fn a_certificate_of_another_or_none_leaves_the_password(start: Start) {
    let authority = Authority::new();
    let (hers, other) = (authority.client(), authority.client());
    let server = serve(start, &authority, |alice| alice.certificate(hers.fingerprint()));
    for version in VERSIONS {
        for identity in [Some(&other), None] {
            let config = authority.client_config(version, identity);
            let mut client = SecureClient::connect(server.address(), &config);
            client.client.command("USER alice", 331);
            client.client.command("PASS secret", 230);
            client.client.command("PASS secret", 503);
            protect(&mut client);
            client.upload("STOR file", b"content");
        }
    }
}

fn a_certificate_and_a_password_may_both_be_needed(start: Start) {
    let authority = Authority::new();
    let hers = authority.client();
    let server = serve(start, &authority, |alice| alice.certificate(hers.fingerprint()).require_certificate(true));
    for version in VERSIONS {
        for (identity, code) in [(Some(&hers), 230), (Some(&authority.client()), 530), (None, 530)] {
            let config = authority.client_config(version, identity);
            let mut client = SecureClient::connect(server.address(), &config);
            client.client.command("USER alice", 331);
            client.client.command("PASS secret", code);
        }
    }
}

fn data_connections_present_the_certificate_of_their_session(start: Start) {
    let authority = Authority::new();
    let (hers, other) = (authority.client(), authority.client());
    let server = serve(start, &authority, |alice| alice.certificate(hers.fingerprint()));
    for version in VERSIONS {
        let config = authority.client_config(version, Some(&hers));
        let mut client = SecureClient::connect(server.address(), &config);
        client.client.command("USER alice", 232);
        protect(&mut client);
        client.config = forgetful(&config);
        client.upload("STOR file", b"content");
        // Many clients present none here, and need not.
        client.config = authority.client_config(version, None);
        assert_eq!(client.download("RETR file"), b"content");
        client.config = authority.client_config(version, Some(&other));
        client.expect_refused("RETR file");
        client.config = config;
        assert_eq!(client.download("RETR file"), b"content");
    }
}

fn clients_get_the_certificate_of_the_name_that_they_connect_to(start: Start) {
    let authority = Authority::new();
    let named = |name| authority.named(name, ExtendedKeyUsagePurpose::ServerAuth);
    let [default, ftp, wild] = ["default.test", "ftp.example.test", "*.example.test"].map(named);
    let certificates = CertificatesByName::new(default.certified()).with(ftp.certified()).unwrap();
    let certificates = certificates.with(wild.certified()).unwrap();
    let server = start(in_memory().tls(TlsServer::from_certificates(certificates).unwrap()).build());
    for version in VERSIONS {
        for (name, expected) in [("default.test", &default), ("ftp.example.test", &ftp), ("other.example.test", &wild)]
        {
            // The client verifies the certificate by that name.
            let config = authority.client_config(version, None);
            let mut client = SecureClient::connect_by(name, server.address(), &config);
            assert_eq!(client.client.control.get_ref().conn.peer_certificates().unwrap()[0], expected.certificate);
            client.login();
            client.upload("STOR file", b"content");
            // On data connections, too, also where it does not tell the name and has no session to resume.
            let mut silent = ClientConfig::clone(&forgetful(&config));
            silent.enable_sni = false;
            client.config = Arc::new(silent);
            assert_eq!(client.download("RETR file"), b"content");
        }
        // Who tells no name gets the first.
        let mut silent = ClientConfig::clone(&authority.client_config(version, None));
        silent.enable_sni = false;
        let client = SecureClient::connect_by("default.test", server.address(), &Arc::new(silent));
        assert_eq!(client.client.control.get_ref().conn.peer_certificates().unwrap()[0], default.certificate);
    }
}
