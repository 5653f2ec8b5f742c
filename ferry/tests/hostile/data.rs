//! Data connections of strangers, of nobody, and of clients that do nothing with them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, listen, socket};

use crate::common::Site;
use crate::on_both_runtimes;
use crate::peer::{self, Peer, connect_from, read_all};
use crate::watched::{Setup, wait_until};

on_both_runtimes!(
    a_stranger_at_a_passive_port_gets_and_supplies_nothing,
    a_second_connection_to_a_passive_port_gets_nothing,
    nobody_else_is_ever_connected,
    hundreds_of_pasv_keep_one_listener_of_the_range,
    a_data_connection_into_a_black_hole_ends_in_time_and_by_abor_at_once,
    a_peer_that_never_reads_or_never_sends_ends_by_the_stall_timeout,
    what_is_sent_at_a_download_takes_no_memory,
    what_is_pipelined_behind_a_transfer_does_not_spoil_it,
);

const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

fn a_stranger_at_a_passive_port_gets_and_supplies_nothing(runtime: &str) {
    let server = Setup::new(runtime).serve();
    server.site.write("home/file", "content");
    let mut owner = Peer::alice(server.address);
    for announced in [false, true] {
        for line in ["RETR file", "STOR upload"] {
            let port = owner.passive();
            let stranger = |port| {
                let mut stranger = connect_from(STRANGER, port).unwrap();
                let _ = stranger.write_all(b"evil");
                stranger
            };
            let before = stranger(port);
            if announced {
                owner.say(format!("{line}\r\n"));
            }
            let after = stranger(port);
            assert_eq!((read_all(before), read_all(after)), (vec![], vec![]));
            let mut data = peer::data(port);
            if !announced {
                owner.say(format!("{line}\r\n"));
            }
            assert!(owner.code().starts_with('1'));
            if line.starts_with('S') {
                data.write_all(b"good").unwrap();
                data.shutdown(Shutdown::Write).unwrap();
            }
            let told = read_all(&data);
            drop(data);
            assert_eq!(owner.code(), "226");
            assert_eq!(told, if line.starts_with('R') { &b"content"[..] } else { b"" });
            assert!(line.starts_with('R') || server.site.read("home/upload") == "good");
        }
    }
    drop(owner);
    server.finish();
}

fn a_second_connection_to_a_passive_port_gets_nothing(runtime: &str) {
    // Once it is closed, its port is not to be another test's.
    let (first, last) = quiet_ports();
    let server = Setup { data: &format!("passive_ports = '{first}-{last}'"), ..Setup::new(runtime) }.serve();
    fs::write(server.site.path("home/large"), vec![b'x'; 8 << 20]).unwrap();
    let mut owner = Peer::alice(server.address);
    owner.command("TYPE I");
    let port = owner.passive();
    let first = peer::data(port);
    let early = TcpStream::connect(port);
    assert!(owner.command("RETR large").starts_with('1'));
    let late = TcpStream::connect(port);
    for second in [early, late].into_iter().flatten() {
        second.set_read_timeout(Some(crate::common::LIMIT)).unwrap();
        assert_eq!(read_all(second), b"");
    }
    assert_eq!(read_all(first).len(), 8 << 20);
    assert_eq!(owner.code(), "226");
    drop(owner);
    server.finish();
}

fn nobody_else_is_ever_connected(runtime: &str) {
    let server = Setup::new(runtime).serve();
    server.site.write("home/file", "content");
    let other = TcpListener::bind((STRANGER, 0)).unwrap();
    let privileged = (600..1024).find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok()).expect("as root");
    let port = other.local_addr().unwrap().port();
    let low = privileged.local_addr().unwrap().port();
    let [high_byte, low_byte] = port.to_be_bytes();
    let [high_of_low, low_of_low] = low.to_be_bytes();
    let mut client = Peer::alice(server.address);
    for line in [
        format!("PORT 127,0,0,2,{high_byte},{low_byte}"),
        format!("EPRT |1|127.0.0.2|{port}|"),
        format!("EPRT |2|::ffff:127.0.0.2|{port}|"),
        format!("PORT 255,255,255,255,{high_byte},{low_byte}"),
        format!("PORT 224,0,0,1,{high_byte},{low_byte}"),
        format!("PORT 0,0,0,0,{high_byte},{low_byte}"),
        format!("PORT 127,0,0,1,{high_of_low},{low_of_low}"),
        format!("EPRT |1|127.0.0.1|{low}|"),
    ] {
        let reply = client.command(&line);
        assert!(reply.starts_with('5'), "{line}: {reply}");
        for line in ["RETR file", "LIST", "STOR new"] {
            let reply = client.command(line);
            assert!(reply.starts_with("425"), "{line}: {reply}");
        }
    }
    for listener in [other, privileged] {
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    drop(client);
    server.finish();
}

/// Ports below those that the system gives out, so that nobody is likely to have them.
fn quiet_ports() -> (u16, u16) {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let lowest: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
    let first = fastrand::u16(lowest / 2..lowest - 400);
    (first, first + 299)
}

fn hundreds_of_pasv_keep_one_listener_of_the_range(runtime: &str) {
    let (first, last) = quiet_ports();
    let server = Setup { data: &format!("passive_ports = '{first}-{last}'"), ..Setup::new(runtime) }.serve();
    let mut client = Peer::alice(server.address);
    let before = server.figures().descriptors;
    let ports: Vec<u16> = (0..300).map(|_| client.passive().port()).collect();
    assert!(ports.iter().all(|port| (first..=last).contains(port)), "{first} to {last}: {ports:?}");
    let in_sequence = ports.windows(2).filter(|pair| pair[1] == pair[0].wrapping_add(1)).count();
    assert!(in_sequence < 60, "{ports:?}");
    assert!(ports.iter().collect::<BTreeSet<_>>().len() > 50, "{ports:?}");
    wait_until(|| "there is more than one listener".to_owned(), || server.figures().descriptors <= before + 1);
    drop(client);
    server.finish();
}

/// A listener that takes no connection, and no more attempts at one either.
fn black_hole() -> (SocketAddr, Vec<Box<dyn std::any::Any>>) {
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    listen(&listener, 0).unwrap();
    let listener = TcpListener::from(listener);
    let address = listener.local_addr().unwrap();
    let mut holding: Vec<Box<dyn std::any::Any>> = vec![];
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        holding.push(Box::new(stream));
    }
    holding.push(Box::new(listener));
    (address, holding)
}

fn a_data_connection_into_a_black_hole_ends_in_time_and_by_abor_at_once(runtime: &str) {
    let (hole, _holding) = black_hole();
    for (timeout, aborts) in [("0.3", false), ("100000", true)] {
        let server = Setup { data: &format!("connect_timeout = {timeout}"), ..Setup::new(runtime) }.serve();
        server.site.write("home/file", "content");
        let mut client = Peer::alice(server.address);
        for line in ["RETR file", "STOR new", "LIST"] {
            assert!(client.command(format!("EPRT |1|127.0.0.1|{}|", hole.port())).starts_with("200"));
            assert!(client.command(line).starts_with("150"), "{line}");
            if aborts {
                assert_eq!(
                    (client.command("ABOR")[..3].to_owned(), client.code()),
                    ("426".to_owned(), "226".to_owned())
                );
            } else {
                assert_eq!(client.code(), "425");
            }
            assert!(client.command("NOOP").starts_with("200"));
        }
        drop(client);
        server.finish();
    }
}

fn a_peer_that_never_reads_or_never_sends_ends_by_the_stall_timeout(runtime: &str) {
    for session in ["use_sendfile = true", "use_sendfile = false"] {
        let setup = Setup { session, data: "stall_timeout = 0.3", ..Setup::new(runtime) };
        let server = setup.serve();
        fs::File::create(server.site.path("home/large")).unwrap().set_len(256 << 20).unwrap();
        for line in ["RETR large", "STOR new", "APPE new"] {
            let mut client = Peer::alice(server.address);
            client.command("TYPE I");
            let data = peer::data(client.passive());
            client.say(format!("{line}\r\n"));
            let codes = client.codes_to_the_end();
            assert_eq!(codes.last().unwrap(), "421", "{line}: {codes:?}");
            drop(data);
        }
        server.finish();
    }
}

fn what_is_sent_at_a_download_takes_no_memory(runtime: &str) {
    let server = Setup::new(runtime).serve();
    fs::File::create(server.site.path("home/large")).unwrap().set_len(16 << 20).unwrap();
    let mut client = Peer::alice(server.address);
    client.command("TYPE I");
    let before = server.figures().memory;
    let mut data = peer::data(client.passive());
    assert!(client.command("RETR large").starts_with('1'));
    data.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    // As much as the system takes.
    let written = (0..64).take_while(|_| data.write_all(&[b'x'; 1 << 20]).is_ok()).count();
    assert!(written < 64);
    let now = server.figures().memory;
    assert!(now < before + 8 * 1024, "{before} KiB became {now} KiB");
    let mut content = vec![0; 16 << 20];
    data.read_exact(&mut content).unwrap();
    drop((data, client));
    server.finish();
}

fn what_is_pipelined_behind_a_transfer_does_not_spoil_it(runtime: &str) {
    let site = Site::new();
    fs::create_dir(site.path("home/folder")).unwrap();
    let content: Vec<u8> = (0..=255).cycle().take(8 << 20).collect();
    site.write("home/large", &content);
    site.write("home/file", "other");
    let server = Setup::new(runtime).serve_on(site, vec![]);
    let mut client = Peer::alice(server.address);
    client.command("TYPE I");
    let data = peer::data(client.passive());
    client.say("RETR large\r\nEPSV\r\nTYPE A\r\nCWD folder\r\nRETR file\r\nNOOP\r\nQUIT\r\n");
    assert!(client.code().starts_with('1'));
    assert!(read_all(data) == content);
    let codes = client.codes_to_the_end();
    assert_eq!(codes, ["226", "229", "200", "250", "550", "200", "221"]);

    let mut client = Peer::alice(server.address);
    client.command("TYPE I");
    let data = peer::data(client.passive());
    assert!(client.command("RETR large").starts_with('1'));
    assert!(client.command("QUIT").starts_with("221"));
    assert!(read_all(data) == content);
    assert_eq!(client.codes_to_the_end(), ["226"]);
    server.finish();
}
