//! Where sessions run that are served by threads: whoever only logs in where it was accepted, all others spread.

use std::collections::{HashMap, HashSet};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use ftp_driver::{BoxFuture, Hooks, LoggedIn, Observer, SessionInfo};
use ftp_proto::Reply;

use crate::client::Client;
use crate::server::{Server, Start, in_memory, on_smol_workers, on_tokio_workers};

/// Longer than a client waits.
const PATIENCE: Duration = Duration::from_secs(60);

/// The thread that each session was last seen on.
#[derive(Clone, Default)]
struct Whereabouts(Arc<Mutex<HashMap<u64, ThreadId>>>);

impl Observer for Whereabouts {
    fn reply(&self, session: &SessionInfo, _: &Reply) {
        self.0.lock().unwrap().insert(session.id, thread::current().id());
    }
}

impl Whereabouts {
    /// How many sessions each thread has.
    fn crowds(&self) -> Vec<usize> {
        let seen = self.0.lock().unwrap();
        let threads: HashSet<_> = seen.values().collect();
        threads.iter().map(|thread| seen.values().filter(|seen| seen == thread).count()).collect()
    }
}

fn logged_in(server: &Server, count: usize) -> Vec<Client> {
    (0..count).map(|_| server.logged_in()).collect()
}

fn who_only_logs_in_stays_where_it_was_accepted(start: Start) {
    let seen = Whereabouts::default();
    let server = start(in_memory().observer(seen.clone()).build());
    let mut clients = logged_in(&server, 6);
    clients.iter_mut().for_each(|client| drop(client.command("PWD", 257)));
    assert_eq!(seen.crowds(), [6]);
}

fn who_works_is_spread_whoever_else_is_there(start: Start) {
    let seen = Whereabouts::default();
    let server = start(in_memory().observer(seen.clone()).build());
    let _idle = logged_in(&server, 10);
    seen.0.lock().unwrap().clear();
    let mut clients = logged_in(&server, 6);
    clients.iter_mut().for_each(|client| client.upload("STOR file", b"content"));
    assert_eq!(seen.crowds(), [3, 3]);
    for mut client in clients {
        assert_eq!(client.download("RETR file"), b"content");
        client.command("QUIT", 221);
        client.expect_end();
    }
}

fn what_was_sent_ahead_is_done_behind_the_move(start: Start) {
    let server = start(in_memory().build());
    // The second of them goes to the other thread.
    let mut clients = [server.client(), server.client()];
    for client in &mut clients {
        client.send("USER alice\r\nPASS secret\r\nMKD a\r\nCWD a\r\nPWD\r\nRMD /a\r\nNOOP\r\n");
        for code in [331, 230, 257, 250, 257, 250, 200] {
            client.expect(code);
        }
        client.command("NOOP", 200);
    }
}

/// What it waits for is on its own thread, too.
fn who_has_moved_waits_for_nobody_who_stays(start: Start) {
    struct Holds(Mutex<Receiver<()>>);
    impl Observer for Holds {
        fn reply(&self, _: &SessionInfo, reply: &Reply) {
            if reply.code().number() == 215 {
                let _ = self.0.lock().unwrap().recv_timeout(PATIENCE);
            }
        }
    }
    let (let_go, held) = mpsc::channel();
    let server = start(in_memory().observer(Holds(Mutex::new(held))).build());
    let (mut stays, mut moves) = (server.logged_in(), server.logged_in());
    stays.command("MKD stays", 257);
    moves.command("MKD moves", 257);
    stays.send("SYST\r\n");
    for _ in 0..3 {
        moves.command("NOOP", 200);
        moves.upload("STOR file", b"content");
    }
    let_go.send(()).unwrap();
    stays.expect(215);
}

/// A hook may wait for what belongs to the thread that it runs on.
fn who_has_hooks_under_way_stays_until_they_end(start: Start) {
    #[derive(Clone, Default)]
    struct Endless;
    impl Hooks for Endless {
        fn logged_in(&self, _: LoggedIn) -> BoxFuture<'_, ()> {
            Box::pin(std::future::pending())
        }
    }
    let seen = Whereabouts::default();
    let server = start(in_memory().observer(seen.clone()).hooks(Endless).build());
    let mut clients = logged_in(&server, 4);
    clients.iter_mut().for_each(|client| client.upload("STOR file", b"content"));
    assert_eq!(seen.crowds(), [4]);
}

macro_rules! on_workers {
    ($($name:ident),* $(,)?) => {
        mod on_smol {
            $(#[test] fn $name() { super::$name(super::on_smol_workers); })*
        }
        mod on_tokio {
            $(#[test] fn $name() { super::$name(super::on_tokio_workers); })*
        }
    };
}

on_workers! {
    who_only_logs_in_stays_where_it_was_accepted,
    who_works_is_spread_whoever_else_is_there,
    what_was_sent_ahead_is_done_behind_the_move,
    who_has_moved_waits_for_nobody_who_stays,
    who_has_hooks_under_way_stays_until_they_end,
}
