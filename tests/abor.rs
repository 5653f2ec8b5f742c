//! Every state of the data lane against everything that can end it: what is said, and that nothing is left behind.

use std::time::Duration;

use ferry_tests::Driver;
use ftp_proto::{Action, CloseReason, Config, Shutdown};

/// Where the session stands when something happens.
#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    Passive,
    ActiveTarget,
    OpenUnused,
    OpeningFile,
    OpeningFileConnected,
    CheckingFile,
    WaitingPassive,
    Connecting,
    MovingDown,
    MovingUp,
    StatMoving,
    StatMovingBesidePassive,
    StatMovingBesideOpen,
    Aborting,
    AbortingOpen,
    AbortingAccept,
    Listening,
    WaitingForPort,
    LoggingIn,
}

/// What happens.
#[derive(Clone, Copy, Debug)]
enum Happens {
    Abor,
    Quit,
    NewPasv,
    User,
    Eof,
    Timeout,
    Graceful,
    Now,
    Dismissed,
    DismissedNow,
}

use Happens::{Abor, Dismissed, DismissedNow, Eof, Graceful, NewPasv, Now, Quit, Timeout, User};

const COLUMNS: [Happens; 8] = [Abor, Quit, NewPasv, User, Eof, Timeout, Graceful, Now];

/// For each state, in the order of [`COLUMNS`]: the codes said at once, then, behind the bar, those said when all work
/// has ended (cancelled work as dropped work, all other well). `x` where the session closes.
#[rustfmt::skip]
const TABLE: &[(State, [&str; 8])] = &[
    //                               ABOR             QUIT               new PASV         USER             end of file timeout      stop               stop now
    (State::Idle,                    ["225 |",         "221 x |",         "| 227",         "331 |",         "x |", "421 x |",   "421 x |",         "421 x |"]),
    (State::Passive,                 ["225 |",         "221 x |",         "| 227",         "331 |",         "x |", "|",         "421 x |",         "421 x |"]),
    (State::ActiveTarget,            ["225 |",         "221 x |",         "| 227",         "331 |",         "x |", "421 x |",   "421 x |",         "421 x |"]),
    (State::OpenUnused,              ["225 |",         "221 x |",         "| 227",         "331 |",         "x |", "421 x |",   "421 x |",         "421 x |"]),
    (State::OpeningFile,             ["| 426 226",     "| 125 221 226 x", "| 125 226 227", "| 125 331 226", "x |", "| 125 226", "| 125 226 421 x", "421 x |"]),
    (State::OpeningFileConnected,    ["| 426 226",     "| 125 221 226 x", "| 125 226 227", "| 125 331 226", "x |", "421 x |",   "| 125 226 421 x", "421 x |"]),
    (State::CheckingFile,            ["| 426 226",     "| 425 221 x",     "| 425 227",     "| 425 331",     "x |", "421 x |",   "| 425 421 x",     "421 x |"]),
    (State::WaitingPassive,          ["| 426 226",     "221 | 226 x",     "| 226 227",     "331 | 226",     "x |", "425 |",     "| 226 421 x",     "421 x |"]),
    (State::Connecting,              ["| 426 226",     "221 | 226 x",     "| 226 227",     "331 | 226",     "x |", "425 |",     "| 226 421 x",     "421 x |"]),
    (State::MovingDown,              ["| 426 226",     "221 | 226 x",     "| 226 227",     "331 | 226",     "x |", "421 x |",   "| 226 421 x",     "421 x |"]),
    (State::MovingUp,                ["| 426 226",     "221 | 226 x",     "| 226 227",     "331 | 226",     "x |", "421 x |",   "| 226 421 x",     "421 x |"]),
    (State::StatMoving,              ["| 213 226",     "| 213 221 x",     "| 213 227",     "| 213 331",     "x |", "421 x |",   "| 213 421 x",     "421 x |"]),
    (State::StatMovingBesidePassive, ["| 213 226",     "| 213 221 x",     "| 213 227",     "| 213 331",     "x |", "| 213",     "| 213 421 x",     "421 x |"]),
    (State::StatMovingBesideOpen,    ["| 213 226",     "| 213 221 x",     "| 213 227",     "| 213 331",     "x |", "421 x |",   "| 213 421 x",     "421 x |"]),
    (State::Aborting,                ["| 426 226 225", "| 426 226 221 x", "| 426 226 227", "| 426 226 331", "x |", "421 x |",   "| 426 226 421 x", "421 x |"]),
    (State::AbortingOpen,            ["| 426 226 225", "| 426 226 221 x", "| 426 226 227", "| 426 226 331", "x |", "421 x |",   "| 426 226 421 x", "421 x |"]),
    (State::AbortingAccept,          ["| 426 226 225", "| 426 226 221 x", "| 426 226 227", "| 426 226 331", "x |", "421 x |",   "| 426 226 421 x", "421 x |"]),
    (State::Listening,               ["| 227 225",     "| 227 221 x",     "| 227 227",     "| 227 331",     "x |", "421 x |",   "| 227 421 x",     "421 x |"]),
    (State::WaitingForPort,          ["425 225 |",     "425 221 x |",     "| 227 227",     "| 227 331",     "x |", "421 x |",   "| 227 421 x",     "421 x |"]),
    (State::LoggingIn,               ["| 230 225",     "| 230 221 x",     "| 230 227",     "| 230 331",     "x |", "421 x |",   "| 230 421 x",     "421 x |"]),
];

fn in_state(state: State) -> Driver {
    let mut driver = Driver::new(Config::default());
    driver.log_in("alice", "secret");
    let (passive, connected) = match state {
        State::Passive | State::OpeningFile | State::WaitingPassive | State::AbortingAccept => (true, false),
        State::StatMovingBesidePassive | State::AbortingOpen => (true, false),
        State::OpenUnused | State::OpeningFileConnected | State::MovingDown | State::MovingUp => (true, true),
        State::StatMovingBesideOpen | State::Aborting => (true, true),
        _ => (false, false),
    };
    if passive {
        driver.send(b"PASV\r\n");
        assert!(driver.finish_next_own());
    }
    if connected {
        let accept = driver.ledger.take(|action| matches!(action, Action::Accept(_))).expect("it waits");
        driver.finish(accept);
    }
    let (lines, answers) = match state {
        State::Idle | State::Passive | State::OpenUnused => ("", 0),
        State::ActiveTarget => ("PORT 10,0,0,1,200,10\r\n", 0),
        State::OpeningFile | State::OpeningFileConnected | State::CheckingFile => ("RETR readme.txt\r\n", 0),
        State::WaitingPassive | State::MovingDown | State::Aborting => ("RETR readme.txt\r\n", 1),
        State::Connecting => ("PORT 10,0,0,1,200,10\r\nRETR readme.txt\r\n", 1),
        State::MovingUp => ("STOR new.txt\r\n", 1),
        State::StatMoving | State::StatMovingBesidePassive | State::StatMovingBesideOpen => ("STAT /docs\r\n", 1),
        State::AbortingOpen => ("RETR readme.txt\r\nABOR\r\n", 0),
        State::AbortingAccept => ("RETR readme.txt\r\n", 1),
        State::Listening | State::WaitingForPort => ("PASV\r\n", 0),
        State::LoggingIn => ("USER bob\r\nPASS hunter2\r\n", 0),
    };
    driver.send(lines.as_bytes());
    for _ in 0..answers {
        assert!(driver.finish_next_own(), "{state:?}");
    }
    if matches!(state, State::WaitingForPort) {
        driver.port_is_waited_for();
    }
    if matches!(state, State::Aborting | State::AbortingAccept) {
        driver.send(b"ABOR\r\n");
    }
    driver.codes();
    driver
}

fn happen(driver: &mut Driver, happens: Happens) {
    match happens {
        Abor => driver.send(b"ABOR\r\n"),
        Quit => driver.send(b"QUIT\r\n"),
        NewPasv => driver.send(b"PASV\r\n"),
        User => driver.send(b"USER bob\r\n"),
        Eof => driver.eof(),
        Timeout => {
            let due = driver.session.poll_timeout().expect("every state has a timer");
            driver.wait(due.saturating_since(driver.now));
        }
        Graceful => driver.shutdown(Shutdown::Graceful),
        Now => driver.shutdown(Shutdown::Now),
        Dismissed => driver.dismiss(Shutdown::Graceful),
        DismissedNow => driver.dismiss(Shutdown::Now),
    }
}

/// What was said, as the table has it.
fn said(driver: &mut Driver) -> String {
    let mut words: Vec<String> = driver.codes().iter().map(u16::to_string).collect();
    if driver.ledger.closed().is_some() {
        words.push(String::from("x"));
    }
    words.join(" ")
}

fn cell(state: State, happens: Happens) -> String {
    let mut driver = in_state(state);
    happen(&mut driver, happens);
    let at_once = said(&mut driver);
    driver.finish_all();
    let later = said(&mut driver);
    let later = if at_once.ends_with('x') && later == "x" { "" } else { &later };
    close_and_look(driver);
    format!("{at_once} | {later}").trim().to_owned()
}

/// Ends the session if need be; whatever it held is released then.
fn close_and_look(mut driver: Driver) {
    driver.eof();
    driver.finish_all();
    driver.assert_nothing_left();
}

#[test]
fn every_state_against_everything_that_can_end_it() {
    let mut wrong = Vec::new();
    for (state, row) in TABLE {
        for (happens, expected) in COLUMNS.into_iter().zip(row) {
            let found = cell(*state, happens);
            if found != *expected {
                wrong.push(format!("{state:?} x {happens:?}: {found:?}, not {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_end_of_one_session_is_as_that_of_all() {
    for (state, _) in TABLE {
        for (alone, with_all) in [(Dismissed, Graceful), (DismissedNow, Now)] {
            assert_eq!(cell(*state, alone), cell(*state, with_all), "{state:?}");
            let mut driver = in_state(*state);
            happen(&mut driver, alone);
            driver.finish_all();
            assert_eq!(driver.ledger.closed(), Some(CloseReason::Dismissed), "{state:?}");
        }
    }
}

#[test]
fn work_that_is_done_though_it_was_cancelled_leaves_nothing() {
    for (state, _) in TABLE {
        for happens in COLUMNS {
            let mut driver = in_state(*state);
            happen(&mut driver, happens);
            while let Some(action) = driver.ledger.take(|_| true) {
                driver.do_work(action);
            }
            close_and_look(driver);
        }
    }
}

#[test]
fn two_things_at_once_leave_nothing() {
    for (state, _) in TABLE {
        for (first, second) in COLUMNS.into_iter().flat_map(|first| COLUMNS.map(|second| (first, second))) {
            let mut driver = in_state(*state);
            happen(&mut driver, first);
            if driver.session.poll_timeout().is_some() || !matches!(second, Timeout) {
                happen(&mut driver, second);
            }
            let finals = driver.ledger.finals;
            driver.finish_all();
            assert!(driver.ledger.finals - finals <= 4, "{state:?} {first:?} {second:?}");
            close_and_look(driver);
        }
    }
}

#[test]
fn the_reason_of_the_end_is_the_first_one() {
    let mut driver = in_state(State::MovingDown);
    happen(&mut driver, Quit);
    happen(&mut driver, Graceful);
    driver.finish_all();
    assert_eq!(driver.ledger.closed(), Some(CloseReason::Quit));
}

#[test]
fn a_login_timeout_of_nothing_waits_for_the_end_of_a_transfer_as_any_other() {
    let mut driver = Driver::new(Config { login_timeout: Some(Duration::ZERO), ..Config::default() });
    driver.log_in("alice", "secret");
    driver.send(b"PORT 10,0,0,1,200,10\r\nRETR readme.txt\r\n");
    assert!(driver.finish_next_own());
    driver.send(b"USER bob\r\n");
    driver.wait(Duration::ZERO);
    assert_eq!(driver.codes(), [200, 150, 331]);
    driver.finish_all();
    assert_eq!(driver.codes(), [226]);
    driver.wait(Duration::ZERO);
    assert_eq!(driver.codes(), [421]);
    assert_eq!(driver.ledger.closed(), Some(CloseReason::LoginTimeout));
}

#[test]
fn the_time_that_speed_limits_take_is_no_stall() {
    let mut driver = in_state(State::MovingDown);
    for _ in 0..3 {
        driver.pause(Duration::from_secs(1000));
        driver.wait(Duration::from_secs(1299));
        assert!(driver.codes().is_empty());
    }
    driver.wait(Duration::from_secs(1));
    assert_eq!(driver.codes(), [421]);
}
