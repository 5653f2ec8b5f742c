//! The session: all state of one control connection, and the public way in and out of it.

#[cfg(feature = "testing")]
pub(crate) mod control_state;
#[cfg(feature = "testing")]
mod fork;
mod lines;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use ftp_types::{UserName, VirtualPath};

use crate::action::{Action, ActionId, Output, Owner, Request, Resource, Ticket};
use crate::config::{Config, PathCodec};
use crate::data::DataChannel;
use crate::event::{CloseReason, Event, LogoutReason};
use crate::lane::Lane;
use crate::line::LineReader;
use crate::login::Login;
use crate::reply::{self, Reply};
use crate::security::Security;
use crate::timer::{Timer, Timers};
use crate::transfer::Running;
use crate::{Facts, Instant, Representation};

/// Server protocol interpreter for one control connection (RFC 959 §2.3).
///
/// # Driving it
/// After [`new`](Self::new), and after every call of a `handle_*` method, [`complete`](Self::complete),
/// [`shutdown`](Self::shutdown) or [`dismiss`](Self::dismiss):
///
/// 1. Call [`poll_output`](Self::poll_output) until it answers `None`, and do what each output says, in order. What
///    is to be sent may be collected, but it must be written before a [`Output::Start`] that comes behind it starts.
/// 2. Wait until whichever comes first:
///    - bytes on the control connection, if [`wants_input`](Self::wants_input): [`handle_input`](Self::handle_input).
///      Bytes that it does not take are to be offered again after the next drain;
///    - the end of the control connection: [`handle_eof`](Self::handle_eof);
///    - the moment of [`poll_timeout`](Self::poll_timeout): [`handle_timeout`](Self::handle_timeout);
///    - the end of an action: [`complete`](Self::complete) with its ticket; progress of a transfer:
///      [`handle_progress`](Self::handle_progress), or [`handle_pause`](Self::handle_pause) while it may not; a
///      listener that is not there at once: [`handle_wait`](Self::handle_wait).
///
/// Spurious calls are no-ops, and moments that go back are taken as the latest seen. Peer faults never become errors:
/// they become replies. A panic is a bug of this crate, never input's.
///
/// ```
/// # extern crate alloc;
/// use alloc::sync::Arc;
///
/// use ftp_proto::{Action, Config, Instant, Login, Output, Session};
///
/// let now = Instant::default();
/// let (local, peer) = ("127.0.0.1:21".parse().unwrap(), "127.0.0.1:50000".parse().unwrap());
/// let mut session = Session::new(Arc::new(Config::default()), local, peer, now);
/// let mut wire = Vec::new();
///
/// for bytes in [&b"USER al"[..], b"ice\r\nPASS secret\r\n"] {
///     assert_eq!(session.handle_input(bytes, now), bytes.len());
///     while let Some(output) = session.poll_output() {
///         match output {
///             Output::Send(reply) => reply.write_to(&mut wire),
///             Output::Start(Action::Authenticate(ticket)) => {
///                 assert_eq!(ticket.request().user.as_str(), "alice");
///                 assert!(ticket.request().proof.is_password(b"secret"));
///                 session.complete(ticket, Ok(Login::default()), now);
///             }
///             _ => {}
///         }
///     }
/// }
/// assert_eq!(
///     String::from_utf8(wire).unwrap(),
///     "220 Ferry ready.\r\n331 Username ok, send password.\r\n230 Login successful.\r\n"
/// );
/// assert_eq!(session.user().unwrap().as_str(), "alice");
/// ```
pub struct Session {
    pub(crate) config: Arc<Config>,
    pub(crate) local: SocketAddr,
    pub(crate) peer: SocketAddr,
    pub(crate) now: Instant,
    reader: LineReader,
    lane: Lane,
    outputs: VecDeque<Output>,
    owner: Arc<Owner>,
    last_id: u64,
    pub(crate) timers: Timers,
    pub(crate) login: Login,
    pub(crate) cwd: VirtualPath,
    pub(crate) representation: Representation,
    pub(crate) facts: Facts,
    pub(crate) utf8: bool,
    pub(crate) epsv_all: bool,
    pub(crate) marker: Option<OneShot>,
    pub(crate) data: DataChannel,
    // What is rarely there lies on the heap: sessions are idle most of their time, and there are many.
    pub(crate) transfer: Option<Box<Running>>,
    /// The action whose outcome is the reply to the command that runs.
    pub(crate) pending: Option<ActionId>,
    /// The last [`Listen`](crate::Listen) that was told to take its time.
    pub(crate) waiting_listen: Option<ActionId>,
    /// The reply to a wrong login, while it is held back.
    pub(crate) held: Option<Box<Held>>,
    /// Actions that were told to stop and have not been completed.
    cancelled: Vec<ActionId>,
    pub(crate) security: Security,
    /// Whether a line that is no command may be a password.
    password_ahead: bool,
    /// Whether the driver holds bytes that were offered and not taken.
    untaken: bool,
    greeted: bool,
    phase: Phase,
}

/// What one command leaves for the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OneShot {
    /// REST: where to begin.
    Restart(u64),
    /// RNFR: what to rename.
    RenameFrom(VirtualPath),
}

/// What a command's handler gets.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    /// The argument, checked against the table; empty when there is none.
    pub(crate) argument: &'a [u8],
    /// What the command before left.
    pub(crate) marker: Option<OneShot>,
}

/// A reply that waits for its time.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) reply: Reply,
    pub(crate) then_close: Option<CloseReason>,
}

#[derive(Clone, Debug)]
enum Phase {
    /// Commands are run.
    Serving,
    /// No further command is run. As soon as nothing runs any more the last reply goes out, and the session ends.
    Ending(CloseReason, Option<Box<Reply>>),
    /// [`Output::Close`] has been put out.
    Closed,
}

/// How a session is to be ended by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shutdown {
    /// A running transfer or operation may end first.
    Graceful,
    /// At once.
    Now,
}

impl Session {
    /// Begins a session. The greeting is the first output; it may be written before anything has been read.
    #[must_use]
    pub fn new(config: Arc<Config>, local: SocketAddr, peer: SocketAddr, now: Instant) -> Self {
        let mut session = Self::unopened(config, local, peer, now);
        session.greet();
        session.settle();
        session
    }

    /// Begins a session on a port where TLS comes first (implicit FTPS): the first output is a
    /// [`StartTls`](crate::StartTls), and the greeting follows it.
    #[must_use]
    pub fn with_implicit_tls(config: Arc<Config>, local: SocketAddr, peer: SocketAddr, now: Instant) -> Self {
        let mut session = Self::unopened(config, local, peer, now);
        session.start_control_tls();
        session.settle();
        session
    }

    fn unopened(config: Arc<Config>, local: SocketAddr, peer: SocketAddr, now: Instant) -> Self {
        let mut session = Self {
            local: canonical(local),
            peer: canonical(peer),
            now,
            reader: LineReader::new(),
            lane: Lane::default(),
            outputs: VecDeque::new(),
            owner: Arc::default(),
            last_id: 0,
            timers: Timers::default(),
            login: Login::default(),
            cwd: VirtualPath::root(),
            representation: Representation::default(),
            facts: Facts::default(),
            utf8: config.codec.is_none(),
            epsv_all: false,
            marker: None,
            data: DataChannel::default(),
            transfer: None,
            pending: None,
            waiting_listen: None,
            held: None,
            cancelled: Vec::new(),
            security: Security::default(),
            password_ahead: false,
            untaken: false,
            greeted: false,
            phase: Phase::Serving,
            config,
        };
        session.arm(Timer::Login, session.config.login_timeout);
        session
    }

    /// Takes control bytes; returns how many. Fewer than `bytes.len()`: stop reading until
    /// [`wants_input`](Self::wants_input).
    pub fn handle_input(&mut self, bytes: &[u8], now: Instant) -> usize {
        self.observe(now);
        if !matches!(self.phase, Phase::Serving) {
            return bytes.len();
        }
        let taken = self.take_lines(bytes, Self::wants_input);
        self.untaken = taken < bytes.len();
        self.settle();
        if matches!(self.phase, Phase::Serving) { taken } else { bytes.len() }
    }

    /// Takes control bytes in a replay: those that a session once took. There is room for them, however long the lines
    /// are by which passwords were replaced ([`SecretFilter`](crate::SecretFilter)). `more`: others stood behind them,
    /// and were not taken.
    pub fn replay_input(&mut self, bytes: &[u8], more: bool, now: Instant) {
        self.observe(now);
        if !matches!(self.phase, Phase::Serving) {
            return;
        }
        let taken = self.take_lines(bytes, Self::may_frame);
        self.untaken = more || taken < bytes.len();
        self.settle();
    }

    /// The client has closed the control connection, or it was lost. Unless the client said QUIT before, everything is
    /// released.
    pub fn handle_eof(&mut self, now: Instant) {
        self.observe(now);
        // A QUIT that will be refused ends nothing.
        let said_quit = || self.lane.any(|line| self.will_run(line, &["QUIT"]));
        let ends_itself = matches!(self.phase, Phase::Ending(..)) || said_quit();
        if !ends_itself {
            self.close(CloseReason::PeerClosed);
        }
    }

    /// Does what is due. Call it when the moment of [`poll_timeout`](Self::poll_timeout) has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.observe(now);
        while let Some(timer) = self.timers.take_due(self.now) {
            match timer {
                Timer::Idle => self.fail("Idle for too long, closing.", CloseReason::Idle),
                // A transfer that began under a login since given up may end; the time is counted from its end then.
                Timer::Login if self.transfer.is_some() => {}
                Timer::Login => self.fail("No login in time, closing.", CloseReason::LoginTimeout),
                Timer::Delay => self.release_held(),
                Timer::Connect => self.connect_timed_out(),
                Timer::Tls => self.close(CloseReason::TlsFailed),
                Timer::Stall => self.fail("Data connection stalled, closing.", CloseReason::Stalled),
            }
        }
        self.advance();
        self.settle();
    }

    /// Tells how many bytes a running transfer has moved in all. Only an increase counts as progress.
    pub fn handle_progress(&mut self, transfer: ActionId, bytes: u64, now: Instant) {
        self.observe(now);
        self.transfer_progressed(transfer, bytes);
    }

    /// Tells that the driver holds a running transfer back until that moment, by a speed limit. The time until then
    /// does not count as a stall.
    pub fn handle_pause(&mut self, transfer: ActionId, until: Instant, now: Instant) {
        self.observe(now);
        self.transfer_paused(transfer, until);
    }

    /// Tells that a [`Listen`](crate::Listen) takes its time, since all ports are taken, say. From then on an ABOR or a
    /// QUIT that is next in the queue does not wait for it, but cancels it.
    pub fn handle_wait(&mut self, listen: ActionId, now: Instant) {
        self.observe(now);
        self.waiting_listen = Some(listen);
        self.advance();
        self.settle();
    }

    /// Answers an action. The ticket moves: a wrong or a second answer does not compile.
    pub fn complete<R: Request>(&mut self, ticket: Ticket<R>, outcome: R::Outcome, now: Instant) {
        self.observe(now);
        let Ticket { id, owner, request } = ticket;
        if Arc::ptr_eq(&owner, &self.owner) {
            request.deliver(self, id, outcome);
        } else {
            self.notify(Event::StrayAnswer(id));
        }
        self.advance();
        self.settle();
    }

    /// Ends the session since the server stops.
    pub fn shutdown(&mut self, how: Shutdown, now: Instant) {
        self.end_from_here(how, "Server stops, closing.", CloseReason::ShutDown, now);
    }

    /// Ends this session, while the server goes on.
    pub fn dismiss(&mut self, how: Shutdown, now: Instant) {
        self.end_from_here(how, "Session ended by the administrator, closing.", CloseReason::Dismissed, now);
    }

    fn end_from_here(&mut self, how: Shutdown, text: &'static str, reason: CloseReason, now: Instant) {
        self.observe(now);
        match how {
            Shutdown::Graceful => self.end(reason, Some(Reply::new(421, text))),
            Shutdown::Now => self.fail(text, reason),
        }
        self.settle();
    }

    /// The next thing to do; `None` when there is nothing until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        if self.outputs.is_empty() {
            self.lane.head()?;
            // Commands may have been waiting for the driver to take what others put out.
            self.advance();
            self.settle();
        }
        let output = self.outputs.pop_front();
        if self.outputs.is_empty() && !self.is_at_work() {
            // Sessions are idle most of their time, and there are many.
            self.outputs = VecDeque::new();
        }
        output
    }

    /// Whether something runs, or has been arranged, that will put out more.
    fn is_at_work(&self) -> bool {
        self.pending.is_some() || self.transfer.is_some() || self.data.is_open()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None`: not until something else happens.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Whether [`handle_input`](Self::handle_input) would take anything. While it would not, the driver should not
    /// read: TCP then tells the client to wait.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        match self.phase {
            Phase::Serving => self.may_frame() && self.lane.has_room(),
            Phase::Ending(..) => true,
            Phase::Closed => false,
        }
    }

    /// Whether the session has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// Who is logged in.
    #[must_use]
    pub fn user(&self) -> Option<&UserName> {
        self.login.user()
    }

    /// The working directory.
    #[must_use]
    pub fn cwd(&self) -> &VirtualPath {
        &self.cwd
    }

    /// The charset that the client expects in listings; `None`: bytes as they are.
    #[must_use]
    pub fn codec(&self) -> Option<Arc<dyn PathCodec>> {
        self.config.codec.clone().filter(|_| !self.utf8)
    }
}

/// What the parts of the session share.
impl Session {
    pub(crate) fn reply(&mut self, reply: Reply) {
        if !self.is_closed() {
            self.outputs.push_back(Output::Send(reply));
        }
    }

    pub(crate) fn notify(&mut self, event: Event) {
        self.outputs.push_back(Output::Notify(event));
    }

    pub(crate) fn notify_some(&mut self, event: Option<Event>) {
        self.outputs.extend(event.map(Output::Notify));
    }

    pub(crate) fn release(&mut self, resource: Resource) {
        self.outputs.push_back(Output::Release(resource));
    }

    /// Puts an action out and tells its name.
    pub(crate) fn start<R: Request>(&mut self, request: R, action: fn(Ticket<R>) -> Action) -> ActionId {
        self.last_id += 1;
        let id = ActionId(self.last_id);
        let ticket = Ticket { id, owner: self.owner.clone(), request };
        self.outputs.push_back(Output::Start(action(ticket)));
        id
    }

    /// Starts an action whose outcome is the reply to the command that runs; the next command waits for it.
    pub(crate) fn start_pending<R: Request>(&mut self, request: R, action: fn(Ticket<R>) -> Action) {
        self.pending = Some(self.start(request, action));
    }

    /// Tells the driver to stop an action; its answer will be forgotten.
    pub(crate) fn cancel(&mut self, id: ActionId) {
        self.cancelled.push(id);
        self.outputs.push_back(Output::Cancel(id));
    }

    /// Whether this answer is that of a cancelled action, which nobody waits for any more.
    pub(crate) fn was_cancelled(&mut self, id: ActionId) -> bool {
        let found = self.cancelled.iter().position(|cancelled| *cancelled == id);
        found.map(|index| self.cancelled.swap_remove(index)).is_some()
    }

    /// Whether this answer is the one that the running command waits for; then it no longer does.
    pub(crate) fn is_pending(&mut self, id: ActionId) -> bool {
        self.pending.take_if(|pending| *pending == id).is_some()
    }

    pub(crate) fn has_cancelled(&self, id: ActionId) -> bool {
        self.cancelled.contains(&id)
    }

    pub(crate) fn arm(&mut self, timer: Timer, after: Option<Duration>) {
        self.timers.set(timer, after.map(|after| self.now + after));
    }

    /// The path that a command's argument means; an answer has been given when there is none.
    pub(crate) fn path(&mut self, argument: &[u8]) -> Option<VirtualPath> {
        let decoded = self.codec().map(|codec| codec.decode(argument));
        let path = self.cwd.join(decoded.as_deref().unwrap_or(argument));
        if path.is_err() {
            self.reply(Reply::new(553, "File name not allowed."));
        }
        path.ok()
    }

    /// A path in the client's charset.
    pub(crate) fn wire(&self, path: &VirtualPath) -> Vec<u8> {
        match self.codec() {
            Some(codec) => codec.encode(path.as_bytes()),
            None => Vec::from(path.as_bytes()),
        }
    }

    /// Lets what runs come to its end, then closes. The first reason stays.
    pub(crate) fn end(&mut self, reason: CloseReason, farewell: Option<Reply>) {
        if matches!(self.phase, Phase::Serving) {
            self.lane.clear();
            self.phase = Phase::Ending(reason, farewell.map(Box::new));
        }
    }

    /// Says 421 and closes at once. Between 234 and TLS it only closes: there is nobody who could read a reply.
    pub(crate) fn fail(&mut self, text: &'static str, reason: CloseReason) {
        if !self.security.is_securing() {
            self.reply(Reply::new(421, text));
        }
        self.close(reason);
    }

    /// Closes at once: everything is cancelled and released.
    pub(crate) fn close(&mut self, reason: CloseReason) {
        if self.is_closed() {
            return;
        }
        if let Some(pending) = self.pending.take() {
            self.cancel(pending);
        }
        self.drop_transfer(reason);
        self.reset_data();
        self.log_out(LogoutReason::SessionEnded(reason));
        self.lane.clear();
        self.held = None;
        self.timers.stop_all();
        self.phase = Phase::Closed;
        self.outputs.push_back(Output::Close(reason));
    }

    fn observe(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// The first reply of a session.
    pub(crate) fn greet(&mut self) {
        if !mem::replace(&mut self.greeted, true) {
            self.reply(Reply::message(220, &self.config.banner));
        }
    }

    /// Forgets everything that was said before TLS (RFC 4217 §4).
    pub(crate) fn forget_clear_text(&mut self) {
        self.log_out(LogoutReason::Secured);
        self.reset_parameters();
        self.epsv_all = false;
        self.reader = LineReader::new();
        self.lane.clear();
    }

    /// Sends the reply that was held back.
    pub(crate) fn release_held(&mut self) {
        let Some(held) = self.held.take() else { return };
        let Held { reply, then_close } = *held;
        self.reply(reply);
        if let Some(reason) = then_close {
            self.close(reason);
        }
    }

    /// Brings timers and phase in line with what runs, after every input.
    fn settle(&mut self) {
        if self.security.was_asked() && matches!(self.phase, Phase::Serving) {
            let nothing_behind = !self.untaken && self.lane.head().is_none() && !self.reader.is_mid_line();
            self.answer_auth(nothing_behind);
        }
        if let Phase::Ending(reason, farewell) = &mut self.phase
            && self.pending.is_none()
            && self.transfer.is_none()
        {
            let (reason, farewell) = (*reason, farewell.take());
            if let Some(farewell) = farewell {
                self.reply(*farewell);
            }
            self.close(reason);
        }
        if self.is_closed() {
            return;
        }
        if self.transfer.is_some() || self.data.is_open() {
            self.timers.stop(Timer::Idle);
        } else if !self.timers.is_set(Timer::Idle) {
            self.arm(Timer::Idle, self.config.idle_timeout);
        }
    }

    /// Storage's refusal, as a reply.
    pub(crate) fn refuse(&mut self, error: ftp_types::FsError) {
        self.reply(reply::storage_failure(error));
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("peer", &self.peer)
            .field("user", &self.user())
            .field("cwd", &self.cwd)
            .field("data", &self.data)
            .field("transfer", &self.transfer)
            .field("pending", &self.pending)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

/// An IPv4 address that came by way of an IPv6 socket is an IPv4 address.
fn canonical(address: SocketAddr) -> SocketAddr {
    let ip: IpAddr = address.ip().to_canonical();
    SocketAddr::new(ip, address.port())
}
