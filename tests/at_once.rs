//! What a session says of itself at once, before anybody has asked for its outputs.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ftp_proto::{Action, Config, Instant, LoginError, Output, Session, Shutdown, Ticket};

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
fn the_time_of_an_idle_session_runs_from_its_beginning() {
    let config = Arc::new(Config { idle_timeout: Some(Duration::from_secs(3)), ..Config::default() });
    for make in [Session::new, Session::with_implicit_tls] {
        assert_eq!(between(make, Arc::clone(&config)).poll_timeout(), Some(after(3)));
    }
}
