//! Plays a scenario over a session that is driven by hand.

use std::{
    collections::VecDeque,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
    time::Duration,
};

use ferry_tests::{Driver, describe};
use ftp_proto::{Action, Config, PathCodec, Shutdown};

use crate::{
    answer::answer,
    script::{Kind, Line, Scenario, Step, fits, parse},
};

/// Plays every scenario of a file, then tells of all that failed.
pub(crate) fn play_all(file: &str, text: &str) {
    let mut failed = Vec::new();
    for scenario in parse(file, text) {
        let played = panic::catch_unwind(AssertUnwindSafe(|| play(file, &scenario)));
        if played.is_err() {
            failed.push(scenario.name);
        }
    }
    assert!(failed.is_empty(), "{file}: these scenarios failed: {failed:#?}");
}

fn play(file: &str, scenario: &Scenario) {
    let settings = scenario.steps.iter().take_while(|step| matches!(step.kind, Kind::Setting(_))).count();
    let (settings, steps) = scenario.steps.split_at(settings);
    let mut stage = Stage::new(settings);
    let mut steps = steps.iter().peekable();
    while let Some(step) = steps.next() {
        let next = steps.peek().and_then(|next| match &next.kind {
            Kind::Server(line) => Some(line),
            _ => None,
        });
        if let Err(complaint) = stage.step(step, next) {
            panic!("{file}:{}: {complaint}\n  in: {}\n  at: {}", step.number, scenario.name, step.text);
        }
    }
    if let Some(unread) = stage.next_line() {
        panic!("{file}: the server says more: {unread}\n  in: {}", scenario.name);
    }
    stage.end();
}

struct Stage {
    driver: Driver,
    /// Lines of replies that the script has not come to.
    lines: VecDeque<String>,
    /// How much of the ledger's log there was when something was last done.
    done: usize,
    saw_close: bool,
}

impl Stage {
    /// The settings: `ipv6`; `login NAME`; `foreign`, `privileged` (permit addresses and ports); `attempts N`;
    /// `delay SECONDS`; `idle SECONDS`; `stall SECONDS`; `masquerade ADDRESS`, `masquerade-for LOCAL=ADDRESS`; `disable VERB`;
    /// `charset` (ISO 8859-1 for clients that do not say OPTS UTF8 ON).
    fn new(settings: &[Step]) -> Self {
        let mut config = Config::default();
        let (mut local, mut peer, mut user) = ("10.0.0.9:21", "10.0.0.1:40000", None);
        for step in settings {
            let Kind::Setting(setting) = &step.kind else { continue };
            let (name, value) = setting.split_once(' ').unwrap_or((setting, ""));
            let seconds = || Duration::from_secs_f64(value.parse().expect("a number of seconds"));
            match name {
                "ipv6" => (local, peer) = ("[fd00::9]:21", "[fd00::1]:40000"),
                "mapped" => (local, peer) = ("[::ffff:10.0.0.9]:21", "[::ffff:10.0.0.1]:40000"),
                "login" => user = Some(value.to_owned()),
                "foreign" => config.permit_foreign_addresses = true,
                "privileged" => config.permit_privileged_ports = true,
                "attempts" => config.max_login_attempts = value.parse().expect("a number"),
                "delay" => config.failed_login_delay = seconds(),
                "tls" => drop(config.tls.get_or_insert_default()),
                "tls-control" => config.tls.get_or_insert_default().control_required = true,
                "tls-data" => config.tls.get_or_insert_default().data_required = true,
                "idle" => config.idle_timeout = Some(seconds()),
                "stall" => config.stall_timeout = Some(seconds()),
                "masquerade-for" => {
                    let (local, address) = value.split_once('=').expect("LOCAL=ADDRESS");
                    let local = local.parse().expect("an address");
                    config.masquerade_address_map.insert(local, address.parse().expect("an address"));
                }
                "charset" => config.codec = Some(Arc::new(Latin1)),
                "disable" => config.disabled_commands.push(value.to_owned()),
                "masquerade" => config.masquerade_address = Some(value.parse().expect("an address")),
                _ => panic!("line {}: no such setting: {setting}", step.number),
            }
        }
        let mut driver = Driver::between(config, local, peer);
        if let Some(user) = user {
            driver.log_in(&user, if user == "bob" { "hunter2" } else { "secret" });
        }
        Self { driver, lines: VecDeque::new(), done: 0, saw_close: false }
    }

    fn step(&mut self, step: &Step, next: Option<&Line>) -> Result<(), String> {
        match &step.kind {
            Kind::Setting(_) => return Err(String::from("settings come first")),
            Kind::Server(line) => return self.expect(line, next),
            Kind::Output(pattern) => {
                let outputs = &self.driver.ledger.log[self.done..];
                let found = outputs.iter().any(|output| fits(pattern, output));
                return found.then_some(()).ok_or_else(|| String::from("no such output"));
            }
            Kind::Ask { action, answer: None } => return self.asked(action),
            Kind::AskedNothing => return self.asked_nothing(),
            Kind::Closed(reason) => return self.closed(reason),
            _ => {}
        }
        self.done = self.driver.ledger.log.len();
        match &step.kind {
            Kind::Client(bytes) => self.driver.send(bytes),
            Kind::Ask { action, answer: Some(words) } => {
                let action = self.take(action, words == "cancelled").ok_or_else(|| self.questions())?;
                answer(&mut self.driver, action, words).ok_or("no such answer to it")?;
            }
            Kind::Progress(bytes) => self.driver.progress(*bytes),
            Kind::Time(seconds) => self.driver.wait(Duration::from_secs_f64(*seconds)),
            Kind::Eof => self.driver.eof(),
            Kind::Stop => self.driver.shutdown(Shutdown::Graceful),
            Kind::StopNow => self.driver.shutdown(Shutdown::Now),
            Kind::Dismiss => self.driver.dismiss(Shutdown::Graceful),
            Kind::DismissNow => self.driver.dismiss(Shutdown::Now),
            _ => {}
        }
        Ok(())
    }

    /// The oldest action that fits; of a kind that the session wants stopped, or does not, if there is a choice.
    fn take(&mut self, pattern: &str, cancelled: bool) -> Option<Action> {
        let fitting = self.driver.ledger.outstanding().filter(|action| fits(pattern, &describe(action)));
        let ids: Vec<_> =
            fitting.map(|action| (self.driver.ledger.is_cancelled(action) == cancelled, action.id())).collect();
        let (_, id) = ids.iter().find(|(as_wanted, _)| *as_wanted).or_else(|| ids.first())?;
        self.driver.ledger.take(|action| action.id() == *id)
    }

    fn expect(&mut self, line: &Line, next: Option<&Line>) -> Result<(), String> {
        match line {
            Line::Nothing => match self.next_line() {
                Some(line) => Err(format!("the server says {line}")),
                None => Ok(()),
            },
            Line::Skip => {
                let wanted = |line: &str| matches!(next, Some(Line::Pattern(pattern)) if fits(pattern, line));
                while let Some(line) = self.await_line() {
                    if wanted(&line) {
                        self.lines.push_front(line);
                        return Ok(());
                    }
                }
                Err(String::from("there is no such line"))
            }
            Line::Pattern(pattern) => {
                let line = self.await_line().ok_or_else(|| format!("no reply; {}", self.questions()))?;
                if fits(pattern, &line) { Ok(()) } else { Err(format!("the server says {line}")) }
            }
            Line::Reply(code) => {
                let first = self.await_line().ok_or_else(|| format!("no reply; {}", self.questions()))?;
                let mut last = first.clone();
                while !last.starts_with(&format!("{} ", &first[..3])) {
                    last = self.next_line().ok_or("the reply has no end")?;
                }
                if first.starts_with(code) { Ok(()) } else { Err(format!("the server says {first}")) }
            }
        }
    }

    /// The next line that the server says; its own questions are answered until it says one.
    fn await_line(&mut self) -> Option<String> {
        loop {
            if let Some(line) = self.next_line() {
                return Some(line);
            }
            if !self.driver.finish_next_own() {
                return None;
            }
        }
    }

    fn next_line(&mut self) -> Option<String> {
        for reply in self.driver.ledger.replies.drain(..) {
            let mut wire = Vec::new();
            reply.write_to(&mut wire);
            let text = wire.strip_suffix(b"\r\n").expect("a reply ends with CRLF");
            let lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
            self.lines.extend(lines.map(|line| String::from_utf8_lossy(line).into_owned()));
        }
        self.lines.pop_front()
    }

    fn asked(&self, pattern: &str) -> Result<(), String> {
        let found = self.driver.ledger.outstanding().any(|action| fits(pattern, &describe(action)));
        found.then_some(()).ok_or_else(|| self.questions())
    }

    fn asked_nothing(&self) -> Result<(), String> {
        match self.driver.ledger.outstanding().next() {
            Some(_) => Err(self.questions()),
            None => Ok(()),
        }
    }

    fn closed(&mut self, reason: &str) -> Result<(), String> {
        self.saw_close = true;
        let closed = self.driver.ledger.closed();
        let found = closed.is_some_and(|closed| format!("{closed:?}") == reason);
        found.then_some(()).ok_or_else(|| format!("the session's end: {closed:?}"))
    }

    fn questions(&self) -> String {
        let waiting: Vec<String> = self.driver.ledger.outstanding().map(describe).collect();
        format!("the session has asked for {waiting:?}")
    }

    /// Whatever the scenario was about: nothing may be left behind when the client goes.
    fn end(mut self) {
        assert!(self.saw_close || self.driver.ledger.closed().is_none(), "the session has ended unexpectedly");
        self.driver.eof();
        self.driver.finish_all();
        self.driver.assert_nothing_left();
    }
}

/// ISO 8859-1: each byte is the character of its number.
#[derive(Debug)]
struct Latin1;

impl PathCodec for Latin1 {
    fn decode(&self, wire: &[u8]) -> Vec<u8> {
        wire.iter().copied().map(char::from).collect::<String>().into_bytes()
    }

    fn encode(&self, path: &[u8]) -> Vec<u8> {
        String::from_utf8_lossy(path).chars().map(|character| u8::try_from(character).unwrap_or(b'?')).collect()
    }
}
