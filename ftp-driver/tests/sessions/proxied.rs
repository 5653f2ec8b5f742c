//! Clients behind a proxy that speaks the PROXY protocol, with and without TLS.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ftp_driver::{Service, ServiceBuilder};

use crate::client::Client;
use crate::connections::{connect_from, wait_until};
use crate::on_both;
use crate::secure::{Certificate, SecureClient, TLS13, end, secure};
use crate::server::{Server, Start, in_memory};

on_both! {
    the_client_is_whom_the_header_names,
    limits_are_those_of_the_clients,
    tls_comes_behind_the_header,
    a_silent_proxy_holds_up_no_stop,
}

const HEADER: &[u8] = b"PROXY TCP4 127.0.0.2 127.0.0.1 4711 21\r\n";

fn proxied(service: ServiceBuilder) -> Service {
    service.proxy_protocol(["127.0.0.1/32".parse().unwrap()]).build()
}

/// A connection that the proxy makes for 127.0.0.2.
fn by_proxy(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(HEADER).unwrap();
    stream
}

fn greeted(server: &Server) -> Client {
    let mut client = Client { control: BufReader::new(by_proxy(server.address())) };
    client.expect(220);
    client
}

fn the_client_is_whom_the_header_names(start: Start) {
    let server = start(proxied(in_memory()));
    let mut client = greeted(&server);
    client.login();
    let address = client.passive_address();
    // Neither somebody else nor the proxy without a header gets at the data connection.
    let mut stranger = connect_from([127, 0, 0, 3], address);
    let mut bare = TcpStream::connect(address).unwrap();
    let _ = (stranger.write_all(b"not from here"), bare.write_all(b"nor from there"));
    let mut data = by_proxy(address);
    client.begin("STOR file");
    data.write_all(b"content").unwrap();
    drop(data);
    client.expect(226);
    let mut data = connect_from([127, 0, 0, 2], client.passive_address());
    client.begin("RETR file");
    let mut content = String::new();
    data.read_to_string(&mut content).unwrap();
    drop(data);
    client.expect(226);
    assert_eq!(content, "content");
}

fn limits_are_those_of_the_clients(start: Start) {
    let server = start(proxied(in_memory().max_connections_per_ip(1)));
    let first = greeted(&server);
    Client { control: BufReader::new(by_proxy(server.address())) }.expect(421);
    let mut direct = Client { control: BufReader::new(connect_from([127, 0, 0, 3], server.address())) };
    direct.expect(220);
    wait_until(|| server.handle.connections() == 2);
    drop(first);
    wait_until(|| server.handle.connections() == 1);
    greeted(&server);
}

fn tls_comes_behind_the_header(start: Start) {
    let certificate = Certificate::new();
    let server = start(proxied(in_memory().tls(certificate.server())));
    let config = certificate.client(&TLS13);
    let control = secure(by_proxy(server.implicit_tls_address()), &config).unwrap();
    let mut client = Client { control: BufReader::new(control) };
    client.expect(220);
    let mut client = SecureClient { client, config, name: "localhost" };
    client.login();
    for command in ["STOR file", "RETR file"] {
        let data = by_proxy(client.client.passive_address());
        client.client.begin(command);
        let mut data = secure(data, &client.config).unwrap();
        if command == "STOR file" {
            data.write_all(b"content").unwrap();
            end(&mut data);
        } else {
            let mut content = String::new();
            data.read_to_string(&mut content).unwrap();
            assert_eq!(content, "content");
        }
        client.client.expect(226);
    }
}

fn a_silent_proxy_holds_up_no_stop(start: Start) {
    let mut server = start(proxied(in_memory()));
    let mut silent = TcpStream::connect(server.address()).unwrap();
    wait_until(|| server.handle.connections() == 1);
    server.handle.shutdown(Duration::from_secs(1000));
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    server.join();
}
