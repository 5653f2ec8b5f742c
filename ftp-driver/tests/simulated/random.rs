//! Sessions at random, each recorded and replayed at its end.

use std::time::Duration;

use ftp_driver::{Addresses, Stop, serve_connection};
use ftp_fs::MemoryFs;
use ftp_proto::{Config, Shutdown};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::world::{SimStream, Task, World};
use crate::{local, service_with, tls};

/// Lines, and pieces of lines, that together reach most of a session.
const PIECES: &[&[u8]] = &[
    b"USER alice\r\nPASS secret\r\n",
    b"USER alice\r\n",
    b"PASS wr",
    b"ong\r\n",
    b"PASS secret\r\n",
    b"USER bob PASS secret\r\n",
    b"\r\nUSER alice\r\nsecret\r\n",
    b"ACCT secret\n",
    b"\xff\xfaPASS secret",
    b"\xff\xf0\r\n",
    b"\xff\xf4\xff\xf2ABOR\r\n",
    b"ABOR\r\n",
    b"NOOP\r",
    b"\n",
    b"NO",
    b"NOOP\r\nPWD\r\nSYST\r\nFEAT\r\nHELP\r\nSTAT\r\nNOOP\r\nPWD\r\nSYST\r\nFEAT\r\nHELP\r\nSTAT\r\n",
    b"TYPE I\r\n",
    b"MKD new\r\nMKD new\r\nCWD new\r\nCDUP\r\n",
    b"RNFR new\r\nRNTO old\r\nRMD old\r\nDELE none\r\n",
    b"PASV\r\n",
    b"EPSV\r\n",
    b"PORT 192,0,2,2,200,10\r\n",
    b"STOR file\r\n",
    b"RETR file\r\n",
    b"SIZE file\r\nMDTM file\r\nMLST file\r\n",
    b"LIST\r\n",
    b"MLSD /\r\nNOOP\r\n",
    b"STAT /\r\n",
    b"REST 5\r\n",
    b"REIN\r\n",
    b"AUTH TLS\r\n",
    b"PBSZ 0\r\nPROT P\r\n",
    b"WHAT\r\n",
    b"QUIT\r\n",
    b"GET / HTTP/1.1\r\n",
];

#[derive(Clone, Debug)]
enum Move {
    Say(&'static [u8]),
    Garbage(Vec<u8>),
    /// A secret, or a line, of this length.
    Long(&'static str, usize),
    Pass(u64),
    /// What blocks does not end, or does.
    Hang(bool),
    /// The client connects to all ports that it was told of.
    Connect,
    SendData,
    ReceiveData,
    CloseData,
    Dismiss(bool),
    Stop(bool),
    Eof,
}

fn any_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        40 => select(PIECES).prop_map(Move::Say),
        2 => vec(any::<u8>(), 0..60).prop_map(Move::Garbage),
        2 => (select(&["PASS ", "ACCT ", "CWD "][..]), select(&[500_usize, 3000, 5000][..])).prop_map(|(verb, len)| Move::Long(verb, len)),
        4 => select(&[1_u64, 3, 40, 400][..]).prop_map(Move::Pass),
        4 => any::<bool>().prop_map(Move::Hang),
        6 => Just(Move::Connect),
        4 => Just(Move::SendData),
        4 => Just(Move::ReceiveData),
        4 => Just(Move::CloseData),
        1 => any::<bool>().prop_map(Move::Dismiss),
        1 => any::<bool>().prop_map(Move::Stop),
        1 => Just(Move::Eof),
    ]
}

fn play(moves: Vec<Move>, reports: bool) {
    let config = Config { report_commands: reports, max_login_attempts: 5, ..Config::default() };
    let (stop, world) = (Stop::new(), World::default());
    let service = service_with(MemoryFs::new()).config(config).tls(tls_once()).build().stopped_by(&stop);
    let (control, server) = SimStream::pair();
    let addresses = Addresses { local: local(21), peer: "192.0.2.2:50000".parse().unwrap() };
    let mut task = Task::new(serve_connection(world.clone(), service, server, addresses));
    let (mut control, mut data, mut heard) = (Some(control), Vec::new(), String::new());
    for next in moves {
        let mut say = |bytes: &[u8]| control.as_mut().map_or(0, |control| control.send(bytes));
        match next {
            Move::Say(bytes) => _ = say(bytes),
            Move::Garbage(bytes) => _ = say(&bytes),
            Move::Long(verb, len) => _ = say(&[verb.as_bytes(), &vec![b'x'; len], b"\r\n"].concat()),
            Move::Pass(seconds) => {
                let until = ftp_driver::Runtime::now(&world) + Duration::from_secs(seconds);
                let mut alarm = Task::new(ftp_driver::Runtime::timer(&world, until));
                while alarm.run().is_none() && world.skip_to_next_timer() {
                    if task.run().is_some() {
                        return;
                    }
                }
            }
            Move::Hang(yes) => world.hang_blocking_work(yes),
            Move::Connect => {
                let ports = heard.split('|').filter_map(|part| part.parse().ok());
                data.extend(ports.filter_map(|port| world.connect_to(local(port), addresses.peer).ok()));
            }
            Move::SendData => data.iter_mut().for_each(|data: &mut SimStream| _ = data.send(b"content")),
            Move::ReceiveData => data.iter_mut().for_each(|data| _ = data.receive()),
            Move::CloseData => data.clear(),
            Move::Dismiss(now) => _ = stop.end_sessions(|_| true, how(now)),
            Move::Stop(now) => stop.ask(how(now)),
            Move::Eof => control = None,
        }
        if task.run().is_some() {
            return;
        }
        heard.extend(control.as_mut().map(|control| String::from_utf8_lossy(&control.receive().0).into_owned()));
    }
}

fn how(now: bool) -> Shutdown {
    if now { Shutdown::Now } else { Shutdown::Graceful }
}

fn tls_once() -> ftp_driver::TlsServer {
    static MADE: std::sync::OnceLock<ftp_driver::TlsServer> = std::sync::OnceLock::new();
    MADE.get_or_init(tls).clone()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_a_replay_does_the_same(moves in vec(any_move(), 0..40), logged_in: bool, reports: bool) {
        let begin = logged_in.then_some(Move::Say(b"USER alice\r\nPASS secret\r\n"));
        play(begin.into_iter().chain(moves).collect(), reports);
    }
}
