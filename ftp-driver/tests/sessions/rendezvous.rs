//! Where data connections come from and go to: addresses, strangers, ports that are waited for.

use std::io::{BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use ftp_driver::Masquerade;
use ftp_proto::Config;

use crate::client::Client;
use crate::connections::{connect_from, free_range};
use crate::on_both;
use crate::server::{Server, Start, in_memory};

on_both! {
    active_connections_come_from_the_address_of_the_control_connection,
    other_hosts_have_no_part_in_data_unless_that_is_permitted,
    privileged_ports_are_refused_unless_that_is_permitted,
    an_ipv4_client_of_an_ipv6_listener_is_one_of_ipv4,
    strangers_at_a_listener_of_both_families_get_nothing,
    a_port_that_is_given_back_goes_to_who_waits,
    the_address_of_a_host_is_told,
}

const HERE: [u8; 4] = [127, 0, 0, 1];
const SERVER: [u8; 4] = [127, 0, 0, 2];
const STRANGER: [u8; 4] = [127, 0, 0, 3];

fn active_connections_come_from_the_address_of_the_control_connection(start: Start) {
    let server = start(in_memory().build());
    let mut addresses: Vec<SocketAddr> = server.at(SERVER.into()).into_iter().collect();
    addresses.extend(server.dual_stack().map(|address| SocketAddr::from((SERVER, address.port()))));
    for address in addresses {
        let mut client = logged_in(HERE, address);
        client.upload("STOR file", b"content");
        for _ in 0..2 {
            let listener = TcpListener::bind((Ipv4Addr::from(HERE), 0)).unwrap();
            client.command(&port_command(listener.local_addr().unwrap()), 200);
            client.begin("RETR file");
            let (data, from) = listener.accept().unwrap();
            assert_eq!(from.ip(), IpAddr::from(SERVER));
            expect_content(&mut client, data);
        }
    }
}

fn other_hosts_have_no_part_in_data_unless_that_is_permitted(start: Start) {
    let elsewhere = TcpListener::bind((Ipv4Addr::from(STRANGER), 0)).unwrap();
    let port = elsewhere.local_addr().unwrap().port();
    let (active, extended) = (port_command(elsewhere.local_addr().unwrap()), format!("EPRT |1|127.0.0.3|{port}|"));

    let server = start(in_memory().build());
    let mut client = server.logged_in();
    client.command(&active, 501);
    client.command(&extended, 501);
    client.send("NLST\r\n");
    client.expect(425);

    let server = start(in_memory().config(Config { permit_foreign_addresses: true, ..Config::default() }).build());
    let mut client = server.logged_in();
    client.upload("STOR file", b"content");
    for command in [&active, &extended] {
        client.command(command, 200);
        client.begin("RETR file");
        expect_content(&mut client, elsewhere.accept().unwrap().0);
    }
    let data = connect_from(STRANGER, client.passive_address());
    client.begin("RETR file");
    expect_content(&mut client, data);
}

fn privileged_ports_are_refused_unless_that_is_permitted(start: Start) {
    let privileged = ["PORT 127,0,0,1,3,255", "EPRT |1|127.0.0.1|1023|", "PORT 127,0,0,1,0,21"];
    let server = start(in_memory().build());
    let mut client = server.logged_in();
    privileged.iter().for_each(|command| _ = client.command(command, 501));
    client.command("PORT 127,0,0,1,4,0", 200);
    let server = start(in_memory().config(Config { permit_privileged_ports: true, ..Config::default() }).build());
    let mut client = server.logged_in();
    privileged.iter().for_each(|command| _ = client.command(command, 200));
}

fn an_ipv4_client_of_an_ipv6_listener_is_one_of_ipv4(start: Start) {
    let server = start(in_memory().build());
    // Not every machine has it.
    let Some(address) = server.dual_stack() else { return };
    let mut client = logged_in(HERE, (SERVER, address.port()).into());
    client.upload("STOR file", b"content");
    let reply = client.command("PASV", 227);
    assert!(reply.contains("(127,0,0,2,"), "{reply}");
    let data = TcpStream::connect(passive(&reply)).unwrap();
    client.begin("RETR file");
    expect_content(&mut client, data);
    client.command("EPSV 2", 522);
    client.command("EPRT |2|::1|5000|", 522);
    client.command("PORT 127,0,0,3,20,20", 501);
    client.command("EPRT |1|127.0.0.1|5000|", 200);
}

fn strangers_at_a_listener_of_both_families_get_nothing(start: Start) {
    let server = start(in_memory().build());
    let Some(address) = server.dual_stack() else { return };
    let mut client = logged_in(HERE, (SERVER, address.port()).into());
    client.upload("STOR file", b"content");
    let at = passive(&client.command("PASV", 227));
    let mut strangers: Vec<TcpStream> = (0..3).map(|_| connect_from(STRANGER, at)).collect();
    let data = connect_from(HERE, at);
    client.begin("RETR file");
    expect_content(&mut client, data);
    for stranger in &mut strangers {
        let mut nothing = Vec::new();
        let _ = stranger.write_all(b"not from here");
        let _ = stranger.read_to_end(&mut nothing);
        assert_eq!(nothing, b"");
    }
}

fn a_port_that_is_given_back_goes_to_who_waits(start: Start) {
    let (first, _) = free_range();
    let patience = std::time::Duration::from_secs(60);
    let server = start(in_memory().passive_ports(first..=first).passive_port_wait(patience).build());
    let mut holder = server.logged_in();
    for _ in 0..3 {
        assert_eq!(holder.passive_address().port(), first);
        let (mut second, mut third) = (server.logged_in(), server.logged_in());
        second.send("EPSV\r\n");
        third.send("EPSV\r\n");
        third.send("ABOR\r\n");
        third.expect(425);
        third.expect(225);
        let mut data = TcpStream::connect(("127.0.0.1", first)).unwrap();
        second.expect(229);
        holder.begin("NLST");
        data.read_to_end(&mut Vec::new()).unwrap();
        drop(data);
        holder.expect(226);
        third.send("EPSV\r\n");
        drop(second);
        third.expect(229);
        third.command("QUIT", 221);
        third.expect_end();
    }
}

fn the_address_of_a_host_is_told(start: Start) {
    let server = start(in_memory().masquerade("localhost".parse::<Masquerade>().unwrap()).build());
    let Some(address) = server.at(SERVER.into()) else { return };
    let mut client = logged_in(HERE, address);
    for _ in 0..2 {
        let reply = client.command("PASV", 227);
        assert!(reply.contains("(127,0,0,1,"), "{reply}");
    }
    client.upload("STOR file", b"content");
}

impl Server {
    /// Where it listens on this address.
    fn at(&self, ip: IpAddr) -> Option<SocketAddr> {
        self.handle.local_addrs().iter().copied().find(|address| address.ip() == ip)
    }

    /// Where it listens for both families at once.
    fn dual_stack(&self) -> Option<SocketAddr> {
        self.at(std::net::Ipv6Addr::UNSPECIFIED.into())
    }
}

/// Takes the file from its beginning to its end.
fn expect_content(client: &mut Client, mut data: TcpStream) {
    let mut content = String::new();
    data.read_to_string(&mut content).unwrap();
    drop(data);
    client.expect(226);
    assert_eq!(content, "content");
}

fn logged_in(from: [u8; 4], to: SocketAddr) -> Client {
    let mut client = Client { control: BufReader::new(connect_from(from, to)) };
    client.expect(220);
    client.login();
    client
}

fn port_command(address: SocketAddr) -> String {
    let IpAddr::V4(ip) = address.ip() else { panic!("{address}") };
    let ([a, b, c, d], port) = (ip.octets(), address.port());
    format!("PORT {a},{b},{c},{d},{},{}", port >> 8, port & 255)
}

/// The address in a reply to PASV.
fn passive(reply: &str) -> SocketAddr {
    let numbers = reply.split(['(', ')']).nth(1).unwrap();
    let [a, b, c, d, high, low] =
        numbers.split(',').map(|number| number.parse::<u8>().unwrap()).collect::<Vec<_>>()[..]
    else {
        panic!("{reply}")
    };
    SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low])))
}
