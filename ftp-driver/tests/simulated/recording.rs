//! Sessions that are recorded give the same when they are replayed. Every session of these tests is: see [`Replayed`].

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use ftp_driver::record::{self, Ending, Input, Line, Recorder, Recording, What};
use ftp_driver::{Service, SessionInfo, Stop};
use ftp_proto::{CloseReason, Config, Output, PathCodec, Shutdown, TlsPolicy};
use ftp_types::UnixTime;
use futures_io::AsyncWrite;

use crate::dismissal::Slow;
use crate::link::Link;
use crate::speed::site_tls;
use crate::{Simulated, service, tls};

/// Replays each session at its end, and fails when that gives anything else.
#[derive(Clone, Default)]
pub(crate) struct Replayed(Option<Arc<dyn PathCodec>>);

/// One record, in memory.
struct Tape {
    bytes: Vec<u8>,
    codec: Option<Arc<dyn PathCodec>>,
}

impl Recorder for Replayed {
    fn begin(&self, _: &SessionInfo, _: UnixTime) -> Option<Box<dyn Recording>> {
        Some(Box::new(Tape { bytes: Vec::new(), codec: self.0.clone() }))
    }
}

impl Recording for Tape {
    fn write(&mut self, bytes: &[u8]) -> bool {
        self.bytes.extend_from_slice(bytes);
        true
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let record = record::read(&self.bytes).unwrap();
        assert_eq!(record.ending, Ending::Whole);
        let replayed = record::replay(&record, self.codec.clone(), &mut |_| {});
        assert_eq!((replayed.divergence, replayed.other_texts), (None, 0));
        assert!(!contains(&self.bytes, b"secret"), "a password is in the record");
    }
}

/// Keeps the records of all sessions.
#[derive(Clone, Default)]
struct Kept {
    records: Arc<Mutex<Vec<Vec<u8>>>>,
    limit: Option<u64>,
    /// So many pieces are taken.
    pieces: Option<usize>,
}

struct KeptRecord {
    kept: Kept,
    place: usize,
    left: Option<usize>,
}

impl Recorder for Kept {
    fn begin(&self, _: &SessionInfo, _: UnixTime) -> Option<Box<dyn Recording>> {
        let mut records = self.records.lock().unwrap();
        records.push(Vec::new());
        Some(Box::new(KeptRecord { kept: self.clone(), place: records.len() - 1, left: self.pieces }))
    }

    fn limit(&self) -> u64 {
        self.limit.unwrap_or(u64::MAX)
    }
}

impl Recording for KeptRecord {
    fn write(&mut self, bytes: &[u8]) -> bool {
        if self.left == Some(0) {
            return false;
        }
        self.left = self.left.map(|left| left - 1);
        self.kept.records.lock().unwrap()[self.place].extend_from_slice(bytes);
        true
    }
}

impl Kept {
    fn bytes(&self) -> Vec<u8> {
        self.records.lock().unwrap()[0].clone()
    }

    fn record(&self) -> record::Record {
        record::read(&self.bytes()).unwrap()
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// What the session says in a replay that is as it was.
fn said(record: &record::Record) -> String {
    let mut wire = Vec::new();
    let replayed = record::replay(record, None, &mut |step| {
        if let What::Output(Output::Send(reply)) = step.what {
            reply.write_to(&mut wire);
        }
    });
    assert_eq!((replayed.divergence, replayed.other_texts), (None, 0));
    String::from_utf8(wire).unwrap()
}

#[test]
fn a_replay_says_what_was_said_and_at_the_same_times() {
    let kept = Kept::default();
    let mut session = Simulated::new(service().recorder(kept.clone()));
    let mut heard = String::from("220 Ferry ready.\r\n");
    heard += &session.says("USER alice\r\n", "331 ");
    heard += &session.says("PASS wrong\r\n", "");
    session.pass(Duration::from_secs(3));
    heard += &session.said();
    heard += &session.says("USER alice\r\nPASS secret\r\nTYPE I\r\n", "331 ");
    heard += &session.says("MKD new\r\nMLST new\r\nRNFR new\r\nRNTO old\r\nDELE none\r\n", "257 ");
    heard += &session.says("EPSV\r\n", "229 ");
    session.world.connect_to(crate::local(port(&heard)), "192.0.2.2:50001".parse().unwrap()).unwrap();
    session.run();
    heard += &session.says("RETR big\r\n", "125 ");
    heard += &session.says("STAT\r\n", "211");
    for piece in [&b"\xff\xf4\xff"[..], b"\xf2ABOR\r\nNO", b"OP\r", b"\nPWD\r\n"] {
        session.control.send(piece);
        session.run();
        heard += &session.said();
    }
    session.control.send(b"QUIT\r\nNOOP\r\n");
    let summary = session.run_to_end();
    heard += &session.said();

    let record = kept.record();
    assert_eq!(record.ending, Ending::Whole);
    assert_eq!(said(&record), heard);
    let mut last = Duration::ZERO;
    record::replay(&record, None, &mut |step| last = step.at);
    assert_eq!(last, summary.duration);
}

fn port(replies: &str) -> u16 {
    replies.rsplit('|').nth(1).unwrap().parse().unwrap()
}

#[test]
fn what_a_client_calls_its_password_is_nowhere_in_the_record() {
    for line in [
        "PASS hunter2",
        "pass  hunter2",
        "PA\u{0}SS hunter2",
        "hunter2",
        "PSAS hunter2",
        "USER alice PASS hunter2",
        "ACCT hunter2",
        "ADAT hunter2",
        "PASS hun\rter2 hunter2",
    ] {
        for size in [1, 3, 100] {
            let kept = Kept::default();
            let mut session = Simulated::new(service().recorder(kept.clone()));
            session.control.send(b"USER alice\r\n");
            session.run();
            for piece in [line.as_bytes(), b"\r\nNOOP\r\n"].concat().chunks(size) {
                session.control.send(piece);
                session.run();
            }
            session.pass(Duration::from_secs(3));
            session.control.send(b"QUIT\r\n");
            session.run_to_end();
            let bytes = kept.bytes();
            assert!(!contains(&bytes, b"hunter2") && !contains(&bytes, b"ter2"), "{line} by {size}");
            assert!(said(&kept.record()).ends_with("221 Goodbye.\r\n"), "{line} by {size}");
        }
    }
}

/// Neither how long a password is nor in how many pieces it came can be told from the record.
#[test]
fn records_of_different_passwords_are_the_same() {
    let record = |password: &str, size: usize| {
        let kept = Kept::default();
        let mut session = Simulated::new(service().recorder(kept.clone()));
        session.says("USER alice\r\n", "331 ");
        for piece in format!("PASS {password}\r\n").as_bytes().chunks(size) {
            session.control.send(piece);
            session.run();
        }
        session.pass(Duration::from_secs(3));
        session.control.send(b"QUIT\r\n");
        session.run_to_end();
        kept.record().entries
    };
    let entries = record("a", 1);
    for password in ["", "abcdefgh", "a\u{ff}\u{fe}\tb", &"long".repeat(200)] {
        assert_eq!(record(password, 1), entries, "{password}");
        assert_eq!(record(password, 2), entries, "{password}");
    }
}

#[test]
fn nothing_of_files_and_listings_is_in_the_record() {
    let kept = Kept::default();
    let mut session = Simulated::new(service().recorder(kept.clone()));
    session.login();
    let mut data = session.passive();
    session.says("STOR upload\r\n", "125 ");
    data.send(&b"CONTENT OF A FILE".repeat(10_000));
    session.run();
    drop(data);
    session.run();
    assert!(session.said().starts_with("226 "));
    let mut data = session.passive();
    session.says("LIST\r\n", "125 ");
    session.run();
    assert!(contains(&data.receive().0, b"small"));
    drop(data);
    session.says("STAT /\r\n", "226 ");
    session.control.send(b"QUIT\r\n");
    session.run_to_end();
    let bytes = kept.bytes();
    assert!(!contains(&bytes, b"CONTENT") && !contains(&bytes, b"small"));
    assert!(bytes.len() < 1500, "{} bytes", bytes.len());
}

/// 8 MiB in pieces, and hardly more in the record than of a byte.
#[test]
fn a_record_does_not_grow_with_the_file() {
    let kept = Kept::default();
    let mut session = Simulated::new(service().recorder(kept.clone()));
    session.login();
    let mut data = session.passive();
    session.says("RETR big\r\n", "125 ");
    let mut received = 0;
    while received < 8 << 20 {
        received += data.receive().0.len();
        session.run();
    }
    drop(data);
    session.run();
    assert!(session.said().starts_with("226 "));
    session.says("REST 5\r\n", "350 ");
    assert!(kept.bytes().len() < 1200, "{} bytes", kept.bytes().len());
}

#[test]
fn under_tls_the_lines_are_recorded_in_clear_and_the_password_is_not() {
    let kept = Kept::default();
    let (server, client) = site_tls();
    let mut session = Simulated::new(service().tls(server).recorder(kept.clone()));
    session.says("AUTH TLS\r\n", "234 ");
    let Simulated { control, mut task, .. } = session;
    let mut link = Link::new(control);
    link.begin_tls(&client);
    let mut heard = String::new();
    for line in ["", "USER alice\r\n", "PASS secret\r\n", "PBSZ 0\r\nPROT P\r\nPWD\r\n", "QUIT\r\n"] {
        link.send(line.as_bytes());
        for _ in 0..10 {
            if task.run().is_some() {
                break;
            }
            heard += &String::from_utf8(link.receive().0).unwrap();
        }
    }
    assert!(heard.contains("257 "), "{heard}");
    link.close();
    let record = kept.record();
    assert!(said(&record).contains(&heard));
    let lines: Vec<&Line> = record.entries.iter().filter_map(lines).flatten().collect();
    assert_eq!(lines[2], &Line::Masked { line: b"PASS ******".to_vec(), urgent: false });
    assert!(!contains(&kept.bytes(), b"secret"));
}

fn lines(entry: &record::Entry) -> Option<&Vec<Line>> {
    match &entry.input {
        Input::Bytes(bytes) => Some(&bytes.lines),
        _ => None,
    }
}

#[test]
fn a_record_that_is_cut_anywhere_replays_as_far_as_it_goes() {
    let kept = Kept::default();
    let mut session = Simulated::new(service().recorder(kept.clone()));
    session.login();
    session.says("CWD /\r\nNO", "250 ");
    session.says("OP\r\n", "200 ");
    session.control.send(b"QUIT\r\n");
    session.run_to_end();
    let bytes = kept.bytes();
    let whole = said(&kept.record());
    let mut cuts = 0;
    for end in 0..bytes.len() {
        let Ok(record) = record::read(&bytes[..end]) else { continue };
        assert!(matches!(record.ending, Ending::Cut(place) if place <= end as u64), "{end}: {:?}", record.ending);
        assert!(whole.starts_with(&said(&record)), "{end}");
        cuts += 1;
    }
    assert!(cuts > 100);
}

#[test]
fn a_byte_that_is_wrong_is_found_at_its_place() {
    let kept = Kept::default();
    let mut session = Simulated::new(service().recorder(kept.clone()));
    session.login();
    drop(session);
    let bytes = kept.bytes();
    for place in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[place] ^= 0x10;
        let (offset, told) = match record::read(&bytes) {
            Err(broken) => (broken.offset, broken.to_string()),
            Ok(record) => match record.ending {
                Ending::Broken(broken) => (broken.offset, broken.to_string()),
                // A length that is too great.
                Ending::Cut(offset) => (offset, format!("byte {offset}: ")),
                ending => panic!("byte {place}: {ending:?}"),
            },
        };
        assert!(offset <= place as u64 || offset == bytes.len() as u64, "byte {place}: {told}");
        assert!(told.starts_with(&format!("byte {offset}: ")), "{told}");
    }
    let mut newer = bytes.clone();
    newer[8] = 2;
    assert!(record::read(&newer).unwrap_err().to_string().contains("version 2"));
    let longer = [bytes, b"x".to_vec()].concat();
    assert!(matches!(record::read(&longer).unwrap().ending, Ending::Broken(_)));
}

#[test]
fn a_replay_that_does_not_do_as_recorded_is_told() {
    let kept = Kept::default();
    let mut session = Simulated::new(service().recorder(kept.clone()));
    session.login();
    session.says("CWD /none\r\n", "550 ");
    session.control.send(b"QUIT\r\n");
    session.run_to_end();

    let mut record = kept.record();
    record.header.settings.banner = "Another.".to_owned();
    let replayed = record::replay(&record, None, &mut |_| {});
    assert_eq!((replayed.divergence, replayed.other_texts), (None, 1));

    let mut record = kept.record();
    record.header.settings.disabled_commands.push("CWD".to_owned());
    let divergence = record::replay(&record, None, &mut |_| {}).divergence.unwrap();
    assert_eq!((&*divergence.recorded, &*divergence.replayed), ("start of Stat", "reply 502"));

    let mut record = kept.record();
    record.entries.remove(1);
    assert!(record::replay(&record, None, &mut |_| {}).divergence.is_some());
}

#[test]
fn a_record_ends_at_its_limit_and_the_session_goes_on() {
    let kept = Kept { limit: Some(2000), ..Kept::default() };
    let mut session = Simulated::new(service().recorder(kept.clone()));
    session.login();
    for _ in 0..1000 {
        session.says("NOOP\r\n", "200 ");
    }
    let bytes = kept.bytes();
    assert!((1800..=2000).contains(&bytes.len()), "{}", bytes.len());
    let record = kept.record();
    assert_eq!(record.ending, Ending::Full);
    assert!(said(&record).lines().count() > 20);
}

#[test]
fn who_takes_no_more_of_a_record_ends_no_session() {
    let kept = Kept { pieces: Some(2), ..Kept::default() };
    let mut session = Simulated::new(service().recorder(kept.clone()));
    session.login();
    session.says("NOOP\r\n", "200 ");
    session.control.send(b"QUIT\r\n");
    session.run_to_end();
    assert!(matches!(kept.record().ending, Ending::Cut(_)));
    assert_eq!(said(&kept.record()), "220 Ferry ready.\r\n331 Username ok, send password.\r\n");
}

#[test]
fn what_a_session_panics_over_is_recorded() {
    struct Panics;
    impl ftp_driver::Observer for Panics {
        fn reply(&self, _: &SessionInfo, reply: &ftp_proto::Reply) {
            assert!(reply.code().number() != 200, "this panic is a part of the test");
        }
    }

    let kept = Kept::default();
    let mut session = Simulated::new(service().observer(Panics).recorder(kept.clone()));
    session.control.send(b"SYST\r\nNOOP\r\n");
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| session.task.run().is_some()));
    assert!(panic.is_err());
    drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(session))));
    assert!(said(&kept.record()).ends_with("200 Done nothing.\r\n"));
}

#[test]
fn every_end_of_a_session_is_recorded() {
    let config = || Config { login_timeout: Some(Duration::from_secs(5)), ..Config::default() };
    let stop = Stop::new();
    let start =
        |kept: &Kept| Simulated::with(service().config(config()).recorder(kept.clone()).build().stopped_by(&stop));
    let ended = |kept: &Kept, mut session: Simulated, reason: CloseReason| {
        assert_eq!(session.run_to_end().reason, reason);
        let record = kept.record();
        assert_eq!((&record.ending, said(&record).is_empty()), (&Ending::Whole, false));
        let mut closed = None;
        record::replay(&record, None, &mut |step| {
            if let What::Output(Output::Close(reason)) = step.what {
                closed = Some(*reason);
            }
        });
        assert_eq!(closed, Some(reason));
    };
    let kept = Kept::default();
    ended(&kept, start(&kept), CloseReason::LoginTimeout);

    let kept = Kept::default();
    let mut session = start(&kept);
    session.control.send(b"GET / HTTP/1.1\r\nAuthorization: Basic c2VjcmV0\r\n\r\n");
    ended(&kept, session, CloseReason::NotFtp);
    assert!(!contains(&kept.bytes(), b"c2VjcmV0"));

    let kept = Kept::default();
    let mut session = start(&kept);
    session.control.send(b"USER alice\r\nPASS secret\r\nNOO");
    session.run();
    assert!(Pin::new(&mut session.control).poll_close(&mut Context::from_waker(Waker::noop())).is_ready());
    ended(&kept, session, CloseReason::PeerClosed);

    let kept = Kept::default();
    let mut session = start(&kept);
    session.login();
    stop.end_sessions(|_| true, Shutdown::Now);
    ended(&kept, session, CloseReason::Dismissed);

    let kept = Kept::default();
    let session = start(&kept);
    stop.ask(Shutdown::Graceful);
    ended(&kept, session, CloseReason::ShutDown);
}

/// Bytes that come with AUTH are refused, whether the session has taken them or not.
#[test]
fn bytes_that_were_not_taken_are_known_to_the_replay() {
    for behind in ["NOOP\r\n", "N", "\r\n"] {
        let kept = Kept::default();
        let config = Config { tls: Some(TlsPolicy::default()), ..Config::default() };
        let mut session = Simulated::new(service().tls(tls()).config(config).recorder(kept.clone()));
        session.control.send(format!("AUTH TLS\r\n{behind}").as_bytes());
        let reason = session.run_to_end().reason;
        assert_eq!(reason, CloseReason::TlsFailed);
        assert!(said(&kept.record()).contains("421 "), "{behind:?}");
    }
}

/// What waits in the queue may begin only once it is known that something stood behind it.
#[test]
fn bytes_for_which_there_was_no_room_are_known_to_the_replay() {
    let noise = b"NOOP\r\n".repeat(15);
    // Passwords take room in the queue, and less of it in a replay.
    let secrets = [&b"ACCT "[..], &[b'x'; 4000], b"\r\n"].concat().repeat(2);
    for before in [noise, secrets] {
        let kept = Kept::default();
        let slow = Slow::default();
        let service = Service::builder_async(slow.clone()).tls(tls()).recorder(kept.clone());
        let mut session = Simulated::new(service);
        session.says("USER alice\r\n", "331 ");
        session.control.send(&[b"PASS secret\r\n", &before[..], b"AUTH TLS\r\nNOOP\r\n"].concat());
        session.run_once();
        session.run_once();
        *slow.0.lock().unwrap() = true;
        assert_eq!(session.run_to_end().reason, CloseReason::TlsFailed);
        assert!(said(&kept.record()).contains("421 Input behind AUTH"));
    }
}
