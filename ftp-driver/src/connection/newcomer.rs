//! Sessions that begin where they are accepted, and go on elsewhere once they have more to do than to log in.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use ftp_fs::BoxFuture;
use ftp_proto::{Action, Output};
use tracing::error;

use super::{Connection, leave};
use crate::limits::Place;
use crate::observer::Summary;
use crate::runtime::{Route, Runtime};
use crate::service::Service;

/// Who has had so many turns has something to do, though nothing was an action.
const TURNS: u32 = 100;

/// Serves one client whose connection is counted: its place is free again when its sockets are closed, however long its
/// hooks take. With `settle` the session goes there when it first has more to do than to log in.
pub(crate) fn serve_newcomer<R: Runtime>(
    runtime: R,
    service: Service,
    stream: R::Stream,
    route: Route,
    place: Place,
    settle: Option<Arc<impl Fn(BoxFuture<'static, ()>) + Send + Sync + 'static>>,
) -> impl Future<Output = ()> + Send + 'static {
    let mut connection = Connection::arrived(runtime, service, stream, route);
    connection.is_newcomer = settle.is_some();
    async move {
        connection.begin();
        let mut turns = 0_u32;
        let served = poll_fn(|cx| {
            turns = turns.saturating_add(1);
            connection.poll_newcomer(turns, cx)
        });
        let served = served.await;
        // A future keeps room for what it holds while it waits: here, for as little as can be.
        if let Some(last) = end_or_settle(connection, place, served, settle) {
            last.await;
        }
    }
}

/// What is left to be waited for.
fn end_or_settle<R: Runtime>(
    connection: Box<Connection<R>>,
    place: Place,
    served: Option<Summary>,
    settle: Option<Arc<impl Fn(BoxFuture<'static, ()>)>>,
) -> Option<BoxFuture<'static, Summary>> {
    let Some(summary) = served else {
        settle?(go_on(connection, place));
        return None;
    };
    leave(connection, Some(place), summary).err()
}

/// A session from the moment when it has settled.
fn go_on<R: Runtime>(mut connection: Box<Connection<R>>, place: Place) -> BoxFuture<'static, ()> {
    let (from, peer) = (thread::current().id(), connection.info.addresses.peer);
    connection.is_newcomer = false;
    let mut has_moved = false;
    alone(peer, async move {
        let served = poll_fn(|cx| {
            if !has_moved && thread::current().id() != from {
                connection.wait_here();
            }
            has_moved = true;
            connection.poll(cx)
        });
        let summary = served.await;
        let last = leave(connection, Some(place), summary).err();
        if let Some(last) = last {
            last.await;
        }
    })
}

/// A session whose panics end no other. They would be bugs of ours, and some executors let them through. Nothing of the
/// session is used after one.
pub(crate) fn alone<T>(peer: SocketAddr, session: impl Future<Output = T> + Send + 'static) -> BoxFuture<'static, ()> {
    let mut served = Some(Box::pin(session));
    Box::pin(poll_fn(move |cx| {
        let polled = panic::catch_unwind(AssertUnwindSafe(|| {
            served.as_mut().map_or(Poll::Ready(()), |session| session.as_mut().poll(cx).map(drop))
        }));
        match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => {}
            Err(_) => error!(%peer, "a session panicked, which is a bug"),
        }
        let _ = panic::catch_unwind(AssertUnwindSafe(|| drop(served.take())));
        Poll::Ready(())
    }))
}

impl<R: Runtime> Connection<R> {
    /// Ready with what the session was, or with nothing when it is to go on elsewhere.
    fn poll_newcomer(&mut self, turns: u32, cx: &mut Context<'_>) -> Poll<Option<Summary>> {
        let polled = self.poll(cx);
        let may_go = self.is_newcomer && self.running.is_empty() && self.control.unsent() == 0;
        let has_to_go = || turns > TURNS || self.outputs.front().is_some_and(|output| self.settles_before(output));
        if polled.is_pending() && may_go && has_to_go() { Poll::Ready(None) } else { polled.map(Some) }
    }

    /// Whether this is done elsewhere.
    pub(super) fn settles_before(&self, output: &Output) -> bool {
        self.is_newcomer
            && matches!(output, Output::Start(action) if !matches!(action, Action::Authenticate(_)))
            && self.running.is_empty()
    }

    /// Whatever the session waits for, it waits for on this thread from now on.
    fn wait_here(&mut self) {
        self.control.rest();
        self.timer = None;
    }
}
