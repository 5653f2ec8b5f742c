//! Signals at bad moments, and proxies that send what they like.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use nix::sys::signal::Signal;

use crate::common::{Client, LIMIT};
use crate::on_both_runtimes;
use crate::peer::{self, Peer};
use crate::watched::{Figures, Setup, wait_until};

on_both_runtimes!(
    a_stop_lets_many_uploads_end_whole_and_accepts_nobody,
    a_second_stop_ends_uploads_at_once_and_keeps_old_files,
    sixty_reloads_under_load_leak_nothing_and_change_no_session,
    headers_of_proxies_may_be_split_and_followed_and_broken_ones_end_the_connection,
);

fn a_stop_lets_many_uploads_end_whole_and_accepts_nobody(runtime: &str) {
    let mut server = Setup::new(runtime).serve();
    let mut uploads: Vec<(Client, TcpStream)> = (0..20)
        .map(|place| {
            let mut client = server.alice();
            let mut data = client.transfer(format!("STOR {place}"));
            data.write_all(b"first ").unwrap();
            (client, data)
        })
        .collect();
    let mut idle = server.alice();
    server.signal(Signal::SIGTERM);
    server.wait_for("stopping");
    assert!(idle.reply().starts_with("421"));
    for (client, data) in &mut uploads {
        data.write_all(b"second").unwrap();
        data.shutdown(Shutdown::Write).unwrap();
        assert!(client.reply().starts_with("226"));
    }
    drop(uploads);
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log:#?}");
    for place in 0..20 {
        assert_eq!(server.site.read(&format!("home/{place}")), "first second");
    }
}

fn a_second_stop_ends_uploads_at_once_and_keeps_old_files(runtime: &str) {
    let mut server = Setup::new(runtime).serve();
    server.site.write("home/old", "old");
    let mut clients = [server.alice(), server.alice()];
    let [mut one, mut two] =
        ["STOR old", "STOR new"].map(|line| clients[usize::from(line.ends_with("new"))].transfer(line));
    one.write_all(b"one").unwrap();
    two.write_all(b"two").unwrap();
    server.signal(Signal::SIGTERM);
    server.wait_for("stopping");
    server.signal(Signal::SIGTERM);
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log:#?}");
    assert_eq!(server.site.read("home/old"), "old");
    let names = std::fs::read_dir(server.site.path("home")).unwrap();
    let names: Vec<String> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().all(|name| name == "old" || name == "new"), "{names:?}");
}

fn sixty_reloads_under_load_leak_nothing_and_change_no_session(runtime: &str) {
    let logs = "[log]\ntransfer_log = 'xferlog'\ncommand_log = 'commands.log'\n[tls]\n";
    let server = Setup { more: logs, ..Setup::new(runtime) }.serve();
    let file = server.site.read("ferry.toml");
    let mut client = server.alice();
    let before = server.figures();
    for round in 0..60 {
        // Every third is broken, every other third has no user any more.
        let (text, told) = match round % 3 {
            0 => (file.clone(), "configuration reloaded"),
            1 => (format!("{file}\nbroken ="), "the old one stays"),
            _ => (file.replace("'alice'", "'bob'"), "configuration reloaded"),
        };
        server.site.write("ferry.toml", text);
        server.signal(Signal::SIGHUP);
        client.store("STOR file", b"content");
        server.wait_for(told);
        assert_eq!(client.retrieve("RETR file"), b"content");
    }
    // A log file that is being reopened is there twice for a moment, and a thread of the pool has what wakes it until it
    // ends. The old folder is open for as long as this session has the old settings.
    let is_back = |now: Figures| now.descriptors <= before.descriptors + 1 && now.memory <= before.memory + 16 * 1024;
    let unlike = || format!("{before:?} became {:?}: {:?}", server.figures(), server.open());
    wait_until(unlike, || is_back(server.figures()));
    assert!(client.command("NOOP").starts_with("200"));
    drop(client);
    server.finish();
}

const V1: &[u8] = b"PROXY TCP4 192.0.2.9 198.51.100.1 4711 21\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x09\xc6\x33\x64\x01\x12\x67\0\x15";

fn headers_of_proxies_may_be_split_and_followed_and_broken_ones_end_the_connection(runtime: &str) {
    // The proxy is 127.0.0.2; the harness comes from 127.0.0.1, as itself.
    let server = Setup { server: "proxy_protocol = ['127.0.0.2']", ..Setup::new(runtime) }.serve();
    server.site.write("home/file", "content");
    let proxy = || peer::connect_from([127, 0, 0, 2].into(), server.address).unwrap();
    for header in [V1, V2] {
        let mut stream = proxy();
        stream.set_nodelay(true).unwrap();
        [header, b"USER alice\r\nPASS x\r\nQUIT\r\n"]
            .concat()
            .chunks(1)
            .for_each(|byte| stream.write_all(byte).unwrap());
        assert_eq!(Peer::over(stream).codes_to_the_end(), ["220", "331", "230", "221"]);
        let mut stream = proxy();
        stream.write_all(&[header, b"NOOP\r\nUSER alice\r\nPASS x\r\nSYST\r\nQUIT\r\n"].concat()).unwrap();
        assert_eq!(Peer::over(stream).codes_to_the_end(), ["220", "200", "331", "230", "215", "221"]);
    }
    let broken: [Vec<u8>; 9] = [
        b"USER alice\r\nPASS x\r\nDELE file\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.9\r\nNOOP\r\n".to_vec(),
        b"PROXY TCP4 999.0.2.9 198.51.100.1 4711 21\r\nNOOP\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.9 198.51.100.1 4711 210000\r\nNOOP\r\n".to_vec(),
        [b"PROXY TCP4 ", &[b'1'; 200][..], b"\r\n"].concat(),
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c\xc0\0\x02\x09\xc6\x33\x64\x01\x12\x67\0\x15".to_vec(),
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff\xc0\0\x02\x09".iter().copied().chain([0; 70_000]).collect(),
        vec![0xff; 100_000],
        // The rest of it never comes.
        V1[..20].to_vec(),
    ];
    let mut others = server.alice();
    let ends: Vec<TcpStream> = broken
        .iter()
        .map(|bytes| {
            let mut stream = proxy();
            // It may be closed before all is sent.
            let _ = stream.write_all(bytes);
            stream
        })
        .collect();
    assert!(others.command("NOOP").starts_with("200"));
    for (mut stream, bytes) in ends.into_iter().zip(&broken) {
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut said = Vec::new();
        let end = stream.read_to_end(&mut said);
        assert!(end.is_ok() || end.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
        assert!(said.is_empty(), "{:?}.. was answered", &bytes[..9]);
    }
    assert_eq!(server.site.read("home/file"), "content");
    drop(others);
    // And who is no proxy says nothing for others.
    let mut peer = Peer::connect(server.address);
    peer.say([V1, b"QUIT\r\n"].concat());
    assert_eq!(peer.codes_to_the_end(), ["220", "500", "221"]);
    server.finish();
}
