//! Logs that an embedder keeps by watching.

use std::fmt::Display;
use std::sync::{Arc, Mutex};

use ftp_driver::{Observer, SessionInfo};
use ftp_proto::{Config, Event, Reply};

use crate::{Simulated, service};

/// What was said and what happened, each in a place of its own.
#[derive(Clone, Default)]
struct TwoLogs {
    lines: Arc<Mutex<Vec<String>>>,
    messages: Arc<Mutex<Vec<String>>>,
}

impl Observer for TwoLogs {
    fn connected(&self, session: &SessionInfo) {
        self.messages.lock().unwrap().push(format!("{session} connected"));
    }

    fn event(&self, session: &SessionInfo, event: &Event) {
        match event {
            Event::Command(line) => self.lines.lock().unwrap().push(format!("{session} <== {line}")),
            Event::LoggedIn(_) => self.messages.lock().unwrap().push(format!("{session} logged in")),
            Event::LoggedOut { reason, .. } => {
                self.messages.lock().unwrap().push(format!("{session} logged out: {reason}"));
            }
            _ => {}
        }
    }

    fn reply(&self, session: &SessionInfo, reply: &Reply) {
        self.lines.lock().unwrap().push(format!("{session} ==> {reply}"));
    }
}

/// Commands that change something, with their path and the code of the answer.
#[derive(Clone, Default)]
struct CommandLog {
    line: Arc<Mutex<Option<String>>>,
    log: Arc<Mutex<Vec<String>>>,
}

const LOGGED: [&str; 8] = ["DELE ", "RNFR ", "RNTO ", "MKD ", "RMD ", "CWD ", "SITE CHMOD ", "MFMT "];

impl Observer for CommandLog {
    fn event(&self, _: &SessionInfo, event: &Event) {
        if let Event::Command(line) = event {
            let line = line.to_string();
            *self.line.lock().unwrap() = LOGGED.iter().any(|name| line.starts_with(name)).then_some(line);
        }
    }

    fn reply(&self, session: &SessionInfo, reply: &Reply) {
        // No other reply comes between such a command and its own.
        if let Some(line) = self.line.lock().unwrap().take() {
            self.log.lock().unwrap().push(format!("{session} {line} {}", reply.code()));
        }
    }
}

fn watched(observer: impl Observer) -> Simulated {
    Simulated::new(service().config(Config { report_commands: true, ..Config::default() }).observer(observer))
}

fn take<T: Display>(log: &Mutex<Vec<T>>) -> Vec<String> {
    log.lock().unwrap().drain(..).map(|line| line.to_string()).collect()
}

#[test]
fn messages_and_lines_are_two_logs_with_the_session_before_each() {
    let logs = TwoLogs::default();
    let mut session = watched(logs.clone());
    session.login();
    session.says("REIN\r\n", "220 ");
    session.says("PWD\r\n", "530 ");
    let peer = "192.0.2.2:50000";
    assert_eq!(
        take(&logs.lines),
        [
            format!("[]@{peer} ==> 220 Ferry ready."),
            format!("[]@{peer} <== USER alice"),
            format!("[]@{peer} ==> 331 Username ok, send password."),
            format!("[]@{peer} <== PASS ******"),
            format!("[]@{peer} ==> 230 Login successful."),
            format!("[alice]@{peer} <== TYPE I"),
            format!("[alice]@{peer} ==> 200 Type set to binary."),
            format!("[alice]@{peer} <== REIN"),
            format!("[]@{peer} ==> 220 Ready for a new user."),
            format!("[]@{peer} <== PWD"),
            format!("[]@{peer} ==> 530 Log in with USER and PASS first."),
        ]
    );
    assert_eq!(
        take(&logs.messages),
        [
            format!("[]@{peer} connected"),
            format!("[alice]@{peer} logged in"),
            format!("[alice]@{peer} logged out: REIN")
        ]
    );
}

#[test]
fn commands_can_be_logged_with_the_code_of_their_answer() {
    let logs = CommandLog::default();
    let mut session = watched(logs.clone());
    session.login();
    for (command, code) in [
        ("MKD /a", "257"),
        ("MKD /a", "550"),
        ("NOOP", "200"),
        ("CWD /a", "250"),
        ("RNFR /small", "350"),
        ("RNTO b", "250"),
    ] {
        session.says(&format!("{command}\r\n"), code);
    }
    let prefix = "[alice]@192.0.2.2:50000";
    let lines = ["MKD /a 257", "MKD /a 550", "CWD /a 250", "RNFR /small 350", "RNTO b 250"];
    assert_eq!(take(&logs.log), lines.map(|line| format!("{prefix} {line}")));
}

#[test]
fn two_observers_see_the_same() {
    let (one, other) = (TwoLogs::default(), TwoLogs::default());
    let mut session = watched((one.clone(), Arc::new(other.clone())));
    session.login();
    let lines = take(&one.lines);
    assert_eq!((lines.len(), lines), (7, take(&other.lines)));
    assert_eq!(take(&one.messages), take(&other.messages));
}

#[test]
fn a_password_in_the_wrong_place_is_not_logged() {
    let logs = TwoLogs::default();
    let mut session = watched(logs.clone());
    // The password without PASS, one with the end of a line in it, and one for the server that was meant.
    session.says("USER alice\r\nhunter2\r\n", "331 ");
    session.says("PASS hunter\nhunter2\r\n", "");
    session.says("SITE PSWD hunter2 hunter3\r\n", "");
    session.pass(std::time::Duration::from_secs(4));
    session.says("NOOP\r\nXYZZY\r\n", "");
    let lines = take(&logs.lines);
    assert!(!lines.iter().any(|line| line.contains("hunter")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.ends_with(" <== XYZZY")), "{lines:#?}");
}
