//! Drives a session by hand, without any I/O.

use std::{sync::Arc, time::Duration};

use ftp_proto::{
    Action, ActionId, Config, DataError, Instant, ListenError, LoginError, Request, Secured, Session, Shutdown, Ticket,
    TlsError, TransferError, Transferred,
};
use ftp_types::FsError;

use crate::{
    ledger::{Ledger, Makes},
    world::World,
};

/// The address of the client in tests over IPv4.
pub const PEER: &str = "10.0.0.1";
/// The client's port.
pub const PORT_OF_PEER: u16 = 40_000;

/// A session with everything around it that a driver has: a clock, books, and the world.
#[derive(Debug)]
pub struct Driver {
    /// The session itself.
    pub session: Session,
    /// What it put out.
    pub ledger: Ledger,
    /// Who answers.
    pub world: World,
    /// The moment that it is.
    pub now: Instant,
    /// Bytes that the session has not taken yet.
    backlog: Vec<u8>,
}

impl Driver {
    /// A session over IPv4.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::between(config, "10.0.0.9:21", &format!("{PEER}:{PORT_OF_PEER}"))
    }

    /// A session between these socket addresses, the server's first.
    ///
    /// # Panics
    /// When they are none.
    #[must_use]
    pub fn between(config: Config, local: &str, peer: &str) -> Self {
        let now = Instant::from_epoch(Duration::from_secs(1000));
        let (local, peer) = (local.parse().expect("an address"), peer.parse().expect("an address"));
        let session = Session::new(Arc::new(config), local, peer, now);
        let mut driver = Self { session, ledger: Ledger::default(), world: World::default(), now, backlog: Vec::new() };
        driver.drain();
        driver
    }

    /// The client sends bytes. What the session does not take now it is offered again later.
    pub fn send(&mut self, bytes: &[u8]) {
        self.backlog.extend_from_slice(bytes);
        self.drain();
    }

    /// Takes all outputs, and gives the session what of the input it takes.
    pub fn drain(&mut self) {
        loop {
            while let Some(output) = self.session.poll_output() {
                self.ledger.note(output);
            }
            let taken = self.session.handle_input(&self.backlog, self.now);
            self.backlog.drain(..taken);
            match self.session.poll_output() {
                Some(output) => self.ledger.note(output),
                None if taken == 0 || self.backlog.is_empty() => break,
                None => {}
            }
        }
    }

    /// How many bytes the session has not taken.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.backlog.len()
    }

    /// The client closes the control connection.
    pub fn eof(&mut self) {
        self.session.handle_eof(self.now);
        self.drain();
    }

    /// Time passes; every timeout on the way is handled at its moment.
    pub fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.session.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.session.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
        self.session.handle_timeout(self.now);
        self.drain();
    }

    /// The server stops.
    pub fn shutdown(&mut self, how: Shutdown) {
        self.session.shutdown(how, self.now);
        self.drain();
    }

    /// The server ends this session.
    pub fn dismiss(&mut self, how: Shutdown) {
        self.session.dismiss(how, self.now);
        self.drain();
    }

    /// Tells that the listener that was asked for is not there at once.
    pub fn port_is_waited_for(&mut self) {
        let id = self.ledger.outstanding().find_map(|action| match action {
            Action::Listen(ticket) => Some(ticket.id()),
            _ => None,
        });
        if let Some(id) = id {
            self.session.handle_wait(id, self.now);
            self.drain();
        }
    }

    /// Tells progress of the transfer that runs, if one does: how many bytes it has moved in all.
    pub fn progress(&mut self, bytes: u64) {
        if let Some(id) = self.transfer() {
            self.session.handle_progress(id, bytes, self.now);
            self.drain();
        }
    }

    /// Tells that speed limits hold the transfer that runs back, if one does.
    pub fn pause(&mut self, time: Duration) {
        if let Some(id) = self.transfer() {
            self.session.handle_pause(id, self.now + time, self.now);
            self.drain();
        }
    }

    fn transfer(&self) -> Option<ActionId> {
        self.ledger.outstanding().find_map(|action| match action {
            Action::Transfer(ticket) => Some(ticket.id()),
            _ => None,
        })
    }

    /// Answers an action.
    pub fn answer<R: Makes>(&mut self, ticket: Ticket<R>, outcome: R::Outcome) {
        self.ledger.answer(&ticket, &outcome);
        self.session.complete(ticket, outcome, self.now);
        self.drain();
    }

    /// Answers an action as dropped work is answered.
    pub fn drop_work(&mut self, action: Action) {
        fn cancelled<R: Makes>(driver: &mut Driver, ticket: Ticket<R>) {
            driver.answer(ticket, <R as Request>::cancelled());
        }
        match action {
            Action::Authenticate(ticket) => cancelled(self, ticket),
            Action::Stat(ticket) => cancelled(self, ticket),
            Action::Change(ticket) => cancelled(self, ticket),
            Action::Open(ticket) => cancelled(self, ticket),
            Action::Listen(ticket) => cancelled(self, ticket),
            Action::Accept(ticket) => cancelled(self, ticket),
            Action::Connect(ticket) => cancelled(self, ticket),
            Action::StartTls(ticket) => cancelled(self, ticket),
            Action::Transfer(ticket) => cancelled(self, ticket),
        }
    }

    /// Answers an action as the world does; connections come about, and transfers move five bytes.
    pub fn do_work(&mut self, action: Action) {
        match action {
            Action::Authenticate(ticket) => {
                let outcome = self.world.authenticate(ticket.request());
                self.answer(ticket, outcome);
            }
            Action::Stat(ticket) => {
                let outcome = self.world.stat(ticket.request());
                self.answer(ticket, outcome);
            }
            Action::Change(ticket) => {
                let outcome = self.world.change(ticket.request());
                self.answer(ticket, outcome);
            }
            Action::Open(ticket) => {
                let outcome = self.world.open(ticket.request());
                self.answer(ticket, outcome);
            }
            Action::Listen(ticket) => {
                let outcome = self.world.listen(ticket.request());
                self.answer(ticket, outcome);
            }
            Action::Accept(ticket) => self.answer(ticket, Ok(())),
            Action::Connect(ticket) => self.answer(ticket, Ok(())),
            Action::StartTls(ticket) => self.answer(ticket, Ok(Secured::default())),
            Action::Transfer(ticket) => self.answer(ticket, Transferred { bytes: 5, end: Ok(()) }),
        }
    }

    /// Answers an action with a failure.
    pub fn fail_work(&mut self, action: Action) {
        match action {
            Action::Authenticate(ticket) => self.answer(ticket, Err(LoginError::Rejected)),
            Action::Stat(ticket) => self.answer(ticket, Err(FsError::NotFound)),
            Action::Change(ticket) => self.answer(ticket, Err(FsError::Denied)),
            Action::Open(ticket) => self.answer(ticket, Err(FsError::NotFound)),
            Action::Listen(ticket) => self.answer(ticket, Err(ListenError::NoFreePort)),
            Action::Accept(ticket) => self.answer(ticket, Err(DataError::Failed)),
            Action::Connect(ticket) => self.answer(ticket, Err(DataError::Refused)),
            Action::StartTls(ticket) => self.answer(ticket, Err(TlsError::Handshake)),
            Action::Transfer(ticket) => {
                self.answer(ticket, Transferred { bytes: 3, end: Err(TransferError::ConnectionLost) });
            }
        }
    }

    /// Answers an action that the session wants stopped as dropped work, and any other as the world does.
    pub fn finish(&mut self, action: Action) {
        if self.ledger.is_cancelled(&action) { self.drop_work(action) } else { self.do_work(action) }
    }

    /// Answers the oldest action that only the server has a part in: everything but connections and transfers.
    pub fn finish_next_own(&mut self) -> bool {
        let own = |action: &Action| {
            !matches!(action, Action::Accept(_) | Action::Connect(_) | Action::Transfer(_) | Action::StartTls(_))
        };
        let action = self.ledger.take(own);
        let found = action.is_some();
        if let Some(action) = action {
            self.finish(action);
        }
        found
    }

    /// Answers everything until nothing is left to answer.
    pub fn finish_all(&mut self) {
        while let Some(action) = self.ledger.take(|_| true) {
            self.finish(action);
        }
    }

    /// Logs in, and forgets the replies so far.
    pub fn log_in(&mut self, user: &str, password: &str) {
        self.send(format!("USER {user}\r\nPASS {password}\r\n").as_bytes());
        while self.finish_next_own() {}
        self.ledger.replies.clear();
        self.ledger.events.clear();
    }

    /// The codes of the replies since last asked.
    pub fn codes(&mut self) -> Vec<u16> {
        self.ledger.replies.drain(..).map(|reply| reply.code().number()).collect()
    }

    /// What a session that has ended has to have left: nothing.
    ///
    /// # Panics
    /// When it has not ended, or there is something.
    pub fn assert_nothing_left(&mut self) {
        assert!(self.session.is_closed() && self.ledger.closed().is_some(), "the session has not ended");
        self.finish_all();
        let left = self.ledger.resources();
        assert!(left.is_empty(), "left behind: {left:?}");
        assert_eq!(self.session.poll_timeout(), None);
    }
}
