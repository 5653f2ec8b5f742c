//! The calls of hooks that a session has yet to make: one at a time, polled beside everything else.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use ftp_fs::BoxFuture;
use ftp_proto::{Instant, Shutdown};
use tracing::{Span, error, warn};

use crate::hooks::{FileTransfer, Hooks, IncompleteTransfer, LoggedIn, LoggedOut, LoginFailed, TreeChange};
use crate::log;
use crate::observer::{SessionInfo, Summary};
use crate::runtime::Runtime;
use crate::shutdown::{Asked, Stopping};

/// How many calls may wait.
const WAITING_MAX: usize = 256;
/// How many calls are finished before others of the thread have their turn.
const CALLS_PER_TURN: usize = 32;
/// How long hooks may still take when the connections are closed and the server is to stop now.
const LAST_HOOKS: Duration = Duration::from_millis(500);

/// A call of one of the methods of [`Hooks`].
#[derive(Debug)]
pub(crate) enum Call {
    Connected(SessionInfo),
    Disconnected(Summary),
    LoggedIn(LoggedIn),
    LoginFailed(LoginFailed),
    LoggedOut(LoggedOut),
    FileSent(FileTransfer),
    FileReceived(FileTransfer),
    IncompleteSent(IncompleteTransfer),
    IncompleteReceived(IncompleteTransfer),
    Changed(TreeChange),
    Missed(SessionInfo, u64),
}

/// The calls of one session, in order. Without hooks it is nothing.
pub(crate) struct HookQueue(Option<Box<Calls>>);

struct Calls {
    hooks: Arc<dyn Hooks>,
    waiting: VecDeque<Call>,
    running: Option<BoxFuture<'static, ()>>,
    /// Calls that were left out behind those that wait, and the session that they were of.
    missed: Option<(SessionInfo, u64)>,
}

impl HookQueue {
    pub(crate) fn new(hooks: Option<Arc<dyn Hooks>>) -> Self {
        let calls = |hooks| Box::new(Calls { hooks, waiting: VecDeque::new(), running: None, missed: None });
        Self(hooks.map(calls))
    }

    /// Whether anybody wants to be called.
    pub(crate) const fn is_used(&self) -> bool {
        self.0.is_some()
    }

    /// Whether nothing is left to be done.
    pub(crate) fn is_idle(&self) -> bool {
        let idle = |calls: &Calls| calls.running.is_none() && calls.waiting.is_empty() && calls.missed.is_none();
        self.0.as_deref().is_none_or(idle)
    }

    /// Adds a call, if there is room.
    pub(crate) fn push(&mut self, session: &SessionInfo, call: impl FnOnce(SessionInfo) -> Call) {
        let Some(calls) = &mut self.0 else { return };
        if calls.waiting.len() + usize::from(calls.missed.is_some()) < WAITING_MAX {
            calls.push(call(session.clone()));
        } else if let Some((_, count)) = &mut calls.missed {
            *count += 1;
        } else {
            warn!("hooks are too slow: from now on calls are left out");
            calls.missed = Some((session.clone(), 1));
        }
    }

    /// Adds the last call, for which there is always room.
    pub(crate) fn push_last(&mut self, summary: &Summary) {
        if let Some(calls) = &mut self.0 {
            calls.push(Call::Disconnected(summary.clone()));
        }
    }

    /// Ready when nothing waits and nothing runs.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(calls) = &mut self.0 else { return Poll::Ready(()) };
        for _ in 0..CALLS_PER_TURN {
            if calls.running.is_none() {
                calls.running = calls.next();
            }
            let Some(running) = &mut calls.running else { return Poll::Ready(()) };
            if let Some(Poll::Pending) = guarded(|| running.as_mut().poll(cx)) {
                return Poll::Pending;
            }
            let done = calls.running.take();
            guarded(|| drop(done));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Gives up what runs and what waits. Tells how many calls that were.
    pub(crate) fn give_up(&mut self) -> usize {
        let Some(calls) = &mut self.0 else { return 0 };
        let running = calls.running.take();
        let count = usize::from(running.is_some()) + calls.waiting.len();
        guarded(|| drop(running));
        calls.waiting.clear();
        calls.missed = None;
        count
    }
}

impl Calls {
    fn push(&mut self, call: Call) {
        let missed = self.missed.take().map(|(session, count)| Call::Missed(session, count));
        self.waiting.extend(missed.into_iter().chain([call]));
    }

    fn next(&mut self) -> Option<BoxFuture<'static, ()>> {
        let missed = || self.missed.take().map(|(session, count)| Call::Missed(session, count));
        let Some(call) = self.waiting.pop_front().or_else(missed) else {
            // A burst leaves no memory behind that is not needed any more.
            self.waiting = VecDeque::new();
            return None;
        };
        let hooks = Arc::clone(&self.hooks);
        Some(Box::pin(async move { call.of(&*hooks).await }))
    }
}

impl Call {
    fn of(self, hooks: &dyn Hooks) -> BoxFuture<'_, ()> {
        match self {
            Self::Connected(session) => hooks.connected(session),
            Self::Disconnected(summary) => hooks.disconnected(summary),
            Self::LoggedIn(event) => hooks.logged_in(event),
            Self::LoginFailed(event) => hooks.login_failed(event),
            Self::LoggedOut(event) => hooks.logged_out(event),
            Self::FileSent(event) => hooks.file_sent(event),
            Self::FileReceived(event) => hooks.file_received(event),
            Self::IncompleteSent(event) => hooks.incomplete_sent(event),
            Self::IncompleteReceived(event) => hooks.incomplete_received(event),
            Self::Changed(event) => hooks.changed(event),
            Self::Missed(session, count) => hooks.missed(session, count),
        }
    }
}

/// Lets the hooks of a session whose connections are closed come to their end, until the server is to stop now.
pub(crate) async fn last_hooks<R: Runtime>(
    runtime: R,
    mut hooks: HookQueue,
    mut stopping: Stopping,
    span: Span,
    summary: Summary,
) -> Summary {
    let mut asked = None;
    let mut limit: Option<(Instant, R::Timer)> = None;
    poll_fn(|cx| {
        let _entered = span.enter();
        if hooks.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        while let Poll::Ready(what) = stopping.poll_asked(asked, cx) {
            asked = Some(what);
        }
        if asked != Some(Asked::Stop(Shutdown::Now)) {
            return Poll::Pending;
        }
        let (until, timer) = limit.get_or_insert_with(|| {
            let until = runtime.now() + LAST_HOOKS;
            (until, runtime.timer(until))
        });
        while runtime.now() < *until {
            if Pin::new(&mut *timer).poll(cx).is_pending() {
                return Poll::Pending;
            }
            *timer = runtime.timer(*until);
        }
        log::hooks_given_up(hooks.give_up());
        Poll::Ready(())
    })
    .await;
    summary
}

/// Runs code of the embedder's, whose panic is to end nothing but itself: it is never touched again.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    if done.is_err() {
        error!("a hook panicked");
    }
    done.ok()
}
