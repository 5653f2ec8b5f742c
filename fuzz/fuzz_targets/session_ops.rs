//! A session and its driver, operation by operation: input in pieces, questions answered in any order and any way,
//! timeouts, ends. The ledger holds every output against the session's contract.

#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use ferry_tests::{Driver, id_of};
use ftp_proto::{Action, Command, Config, Framed, LineReader, Output, Secured, Shutdown, TlsPolicy};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Operation {
    /// A line of the lists, behind a Telnet Synch if it is urgent.
    Line {
        index: u8,
        argument: u8,
        urgent: bool,
    },
    Bytes(Vec<u8>),
    /// The TLS handshake is done, and the client has presented a certificate.
    Present,
    /// The question of this index is answered well; with a failure; as dropped work; as the session wants it.
    Succeed(u8),
    Fail(u8),
    Drop(u8),
    Finish(u8),
    Progress(u64),
    /// Speed limits hold the transfer back for so many seconds.
    Pause(u16),
    /// The listener that was asked for is not there at once.
    PortWait,
    Wait(u16),
    /// The moment goes back, and nothing is due.
    Spurious,
    /// Input comes while nobody takes outputs.
    Undrained(u8),
    Eof,
    Stop {
        now: bool,
    },
    Dismiss {
        now: bool,
    },
}

#[derive(Arbitrary, Debug)]
struct Plan {
    logged_in: bool,
    delay: bool,
    foreign: bool,
    reports: bool,
    tls: bool,
    /// Which of the lists' verbs are not offered.
    disabled: Vec<u8>,
    operations: Vec<Operation>,
}

const VERBS: &[&str] = &[
    "USER", "PASS", "REIN", "QUIT", "CWD", "CDUP", "PWD", "MKD", "RMD", "PORT", "PASV", "EPRT", "EPSV", "TYPE", "RETR",
    "STOR", "APPE", "STOU", "REST", "ABOR", "RNFR", "RNTO", "DELE", "SIZE", "MDTM", "MFMT", "SITE", "LIST", "NLST",
    "MLSD", "MLST", "STAT", "FEAT", "OPTS", "NOOP", "AUTH", "PBSZ", "PROT", "WHAT", "",
];

const ARGUMENTS: &[&str] = &[
    "",
    " alice",
    " secret",
    " bob",
    " carol",
    " /docs",
    " readme.txt",
    " nowhere",
    " 10,0,0,1,200,10",
    " |1|10.0.0.1|51210|",
    " I",
    " A",
    " 5",
    " ALL",
    " UTF8 ON",
    " MLST size;",
    " CHMOD 644 readme.txt",
    " 20200102030405 readme.txt",
    " TLS",
    " 0",
    " P",
    " \0",
    " ..",
];

/// How many commands came, and how many lines.
#[derive(Default)]
struct Count {
    reader: LineReader,
    lines: usize,
}

impl Count {
    fn note(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (taken, framed) = self.reader.push(bytes);
            bytes = &bytes[taken..];
            self.lines += usize::from(framed.is_some());
            if let Some(Framed::Line { line, .. }) = framed {
                // Looking must not panic.
                let _ = Command::parse(&line);
            }
        }
    }
}

fuzz_target!(|plan: Plan| {
    let config = Config {
        failed_login_delay: Duration::from_secs(if plan.delay { 3 } else { 0 }),
        permit_foreign_addresses: plan.foreign,
        report_commands: plan.reports,
        tls: plan.tls.then(TlsPolicy::default),
        disabled_commands: plan.disabled.iter().take(2).map(|index| pick(VERBS, *index).to_owned()).collect(),
        ..Config::default()
    };
    let mut driver = Driver::new(config);
    if plan.logged_in {
        driver.log_in("alice", "secret");
    }
    let before = driver.ledger.finals;
    let mut count = Count::default();
    for operation in plan.operations.iter().take(200) {
        operate(&mut driver, &mut count, operation);
        assert!(driver.session.is_closed() == driver.ledger.closed().is_some());
        // Whatever it waits for, there is an end to it.
        assert!(driver.session.is_closed() || driver.session.poll_timeout().is_some());
        // One for each line, and a 421.
        assert!(driver.ledger.finals - before <= count.lines + 1);
    }
    driver.eof();
    driver.finish_all();
    // What came before a QUIT that waits may still be served, or a delayed reply may be due.
    driver.wait(Duration::from_secs(100_000));
    driver.finish_all();
    driver.wait(Duration::from_secs(100_000));
    driver.assert_nothing_left();
    assert!(driver.ledger.finals - before <= count.lines + 1);
});

fn operate(driver: &mut Driver, count: &mut Count, operation: &Operation) {
    match operation {
        Operation::Line { index, argument, urgent } => {
            let prefix = if *urgent { &b"\xFF\xF4\xFF\xF2"[..] } else { b"" };
            let line =
                [prefix, pick(VERBS, *index).as_bytes(), pick(ARGUMENTS, *argument).as_bytes(), b"\r\n"].concat();
            count.note(&line);
            driver.send(&line);
        }
        Operation::Bytes(bytes) => {
            count.note(bytes);
            driver.send(bytes);
        }
        Operation::Present => {
            if let Some(Action::StartTls(ticket)) = driver.ledger.take(|action| matches!(action, Action::StartTls(_))) {
                driver.answer(ticket, Ok(Secured { client_certificate: true }));
            }
        }
        Operation::Succeed(index) => answer(driver, *index, Driver::do_work),
        Operation::Fail(index) => answer(driver, *index, Driver::fail_work),
        Operation::Drop(index) => answer(driver, *index, Driver::drop_work),
        Operation::Finish(index) => answer(driver, *index, Driver::finish),
        Operation::Progress(bytes) => driver.progress(*bytes),
        Operation::Pause(seconds) => driver.pause(Duration::from_secs((*seconds).into())),
        Operation::PortWait => driver.port_is_waited_for(),
        Operation::Wait(seconds) => driver.wait(Duration::from_secs((*seconds).into())),
        Operation::Spurious => {
            driver.session.handle_timeout(ftp_proto::Instant::default());
            driver.drain();
        }
        Operation::Undrained(index) => undrained(driver, count, pick(VERBS, *index)),
        Operation::Eof => driver.eof(),
        Operation::Stop { now } => driver.shutdown(if *now { Shutdown::Now } else { Shutdown::Graceful }),
        Operation::Dismiss { now } => driver.dismiss(if *now { Shutdown::Now } else { Shutdown::Graceful }),
    }
}

fn pick(list: &'static [&'static str], index: u8) -> &'static str {
    list[usize::from(index) % list.len()]
}

/// A hundred lines for a session whose outputs nobody takes: it does not take them all, or is at its end.
fn undrained(driver: &mut Driver, count: &mut Count, verb: &str) {
    if driver.backlog() > 0 {
        return;
    }
    let flood = format!("{verb}\r\n").repeat(100).into_bytes();
    let serving = !driver.session.is_closed();
    let mut taken = 0;
    loop {
        let more = driver.session.handle_input(&flood[taken..], driver.now);
        taken += more;
        if more == 0 {
            break;
        }
    }
    count.note(&flood[..taken]);
    let outputs: Vec<Output> = std::iter::from_fn(|| driver.session.poll_output()).take(400).collect();
    assert!(outputs.len() < 300, "{} outputs held for a peer that takes none", outputs.len());
    assert!(serving || outputs.is_empty());
    for output in outputs {
        driver.ledger.note(output);
    }
    driver.drain();
}

fn answer(driver: &mut Driver, index: u8, how: fn(&mut Driver, Action)) {
    let ids: Vec<_> = driver.ledger.outstanding().map(id_of).collect();
    if let Some(id) = ids.get(usize::from(index) % ids.len().max(1)) {
        let action = driver.ledger.take(|action| id_of(action) == *id).expect("it is there");
        how(driver, action);
    }
}
