//! TLS that stalls, is cut, or is not spoken where it has to be.

use std::fs;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::common::LIMIT;
use crate::common::tls::{Options, TlsClient};
use crate::on_both_runtimes;
use crate::peer::{self, Peer, read_all};
use crate::watched::{Setup, Watched};

on_both_runtimes!(
    handshakes_that_stall_end_in_time_rest_and_delay_nobody,
    a_data_handshake_that_stalls_ends_in_time,
    uploads_that_are_cut_keep_the_old_file,
    what_comes_in_clear_behind_auth_is_never_run,
    what_was_said_in_clear_is_forgotten,
    clear_bytes_within_tls_end_the_session,
    what_comes_behind_a_close_notify_is_not_read,
    clear_bytes_on_a_protected_data_connection_are_neither_stored_nor_answered,
    old_versions_and_weak_ciphers_are_refused,
    empty_listings_end_with_close_notify_and_many_transfers_go_in_a_row,
    sessions_dropped_in_every_phase_leave_nothing,
);

const TLS: Setup<'_> = Setup { runtime: "", server: "", session: "", data: "", more: "[tls]", limits: &[] };
/// How a hello begins.
const HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

/// A server for explicit and implicit TLS, and where the latter is.
fn serve_both(runtime: &str, session: &str, data: &str) -> (Watched, SocketAddr) {
    let server = Setup { runtime, session, data, server: "listen_implicit_tls = ['127.0.0.1:0']", ..TLS }.serve();
    let ready = server.ready_line();
    let address = ready.split_once("ftps://").unwrap_or_else(|| panic!("{ready}")).1.parse().unwrap();
    (server, address)
}

/// A session in which a handshake was agreed on.
fn agreed(address: SocketAddr) -> Peer {
    let mut peer = Peer::connect(address);
    assert_eq!(peer.code(), "220");
    assert!(peer.command("AUTH TLS").starts_with("234"));
    peer
}

fn alice(address: SocketAddr) -> TlsClient {
    let mut client = TlsClient::explicit(address, &Options::default());
    client.login("alice", "x");
    client
}

/// A data connection on which nothing has been said.
#[track_caller]
fn passive(client: &mut TlsClient) -> TcpStream {
    let reply = client.command("EPSV");
    let port: u16 = reply.split('|').nth(3).unwrap_or_else(|| panic!("{reply}")).parse().unwrap();
    peer::data(([127, 0, 0, 1], port).into())
}

fn handshakes_that_stall_end_in_time_rest_and_delay_nobody(runtime: &str) {
    let (server, implicit) = serve_both(runtime, "login_timeout = 10", "");
    let mut other = server.alice();
    let mut stalled: Vec<Peer> = Vec::new();
    for place in 0..60 {
        let mut peer = if place % 2 == 0 { agreed(server.address) } else { Peer::connect(implicit) };
        peer.say(&HELLO[..place % HELLO.len()]);
        stalled.push(peer);
    }
    server.wait_for_rest(|| assert!(other.command("NOOP").starts_with("200")));
    other.store("STOR file", b"content");
    let mut secure = TlsClient::implicit(implicit, &Options::default());
    secure.login("alice", "x");
    assert_eq!(secure.retrieve("RETR file"), b"content");
    for mut peer in stalled {
        let said = peer.rest();
        assert!(!said.contains("220") && !said.contains("530"), "{said}");
    }
    drop((other, secure));
    server.finish();
}

fn a_data_handshake_that_stalls_ends_in_time(runtime: &str) {
    let server = Setup { runtime, data: "stall_timeout = 5", ..TLS }.serve();
    server.site.write("home/file", "content");
    // Where a transfer waits for it, it has half a minute.
    let mut waiting = alice(server.address);
    let mut data = passive(&mut waiting);
    data.write_all(HELLO).unwrap();
    assert!(waiting.command("RETR file").starts_with('1'));
    // Where none does, it stalls as any data connection.
    let mut idle = alice(server.address);
    let _idle_data = passive(&mut idle);
    assert!(idle.reply().starts_with("421"));
    let mut other = alice(server.address);
    server.wait_for_rest(|| assert!(other.command("NOOP").starts_with("200")));
    assert_eq!(other.retrieve("RETR file"), b"content");
    let reply = waiting.reply();
    assert!(["421", "522", "425"].contains(&&reply[..3]), "{reply}");
    assert!(!String::from_utf8_lossy(&read_all(data)).contains("content"));
    drop((waiting, idle, other));
    server.finish();
}

fn uploads_that_are_cut_keep_the_old_file(runtime: &str) {
    let server = Setup { runtime, ..TLS }.serve();
    server.site.write("home/old", "old");
    let cuts: [fn(&mut TcpStream); 3] = [
        |socket| socket.shutdown(Shutdown::Write).unwrap(),
        |socket| peer::reset(socket.try_clone().unwrap()),
        // In the middle of a record.
        |socket| {
            socket.write_all(b"\x17\x03\x03\x10\x00cut").unwrap();
            socket.shutdown(Shutdown::Write).unwrap();
        },
    ];
    for cut in cuts {
        let mut client = alice(server.address);
        for line in ["STOR old", "STOR new"] {
            let mut data = client.transfer(line).unwrap();
            data.write_all(&[b'n'; 100_000]).unwrap();
            data.flush().unwrap();
            cut(&mut data.sock);
            drop(data);
            let reply = client.reply();
            assert!(reply.starts_with("426"), "{line}: {reply}");
            assert_eq!(server.site.read("home/old"), "old");
        }
        // What is new stays for a resume, and is not called whole.
        client.store("STOR old", b"changed");
        assert_eq!(server.site.read("home/old"), "changed");
        server.site.write("home/old", "old");
    }
    server.finish();
}

fn what_comes_in_clear_behind_auth_is_never_run(runtime: &str) {
    let server = Setup { runtime, ..TLS }.serve();
    server.site.write("home/file", "content");
    for behind in ["USER alice\r\nPASS x\r\nDELE file\r\n", "N", "DELE file\r\n"] {
        for at_once in [true, false] {
            let mut peer = Peer::alice(server.address);
            if at_once {
                peer.say(format!("AUTH TLS\r\n{behind}"));
            } else {
                assert!(peer.command("AUTH TLS").starts_with("234"));
                peer.say(behind);
            }
            peer.half_close();
            let said = peer.rest();
            assert!(!["230", "331", "250", "200"].iter().any(|code| said.contains(code)), "{said}");
            assert_eq!(server.site.read("home/file"), "content");
        }
    }
    server.finish();
}

fn what_was_said_in_clear_is_forgotten(runtime: &str) {
    let server = Setup { runtime, ..TLS }.serve();
    for (script, line, code) in [
        ("USER alice\r\n", "PASS x", "503"),
        ("USER alice\r\nPASS x\r\n", "PWD", "530"),
        ("USER alice\r\nPASS x\r\nCWD /\r\nREST 5\r\n", "RETR file", "530"),
    ] {
        let mut peer = Peer::connect(server.address);
        peer.say(script);
        (0..=script.matches('\n').count()).for_each(|_| assert!(!peer.code().is_empty()));
        assert!(peer.command("AUTH TLS").starts_with("234"));
        let mut client = TlsClient::over(peer.into_stream(), &Options::default()).unwrap();
        let reply = client.command(line);
        assert!(reply.starts_with(code), "{line}: {reply}");
        assert!(client.command("AUTH TLS").starts_with("503"));
    }
    server.finish();
}

fn clear_bytes_within_tls_end_the_session(runtime: &str) {
    let (server, implicit) = serve_both(runtime, "", "");
    server.site.write("home/file", "content");
    for address in [server.address, implicit] {
        let mut client = if address == implicit {
            TlsClient::implicit(address, &Options::default())
        } else {
            TlsClient::explicit(address, &Options::default())
        };
        client.login("alice", "x");
        client.socket().write_all(b"DELE file\r\nNOOP\r\n").unwrap();
        let said = read_all(client.socket());
        assert!(!said.windows(4).any(|word| word == b"200 "));
        assert_eq!(server.site.read("home/file"), "content");
    }
    server.finish();
}

fn what_comes_behind_a_close_notify_is_not_read(runtime: &str) {
    let server = Setup { runtime, ..TLS }.serve();
    server.site.write("home/file", "content");
    let mut client = alice(server.address);
    client.close();
    // The server may have closed by now.
    let _ = client.socket().write_all(b"DELE file\r\nNOOP\r\n");
    let said = read_all(client.socket());
    assert!(!said.windows(4).any(|word| word == b"200 "));
    assert_eq!(server.site.read("home/file"), "content");
    drop(client);
    server.finish();
}

fn clear_bytes_on_a_protected_data_connection_are_neither_stored_nor_answered(runtime: &str) {
    let server = Setup { runtime, ..TLS }.serve();
    server.site.write("home/file", "content");
    for line in ["STOR new", "STOR file", "APPE file", "RETR file", "MLSD"] {
        for early in [true, false] {
            let mut client = alice(server.address);
            let mut data = passive(&mut client);
            if early {
                data.write_all(b"evil evil evil evil evil").unwrap();
            }
            let mut reply = client.command(line);
            if !early {
                // It may have gone already.
                let _ = data.write_all(b"evil evil evil evil evil");
            }
            let _ = data.shutdown(Shutdown::Write);
            if reply.starts_with('1') {
                reply = client.reply();
            }
            assert!(reply.starts_with(['4', '5']), "{line}: {reply}");
            let said = read_all(data);
            assert!(!said.windows(4).any(|word| word == b"cont" || word == b"file"), "{line}");
            assert_eq!(server.site.read("home/file"), "content", "{line}");
            let new = fs::read(server.site.path("home/new")).unwrap_or_default();
            assert_eq!(new, b"", "{line}");
            assert!(client.command("NOOP").starts_with("200"));
        }
    }
    server.finish();
}

/// The hello of a client that knows this version and this cipher, and nothing else.
fn hello(version: u8, cipher: u16) -> Vec<u8> {
    let [high, low] = cipher.to_be_bytes();
    let body = [&[3, version][..], &[7; 32], &[0, 0, 2, high, low, 1, 0]].concat();
    let len = u8::try_from(body.len()).unwrap();
    [&[0x16, 3, 1, 0, len + 4, 1, 0, 0, len][..], &body].concat()
}

fn old_versions_and_weak_ciphers_are_refused(runtime: &str) {
    let server = Setup { runtime, ..TLS }.serve();
    // TLS 1.0 and 1.1 with a usual cipher of theirs; 1.2 with none, RC4, DES, 3DES, and without forward secrecy.
    for (version, cipher) in [(1, 0x2f), (2, 0x2f), (3, 0x02), (3, 0x05), (3, 0x09), (3, 0x0a), (3, 0x2f), (3, 0x9c)] {
        let mut peer = agreed(server.address);
        peer.say(hello(version, cipher));
        let answer = read_all(peer.into_stream());
        // An alert, or nothing.
        assert!(answer.first().is_none_or(|kind| *kind == 0x15), "{version} {cipher:x}: {answer:?}");
    }
    server.finish();
}

fn empty_listings_end_with_close_notify_and_many_transfers_go_in_a_row(runtime: &str) {
    let server = Setup { runtime, ..TLS }.serve();
    let mut client = alice(server.address);
    for _ in 0..30 {
        assert_eq!(client.retrieve("MLSD"), b"");
        client.store("STOR file", b"content");
        assert_eq!(client.retrieve("RETR file"), b"content");
        assert!(client.command("DELE file").starts_with("250"));
    }
    drop(client);
    server.finish();
}

fn sessions_dropped_in_every_phase_leave_nothing(runtime: &str) {
    let (server, implicit) = serve_both(runtime, "", "");
    fs::File::create(server.site.path("home/large")).unwrap().set_len(64 << 20).unwrap();
    let leave = |stream: &TcpStream, round: usize| {
        if round.is_multiple_of(2) {
            peer::reset(stream.try_clone().unwrap());
        }
    };
    for round in 0..20 {
        let mut partly =
            [agreed(server.address), Peer::connect(implicit), agreed(server.address), Peer::connect(implicit)];
        partly[2].say(HELLO);
        partly[3].say(HELLO);
        let shaken = TlsClient::explicit(server.address, &Options::default());
        let mut busy = [alice(server.address), alice(server.address), alice(server.address)];
        let half_open = passive(&mut busy[0]);
        assert!(busy[0].command("RETR large").starts_with('1'));
        let moving = [("RETR large", 1), ("STOR upload", 2)].map(|(line, place)| {
            let mut data = busy[place].transfer(line).unwrap();
            data.sock.set_write_timeout(Some(LIMIT)).unwrap();
            let _ = if place == 2 { data.write(b"some") } else { std::io::Read::read(&mut data, &mut [0]) };
            data
        });
        partly.iter().for_each(|peer| leave(peer.stream(), round));
        busy.iter().chain([&shaken]).for_each(|client| leave(client.socket(), round));
        moving.iter().map(|data| &data.sock).chain([&half_open]).for_each(|data| leave(data, round / 2));
    }
    server.finish();
}
