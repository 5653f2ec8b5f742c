//! One session as one future: control connection, timer and actions are polled together, by one task.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use ftp_proto::{
    Action, ActionId, Channel, CloseReason, Event, Instant, Output, Reply, Secured, Session, Shutdown, StartTls,
    Ticket, TlsError,
};
use tracing::Span;

use crate::actions::Actions;
use crate::control::{Control, Input};
use crate::data::Lingering;
use crate::holdings::Holdings;
use crate::hooks::{SessionInfo, Summary};
use crate::log;
use crate::runtime::{Addresses, Runtime};
use crate::service::Service;
use crate::shutdown::Stopping;
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
/// How often everything of a session is looked at before others of the thread have their turn.
const ROUNDS_PER_TURN: usize = 32;

/// Serves one client, from the greeting to the end, and tells what it was.
///
/// The future is complete in itself: it needs nobody to be spawned beside it, and runs wherever it is polled. How it
/// ends is up to the client, the timeouts of the service, and [`Service::stopped_by`].
///
/// # Cancellation
/// Dropping the future cuts the session off: the connection closes without a word, running uploads count as cut.
pub fn serve_connection<R: Runtime>(
    runtime: R,
    service: Service,
    stream: R::Stream,
    addresses: Addresses,
) -> impl Future<Output = Summary> + Send + 'static {
    // Listens from here on, so that a stop waits also for sessions that have not been polled yet.
    let stopping = service.stop.listen();
    async move {
        let mut connection = Connection::new(runtime, service, stream, addresses, stopping);
        poll_fn(|cx| connection.poll(cx)).await
    }
}

struct Connection<R: Runtime> {
    runtime: R,
    session: Session,
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
    asked: Option<Shutdown>,
    ending: Option<Ending>,
    began: Instant,
    span: Span,
    summary: Summary,
    reported: bool,
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
    fn new(runtime: R, service: Service, stream: R::Stream, addresses: Addresses, stopping: Stopping) -> Self {
        crate::sockets::prepare_control(&stream);
        let (now, lingering) = (runtime.now(), Lingering::new());
        let begin = if service.implicit_tls { Session::with_implicit_tls } else { Session::new };
        let session = begin(Arc::clone(&service.settings.config), addresses.local, addresses.peer, now);
        let info = SessionInfo { id: next_session_id(), addresses, user: None };
        let span = log::session_span(&info);
        service.settings.hooks.connected(&info);
        span.in_scope(log::connected);
        let holdings = Holdings::new(lingering.closing().clone());
        Self {
            session,
            control: Control::new(stream),
            actions: Actions::new(runtime.clone(), service, addresses, holdings),
            running: Vec::new(),
            securing: None,
            outputs: VecDeque::new(),
            lingering,
            timer: None,
            stopping,
            asked: None,
            ending: None,
            began: now,
            span,
            summary: Summary {
                session: info,
                reason: CloseReason::ShutDown,
                bytes_sent: 0,
                bytes_received: 0,
                duration: Duration::ZERO,
            },
            runtime,
            reported: false,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Summary> {
        let span = self.span.clone();
        let _entered = span.enter();
        for _ in 0..ROUNDS_PER_TURN {
            let progress = self.round(cx);
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

    /// Looks at everything once; whether anything happened.
    fn round(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = self.obey();
        progress |= self.control.poll_flush(cx);
        progress |= self.poll_stop(cx);
        progress |= self.poll_input(cx);
        progress |= self.poll_securing(cx);
        progress |= self.poll_running(cx);
        progress |= self.poll_ending(cx);
        // The order matters: transfers that were dropped in this round have left their connections here.
        let _ = self.lingering.poll(&self.runtime, cx);
        progress
    }

    /// Does what the core says, as far as the order of bytes and actions lets it.
    fn obey(&mut self) -> bool {
        let mut progress = false;
        loop {
            self.drain();
            match self.outputs.front() {
                None => return progress,
                Some(Output::Start(_)) if self.control.unsent() > 0 => return progress,
                Some(_) => progress = true,
            }
            if let Some(output) = self.outputs.pop_front() {
                self.carry_out(output);
            }
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            if let Output::Close(reason) = output {
                // From now on there is a limit to the time that anything before it in the queue may take.
                self.summary.reason = reason;
                self.ending = Some(Ending { step: EndingStep::Flush, until: self.runtime.now() + FLUSH });
            }
            self.outputs.push_back(output);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Send(reply) => self.send(&reply),
            Output::Start(Action::StartTls(ticket)) if ticket.request().channel == Channel::Control => {
                self.start_securing(ticket);
            }
            Output::Start(action) => {
                let started = self.actions.start(action, &mut self.session, self.runtime.now());
                self.running.extend(started);
            }
            Output::Cancel(id) => self.cancel(id),
            Output::Release(resource) => self.actions.holdings.release(resource),
            Output::Notify(event) => self.notify(&event),
            Output::Close(_) => {}
        }
    }

    fn send(&mut self, reply: &Reply) {
        log::reply(reply);
        self.actions.service.settings.hooks.reply(&self.summary.session, reply);
        if !self.control.is_broken() {
            reply.write_to(self.control.out());
        }
    }

    fn notify(&mut self, event: &Event) {
        if let Event::LoggedIn(user) = event {
            self.summary.session.user = Some(user.clone());
        }
        log::event(event);
        self.actions.service.settings.hooks.event(&self.summary.session, event);
    }

    fn start_securing(&mut self, ticket: Ticket<StartTls>) {
        let tls = self.actions.service.settings.tls.as_ref().map(TlsServer::for_session);
        match tls.as_ref().map_or(Err(TlsError::Handshake), |tls| self.control.begin_tls(tls)) {
            Ok(()) => (self.actions.tls, self.securing) = (tls, Some(ticket)),
            Err(error) => self.session.complete(ticket, Err(error), self.runtime.now()),
        }
    }

    fn poll_securing(&mut self, cx: &mut Context<'_>) -> bool {
        if self.securing.is_none() {
            return false;
        }
        let Poll::Ready(outcome) = self.control.poll_handshake(cx) else { return false };
        let Some(ticket) = self.securing.take() else { return false };
        self.actions.secured = outcome.is_ok();
        self.actions.certificate = self.control.client_certificate().filter(|_| outcome.is_ok());
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
        let Poll::Ready(how) = self.stopping.poll_asked(self.asked, cx) else { return false };
        self.asked = Some(how);
        self.session.shutdown(how, self.runtime.now());
        true
    }

    /// Reads, while the core takes what is read and the peer takes what is written.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> bool {
        if self.ending.is_some() || !self.session.wants_input() {
            return false;
        }
        if !self.control.untaken().is_empty() {
            return self.offer_input();
        }
        if self.control.unsent() > 0 {
            return false;
        }
        match self.control.poll_input(cx) {
            Poll::Pending => false,
            Poll::Ready(Input::Bytes) => self.offer_input(),
            Poll::Ready(Input::End) => {
                self.session.handle_eof(self.runtime.now());
                true
            }
        }
    }

    fn offer_input(&mut self) -> bool {
        // Outputs that are left wait for bytes before them to be written.
        if self.control.unsent() >= UNSENT_MAX || !self.outputs.is_empty() {
            return false;
        }
        let untaken = self.control.untaken();
        let piece = &untaken[..untaken.len().min(INPUT_PIECE)];
        let taken = self.session.handle_input(piece, self.runtime.now());
        self.control.take(taken);
        taken > 0
    }

    fn poll_running(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        let mut place = 0;
        while let Some(task) = self.running.get_mut(place) {
            let done = task.poll(cx).is_ready();
            progress |= tell_progress(&mut self.session, &mut **task, self.runtime.now());
            if done {
                let mut task = self.running.swap_remove(place);
                self.count(&mut *task);
                // A listing that fails leaves lines here, which belong before the reply that ends it.
                self.actions.outlet.take_into(self.control.out());
                task.finish(&mut self.actions.holdings, &mut self.session, self.runtime.now());
                progress = true;
            } else {
                place += 1;
            }
        }
        // Lines of STAT take their turn among the replies, once those before them are written.
        if self.control.unsent() == 0 && self.actions.outlet.take_into(self.control.out()) {
            progress = true;
        }
        progress
    }

    fn count(&mut self, task: &mut dyn Running<R>) {
        if let Some(progress) = task.progress() {
            let bytes = progress.meter.bytes();
            let total = if progress.receives { &mut self.summary.bytes_received } else { &mut self.summary.bytes_sent };
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
        self.lingering.poll(&self.runtime, cx).is_ready()
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
        }
    }

    fn report(&mut self) -> Summary {
        self.reported = true;
        self.summary.duration = self.runtime.now().saturating_since(self.began);
        log::disconnected(&self.summary);
        self.actions.service.settings.hooks.disconnected(&self.summary);
        self.summary.clone()
    }
}

/// A session that is cut off is reported all the same, so that whoever counts sessions counts right.
impl<R: Runtime> Drop for Connection<R> {
    fn drop(&mut self) {
        if !self.reported {
            let span = self.span.clone();
            let _entered = span.enter();
            self.report();
        }
    }
}

fn tell_progress<R: Runtime>(session: &mut Session, task: &mut dyn Running<R>, now: Instant) -> bool {
    let (id, Some(progress)) = (task.id(), task.progress()) else { return false };
    let Some(bytes) = progress.news() else { return false };
    session.handle_progress(id, bytes, now);
    true
}

fn next_session_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
