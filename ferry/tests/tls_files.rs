//! `[tls]` in the configuration file: every key, and what is wrong with the files that it names.

mod common;

use common::Site;
use common::tls::Identity;
use ferry::config::{Certificate, ClientCertificates, Config, Credential, Tls, TlsVersion};

fn load(site: &Site, text: &str) -> Result<Config, String> {
    site.write("ferry.toml", text);
    let folder = format!("{}/", site.path("").display());
    let folder = folder.replace("//", "/");
    Config::load(&site.path("ferry.toml")).map_err(|problems| problems.to_string().replace(&folder, ""))
}

#[track_caller]
fn is_bad(site: &Site, text: &str, told: &str) {
    let problems = load(site, text).expect_err("an error");
    assert_eq!(problems, format!("ferry.toml:{told}"));
}

const BOTH: &str = "[tls]\ncertfile = 'cert.pem'\nkeyfile = 'key.pem'\n";

#[test]
fn every_key() {
    let site = Site::new();
    let identity = Identity::new();
    site.write("cert.pem", &identity.chain);
    site.write("key.pem", &identity.key);
    site.write("ca.pem", Identity::client().0);
    let text = "control_required = true\ndata_required = true\nrequire_session_reuse = true\nclient_ca = 'ca.pem'\n\
         lenient_eof = true\nversions = ['1.3', '1.2']\nclient_certificates = 'optional'\n[[tls.certificate]]\ncertfile = 'cert.pem'\n\
         keyfile = 'key.pem'\n[[tls.certificate]]\ncertfile = 'both.pem'\n";
    site.write("both.pem", Identity::new().pem());
    let expected = Tls {
        certfile: Some(site.path("cert.pem")),
        keyfile: Some(site.path("key.pem")),
        control_required: true,
        data_required: true,
        require_session_reuse: true,
        certificates: vec![
            Certificate { certfile: site.path("cert.pem"), keyfile: Some(site.path("key.pem")) },
            Certificate { certfile: site.path("both.pem"), keyfile: None },
        ],
        client_ca: Some(site.path("ca.pem")),
        client_certificates: ClientCertificates::Optional,
        versions: vec![TlsVersion::V1_3, TlsVersion::V1_2],
        lenient_eof: true,
    };
    assert_eq!(load(&site, &format!("{BOTH}{text}")).unwrap().tls, Some(expected));
    assert_eq!(load(&site, "[tls]\n").unwrap().tls, Some(Tls::default()));
    assert_eq!(load(&site, "").unwrap().tls, None);
}

#[test]
fn certificate_and_key_may_be_in_one_file() {
    let site = Site::new();
    let identity = Identity::new();
    site.write("both.pem", identity.pem());
    load(&site, "[tls]\ncertfile = 'both.pem'\n").unwrap();
    // What other programs write before, between and behind them does not matter.
    site.write("both.pem", format!("Bag Attributes\n{}\nkey:\n{}\n\n", identity.key, identity.chain));
    load(&site, "[tls]\ncertfile = 'both.pem'\n").unwrap();
}

#[test]
fn keys_that_are_of_no_use() {
    let site = Site::new();
    let identity = Identity::new();
    site.write("cert.pem", &identity.chain);
    is_bad(
        &site,
        "[tls]\ncertfile = 'cert.pem'\n",
        "2:12: tls.certfile: cert.pem: there is a certificate in it, and no private key; keyfile has to name the file \
         with the key",
    );
    is_bad(
        &site,
        "[tls]\nkeyfile = 'key.pem'\n",
        "2:11: tls.keyfile: certfile is missing: the certificates that the key is for",
    );
    let missing = load(&site, BOTH).unwrap_err();
    assert!(missing.starts_with("ferry.toml:3:11: tls.keyfile: key.pem: cannot be read: "), "{missing}");

    let begin = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMAAA\n\
         -----END RSA PRIVATE KEY-----\n";
    let garbled = "-----BEGIN PRIVATE KEY-----\nMAAA\n-----END PRIVATE KEY-----\n";
    for (text, told) in [
        ("", "the file is empty"),
        ("\n", "there is no private key in PEM in it"),
        (&identity.chain, "there is no private key in PEM in it"),
        (&Identity::new().key, "the private key is not that of the first certificate in "),
        (begin, "the private key is encrypted"),
        (old, "the private key is encrypted"),
        (garbled, "the private key cannot be used: "),
        (&identity.key[..60], "the file is broken PEM: "),
    ] {
        site.write("key.pem", text);
        let problem = load(&site, BOTH).unwrap_err();
        assert!(problem.starts_with(&format!("ferry.toml:3:11: tls.keyfile: key.pem: {told}")), "{problem}");
    }
}

#[test]
fn certificates_that_are_of_no_use() {
    let site = Site::new();
    let identity = Identity::new();
    site.write("key.pem", &identity.key);
    let garbled = "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n";
    for (text, told) in [
        ("", "the file is empty"),
        (&*identity.key, "there is no certificate in PEM in it"),
        (garbled, "the first certificate cannot be used: "),
        (&identity.chain[..100], "the file is broken PEM: "),
        (&"x".repeat((1 << 20) + 1), "the file is larger than any with certificates or keys"),
    ] {
        site.write("cert.pem", text);
        let problem = load(&site, BOTH).unwrap_err();
        assert!(problem.starts_with(&format!("ferry.toml:2:12: tls.certfile: cert.pem: {told}")), "{problem}");
    }
    let folder = load(&site, "[tls]\ncertfile = 'home'\n").unwrap_err();
    assert_eq!(folder, "ferry.toml:2:12: tls.certfile: home: cannot be read: it is not a file");
}

#[test]
fn authorities_that_are_of_no_use() {
    let site = Site::new();
    for (text, told) in [("", "the file is empty"), ("x", "there is no certificate in PEM in it")] {
        site.write("ca.pem", text);
        is_bad(&site, "[tls]\nclient_ca = 'ca.pem'\n", &format!("2:13: tls.client_ca: ca.pem: {told}"));
    }
}

#[test]
fn listeners_for_implicit_tls() {
    let site = Site::new();
    let listen = "[server]\nlisten_implicit_tls = ['127.0.0.1:990']\n";
    assert_eq!(load(&site, &format!("{listen}[tls]\n")).unwrap().server.listen_implicit_tls.len(), 1);
    is_bad(&site, listen, "2:23: server.listen_implicit_tls: there is no section [tls] that says how");
    is_bad(
        &site,
        &format!("{listen}listen = ['127.0.0.1:990']\n[tls]\n"),
        "2:24: server.listen_implicit_tls: this address is in the list already",
    );
    load(&site, &format!("{listen}listen = []\n[tls]\n")).unwrap();
    is_bad(
        &site,
        "[server]\nlisten = []\nlisten_implicit_tls = []\n",
        "2:10: server.listen: expected at least one address",
    );
}

#[test]
fn certificates_for_names() {
    let site = Site::new();
    let identity = Identity::new();
    site.write("cert.pem", &identity.chain);
    site.write("key.pem", &identity.key);
    site.write("both.pem", Identity::new().pem());
    site.write("nameless.pem", Identity::with(|parameters| parameters.subject_alt_names.clear()).pem());
    let table = "[[tls.certificate]]\n";
    // Without any before it, the first is for everybody.
    load(&site, &format!("[tls]\n{table}certfile = 'nameless.pem'\n{table}certfile = 'both.pem'\n")).unwrap();
    is_bad(
        &site,
        &format!("{BOTH}{table}certfile = 'nameless.pem'\n"),
        "5:12: tls.certificate.certfile: nameless.pem: there is no DNS name in the certificate that clients could ask \
         for",
    );
    is_bad(
        &site,
        &format!("[tls]\n{table}certfile = 'both.pem'\n{table}certfile = 'both.pem'\nkeyfile = 'key.pem'\n"),
        "6:11: tls.certificate.keyfile: key.pem: the private key is not that of the first certificate in both.pem",
    );
    is_bad(
        &site,
        &format!("{BOTH}{table}certfile = 'cert.pem'\n"),
        "5:12: tls.certificate.certfile: cert.pem: there is a certificate in it, and no private key; keyfile has to \
         name the file with the key",
    );
    is_bad(
        &site,
        &format!("{BOTH}{table}keyfile = 'key.pem'\n"),
        "4:1: tls.certificate: certfile is missing: the chain of certificates",
    );
    let missing = load(&site, &format!("{BOTH}{table}certfile = 'none.pem'\n")).unwrap_err();
    assert!(missing.starts_with("ferry.toml:5:12: tls.certificate.certfile: none.pem: cannot be read: "), "{missing}");
    is_bad(
        &site,
        &format!("{BOTH}{table}certfile = 'both.pem'\nname = 'x'\n"),
        "6:1: tls.certificate.name: unknown key; [tls.certificate] can have certfile, keyfile",
    );
    is_bad(
        &site,
        "[tls]\ncertificate = 'x'\n",
        "2:15: tls.certificate: expected tables, [[tls.certificate]], found a string",
    );
}

#[test]
fn client_certificates_and_whose_they_are() {
    let site = Site::new();
    site.write("ca.pem", Identity::client().0);
    let tls = "[tls]\nclient_ca = 'ca.pem'\n";
    let user = "[[user]]\nname = 'alice'\nhome = 'home'\n";
    let (plain, colons) = ("ab".repeat(32), vec!["CD"; 32].join(":"));
    let text = format!("{tls}{user}certificates = ['{plain}', '{colons}']\n");
    let config = load(&site, &text).unwrap();
    let alice = &config.users[0];
    assert_eq!((&alice.credential, alice.require_certificate), (&Credential::Certificate, false));
    assert_eq!(alice.certificates, [plain.parse().unwrap(), colons.parse().unwrap()]);
    assert_eq!(config.tls.unwrap().client_certificates, ClientCertificates::Required);
    let config = load(&site, &format!("{text}password = 'x'\nrequire_certificate = true\n")).unwrap();
    assert!(config.users[0].require_certificate && config.users[0].credential != Credential::Certificate);

    let unasked = "tls.client_ca, so that no client is asked for its certificate";
    let certificates = format!("{user}certificates = ['{plain}']\n");
    is_bad(&site, &certificates, &format!("4:16: user.certificates: there is no {unasked}"));
    is_bad(&site, &format!("[tls]\n{certificates}"), &format!("5:16: user.certificates: there is no {unasked}"));
    let expected = "a SHA-256 fingerprint, 64 hexadecimal digits with or without colons";
    for (value, place, told) in [
        ("[]", "6:16", format!("expected at least one: {expected}")),
        ("'x'", "6:16", format!("expected an array of strings, each {expected}, found a string")),
        ("['x']", "6:17", format!("expected {expected}")),
        ("[1]", "6:17", format!("expected {expected}, found an integer")),
    ] {
        let problems = format!("{place}: user.certificates: {told}");
        is_bad(&site, &format!("{tls}{user}certificates = {value}\n"), &problems);
    }
    is_bad(
        &site,
        &format!("{tls}{user}password = 'x'\nrequire_certificate = true\n"),
        "7:23: user.require_certificate: certificates is missing: the fingerprints of which one is required",
    );
    is_bad(
        &site,
        "[tls]\nclient_certificates = 'optional'\n",
        "2:23: tls.client_certificates: client_ca is missing: the authorities of these certificates",
    );
    is_bad(
        &site,
        &format!("{tls}client_certificates = 'some'\n"),
        "3:23: tls.client_certificates: expected \"required\" or \"optional\"",
    );
}

#[test]
fn a_certificate_whose_time_is_not_now_is_a_warning() {
    let site = Site::new();
    let expired = Identity::with(|parameters| parameters.not_after = rcgen::date_time_ymd(2001, 9, 9));
    let early = Identity::with(|parameters| parameters.not_before = rcgen::date_time_ymd(2999, 9, 9));
    site.write("expired.pem", expired.pem());
    site.write("early.pem", early.pem());
    site.write("good.pem", Identity::new().pem());
    let tables = "[[tls.certificate]]\ncertfile = 'good.pem'\n[[tls.certificate]]\ncertfile = 'early.pem'\n";
    let text = format!("[tls]\ncertfile = 'expired.pem'\n{tables}");
    let warnings = ferry::tls::warnings(&load(&site, &text).unwrap());
    let expected = [
        format!("{}: the certificate has expired: Sep  9 00:00:00 2001 +00:00", site.path("expired.pem").display()),
        format!("{}: the certificate is not valid yet: Sep  9 00:00:00 2999 +00:00", site.path("early.pem").display()),
    ];
    assert_eq!(warnings, expected);
    assert_eq!(ferry::tls::warnings(&load(&site, "[tls]\ncertfile = 'good.pem'\n").unwrap()), [""; 0]);
}

#[test]
fn versions_that_there_are_not() {
    let site = Site::new();
    let expected = "expected an array of \"1.2\", \"1.3\" or both";
    is_bad(&site, "[tls]\nversions = []\n", &format!("2:12: tls.versions: {expected}"));
    is_bad(&site, "[tls]\nversions = '1.2'\n", &format!("2:12: tls.versions: {expected}, found a string"));
    is_bad(&site, "[tls]\nversions = ['1.2', '1.1']\n", "2:20: tls.versions: expected \"1.2\" or \"1.3\"");
}
