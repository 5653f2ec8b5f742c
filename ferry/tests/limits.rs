//! Who may connect to the program, from where, and how many at a time. Its signals are those of Unix.
#![cfg(unix)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use common::{Client, LIMIT, RUNTIMES, Site};
use nix::sys::signal::Signal;

/// A connection that the proxy makes for 192.0.2.9.
fn by_proxy(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

const V1: &[u8] = b"PROXY TCP4 192.0.2.9 198.51.100.1 4711 21\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x09\xc6\x33\x64\x01\x12\x67\0\x15";

fn site_file(proxies: &str) -> String {
    format!("[server]\nproxy_protocol = [{proxies}]\n[anonymous]\nhome = 'home'\nperm = 'elw'\n")
}

#[test]
fn a_proxy_tells_its_clients() {
    for runtime in RUNTIMES {
        let site = Site::new();
        let mut server = site.serve_file(&site_file("'127.0.0.1'"), &["--runtime", runtime]);
        for header in [V1, V2] {
            let mut client = Client::over(by_proxy(server.address, &[header, b"NOOP\r\n"].concat()));
            assert!(client.reply().starts_with("200"));
            client.login("ftp", "");
            // PASV tells the address that the proxy was asked for.
            let reply = client.command("PASV");
            let numbers: Vec<u16> = reply.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
            assert_eq!(numbers[..5], [227, 198, 51, 100, 1]);
            let mut data = by_proxy(([127, 0, 0, 1], numbers[5] << 8 | numbers[6]).into(), header);
            data.write_all(b"content").unwrap();
            assert!(client.command("STOR file").starts_with('1'));
            drop(data);
            assert!(client.reply().starts_with("226"));
            assert_eq!(site.read("home/file"), "content");
        }
        let mut broken = by_proxy(server.address, b"USER ftp\r\n");
        assert_eq!(broken.read(&mut [0]).unwrap_or(0), 0);
        let log = server.stop().join("\n");
        assert!(log.contains("192.0.2.9:4711") && log.contains("does not begin with a PROXY header"), "{log}");
    }
}

#[test]
fn proxies_change_with_a_reload() {
    for runtime in RUNTIMES {
        let site = Site::new();
        let mut server = site.serve_file(&site_file("'127.0.0.1'"), &["--runtime", runtime]);
        let mut old = Client::over(by_proxy(server.address, V1));
        site.write("ferry.toml", site_file(""));
        server.signal(Signal::SIGHUP);
        server.wait_for("configuration reloaded");
        old.login("ftp", "");
        assert!(server.client().command("PROXY TCP4 192.0.2.9 198.51.100.1 4711 21").starts_with("500"));
        server.stop();
    }
}

#[test]
fn one_address_gets_so_many_connections() {
    for runtime in RUNTIMES {
        let mut server = Site::new().serve(&["--max-cons-per-ip", "1", "--runtime", runtime]);
        let first = server.client();
        assert!(server.client().greeting.starts_with("421"));
        drop(first);
        server.wait_for_client();
        server.stop();
    }
}

#[test]
fn so_many_connections_get_in_and_a_free_place_is_given_again() {
    for runtime in RUNTIMES {
        let mut server = Site::new().serve(&["--max-cons", "2", "--runtime", runtime]);
        let (first, mut second) = (server.client(), server.client());
        for _ in 0..3 {
            assert!(server.client().greeting.starts_with("421"));
        }
        drop(first);
        server.wait_for_client();
        assert!(second.command("NOOP").starts_with("200"));
        server.stop();
    }
}

#[test]
fn a_greeting_of_several_lines_is_one_reply() {
    for runtime in RUNTIMES {
        let site = Site::new();
        let text = "[server]\nbanner = \"\"\"Welcome.\n123 files are here.\"\"\"\n[anonymous]\nhome = 'home'\n";
        let mut server = site.serve_file(text, &["--runtime", runtime]);
        let mut greeting = TcpStream::connect(server.address).unwrap();
        greeting.set_read_timeout(Some(LIMIT)).unwrap();
        greeting.write_all(b"QUIT\r\n").unwrap();
        let mut said = String::new();
        greeting.read_to_string(&mut said).unwrap();
        assert!(said.starts_with("220-Welcome.\r\n220 123 files are here.\r\n221 "), "{said}");
        server.stop();
    }
}

/// What a server says first of all under these keys, each of them on both runtimes.
fn first_words(keys: &str, commands: &[u8]) -> Vec<String> {
    let one = |runtime| {
        let site = Site::new();
        let text = format!("{keys}[anonymous]\nhome = 'home'\nperm = 'elw'\n");
        let mut server = site.serve_file(&text, &["--runtime", runtime]);
        let mut control = by_proxy(server.address, commands);
        let mut said = String::new();
        control.read_to_string(&mut said).unwrap();
        server.stop();
        said
    };
    RUNTIMES.into_iter().map(one).collect()
}

#[test]
fn the_timeouts_of_the_file_are_the_sessions() {
    for said in first_words("[session]\nidle_timeout = 0.05\nlogin_timeout = 0\n", b"") {
        assert!(said.ends_with("421 Idle for too long, closing.\r\n"), "{said}");
    }
    for said in first_words("[session]\nlogin_timeout = 0.05\n", b"") {
        assert!(said.contains("\r\n421 ") && !said.contains("Idle"), "{said}");
    }
    // Nobody connects, and then nothing is sent.
    let upload = b"USER ftp\r\nPASS x\r\nEPSV\r\nSTOR file\r\nQUIT\r\n";
    for said in first_words("[data]\nconnect_timeout = 0.05\n", upload) {
        assert!(said.contains("\r\n425 ") && said.contains("\r\n221 "), "{said}");
    }
}

#[test]
fn a_transfer_that_stands_ends_by_the_timeout_of_the_file() {
    for runtime in RUNTIMES {
        let site = Site::new();
        let text = "[data]\nstall_timeout = 0.05\n[anonymous]\nhome = 'home'\nperm = 'elw'\n";
        let mut server = site.serve_file(text, &["--runtime", runtime]);
        let mut client = server.login("ftp", "");
        let address = client.command("EPSV");
        let port: u16 = address.split('|').nth(3).unwrap().parse().unwrap();
        let _data = TcpStream::connect(("127.0.0.1", port)).unwrap();
        // It may be over before it has begun.
        let mut said = client.command("STOR file");
        while said.starts_with('1') {
            said = client.reply();
        }
        assert_eq!(said, "421 Data connection stalled, closing.");
        server.stop();
    }
}

#[test]
fn wrong_logins_are_answered_late_and_counted() {
    let keys = "[session]\nmax_login_attempts = 2\nfailed_login_delay = 0.2\n";
    let began = Instant::now();
    let guesses = b"USER a\r\nPASS b\r\nUSER a\r\nPASS b\r\nUSER ftp\r\nPASS b\r\n";
    for said in first_words(keys, guesses) {
        assert_eq!((said.matches("\r\n530 ").count(), said.matches("\r\n230 ").count()), (2, 0), "{said}");
    }
    // Twice on each of the runtimes. That it is not much longer is for the simulated clock to show.
    assert!(began.elapsed() >= Duration::from_millis(800));
}
