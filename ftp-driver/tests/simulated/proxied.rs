//! Clients behind a proxy that speaks the PROXY protocol, in a simulated world.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ftp_driver::{Handle, Runtime, ServiceBuilder, serve};

use crate::world::{SimStream, Task, World};
use crate::{local, service};

const CLIENT: &str = "203.0.113.9";
const V1: &[u8] = b"PROXY TCP4 203.0.113.9 198.51.100.1 4711 21\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10\xcb\0\x71\x09\xc6\x33\x64\x01\x12\x67\0\x15\x04\0\x01\0";

#[test]
fn a_header_may_be_cut_anywhere_and_what_is_behind_it_is_the_sessions() {
    for header in [V1, V2] {
        let bytes = [header, b"STAT\r\nUSER alice\r\n"].concat();
        for cut in 0..=bytes.len() {
            let mut server = Served::new(service());
            let mut client = server.by_proxy(&bytes[..cut]);
            client.send(&bytes[cut..]);
            let said = server.said(&mut client);
            assert!(said.starts_with("220 "), "{cut}: {said}");
            assert!(
                said.contains(&format!("Connected from {CLIENT}\r\n")) && said.contains("\r\n331 "),
                "{cut}: {said}"
            );
        }
    }
}

#[test]
fn nobody_is_greeted_before_the_header() {
    let mut server = Served::new(service());
    let mut client = server.by_proxy(&V1[..20]);
    assert_eq!(server.said(&mut client), "");
    client.send(&V1[20..]);
    assert_eq!(server.said(&mut client), "220 Ferry ready.\r\n");
}

#[test]
fn a_header_that_does_not_come_in_time_ends_the_connection() {
    for header in [&b""[..], b"\r\n", b"PROXY TCP4 ", &V2[..27]] {
        let mut server = Served::new(service());
        let mut client = server.by_proxy(header);
        assert_eq!(server.handle.connections(), 1);
        assert!(server.world.skip_to_next_timer());
        server.run();
        assert_eq!((client.receive(), server.handle.connections()), ((Vec::new(), true), 0));
        assert_eq!(server.world.now().saturating_since(Default::default()), Duration::from_secs(5));
    }
}

#[test]
fn what_is_no_header_ends_the_connection_at_once() {
    let huge = [&V2[..14], b"\xff\xff"].concat();
    let long = [b"PROXY TCP4 ", &[b'1'; 200][..], b"\r\n"].concat();
    let mixed = b"PROXY TCP4 203.0.113.9 ::1 4711 21\r\n";
    let short = [&V2[..14], &[0, 4, 1, 2, 3, 4]].concat();
    for wrong in [&b"USER alice\r\n"[..], b"\x16\x03\x01", b"\0", &huge, &long, mixed, &short] {
        let mut server = Served::new(service());
        let mut client = server.by_proxy(wrong);
        assert_eq!(
            (client.receive(), server.handle.connections()),
            ((Vec::new(), true), 0),
            "{}",
            wrong.escape_ascii()
        );
    }
}

#[test]
fn a_connection_that_ends_before_its_header_gives_its_place_back() {
    let mut server = Served::new(service());
    let client = server.by_proxy(&V1[..20]);
    drop(client);
    server.run();
    assert_eq!(server.handle.connections(), 0);
}

#[test]
fn headers_without_a_client_mean_the_socket() {
    let block = [&V2[..12], b"\x20\x11\0\x0c", &V2[16..28]].concat();
    for header in [&b"PROXY UNKNOWN\r\n"[..], b"PROXY UNKNOWN a b c d e f g\r\n", &block] {
        let mut server = Served::new(service());
        let mut client = server.by_proxy(&[header, b"STAT\r\n"].concat());
        let said = server.said(&mut client);
        assert!(said.contains("Connected from 10.0.0.1\r\n"), "{said}");
    }
}

#[test]
fn who_is_no_proxy_cannot_speak_for_others() {
    let mut server = Served::new(service());
    let mut client = server.connect("192.0.2.66");
    assert_eq!(server.said(&mut client), "220 Ferry ready.\r\n");
    client.send(&[V1, b"STAT\r\n"].concat());
    let said = server.said(&mut client);
    assert!(said.starts_with("500 ") && said.contains("Connected from 192.0.2.66\r\n"), "{said}");
}

#[test]
fn limits_are_those_of_the_clients_and_not_of_the_proxy() {
    let mut server = Served::new(service().max_connections_per_ip(1).max_connections(3));
    let mut first = server.by_proxy(V1);
    assert_eq!(server.said(&mut first), "220 Ferry ready.\r\n");
    let mut second = server.by_proxy(V2);
    assert!(server.said(&mut second).starts_with("421 "));
    assert_eq!(server.handle.connections(), 1);
    let other = String::from_utf8(V1.to_vec()).unwrap().replace(CLIENT, "203.0.113.10");
    let mut other = server.by_proxy(other.as_bytes());
    assert_eq!(server.said(&mut other), "220 Ferry ready.\r\n");
    // Who waits for a header has a place among all, though not one of an address.
    let _silent = server.by_proxy(b"");
    let mut late = server.by_proxy(V1);
    assert!(server.said(&mut late).starts_with("421 "));
    assert_eq!(server.handle.connections(), 3);
    while server.handle.connections() == 3 {
        assert!(server.world.skip_to_next_timer());
        server.run();
    }
    drop(first);
    server.run();
    let mut free = server.by_proxy(V1);
    assert_eq!(server.said(&mut free), "220 Ferry ready.\r\n");
}

#[test]
fn a_stop_waits_for_no_header() {
    let mut server = Served::new(service());
    let mut client = server.by_proxy(b"PROXY");
    server.handle.shutdown(Duration::from_secs(60));
    assert!(server.run());
    assert!(client.receive().1);
}

#[test]
fn nets_can_be_changed_while_serving() {
    let mut server = Served::new(service());
    let mut client = server.by_proxy(V1);
    assert_eq!(server.said(&mut client), "220 Ferry ready.\r\n");
    server.handle.set_service(&service().build());
    let mut direct = server.connect("10.0.0.1");
    assert_eq!(server.said(&mut direct), "220 Ferry ready.\r\n");
}

#[test]
fn clients_are_told_the_proxys_address_and_sockets_have_their_own() {
    let mut server = Served::new(service());
    let mut client = server.logged_in();
    // PASV tells where the client came to, while the socket is where the proxy came to.
    let reply = server.says(&mut client, "PASV\r\n", "227 ");
    assert!(reply.contains("(198,51,100,1,"), "{reply}");
    let numbers: Vec<u16> =
        reply.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect();
    let port = numbers[5] << 8 | numbers[6];
    let mut data = server.world.connect_to(local(port), address(CLIENT)).unwrap();
    server.says(&mut client, "RETR small\r\n", "1");
    assert_eq!(data.receive().0.len(), 10_000);
}

#[test]
fn data_comes_from_the_client_or_from_the_proxy_in_its_name() {
    let mut server = Served::new(service());
    let mut client = server.logged_in();
    for header in [Some(V1), Some(V2), None] {
        let mut data = match header {
            Some(header) => {
                let mut data = server.data(&mut client, "10.0.0.1");
                data.send(&header[..9]);
                server.run();
                data.send(&header[9..]);
                data
            }
            None => server.data(&mut client, CLIENT),
        };
        data.send(b"content");
        server.says(&mut client, "STOR file\r\n", "1");
        drop(data);
        server.run();
        assert!(server.said(&mut client).starts_with("226 "));
        // Not a byte of the header is one of the file.
        server.says(&mut client, "SIZE file\r\n", "213 7\r\n");
    }
}

#[test]
fn data_of_others_behind_the_proxy_is_dropped_and_delays_nobody() {
    let mut server = Served::new(service());
    let mut client = server.logged_in();
    let other = String::from_utf8(V1.to_vec()).unwrap().replace(CLIENT, "203.0.113.10");
    let reply = server.says(&mut client, "EPSV\r\n", "229 ");
    let port = reply.split('|').nth(3).unwrap().parse().unwrap();
    let world = server.world.clone();
    let connect = |from: &str, bytes: &[u8]| {
        let mut stream = world.connect_to(local(port), address(from)).unwrap();
        stream.send(bytes);
        stream
    };
    let _silent: Vec<SimStream> = (0..20).map(|_| connect("10.0.0.1", b"")).collect();
    let mut dropped = [
        connect("10.0.0.1", other.as_bytes()),
        connect("10.0.0.1", b"content"),
        connect("10.0.0.1", b"PROXY UNKNOWN\r\n"),
        // A header counts from proxies alone.
        connect("192.0.2.66", V1),
    ];
    let mut data = connect("10.0.0.1", V1);
    server.says(&mut client, "RETR small\r\n", "1");
    assert_eq!(data.receive().0.len(), 10_000);
    drop(data);
    server.run();
    assert!(server.said(&mut client).starts_with("226 "));
    assert!(dropped.iter_mut().all(|stream| stream.receive() == (Vec::new(), true)));
}

#[test]
fn active_connections_go_to_the_client_and_to_nobody_else() {
    let mut server = Served::new(service());
    let mut client = server.logged_in();
    let (listener, there) = server.world.listen(address(CLIENT)).unwrap();
    server.says(&mut client, "EPRT |1|10.0.0.1|4711|\r\n", "501 ");
    server.says(&mut client, &format!("EPRT |1|{CLIENT}|{}|\r\n", there.port()), "200 ");
    server.says(&mut client, "RETR small\r\n", "150 ");
    let world = server.world.clone();
    let (_, from) = Task::new(std::future::poll_fn(move |cx| world.poll_accept(&listener, cx))).run().unwrap().unwrap();
    // From the socket's own address, and not the one that the proxy told.
    assert_eq!(from.ip(), local(0).ip());
}

/// A server whose proxy is 10.0.0.1.
struct Served {
    world: World,
    handle: Handle,
    server: Task<()>,
    sessions: Arc<Mutex<Vec<Task<()>>>>,
}

impl Served {
    fn new(service: ServiceBuilder) -> Self {
        let (world, sessions) = (World::default(), Arc::new(Mutex::new(Vec::new())));
        let service = service.proxy_protocol(["10.0.0.0/24".parse().unwrap()]).build();
        let (listener, address) = world.listen(local(21)).unwrap();
        let handle = Handle::new(&service, [address]);
        let spawned = Arc::clone(&sessions);
        let spawn = move |session| spawned.lock().unwrap().push(Task::new(session));
        let server = Task::new(serve(world.clone(), vec![listener], handle.clone(), spawn));
        Self { world, handle, server, sessions }
    }

    /// Lets everything go on as far as it does without time; whether the server has ended.
    fn run(&mut self) -> bool {
        let ended = self.server.run().is_some();
        self.sessions.lock().unwrap().retain_mut(|session| session.run().is_none());
        ended || self.server.run().is_some()
    }

    fn connect(&mut self, from: &str) -> SimStream {
        let stream = self.world.connect_to(local(21), address(from)).unwrap();
        self.run();
        stream
    }

    fn by_proxy(&mut self, bytes: &[u8]) -> SimStream {
        let mut stream = self.world.connect_to(local(21), address("10.0.0.1")).unwrap();
        stream.send(bytes);
        self.run();
        stream
    }

    fn logged_in(&mut self) -> SimStream {
        let mut client = self.by_proxy(&[V1, b"USER alice\r\nPASS secret\r\nTYPE I\r\n"].concat());
        assert!(self.said(&mut client).ends_with("200 Type set to binary.\r\n"));
        client
    }

    fn data(&mut self, client: &mut SimStream, from: &str) -> SimStream {
        let reply = self.says(client, "EPSV\r\n", "229 ");
        let port = reply.split('|').nth(3).unwrap().parse().unwrap();
        self.world.connect_to(local(port), address(from)).unwrap()
    }

    fn says(&mut self, client: &mut SimStream, command: &str, answer: &str) -> String {
        client.send(command.as_bytes());
        let said = self.said(client);
        assert!(said.starts_with(answer), "{command}: {said}");
        said
    }

    fn said(&mut self, client: &mut SimStream) -> String {
        self.run();
        String::from_utf8(client.receive().0).unwrap()
    }
}

fn address(ip: &str) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), 50_000)
}
