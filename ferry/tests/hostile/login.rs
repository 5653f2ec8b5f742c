//! Guesses, slow hashes, and connections that never log in.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::on_both_runtimes;
use crate::peer::Peer;
use crate::watched::{Setup, wait_until};

on_both_runtimes!(
    guesses_are_counted_whoever_they_are_at_and_end_the_connection,
    many_guesses_at_slow_hashes_delay_nobody_else,
    nothing_keeps_a_connection_that_never_logs_in,
    nothing_of_a_user_is_left_for_the_next,
);

fn guesses_are_counted_whoever_they_are_at_and_end_the_connection(runtime: &str) {
    let more = "[anonymous]\nhome = 'home'\n";
    let server = Setup { more, session: "max_login_attempts = 4", ..Setup::new(runtime) }.serve();
    let mut peer = Peer::connect(server.address);
    let mut script = String::new();
    for name in ["alice", "bob", "root", "alice", "alice", "bob"] {
        write!(script, "USER {name}\r\nPASS wrong\r\nUSER ftp\r\nPASS x\r\nREIN\r\n").unwrap();
    }
    peer.say(script);
    let codes = peer.codes_to_the_end();
    let count = |code: &str| codes.iter().filter(|found| *found == code).count();
    // Right ones in between forgive nothing.
    assert_eq!((count("530"), count("230")), (4, 3), "{codes:?}");
    server.finish();
}

fn many_guesses_at_slow_hashes_delay_nobody_else(runtime: &str) {
    let hash = "$2y$10$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW";
    let more = format!("[[user]]\nname = 'slow'\npassword_hash = '{hash}'\nhome = 'home'\n");
    let server = Setup { more: &more, session: "max_login_attempts = 0", ..Setup::new(runtime) }.serve();
    let mut other = server.alice();
    let (judged, is_over, address) = (AtomicUsize::new(0), AtomicBool::new(false), server.address);
    thread::scope(|scope| {
        for _ in 0..30 {
            scope.spawn(|| {
                let mut peer = Peer::connect(address);
                assert_eq!(peer.code(), "220");
                while !is_over.load(Ordering::SeqCst) {
                    peer.command("USER slow");
                    assert!(peer.command("PASS wrong").starts_with("530"));
                    judged.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        // Also when this fails, they are to end.
        let _over = Over(&is_over);
        wait_until(|| "no guess is judged".to_owned(), || judged.load(Ordering::SeqCst) > 0);
        // There are always thirty to be judged while this one is served.
        for _ in 0..5 {
            other.store("STOR file", b"content");
            assert_eq!(other.retrieve("RETR file"), b"content");
            assert!(!other.retrieve("MLSD").is_empty());
        }
    });
    drop(other);
    server.finish();
}

/// Says that it is over when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn nothing_keeps_a_connection_that_never_logs_in(runtime: &str) {
    let session = "login_timeout = 2\nmax_login_attempts = 0";
    let server = Setup { session, ..Setup::new(runtime) }.serve();
    let keep = |bytes: &'static str| {
        let mut peer = Peer::connect(server.address);
        let mut writing = peer.stream().try_clone().unwrap();
        let dripping = thread::spawn(move || {
            // Until it is closed.
            while writing.write_all(bytes.as_bytes()).is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        });
        let reading = thread::spawn(move || peer.codes_to_the_end());
        (bytes, dripping, reading)
    };
    let ways = ["NOOP\r\n", "FEAT\r\n", "USER alice\r\n", "USER bob\r\nPASS wrong\r\n", "x", "\0", "\r\n", "REIN\r\n"];
    for (bytes, dripping, reading) in ways.map(keep) {
        assert_eq!(reading.join().unwrap().first().map(String::as_str), Some("220"), "{bytes:?}");
        dripping.join().unwrap();
    }
    server.finish();
}

fn nothing_of_a_user_is_left_for_the_next(runtime: &str) {
    let more = "[[user]]\nname = 'bob'\npassword = 'y'\nhome = 'home'\nperm = 'elr'\n";
    let server = Setup { more, ..Setup::new(runtime) }.serve();
    std::fs::create_dir(server.site.path("home/folder")).unwrap();
    server.site.write("home/file", "content");
    for again in ["USER bob\r\nPASS y\r\n", "REIN\r\nUSER bob\r\nPASS y\r\n"] {
        let mut peer = Peer::alice(server.address);
        peer.command("CWD folder");
        let before = server.figures().descriptors;
        peer.passive();
        peer.say(format!(
            "REST 3\r\nRNFR /file\r\n{again}RNTO /stolen\r\nPWD\r\nSTOR /new\r\nDELE /file\r\nRETR /file\r\n"
        ));
        let replies: Vec<String> = (0..7 + again.matches('\n').count()).map(|_| peer.reply().unwrap()).collect();
        let last: Vec<&str> = replies[replies.len() - 5..].iter().map(|reply| &reply[..3]).collect();
        assert_eq!(last, ["503", "257", "550", "550", "425"], "{replies:?}");
        assert!(replies[replies.len() - 4].contains("\"/\""), "{replies:?}");
        wait_until(|| "the port of the first user is open".to_owned(), || server.figures().descriptors <= before);
    }
    assert_eq!(server.site.read("home/file"), "content");
    server.finish();
}
