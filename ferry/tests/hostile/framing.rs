//! Lines and what is none, over real sockets: sessions stay in step or end, and take little memory.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::on_both_runtimes;
use crate::peer::{self, Peer};
use crate::watched::{Setup, Watched};

on_both_runtimes!(
    replies_are_the_same_byte_by_byte_and_all_in_one_write,
    a_line_without_an_end_is_one_error_and_its_tail_no_command,
    odd_bytes_leave_a_session_in_step_or_end_it,
    an_urgent_abor_is_obeyed,
    the_body_of_an_http_request_is_not_run,
    nothing_behind_quit_runs,
    who_reads_no_replies_is_not_read_either,
    every_verb_alone_gets_one_final_reply,
    names_on_the_disk_forge_no_line,
);

/// Memory that one connection may take, and an allocator with it, in KiB.
const LITTLE: usize = 8 * 1024;

#[track_caller]
fn assert_little_memory(server: &Watched, before: usize) {
    let now = server.figures().memory;
    assert!(now < before + LITTLE, "{before} KiB became {now} KiB");
}

fn replies_are_the_same_byte_by_byte_and_all_in_one_write(runtime: &str) {
    let server = Setup::new(runtime).serve();
    server.site.write("home/file", "content");
    let lines = ["PWD", "noop", "TYPE I", "SIZE file", "CWD /none", "XYZZ", "STAT", "RNFR file", "MLST file", "HELP"];
    let script: String = lines.iter().cycle().take(500).map(|line| format!("{line}\r\n")).collect();
    let mut replies = Vec::new();
    for at_once in [true, false] {
        let mut peer = Peer::alice(server.address);
        peer.stream().set_nodelay(true).unwrap();
        // Nobody reads replies while so much is written: a second thread does.
        let mut writing = peer.stream().try_clone().unwrap();
        let script = script.clone();
        let writer = std::thread::spawn(move || {
            let size = if at_once { script.len() } else { 1 };
            script.as_bytes().chunks(size).for_each(|piece| writing.write_all(piece).unwrap());
        });
        let all: Vec<String> = (0..500).map(|_| peer.reply().unwrap()).collect();
        writer.join().unwrap();
        // What STAT tells of the session is another with every port.
        replies.push(all.into_iter().filter(|reply| !reply.starts_with("211")).collect::<Vec<_>>());
    }
    assert_eq!(replies[0].len(), 450);
    assert_eq!(replies[0], replies[1]);
    server.finish();
}

fn a_line_without_an_end_is_one_error_and_its_tail_no_command(runtime: &str) {
    let server = Setup::new(runtime).serve();
    server.site.write("home/file", "content");
    let before = server.figures().memory;
    for logged_in in [false, true] {
        let mut peer = if logged_in { Peer::alice(server.address) } else { Peer::connect(server.address) };
        if !logged_in {
            assert_eq!(peer.code(), "220");
        }
        for _ in 0..16 {
            peer.say(vec![b'A'; 1 << 20]);
        }
        assert_little_memory(&server, before);
        peer.say("\rDELE file\r\nNOOP\r\n");
        assert_eq!([peer.code(), peer.code()], ["500", "200"]);
        assert_eq!(server.site.read("home/file"), "content");
    }
    server.finish();
}

fn odd_bytes_leave_a_session_in_step_or_end_it(runtime: &str) {
    let server = Setup::new(runtime).serve();
    let before = server.figures().memory;
    let mut other = server.alice();
    let all_bytes: Vec<u8> = (0..=255).cycle().take(20_000).collect();
    let floods: [Vec<u8>; 8] = [
        vec![0xff; 1 << 20],
        vec![0; 1 << 20],
        vec![b'\r'; 1 << 20],
        vec![b' '; 1 << 20],
        b"\xff\xfd\x06".repeat(100_000),
        b"\xff\xfa\x01\xff\xff".repeat(100_000),
        all_bytes,
        b"\r\n".repeat(2000),
    ];
    for flood in floods {
        let mut peer = Peer::connect(server.address);
        assert_eq!(peer.code(), "220");
        let mut writing = peer.stream().try_clone().unwrap();
        let sent = flood.clone();
        // A session that has ended takes no more.
        let writer = std::thread::spawn(move || {
            let _ = writing.write_all(&sent).and_then(|()| writing.write_all(b"\xff\xf0\r\nNOOP\r\nSYST\r\nQUIT\r\n"));
        });
        let codes = peer.codes_to_the_end();
        writer.join().unwrap();
        let is_error = |code: &String| code.starts_with('5');
        let in_step = codes.ends_with(&["200", "215", "221"].map(str::to_owned));
        let ended = codes.last().is_none_or(|code| is_error(code) || code == "421");
        assert!(in_step || ended, "{:?}.. was answered by {:?}", &flood[..6], &codes[codes.len().saturating_sub(9)..]);
        let errors = codes.len() - if in_step { 3 } else { 0 };
        assert!(codes[..errors].iter().all(|code| is_error(code) || code == "421"), "{:?}..", &flood[..6]);
        assert!(other.command("NOOP").starts_with("200"));
        assert_little_memory(&server, before);
    }
    drop(other);
    server.finish();
}

fn an_urgent_abor_is_obeyed(runtime: &str) {
    let server = Setup::new(runtime).serve();
    fs::File::create(server.site.path("home/large")).unwrap().set_len(64 << 20).unwrap();
    // As clients do it: the data mark alone is urgent, or the byte before it.
    let ways: [(&[u8], &[u8], &[u8]); 4] = [
        (b"\xff\xf4\xff", b"\xf2", b"ABOR\r\n"),
        (b"\xff\xf4", b"\xff", b"\xf2ABOR\r\n"),
        (b"", b"\xff\xf4\xff\xf2", b"ABOR\r\n"),
        (b"\xff\xf4\xff\xf2", b"A", b"BOR\r\n"),
    ];
    for (before, urgent, after) in ways {
        let mut peer = Peer::alice(server.address);
        let data = peer::data(peer.passive());
        assert!(peer.command("RETR large").starts_with('1'));
        peer.say(before);
        peer.say_urgently(urgent);
        peer.say(after);
        assert_eq!([peer.code(), peer.code()], ["426", "226"], "{urgent:?}");
        assert!(peer.command("NOOP").starts_with("200"));
        drop(data);
    }
    server.finish();
}

fn the_body_of_an_http_request_is_not_run(runtime: &str) {
    let server = Setup::new(runtime).serve();
    server.site.write("home/file", "content");
    for head in ["POST / HTTP/1.1", "GET /x HTTP/1.0", "PUT / HTTP/1.1", "OPTIONS * HTTP/1.1"] {
        let mut peer = Peer::connect(server.address);
        peer.say(format!(
            "{head}\r\nHost: x\r\nContent-Length: 50\r\n\r\nUSER alice\r\nPASS x\r\nDELE file\r\nQUIT\r\n"
        ));
        let codes = peer.codes_to_the_end();
        assert!(
            codes.iter().all(|code| ["220", "500", "501", "502", "421"].contains(&code.as_str())),
            "{head}: {codes:?}"
        );
        assert_eq!(server.site.read("home/file"), "content");
    }
    server.finish();
}

fn nothing_behind_quit_runs(runtime: &str) {
    let server = Setup::new(runtime).serve();
    server.site.write("home/file", "content");
    let mut peer = Peer::alice(server.address);
    peer.say("PWD\r\nQUIT\r\nDELE file\r\nNOOP\r\n");
    assert_eq!(peer.codes_to_the_end(), ["257", "221"]);
    assert_eq!(server.site.read("home/file"), "content");
    server.finish();
}

/// Writes until the other side takes no more.
fn fill(mut stream: &TcpStream, bytes: &[u8]) -> usize {
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut written = 0;
    while written < 256 << 20 {
        match stream.write(bytes) {
            Ok(count) => written += count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) => panic!("{error}"),
        }
    }
    written
}

fn who_reads_no_replies_is_not_read_either(runtime: &str) {
    let server = Setup::new(runtime).serve();
    // The more there is to say, the sooner it stops.
    (0..200).for_each(|name| server.site.write(&format!("home/{name}"), ""));
    let before = server.figures().memory;
    let mut other = server.alice();
    let flooding: Vec<Peer> = [&b"HELP\r\n"[..], b"FEAT\r\n", b"XYZZ\r\n", b"STAT /\r\n"]
        .map(|line| {
            let peer = Peer::alice(server.address);
            let written = fill(peer.stream(), &line.repeat(10_000));
            assert!(written < 256 << 20, "{line:?} is read without end");
            peer
        })
        .into();
    assert!(other.command("NOOP").starts_with("200"));
    assert_little_memory(&server, before);
    server.wait_for_rest(|| assert!(other.command("NOOP").starts_with("200")));
    drop((flooding, other));
    server.finish();
}

fn every_verb_alone_gets_one_final_reply(runtime: &str) {
    let server = Setup { more: "[tls]", ..Setup::new(runtime) }.serve();
    let help = Peer::alice(server.address).command("HELP");
    let all_caps = |word: &&str| word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_uppercase());
    let verbs: Vec<&str> = help.split_whitespace().filter(all_caps).collect();
    assert!(verbs.len() > 40, "{help}");
    for verb in verbs.iter().filter(|verb| **verb != "QUIT") {
        for argument in ["", " ", " x", " \u{fffd}\u{1}", " -1", " /../..", &format!(" {}", "9".repeat(400))] {
            for logged_in in [false, true] {
                let mut peer = if logged_in { Peer::alice(server.address) } else { Peer::connect(server.address) };
                if !logged_in {
                    assert_eq!(peer.code(), "220");
                }
                peer.say(format!("{verb}{argument}\r\nSYST\r\n"));
                let first = peer.code();
                assert!(first.starts_with(['2', '3', '4', '5']), "{verb}{argument}: {first}");
                assert_eq!(peer.code(), "215", "{verb}{argument}");
            }
        }
    }
    server.finish();
}

fn names_on_the_disk_forge_no_line(runtime: &str) {
    let server = Setup::new(runtime).serve();
    fs::create_dir(server.site.path("home/folder")).unwrap();
    let forged = "-rw-r--r--   1 root     root            0 Jan 01  2020 forged";
    for name in [format!("a\r\n{forged}"), format!("b\n226 {forged}"), "c\rd".to_owned(), "\"quoted\"".to_owned()] {
        server.site.write(&format!("home/folder/{name}"), "");
    }
    fs::create_dir(server.site.path("home/x\r\n257 y")).unwrap();
    let mut peer = Peer::alice(server.address);
    for line in ["LIST folder", "MLSD folder", "NLST folder"] {
        let mut data = peer::data(peer.passive());
        assert!(peer.command(line).starts_with('1'));
        let mut listing = Vec::new();
        data.read_to_end(&mut listing).unwrap();
        drop(data);
        assert_eq!(peer.code(), "226");
        let listing = String::from_utf8(listing).unwrap();
        assert_eq!(listing.matches('\n').count(), 4, "{listing:?}");
        assert_eq!(listing.matches("\r\n").count(), 4, "{listing:?}");
    }
    let told = peer.command("STAT folder");
    assert_eq!(told.matches('\n').count(), 5, "{told:?}");
    let told = peer.command("MKD qu\"ote");
    assert!(told.starts_with("257 \"/qu\"\"ote\" "), "{told}");
    drop(peer);
    server.finish();
}
