//! One session as one future: control connection, timer and actions are polled together, by one task.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use ftp_fs::Remains;
use ftp_proto::{
    Action, ActionId, Channel, CloseReason, Direction, Event, Instant, Output, Reply, Secured, Session, StartTls,
    Ticket, TlsError, TransferReport,
};
use ftp_types::UserName;
use tracing::Span;

use crate::actions::Actions;
use crate::control::{Control, Input};
use crate::data::Lingering;
use crate::holdings::{ChangeTrace, FileTrace, Holdings};
use crate::hook_queue::{Call, HookQueue, last_hooks};
use crate::hooks::{FileTransfer, IncompleteTransfer, LoggedIn, LoggedOut, LoginFailed, TreeChange};
use crate::io::Deadline;
use crate::limits::Place;
use crate::log;
use crate::observer::{SessionInfo, Summary};
use crate::record::{Beginning, Core, Scribe};
use crate::runtime::{Route, Runtime};
use crate::seats::Seat;
use crate::service::Service;
use crate::sessions::LiveSession;
use crate::shutdown::{Asked, Stopping};
use crate::task::Running;
use crate::tls::TlsServer;

/// How long the last replies may take to be written once the session is closed.
const FLUSH: Duration = Duration::from_secs(5);
/// How long what the peer still sends is read after that, so that no reset overtakes the last reply.
const LINGER: Duration = Duration::from_secs(1);
/// Input goes to the core in pieces of this size, while there is less than that much to be written: so neither a flood
/// of commands in one packet nor a client that reads no replies makes the driver hoard replies.
const INPUT_PIECE: usize = 512;
const UNSENT_MAX: usize = 16 * 1024;
/// How long a transfer may take to come back from another thread.
const RECALL: Duration = Duration::from_millis(50);
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
    serve_in_place(runtime, service, stream, route.into(), None)
}

/// [`serve_connection`] for a connection that is counted: its place is free again when its sockets are closed, however
/// long its hooks take.
pub(crate) fn serve_in_place<R: Runtime>(
    runtime: R,
    service: Service,
    stream: R::Stream,
    route: Route,
    place: Option<Place>,
) -> impl Future<Output = Summary> + Send + 'static {
    // Listens from here on, so that a stop waits also for sessions that have not been polled yet.
    let stopping = service.stop.listen();
    // On the heap, so that what hooks keep waiting is small; and from here on, since a future keeps room for all that
    // it is made of, even when it has gone elsewhere.
    let mut connection = Box::new(Connection::new(runtime, service, stream, route, stopping));
    async move {
        connection.begin();
        let summary = poll_fn(|cx| connection.poll(cx)).await;
        let hooks = connection.take_hooks();
        if hooks.is_idle() {
            return summary;
        }
        // A stop waits for this session as long as somebody listens for it.
        let stopping = connection.actions.service.stop.listen();
        let span = connection.span().span;
        let last = Box::pin(last_hooks(connection.runtime.clone(), hooks, stopping, span, summary));
        drop((connection, place));
        last.await
    }
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
    /// Whether there has been a transfer since there was nothing to do.
    has_transferred: bool,
}

/// The span of a session.
struct OwnSpan {
    span: Span,
    /// It is kept for the next transfer.
    seat: Option<Seat>,
}

/// The session is closed; the connections are not yet.
struct Ending {
    step: EndingStep,
    until: Instant,
}

enum EndingStep {
    Flush,
    FinishSending,
    Discard(usize),
    Done,
}

impl<R: Runtime> Connection<R> {
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

    /// Does what may be logged by others than ourselves.
    fn in_span<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let own = self.span();
        let result = own.span.in_scope(|| work(self));
        // Nothing that is done in it logs a user in or out, which would have made it another.
        self.span = Some(own);
        result
    }

    fn span(&mut self) -> Box<OwnSpan> {
        let new = || Box::new(OwnSpan { span: log::session_span(self.outer_span.as_deref(), &self.info), seat: None });
        self.span.take().unwrap_or_else(new)
    }

    /// There is nothing to do. Sessions are idle most of their time, and there are many: what a transfer needs is kept for
    /// the next by few of them, and until a timer looks after them.
    fn rest(&mut self) {
        if mem::take(&mut self.has_transferred)
            && self.timer.is_some()
            && let Some(own) = &mut self.span
        {
            own.seat = self.actions.service.shared.kept_spans.take();
        }
        if self.span.as_ref().is_none_or(|own| own.seat.is_none()) {
            (self.span, self.running) = (None, Vec::new());
        }
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
        matches!(output, Output::Start(_)) && self.control.unsent() > 0
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
            self.ending = Some(Ending { step: EndingStep::Flush, until: self.runtime.now() + FLUSH });
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

    fn send(&mut self, reply: &Reply) {
        if log::tells_of_replies() {
            self.in_span(|_| log::reply(reply));
        }
        self.actions.service.settings.observer.reply(&self.info, reply);
        if let (125 | 150, Some(tls)) = (reply.code().number(), &self.actions.tls) {
            tls.purpose().announce();
        }
        if !self.control.is_broken() {
            reply.write_to(self.control.out());
        }
    }

    fn notify(&mut self, event: &Event) {
        if let Event::LoggedIn(user) = event {
            self.set_user(Some(user.clone()));
        }
        if log::tells_of(event) {
            self.in_span(|_| log::event(event));
        }
        self.actions.service.settings.observer.event(&self.info, event);
        if self.hooks.is_used() {
            self.in_span(|connection| connection.call_hook(event));
        }
        if matches!(event, Event::LoggedOut { .. }) {
            self.set_user(None);
        }
    }

    fn set_user(&mut self, user: Option<UserName>) {
        self.stopping.show_user(self.session.user());
        if let Some(before) = std::mem::replace(&mut self.info.user, user) {
            self.last_user = Some(before);
        }
        self.span = None;
    }

    fn call_hook(&mut self, event: &Event) {
        let hooks = &mut self.hooks;
        let info = &self.info;
        match event {
            Event::LoggedIn(user) => {
                hooks.push(info, |session| Call::LoggedIn(LoggedIn { session, user: user.clone() }));
            }
            Event::LoginFailed { user, reason } => {
                let (user, reason) = (user.clone(), *reason);
                hooks.push(info, |session| Call::LoginFailed(LoginFailed { session, user, reason }));
            }
            Event::LoggedOut { user, reason } => {
                let (user, reason) = (user.clone(), *reason);
                hooks.push(info, |session| Call::LoggedOut(LoggedOut { session, user, reason }));
            }
            Event::Changed(change) => {
                let Some(made) = self.actions.holdings.traces.change.take() else { return };
                let ChangeTrace { user, real_path, real_path_before } = *made;
                let change = change.clone();
                hooks.push(info, |session| {
                    Call::Changed(TreeChange { session, user, change, real_path, real_path_before })
                });
            }
            Event::Transferred(report) => {
                let trace = self.actions.holdings.traces.file.take().unwrap_or_default();
                hooks.push(info, |session| transferred(session, report, *trace));
            }
            _ => {}
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

    fn cancel(&mut self, id: ActionId) {
        if let Some(ticket) = self.securing.take_if(|ticket| ticket.id() == id) {
            return self.session.complete(ticket, Err(TlsError::Cancelled), self.runtime.now());
        }
        let Some(place) = self.running.iter().position(|task| task.id() == id) else { return };
        let mut task = self.running.swap_remove(place);
        tell_progress(&mut self.session, &mut *task, self.runtime.now());
        self.count(&mut *task);
        if task.progress().is_some() {
            // Lines of STAT that are not on their way yet would come behind the reply that ends it.
            self.actions.outlet.clear();
        }
        task.cancel(&mut self.session, self.runtime.now());
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

    /// Reads, while the core takes what is read and the peer takes what is written.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> bool {
        if self.ending.is_some() || !self.session.wants_input() {
            return false;
        }
        if !self.control.untaken().is_empty() {
            return self.offer_input(cx);
        }
        if self.ends_input {
            return self.offer_end(cx);
        }
        if self.control.unsent() > 0 {
            return false;
        }
        match self.control.poll_input(cx) {
            Poll::Pending => false,
            Poll::Ready(Input::Bytes(desk)) => {
                let taken = if self.may_offer(cx) { self.offer(desk.bytes()) } else { 0 };
                self.control.keep(&desk.bytes()[taken..]);
                taken > 0
            }
            Poll::Ready(Input::End) => {
                self.ends_input = true;
                self.offer_end(cx)
            }
        }
    }

    fn offer_end(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.has_recalled(cx) {
            return false;
        }
        self.ends_input = false;
        self.session.handle_eof(self.runtime.now());
        // Behind a QUIT it runs to its end.
        self.let_go();
        true
    }

    fn offer_input(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.may_offer(cx) {
            return false;
        }
        let untaken = self.control.take_untaken();
        let taken = self.offer(&untaken);
        self.control.put_back(untaken, taken);
        taken > 0
    }

    /// Offers the core what has come, and tells how much it took.
    fn offer(&mut self, bytes: &[u8]) -> usize {
        let taken = self.session.handle_input(&bytes[..bytes.len().min(INPUT_PIECE)], self.runtime.now());
        self.let_go();
        taken
    }

    fn may_offer(&mut self, cx: &mut Context<'_>) -> bool {
        // Outputs that are left wait for bytes before them to be written.
        self.control.unsent() < UNSENT_MAX && self.outputs.is_empty() && self.has_recalled(cx)
    }

    /// Whether no transfer is on another thread: what the client says is judged when it is known how far all is, and
    /// nothing goes on that has been ended. A disk that holds a transfer up does not hold this up for long.
    fn has_recalled(&mut self, cx: &mut Context<'_>) -> bool {
        let recall = |task: &mut Box<dyn Running<R>>| task.progress().is_some_and(|progress| progress.wish.recall());
        // All of them, whether or not the first is away.
        if !self.running.iter_mut().map(recall).fold(false, |any, is_away| any | is_away) {
            self.recall = None;
            return true;
        }
        let until = self.runtime.now() + RECALL;
        self.recall.get_or_insert_with(|| Box::new(Deadline::at(until))).poll(&self.runtime, cx).is_ready()
    }

    fn let_go(&mut self) {
        self.recall = None;
        self.running.iter_mut().filter_map(|task| task.progress()).for_each(|progress| progress.wish.let_go());
    }

    fn poll_running(&mut self, cx: &mut Context<'_>) -> bool {
        self.drain();
        !self.running.is_empty() && self.in_span(|connection| connection.poll_tasks(cx) | connection.are_back(cx))
    }

    /// Whether what has been recalled is back by now, so that what waits for it can go on.
    fn are_back(&mut self, cx: &mut Context<'_>) -> bool {
        let is_away = |task: &mut Box<dyn Running<R>>| task.progress().is_some_and(|progress| progress.wish.is_away());
        let are_back = self.recall.is_some() && !self.running.iter_mut().any(is_away);
        if are_back {
            self.recall = None;
            // A stop, which waits as well, is looked at in the next turn.
            cx.waker().wake_by_ref();
        }
        are_back
    }

    fn poll_tasks(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        let mut place = 0;
        while let Some(task) = self.running.get_mut(place) {
            if is_cancelled(&self.outputs, task.id()) {
                // The core has reported its end: what it did now would be in no report.
                place += 1;
                continue;
            }
            let done = task.poll(cx).is_ready();
            progress |= tell_progress(&mut self.session, &mut **task, self.runtime.now());
            if done {
                let mut task = self.running.swap_remove(place);
                self.count(&mut *task);
                // A listing that fails leaves lines here, which belong before the reply that ends it.
                self.take_lines();
                let judged = self.judging.take_if(|judging| *judging == task.id());
                task.finish(&mut self.actions.holdings, &mut self.session, self.runtime.now());
                if judged.is_some() {
                    self.stopping.show_user(self.session.user());
                }
                progress = true;
            } else {
                place += 1;
            }
        }
        // Lines of STAT take their turn among the replies, once those before them are written.
        progress | (self.control.unsent() == 0 && self.take_lines())
    }

    /// Puts lines of STAT behind what is to be written; whether there are any.
    fn take_lines(&mut self) -> bool {
        let lines = self.actions.outlet.take();
        if !lines.is_empty() {
            self.control.out().extend_from_slice(&lines);
        }
        !lines.is_empty()
    }

    fn count(&mut self, task: &mut dyn Running<R>) {
        if let Some(progress) = task.progress() {
            let bytes = progress.meter.bytes();
            self.has_transferred = true;
            let total = if progress.receives { &mut self.bytes_received } else { &mut self.bytes_sent };
            *total = total.saturating_add(bytes);
        }
    }

    /// Once the session is closed: writes the rest, sends FIN, and reads what may still come.
    fn poll_ending(&mut self, cx: &mut Context<'_>) -> bool {
        let pending = !self.outputs.is_empty() || self.control.unsent() > 0;
        let Some(ending) = &mut self.ending else { return false };
        let now = self.runtime.now();
        if matches!(ending.step, EndingStep::Done) {
            return false;
        }
        if now >= ending.until || self.control.is_broken() {
            // With nothing left to be written, the rest of the queue is carried out before the end.
            self.control.break_off();
            if self.outputs.is_empty() {
                ending.step = EndingStep::Done;
            }
            return true;
        }
        match &mut ending.step {
            EndingStep::Flush if pending => return false,
            EndingStep::Flush => {
                // Nothing runs any more and nothing is to be kept; what is left are connections on their way out.
                self.running.clear();
                self.actions.holdings.release_all();
                ending.step = EndingStep::FinishSending;
                ending.until = now + LINGER;
            }
            EndingStep::FinishSending => match self.control.poll_finish_sending(cx) {
                Poll::Ready(()) => ending.step = EndingStep::Discard(0),
                Poll::Pending => return false,
            },
            EndingStep::Discard(discarded) => match self.control.poll_discard(discarded, cx) {
                Poll::Ready(()) => ending.step = EndingStep::Done,
                Poll::Pending => return false,
            },
            EndingStep::Done => {}
        }
        true
    }

    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        if !matches!(self.ending, Some(Ending { step: EndingStep::Done, .. })) {
            return false;
        }
        self.running.clear();
        self.actions.holdings.release_all();
        self.lingering.poll_last(&self.runtime, cx).is_ready()
    }

    /// One timer for everything that the core and the ending wait for. The clock decides; the timer only wakes.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let ending = self.ending.as_ref().filter(|ending| !matches!(ending.step, EndingStep::Done));
            let Some(until) = self.session.poll_timeout().into_iter().chain(ending.map(|ending| ending.until)).min()
            else {
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

    fn report(&mut self) -> Summary {
        self.is_told = false;
        self.session.end(self.runtime.now());
        let Self { info, last_user, reason, bytes_sent, bytes_received, .. } = self;
        let mut session = info.clone();
        session.user = session.user.or_else(|| last_user.take());
        let (reason, bytes_sent, bytes_received) = (*reason, *bytes_sent, *bytes_received);
        let duration = self.runtime.now().saturating_since(self.began);
        let summary = Summary { session, reason, bytes_sent, bytes_received, duration };
        if log::tells_of_end(reason) {
            self.in_span(|_| log::disconnected(&summary));
        }
        self.actions.service.settings.observer.disconnected(&summary);
        self.hooks.push_last(&summary);
        summary
    }

    fn take_hooks(&mut self) -> HookQueue {
        std::mem::replace(&mut self.hooks, HookQueue::new(None))
    }
}

/// A session that is cut off is reported all the same, so that whoever counts sessions counts right.
impl<R: Runtime> Drop for Connection<R> {
    fn drop(&mut self) {
        if self.is_told {
            self.report();
        }
    }
}

/// Whether the core has given up that action, and the driver has yet to.
fn is_cancelled(outputs: &VecDeque<Output>, action: ActionId) -> bool {
    outputs.iter().any(|output| matches!(output, Output::Cancel(id) if *id == action))
}

fn tell_progress<R: Runtime>(session: &mut Core, task: &mut dyn Running<R>, now: Instant) -> bool {
    let (id, Some(progress)) = (task.id(), task.progress()) else { return false };
    let (bytes, pause) = (progress.news(), progress.pause());
    let any = bytes.is_some() || pause.is_some();
    bytes.into_iter().for_each(|bytes| session.handle_progress(id, bytes, now));
    pause.into_iter().for_each(|until| session.handle_pause(id, until, now));
    any
}

fn transferred(session: SessionInfo, report: &TransferReport, trace: FileTrace) -> Call {
    let transfer = FileTransfer {
        session,
        user: report.user.clone(),
        path: report.path.clone(),
        real_path: trace.real_path,
        representation: report.representation,
        bytes: report.bytes,
        duration: report.duration,
    };
    let remains = if report.direction == Direction::Upload { trace.remains } else { Remains::Unchanged };
    match (report.direction, report.end) {
        (Direction::Download, Ok(())) => Call::FileSent(transfer),
        (Direction::Upload, Ok(())) => Call::FileReceived(transfer),
        (Direction::Download, Err(reason)) => Call::IncompleteSent(IncompleteTransfer { transfer, reason, remains }),
        (Direction::Upload, Err(reason)) => Call::IncompleteReceived(IncompleteTransfer { transfer, reason, remains }),
    }
}

fn next_session_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
