//! Where sessions run that are served by threads: whoever only logs in where it was accepted, all others spread.

use std::collections::{HashMap, HashSet};
use std::net::TcpStream;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use ftp_driver::{BoxFuture, FileTransfer, Hooks, LoggedIn, Observer, SessionInfo};
use ftp_proto::Reply;
use tokio::sync::Semaphore;

use crate::client::Client;
use crate::connections::wait_until;
use crate::server::{Server, Start, any_port, in_memory, on_smol_workers, on_tokio_workers};

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

fn who_has_hooks_under_way_takes_them_along(start: Start) {
    /// Each hook waits for a permit, and tells its end.
    struct Gated(Mutex<Sender<&'static str>>, Arc<Semaphore>);
    impl Gated {
        async fn tell(&self, what: &'static str) {
            self.1.acquire().await.unwrap().forget();
            self.0.lock().unwrap().send(what).unwrap();
        }
    }
    impl Hooks for Gated {
        fn logged_in(&self, _: LoggedIn) -> BoxFuture<'_, ()> {
            Box::pin(self.tell("logged in"))
        }

        fn file_received(&self, _: FileTransfer) -> BoxFuture<'_, ()> {
            Box::pin(self.tell("received"))
        }
    }
    let (seen, gate) = (Whereabouts::default(), Arc::new(Semaphore::new(0)));
    let (tell, told) = mpsc::channel();
    let hooks = Gated(Mutex::new(tell), Arc::clone(&gate));
    let server = start(in_memory().observer(seen.clone()).hooks(hooks).build());
    let mut clients = logged_in(&server, 4);
    clients.iter_mut().for_each(|client| client.upload("STOR file", b"content"));
    assert_eq!(seen.crowds(), [2, 2]);
    gate.add_permits(8);
    let mut ended: Vec<_> = (0..8).map(|_| told.recv_timeout(PATIENCE).unwrap()).collect();
    ended.sort_unstable();
    assert_eq!(
        ended,
        ["logged in", "logged in", "logged in", "logged in", "received", "received", "received", "received"]
    );
}

fn who_keeps_busy_without_any_action_is_spread_as_well(start: Start) {
    let seen = Whereabouts::default();
    let server = start(in_memory().observer(seen.clone()).build());
    let mut clients = logged_in(&server, 4);
    for _ in 0..200 {
        clients.iter_mut().for_each(|client| drop(client.command("NOOP", 200)));
    }
    assert_eq!(seen.crowds(), [2, 2]);
}

fn who_came_by_a_proxy_is_spread_as_well(start: Start) {
    let seen = Whereabouts::default();
    let service = in_memory().observer(seen.clone()).proxy_protocol(["127.0.0.1/32".parse().unwrap()]);
    let server = start(service.build());
    let mut clients: Vec<_> = (0..4).map(|_| Client::open(server.address())).collect();
    for client in &mut clients {
        client.send("PROXY TCP4 192.0.2.2 127.0.0.1 50000 21\r\n");
        client.expect(220);
        client.login();
    }
    assert_eq!(seen.crowds(), [4]);
    clients.iter_mut().for_each(|client| drop(client.command("CWD /", 250)));
    assert_eq!(seen.crowds(), [2, 2]);
}

fn a_panic_behind_the_move_ends_its_session_alone(start: Start) {
    struct Panics;
    impl Observer for Panics {
        fn reply(&self, _: &SessionInfo, reply: &Reply) {
            assert!(reply.code().number() != 215, "this panic is a part of the test");
        }
    }
    let server = start(in_memory().observer(Panics).build());
    let mut clients = logged_in(&server, 4);
    clients.iter_mut().for_each(|client| drop(client.command("CWD /", 250)));
    let mut panics = clients.swap_remove(1);
    panics.send("SYST\r\n");
    panics.expect_end();
    clients.iter_mut().for_each(|client| drop(client.command("NOOP", 200)));
}

/// Whoever waits for nothing but its client keeps no thread from ending.
#[test]
fn who_only_logged_in_ends_with_the_threads_of_smol() {
    let workers = ftp_runtime_smol::Workers::start(2).unwrap();
    let server = ftp_runtime_smol::Server::bind(any_port(), in_memory().build()).unwrap();
    let address = server.local_addrs()[0];
    let serving = server.serve_by(&workers);
    let mut client = Client::connect(address);
    client.login();
    drop((serving, workers));
    client.expect_end();
}

#[test]
fn who_only_logged_in_ends_with_the_threads_of_tokio() {
    let (_runtime, workers, server) = with_tokio();
    let (handle, address) = (server.handle(), server.local_addrs()[0]);
    let serving = server.serve_by(&workers);
    let mut client = Client::connect(address);
    client.login();
    handle.close();
    // The accepting keeps the threads until it has ended.
    wait_until(|| TcpStream::connect(address).is_err());
    drop((serving, workers));
    client.expect_end();
}

#[test]
fn a_stop_finds_threads_of_smol_that_nobody_else_keeps() {
    let workers = ftp_runtime_smol::Workers::start(2).unwrap();
    let server = ftp_runtime_smol::Server::bind(any_port(), in_memory().build()).unwrap();
    let (handle, mut clients) = (server.handle(), [server.local_addrs()[0]; 2].map(Client::open));
    let serving = server.serve_by(&workers);
    drop(workers);
    clients.iter_mut().for_each(|client| drop(client.expect(220)));
    handle.shutdown(Duration::ZERO);
    async_io::block_on(serving);
    clients.iter_mut().for_each(|client| drop(client.expect(421)));
}

#[test]
fn a_stop_finds_threads_of_tokio_that_nobody_else_keeps() {
    let (runtime, workers, server) = with_tokio();
    let (handle, mut clients) = (server.handle(), [server.local_addrs()[0]; 2].map(Client::open));
    let serving = server.serve_by(&workers);
    drop(workers);
    clients.iter_mut().for_each(|client| drop(client.expect(220)));
    handle.shutdown(Duration::ZERO);
    runtime.block_on(serving);
    clients.iter_mut().for_each(|client| drop(client.expect(421)));
}

/// A server that is not served yet, and the runtime that it was made in.
fn with_tokio() -> (tokio::runtime::Runtime, ftp_runtime_tokio::Workers, ftp_runtime_tokio::Server) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let workers = ftp_runtime_tokio::Workers::start(2).unwrap();
    let entered = runtime.enter();
    let server = ftp_runtime_tokio::Server::bind(any_port(), in_memory().build()).unwrap();
    drop(entered);
    (runtime, workers, server)
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
    who_has_hooks_under_way_takes_them_along,
    who_keeps_busy_without_any_action_is_spread_as_well,
    who_came_by_a_proxy_is_spread_as_well,
    a_panic_behind_the_move_ends_its_session_alone,
}
