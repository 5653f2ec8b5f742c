//! A session under any bytes: its replies as a client reads them, one for each line of the naive cutter, and the same
//! outputs however the bytes come.

use std::time::Duration;

use ferry_tests::Driver;
use ftp_proto::{Action, Config, TlsPolicy};

use crate::{cut, line::lines, wire};

/// One byte of circumstances, then what the client sends.
///
/// # Panics
/// When replies are missing, too many, or not such as a client can read; when outputs depend on how the bytes were cut;
/// when something is left behind.
pub fn session_bytes(input: &[u8]) {
    let Some((first, sent)) = input.split_first() else { return };
    let circumstances = Circumstances::from(*first);
    answered_at_once(circumstances, sent);
    // Under TLS what is sent with AUTH and what is sent behind it are not the same.
    if !circumstances.tls {
        let whole = answered_late(circumstances, &[sent]);
        // Byte by byte is slow.
        for pieces in cut::ways(sent).iter().skip(1).filter(|pieces| pieces.len() <= 2000) {
            assert_eq!(answered_late(circumstances, pieces), whole, "in {} pieces", pieces.len());
        }
    }
}

/// The circumstance that data connections may go to other hosts.
pub(crate) const FOREIGN: u8 = 8;

#[derive(Clone, Copy, Debug)]
struct Circumstances {
    logged_in: bool,
    tls: bool,
    reports: bool,
    foreign: bool,
    ipv6: bool,
    /// No password is right.
    stranger: bool,
}

impl From<u8> for Circumstances {
    fn from(bits: u8) -> Self {
        let [logged_in, tls, reports, foreign, ipv6, stranger] = [1, 2, 4, FOREIGN, 16, 32].map(|bit| bits & bit != 0);
        Self { logged_in: logged_in && !stranger, tls, reports, foreign, ipv6, stranger }
    }
}

impl Circumstances {
    fn driver(self) -> Driver {
        let config = Config {
            failed_login_delay: Duration::ZERO,
            max_login_attempts: 0,
            permit_foreign_addresses: self.foreign,
            report_commands: self.reports,
            tls: self.tls.then(TlsPolicy::default),
            ..Config::default()
        };
        let ends = if self.ipv6 { ("[fd00::9]:21", "[fd00::1]:40000") } else { ("10.0.0.9:21", "10.0.0.1:40000") };
        let mut driver = Driver::between(config, ends.0, ends.1);
        if self.logged_in {
            driver.log_in("alice", "secret");
        }
        driver.ledger.replies.clear();
        driver
    }

    fn answer(self, driver: &mut Driver, action: Action) {
        if !self.stranger {
            return driver.finish(action);
        }
        match action {
            Action::Authenticate(_) => driver.fail_work(action),
            Action::StartTls(_) => driver.finish(action),
            other => panic!("nobody has ever logged in: {other:?}"),
        }
    }

    fn answer_all(self, driver: &mut Driver) {
        while let Some(action) = driver.ledger.take(|_| true) {
            self.answer(driver, action);
        }
    }
}

/// Every question is answered as soon as it is asked.
fn answered_at_once(circumstances: Circumstances, sent: &[u8]) {
    let mut driver = circumstances.driver();
    for piece in cut::by_chance(sent, 40) {
        driver.send(piece);
        circumstances.answer_all(&mut driver);
    }
    assert_eq!(driver.backlog(), 0, "a session that waits for nothing takes everything");
    let replies = wire::replies(&wire::written(&driver.ledger.replies));
    let finals = replies.iter().filter(|reply| !reply.is_preliminary()).count();
    let in_a_row = |pair: &[wire::Read]| pair[0].is_preliminary() && pair[1].is_preliminary();
    assert!(!replies.windows(2).any(in_a_row), "a command has one preliminary reply at most");
    // The end comes with a line, or with one that TLS forbids; and TLS begins anew in the midst of Telnet.
    match driver.session.is_closed() {
        true => assert!(finals <= lines(sent).len() + 1),
        false if circumstances.tls => assert!(finals <= lines(sent).len() + 1),
        false => assert_eq!(finals, lines(sent).len()),
    }
    end(driver);
}

/// Questions are answered only when the session takes no more without. What it puts out.
fn answered_late(circumstances: Circumstances, pieces: &[&[u8]]) -> Vec<String> {
    let mut driver = circumstances.driver();
    for piece in pieces {
        driver.send(piece);
        while driver.backlog() > 0 {
            let oldest = driver.ledger.take(|_| true).expect("a session that takes nothing waits for something");
            circumstances.answer(&mut driver, oldest);
        }
    }
    circumstances.answer_all(&mut driver);
    let outputs = driver.ledger.log.clone();
    end(driver);
    outputs
}

fn end(mut driver: Driver) {
    driver.eof();
    driver.assert_nothing_left();
    driver.ledger.replies.clear();
}
