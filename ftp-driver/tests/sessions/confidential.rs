//! FTPS: control and data under TLS, and whoever tries to get around it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ftp_driver::rustls::ClientConfig;
use ftp_driver::{Service, ServiceBuilder, TlsServer};
use ftp_fs::{Account, AuthError, BlockingAuthenticator, LocalFs, LoginAttempt, MemoryFs, Storage};
use ftp_proto::{Config, TlsPolicy};

use crate::client::{Client, pattern};
use crate::on_both;
use crate::secure::{Certificate, SecureClient, TLS12, TLS13, VERSIONS, end, expect_end, forgetful, secure};
use crate::server::{Server, Start, in_memory, service};

on_both! {
    files_and_listings_go_under_tls,
    files_of_the_disk_go_under_tls,
    active_transfers_go_under_tls,
    ascii_and_a_speed_limit_work_under_tls,
    tls_comes_first_on_its_own_port,
    prot_c_brings_clear_data_back,
    authenticators_are_told_of_tls,
    an_upload_that_is_cut_is_not_complete,
    the_end_of_an_upload_is_answered,
    a_lenient_server_takes_an_upload_that_ends_between_records,
    data_connections_must_resume_when_asked_to,
    data_connections_cannot_resume_the_session_of_another,
    what_was_refused_cannot_be_resumed,
    a_status_with_a_path_gives_no_ticket_to_an_upload,
    commands_behind_auth_are_never_run,
    clear_commands_in_place_of_a_handshake_are_never_run,
    clear_data_is_neither_stored_nor_sent,
    a_stalled_handshake_ends,
    a_stalled_data_handshake_ends,
    an_abort_under_tls_leaves_the_session_alive,
    the_end_of_the_control_connection_is_answered,
    a_client_that_half_closes_still_gets_its_file,
    plain_sessions_may_be_refused,
}

fn with_tls(start: Start, adapt: impl FnOnce(TlsServer) -> TlsServer) -> (Server, Certificate) {
    let certificate = Certificate::new();
    (start(in_memory().tls(adapt(certificate.server())).build()), certificate)
}

fn files_and_listings_go_under_tls(start: Start) {
    let (server, certificate) = with_tls(start, |tls| tls);
    for version in VERSIONS {
        let mut client = SecureClient::logged_in(server.address(), &certificate.client(version));
        for len in [0, 1, 4096, 3_000_001] {
            let file = pattern(len);
            client.upload("STOR file", &file);
            assert!(client.download("RETR file") == file, "{len} bytes");
        }
        assert!(String::from_utf8(client.download("LIST")).unwrap().contains("3000001"));
        client.client.command("DELE file", 250);
        assert_eq!(client.download("MLSD"), b"");
        client.client.command("QUIT", 221);
        expect_end(client.client.control.get_mut());
    }
}

fn files_of_the_disk_go_under_tls(start: Start) {
    let directory = tempfile::tempdir().unwrap();
    let (file, certificate) = (pattern(5_000_001), Certificate::new());
    std::fs::write(directory.path().join("file"), &file).unwrap();
    let storage = Storage::blocking(LocalFs::open(directory.path()).unwrap());
    let server = start(service(storage).tls(certificate.server()).build());
    let mut client = SecureClient::logged_in(server.address(), &certificate.client(&TLS13));
    assert!(client.download("RETR file") == file);
    client.client.command("REST 4999999", 350);
    assert_eq!(client.download("RETR file"), file[4_999_999..]);
}

fn active_transfers_go_under_tls(start: Start) {
    let (server, certificate) = with_tls(start, |tls| tls);
    let mut client = SecureClient::logged_in(server.address(), &certificate.client(&TLS13));
    client.upload("STOR file", b"content");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    client.client.command(&format!("EPRT |1|127.0.0.1|{}|", listener.local_addr().unwrap().port()), 200);
    client.client.begin("RETR file");
    let mut data = secure(listener.accept().unwrap().0, &client.config).unwrap();
    let mut content = String::new();
    data.read_to_string(&mut content).unwrap();
    drop(data);
    client.client.expect(226);
    assert_eq!(content, "content");
}

fn ascii_and_a_speed_limit_work_under_tls(start: Start) {
    let (limit, certificate) = (400_000, Certificate::new());
    let server = start(in_memory().read_limit(limit).write_limit(limit).tls(certificate.server()).build());
    let mut client = SecureClient::logged_in(server.address(), &certificate.client(&TLS13));
    let file = pattern(200_000);
    let began = std::time::Instant::now();
    client.upload("STOR file", &file);
    assert!(client.download("RETR file") == file);
    let least = (2.0 * 200_000.0 - 2.0 * 40_000.0) / 400_000.0;
    assert!(began.elapsed().as_secs_f64() >= least, "{:?}", began.elapsed());
    client.client.command("TYPE A", 200);
    client.upload("STOR text", b"one\r\ntwo\r\n");
    client.client.command("TYPE I", 200);
    assert_eq!(client.download("RETR text"), b"one\ntwo\n");
}

fn tls_comes_first_on_its_own_port(start: Start) {
    let (server, certificate) = with_tls(start, |tls| tls);
    for version in VERSIONS {
        let mut client = SecureClient::connect_implicit(server.implicit_tls_address(), &certificate.client(version));
        client.login();
        client.upload("STOR file", b"content");
        assert_eq!(client.download("RETR file"), b"content");
        client.client.command("AUTH TLS", 503);
    }
    // Who speaks in clear there is not answered in words.
    let mut clear = Client::open(server.implicit_tls_address());
    clear.send("USER alice\r\nPASS secret\r\n");
    assert!(!said_before_the_end(&mut clear).contains("331"));
}

fn prot_c_brings_clear_data_back(start: Start) {
    let (server, certificate) = with_tls(start, |tls| tls);
    let mut client = SecureClient::logged_in(server.address(), &certificate.client(&TLS13));
    client.upload("STOR file", b"content");
    client.client.command("PROT C", 200);
    assert_eq!(client.client.download("RETR file"), b"content");
    client.client.command("PROT P", 200);
    assert_eq!(client.download("RETR file"), b"content");
}

/// Knows nobody, and counts who came over TLS.
#[derive(Default)]
struct CountSecure(AtomicUsize);

impl BlockingAuthenticator for CountSecure {
    fn authenticate(&self, attempt: &LoginAttempt) -> Result<Account, AuthError> {
        self.0.fetch_add(if attempt.secure { 100 } else { 1 }, Ordering::Relaxed);
        Err(AuthError::Unavailable)
    }
}

fn authenticators_are_told_of_tls(start: Start) {
    let (certificate, count) = (Certificate::new(), Arc::new(CountSecure::default()));
    let builder: ServiceBuilder = Service::builder(Arc::clone(&count));
    let server = start(builder.tls(certificate.server()).build());
    let mut clear = server.client();
    clear.command("USER alice", 331);
    clear.send("PASS secret\r\n");
    clear.reply();
    let mut client = SecureClient::connect(server.address(), &certificate.client(&TLS13));
    client.client.command("USER alice", 331);
    client.client.send("PASS secret\r\n");
    client.client.reply();
    assert_eq!(count.0.load(Ordering::Relaxed), 101);
}

fn an_upload_that_is_cut_is_not_complete(start: Start) {
    let (server, certificate) = with_tls(start, |tls| tls);
    for version in VERSIONS {
        let mut client = SecureClient::logged_in(server.address(), &certificate.client(version));
        let mut data = client.passive();
        client.client.begin("STOR cut");
        data.write_all(&pattern(100_000)).unwrap();
        data.sock.shutdown(Shutdown::Write).unwrap();
        client.client.expect(426);
        client.client.command("NOOP", 200);
    }
}

fn the_end_of_an_upload_is_answered(start: Start) {
    let (server, certificate) = with_tls(start, |tls| tls);
    for version in VERSIONS {
        let mut client = SecureClient::logged_in(server.address(), &certificate.client(version));
        let mut data = client.passive();
        client.client.begin("STOR file");
        data.write_all(b"content").unwrap();
        end(&mut data);
        expect_end(&mut data);
        client.client.expect(226);
    }
}

fn a_lenient_server_takes_an_upload_that_ends_between_records(start: Start) {
    let (server, certificate) = with_tls(start, |tls| tls.lenient_eof(true));
    let mut client = SecureClient::logged_in(server.address(), &certificate.client(&TLS13));
    let mut data = client.passive();
    client.client.begin("STOR whole");
    data.write_all(b"content").unwrap();
    data.sock.shutdown(Shutdown::Write).unwrap();
    client.client.expect(226);
    assert_eq!(client.download("RETR whole"), b"content");

    let mut data = client.passive();
    client.client.begin("STOR cut");
    data.write_all(b"content").unwrap();
    // The beginning of another record.
    data.sock.write_all(&[23, 3, 3, 0, 100, 1, 2, 3]).unwrap();
    data.sock.shutdown(Shutdown::Write).unwrap();
    client.client.expect(426);
}

fn data_connections_must_resume_when_asked_to(start: Start) {
    let (server, certificate) = with_tls(start, |tls| tls.require_session_reuse(true));
    for version in VERSIONS {
        let mut client = SecureClient::logged_in(server.address(), &certificate.client(version));
        client.upload("STOR file", b"content");
        // One that has no session to resume is refused, and the next that has one is not.
        let remembering = std::mem::replace(&mut client.config, forgetful(&certificate.client(version)));
        client.expect_not_resumed();
        client.config = remembering;
        for _ in 0..6 {
            client.upload("STOR file", b"content");
        }
        // In TLS 1.3 this client uses no ticket twice.
        for _ in 0..20 {
            assert_eq!(client.download("RETR file"), b"content");
            let data = client.passive();
            assert_eq!(client.download_over(data, "RETR file"), b"content");
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        for _ in 0..20 {
            client.client.command(&format!("EPRT |1|127.0.0.1|{}|", listener.local_addr().unwrap().port()), 200);
            client.client.begin("RETR file");
            let mut data = secure(listener.accept().unwrap().0, &client.config).unwrap();
            let mut content = String::new();
            data.read_to_string(&mut content).unwrap();
            drop(data);
            client.client.expect(226);
            assert_eq!(content, "content");
        }
    }
}

fn data_connections_cannot_resume_the_session_of_another(start: Start) {
    let (server, certificate) = with_tls(start, |tls| tls.require_session_reuse(true));
    for version in VERSIONS {
        let mut thief = SecureClient::logged_in(server.address(), &certificate.client(version));
        let mut client = SecureClient::logged_in(server.address(), &certificate.client(version));
        std::mem::swap(&mut thief.config, &mut client.config);
        thief.expect_not_resumed();
    }
}

fn what_was_refused_cannot_be_resumed(start: Start) {
    let (server, certificate) = with_tls(start, |tls| tls.require_session_reuse(true));
    for version in VERSIONS {
        let mut client = SecureClient::logged_in(server.address(), &certificate.client(version));
        client.config = certificate.client(version);
        for _ in 0..2 {
            client.expect_not_resumed();
        }
    }
}

/// Who uploads does not read it: when such a client closes at once, its system resets the connection.
fn a_status_with_a_path_gives_no_ticket_to_an_upload(start: Start) {
    let (server, certificate) = with_tls(start, |tls| tls.require_session_reuse(true));
    let mut client = SecureClient::logged_in(server.address(), &certificate.client(&TLS13));
    let mut data = client.passive();
    client.client.command("STAT /", 213);
    client.client.begin("STOR file");
    data.write_all(b"content").unwrap();
    end(&mut data);
    expect_end(&mut data);
    client.client.expect(226);
    assert_eq!(data.conn.tls13_tickets_received(), 0);
}

fn commands_behind_auth_are_never_run(start: Start) {
    let (server, _) = with_tls(start, |tls| tls);
    let mut client = server.client();
    client.send("AUTH TLS\r\nUSER alice\r\nPASS secret\r\n");
    let said = said_before_the_end(&mut client);
    assert!(!said.contains("234") && !said.contains("331"), "{said}");
}

fn clear_commands_in_place_of_a_handshake_are_never_run(start: Start) {
    let (server, _) = with_tls(start, |tls| tls);
    let mut client = server.client();
    client.command("AUTH TLS", 234);
    client.send("USER alice\r\nPASS secret\r\n");
    let said = said_before_the_end(&mut client);
    assert!(!said.contains("331"), "{said}");
    server.logged_in().command("NOOP", 200);
}

fn clear_data_is_neither_stored_nor_sent(start: Start) {
    let (server, certificate) = with_tls(start, |tls| tls);
    let mut client = SecureClient::logged_in(server.address(), &certificate.client(&TLS13));
    let mut data = client.client.passive();
    client.client.begin("STOR file");
    data.write_all(b"this is no TLS").unwrap();
    client.client.expect(522);
    assert_eq!(client.download("RETR file"), b"");
    // What the server says is the alert of TLS, and nothing of the file.
    client.upload("STOR file", b"content");
    let mut data = client.client.passive();
    client.client.begin("RETR file");
    data.write_all(b"this is no TLS").unwrap();
    client.client.expect(522);
    let mut said = Vec::new();
    data.read_to_end(&mut said).unwrap();
    assert_eq!(said[0], 21, "{said:?}");
    assert!(said.len() < 10, "{said:?}");
}

fn a_stalled_handshake_ends(start: Start) {
    let config = Config { tls_timeout: Some(Duration::from_millis(200)), ..Config::default() };
    let certificate = Certificate::new();
    let server = start(in_memory().config(config).tls(certificate.server()).build());
    let mut client = server.client();
    client.command("AUTH TLS", 234);
    // The head of a record that never comes as a whole.
    client.control.get_mut().write_all(&[22, 3, 1, 2]).unwrap();
    said_before_the_end(&mut client);
    said_before_the_end(&mut Client::open(server.implicit_tls_address()));
}

fn a_stalled_data_handshake_ends(start: Start) {
    // The one or the other, by which was first, the command or the connection.
    let limit = Some(Duration::from_secs(1));
    let config = Config { tls_timeout: limit, stall_timeout: limit, ..Config::default() };
    let certificate = Certificate::new();
    let server = start(in_memory().config(config).tls(certificate.server()).build());
    let mut client = SecureClient::logged_in(server.address(), &certificate.client(&TLS13));
    let _data = client.client.passive();
    client.client.begin("LIST");
    client.client.expect(421);
}

fn an_abort_under_tls_leaves_the_session_alive(start: Start) {
    let (server, certificate) = with_tls(start, |tls| tls);
    let mut client = SecureClient::logged_in(server.address(), &certificate.client(&TLS13));
    let file = pattern(20_000_000);
    client.upload("STOR file", &file);
    let mut data = client.passive();
    client.client.begin("RETR file");
    data.read_exact(&mut [0; 100]).unwrap();
    client.client.command("ABOR", 426);
    client.client.expect(226);
    drop(data);
    assert!(client.download("RETR file") == file);
}

fn the_end_of_the_control_connection_is_answered(start: Start) {
    let (server, certificate) = with_tls(start, |tls| tls);
    let mut client = SecureClient::logged_in(server.address(), &certificate.client(&TLS13));
    let control = client.client.control.get_mut();
    end(control);
    let _ = control.sock.write_all(b"DELE file\r\n");
    expect_end(control);
}

fn a_client_that_half_closes_still_gets_its_file(start: Start) {
    let (server, certificate) = with_tls(start, |tls| tls);
    let mut client = SecureClient::logged_in(server.address(), &certificate.client(&TLS13));
    let file = pattern(3_000_000);
    client.upload("STOR file", &file);
    let mut data = client.passive();
    end(&mut data);
    data.sock.shutdown(Shutdown::Write).unwrap();
    client.client.begin("RETR file");
    let mut bytes = Vec::new();
    data.read_to_end(&mut bytes).unwrap();
    client.client.expect(226);
    assert!(bytes == file);
}

fn plain_sessions_may_be_refused(start: Start) {
    let tls = Some(TlsPolicy { control_required: true, data_required: true });
    let certificate = Certificate::new();
    let config = Config { tls, ..Config::default() };
    let server = start(service(Storage::blocking(MemoryFs::new())).config(config).tls(certificate.server()).build());
    server.client().command("USER alice", 550);
    let config: Arc<ClientConfig> = certificate.client(&TLS12);
    let mut client = SecureClient::connect(server.address(), &config);
    client.client.login();
    client.client.command("EPSV", 550);
    client.client.command("PBSZ 0", 200);
    client.client.command("PROT P", 200);
    client.upload("STOR file", b"content");
}

/// All that the server says until it closes the connection, in whatever way.
fn said_before_the_end(client: &mut Client) -> String {
    let mut said = Vec::new();
    match client.control.read_to_end(&mut said) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("the server never closed"),
        _ => String::from_utf8_lossy(&said).into_owned(),
    }
}
