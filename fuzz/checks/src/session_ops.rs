//! A session and its driver, operation by operation: input in pieces, questions answered in any order and any way,
//! timeouts, ends. The ledger holds every output against the session's contract.

use std::time::Duration;

use ferry_tests::Driver;
use ftp_proto::{Action, Config, Instant, Output, Secured, Shutdown, TlsPolicy};

use crate::{line::lines, source::Source, wire};

/// Circumstances, then operations, in the code of `Source`.
///
/// # Panics
/// When the session breaks its contract, or its outputs depend on how its input was cut.
pub fn session_ops(bytes: &[u8]) {
    let plan = Plan::read(&mut Source::new(bytes));
    let whole = plan.play(|driver, bytes| driver.send(bytes));
    // Under TLS what is sent with AUTH and what is sent behind it are not the same.
    if !plan.tls {
        let in_bytes = plan.play(|driver, bytes| bytes.chunks(1).for_each(|byte| driver.send(byte)));
        assert_eq!(whole, in_bytes, "outputs depend on how the input was cut");
    }
}

#[derive(Debug)]
struct Plan<'a> {
    logged_in: bool,
    delay: bool,
    foreign: bool,
    reports: bool,
    tls: bool,
    /// Which of the lists' verbs are not offered.
    disabled: Vec<String>,
    operations: Vec<Operation<'a>>,
}

#[derive(Debug)]
enum Operation<'a> {
    /// What the client sends.
    Bytes(&'a [u8]),
    /// A line of the lists, behind a Telnet Synch if it is urgent.
    Line {
        verb: &'static str,
        argument: &'static str,
        urgent: bool,
    },
    /// The TLS handshake is done, and the client has presented a certificate.
    Present,
    /// The question of this index is answered well; with a failure; as dropped work; as the session wants it.
    Succeed(u8),
    Fail(u8),
    Drop(u8),
    Finish(u8),
    Progress(u64),
    /// Speed limits hold the transfer back.
    Pause(Duration),
    /// The listener that was asked for is not there at once.
    PortWait,
    Wait(Duration),
    /// The moment goes back, and nothing is due.
    Spurious,
    /// Input comes while nobody takes outputs.
    Undrained(&'static str),
    Eof,
    Stop(Shutdown),
    Dismiss(Shutdown),
}

/// The circumstance that data connections may go to other hosts.
pub(crate) const FOREIGN: u8 = 4;

/// The codes of the operations that seeds are written with.
pub(crate) mod code {
    pub(crate) const LINE_AS_IT_IS: u8 = 0;
    pub(crate) const BYTES: u8 = 1;
    pub(crate) const SUCCEED: u8 = 4;
    pub(crate) const FAIL: u8 = 5;
    pub(crate) const DROP: u8 = 6;
    pub(crate) const FINISH: u8 = 7;
    pub(crate) const PROGRESS: u8 = 8;
    pub(crate) const WAIT: u8 = 11;
    pub(crate) const EOF: u8 = 14;
    pub(crate) const STOP: u8 = 15;
    pub(crate) const DISMISS: u8 = 16;
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

impl<'a> Plan<'a> {
    fn read(source: &mut Source<'a>) -> Self {
        let bits = source.byte();
        let [logged_in, delay, foreign, reports, tls] = [1, 2, FOREIGN, 8, 16].map(|bit| bits & bit != 0);
        let disabled = (0..bits >> 6).map(|_| pick(VERBS, source.byte()).to_owned()).collect();
        let mut operations = Vec::new();
        while !source.is_empty() && operations.len() < 200 {
            operations.push(Operation::read(source));
        }
        Self { logged_in, delay, foreign, reports, tls, disabled, operations }
    }

    fn config(&self) -> Config {
        Config {
            failed_login_delay: Duration::from_secs(if self.delay { 3 } else { 0 }),
            permit_foreign_addresses: self.foreign,
            report_commands: self.reports,
            tls: self.tls.then(TlsPolicy::default),
            disabled_commands: self.disabled.clone(),
            ..Config::default()
        }
    }

    /// Everything that the session puts out.
    fn play(&self, send: impl Fn(&mut Driver, &[u8])) -> Vec<String> {
        let mut driver = Driver::new(self.config());
        if self.logged_in {
            driver.log_in("alice", "secret");
        }
        driver.ledger.replies.clear();
        let mut stage = Stage { driver, send: &send, sent: Vec::new() };
        for operation in &self.operations {
            stage.operate(operation);
            stage.check();
        }
        stage.end(self.tls);
        let outputs = stage.driver.ledger.log.clone();
        stage.driver.ledger.replies.clear();
        outputs
    }
}

impl<'a> Operation<'a> {
    fn read(source: &mut Source<'a>) -> Self {
        let how = |byte: u8| if byte % 2 == 1 { Shutdown::Now } else { Shutdown::Graceful };
        match source.byte() % 17 {
            code::LINE_AS_IT_IS => Self::Bytes(source.line()),
            code::BYTES => Self::Bytes(source.bytes()),
            2 => {
                let (verb, argument) = (pick(VERBS, source.byte()), source.byte());
                Self::Line { verb, argument: pick(ARGUMENTS, argument & 127), urgent: argument > 127 }
            }
            3 => Self::Present,
            code::SUCCEED => Self::Succeed(source.byte()),
            code::FAIL => Self::Fail(source.byte()),
            code::DROP => Self::Drop(source.byte()),
            code::FINISH => Self::Finish(source.byte()),
            code::PROGRESS => Self::Progress(1 << (source.byte() % 64)),
            9 => Self::Pause(Duration::from_secs(source.byte().into())),
            10 => Self::PortWait,
            code::WAIT => Self::Wait(Duration::from_secs(source.byte().into())),
            12 => Self::Spurious,
            13 => Self::Undrained(pick(VERBS, source.byte())),
            code::EOF => Self::Eof,
            code::STOP => Self::Stop(how(source.byte())),
            _ => Self::Dismiss(how(source.byte())),
        }
    }
}

fn pick(list: &'static [&'static str], index: u8) -> &'static str {
    list[usize::from(index) % list.len()]
}

struct Stage<'a> {
    driver: Driver,
    send: &'a dyn Fn(&mut Driver, &[u8]),
    /// All that the session was given, to count its lines.
    sent: Vec<u8>,
}

impl Stage<'_> {
    fn operate(&mut self, operation: &Operation<'_>) {
        let driver = &mut self.driver;
        match operation {
            Operation::Bytes(bytes) => self.send(bytes),
            Operation::Line { verb, argument, urgent } => {
                let prefix = if *urgent { &b"\xFF\xF4\xFF\xF2"[..] } else { b"" };
                self.send(&[prefix, verb.as_bytes(), argument.as_bytes(), b"\r\n"].concat());
            }
            Operation::Present => {
                let handshake = driver.ledger.take(|action| matches!(action, Action::StartTls(_)));
                if let Some(Action::StartTls(ticket)) = handshake {
                    driver.answer(ticket, Ok(Secured { client_certificate: true }));
                }
            }
            Operation::Succeed(index) => answer(driver, *index, Driver::do_work),
            Operation::Fail(index) => answer(driver, *index, Driver::fail_work),
            Operation::Drop(index) => answer(driver, *index, Driver::drop_work),
            Operation::Finish(index) => answer(driver, *index, Driver::finish),
            Operation::Progress(bytes) => driver.progress(*bytes),
            Operation::Pause(time) => driver.pause(*time),
            Operation::PortWait => driver.port_is_waited_for(),
            Operation::Wait(time) => driver.wait(*time),
            Operation::Spurious => {
                driver.session.handle_timeout(Instant::default());
                driver.drain();
            }
            Operation::Undrained(verb) => self.undrained(verb),
            Operation::Eof => driver.eof(),
            Operation::Stop(how) => driver.shutdown(*how),
            Operation::Dismiss(how) => driver.dismiss(*how),
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.sent.extend_from_slice(bytes);
        (self.send)(&mut self.driver, bytes);
    }

    /// What holds after every operation.
    fn check(&self) {
        let session = &self.driver.session;
        assert_eq!(session.is_closed(), self.driver.ledger.closed().is_some());
        assert!(
            session.is_closed() || session.poll_timeout().is_some(),
            "whatever it waits for, there is an end to it"
        );
    }

    /// A hundred lines for a session whose outputs nobody takes: it does not take them all, or is at its end.
    fn undrained(&mut self, verb: &str) {
        let driver = &mut self.driver;
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
        self.sent.extend_from_slice(&flood[..taken]);
        let outputs: Vec<Output> = std::iter::from_fn(|| driver.session.poll_output()).take(400).collect();
        assert!(outputs.len() < 300, "{} outputs held for a peer that takes none", outputs.len());
        assert!(serving || outputs.is_empty());
        for output in outputs {
            driver.ledger.note(output);
        }
        driver.drain();
    }

    fn end(&mut self, tls: bool) {
        let driver = &mut self.driver;
        driver.finish_all();
        // Delayed replies may be due, each of which lets more lines in.
        loop {
            let outputs = driver.ledger.log.len();
            driver.wait(Duration::from_secs(4));
            driver.finish_all();
            if driver.ledger.log.len() == outputs {
                break;
            }
        }
        let lines = lines(&self.sent).len();
        let replies = wire::replies(&wire::written(&driver.ledger.replies));
        let finals = replies.iter().filter(|reply| !reply.is_preliminary()).count();
        if driver.session.is_closed() || tls {
            // One for each, and a 421; what came before TLS in the midst of Telnet counts as well.
            assert!(finals <= lines + 2, "{finals} replies to {lines} lines");
        } else {
            assert_eq!(driver.backlog(), 0, "a session that waits for nothing takes everything");
            assert_eq!(finals, lines, "replies and lines");
        }
        driver.eof();
        driver.finish_all();
        // What came before a QUIT that waits may still be served.
        driver.wait(Duration::from_secs(100_000));
        driver.finish_all();
        driver.wait(Duration::from_secs(100_000));
        driver.assert_nothing_left();
    }
}

fn answer(driver: &mut Driver, index: u8, how: fn(&mut Driver, Action)) {
    let ids: Vec<_> = driver.ledger.outstanding().map(Action::id).collect();
    if let Some(id) = ids.get(usize::from(index) % ids.len().max(1)) {
        let action = driver.ledger.take(|action| action.id() == *id).expect("it is there");
        how(driver, action);
    }
}
