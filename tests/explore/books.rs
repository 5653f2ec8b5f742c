//! What a driver knows of its session from the outside, and the rules that every output and every rest is held against.
//!
//! Nothing here asks the session; the rules of a moment at rest are in `rest.rs`.

use std::collections::VecDeque;

use ferry_tests::Makes;
use ftp_proto::{Action, ActionId, Channel, CloseReason, Event, Output, Proof, Reply, Resource, Ticket};

use crate::{
    alphabet::{GREETING, Line},
    legal,
};

/// Whether the session keeps its contract.
pub(crate) type Verdict = Result<(), String>;

/// What the session was asked and asks.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// Actions that are to be answered, in the order of their start.
    pub(crate) work: Vec<Work>,
    /// What is held for the session.
    pub(crate) resources: Vec<Resource>,
    /// Commands without a reply, in their order.
    pub(crate) waiting: VecDeque<Sent>,
    /// The transfer that has had its preliminary reply.
    pub(crate) announced: Option<Sent>,
    /// A wrong login was judged, and the reply has not come.
    pub(crate) owed: bool,
    /// No command is to be run any more.
    pub(crate) ending: bool,
    /// The client is gone.
    pub(crate) eof: bool,
    /// TLS was promised and does not stand.
    pub(crate) securing: bool,
    /// A 421 was said.
    pub(crate) given_up: bool,
    pub(crate) closed: Option<CloseReason>,
    /// What the last input brought.
    pub(crate) said: Vec<Said>,
    pub(crate) outputs: usize,
    serial: u32,
}

/// An action under way.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) action: Action,
    pub(crate) cancelled: bool,
}

/// A command that was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) family: &'static str,
    pub(crate) serial: u32,
}

/// A reply, and the command that it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) to: u32,
    pub(crate) code: u16,
    pub(crate) last: bool,
}

/// What an action is about, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Login,
    Certificate,
    Stat,
    Change,
    Open,
    Check,
    Listen,
    Accept,
    Connect,
    ControlTls,
    DataTls,
    Transfer,
}

impl Work {
    pub(crate) fn kind(&self) -> Kind {
        match &self.action {
            Action::Authenticate(ticket) if matches!(ticket.request().proof, Proof::Certificate) => Kind::Certificate,
            Action::Authenticate(_) => Kind::Login,
            Action::Stat(_) => Kind::Stat,
            Action::Change(_) => Kind::Change,
            Action::Open(ticket) if ticket.request().only_check => Kind::Check,
            Action::Open(_) => Kind::Open,
            Action::Listen(_) => Kind::Listen,
            Action::Accept(_) => Kind::Accept,
            Action::Connect(_) => Kind::Connect,
            Action::StartTls(ticket) if ticket.request().channel == Channel::Control => Kind::ControlTls,
            Action::StartTls(_) => Kind::DataTls,
            Action::Transfer(_) => Kind::Transfer,
        }
    }
}

impl Kind {
    /// Whether it is what a command waits for, so that the next one has to wait.
    pub(crate) fn holds_up(self) -> bool {
        !matches!(self, Self::Accept | Self::Connect | Self::DataTls | Self::Transfer)
    }
}

impl Books {
    /// Those of a connection that has just come in.
    pub(crate) fn new(implicit_tls: bool) -> Self {
        let mut books = Self { securing: implicit_tls, ..Self::default() };
        books.queue(GREETING, 0);
        books
    }

    pub(crate) fn fork(&self) -> Self {
        Self {
            work: self.work.iter().map(|work| Work { action: work.action.again(), ..*work }).collect(),
            resources: self.resources.clone(),
            waiting: self.waiting.clone(),
            said: Vec::new(),
            ..*self
        }
    }

    /// A new input begins.
    pub(crate) fn begin(&mut self) {
        self.said.clear();
        self.outputs = 0;
    }

    /// A line is sent; behind a Synch an ABOR goes before what waits. Tells its number.
    pub(crate) fn send(&mut self, line: Line, urgent: bool) -> Option<u32> {
        if self.ending || self.closed.is_some() {
            return None;
        }
        let before = |sent: &Sent| sent.family == "ABOR";
        let mut place = if urgent { self.running() } else { self.waiting.len() };
        while self.waiting.get(place).is_some_and(before) {
            place += 1;
        }
        self.queue(line.family, place);
        Some(self.serial)
    }

    fn queue(&mut self, family: &'static str, place: usize) {
        self.serial += 1;
        self.waiting.insert(place, Sent { family, serial: self.serial });
    }

    /// The server ends the session when what runs has ended; what waits is not run any more.
    pub(crate) fn end(&mut self) {
        self.waiting.truncate(self.running());
        self.ending = true;
    }

    /// How many of the commands without a reply are being run.
    fn running(&self) -> usize {
        let cancelled = |kind: Option<Kind>| {
            self.work.iter().any(|work| work.cancelled && kind.is_none_or(|kind| work.kind() == kind))
        };
        let family = |place: usize| self.waiting.get(place).map(|sent| sent.family);
        if self.is_held_up() {
            1
        } else if self.announced.is_some() {
            usize::from(family(0) == Some("ABOR") && cancelled(None))
        } else if family(1) == Some("ABOR") && (cancelled(Some(Kind::Open)) || cancelled(Some(Kind::Check))) {
            2
        } else {
            0
        }
    }

    /// Whether a command waits for the outcome of an action, or for the time of its reply.
    pub(crate) fn is_held_up(&self) -> bool {
        self.owed || self.work.iter().any(|work| !work.cancelled && work.kind().holds_up())
    }

    /// Takes the next output.
    pub(crate) fn note(&mut self, output: Output) -> Verdict {
        self.outputs += 1;
        match output {
            Output::Release(resource) => self.release(resource),
            Output::Notify(Event::StrayAnswer(id)) => Err(format!("the answer to {id} is called stray")),
            Output::Notify(_) => Ok(()),
            _ if self.closed.is_some() => Err(String::from("something comes after the close")),
            Output::Close(reason) => {
                self.close(reason);
                Ok(())
            }
            Output::Cancel(id) => self.cancel(id),
            _ if self.given_up => Err(String::from("something comes between 421 and the close")),
            Output::Send(reply) => self.reply(&reply),
            Output::Start(action) => self.start(action),
        }
    }

    /// From now on nobody waits for a reply.
    fn close(&mut self, reason: CloseReason) {
        self.closed = Some(reason);
        self.waiting.clear();
        (self.announced, self.owed) = (None, false);
    }

    fn reply(&mut self, reply: &Reply) -> Verdict {
        let code = reply.code().number();
        if self.securing {
            return Err(format!("{code} is said where only TLS is expected"));
        }
        if code == 421 {
            self.given_up = true;
            return Ok(());
        }
        if let Some(transfer) = self.announced
            && reply.is_final()
            && legal::may_end_transfer(transfer.family, code)
        {
            self.announced = None;
            self.said.push(Said { to: transfer.serial, code, last: true });
            return Ok(());
        }
        let Some(head) = self.waiting.pop_front() else { return Err(format!("{code} answers no command")) };
        self.said.push(Said { to: head.serial, code, last: reply.is_final() });
        if reply.is_final() { self.answered(head, code) } else { self.began(head, code) }
    }

    fn began(&mut self, head: Sent, code: u16) -> Verdict {
        if self.announced.replace(head).is_some() {
            return Err(format!("{code} announces a second transfer"));
        }
        if legal::may_begin(head.family, code) { Ok(()) } else { Err(format!("{code} begins {}", head.family)) }
    }

    fn answered(&mut self, head: Sent, code: u16) -> Verdict {
        match (head.family, code) {
            ("QUIT", 221) => {
                self.waiting.clear();
                self.ending = true;
            }
            ("AUTH", 234) if !self.waiting.is_empty() => return Err(String::from("234 though something came behind")),
            ("AUTH", 234) => self.securing = true,
            ("PASS", _) => self.owed = false,
            _ => {}
        }
        if legal::may_end(head.family, code) { Ok(()) } else { Err(format!("{code} ends {}", head.family)) }
    }

    fn start(&mut self, action: Action) -> Verdict {
        let work = Work { action, cancelled: false };
        let kind = work.kind();
        if self.ending && kind.holds_up() {
            return Err(format!("{kind:?} is begun though the session is ending"));
        }
        if self.securing && kind != Kind::ControlTls {
            return Err(format!("{kind:?} is begun where only TLS is expected"));
        }
        match &work.action {
            Action::Accept(ticket) => self.needs(Resource::Listener(ticket.request().listener))?,
            Action::Transfer(ticket) => {
                self.release(Resource::File(ticket.request().file))?;
                self.takes_over(ticket.request().channel)?;
            }
            Action::StartTls(ticket) => self.takes_over(ticket.request().channel)?,
            _ => {}
        }
        if matches!(kind, Kind::Transfer | Kind::Connect) && self.announced.is_none() {
            return Err(format!("{kind:?} is begun before it was announced"));
        }
        self.work.push(work);
        Ok(())
    }

    fn takes_over(&mut self, channel: Channel) -> Verdict {
        match channel {
            Channel::Control => Ok(()),
            Channel::Data(data) => self.release(Resource::Data(data)),
        }
    }

    fn needs(&self, resource: Resource) -> Verdict {
        if self.resources.contains(&resource) { Ok(()) } else { Err(format!("there is no {resource:?}")) }
    }

    fn release(&mut self, resource: Resource) -> Verdict {
        self.needs(resource)?;
        self.resources.retain(|held| *held != resource);
        Ok(())
    }

    fn cancel(&mut self, id: ActionId) -> Verdict {
        let work = self.work.iter_mut().find(|work| work.action.id() == id && !work.cancelled);
        let found = work.map(|work| work.cancelled = true);
        found.ok_or_else(|| format!("{id} is cancelled and does not run"))
    }

    /// An action is about to be answered.
    pub(crate) fn answer<R: Makes>(&mut self, ticket: &Ticket<R>, outcome: &R::Outcome) {
        self.resources.extend(ticket.request().makes(ticket.id(), outcome));
    }
}
