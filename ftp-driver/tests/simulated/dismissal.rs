//! Live sessions: who is there, and the end of some of them.

use std::sync::{Arc, Mutex};
use std::task::Poll;

use ftp_driver::{LiveSession, Observer, Service, SessionInfo, Stop};
use ftp_fs::{Account, AuthError, Authenticator, BoxFuture, LoginAttempt, MemoryFs, Storage};
use ftp_proto::{CloseReason, Reply, Shutdown};
use ftp_types::{Permissions, UnixTime, UserName};

use crate::{Simulated, service};

const DISMISSED: &str = "421 Session ended by the administrator, closing.\r\n";

#[test]
fn sessions_are_listed_from_their_beginning_to_their_end() {
    let (stop, now) = (Stop::new(), Arc::new(Mutex::new(1000)));
    let clock = Arc::clone(&now);
    let service = service().clock(move || UnixTime { seconds: *clock.lock().unwrap(), nanoseconds: 0 }).build();
    let start = || Simulated::with(service.stopped_by(&stop));
    assert!(stop.sessions().is_empty());
    let mut first = start();
    *now.lock().unwrap() = 2000;
    let mut second = start();
    first.login();

    let live = stop.sessions();
    assert_eq!(live.iter().map(|live| live.since.seconds).collect::<Vec<_>>(), [1000, 2000]);
    assert!(live[0].session.id < live[1].session.id);
    assert_eq!(live[0].session.addresses.peer.port(), 50_000);
    assert_eq!((user(&live[0]), user(&live[1])), (Some("alice"), None));
    assert_eq!(live[0].logging_in, None);

    first.says("REIN\r\n", "220 ");
    assert_eq!(user(&stop.sessions()[0]), None);
    second.says("QUIT\r\n", "221 ");
    drop(second);
    assert_eq!(stop.sessions().len(), 1);
    drop(first);
    assert!(stop.sessions().is_empty());
}

#[test]
fn who_is_ended_gracefully_may_finish_a_transfer_and_others_stay() {
    let stop = Stop::new();
    let service = service().build();
    let start = || Simulated::with(service.stopped_by(&stop));
    let (mut busy, mut idle, mut stranger) = (start(), start(), start());
    busy.login();
    idle.login();
    let mut data = busy.passive();
    busy.says("STOR new\r\n", "125 ");
    data.send(b"first half");

    assert_eq!(stop.end_sessions_of(&alice(), Shutdown::Graceful), 2);
    // No time passes.
    idle.run();
    assert_eq!(idle.said(), DISMISSED);
    assert_eq!(idle.run_to_end().reason, CloseReason::Dismissed);
    busy.run();
    assert_eq!(busy.said(), "");
    data.send(b", second half");
    drop(data);
    let summary = busy.run_to_end();
    assert_eq!((summary.reason, summary.bytes_received), (CloseReason::Dismissed, 23));
    let said = busy.said();
    assert!(said.starts_with("226 ") && said.ends_with(DISMISSED), "{said}");

    // It goes on, and so do those who come.
    stranger.login();
    start().login();
}

#[test]
fn who_is_ended_at_once_loses_the_transfer_even_if_it_was_to_end_first() {
    let stop = Stop::new();
    let mut session = Simulated::with(service().build().stopped_by(&stop));
    session.login();
    let mut data = session.passive();
    session.says("STOR new\r\n", "125 ");
    data.send(b"first half");
    for how in [Shutdown::Graceful, Shutdown::Now, Shutdown::Graceful] {
        assert_eq!(stop.end_sessions(|live| live.session.user.is_some(), how), 1);
    }
    let summary = session.run_to_end();
    assert_eq!(summary.reason, CloseReason::Dismissed);
    assert_eq!(session.said(), DISMISSED);
    drop(session);
    assert_eq!(stop.end_sessions(|_| true, Shutdown::Now), 0);
}

#[test]
fn a_stop_of_all_goes_on_where_a_session_was_told_to_end() {
    let stop = Stop::new();
    let mut session = Simulated::with(service().build().stopped_by(&stop));
    session.login();
    let _data = session.passive();
    session.says("STOR new\r\n", "125 ");
    stop.end_sessions(|_| true, Shutdown::Graceful);
    session.run();
    stop.ask(Shutdown::Graceful);
    session.run();
    assert_eq!(session.said(), "");
    stop.ask(Shutdown::Now);
    assert_eq!(session.run_to_end().reason, CloseReason::ShutDown);
    assert_eq!(session.said(), "421 Server stops, closing.\r\n");
}

#[test]
fn what_picks_may_look_at_the_sessions_itself() {
    let stop = Stop::new();
    let session = Simulated::with(service().build().stopped_by(&stop));
    let alone = |_: &LiveSession| stop.sessions().len() == 1;
    assert_eq!(stop.end_sessions(alone, Shutdown::Now), 1);
    drop(session);
}

/// Judges when it is told to; everybody is let in.
#[derive(Clone, Default)]
pub(crate) struct Slow(pub(crate) Arc<Mutex<bool>>);

impl Authenticator for Slow {
    fn authenticate(&self, attempt: LoginAttempt) -> BoxFuture<'_, Result<Account, AuthError>> {
        Box::pin(async move {
            std::future::poll_fn(|cx| {
                cx.waker().wake_by_ref();
                if *self.0.lock().unwrap() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            if attempt.password.equals(b"wrong") {
                return Err(AuthError::Unavailable);
            }
            Ok(Account::new(attempt.user, Storage::blocking(MemoryFs::new()), Permissions::ALL))
        })
    }
}

#[test]
fn a_login_that_is_being_judged_does_not_slip_through() {
    let (stop, slow) = (Stop::new(), Slow::default());
    let mut session = Simulated::with(Service::builder_async(slow.clone()).build().stopped_by(&stop));
    session.says("USER alice\r\n", "331 ");
    // By the accounts that are in force now.
    session.control.send(b"PASS secret\r\nSTOR new\r\n");
    session.run_once();
    let live = stop.sessions();
    assert_eq!((user(&live[0]), live[0].logging_in.clone()), (None, Some(alice())));
    assert_eq!(stop.end_sessions_of(&"bob".parse().unwrap(), Shutdown::Graceful), 0);
    assert_eq!(stop.end_sessions_of(&alice(), Shutdown::Graceful), 1);
    *slow.0.lock().unwrap() = true;
    assert_eq!(session.run_to_end().reason, CloseReason::Dismissed);
    assert_eq!(session.said(), format!("230 Login successful.\r\n{DISMISSED}"));
}

/// Ends all sessions of alice at a reply to PWD.
struct Impatient(Stop);

impl Observer for Impatient {
    fn reply(&self, _: &SessionInfo, reply: &Reply) {
        if reply.code().number() == 257 {
            self.0.end_sessions_of(&alice(), Shutdown::Now);
        }
    }
}

#[test]
fn who_is_ended_in_the_midst_of_a_flood_does_not_go_on() {
    let stop = Stop::new();
    let service = service().observer(Impatient(stop.clone())).build();
    let mut session = Simulated::with(service.stopped_by(&stop));
    session.login();
    session.control.send(&b"PWD\r\n".repeat(600));
    // No time passes.
    session.run();
    let said = session.said();
    assert_eq!(session.run_to_end().reason, CloseReason::Dismissed);
    assert!(said.ends_with(DISMISSED), "{said}");
    // What was given to the session by then is about a hundred commands.
    assert!(said.matches("257 ").count() < 110, "{said}");
}

#[test]
fn a_login_that_came_to_nothing_is_forgotten() {
    let (stop, slow) = (Stop::new(), Slow::default());
    *slow.0.lock().unwrap() = true;
    let mut session = Simulated::with(Service::builder_async(slow).build().stopped_by(&stop));
    session.says("USER alice\r\n", "331 ");
    session.says("PASS wrong\r\n", "530 ");
    assert_eq!(stop.sessions()[0].logging_in, None);
    session.says("USER alice\r\n", "331 ");
    session.says("PASS right\r\n", "230 ");
    assert_eq!((user(&stop.sessions()[0]), stop.sessions()[0].logging_in.clone()), (Some("alice"), None));
}

#[test]
fn the_anonymous_user_is_one_by_either_name() {
    let (stop, open) = (Stop::new(), Slow::default());
    *open.0.lock().unwrap() = true;
    let mut session = Simulated::with(Service::builder_async(open).build().stopped_by(&stop));
    session.says("USER ftp\r\n", "331 ");
    session.says("PASS me@example.org\r\n", "230 ");
    assert_eq!(stop.end_sessions_of(&alice(), Shutdown::Now), 0);
    assert_eq!(stop.end_sessions_of(&"anonymous".parse().unwrap(), Shutdown::Now), 1);
}

fn user(live: &LiveSession) -> Option<&str> {
    live.session.user.as_ref().map(UserName::as_str)
}

fn alice() -> UserName {
    "alice".parse().unwrap()
}
