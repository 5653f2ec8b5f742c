//! Sessions in a simulated world: hours pass in no time, and always in the same way.

mod breaking;
mod dismissal;
mod hooks;
mod link;
mod logs;
mod passive;
mod proxied;
mod random;
mod recording;
mod spans;
mod speed;
mod timers;
mod uploads;
mod world;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ftp_driver::{Addresses, Handle, Runtime, Service, ServiceBuilder, Summary, TlsServer, serve, serve_connection};
use ftp_fs::{BlockingBackend, Credential, MemoryFs, NewUser, Storage, VirtualUsers};
use ftp_proto::{CloseReason, Config};
use ftp_types::{Permissions, Secret, VirtualPath, WriteMode};

use breaking::Breaking;
use world::{SimStream, Task, World};

#[test]
fn an_idle_session_ends_when_its_time_is_over() {
    let mut session = Simulated::new(service());
    session.login();
    let before = session.world.now();
    let mut said = String::new();
    while said.is_empty() {
        assert!(session.step());
        said = session.said();
    }
    assert_eq!(said, "421 Idle for too long, closing.\r\n");
    assert_eq!(session.world.now().saturating_since(before).as_secs(), 300);
    let summary = session.run_to_end();
    assert_eq!(summary.reason, CloseReason::Idle);
    assert_eq!(summary.session.user.unwrap().as_str(), "alice");
}

#[test]
fn a_download_that_moves_slowly_is_no_stall_and_one_that_stands_is() {
    let mut session = Simulated::new(service());
    session.login();
    let mut data = session.passive();
    session.says("RETR big\r\n", "125 ");
    for _ in 0..20 {
        // A piece every 250 seconds, where 300 without one would be too long.
        session.pass(Duration::from_secs(250));
        assert!(!data.receive().0.is_empty());
    }
    let before = session.world.now();
    let summary = session.run_to_end();
    assert_eq!(session.said(), "421 Data connection stalled, closing.\r\n");
    assert_eq!(summary.reason, CloseReason::Stalled);
    assert!(session.world.now().saturating_since(before) <= Duration::from_secs(302));
    assert!(summary.bytes_sent > 20 * 65_536);
}

#[test]
fn a_speed_limit_is_kept_to_the_byte_and_is_no_stall() {
    let config = Config { stall_timeout: Some(Duration::from_secs(2)), ..Config::default() };
    let mut session = Simulated::new(service().write_limit(1000).config(config));
    session.login();
    let mut data = session.passive();
    let began = session.world.now();
    session.says("RETR small\r\n", "125 ");
    let mut received = 0;
    loop {
        let (bytes, ended) = data.receive();
        received += bytes.len() as u64;
        let elapsed = session.world.now().saturating_since(began);
        // A tenth of a second's worth may go at once.
        assert!(u128::from(received) <= 100 + elapsed.as_millis(), "{received} bytes in {elapsed:?}");
        if ended {
            break;
        }
        assert!(session.step(), "nothing moves");
    }
    assert_eq!(received, 10_000);
    drop(data);
    session.run();
    assert!(session.said().starts_with("226 "));
}

#[test]
fn the_same_pipes_hold_as_long_as_nobody_reads() {
    let mut session = Simulated::new(service());
    session.login();
    let flood = b"HELP\r\n".repeat(200_000);
    let mut sent = 0;
    loop {
        let taken = session.control.send(&flood[sent..]);
        session.run();
        sent += taken;
        if taken == 0 {
            break;
        }
    }
    // What the pipe holds, what one read takes, and what the session queues.
    assert!(sent < 65_536 * 2, "{sent}");
}

#[test]
fn lines_of_stat_and_replies_keep_their_order_when_the_client_reads_slowly() {
    let storage = MemoryFs::new();
    for number in 0..3000 {
        storage.make_directory(&path(&format!("/a-directory-with-a-long-name-{number}"))).unwrap();
    }
    let mut session = Simulated::new(service_with(storage));
    session.login();
    session.control.send(b"STAT /\r\nNOOP\r\n");
    let mut all = String::new();
    for _ in 0..100 {
        session.run();
        all.push_str(&session.said());
    }
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!(lines.len(), 3003);
    assert!(lines[0].starts_with("213-") && lines[3001].starts_with("213 ") && lines[3002].starts_with("200 "));
}

#[test]
fn replies_are_not_hoarded_behind_work_that_waits_for_its_turn() {
    /// Counts the bytes of all replies.
    struct Said(Arc<Mutex<usize>>);
    impl ftp_driver::Observer for Said {
        fn reply(&self, _: &ftp_driver::SessionInfo, reply: &ftp_proto::Reply) {
            let mut bytes = Vec::new();
            reply.write_to(&mut bytes);
            *self.0.lock().unwrap() += bytes.len();
        }
    }

    let said = Arc::new(Mutex::new(0));
    let mut session = Simulated::new(service().observer(Said(Arc::clone(&said))));
    session.login();
    let _data = session.passive();
    // Replies that nobody reads leave no room for the 125, behind which the transfer waits to begin.
    let before = *said.lock().unwrap();
    let mut noise = b"NOOP\r\n".repeat(65_520 / "200 Done nothing.\r\n".len());
    while !noise.is_empty() {
        let sent = session.control.send(&noise);
        noise.drain(..sent);
        session.run();
    }
    let unread = *said.lock().unwrap() - before;
    assert!((65_500..65_536).contains(&unread), "{unread}");
    session.control.send(&[b"RETR big\r\n", &b"STAT\r\n".repeat(680)[..]].concat());
    session.run();
    let mut taken = 0;
    for _ in 0..20 {
        taken += session.control.receive_up_to(100);
        session.run();
        let hoarded = *said.lock().unwrap() - before - taken - 65_536;
        assert!(hoarded < 65_536, "{hoarded} bytes");
    }
}

#[test]
fn no_line_of_stat_comes_behind_the_last_reply() {
    let storage = MemoryFs::new();
    for number in 0..3000 {
        storage.make_directory(&path(&format!("/a-directory-with-a-long-name-{number}"))).unwrap();
    }
    let mut session = Simulated::new(service_with(storage));
    session.login();
    session.control.send(b"STAT /\r\n");
    session.run();
    session.pass(Duration::from_secs(301));
    let mut all = String::new();
    while session.task.run().is_none() {
        let said = session.said();
        if said.is_empty() {
            session.world.skip_to_next_timer();
        }
        all.push_str(&said);
    }
    all.push_str(&session.said());
    assert!(all.starts_with("213-"));
    assert_eq!(all.lines().last(), Some("421 Data connection stalled, closing."));
}

#[test]
fn no_line_of_a_listing_that_fails_comes_behind_the_last_reply() {
    for entries in (0..3000).step_by(100) {
        let mut session = Simulated::new(service_with(Breaking { entries }));
        session.login();
        session.control.send(b"STAT /\r\n");
        let mut all = String::new();
        for _ in 0..100 {
            session.run();
            all.push_str(&session.said());
        }
        assert_eq!(all.lines().count(), entries + 2);
        assert_eq!(all.lines().last(), Some("213 End: listing is not whole."), "{entries}");
    }
}

#[test]
fn a_flood_of_commands_keeps_no_timer_from_its_time() {
    /// A client that answers each reply by a command at once, while time passes.
    struct Flood(World, Arc<Mutex<(SimStream, usize)>>);
    impl ftp_driver::Observer for Flood {
        fn reply(&self, _: &ftp_driver::SessionInfo, _: &ftp_proto::Reply) {
            let mut client = self.1.lock().unwrap();
            client.0.receive();
            client.1 += 1;
            if client.1 < FLOOD {
                self.0.skip_to_next_timer();
                client.0.send(b"NOOP\r\n");
            }
        }
    }
    const FLOOD: usize = 10_000;

    let (control, server) = SimStream::pair();
    let (world, client) = (World::default(), Arc::new(Mutex::new((control, 0))));
    let service = service().observer(Flood(world.clone(), Arc::clone(&client))).build();
    let addresses = Addresses { local: local(21), peer: SocketAddr::from(([192, 0, 2, 2], 50_000)) };
    let mut task = Task::new(serve_connection(world.clone(), service, server, addresses));
    let summary = loop {
        match task.run() {
            Some(summary) => break summary,
            None => assert!(world.skip_to_next_timer()),
        }
    };
    assert_eq!(summary.reason, CloseReason::LoginTimeout);
    assert!(client.lock().unwrap().1 < FLOOD, "the flood has ended before the session");
}

#[test]
fn a_shortage_of_descriptors_makes_no_busy_loop_and_passes() {
    let (world, service) = (World::default(), service().build());
    let address = SocketAddr::from(([192, 0, 2, 1], 21));
    let (listener, _) = world.listen(address).unwrap();
    let handle = Handle::new(&service, vec![address]);
    let sessions = Arc::new(Mutex::new(Vec::new()));
    let spawned = Arc::clone(&sessions);
    let spawn = move |session| spawned.lock().unwrap().push(Task::new(session));
    let mut server = Task::new(serve(world.clone(), vec![listener], handle.clone(), spawn));
    assert!(server.run().is_none());

    world.fail_accepts(50);
    let mut client = world.connect_to(address, SocketAddr::from(([192, 0, 2, 2], 50_000))).unwrap();
    let began = world.now();
    while sessions.lock().unwrap().is_empty() {
        assert!(server.run().is_none());
        world.skip_to_next_timer();
    }
    assert_eq!(world.failed_accepts(), 50);
    assert!(world.now().saturating_since(began) >= Duration::from_secs(4));
    sessions.lock().unwrap().iter_mut().for_each(|session| assert!(session.run().is_none()));
    assert_eq!(client.receive().0, b"220 Ferry ready.\r\n");

    // The server ends when its last session has.
    handle.shutdown(Duration::from_secs(60));
    assert!(server.run().is_none());
    sessions.lock().unwrap().iter_mut().for_each(|session| assert!(session.run().is_none()));
    drop(client);
    sessions.lock().unwrap().retain_mut(|session| session.run().is_none());
    assert!(sessions.lock().unwrap().is_empty());
    assert!(server.run().is_some());
}

#[test]
fn a_panic_ends_its_session_alone() {
    struct Panics;
    impl ftp_driver::Observer for Panics {
        fn reply(&self, _: &ftp_driver::SessionInfo, reply: &ftp_proto::Reply) {
            assert!(reply.code().number() != 200, "this panic is a part of the test");
        }
    }

    let (world, service) = (World::default(), service().observer(Panics).build());
    let (listener, address) = world.listen(local(21)).unwrap();
    let handle = Handle::new(&service, vec![address]);
    let sessions = Arc::new(Mutex::new(Vec::new()));
    let spawned = Arc::clone(&sessions);
    let spawn = move |session| spawned.lock().unwrap().push(Task::new(session));
    let mut server = Task::new(serve(world.clone(), vec![listener], handle.clone(), spawn));
    let mut client = world.connect_to(address, SocketAddr::from(([192, 0, 2, 2], 50_000))).unwrap();
    let mut other = world.connect_to(address, SocketAddr::from(([192, 0, 2, 3], 50_000))).unwrap();
    client.send(b"NOOP\r\n");
    assert!(server.run().is_none());
    assert!(sessions.lock().unwrap()[0].run().is_some());
    assert!(client.receive().1);
    other.send(b"SYST\r\n");
    assert!(sessions.lock().unwrap()[1].run().is_none());
    assert!(other.receive().0.ends_with(b"215 UNIX Type: L8\r\n"));
    assert_eq!(handle.connections(), 1);
}

#[test]
fn a_session_that_is_dropped_is_reported_and_frees_its_sockets() {
    let mut session = Simulated::new(service());
    session.login();
    let mut data = session.passive();
    session.says("RETR big\r\n", "125 ");
    let world = session.world.clone();
    let Simulated { task, mut control, .. } = session;
    drop(task);
    assert!(control.receive().1);
    while !data.receive().1 {}
    assert!(!world.skip_to_next_timer());
}

#[test]
fn a_tls_handshake_that_stalls_ends_when_its_time_is_over() {
    let mut session = Simulated::new(service().tls(tls()));
    session.says("AUTH TLS\r\n", "234 ");
    let before = session.world.now();
    // The head of a record that never comes as a whole.
    session.control.send(&[22, 3, 1, 2]);
    let summary = session.run_to_end();
    assert_eq!(summary.reason, CloseReason::TlsFailed);
    assert!((30..32).contains(&session.world.now().saturating_since(before).as_secs()));
}

#[test]
fn a_client_that_is_silent_where_tls_comes_first_is_not_waited_for() {
    let world = World::default();
    let (_control, server) = SimStream::pair();
    let addresses = Addresses { local: local(990), peer: SocketAddr::from(([192, 0, 2, 2], 50_000)) };
    let service = service().tls(tls()).build().with_implicit_tls();
    let mut task = Task::new(serve_connection(world.clone(), service, server, addresses));
    let summary = loop {
        match task.run() {
            Some(summary) => break summary,
            None => assert!(world.skip_to_next_timer(), "the session waits for ever"),
        }
    };
    assert_eq!(summary.reason, CloseReason::TlsFailed);
    assert!(summary.duration < Duration::from_secs(32), "{:?}", summary.duration);
}

/// One client and its session.
struct Simulated {
    world: World,
    control: SimStream,
    task: Task<Summary>,
}

impl Simulated {
    fn new(service: ServiceBuilder) -> Self {
        Self::with(service.build())
    }

    fn with(service: Service) -> Self {
        let world = World::default();
        let (control, server) = SimStream::pair();
        let addresses = Addresses { local: local(21), peer: SocketAddr::from(([192, 0, 2, 2], 50_000)) };
        let task = Task::new(serve_connection(world.clone(), service, server, addresses));
        let mut session = Self { world, control, task };
        session.run();
        assert_eq!(session.said(), "220 Ferry ready.\r\n");
        session
    }

    fn login(&mut self) {
        self.says("USER alice\r\n", "331 ");
        self.says("PASS secret\r\n", "230 ");
        self.says("TYPE I\r\n", "200 ");
    }

    /// Sends, and checks how the answer begins.
    fn says(&mut self, command: &str, answer: &str) -> String {
        assert_eq!(self.control.send(command.as_bytes()), command.len());
        self.run();
        let said = self.said();
        assert!(said.starts_with(answer), "{command}: {said}");
        said
    }

    /// What the server has said since the last time.
    fn said(&mut self) -> String {
        String::from_utf8(self.control.receive().0).unwrap()
    }

    fn passive(&mut self) -> SimStream {
        let reply = self.says("EPSV\r\n", "229 ");
        let port = reply.split('|').nth(3).unwrap().parse().unwrap();
        let data = self.world.connect_to(local(port), SocketAddr::from(([192, 0, 2, 2], 50_001))).unwrap();
        self.run();
        data
    }

    /// Lets the session have one turn, whatever wakes it.
    fn run_once(&mut self) {
        assert!(self.task.run_once().is_none(), "the session has ended");
    }

    fn run(&mut self) {
        assert!(self.task.run().is_none(), "the session has ended");
    }

    /// Lets the time until the next timer pass.
    fn step(&mut self) -> bool {
        let skipped = self.world.skip_to_next_timer();
        self.run();
        skipped
    }

    /// Lets time pass, by a timer of our own among those of the session.
    fn pass(&mut self, duration: Duration) {
        let until = self.world.now() + duration;
        let mut alarm = Task::new(self.world.timer(until));
        while alarm.run().is_none() {
            self.step();
        }
        assert_eq!(self.world.now(), until);
    }

    fn run_to_end(&mut self) -> Summary {
        loop {
            if let Some(summary) = self.task.run() {
                return summary;
            }
            assert!(self.world.skip_to_next_timer(), "the session waits for ever");
        }
    }
}

fn tls() -> TlsServer {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    TlsServer::from_pem(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes()).unwrap()
}

fn service() -> ServiceBuilder {
    let storage = MemoryFs::new();
    for (name, len) in [("/big", 8 << 20), ("/small", 10_000)] {
        let mut file = storage.create(&path(name), WriteMode::Replace).unwrap();
        file.write_all(&vec![b'x'; len]).unwrap();
        file.finish().unwrap();
    }
    service_with(storage)
}

fn service_with(storage: impl BlockingBackend) -> ServiceBuilder {
    let users = VirtualUsers::new();
    let password = Credential::Plain(Secret::new(b"secret"));
    let alice = NewUser::new("alice".parse().unwrap(), password, Storage::blocking(storage));
    users.add(alice.permissions(Permissions::ALL)).map(drop).unwrap();
    Service::builder(users).recorder(recording::Replayed::default())
}

fn path(text: &str) -> VirtualPath {
    VirtualPath::try_from(text).unwrap()
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}
