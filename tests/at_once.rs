//! What a session says of itself at once, before anybody has asked for its outputs.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ferry_tests::Driver;
use ftp_proto::{Action, Config, Event, Instant, LoginError, Output, Session, Shutdown, Ticket, TlsPolicy};

const START: Instant = Instant::from_epoch(Duration::from_secs(1000));

fn after(seconds: u64) -> Instant {
    START + Duration::from_secs(seconds)
}

fn config() -> Arc<Config> {
    Arc::new(Config { failed_login_delay: Duration::from_secs(2), ..Config::default() })
}

fn between(make: fn(Arc<Config>, SocketAddr, SocketAddr, Instant) -> Session, config: Arc<Config>) -> Session {
    make(config, "10.0.0.9:21".parse().unwrap(), "10.0.0.1:40000".parse().unwrap(), START)
}

fn fresh() -> Session {
    between(Session::new, config())
}

/// Takes all outputs; the first action among them that the question accepts.
fn asked<R>(session: &mut Session, question: fn(Action) -> Option<R>) -> Option<R> {
    let mut found = None;
    while let Some(output) = session.poll_output() {
        if let Output::Start(action) = output {
            found = found.or_else(|| question(action));
        }
    }
    found
}

fn login(session: &mut Session, pipelined: &[u8]) -> Ticket<ftp_proto::Authenticate> {
    session.handle_input(b"USER alice\r\nPASS secret\r\n", START);
    let asks = |action| if let Action::Authenticate(ticket) = action { Some(ticket) } else { None };
    let ticket = asked(session, asks).expect("the login is to be judged");
    assert_eq!(session.handle_input(pipelined, START), pipelined.len());
    ticket
}

#[test]
fn quit_ends_a_session_at_once() {
    let mut session = fresh();
    session.handle_input(b"QUIT\r\n", START);
    assert!(session.is_closed());
}

#[test]
fn quit_behind_many_commands_ends_a_session_once_their_replies_are_taken() {
    let mut waited = 0;
    for commands in 1..16 {
        let config = Arc::new(Config { report_commands: true, ..Config::default() });
        let mut session = between(Session::new, config);
        let ticket = login(&mut session, &[b"NOOP\r\n".repeat(commands), b"QUIT\r\n".to_vec()].concat());
        session.complete(ticket, Err(LoginError::Unavailable), START);
        waited += u32::from(!session.is_closed());
        while session.poll_output().is_some() {}
        assert!(session.is_closed(), "behind {commands}");
    }
    assert!(waited > 0, "no command had to wait");
}

#[test]
fn a_stop_ends_an_idle_session_at_once() {
    for how in [Shutdown::Graceful, Shutdown::Now] {
        let mut session = fresh();
        session.shutdown(how, START);
        assert!(session.is_closed());
    }
}

#[test]
fn a_quit_that_waited_for_a_login_ends_the_session_with_it() {
    let mut session = fresh();
    let ticket = login(&mut session, b"QUIT\r\n");
    session.complete(ticket, Err(LoginError::Unavailable), START);
    assert!(session.is_closed());
}

#[test]
fn a_quit_that_waited_for_a_delay_ends_the_session_with_it() {
    let mut session = fresh();
    let ticket = login(&mut session, b"QUIT\r\n");
    session.complete(ticket, Err(LoginError::Rejected), START);
    assert!(!session.is_closed());
    session.handle_timeout(after(2));
    assert!(session.is_closed());
}

#[test]
fn an_answer_for_another_session_is_told_and_changes_nothing() {
    let (mut one, mut other) = (fresh(), fresh());
    let (ticket, own) = (login(&mut one, b""), login(&mut other, b""));
    let id = ticket.id();
    other.complete(ticket, Err(LoginError::Rejected), START);
    assert!(matches!(other.poll_output(), Some(Output::Notify(Event::StrayAnswer(stray))) if stray == id));
    assert!(other.poll_output().is_none());
    other.complete(own, Err(LoginError::Unavailable), START);
    assert!(other.poll_output().is_some());
}

#[test]
fn a_session_can_be_shown_without_what_is_secret() {
    let mut session = fresh();
    let _ticket = login(&mut session, b"");
    let shown = format!("{session:?}");
    assert!(shown.starts_with("Session {") && !shown.contains("secret"), "{shown}");
}

#[test]
fn what_is_no_command_is_told_hidden_behind_a_name_alone() {
    let config = Arc::new(Config { report_commands: true, ..Config::default() });
    let mut session = between(Session::new, config);
    session.handle_input(b"hunter1\r\nUSER alice\r\nhunter2\r\nNOOP\r\nhunter3\r\n", START);
    let told = std::iter::from_fn(|| session.poll_output()).filter_map(|output| match output {
        Output::Notify(Event::Command(line)) => Some(line.to_string()),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), ["hunter1", "USER alice", "******", "NOOP", "hunter3"]);
}

#[test]
fn the_time_of_an_idle_session_runs_from_its_beginning() {
    let config = Arc::new(Config { idle_timeout: Some(Duration::from_secs(3)), ..Config::default() });
    for make in [Session::new, Session::with_implicit_tls] {
        assert_eq!(between(make, Arc::clone(&config)).poll_timeout(), Some(after(3)));
    }
}

#[test]
fn the_time_of_an_idle_session_runs_anew_from_its_last_command() {
    let config = Arc::new(Config { idle_timeout: Some(Duration::from_secs(3)), ..Config::default() });
    let (mut live, mut replayed) = (between(Session::new, Arc::clone(&config)), between(Session::new, config));
    live.handle_input(b"NOOP\r\n", after(2));
    replayed.replay_input(b"NOOP\r\n", false, after(2));
    assert_eq!([live, replayed].map(|session| session.poll_timeout()), [Some(after(5)); 2]);
}

#[test]
fn a_replayed_quit_ends_a_session_at_once() {
    let mut session = fresh();
    session.replay_input(b"QUIT\r\n", false, START);
    assert!(session.is_closed());
    session.replay_input(b"NOOP\r\n", false, START);
    let replies = std::iter::from_fn(|| session.poll_output()).filter(|output| matches!(output, Output::Send(_)));
    assert_eq!(replies.count(), 2, "a greeting and a farewell");
}

#[test]
fn a_replayed_auth_with_anything_behind_it_is_refused() {
    let config = Arc::new(Config { tls: Some(TlsPolicy::default()), ..Config::default() });
    for (bytes, more, refused) in
        [(&b"AUTH TLS\r\n"[..], false, false), (b"AUTH TLS\r\n", true, true), (b"AUTH TLS\r\nNOOP\r\n", false, true)]
    {
        let mut session = between(Session::new, Arc::clone(&config));
        session.replay_input(bytes, more, START);
        assert_eq!(session.is_closed(), refused, "{} {more}", bytes.escape_ascii());
    }
}

#[test]
fn a_delay_runs_from_the_moment_that_a_login_failed() {
    let mut session = fresh();
    let ticket = login(&mut session, b"");
    session.complete(ticket, Err(LoginError::Rejected), after(5));
    assert_eq!(session.poll_timeout(), Some(after(7)));
}

#[test]
fn nothing_is_taken_while_a_reply_is_held_back() {
    let mut session = fresh();
    let ticket = login(&mut session, b"");
    assert!(session.wants_input());
    session.complete(ticket, Err(LoginError::Rejected), START);
    assert!(!session.wants_input());
    session.handle_timeout(after(2));
    assert!(session.wants_input());
}

#[test]
fn more_is_taken_as_soon_as_one_of_too_many_outputs_is() {
    let mut session = fresh();
    let commands = b"NOOP\r\n".repeat(64);
    let taken = session.handle_input(&commands, START);
    assert!(taken < commands.len() && !session.wants_input());
    session.poll_output();
    assert!(session.wants_input());
}

/// A session under a download that has moved nothing yet, and the name of its transfer.
fn downloading(config: Config) -> (Driver, ftp_proto::ActionId) {
    let mut driver = Driver::new(config);
    driver.log_in("alice", "secret");
    driver.send(b"PASV\r\n");
    while driver.finish_next_own() {}
    let accept = driver.ledger.take(|action| matches!(action, Action::Accept(_))).expect("a listener");
    driver.do_work(accept);
    driver.send(b"RETR readme.txt\r\n");
    while driver.finish_next_own() {}
    let id = driver.ledger.outstanding().find(|action| matches!(action, Action::Transfer(_))).map(Action::id);
    (driver, id.expect("a transfer"))
}

fn duration(event: &Event) -> Option<Duration> {
    if let Event::Transferred(report) = event { Some(report.duration) } else { None }
}

#[test]
fn a_transfer_lasts_until_the_client_is_gone() {
    let (mut driver, _) = downloading(Config::default());
    driver.session.handle_eof(driver.now + Duration::from_secs(5));
    driver.finish_all();
    assert_eq!(driver.ledger.events.iter().find_map(duration), Some(Duration::from_secs(5)));
}

#[test]
fn a_transfer_lasts_until_the_server_stops() {
    let (mut driver, _) = downloading(Config::default());
    driver.session.shutdown(Shutdown::Now, driver.now + Duration::from_secs(5));
    driver.finish_all();
    assert_eq!(driver.ledger.events.iter().find_map(duration), Some(Duration::from_secs(5)));
}

#[test]
fn a_transfer_stalls_from_the_moment_of_its_last_progress() {
    let stall = Duration::from_secs(10);
    let (mut driver, transfer) = downloading(Config { stall_timeout: Some(stall), ..Config::default() });
    let told = driver.now + Duration::from_secs(5);
    driver.session.handle_progress(transfer, 1, told);
    assert_eq!(driver.session.poll_timeout(), Some(told + stall));
}

#[test]
fn a_pause_that_is_over_before_it_is_told_counts_from_then() {
    let stall = Duration::from_secs(10);
    let (mut driver, transfer) = downloading(Config { stall_timeout: Some(stall), ..Config::default() });
    let told = driver.now + Duration::from_secs(5);
    driver.session.handle_pause(transfer, driver.now, told);
    assert_eq!(driver.session.poll_timeout(), Some(told + stall));
}

#[test]
fn a_session_is_idle_from_the_moment_that_it_gives_up_waiting_for_a_port() {
    let idle = Duration::from_secs(10);
    let mut driver = Driver::new(Config { idle_timeout: Some(idle), ..Config::default() });
    driver.log_in("alice", "secret");
    driver.send(b"PASV\r\nABOR\r\n");
    let listen = driver.ledger.outstanding().next().map(Action::id).expect("it asks for a port");
    let told = driver.now + Duration::from_secs(5);
    driver.session.handle_wait(listen, told);
    assert_eq!(driver.session.poll_timeout(), Some(told + idle));
}
