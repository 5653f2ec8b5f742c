//! One session as one future: control connection, timer and actions are polled together, by one task at a time.

mod ending;
mod input;
mod newcomer;
mod telling;
mod work;

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use ftp_fs::BoxFuture;
use ftp_proto::{
    Action, ActionId, Channel, CloseReason, Instant, Output, Secured, Session, StartTls, Ticket, TlsError,
};
use ftp_types::UserName;
use tracing::Span;

use self::ending::Ending;
pub(crate) use self::newcomer::{alone, serve_newcomer};
use self::telling::OwnSpan;
use self::work::tell_progress;
use crate::actions::Actions;
use crate::control::Control;
use crate::data::Lingering;
use crate::holdings::Holdings;
use crate::hook_queue::{Call, HookQueue, last_hooks};
use crate::io::Deadline;
use crate::limits::Place;
use crate::log;
use crate::observer::{SessionInfo, Summary};
use crate::record::{Beginning, Core, Scribe};
use crate::runtime::{Route, Runtime};
use crate::service::Service;
use crate::sessions::LiveSession;
use crate::shutdown::{Asked, Stopping};
use crate::task::Running;
use crate::tls::TlsServer;

/// How often everything of a session is looked at before others of the thread have their turn.
const ROUNDS_PER_TURN: usize = 32;

/// Serves one client, from the greeting to the end, and tells what it was.
///
/// The future is complete in itself: it needs nobody to be spawned beside it, and runs wherever it is polled. How it
/// ends is up to the client, the timeouts of the service, and [`Service::stopped_by`].
///
/// # Cancellation
/// Dropping the future cuts the session off: the connection closes without a word, running uploads count as cut, and
/// hooks that have not ended by then never will.
pub fn serve_connection<R: Runtime>(
    runtime: R,
    service: Service,
    stream: R::Stream,
    route: impl Into<Route>,
) -> impl Future<Output = Summary> + Send + 'static {
    let mut connection = Connection::arrived(runtime, service, stream, route.into());
    async move {
        connection.begin();
        let summary = poll_fn(|cx| connection.poll(cx)).await;
        let last = match leave(connection, None, summary) {
            Ok(summary) => return summary,
            Err(last) => last,
        };
        last.await
    }
}

/// Closes the sockets of a session that has ended, so that its place is free again. Its hooks may take longer: with what
/// comes to its end with the last of them.
fn leave<R: Runtime>(
    mut connection: Box<Connection<R>>,
    place: Option<Place>,
    summary: Summary,
) -> Result<Summary, BoxFuture<'static, Summary>> {
    let hooks = connection.take_hooks();
    if hooks.is_idle() {
        // In this order, which that of arguments would not be.
        drop((connection, place));
        return Ok(summary);
    }
    // A stop waits for this session as long as somebody listens for it.
    let stopping = connection.actions.service.stop.listen();
    let span = connection.span().span;
    let last = Box::pin(last_hooks(connection.runtime.clone(), hooks, stopping, span, summary));
    drop((connection, place));
    Err(last)
}

struct Connection<R: Runtime> {
    runtime: R,
    session: Core,
    control: Control<R::Stream>,
    actions: Actions<R>,
    running: Vec<Box<dyn Running<R>>>,
    /// The TLS handshake of the control connection, while there is one.
    securing: Option<Ticket<StartTls>>,
    /// What the core has put out and cannot be done yet, since bytes before it are not written.
    outputs: VecDeque<Output>,
    lingering: Lingering<R>,
    timer: Option<(Instant, R::Timer)>,
    stopping: Stopping,
    asked: Option<Asked>,
    /// The login that is being judged.
    judging: Option<ActionId>,
    ending: Option<Ending>,
    /// The client has ended the control connection, and the session was not told yet.
    ends_input: bool,
    /// How long a transfer on another thread is waited for that has been recalled.
    recall: Option<Box<Deadline<R>>>,
    began: Instant,
    /// The span that the session began in.
    outer_span: Option<Box<Span>>,
    /// Its own, while it is needed or kept: subscribers keep with it what it tells, and sessions are idle most of their time.
    span: Option<Box<OwnSpan>>,
    info: SessionInfo,
    hooks: HookQueue,
    /// Who was logged in last and is not any more.
    last_user: Option<UserName>,
    reason: CloseReason,
    bytes_sent: u64,
    bytes_received: u64,
    /// Whether the beginning was told and the end was not.
    is_told: bool,
    /// Whether it goes on elsewhere as soon as it has more to do than to log in.
    is_newcomer: bool,
    /// Whether there has been a transfer since there was nothing to do.
    has_transferred: bool,
}

impl<R: Runtime> Connection<R> {
    /// Listens for a stop from here on, so that one waits also for sessions that have not been polled yet.
    fn arrived(runtime: R, service: Service, stream: R::Stream, route: Route) -> Box<Self> {
        let stopping = service.stop.listen();
        // On the heap, so that what hooks keep waiting is small; and from here on, since a future keeps room for all
        // that it is made of, even when it has gone elsewhere.
        Box::new(Self::new(runtime, service, stream, route, stopping))
    }

    fn new(runtime: R, service: Service, stream: R::Stream, route: Route, stopping: Stopping) -> Self {
        let addresses = route.client;
        crate::sockets::prepare_control(&stream, service.settings.tcp_no_delay);
        let (now, lingering) = (runtime.now(), Lingering::new());
        let begin = if service.implicit_tls { Session::with_implicit_tls } else { Session::new };
        let session = Core::new(begin(Arc::clone(&service.settings.config), addresses.local, addresses.peer, now));
        let info = SessionInfo { id: next_session_id(), addresses, user: None };
        let hooks = HookQueue::new(service.settings.hooks.clone());
        let holdings = Holdings::new(lingering.closing().clone());
        Self {
            session,
            control: Control::new(stream),
            actions: Actions::new(runtime.clone(), service, route, holdings),
            running: Vec::new(),
            securing: None,
            outputs: VecDeque::new(),
            lingering,
            timer: None,
            stopping,
            asked: None,
            judging: None,
            ending: None,
            ends_input: false,
            recall: None,
            began: now,
            outer_span: None,
            span: None,
            hooks,
            last_user: None,
            reason: CloseReason::ShutDown,
            bytes_sent: 0,
            bytes_received: 0,
            info,
            runtime,
            is_told: false,
            is_newcomer: false,
            has_transferred: false,
        }
    }

    /// Tells that there is a session, in its first turn: whoever is told runs where the session runs.
    fn begin(&mut self) {
        self.outer_span = Some(Span::current()).filter(|span| !span.is_none()).map(Box::new);
        let settings = &self.actions.service.settings;
        let time = (settings.clock)();
        self.stopping.show(LiveSession::new(self.info.clone(), time));
        self.is_told = true;
        if let Some(recorder) = &settings.recorder {
            let (config, implicit_tls) = (&*settings.config, self.actions.service.implicit_tls);
            let beginning = Beginning { session: &self.info, implicit_tls, config, now: self.began, time };
            self.session.record_by(Scribe::begin(&**recorder, &beginning));
        }
        settings.observer.connected(&self.info);
        self.hooks.push(&self.info, Call::Connected);
        if log::tells_of_connections() {
            self.in_span(|_| log::connected());
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Summary> {
        let served = self.serve(cx);
        self.session.end_turn();
        if served.is_pending() && !self.hooks.is_idle() {
            // Whatever hooks do, the session has had its turn before.
            let _ = self.in_span(|connection| connection.hooks.poll(cx));
        }
        if self.running.is_empty() && self.hooks.is_idle() && !self.actions.holdings.has_data_channel() {
            self.rest();
        } else if let Some(own) = &mut self.span {
            own.seat = None;
        }
        served
    }

    fn serve(&mut self, cx: &mut Context<'_>) -> Poll<Summary> {
        // Whoever asks later wakes the session, or does so from within a round.
        while self.poll_stop(cx) {}
        for _ in 0..ROUNDS_PER_TURN {
            let progress = self.round(cx);
            while progress && self.poll_stop(cx) {}
            if self.is_over(cx) {
                return Poll::Ready(self.report());
            }
            if !progress && self.poll_timer(cx).is_pending() {
                return Poll::Pending;
            }
        }
        // Who keeps the session busy gets no more time for it than others.
        let _ = self.poll_timer(cx);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Looks at everything once; whether anything happened that leaves more to be done.
    fn round(&mut self, cx: &mut Context<'_>) -> bool {
        // What is written lets what waits for it begin. All else here comes behind both.
        while self.obey() | self.poll_flush(cx) {}
        let mut progress = self.poll_input(cx);
        progress |= self.poll_securing(cx);
        progress |= self.poll_running(cx);
        progress |= self.poll_ending(cx);
        // The order matters: transfers that were dropped in this round have left their connections here.
        let _ = self.lingering.poll(&self.runtime, cx);
        progress
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> bool {
        let is_last = self.ending.is_some() && self.outputs.is_empty();
        self.control.poll_flush(is_last, cx)
    }

    /// Does what the core says, as far as the order of bytes and actions lets it.
    fn obey(&mut self) -> bool {
        let mut progress = false;
        while let Some(output) = self.next_output() {
            progress = true;
            self.carry_out(output);
        }
        progress
    }

    /// What is to be done next and can be.
    fn next_output(&mut self) -> Option<Output> {
        if self.outputs.is_empty() {
            // Mostly there is one at a time, which needs no queue.
            let output = self.poll_output()?;
            match self.poll_output() {
                None if !self.has_to_wait(&output) => return Some(output),
                next => self.outputs.extend([output].into_iter().chain(next)),
            }
        }
        self.drain();
        if self.outputs.front().is_none_or(|output| self.has_to_wait(output)) {
            return None;
        }
        let output = self.outputs.pop_front();
        if self.outputs.is_empty() {
            // Sessions are idle most of their time, and there are many.
            self.outputs = VecDeque::new();
        }
        output
    }

    fn has_to_wait(&self, output: &Output) -> bool {
        matches!(output, Output::Start(_)) && (self.control.unsent() > 0 || self.settles_before(output))
    }

    fn drain(&mut self) {
        while let Some(output) = self.poll_output() {
            self.outputs.push_back(output);
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        let output = self.session.poll_output()?;
        if let Output::Close(reason) = output {
            // From now on there is a limit to the time that anything before it in the queue may take.
            self.reason = reason;
            self.ending = Some(Ending::begin(self.runtime.now()));
        }
        Some(output)
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Send(reply) => self.send(&reply),
            Output::Start(Action::StartTls(ticket)) if ticket.request().channel == Channel::Control => {
                self.in_span(|connection| connection.start_securing(ticket));
            }
            Output::Start(action) => {
                if let Action::Authenticate(ticket) = &action {
                    // Before the accounts are looked at: who is removed from them is found here, or not let in there.
                    self.stopping.show_login(&ticket.request().user);
                    self.judging = Some(ticket.id());
                }
                self.in_span(|Self { actions, session, runtime, running, .. }| {
                    running.extend(actions.start(action, session, runtime.now()));
                });
            }
            Output::Cancel(id) => self.cancel(id),
            Output::Release(resource) => self.actions.holdings.release(resource),
            Output::Notify(event) => self.notify(&event),
            Output::Close(_) => {}
        }
    }

    fn start_securing(&mut self, ticket: Ticket<StartTls>) {
        let tls = self.actions.service.settings.tls.as_ref().map(TlsServer::for_session);
        match tls.as_ref().map_or(Err(TlsError::Handshake), |tls| self.control.begin_tls(tls)) {
            Ok(()) => (self.actions.tls, self.securing) = (tls.map(Box::new), Some(ticket)),
            Err(error) => self.session.complete(ticket, Err(error), self.runtime.now()),
        }
    }

    fn poll_securing(&mut self, cx: &mut Context<'_>) -> bool {
        if self.securing.is_none() {
            return false;
        }
        let Poll::Ready(outcome) = self.in_span(|connection| connection.control.poll_handshake(cx)) else {
            return false;
        };
        let Some(ticket) = self.securing.take() else { return false };
        self.actions.secured = outcome.is_ok();
        self.actions.certificate = self.control.client_certificate().filter(|_| outcome.is_ok()).map(Box::new);
        let outcome = outcome.map(|()| Secured { client_certificate: self.actions.certificate.is_some() });
        self.session.complete(ticket, outcome, self.runtime.now());
        true
    }

    fn poll_stop(&mut self, cx: &mut Context<'_>) -> bool {
        let Poll::Ready(asked) = self.stopping.poll_asked(self.asked, cx) else { return false };
        if !self.has_recalled(cx) {
            return false;
        }
        self.asked = Some(asked);
        for task in &mut self.running {
            tell_progress(&mut self.session, &mut **task, self.runtime.now());
        }
        match asked {
            Asked::Stop(how) => self.session.shutdown(how, self.runtime.now()),
            Asked::Dismiss(how) => self.session.dismiss(how, self.runtime.now()),
        }
        self.let_go();
        true
    }

    /// One timer for everything that the core and the ending wait for. The clock decides; the timer only wakes.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let ending = self.ending.as_ref().and_then(Ending::until);
            let Some(until) = self.session.poll_timeout().into_iter().chain(ending).min() else {
                self.timer = None;
                return Poll::Pending;
            };
            let now = self.runtime.now();
            if now >= until {
                self.session.handle_timeout(now);
                return Poll::Ready(());
            }
            // A timer that is set too early is kept: timeouts mostly move away with every command and every chunk.
            let timer = match &mut self.timer {
                Some((at, timer)) if *at <= until => timer,
                slot => &mut slot.insert((until, self.runtime.timer(until))).1,
            };
            if Pin::new(timer).poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.timer = None;
            if self.running.is_empty() {
                self.span = None;
            }
        }
    }
}

fn next_session_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
