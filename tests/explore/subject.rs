//! The session under the walk, and how it is given an input.

use std::{sync::Arc, time::Duration};

use ferry_tests::{Makes, shown};
use ftp_proto::{
    Action, ControlState, DataError, Instant, ListenError, Listening, Login, LoginError, Opened, Request, Secured,
    Session, Shutdown, Ticket, Timer, TlsError, TransferError, Transferred,
};
use ftp_types::{FileKind, FsError, Metadata};

use crate::{
    alphabet::Line,
    books::{Books, Kind, Verdict},
    rest,
    settings::Settings,
};

/// What may happen to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Line(Line),
    /// ABOR behind a Telnet Synch.
    UrgentAbort,
    /// A line and something behind it in one go: another line, or part of one.
    Torn(Line, &'static str),
    /// The action at this place, in the order of their start, is answered.
    Answer(u8, Outcome),
    Progress,
    Pause,
    PortWait,
    Due(Timer),
    /// A look at the clock when nothing is due.
    Spurious,
    Eof,
    Shutdown(Shutdown),
    Dismiss(Shutdown),
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// Done, and it is a directory.
    Directory,
    /// Done, and it is neither a file nor a directory.
    Other,
    /// TLS stands, and the client has a certificate.
    WithCertificate,
    NoLogin(LoginError),
    NoListener(ListenError),
    NoData(DataError),
    NoTls(TlsError),
    NoStorage(FsError),
    Lost,
    Dropped,
}

/// A session and the books on it.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) session: Session,
    pub(crate) books: Books,
    /// The control state since the last input.
    pub(crate) control: Arc<ControlState>,
    pub(crate) now: Instant,
    /// The number of the line that the last input sent.
    pub(crate) sent: Option<u32>,
    /// Every output as text, if anybody wants that.
    pub(crate) log: Option<Vec<String>>,
}

impl Subject {
    pub(crate) fn new(settings: &Settings) -> Result<Self, String> {
        let now = Instant::from_epoch(Duration::from_secs(1000));
        let (local, peer) = ("10.0.0.9:21".parse(), "10.0.0.1:40000".parse());
        let (local, peer) = (local.expect("an address"), peer.expect("an address"));
        let begin = if settings.implicit_tls { Session::with_implicit_tls } else { Session::new };
        let session = begin(Arc::new(settings.config.clone()), local, peer, now);
        let books = Books::new(settings.implicit_tls);
        let control = Arc::new(session.control_state());
        let mut subject = Self { session, books, control, now, sent: None, log: None };
        subject.drain()?;
        subject.rest()?;
        Ok(subject)
    }

    pub(crate) fn fork(&self) -> Self {
        let (session, books) = (self.session.fork(), self.books.fork());
        Self { session, books, control: self.control.clone(), now: self.now, sent: None, log: self.log.clone() }
    }

    /// Gives the session an input, takes its outputs, and looks whether all is as it should be.
    pub(crate) fn apply(&mut self, input: Input) -> Verdict {
        self.books.begin();
        self.sent = None;
        match input {
            Input::Line(line) => self.send(line, false, &[]),
            Input::UrgentAbort => self.send(Line { text: "ABOR", family: "ABOR" }, true, &[]),
            Input::Torn(line, behind) => self.send(line, false, behind.as_bytes()),
            Input::Answer(place, outcome) => self.answer(usize::from(place), outcome),
            Input::Progress | Input::Pause | Input::PortWait => self.tell(input),
            Input::Due(timer) => self.session.expire(timer),
            Input::Spurious => self.session.handle_timeout(self.now),
            Input::Eof => {
                self.books.eof = true;
                self.session.handle_eof(self.now);
            }
            Input::Shutdown(how) => {
                self.ends(how);
                self.session.shutdown(how, self.now);
            }
            Input::Dismiss(how) => {
                self.ends(how);
                self.session.dismiss(how, self.now);
            }
        }
        self.drain()?;
        self.rest()
    }

    fn rest(&mut self) -> Verdict {
        self.control = Arc::new(self.session.control_state());
        rest::check(&self.books, &self.session, &self.control.timers)
    }

    fn ends(&mut self, how: Shutdown) {
        if how == Shutdown::Graceful {
            self.books.end();
        }
    }

    fn send(&mut self, line: Line, urgent: bool, behind: &[u8]) {
        self.sent = self.books.send(line, urgent);
        if behind.ends_with(b"\n") {
            self.books.send(Line { text: "", family: "NOOP" }, false);
        }
        let synch: &[u8] = if urgent { b"\xFF\xF4\xFF\xF2" } else { b"" };
        let wire = [synch, &line.wire(), behind].concat();
        self.session.handle_input(&wire, self.now);
    }

    fn drain(&mut self) -> Verdict {
        while let Some(output) = self.session.poll_output() {
            if let Some(log) = &mut self.log {
                log.push(shown(&output));
            }
            self.books.note(output)?;
        }
        Ok(())
    }

    /// Tells the session of an action that goes on.
    fn tell(&mut self, input: Input) {
        let wanted = if input == Input::PortWait { Kind::Listen } else { Kind::Transfer };
        let id = self.books.work.iter().find(|work| work.kind() == wanted).map(|work| work.action.id());
        let Some(id) = id else { return };
        match input {
            Input::Progress => self.session.handle_progress(id, 1, self.now),
            Input::Pause => self.session.handle_pause(id, self.now + Duration::from_secs(1), self.now),
            _ => self.session.handle_wait(id, self.now),
        }
    }

    fn answer(&mut self, place: usize, outcome: Outcome) {
        let work = self.books.work.remove(place);
        match work.action {
            Action::Authenticate(ticket) => {
                let result = match outcome {
                    Outcome::NoLogin(error) => Err(error),
                    Outcome::Dropped => Err(LoginError::Cancelled),
                    _ => Ok(Login::default()),
                };
                let by_password = !matches!(ticket.request().proof, ftp_proto::Proof::Certificate);
                self.books.owed |= by_password && !work.cancelled && result == Err(LoginError::Rejected);
                self.complete(ticket, result);
            }
            Action::Stat(ticket) => self.complete(ticket, found(outcome)),
            Action::Change(ticket) => self.complete(ticket, stored(outcome)),
            Action::Open(ticket) => {
                let name = matches!(ticket.request().target, ftp_proto::OpenTarget::Unique { .. });
                let opened = Opened { len: Some(5), name: name.then(|| b"ferry.1".to_vec()) };
                self.complete(ticket, stored(outcome).map(|()| opened));
            }
            Action::Listen(ticket) => {
                let result = match outcome {
                    Outcome::NoListener(error) => Err(error),
                    Outcome::Dropped => Err(ListenError::Cancelled),
                    _ => Ok(Listening { port: 50_001, address: None }),
                };
                self.complete(ticket, result);
            }
            Action::Accept(ticket) => self.complete(ticket, connected(outcome)),
            Action::Connect(ticket) => self.complete(ticket, connected(outcome)),
            Action::StartTls(ticket) => self.secure(ticket, outcome, work.cancelled),
            Action::Transfer(ticket) => {
                let end = match outcome {
                    Outcome::NoStorage(error) => Err(TransferError::Storage(error)),
                    Outcome::Lost => Err(TransferError::ConnectionLost),
                    Outcome::Dropped => Err(TransferError::Cancelled),
                    _ => Ok(()),
                };
                self.complete(ticket, Transferred { bytes: 5, end });
            }
        }
    }

    fn secure(&mut self, ticket: Ticket<ftp_proto::StartTls>, outcome: Outcome, cancelled: bool) {
        let result = match outcome {
            Outcome::NoTls(error) => Err(error),
            Outcome::Dropped => Err(TlsError::Cancelled),
            _ => Ok(Secured { client_certificate: outcome == Outcome::WithCertificate }),
        };
        if ticket.request().channel == ftp_proto::Channel::Control && result.is_ok() && !cancelled {
            self.books.securing = false;
        }
        self.complete(ticket, result);
    }

    fn complete<R: Makes>(&mut self, ticket: Ticket<R>, outcome: <R as Request>::Outcome) {
        self.books.answer(&ticket, &outcome);
        self.session.complete(ticket, outcome, self.now);
    }
}

fn stored(outcome: Outcome) -> Result<(), FsError> {
    match outcome {
        Outcome::NoStorage(error) => Err(error),
        Outcome::Dropped => Err(FsError::Cancelled),
        _ => Ok(()),
    }
}

fn found(outcome: Outcome) -> Result<Metadata, FsError> {
    let kind = match outcome {
        Outcome::Directory => FileKind::Directory,
        Outcome::Other => FileKind::Other,
        _ => FileKind::File,
    };
    stored(outcome).map(|()| Metadata::new(kind, 5))
}

fn connected(outcome: Outcome) -> Result<(), DataError> {
    match outcome {
        Outcome::NoData(error) => Err(error),
        Outcome::Dropped => Err(DataError::Cancelled),
        _ => Ok(()),
    }
}
