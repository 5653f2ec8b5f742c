//! TLS as the flags and the file ask for it, on a running server.
#![cfg(unix)]

mod common;

use std::io::{Read, Write};

use common::tls::{Identity, Options, TlsClient};
use common::{RUNTIMES, Server, Site};
use ftp_driver::rustls::version::{TLS12, TLS13};
use nix::sys::signal::Signal;
use rcgen::SanType;
use sha2::{Digest, Sha256};

const ACCOUNT: &str = "[[user]]\nname = 'alice'\npassword = 'x'\nhome = 'home'\nperm = 'elradfmwMT'\n";

/// A site with `cert.pem` and `key.pem` in it.
fn site(identity: &Identity) -> Site {
    let site = Site::new();
    plant(&site, identity);
    site
}

fn plant(site: &Site, identity: &Identity) {
    site.write("cert.pem", &identity.chain);
    site.write("key.pem", &identity.key);
}

/// Serves alice with these keys in `[tls]`.
fn serve(site: &Site, runtime: &str, keys: &str) -> Server {
    let text = format!("[tls]\ncertfile = 'cert.pem'\nkeyfile = 'key.pem'\n{keys}\n{ACCOUNT}");
    site.serve_file(&text, &["--runtime", runtime])
}

fn alice(server: &Server, options: &Options<'_>) -> TlsClient {
    let mut client = TlsClient::explicit(server.address, options);
    client.login("alice", "x");
    client
}

fn hang_up(server: &Server) {
    server.signal(Signal::SIGHUP);
}

#[test]
fn all_of_a_session_is_under_tls() {
    let content: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
    for runtime in RUNTIMES {
        for version in [&TLS12, &TLS13] {
            let identity = Identity::new();
            let site = site(&identity);
            let mut server = serve(&site, runtime, "");
            let mut client = alice(&server, &Options { version: Some(version), ..Options::default() });
            assert_eq!(client.certificate(), identity.certificate);
            client.store("STOR file", &content);
            assert_eq!(std::fs::read(site.path("home/file")).unwrap(), content);
            assert_eq!(client.retrieve("RETR file"), content);
            assert!(String::from_utf8(client.retrieve("LIST")).unwrap().ends_with(" file\r\n"));
            server.stop();
        }
    }
}

#[test]
fn what_is_required_is_refused_in_clear() {
    for runtime in RUNTIMES {
        let site = site(&Identity::new());
        let certificate = site.path("cert.pem");
        let key = site.path("key.pem");
        let files = ["--certfile", certificate.to_str().unwrap(), "--keyfile", key.to_str().unwrap()];
        let required = ["--tls", "--tls-control-required", "--tls-data-required", "--runtime", runtime];
        let server = site.serve(&[&files[..], &required].concat());
        let mut clear = server.client();
        assert!(clear.command("USER ftp").starts_with('5'));
        let mut client = TlsClient::explicit(server.address, &Options::default());
        client.login("ftp", "");
        assert!(client.retrieve("NLST").is_empty());
        assert!(client.command("PROT C").starts_with("200"));
        client.command("EPSV");
        assert!(client.command("LIST").starts_with('5'));
    }
}

#[test]
fn implicit_listeners_begin_with_tls() {
    for runtime in RUNTIMES {
        let identity = Identity::new();
        let site = site(&identity);
        site.write("home/file", "content");
        site.write("both.pem", identity.pem());
        let listen = "[server]\nlisten = ['127.0.0.1:0']\nlisten_implicit_tls = ['127.0.0.1:0']\n";
        let text = format!("{listen}[tls]\ncertfile = 'both.pem'\n{ACCOUNT}");
        let mut server = site.serve_file(&text, &["--runtime", runtime]);
        let ready = server.ready_line();
        let address = ready.strip_prefix("listening on ftps://").unwrap().parse().unwrap();
        let mut client = TlsClient::implicit(address, &Options::default());
        assert_eq!(client.certificate(), identity.certificate);
        client.login("alice", "x");
        assert_eq!(client.retrieve("RETR file"), b"content");
        // The other one is as ever.
        assert_eq!(server.login("alice", "x").retrieve("RETR file"), b"content");
        server.stop();
    }
}

#[test]
fn implicit_listeners_may_be_the_only_ones() {
    let site = site(&Identity::new());
    let listen = "[server]\nlisten = []\nlisten_implicit_tls = ['127.0.0.1:0']\n";
    let server = site.serve_file(&format!("{listen}[tls]\n{ACCOUNT}"), &[]);
    server.wait_for("--ssl-reqd --insecure ftps://127.0.0.1:");
    TlsClient::implicit(server.address, &Options::default()).login("alice", "x");
    // They cannot do without TLS.
    site.write("ferry.toml", ACCOUNT);
    hang_up(&server);
    server.wait_for("cannot be left out");
    server.wait_for("the old one stays");
    TlsClient::implicit(server.address, &Options::default()).login("alice", "x");
}

#[test]
fn the_certificate_made_at_start_is_told_and_stays() {
    for runtime in RUNTIMES {
        let site = Site::new();
        let mut server = site.serve(&["--tls", "--runtime", runtime]);
        let told = server.wait_for("SHA-256 ");
        let shown = || TlsClient::explicit(server.address, &Options::default()).certificate();
        let digest: Vec<String> = Sha256::digest(shown()).iter().map(|byte| format!("{byte:02X}")).collect();
        assert!(told.ends_with(&format!("SHA-256 {}", digest.join(":"))), "{told}");
        let before = shown();
        hang_up(&server);
        server.wait_for("configuration reloaded");
        assert_eq!(shown(), before);
        server.stop();
    }
}

#[test]
fn a_reload_brings_new_certificates_to_new_sessions() {
    for runtime in RUNTIMES {
        let (first, second) = (Identity::new(), Identity::new());
        let site = site(&first);
        let mut server = serve(&site, runtime, "");
        let mut old = alice(&server, &Options::default());
        old.store("STOR file", b"content");
        // The files alone have changed.
        plant(&site, &second);
        hang_up(&server);
        server.wait_for("configuration reloaded");
        let mut new = alice(&server, &Options::default());
        assert_eq!(new.certificate(), second.certificate);
        assert_eq!(new.retrieve("RETR file"), b"content");
        // The old session goes on, new data connections included.
        let data = old.transfer("RETR file").unwrap();
        assert_eq!(data.conn.peer_certificates().unwrap()[0], first.certificate);
        server.stop();
    }
}

#[test]
fn broken_certificates_leave_the_old_ones() {
    let (first, second) = (Identity::new(), Identity::new());
    let site = site(&first);
    let mut server = serve(&site, "tokio", "");
    let broken = [
        ("key.pem", second.key.clone(), "3:11: tls.keyfile: "),
        ("key.pem", String::new(), "the file is empty"),
        ("cert.pem", first.key.clone(), "2:12: tls.certfile: "),
        ("cert.pem", first.chain.replace("M", "\u{e9}"), "2:12: tls.certfile: "),
    ];
    for (name, text, told) in broken {
        plant(&site, &first);
        site.write(name, text);
        hang_up(&server);
        server.wait_for(told);
        server.wait_for("the old one stays");
        assert_eq!(alice(&server, &Options::default()).certificate(), first.certificate);
    }
    plant(&site, &first);
    std::fs::remove_file(site.path("key.pem")).unwrap();
    hang_up(&server);
    server.wait_for("cannot be read");
    server.wait_for("the old one stays");
    plant(&site, &second);
    hang_up(&server);
    server.wait_for("configuration reloaded");
    assert_eq!(alice(&server, &Options::default()).certificate(), second.certificate);
    server.stop();
}

#[test]
fn tls_can_be_turned_on_and_off_by_a_reload() {
    let site = site(&Identity::new());
    let server = site.serve_file(ACCOUNT, &[]);
    assert!(server.client().command("AUTH TLS").starts_with('5'));
    site.write("ferry.toml", format!("[tls]\n{ACCOUNT}"));
    hang_up(&server);
    server.wait_for("SHA-256 ");
    alice(&server, &Options::default());
    site.write("ferry.toml", ACCOUNT);
    hang_up(&server);
    server.wait_for("configuration reloaded");
    server.wait_for("configuration reloaded");
    assert!(server.client().command("AUTH TLS").starts_with('5'));
}

#[test]
fn clients_without_a_certificate_are_refused_where_one_is_demanded() {
    for runtime in RUNTIMES {
        for version in [&TLS12, &TLS13] {
            let site = site(&Identity::new());
            let (authority, client) = Identity::client();
            site.write("ca.pem", authority);
            site.write("home/file", "content");
            let server = serve(&site, runtime, "client_ca = 'ca.pem'");
            let options = |identity| Options { version: Some(version), identity, ..Options::default() };
            let mut welcome = alice(&server, &options(Some(&client)));
            assert_eq!(welcome.retrieve("RETR file"), b"content");
            for identity in [None, Some(&Identity::new())] {
                let mut clear = server.client();
                assert!(clear.command("AUTH TLS").starts_with("234"));
                // In TLS 1.3 the client is done before the server has judged it.
                if let Ok(mut refused) = TlsClient::over(clear.into_stream(), &options(identity)) {
                    assert!(refused.try_command("NOOP").is_err());
                }
            }
        }
    }
}

#[test]
fn uploads_without_close_notify_are_whole_where_that_is_allowed() {
    for runtime in RUNTIMES {
        for (keys, code) in [("", "4"), ("lenient_eof = true", "226")] {
            let site = site(&Identity::new());
            let server = serve(&site, runtime, keys);
            let mut client = alice(&server, &Options::default());
            let mut data = client.transfer("STOR file").unwrap();
            data.write_all(b"content").unwrap();
            data.sock.shutdown(std::net::Shutdown::Write).unwrap();
            let reply = client.reply();
            assert!(reply.starts_with(code), "{reply}");
        }
    }
}

#[test]
fn session_reuse_is_demanded_where_it_is_required() {
    for runtime in RUNTIMES {
        for version in [&TLS12, &TLS13] {
            let site = site(&Identity::new());
            site.write("home/file", "content");
            let server = serve(&site, runtime, "require_session_reuse = true");
            let options = |never_resumes| Options { version: Some(version), never_resumes, ..Options::default() };
            assert_eq!(alice(&server, &options(false)).retrieve("RETR file"), b"content");
            let mut stranger = alice(&server, &options(true));
            let mut content = Vec::new();
            if let Ok(mut data) = stranger.transfer("RETR file") {
                let _ = data.read_to_end(&mut content);
            }
            assert!(content.is_empty());
            let reply = stranger.reply();
            assert!(reply.starts_with('5') || reply.starts_with('4'), "{reply}");
        }
    }
}

#[test]
fn many_reloads_leak_no_descriptors() {
    let site = site(&Identity::new());
    let mut server = serve(&site, "tokio", "");
    let reload = || {
        hang_up(&server);
        server.wait_for("configuration reloaded");
        std::fs::read_dir(format!("/proc/{}/fd", server.child.id())).map_or(0, Iterator::count)
    };
    let before = reload();
    let after: Vec<usize> = (0..60).map(|_| reload()).collect();
    assert!(after.iter().all(|count| *count <= before), "{before} then {after:?}");
    server.stop();
}

#[test]
fn clients_get_the_certificate_of_the_name_that_they_connect_to() {
    let named = |name: &str| {
        Identity::with(|parameters| parameters.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())])
    };
    for runtime in RUNTIMES {
        for version in [&TLS12, &TLS13] {
            let [default, ftp, wild, second] =
                ["default.test", "ftp.example.test", "*.example.test", "ftp.example.test"].map(named);
            let site = site(&default);
            site.write("ftp.pem", ftp.pem());
            site.write("wild.pem", wild.pem());
            let text = format!(
                "[tls]\ncertfile = 'cert.pem'\nkeyfile = 'key.pem'\n[[tls.certificate]]\ncertfile = 'ftp.pem'\n\
                 [[tls.certificate]]\ncertfile = 'wild.pem'\n{ACCOUNT}"
            );
            let mut server = site.serve_file(&text, &["--runtime", runtime]);
            let shown = |name| {
                let options = Options { version: Some(version), name: Some(name), ..Options::default() };
                let mut client = alice(&server, &options);
                client.store("STOR file", b"content");
                client.certificate()
            };
            for (name, identity) in [
                ("default.test", &default),
                ("unknown.test", &default),
                ("127.0.0.1", &default),
                ("ftp.example.test", &ftp),
                ("www.example.test", &wild),
            ] {
                assert_eq!(shown(name), identity.certificate, "{name}");
            }
            site.write("ftp.pem", second.pem());
            hang_up(&server);
            server.wait_for("configuration reloaded");
            assert_eq!(shown("ftp.example.test"), second.certificate);
            server.stop();
        }
    }
}

#[test]
fn a_certificate_that_is_a_users_logs_in_without_a_password() {
    for runtime in RUNTIMES {
        let site = site(&Identity::new());
        let (authority, client) = Identity::client();
        site.write("ca.pem", authority);
        site.write("home/file", "content");
        let fingerprint = ftp_fs::Fingerprint::of(&client.certificate);
        let text = |keys: &str| {
            format!(
                "[tls]\ncertfile = 'cert.pem'\nkeyfile = 'key.pem'\nclient_ca = 'ca.pem'\n\
                 client_certificates = 'optional'\n{ACCOUNT}certificates = ['{fingerprint}']\n{keys}\n\
                 [[user]]\nname = 'bob'\nhome = 'home'\ncertificates = ['{fingerprint}']\n"
            )
        };
        let mut server = site.serve_file(&text(""), &["--runtime", runtime]);
        let connect = |identity| TlsClient::explicit(server.address, &Options { identity, ..Options::default() });
        for user in ["alice", "bob"] {
            let mut known = connect(Some(&client));
            assert!(known.command(&format!("USER {user}")).starts_with("232 "));
            known.command("PBSZ 0");
            known.command("PROT P");
            assert_eq!(known.retrieve("RETR file"), b"content");
        }
        // Who has none to show, or is somebody else, is asked for the password.
        let mut known = connect(Some(&client));
        assert!(known.command("USER nobody").starts_with("331 "));
        assert_eq!(alice(&server, &Options::default()).retrieve("RETR file"), b"content");

        site.write("ferry.toml", text("require_certificate = true"));
        hang_up(&server);
        server.wait_for("configuration reloaded");
        let both = Options { identity: Some(&client), ..Options::default() };
        assert_eq!(alice(&server, &both).retrieve("RETR file"), b"content");
        let mut stranger = connect(None);
        assert!(stranger.command("USER alice").starts_with("331 "));
        assert!(stranger.command("PASS x").starts_with("530 "));
        server.stop();
    }
}

#[test]
fn an_expired_certificate_is_served_and_warned_of() {
    let site = site(&Identity::with(|parameters| parameters.not_after = rcgen::date_time_ymd(2001, 9, 9)));
    let server = serve(&site, "tokio", "");
    server.wait_for("the certificate has expired: Sep  9 00:00:00 2001");
    alice(&server, &Options::default());
    hang_up(&server);
    server.wait_for("the certificate has expired: Sep  9 00:00:00 2001");
}

#[test]
fn versions_that_are_not_wanted_are_not_spoken() {
    for runtime in RUNTIMES {
        for (keys, wanted, other) in [("versions = ['1.2']", &TLS12, &TLS13), ("versions = ['1.3']", &TLS13, &TLS12)] {
            let site = site(&Identity::new());
            let server = serve(&site, runtime, keys);
            alice(&server, &Options { version: Some(wanted), ..Options::default() }).store("STOR file", b"content");
            let mut clear = server.client();
            assert!(clear.command("AUTH TLS").starts_with("234"));
            let options = Options { version: Some(other), ..Options::default() };
            assert!(TlsClient::over(clear.into_stream(), &options).is_err());
        }
    }
}
