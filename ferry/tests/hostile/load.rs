//! Floods, and sessions that are left in every state: others stay prompt, and all that they took comes back.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::common::{Client, RUNTIMES, Site};
use crate::mounts::Tmpfs;
use crate::on_both_runtimes;
use crate::peer::{self, Peer};
use crate::watched::{Setup, Watched, wait_until};

on_both_runtimes!(
    a_flood_is_sent_away_by_421_and_free_places_are_given_again,
    connections_that_are_reset_at_once_leave_nothing,
    out_of_descriptors_there_are_clear_errors_and_no_busy_loop,
    a_thousand_sessions_dropped_in_every_phase_leave_nothing,
    hundreds_of_aborted_transfers_leave_nothing,
);

/// Asserts that a session is served whatever else goes on.
#[track_caller]
fn assert_served(client: &mut Client) {
    assert!(client.command("NOOP").starts_with("200"));
    client.store("STOR prompt", b"content");
    assert_eq!(client.retrieve("RETR prompt"), b"content");
    assert!(client.command("DELE prompt").starts_with("250"));
}

fn a_flood_is_sent_away_by_421_and_free_places_are_given_again(runtime: &str) {
    let server = Setup { server: "max_connections = 60", ..Setup::new(runtime) }.serve();
    let mut existing = server.alice();
    let before = server.figures().descriptors;
    for leave in [Peer::reset, drop, |peer: Peer| peer.half_close()] {
        let mut flood: Vec<Peer> = (0..200).map(|_| Peer::connect(server.address)).collect();
        assert_served(&mut existing);
        let codes: Vec<String> = flood.iter_mut().map(Peer::code).collect();
        let count = |code: &str| codes.iter().filter(|found| **found == code).count();
        assert_eq!((count("220"), count("421")), (59, 141));
        assert_served(&mut existing);
        flood.into_iter().for_each(leave);
        // All of the places, one of them is the existing session's.
        let again: Vec<Client> = (0..59).map(|_| server.wait_for_client()).collect();
        assert!(server.client().greeting.starts_with("421"));
        drop(again);
        wait_until(|| "the places stay taken".to_owned(), || server.figures().descriptors <= before);
    }
    drop(existing);
    server.finish();
}

fn connections_that_are_reset_at_once_leave_nothing(runtime: &str) {
    let server = Setup { server: "max_connections = 40", ..Setup::new(runtime) }.serve();
    let mut existing = server.alice();
    for _ in 0..10 {
        for _ in 0..100 {
            Peer::connect(server.address).reset();
        }
        assert_served(&mut existing);
    }
    let again: Vec<Client> = (0..39).map(|_| server.wait_for_client()).collect();
    drop((again, existing));
    server.finish();
}

fn out_of_descriptors_there_are_clear_errors_and_no_busy_loop(runtime: &str) {
    let server = Setup { limits: &["-n 64"], ..Setup::new(runtime) }.serve();
    server.site.write("home/file", "content");
    let mut existing = server.alice();
    // The system accepts them all; the server cannot take all of them over.
    let hogs: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    server.wait_for("no connection can be accepted at this moment");
    for line in ["EPSV", "PASV", "STAT /", "RETR file", "STOR new"] {
        let reply = existing.command(line);
        assert!(reply.starts_with('4'), "{line}: {reply}");
    }
    server.wait_for_rest(|| assert!(existing.command("NOOP").starts_with("200")));
    drop(hogs);
    let mut again = server.wait_for_client();
    again.login("alice", "x");
    assert_served(&mut again);
    assert_served(&mut existing);
    drop((again, existing));
    server.finish();
}

/// What a session was at when it was dropped; whatever else it has is in the second part.
type Left = (Peer, Vec<TcpStream>);

const PHASES: [fn(SocketAddr) -> Left; 12] = [
    |address| (Peer::connect(address), vec![]),
    |address| after(Peer::connect(address), "USER al"),
    |address| after(Peer::connect(address), "USER alice\r\n"),
    |address| after(Peer::connect(address), "USER alice\r\nPASS x\r\n"),
    |address| (Peer::alice(address), vec![]),
    |address| {
        let mut peer = Peer::alice(address);
        peer.passive();
        (peer, vec![])
    },
    |address| {
        let mut peer = Peer::alice(address);
        let data = peer::data(peer.passive());
        (peer, vec![data])
    },
    |address| transferring(address, "RETR large\r\n"),
    |address| transferring(address, "STOR upload\r\n"),
    |address| transferring(address, "MLSD\r\nQUIT\r\n"),
    |address| after(Peer::alice(address), "RNFR large\r\nREST 100\r\nSTAT\r\nSTAT /\r\n"),
    |address| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (peer, _) = after(Peer::alice(address), &format!("EPRT |1|127.0.0.1|{port}|\r\nRETR large\r\n"));
        (peer, vec![accept(&listener)])
    },
];

/// The session right after it was told something.
fn after(mut peer: Peer, said: &str) -> Left {
    peer.say(said);
    (peer, vec![])
}

/// The connection that comes: once it is there, the port may be another test's.
fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    let mut accepted = None;
    wait_until(
        || "the server does not connect".to_owned(),
        || {
            accepted = listener.accept().ok();
            accepted.is_some()
        },
    );
    accepted.unwrap().0
}

/// A session in a transfer.
fn transferring(address: SocketAddr, line: &str) -> Left {
    let mut peer = Peer::alice(address);
    let mut data = peer::data(peer.passive());
    peer.say(line);
    assert!(peer.code().starts_with('1'));
    if line.starts_with("STOR") {
        data.write_all(&[b'x'; 1000]).unwrap();
    } else {
        data.read_exact(&mut [0; 1]).unwrap();
    }
    (peer, vec![data])
}

fn drop_in_every_phase(server: &Watched, rounds: usize) {
    for round in 0..rounds {
        let left: Vec<Left> = PHASES.iter().map(|phase| phase(server.address)).collect();
        for (place, (peer, data)) in left.into_iter().enumerate() {
            match (round + place) % 3 {
                0 => {
                    peer.reset();
                    data.into_iter().for_each(peer::reset);
                }
                1 => drop((data, peer)),
                _ => {
                    peer.half_close();
                    drop((peer, data));
                }
            }
        }
    }
}

fn a_thousand_sessions_dropped_in_every_phase_leave_nothing(runtime: &str) {
    let server = Setup { server: "max_connections = 0", ..Setup::new(runtime) }.serve();
    File::create(server.site.path("home/large")).unwrap().set_len(64 << 20).unwrap();
    drop_in_every_phase(&server, 42);
    server.settle();
    let before = server.figures();
    drop_in_every_phase(&server, 42);
    server.settle();
    let after = server.figures();
    // Once it is warm, another five hundred sessions take nothing.
    assert!(after.memory < before.memory + 6 * 1024, "{before:?} became {after:?}");
    server.finish();
}

fn hundreds_of_aborted_transfers_leave_nothing(runtime: &str) {
    let server = Setup::new(runtime).serve();
    File::create(server.site.path("home/large")).unwrap().set_len(64 << 20).unwrap();
    let mut client = Peer::alice(server.address);
    client.command("TYPE I");
    for round in 0..300 {
        let line = ["RETR large", "STOR upload", "APPE upload"][round % 3];
        let mut data = peer::data(client.passive());
        let reply = client.command(line);
        assert!(reply.starts_with('1'), "{line}: {reply}");
        if line.starts_with('R') {
            data.read_exact(&mut [0; 100]).unwrap();
        } else {
            data.write_all(b"something").unwrap();
        }
        // One that is lost before the server has taken it over is waited for, in case it comes again.
        let is_taken = line.starts_with('R') || reply.starts_with("125");
        if round % 2 == 0 || !is_taken {
            assert!(client.command("ABOR").starts_with("426"), "{line}");
            assert_eq!(client.code(), "226", "{line}");
        } else {
            peer::reset(data);
            assert_eq!(client.code(), "426", "{line}");
        }
    }
    drop(client);
    server.finish();
}

const ENTRIES: usize = 200_000;

/// One test for both runtimes: it takes its time to make so many files.
#[test]
fn a_huge_directory_listed_twelve_times_and_unread_takes_little_memory_and_delays_nobody() {
    let site = Site::new();
    let disk = Tmpfs::mount(site.path("home/huge"), "size=1g,nr_inodes=300000");
    for name in 0..ENTRIES {
        File::create(site.path("home/huge").join(format!("a-file-with-a-name-of-a-usual-length-{name}"))).unwrap();
    }
    let mut mounts: Vec<Box<dyn std::any::Any>> = vec![Box::new(disk)];
    let mut site = Some(site);
    for runtime in RUNTIMES {
        let server = Setup::new(runtime).serve_on(site.take().unwrap(), std::mem::take(&mut mounts));
        let before = server.figures();
        let lines = ["LIST huge", "MLSD huge", "NLST huge"];
        let unread: Vec<(Client, TcpStream)> = (0..12)
            .map(|place| {
                let mut client = server.alice();
                let mut data = client.transfer(lines[place % 3]);
                data.read_exact(&mut [0; 1]).unwrap();
                (client, data)
            })
            .collect();
        let mut other = server.alice();
        (0..3).for_each(|_| assert_served(&mut other));
        let listing = other.retrieve("NLST huge");
        assert_eq!(listing.iter().filter(|byte| **byte == b'\n').count(), ENTRIES);
        let during = server.figures();
        assert!(during.memory < before.memory + 24 * 1024, "{before:?} became {during:?}");
        drop((unread, other));
        let ended = server.finish();
        (mounts, site) = (ended.mounts, Some(ended.site));
    }
}
