//! Who may connect to the program, from where, and how many at a time. Its signals are those of Unix.
#![cfg(unix)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

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
