//! Passive mode: who gets a port when there are few, and which address is told.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ftp_driver::{Addresses, Runtime, Service, Summary, serve_connection};
use ftp_proto::{Config, Instant};

use crate::world::{SimStream, Task, World};
use crate::{local, service};

const RANGE: std::ops::RangeInclusive<u16> = 40_000..=40_001;

#[test]
fn ports_are_given_in_the_order_of_asking() {
    let mut room = Room::new(service().passive_ports(RANGE).build());
    let [mut first, mut second, mut third, mut fourth, mut fifth] = std::array::from_fn(|_| room.login());
    let ports = [first.port(), second.port()];
    assert!(ports.contains(&40_000) && ports.contains(&40_001));
    for waiting in [&mut third, &mut fourth, &mut fifth] {
        waiting.says("EPSV\r\n", "");
    }
    drop(first);
    fifth.hears("");
    fourth.hears("");
    third.hears("229 ");
    // Who has a port and asks for another goes to the end of the queue.
    second.says("EPSV\r\n", "");
    fourth.hears("229 ");
    let mut late = room.login();
    late.says("EPSV\r\n", "");
    third.says("EPSV\r\n", "");
    fifth.hears("229 ");
    drop((fourth, fifth));
    third.hears("");
    second.hears("229 ");
    late.hears("229 ");
    third.hears("");
    assert_eq!(room.world.now(), Instant::default(), "nobody has waited for a timer");
}

#[test]
fn who_waits_in_vain_is_told_so_in_time() {
    let mut room = Room::new(service().passive_ports(40_000..=40_000).build());
    let [mut first, mut second, mut third] = std::array::from_fn(|_| room.login());
    first.port();
    second.says("PASV\r\nNOOP\r\n", "");
    room.pass(Duration::from_secs(3), &mut [&mut first, &mut second, &mut third]);
    third.says("EPSV\r\n", "");
    room.pass(Duration::from_millis(1999), &mut [&mut first, &mut second, &mut third]);
    second.hears("");
    room.pass(Duration::from_millis(1), &mut [&mut first, &mut second, &mut third]);
    second.hears("425 No passive port is free, try again later.\r\n200 ");
    third.hears("");
    drop(first);
    third.hears("229 ");
    second.says("EPSV\r\n", "");
}

#[test]
fn abor_quit_and_a_lost_connection_leave_the_queue() {
    let mut room = Room::new(service().passive_ports(40_000..=40_000).build());
    let [mut first, mut second, mut third, mut fourth, mut fifth] = std::array::from_fn(|_| room.login());
    first.port();
    for waiting in [&mut second, &mut third, &mut fourth, &mut fifth] {
        waiting.says("EPSV\r\n", "");
    }
    second.says("ABOR\r\n", "425 Passive mode was given up.\r\n225 ");
    assert!(third.ends("QUIT\r\n").starts_with("425 Passive mode was given up.\r\n221 "));
    drop(fourth);
    drop(first);
    fifth.hears("229 ");
    second.says("NOOP\r\n", "200 ");
}

#[test]
fn commands_that_are_not_offered_leave_no_queue() {
    let disabled_commands = ["ABOR", "QUIT"].map(str::to_owned).into();
    let config = Config { disabled_commands, ..Config::default() };
    let mut room = Room::new(service().passive_ports(40_000..=40_000).config(config).build());
    let [mut first, mut second] = std::array::from_fn(|_| room.login());
    first.port();
    second.says("EPSV\r\nABOR\r\nQUIT\r\n", "");
    drop(first);
    assert_eq!(second.hears("229 ").matches("502 ").count(), 2);
}

#[test]
fn a_port_of_another_program_is_skipped_and_taken_once_it_is_free() {
    let mut room = Room::new(service().passive_ports(RANGE).build());
    let theirs = [40_000, 40_001].map(|port| room.world.listen(local(port)).unwrap());
    let mut client = room.login();
    client.says("EPSV\r\n", "");
    let [(one, _), _other] = theirs;
    drop(one);
    room.pass(Duration::from_millis(501), &mut [&mut client]);
    client.hears("229 Entering extended passive mode (|||40000|)");
}

#[test]
fn nobody_waits_where_that_is_not_wanted() {
    let service = service().passive_ports(40_000..=40_000).passive_port_wait(Duration::ZERO);
    let mut room = Room::new(service.build());
    let [mut first, mut second] = std::array::from_fn(|_| room.login());
    first.port();
    second.says("EPSV\r\n", "425 ");
    drop(first);
    second.port();
}

#[test]
fn a_data_connection_gives_its_port_to_a_session_that_began_after_a_reload() {
    let old = service().passive_ports(40_000..=40_000).build();
    let mut room = Room::new(old.clone());
    let mut first = room.login();
    let port = first.port();
    room.service = service().passive_ports(40_000..=40_000).build().in_place_of(&old);
    let mut second = room.login();
    second.says("EPSV\r\n", "");
    let data = room.world.connect_to(local(port), SocketAddr::from(([192, 0, 2, 2], 50_001))).unwrap();
    first.run();
    second.hears("229 ");
    first.says("LIST\r\n", "125 ");
    drop(data);
}

#[test]
fn strangers_of_ipv6_are_sent_away_and_the_right_one_is_not_lost() {
    let mut room = Room::new(service().build());
    let mut client = room.login_between("[2001:db8::1]:21", "[2001:db8::2]:50000");
    let at = SocketAddr::new("2001:db8::1".parse().unwrap(), client.port());
    let connect = |from: &str| room.world.connect_to(at, from.parse().unwrap()).unwrap();
    let mut strangers = ["[2001:db8::3]:50001", "192.0.2.2:50001"].map(connect);
    client.run();
    let mut data = connect("[2001:db8::2]:50001");
    let mut late = connect("[2001:db8::2]:50002");
    client.run();
    assert!(strangers.iter_mut().all(|stranger| stranger.receive() == (Vec::new(), true)));
    client.says("NLST\r\n", "125 ");
    assert!(data.receive().0.starts_with(b"big\r\n"));
    assert!(late.receive().0.is_empty());
    assert!(room.world.connect_to(at, "[2001:db8::2]:50003".parse().unwrap()).is_err());
}

#[test]
fn the_address_of_a_host_is_asked_for_anew_every_minute() {
    let site = Names::default();
    site.say(Some(vec!["2001:db8::1".parse().unwrap(), "203.0.113.7".parse().unwrap()]));
    let mut room = Room::new(site.service());
    let mut client = room.login();
    client.pasv([203, 0, 113, 7]);
    client.pasv([203, 0, 113, 7]);
    let mut other = room.login();
    other.pasv([203, 0, 113, 7]);
    assert_eq!(site.asked(), ["ftp.example.org"]);
    site.say(Some(vec!["203.0.113.8".parse().unwrap()]));
    room.pass(Duration::from_secs(59), &mut [&mut client, &mut other]);
    client.pasv([203, 0, 113, 7]);
    room.pass(Duration::from_secs(1), &mut [&mut client, &mut other]);
    client.pasv([203, 0, 113, 8]);
    // EPSV tells no address, and asks for none.
    room.pass(Duration::from_secs(61), &mut [&mut client, &mut other]);
    client.port();
    assert_eq!(site.asked().len(), 2);
}

#[test]
fn the_last_address_stays_while_there_is_no_answer() {
    let site = Names::default();
    let mut room = Room::new(site.service());
    let mut client = room.login();
    client.says("PASV\r\n", "425 No address for PASV is known, use EPSV.");
    client.says("PASV\r\n", "425 ");
    client.port();
    assert_eq!(site.asked().len(), 1, "it is not asked for at every turn");
    site.say(Some(vec!["203.0.113.7".parse().unwrap()]));
    room.pass(Duration::from_secs(10), &mut [&mut client]);
    client.pasv([203, 0, 113, 7]);
    for wrong in [None, Some(vec!["2001:db8::1".parse().unwrap()]), Some(Vec::new())] {
        site.say(wrong);
        room.pass(Duration::from_secs(61), &mut [&mut client]);
        client.pasv([203, 0, 113, 7]);
    }
    assert_eq!(site.asked().len(), 5);
}

#[test]
fn nobody_waits_long_for_a_name() {
    let site = Names::default();
    site.say(Some(vec!["203.0.113.7".parse().unwrap()]));
    let mut room = Room::new(site.service());
    let [mut client, mut other] = std::array::from_fn(|_| room.login());
    room.world.hang_blocking_work(true);
    client.says("PASV\r\n", "");
    other.says("PASV\r\n", "");
    client.says("NOOP\r\n", "");
    room.pass(Duration::from_secs(2), &mut [&mut client, &mut other]);
    client.hears("425 No address for PASV is known, use EPSV.\r\n200 ");
    // The one whose question it was has left, and the other asks; or both have left.
    room.pass(Duration::from_secs(2), &mut [&mut client, &mut other]);
    other.hears("425 ");
    room.world.hang_blocking_work(false);
    client.pasv([203, 0, 113, 7]);
    // An old answer is better than none.
    room.world.hang_blocking_work(true);
    room.pass(Duration::from_secs(61), &mut [&mut client, &mut other]);
    client.says("PASV\r\n", "");
    other.says("PASV\r\n", "227 ");
    room.pass(Duration::from_secs(2), &mut [&mut client, &mut other]);
    client.hears("227 Entering passive mode (203,0,113,7,");
}

#[test]
fn a_client_that_waits_for_a_name_may_give_up() {
    let site = Names::default();
    let mut room = Room::new(site.service());
    let mut client = room.login();
    room.world.hang_blocking_work(true);
    client.says("PASV\r\n", "");
    client.says("ABOR\r\n", "425 Passive mode was given up.\r\n225 ");
}

#[test]
fn the_address_of_a_local_address_goes_before_that_for_all() {
    let service = service().masquerade(Ipv4Addr::new(203, 0, 113, 1));
    let of_another = service.masquerade_for("192.0.2.77".parse().unwrap(), Ipv4Addr::new(203, 0, 113, 2));
    let mut room = Room::new(of_another.build());
    room.login().pasv([203, 0, 113, 1]);
    let service = crate::service().masquerade(Ipv4Addr::new(203, 0, 113, 1));
    let of_this = service.masquerade_for("::ffff:192.0.2.1".parse().unwrap(), Ipv4Addr::new(203, 0, 113, 2));
    let mut room = Room::new(of_this.build());
    room.login().pasv([203, 0, 113, 2]);
}

/// A resolver, what it says, and what it was asked.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<Resolver>>);

#[derive(Default)]
struct Resolver {
    answer: Option<Vec<IpAddr>>,
    asked: Vec<String>,
}

impl Names {
    fn say(&self, answer: Option<Vec<IpAddr>>) {
        self.0.lock().unwrap().answer = answer;
    }

    fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().asked.clone()
    }

    fn service(&self) -> Service {
        let names = self.clone();
        let resolve = move |host: &str| {
            let mut resolver = names.0.lock().unwrap();
            resolver.asked.push(host.to_owned());
            resolver.answer.clone().ok_or_else(|| io::ErrorKind::NotFound.into())
        };
        let host: ftp_driver::Masquerade = "ftp.example.org".parse().unwrap();
        service().masquerade(host).resolver(resolve).build()
    }
}

/// A server, and where its clients are.
struct Room {
    world: World,
    service: Service,
}

/// One client.
struct Client {
    control: SimStream,
    task: Task<Summary>,
}

impl Room {
    fn new(service: Service) -> Self {
        Self { world: World::default(), service }
    }

    fn login(&mut self) -> Client {
        self.login_between("192.0.2.1:21", "192.0.2.2:50000")
    }

    fn login_between(&mut self, local: &str, peer: &str) -> Client {
        let (control, server) = SimStream::pair();
        let addresses = Addresses { local: local.parse().unwrap(), peer: peer.parse().unwrap() };
        let task = Task::new(serve_connection(self.world.clone(), self.service.clone(), server, addresses));
        let mut client = Client { control, task };
        client.hears("220 ");
        client.says("USER alice\r\n", "331 ");
        client.says("PASS secret\r\n", "230 ");
        client
    }

    fn pass(&mut self, time: Duration, clients: &mut [&mut Client]) {
        let until = self.world.now() + time;
        let mut alarm = Task::new(self.world.timer(until));
        while alarm.run().is_none() {
            clients.iter_mut().for_each(|client| client.run());
            assert!(self.world.skip_to_next_timer());
        }
        // Timers of the same moment.
        for _ in 0..clients.len() * 4 {
            clients.iter_mut().for_each(|client| client.run());
            let mut now = Task::new(self.world.timer(until + Duration::from_nanos(1)));
            if now.run().is_none() && self.world.skip_to_next_timer() {
                assert!(self.world.now() <= until + Duration::from_nanos(1));
            }
        }
        clients.iter_mut().for_each(|client| client.run());
    }
}

impl Client {
    fn run(&mut self) {
        assert!(self.task.run().is_none(), "the session has ended");
    }

    /// Whatever the server says begins like that; with nothing expected it says nothing.
    #[track_caller]
    fn hears(&mut self, start: &str) -> String {
        self.run();
        let said = String::from_utf8(self.control.receive().0).unwrap();
        assert!(said.starts_with(start) && (said.is_empty() == start.is_empty()), "{said:?}, not {start:?}");
        said
    }

    #[track_caller]
    fn says(&mut self, command: &str, answer: &str) -> String {
        assert_eq!(self.control.send(command.as_bytes()), command.len());
        self.hears(answer)
    }

    /// Says its last, and hears the same.
    fn ends(&mut self, command: &str) -> String {
        assert_eq!(self.control.send(command.as_bytes()), command.len());
        let _ = self.task.run();
        String::from_utf8(self.control.receive().0).unwrap()
    }

    #[track_caller]
    fn port(&mut self) -> u16 {
        let reply = self.says("EPSV\r\n", "229 ");
        reply.split('|').nth(3).unwrap().parse().unwrap()
    }

    #[track_caller]
    fn pasv(&mut self, [a, b, c, d]: [u8; 4]) {
        self.says("PASV\r\n", &format!("227 Entering passive mode ({a},{b},{c},{d},"));
    }
}
