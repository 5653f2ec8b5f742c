//! Hooks that take their time, for ever, or the wrong turn.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use ftp_driver::{
    Addresses, BoxFuture, Handle, Hooks, IncompleteTransfer, LoggedIn, LoggedOut, LoginFailed, Runtime, SessionInfo,
    Summary, TreeChange, serve, serve_connection,
};
use ftp_proto::Instant;

use crate::world::{SimStream, Task, World};
use crate::{Simulated, local, service};

/// Notes each call when it comes, and ends it only when the gate is open.
#[derive(Clone, Default)]
struct Gated(Arc<Mutex<Gate>>);

#[derive(Default)]
struct Gate {
    calls: Vec<String>,
    is_open: bool,
    waiting: Vec<Waker>,
}

impl Gated {
    fn call(&self, name: String) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.0.lock().unwrap().calls.push(name);
            self.passed().await;
        })
    }

    async fn passed(&self) {
        poll_fn(|cx| {
            let mut gate = self.0.lock().unwrap();
            if gate.is_open {
                return Poll::Ready(());
            }
            gate.waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn set_open(&self, is_open: bool) {
        let mut gate = self.0.lock().unwrap();
        gate.is_open = is_open;
        gate.waiting.drain(..).for_each(Waker::wake);
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().calls)
    }
}

impl Hooks for Gated {
    fn connected(&self, _: SessionInfo) -> BoxFuture<'_, ()> {
        self.call("connected".into())
    }

    fn disconnected(&self, summary: Summary) -> BoxFuture<'_, ()> {
        self.call(format!("disconnected: {}", summary.reason))
    }

    fn logged_in(&self, event: LoggedIn) -> BoxFuture<'_, ()> {
        self.call(format!("logged in: {}", event.user))
    }

    fn login_failed(&self, event: LoginFailed) -> BoxFuture<'_, ()> {
        self.call(format!("login failed: {}", event.user))
    }

    fn logged_out(&self, event: LoggedOut) -> BoxFuture<'_, ()> {
        self.call(format!("logged out: {}", event.reason))
    }

    fn changed(&self, event: TreeChange) -> BoxFuture<'_, ()> {
        self.call(format!("changed: {:?}", event.change))
    }

    fn incomplete_received(&self, event: IncompleteTransfer) -> BoxFuture<'_, ()> {
        let IncompleteTransfer { transfer, reason, remains, .. } = event;
        self.call(format!("incomplete received: {reason:?}, {} bytes, {remains:?}", transfer.bytes))
    }

    fn missed(&self, session: SessionInfo, count: u64) -> BoxFuture<'_, ()> {
        self.call(format!("missed: {count} of {session}"))
    }
}

#[test]
fn a_hook_that_does_not_end_delays_no_reply_and_hoards_no_calls() {
    let hooks = Gated::default();
    let mut session = Simulated::new(service().hooks(hooks.clone()));
    session.login();
    for number in 0..1000 {
        session.says(&format!("MKD {number}\r\n"), "257 ");
    }
    assert_eq!(hooks.calls(), ["connected"]);

    hooks.set_open(true);
    session.run();
    let calls = hooks.calls();
    // Of 1,001 calls 256 have waited.
    assert_eq!(calls.len(), 257);
    assert_eq!(calls[0], "logged in: alice");
    assert_eq!(calls[255], "changed: MakeDirectory(VirtualPath(/254))");
    assert_eq!(calls[256], "missed: 745 of [alice]@192.0.2.2:50000");

    session.says("MKD more\r\n", "257 ");
    assert_eq!(hooks.calls(), ["changed: MakeDirectory(VirtualPath(/more))"]);
    session.control.send(b"QUIT\r\n");
    session.run_to_end();
    assert_eq!(hooks.calls(), ["logged out: quit", "disconnected: quit"]);
}

#[test]
fn a_wrong_login_is_told_at_once_though_its_answer_waits() {
    let hooks = Gated::default();
    hooks.set_open(true);
    let mut session = Simulated::new(service().hooks(hooks.clone()));
    session.says("USER alice\r\n", "331 ");
    session.says("PASS wrong\r\n", "");
    assert_eq!(hooks.calls(), ["connected", "login failed: alice"]);
    session.pass(Duration::from_secs(3));
    assert!(session.said().starts_with("530 "));
    assert_eq!(hooks.calls(), [""; 0]);
}

#[test]
fn an_upload_that_stalls_is_told_as_cut() {
    let hooks = Gated::default();
    hooks.set_open(true);
    let mut session = Simulated::new(service().hooks(hooks.clone()));
    session.login();
    let mut data = session.passive();
    session.says("STOR new\r\n", "125 ");
    data.send(b"begun");
    session.run();
    session.run_to_end();
    let cut = "incomplete received: SessionEnded(Stalled), 5 bytes, Partial";
    assert_eq!(hooks.calls()[2..], [cut, "logged out: transfer stalled", "disconnected: transfer stalled"]);
}

/// Who cleans up after cut uploads tells by their length whether the file is still theirs.
#[test]
fn what_comes_together_with_the_end_of_an_upload_is_counted_as_far_as_it_is_written() {
    for by_abor in [true, false] {
        let hooks = Gated::default();
        hooks.set_open(true);
        let service = service().hooks(hooks.clone()).build();
        let mut session = Simulated::with(service.clone());
        session.login();
        let mut data = session.passive();
        session.says("STOR new\r\n", "125 ");
        hooks.calls();
        data.send(b"begun");
        if by_abor {
            session.says("ABOR\r\n", "426 ");
        }
        drop(session.control);
        while session.task.run().is_none() {
            assert!(session.world.skip_to_next_timer(), "the session waits for ever");
        }
        let told = hooks.calls().remove(0);

        let mut other = Simulated::with(service);
        other.login();
        let size = other.says("SIZE new\r\n", "213 ");
        let written = format!(" {} bytes, Partial", size["213 ".len()..].trim_end());
        assert!(told.starts_with("incomplete received: ") && told.ends_with(&written), "{told}, {size}");
    }
}

#[test]
fn what_was_missed_is_told_in_its_place_and_the_end_always() {
    let hooks = Gated::default();
    let mut session = Simulated::new(service().hooks(hooks.clone()));
    session.login();
    for number in 0..300 {
        session.says(&format!("MKD {number}\r\n"), "257 ");
    }
    session.control.send(b"QUIT\r\n");
    while session.world.skip_to_next_timer() {
        session.run();
    }
    hooks.set_open(true);
    assert_eq!(session.run_to_end().reason.to_string(), "quit");
    let calls = hooks.calls();
    assert_eq!(calls.len(), 1 + 256 + 2);
    assert!(calls[257].starts_with("missed: 46 of "), "{}", calls[257]);
    assert_eq!(calls[258], "disconnected: quit");
}

/// A server with the one client of a simulated world, and its session.
struct Served {
    world: World,
    handle: Handle,
    server: Task<()>,
    client: SimStream,
    sessions: Arc<Mutex<Vec<Task<()>>>>,
}

impl Served {
    fn new(hooks: impl Hooks) -> Self {
        let (world, service) = (World::default(), service().hooks(hooks).build());
        let (listener, address) = world.listen(local(21)).unwrap();
        let handle = Handle::new(&service, [address]);
        let sessions = Arc::new(Mutex::new(Vec::new()));
        let spawned = Arc::clone(&sessions);
        let spawn = move |session| spawned.lock().unwrap().push(Task::new(session));
        let server = Task::new(serve(world.clone(), vec![listener], handle.clone(), spawn));
        let client = world.connect_to(address, "192.0.2.2:50000".parse().unwrap()).unwrap();
        let mut served = Self { world, handle, server, client, sessions };
        assert!(!served.run());
        served
    }

    /// Polls what was woken; whether the server has ended.
    fn run(&mut self) -> bool {
        let ended = self.server.run().is_some();
        self.sessions.lock().unwrap().retain_mut(|session| session.run().is_none());
        ended || self.server.run().is_some()
    }

    fn sessions(&self) -> usize {
        self.sessions.lock().unwrap().len()
    }

    /// Lets time pass until the connection of the session is closed.
    fn quit(&mut self) {
        self.client.send(b"QUIT\r\n");
        for _ in 0..10 {
            assert!(!self.run());
            self.world.skip_to_next_timer();
        }
        assert!(self.client.receive().1);
    }
}

#[test]
fn a_session_whose_hooks_go_on_takes_no_place_and_a_stop_waits_for_them() {
    let hooks = Gated::default();
    let mut served = Served::new(hooks.clone());
    served.quit();
    assert_eq!((served.handle.connections(), served.sessions()), (0, 1));

    served.handle.shutdown(Duration::from_secs(60));
    assert!(!served.run());
    hooks.set_open(true);
    assert!(served.run());
    assert_eq!((served.sessions(), hooks.calls().len()), (0, 2));
}

#[test]
fn hooks_that_last_longer_than_the_grace_are_given_up() {
    let hooks = Gated::default();
    let mut served = Served::new(hooks.clone());
    served.quit();
    let asked = served.world.now();
    served.handle.shutdown(Duration::from_secs(60));
    while !served.run() {
        assert!(served.world.skip_to_next_timer(), "the server waits for ever");
    }
    assert_eq!(served.world.now().saturating_since(asked), Duration::from_millis(60_500));
    assert_eq!((served.sessions(), hooks.calls()), (0, vec!["connected".to_owned()]));
}

#[test]
fn a_stop_at_once_leaves_hooks_half_a_second() {
    let mut served = Served::new(Gated::default());
    served.quit();
    let asked = served.world.now();
    served.handle.shutdown_now();
    while !served.run() {
        assert!(served.world.skip_to_next_timer(), "the server waits for ever");
    }
    assert_eq!(served.world.now().saturating_since(asked), Duration::from_millis(500));
}

#[test]
fn what_hooks_keep_waiting_is_small() {
    let (_control, server) = SimStream::pair();
    let addresses = Addresses { local: local(21), peer: "192.0.2.2:50000".parse().unwrap() };
    let session = serve_connection(World::default(), service().build(), server, addresses);
    let size = size_of_val(&session);
    assert!(size <= 128, "{size} bytes");
}

#[test]
fn a_hook_that_panics_ends_itself_alone() {
    struct Panics(Gated);
    impl Hooks for Panics {
        fn connected(&self, _: SessionInfo) -> BoxFuture<'_, ()> {
            panic!("this panic is a part of the test");
        }

        fn logged_in(&self, _: LoggedIn) -> BoxFuture<'_, ()> {
            Box::pin(async { panic!("this panic is a part of the test") })
        }

        fn disconnected(&self, summary: Summary) -> BoxFuture<'_, ()> {
            self.0.disconnected(summary)
        }
    }

    let hooks = Gated::default();
    hooks.set_open(true);
    let mut session = Simulated::new(service().hooks(Panics(hooks.clone())));
    session.login();
    session.control.send(b"QUIT\r\n");
    session.run_to_end();
    assert_eq!(hooks.calls(), ["disconnected: quit"]);
}

#[test]
fn a_hook_may_wait_for_a_timer_of_the_runtime() {
    struct Sleeps(World, Gated);
    impl Hooks for Sleeps {
        fn connected(&self, session: SessionInfo) -> BoxFuture<'_, ()> {
            Box::pin(async move {
                self.0.timer(Instant::default() + Duration::from_secs(10)).await;
                self.1.connected(session).await;
            })
        }
    }

    let (world, hooks) = (World::default(), Gated::default());
    hooks.set_open(true);
    let (mut control, server) = SimStream::pair();
    let service = service().hooks(Sleeps(world.clone(), hooks.clone())).build();
    let addresses = Addresses { local: local(21), peer: "192.0.2.2:50000".parse().unwrap() };
    let mut task = Task::new(serve_connection(world.clone(), service, server, addresses));
    assert!(task.run().is_none());
    assert_eq!(control.receive().0, b"220 Ferry ready.\r\n");
    assert!(hooks.calls().is_empty());
    while hooks.calls().is_empty() {
        assert!(world.skip_to_next_timer());
        assert!(task.run().is_none());
    }
    assert_eq!(world.now(), Instant::default() + Duration::from_secs(10));
}
