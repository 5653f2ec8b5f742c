//! The span of a session, as a subscriber sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ftp_proto::Config;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::{Simulated, service};

/// Counts spans: those that were made, and the handles that there are.
#[derive(Clone, Default)]
struct Spans {
    made: Arc<AtomicU64>,
    handles: Arc<AtomicU64>,
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span()
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        self.handles.fetch_add(1, Ordering::Relaxed);
        Id::from_u64(self.made.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}

    fn clone_span(&self, id: &Id) -> Id {
        self.handles.fetch_add(1, Ordering::Relaxed);
        id.clone()
    }

    fn try_close(&self, _: Id) -> bool {
        self.handles.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

impl Spans {
    fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    fn are_there(&self) -> bool {
        self.handles.load(Ordering::Relaxed) > 0
    }
}

fn download(session: &mut Simulated) {
    let mut data = session.passive();
    session.says("RETR small\r\n", "125 ");
    while !data.receive().1 {
        assert!(session.step(), "nothing moves");
    }
    drop(data);
    session.run();
    assert!(session.said().starts_with("226 "));
}

/// Runs the test with a subscriber of its own.
fn watched(test: impl FnOnce(&Spans)) {
    let spans = Spans::default();
    tracing::subscriber::with_default(spans.clone(), || {
        // Whether anybody wants a span is remembered for all threads, and another may have asked just before.
        for _ in 0..10_000 {
            let mut session = Simulated::new(service());
            session.login();
            if spans.made() > 0 {
                break;
            }
            tracing::callsite::rebuild_interest_cache();
        }
        assert!(spans.made() > 0 && !spans.are_there());
        test(&spans);
    });
}

#[test]
fn a_span_is_kept_from_one_transfer_to_the_next_and_not_for_long() {
    watched(|spans| {
        let mut session = Simulated::new(service());
        session.login();
        session.says("CWD /\r\n", "250 ");
        assert!(!spans.are_there(), "it only logged in");
        session.pass(Duration::from_secs(10));
        download(&mut session);
        let made = spans.made();
        download(&mut session);
        session.says("NOOP\r\n", "200 ");
        download(&mut session);
        assert!(spans.made() == made && spans.are_there(), "{} and {made}", spans.made());
        session.pass(Duration::from_secs(295));
        session.says("NOOP\r\n", "200 ");
        assert!(!spans.are_there());
    });
}

#[test]
fn a_session_without_timers_keeps_no_span() {
    watched(|spans| {
        let mut session = Simulated::new(service().config(Config { idle_timeout: None, ..Config::default() }));
        session.login();
        let made = spans.made();
        download(&mut session);
        assert!(spans.made() > made && !spans.are_there());
    });
}

#[test]
fn only_so_many_sessions_keep_their_span() {
    watched(|spans| {
        let service = service().build();
        let sessions: Vec<Simulated> = (0..70)
            .map(|_| {
                let mut session = Simulated::with(service.clone());
                session.login();
                download(&mut session);
                session
            })
            .collect();
        assert_eq!(spans.handles.load(Ordering::Relaxed), 64);
        drop(sessions);
        assert!(!spans.are_there());
    });
}
