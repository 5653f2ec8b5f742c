//! Every time that a session is given, to the second, and what happens when it is over.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ftp_driver::{Handle, Runtime, Stop, Summary, serve};
use ftp_proto::{CloseReason, Config, Shutdown};

use crate::world::{BLACK_HOLE, SimStream, Task, World};
use crate::{Simulated, local, service};

const CLIENT: &str = "192.0.2.2";

/// What a session says next, how many seconds from now.
fn next_words(session: &mut Simulated) -> (String, f64) {
    let before = session.world.now();
    loop {
        assert!(session.step(), "nothing is ever said");
        let said = session.said();
        if !said.is_empty() {
            return (said, session.world.now().saturating_since(before).as_secs_f64());
        }
    }
}

fn limited(change: impl FnOnce(&mut Config)) -> Simulated {
    let mut config = Config::default();
    change(&mut config);
    Simulated::new(service().config(config))
}

#[test]
fn who_does_not_log_in_is_sent_away() {
    let mut session = limited(|config| config.login_timeout = Some(Duration::from_millis(7500)));
    let (said, after) = next_words(&mut session);
    assert!(said.starts_with("421 ") && (7.5..7.6).contains(&after), "{said} after {after}");
    assert_eq!(session.run_to_end().reason, CloseReason::LoginTimeout);
}

#[test]
fn a_passive_connection_that_does_not_come_about_ends_the_wait_and_not_the_session() {
    let mut session = limited(|config| config.connect_timeout = Some(Duration::from_secs(7)));
    session.login();
    session.says("EPSV\r\n", "229 ");
    session.says("LIST\r\n", "150 ");
    let (said, after) = next_words(&mut session);
    assert!(said.starts_with("425 ") && (7.0..7.1).contains(&after), "{said} after {after}");
    session.says("NOOP\r\n", "200 ");
}

#[test]
fn an_active_connection_that_does_not_come_about_ends_the_wait_and_not_the_session() {
    let mut session = limited(|config| config.connect_timeout = Some(Duration::from_secs(7)));
    session.login();
    session.says(&format!("EPRT |1|{CLIENT}|{BLACK_HOLE}|\r\n"), "200 ");
    session.says("LIST\r\n", "150 ");
    let (said, after) = next_words(&mut session);
    assert!(said.starts_with("425 ") && (7.0..7.1).contains(&after), "{said} after {after}");
    session.says("NOOP\r\n", "200 ");
}

#[test]
fn an_upload_that_stands_ends_the_session() {
    let mut session = limited(|config| config.stall_timeout = Some(Duration::from_secs(7)));
    session.login();
    let mut data = session.passive();
    session.says("STOR file\r\n", "125 ");
    for _ in 0..5 {
        session.pass(Duration::from_secs(6));
        data.send(b"x");
        session.run();
    }
    let (said, after) = next_words(&mut session);
    assert!(said.starts_with("421 ") && (7.0..7.1).contains(&after), "{said} after {after}");
    assert_eq!(session.run_to_end().reason, CloseReason::Stalled);
}

/// A session whose upload has its connection, and no byte yet.
fn uploading() -> (Simulated, SimStream) {
    let mut session = Simulated::new(service());
    session.login();
    let data = session.passive();
    session.says("STOR file\r\n", "125 ");
    (session, data)
}

#[test]
fn an_abort_waits_for_another_thread_no_longer_than_that_takes() {
    let (mut session, mut data) = uploading();
    session.world.delay_blocking_work(Duration::from_millis(10));
    data.send(b"beginning");
    session.run();
    session.says("ABOR\r\n", "");
    let (said, after) = next_words(&mut session);
    assert!(said.starts_with("426 ") && after < 0.011, "{said} after {after}");
}

#[test]
fn an_abort_does_not_wait_for_a_thread_that_hangs() {
    let (mut session, mut data) = uploading();
    session.world.delay_blocking_work(Duration::from_secs(20));
    data.send(b"beginning");
    session.run();
    session.says("ABOR\r\n", "");
    let (said, after) = next_words(&mut session);
    assert!(said.starts_with("426 ") && after < 0.051, "{said} after {after}");
}

#[test]
fn an_abort_does_not_wait_at_all_for_a_thread_that_has_not_begun() {
    let (mut session, mut data) = uploading();
    session.world.hang_blocking_work(true);
    data.send(b"beginning");
    session.run();
    session.says("ABOR\r\n", "426 ");
    assert!(data.receive().1, "the data connection has ended");
}

/// Otherwise it would go on behind its report.
#[test]
fn a_stop_waits_for_another_thread_no_longer_than_that_takes() {
    let stop = Stop::new();
    let mut session = Simulated::with(service().build().stopped_by(&stop));
    session.login();
    let mut data = session.passive();
    session.says("STOR file\r\n", "125 ");
    session.world.delay_blocking_work(Duration::from_millis(10));
    data.send(b"beginning");
    session.run();
    stop.ask(Shutdown::Now);
    session.run();
    assert_eq!(session.said(), "");
    let (said, after) = next_words(&mut session);
    assert!(said.starts_with("421 ") && (0.0099..0.011).contains(&after), "{said} after {after}");
}

#[test]
fn the_idle_timer_stands_still_while_data_moves_and_begins_anew_after_it() {
    let mut session = limited(|config| config.idle_timeout = Some(Duration::from_secs(7)));
    session.login();
    let mut data = session.passive();
    session.says("STOR file\r\n", "125 ");
    for _ in 0..5 {
        session.pass(Duration::from_secs(6));
        data.send(b"x");
        session.run();
    }
    drop(data);
    session.run();
    assert!(session.said().starts_with("226 "));
    let (said, after) = next_words(&mut session);
    assert!(said.starts_with("421 ") && (7.0..7.1).contains(&after), "{said} after {after}");
    assert_eq!(session.run_to_end().reason, CloseReason::Idle);
}

#[test]
fn the_answer_to_a_wrong_login_is_late_and_so_is_all_behind_it() {
    let mut session = limited(|config| config.failed_login_delay = Duration::from_secs(4));
    session.says("USER alice\r\n", "331 ");
    session.control.send(b"PASS wrong\r\nNOOP\r\n");
    session.run();
    let (said, after) = next_words(&mut session);
    assert!(said.starts_with("530 ") && said.ends_with("\r\n200 Done nothing.\r\n"), "{said}");
    assert!((4.0..4.1).contains(&after), "{after}");
}

#[test]
fn so_many_wrong_logins_end_the_session() {
    for allowed in [1, 3] {
        let mut session = limited(|config| config.max_login_attempts = allowed);
        for attempt in 1..=allowed {
            session.says("USER alice\r\n", "331 ");
            session.control.send(b"PASS wrong\r\n");
            session.run();
            if attempt < allowed {
                let (said, after) = next_words(&mut session);
                assert!(said.starts_with("530 ") && (3.0..3.1).contains(&after), "{said} after {after}");
            }
        }
        // Late as the others are, and the last.
        let before = session.world.now();
        let summary = session.run_to_end();
        assert!(session.said().starts_with("530 "));
        assert_eq!(summary.reason, CloseReason::TooManyLogins);
        assert!(session.world.now().saturating_since(before) >= Duration::from_secs(3));
    }
}

#[test]
fn without_a_limit_one_can_be_wrong_for_ever() {
    let mut session = limited(|config| {
        (config.max_login_attempts, config.failed_login_delay) = (0, Duration::ZERO);
    });
    for _ in 0..50 {
        session.says("USER alice\r\n", "331 ");
        session.says("PASS wrong\r\n", "530 ");
    }
    session.login();
}

#[test]
fn without_timeouts_nothing_ever_ends() {
    let mut session = limited(|config| {
        (config.idle_timeout, config.login_timeout) = (None, None);
        (config.connect_timeout, config.stall_timeout) = (None, None);
    });
    assert!(!session.step(), "a login is waited for");
    session.login();
    assert!(!session.step(), "a command is waited for");
    session.says("EPSV\r\n", "229 ");
    session.says("LIST\r\n", "150 ");
    assert!(!session.step(), "a connection is waited for");
    session.says("ABOR\r\n", "426 ");
    let _data = session.passive();
    session.says("STOR file\r\n", "125 ");
    assert!(!session.step(), "data is waited for");
}

#[test]
fn the_grace_of_a_stop_is_kept_to_the_second() {
    let (world, service) = (World::default(), service().build());
    let (listener, address) = world.listen(local(21)).unwrap();
    let handle = Handle::new(&service, [address]);
    let sessions: Arc<Mutex<Vec<Task<()>>>> = Arc::default();
    let spawned = Arc::clone(&sessions);
    let spawn = move |session| spawned.lock().unwrap().push(Task::new(session));
    let mut server = Task::new(serve(world.clone(), vec![listener], handle.clone(), spawn));
    let peer = format!("{CLIENT}:50000").parse().unwrap();
    let mut control = world.connect_to(address, peer).unwrap();
    let mut run = move || {
        let ended = server.run().is_some();
        sessions.lock().unwrap().retain_mut(|session| session.run().is_none());
        ended || server.run().is_some()
    };
    control.send(b"USER alice\r\nPASS secret\r\nTYPE I\r\nEPSV\r\nSTOR file\r\n");
    assert!(!run());
    let said = String::from_utf8(control.receive().0).unwrap();
    let port = said.split('|').nth(3).unwrap().parse().unwrap();
    let mut data = world.connect_to(local(port), peer).unwrap();
    data.send(b"content");
    assert!(!run());
    handle.shutdown(Duration::from_secs(7));
    let before = world.now();
    while !run() {
        assert!(world.skip_to_next_timer());
        data.send(b"x");
    }
    let elapsed = world.now().saturating_since(before).as_secs_f64();
    // The last words may take two seconds more.
    assert!((7.0..9.1).contains(&elapsed), "{elapsed}");
    assert!(String::from_utf8(control.receive().0).unwrap().contains("421 "));
}

#[test]
fn what_a_session_was_is_told_with_its_time() {
    let mut session = Simulated::new(service());
    session.pass(Duration::from_secs(17));
    session.control.send(b"QUIT\r\n");
    let Summary { duration, reason, .. } = session.run_to_end();
    assert_eq!(reason, CloseReason::Quit);
    assert!((17.0..19.0).contains(&duration.as_secs_f64()), "{duration:?}");
}
