//! The end of a server.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use ftp_proto::Config;

use crate::client::pattern;
use crate::on_both;
use crate::server::{Server, Start, in_memory};

on_both! {
    a_graceful_stop_lets_transfers_end,
    the_grace_ends,
    a_stop_without_grace_ends_at_once,
    new_connections_get_the_new_service,
    a_closed_server_lets_its_sessions_go_on,
    a_closed_server_can_be_stopped,
}

fn a_graceful_stop_lets_transfers_end(start: Start) {
    let mut server = start(in_memory().build());
    let (mut busy, mut idle) = (server.logged_in(), server.logged_in());
    let mut data = busy.passive();
    busy.begin("STOR file");
    data.write_all(b"first half").unwrap();
    server.handle.shutdown(Duration::from_secs(60));
    idle.expect(421);
    idle.expect_end();
    drop(idle);
    data.write_all(b", second half").unwrap();
    drop(data);
    busy.expect(226);
    busy.expect(421);
    busy.expect_end();
    drop(busy);
    server.join();
}

fn the_grace_ends(start: Start) {
    let mut server = start(in_memory().build());
    let mut client = server.logged_in();
    let _data = client.passive();
    client.begin("STOR file");
    server.handle.shutdown(Duration::from_millis(50));
    client.expect(421);
    client.expect_end();
    server.join();
}

fn a_stop_without_grace_ends_at_once(start: Start) {
    let mut server = start(in_memory().build());
    let mut client = server.logged_in();
    client.upload("STOR file", &pattern(20_000_000));
    let mut data = client.passive();
    client.begin("RETR file");
    server.handle.shutdown(Duration::from_secs(60));
    server.handle.shutdown_now();
    client.expect(421);
    client.expect_end();
    let _ = data.read_to_end(&mut Vec::new());
    server.join();
}

fn new_connections_get_the_new_service(start: Start) {
    let server = start(in_memory().build());
    let mut old = server.logged_in();
    let config = Config { banner: "Reloaded.".into(), ..Config::default() };
    server.handle.set_service(&in_memory().config(config).build());
    old.command("NOOP", 200);
    let mut new = crate::client::Client::open(server.address());
    assert_eq!(new.expect(220), "220 Reloaded.\r\n");
    // It is stopped by the same handle.
    server.handle.shutdown(Duration::from_secs(60));
    new.expect(421);
    old.expect(421);
}

/// Closes the server's listeners and waits until they are.
fn close(server: &Server) {
    server.handle.close();
    while TcpStream::connect(server.address()).is_ok() {}
}

fn a_closed_server_lets_its_sessions_go_on(start: Start) {
    let mut server = start(in_memory().build());
    let mut client = server.logged_in();
    close(&server);
    client.upload("STOR file", b"content");
    assert_eq!(client.download("RETR file"), b"content");
    client.command("QUIT", 221);
    client.expect_end();
    drop(client);
    server.join();
}

fn a_closed_server_can_be_stopped(start: Start) {
    let mut server = start(in_memory().build());
    let mut client = server.logged_in();
    close(&server);
    client.command("NOOP", 200);
    server.handle.shutdown(Duration::from_secs(60));
    client.expect(421);
    client.expect_end();
    drop(client);
    server.join();
}
