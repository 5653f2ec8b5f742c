//! Who may connect: limits, strangers at passive ports, the range of these ports.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use ftp_proto::Config;
use socket2::{Domain, Socket, Type};

use crate::client::{Client, PATIENCE, reset};
use crate::on_both;
use crate::server::{Start, in_memory};

on_both! {
    one_too_many_is_told_so_and_not_counted,
    the_limit_of_an_address_is_its_own,
    a_stranger_at_the_passive_port_gets_nothing,
    where_foreign_addresses_are_permitted_others_come_too,
    the_passive_port_survives_a_connection_that_is_reset,
    passive_ports_come_from_the_range_alone,
    hundreds_of_passive_commands_keep_one_listener,
    a_lost_control_connection_gives_its_place_back,
    a_session_on_ipv6_has_its_data_there_too,
    no_place_is_free_before_its_session_is_gone,
}

fn one_too_many_is_told_so_and_not_counted(start: Start) {
    let server = start(in_memory().max_connections(2).build());
    let (mut first, _second) = (server.client(), server.client());
    for _ in 0..5 {
        let mut refused = Client::open(server.address());
        refused.expect(421);
        refused.expect_end();
    }
    first.command("QUIT", 221);
    first.expect_end();
    drop(first);
    wait_until(|| server.handle.connections() == 1);
    server.logged_in().command("NOOP", 200);
}

fn the_limit_of_an_address_is_its_own(start: Start) {
    let server = start(in_memory().max_connections_per_ip(1).build());
    let _first = server.client();
    Client::open(server.address()).expect(421);
    let mut other = Client { control: std::io::BufReader::new(connect_from([127, 0, 0, 2], server.address())) };
    other.expect(220);
}

fn a_stranger_at_the_passive_port_gets_nothing(start: Start) {
    let server = start(in_memory().build());
    let mut client = server.logged_in();
    client.upload("STOR file", b"content");
    let address = client.passive_address();
    let mut stranger = connect_from([127, 0, 0, 2], address);
    let _ = stranger.write_all(b"not from here");
    let mut data = TcpStream::connect(address).unwrap();
    client.begin("RETR file");
    let mut content = String::new();
    data.read_to_string(&mut content).unwrap();
    drop(data);
    client.expect(226);
    assert_eq!(content, "content");
    let mut nothing = Vec::new();
    let _ = stranger.read_to_end(&mut nothing);
    assert_eq!(nothing, b"");
}

fn no_place_is_free_before_its_session_is_gone(start: Start) {
    let server = start(in_memory().build());
    for _ in 0..200 {
        let mut client = server.logged_in();
        client.command("CWD /", 250);
        client.send("QUIT\r\n");
        drop(client);
        let began = Instant::now();
        // Looked at as often as can be: there is but a moment between the two.
        while server.handle.connections() > 0 {
            assert!(began.elapsed() < PATIENCE, "the session does not end");
        }
        assert!(server.handle.sessions().is_empty());
    }
}

fn where_foreign_addresses_are_permitted_others_come_too(start: Start) {
    let config = Config { permit_foreign_addresses: true, ..Config::default() };
    let server = start(in_memory().config(config).build());
    let mut client = server.logged_in();
    let mut other = connect_from([127, 0, 0, 2], client.passive_address());
    client.begin("STOR file");
    other.write_all(b"from elsewhere").unwrap();
    drop(other);
    client.expect(226);
    assert_eq!(client.download("RETR file"), b"from elsewhere");
}

fn the_passive_port_survives_a_connection_that_is_reset(start: Start) {
    let server = start(in_memory().build());
    let mut client = server.logged_in();
    let address = client.passive_address();
    reset(connect_from([127, 0, 0, 2], address));
    let mut data = TcpStream::connect(address).unwrap();
    client.begin("STOR file");
    data.write_all(b"content").unwrap();
    drop(data);
    client.expect(226);
}

fn passive_ports_come_from_the_range_alone(start: Start) {
    let (first, last) = free_range();
    let service = in_memory().passive_ports(first..=last).passive_port_wait(std::time::Duration::ZERO);
    let server = start(service.build());
    let mut clients: Vec<Client> = (first..=last).map(|_| server.logged_in()).collect();
    for client in &mut clients {
        let port = client.passive_address().port();
        assert!((first..=last).contains(&port), "{port}");
    }
    // All of them are taken; the next one is told, and has luck when one is free again.
    let mut late = server.logged_in();
    late.send("EPSV\r\n");
    assert!(late.reply().starts_with('4'));
    let mut left = clients.pop().unwrap();
    left.command("QUIT", 221);
    left.expect_end();
    late.passive_address();
}

fn hundreds_of_passive_commands_keep_one_listener(start: Start) {
    let (first, last) = free_range();
    let server = start(in_memory().passive_ports(first..=last).build());
    let mut client = server.logged_in();
    for _ in 0..300 {
        client.passive_address();
    }
    assert_eq!(client.download("NLST"), b"");
}

fn a_lost_control_connection_gives_its_place_back(start: Start) {
    let server = start(in_memory().build());
    for _ in 0..20 {
        let mut client = server.logged_in();
        let data = client.passive();
        client.begin("STOR file");
        reset(client.control.into_inner());
        drop(data);
    }
    wait_until(|| server.handle.connections() == 0);
}

fn a_session_on_ipv6_has_its_data_there_too(start: Start) {
    let server = start(in_memory().build());
    // Not every machine has it.
    let Some(address) = server.handle.local_addrs().iter().find(|address| address.is_ipv6()) else { return };
    let mut client = Client::connect(*address);
    client.login();
    client.upload("STOR file", b"content");
    assert_eq!(client.download("RETR file"), b"content");
    let listener = std::net::TcpListener::bind("[::1]:0").unwrap();
    client.command(&format!("EPRT |2|::1|{}|", listener.local_addr().unwrap().port()), 200);
    client.begin("RETR file");
    let mut content = String::new();
    listener.accept().unwrap().0.read_to_string(&mut content).unwrap();
    client.expect(226);
    assert_eq!(content, "content");
}

/// Three ports in a row that nothing uses, each time others. They are below those that the system gives to whoever asks
/// for any: other tests do that all the time, and would get one of them before the server does.
pub(crate) fn free_range() -> (u16, u16) {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    const LOWEST: u16 = 10_000;
    let ranges = u32::from(lowest_given_by_the_system().saturating_sub(LOWEST).max(3) / 3);
    loop {
        // Processes begin in different places, which are some way apart.
        let number = GIVEN.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id().wrapping_mul(101));
        let first = LOWEST + 3 * u16::try_from(number % ranges).unwrap();
        if (first..first + 3).all(|port| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return (first, first + 2);
        }
    }
}

fn lowest_given_by_the_system() -> u16 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok();
    range.and_then(|range| range.split_whitespace().next()?.parse().ok()).unwrap_or(32_768)
}

pub(crate) fn connect_from(local: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((local, 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.into()
}

pub(crate) fn wait_until(mut condition: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !condition() {
        assert!(began.elapsed().as_secs() < 20, "it never came to that");
        std::thread::yield_now();
    }
}
