//! `[tls]` in the configuration file: every key, and what is wrong with the files that it names.

mod common;

use common::Site;
use common::tls::Identity;
use ferry::config::{Config, Tls};

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
         lenient_eof = true\n";
    let expected = Tls {
        certfile: Some(site.path("cert.pem")),
        keyfile: Some(site.path("key.pem")),
        control_required: true,
        data_required: true,
        require_session_reuse: true,
        client_ca: Some(site.path("ca.pem")),
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
    let expired = Identity::with(|parameters| parameters.not_after = rcgen::date_time_ymd(2001, 9, 9));
    let garbled = "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n";
    for (text, told) in [
        ("", "the file is empty"),
        (&*identity.key, "there is no certificate in PEM in it"),
        (&expired.chain, "the certificate has expired: Sep  9 00:00:00 2001 +00:00"),
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
