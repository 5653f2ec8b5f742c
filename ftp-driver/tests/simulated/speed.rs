//! Speed limits, measured over ten seconds of the simulated clock.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ftp_driver::rustls::pki_types::CertificateDer;
use ftp_driver::rustls::pki_types::pem::PemObject;
use ftp_driver::rustls::{ClientConfig, RootCertStore};
use ftp_driver::{Addresses, Runtime, Service, ServiceBuilder, Summary, TlsServer, serve_connection};
use ftp_fs::{BlockingBackend, Credential, MemoryFs, NewUser, Storage, VirtualUsers};
use ftp_proto::{CloseReason, Config, Instant};
use ftp_types::{Permissions, Secret, WriteMode};

use crate::link::Link;
use crate::world::{SimStream, Task, World};
use crate::{local, path};

const LIMIT: u64 = 40_000;
const TEN_SECONDS: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Transfer,
    User,
    Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Image,
    Ascii,
    Tls,
}

#[test]
fn downloads_keep_within_five_percent_of_every_limit() {
    all_kinds(Way::Down);
}

#[test]
fn uploads_keep_within_five_percent_of_every_limit() {
    all_kinds(Way::Up);
}

fn all_kinds(way: Way) {
    for whose in [Whose::Transfer, Whose::User, Whose::Server] {
        for over in [Over::Image, Over::Ascii, Over::Tls] {
            for count in [1, 10] {
                let moved = measure(limited(whose, way, LIMIT), whose, way, over, count);
                let shared = if whose == Whose::Transfer { 1 } else { count as u64 };
                check(&moved, LIMIT / shared, &format!("{whose:?} {way:?} {over:?} {count}"));
            }
        }
    }
}

#[test]
fn a_transfer_obeys_the_strictest_of_its_limits() {
    let all = |transfer, user, server| {
        let service = service().write_limit(transfer).user_write_limit(user).server_write_limit(server);
        measure(service, Whose::Server, Way::Down, Over::Image, 10)
    };
    check(&all(3000, 40_000, 80_000), 3000, "transfer");
    // Five of them are of one user.
    check(&all(20_000, 15_000, 80_000), 3000, "user");
    check(&all(20_000, 40_000, 30_000), 3000, "server");
}

#[test]
fn an_account_has_its_own_limits() {
    let users = VirtualUsers::new();
    let alice = NewUser::new("alice".parse().unwrap(), Credential::Any, Storage::blocking(storage()));
    let alice = alice.limits(None, Some(0)).total_limits(None, Some(20_000));
    users.add(alice.permissions(Permissions::ALL)).map(drop).unwrap();
    let service = Service::builder(users).write_limit(100).user_write_limit(100);
    check(&measure(service, Whose::User, Way::Down, Over::Image, 4), 5000, "account");
}

#[test]
fn what_one_leaves_others_get() {
    // One of the ten is slower than its share, by what its client reads.
    let mut site = Site::new(limited(Whose::Server, Way::Down, LIMIT).build());
    let mut seats: Vec<Seat> = (0..10).map(|_| site.download("alice", Over::Image, "/big")).collect();
    seats[0].sleeps = true;
    let moved = site.run(&mut seats, TEN_SECONDS);
    let total: u64 = moved[1..].iter().sum();
    // What fits into the pipe of the one that is not read has counted, too.
    assert!(total * 100 >= LIMIT * 10 * 80, "{moved:?}");
    let share = total / 9;
    assert!(moved[1..].iter().all(|bytes| bytes.abs_diff(share) * 10 <= share), "{moved:?}");
}

#[test]
fn waiting_for_ones_turn_is_no_stall() {
    for (way, whose) in [(Way::Down, Whose::Server), (Way::Up, Whose::Server), (Way::Down, Whose::Transfer)] {
        for limit in [1, 10, 100] {
            let config = Config { stall_timeout: Some(Duration::from_secs(2)), ..Config::default() };
            let mut site = Site::new(limited(whose, way, limit).config(config).build());
            let mut seats: Vec<Seat> = (0..10).map(|_| site.begin("alice", way, Over::Image)).collect();
            let time = Duration::from_secs(100);
            let moved = site.run(&mut seats, time);
            let share = if whose == Whose::Server { limit * 100 / 10 } else { limit * 100 };
            assert!(moved.iter().all(|bytes| bytes.abs_diff(share) <= share / 10 + 1), "{way:?} {limit}: {moved:?}");
        }
    }
}

#[test]
fn a_limited_transfer_whose_client_stands_still_does_stall() {
    let config = Config { stall_timeout: Some(Duration::from_secs(20)), ..Config::default() };
    let mut site = Site::new(limited(Whose::User, Way::Down, LIMIT).config(config).build());
    let mut seat = site.download("alice", Over::Image, "/big");
    let began = site.world.now();
    let summary = seat.run_to_end(&site.world);
    assert_eq!(summary.reason, CloseReason::Stalled);
    // A second or two fill the pipe.
    assert!((20..25).contains(&site.world.now().saturating_since(began).as_secs()));
}

#[test]
fn limits_hold_for_the_sessions_before_and_after_a_reload_together() {
    let old = limited(Whose::Server, Way::Down, 1000).build();
    let mut site = Site::new(old.clone());
    let mut seats = vec![site.download("alice", Over::Image, "/big")];
    site.service = limited(Whose::Server, Way::Down, LIMIT).build().in_place_of(&old);
    seats.push(site.download("bob", Over::Image, "/big"));
    let moved = site.run(&mut seats, TEN_SECONDS);
    check(&moved, LIMIT / 2, "server");

    // The latest login counts for those before it.
    let old = service().user_write_limit(1000).build();
    let mut site = Site::new(old.clone());
    let mut seats = vec![site.download("alice", Over::Image, "/big")];
    site.service = service().user_write_limit(LIMIT).build().in_place_of(&old);
    seats.push(site.download("alice", Over::Image, "/big"));
    let moved = site.run(&mut seats, TEN_SECONDS);
    check(&moved, LIMIT / 2, "user");
}

#[test]
fn a_login_in_a_session_from_before_a_reload_brings_no_old_limit_back() {
    let old = service().build();
    let mut site = Site::new(old.clone());
    let mut before = site.download("alice", Over::Image, "/big");
    before.says("ABOR\r\n", "426 ");
    site.service = limited(Whose::User, Way::Down, LIMIT).build().in_place_of(&old);
    let mut seats = vec![site.download("alice", Over::Image, "/big")];
    before.says("USER alice\r\n", "331 ");
    before.says("PASS secret\r\n", "230 ");
    let moved = site.run(&mut seats, TEN_SECONDS);
    check(&moved, LIMIT, "user");
}

#[test]
fn an_upload_ends_without_waiting_for_its_turn() {
    // Nine others have asked for their bytes of this second.
    let mut site = Site::new(limited(Whose::Server, Way::Up, 10).build());
    let mut last = site.begin("bob", Way::Up, Over::Image);
    let mut seats: Vec<Seat> = (0..9).map(|_| site.begin("alice", Way::Up, Over::Image)).collect();
    while seats.iter_mut().any(Seat::work) {}
    last.data.as_mut().unwrap().close();
    last.says("", "226 ");
    assert_eq!(site.world.now(), Instant::default());
}

#[test]
fn listings_count_as_well() {
    let storage = storage();
    for number in 0..3000 {
        storage.make_directory(&path(&format!("/directory-{number}"))).unwrap();
    }
    let mut site = Site::new(service_with(storage).server_write_limit(LIMIT / 10).build());
    let mut seats = vec![site.transfer("alice", Over::Image, "LIST", Way::Down)];
    let moved = site.run(&mut seats, TEN_SECONDS);
    check(&moved, LIMIT / 10, "listing");
}

#[test]
fn an_abort_gives_the_turn_to_others() {
    let mut site = Site::new(limited(Whose::Server, Way::Down, 10).build());
    let mut seats: Vec<Seat> = (0..2).map(|_| site.download("alice", Over::Image, "/big")).collect();
    let mut other = site.download("bob", Over::Image, "/big");
    for _ in 0..50 {
        other.says("ABOR\r\n", "426 ");
        other = site.download("bob", Over::Image, "/big");
    }
    // Nothing of what fifty transfers wanted stands in the way.
    let moved = site.run(&mut seats, TEN_SECONDS);
    assert!(moved.iter().sum::<u64>() >= 90, "{moved:?}");
}

/// Each transfer has moved this many bytes a second, but for who had the first burst, and all together no more and no
/// less.
#[track_caller]
fn check(moved: &[u64], each: u64, what: &str) {
    let (expected, count) = (each * 10, moved.len() as u64);
    let total: u64 = moved.iter().sum();
    assert!(total.abs_diff(expected * count) * 20 <= expected * count, "{what}: {moved:?}");
    let burst = each * count / 10;
    assert!(moved.iter().all(|bytes| bytes.abs_diff(expected) <= expected / 10 + burst), "{what}: {moved:?}");
}

/// What each of `count` transfers moves in ten seconds.
fn measure(service: ServiceBuilder, whose: Whose, way: Way, over: Over, count: usize) -> Vec<u64> {
    let mut site = Site::new(service.tls(site_tls().0).build());
    let user = |number| if whose == Whose::Server && number % 2 == 1 { "bob" } else { "alice" };
    let mut seats: Vec<Seat> = (0..count).map(|number| site.begin(user(number), way, over)).collect();
    site.run(&mut seats, TEN_SECONDS)
}

fn limited(whose: Whose, way: Way, limit: u64) -> ServiceBuilder {
    let service = service();
    match (whose, way) {
        (Whose::Transfer, Way::Up) => service.read_limit(limit),
        (Whose::Transfer, Way::Down) => service.write_limit(limit),
        (Whose::User, Way::Up) => service.user_read_limit(limit),
        (Whose::User, Way::Down) => service.user_write_limit(limit),
        (Whose::Server, Way::Up) => service.server_read_limit(limit),
        (Whose::Server, Way::Down) => service.server_write_limit(limit),
    }
}

/// A server and its clients.
struct Site {
    world: World,
    service: Service,
    next_port: u16,
}

/// One client with a transfer.
struct Seat {
    task: Task<Summary>,
    control: Link,
    data: Option<Link>,
    way: Way,
    received: u64,
    /// Whether it neither reads nor writes.
    sleeps: bool,
}

impl Site {
    fn new(service: Service) -> Self {
        Self { world: World::default(), service, next_port: 50_000 }
    }

    fn begin(&mut self, user: &str, way: Way, over: Over) -> Seat {
        match way {
            Way::Down => self.download(user, over, if over == Over::Ascii { "/lines" } else { "/big" }),
            Way::Up => {
                let command = format!("STOR upload-{}", self.next_port);
                self.transfer(user, over, &command, way)
            }
        }
    }

    fn download(&mut self, user: &str, over: Over, file: &str) -> Seat {
        self.transfer(user, over, &format!("RETR {file}"), Way::Down)
    }

    /// A session whose transfer has begun.
    fn transfer(&mut self, user: &str, over: Over, command: &str, way: Way) -> Seat {
        let (control, server) = SimStream::pair();
        let peer = SocketAddr::from(([192, 0, 2, 2], self.next_port));
        self.next_port += 1;
        let addresses = Addresses { local: local(21), peer };
        let task = Task::new(serve_connection(self.world.clone(), self.service.clone(), server, addresses));
        let mut seat = Seat { task, control: Link::new(control), data: None, way, received: 0, sleeps: false };
        seat.run();
        seat.says("", "220 ");
        if over == Over::Tls {
            seat.says("AUTH TLS\r\n", "234 ");
            seat.control.begin_tls(&site_tls().1);
        }
        seat.says(&format!("USER {user}\r\n"), "331 ");
        seat.says("PASS secret\r\n", "230 ");
        seat.says(if over == Over::Ascii { "TYPE A\r\n" } else { "TYPE I\r\n" }, "200 ");
        if over == Over::Tls {
            seat.says("PBSZ 0\r\n", "200 ");
            seat.says("PROT P\r\n", "200 ");
        }
        let reply = seat.says("EPSV\r\n", "229 ");
        let port = reply.split('|').nth(3).unwrap().parse().unwrap();
        let mut data = Link::new(self.world.connect_to(local(port), peer).unwrap());
        if over == Over::Tls {
            data.begin_tls(&site_tls().1);
        }
        seat.data = Some(data);
        seat.says(&format!("{command}\r\n"), "1");
        seat
    }

    /// Lets the transfers run for that long; how much each has moved.
    fn run(&mut self, seats: &mut [Seat], time: Duration) -> Vec<u64> {
        let end = self.world.now() + time;
        let mut alarm = Task::new(self.world.timer(end));
        while alarm.run().is_none() {
            while seats.iter_mut().any(Seat::work) {}
            assert!(self.world.skip_to_next_timer());
        }
        // All uploads are cut at the same moment, to see how far they are.
        let ended: Vec<Option<Summary>> = seats.iter_mut().map(Seat::cut).collect();
        let moved = |(seat, ended): (&mut Seat, Option<Summary>)| match seat.way {
            Way::Down => seat.received,
            Way::Up => ended.unwrap_or_else(|| seat.run_to_end(&self.world)).bytes_received,
        };
        seats.iter_mut().zip(ended).map(moved).collect()
    }
}

impl Seat {
    fn run(&mut self) {
        assert!(self.task.run().is_none(), "the session has ended: {}", self.said());
    }

    /// Server and client do what they can do now; whether there was anything for the client.
    fn work(&mut self) -> bool {
        self.run();
        let Some(data) = self.data.as_mut().filter(|_| !self.sleeps) else { return false };
        let count = match self.way {
            Way::Down => data.receive().0.len(),
            Way::Up => data.send(&[b'x'; 8192]),
        };
        self.received += count as u64;
        self.run();
        count > 0
    }

    fn says(&mut self, command: &str, answer: &str) -> String {
        if !command.is_empty() {
            assert_eq!(self.control.send(command.as_bytes()), command.len());
        }
        let mut said = String::new();
        for _ in 0..20 {
            self.run();
            said.push_str(&self.said());
            if let Some(data) = &mut self.data {
                // The handshake.
                let _ = data.send(b"");
                self.received += data.receive().0.len() as u64;
            }
        }
        assert!(said.starts_with(answer), "{command}: {said}");
        said
    }

    fn said(&mut self) -> String {
        String::from_utf8(self.control.receive().0).unwrap()
    }

    /// Ends the session of an upload. Its summary, if that has come to its end at once.
    fn cut(&mut self) -> Option<Summary> {
        if self.way == Way::Down {
            return None;
        }
        self.control.close();
        self.task.run()
    }

    fn run_to_end(&mut self, world: &World) -> Summary {
        loop {
            if let Some(summary) = self.task.run() {
                return summary;
            }
            assert!(world.skip_to_next_timer(), "the session waits for ever");
        }
    }
}

fn service() -> ServiceBuilder {
    service_with(storage())
}

fn storage() -> MemoryFs {
    let storage = MemoryFs::new();
    for (name, line) in [("/big", &b"xxxxxxxx"[..]), ("/lines", b"a line\n\n")] {
        let mut file = storage.create(&path(name), WriteMode::Replace).unwrap();
        file.write_all(&line.repeat(128 * 1024)).unwrap();
        file.finish().unwrap();
    }
    storage
}

/// `alice` and `bob` share the files.
fn service_with(storage: MemoryFs) -> ServiceBuilder {
    let users = VirtualUsers::new();
    let storage = Storage::blocking(storage);
    for name in ["alice", "bob"] {
        let password = Credential::Plain(Secret::new(b"secret"));
        let user = NewUser::new(name.parse().unwrap(), password, storage.clone());
        users.add(user.permissions(Permissions::ALL)).map(drop).unwrap();
    }
    Service::builder(users)
}

/// TLS of the server, and of clients that trust it.
pub(crate) fn site_tls() -> (TlsServer, Arc<ClientConfig>) {
    static MADE: std::sync::OnceLock<(TlsServer, Arc<ClientConfig>)> = std::sync::OnceLock::new();
    let make = || {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let chain = made.cert.pem();
        let server = TlsServer::from_pem(chain.as_bytes(), made.signing_key.serialize_pem().as_bytes()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()).unwrap();
        let client = ClientConfig::builder_with_provider(TlsServer::crypto_provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        (server, Arc::new(client))
    };
    MADE.get_or_init(make).clone()
}
