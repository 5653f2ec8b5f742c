//! One client: the session, its sockets, and the actions it asks for.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use ftp_fs::{BlockingBackend, MemoryFs};
use ftp_proto::{
    Accept, Action, ActionId, Change, Config, DataError, Instant, ListenError, Listening, Login, LoginError, Open,
    OpenTarget, Opened, Output, Request, Resource, Session, Stat, StatPurpose, Ticket, TlsError, Transfer,
    TransferError, Transferred,
};
use ftp_types::{FsError, Metadata, Permissions};
use polling::{Event, Poller};

use crate::moving::{Moving, OpenFile};
use crate::{FAREWELL, watch, would_block};

pub(crate) struct Client {
    session: Session,
    storage: Arc<MemoryFs>,
    control: TcpStream,
    unsent: Vec<u8>,
    untaken: Vec<u8>,
    listener: Option<(ActionId, TcpListener)>,
    accepting: Option<Ticket<Accept>>,
    data: Option<(ActionId, TcpStream)>,
    file: Option<(ActionId, OpenFile)>,
    moving: Option<Moving>,
    /// When to close the control connection, whatever is still to be written.
    closing: Option<Instant>,
    ended: bool,
    over: bool,
}

impl Client {
    pub(crate) fn new(control: TcpStream, storage: Arc<MemoryFs>, now: Instant) -> io::Result<Self> {
        control.set_nonblocking(true)?;
        let session = Session::new(Arc::new(Config::default()), control.local_addr()?, control.peer_addr()?, now);
        Ok(Self {
            session,
            storage,
            control,
            unsent: Vec::new(),
            untaken: Vec::new(),
            listener: None,
            accepting: None,
            data: None,
            file: None,
            moving: None,
            closing: None,
            ended: false,
            over: false,
        })
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// When to come back even if nothing happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.session.poll_timeout().into_iter().chain(self.closing).min()
    }

    /// Does everything that can be done without waiting.
    pub(crate) fn drive(&mut self, now: Instant) {
        if self.session.poll_timeout().is_some_and(|at| now >= at) {
            self.session.handle_timeout(now);
        }
        loop {
            self.do_as_told(now);
            let progress = self.write() | self.read(now) | self.accept(now) | self.transfer(now);
            if !progress {
                break;
            }
        }
        if let Some(until) = self.closing
            && (self.unsent.is_empty() || now >= until)
        {
            let _ = self.control.shutdown(Shutdown::Both);
            self.over = true;
        }
    }

    /// Asks the poller to wake us when there is something to do.
    pub(crate) fn start_watching(&self, poller: &Poller, key: usize) -> io::Result<()> {
        let reads = self.session.wants_input() && self.untaken.is_empty() && self.unsent.is_empty() && !self.ended;
        watch(poller, &self.control, Event::new(key, reads, !self.unsent.is_empty()))?;
        if let (Some((_, listener)), Some(_)) = (&self.listener, &self.accepting) {
            watch(poller, listener, Event::readable(key + 1))?;
        }
        if let Some(moving) = &self.moving {
            watch(poller, &moving.data, Event::new(key + 2, moving.receives(), !moving.receives()))?;
        }
        Ok(())
    }

    /// Undoes it, before any of the sockets goes.
    pub(crate) fn stop_watching(&self, poller: &Poller) {
        // What was not watched cannot be deleted, which is no harm.
        let _ = poller.delete(&self.control);
        self.listener.iter().for_each(|(_, listener)| drop(poller.delete(listener)));
        self.moving.iter().for_each(|moving| drop(poller.delete(&moving.data)));
    }

    fn do_as_told(&mut self, now: Instant) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Send(reply) => reply.write_to(&mut self.unsent),
                // The socket's buffer takes a reply at once, so that the order of bytes and actions is kept.
                Output::Start(action) => {
                    self.write();
                    self.start(action, now);
                }
                Output::Cancel(id) => self.cancel(id, now),
                Output::Release(resource) => self.release(resource),
                Output::Notify(event) => println!("   ({event:?})"),
                Output::Close(_) => self.closing = Some(now + FAREWELL),
            }
        }
    }

    /// Writes what there is; whether anything went.
    fn write(&mut self) -> bool {
        let before = self.unsent.len();
        while !self.unsent.is_empty() {
            match would_block(self.control.write(&self.unsent)) {
                Ok(Some(count)) => drop(self.unsent.drain(..count)),
                Ok(None) => break,
                Err(_) => self.unsent.clear(),
            }
        }
        self.unsent.len() < before
    }

    /// Reads commands, unless the session has enough of them or the client does not read our replies.
    fn read(&mut self, now: Instant) -> bool {
        if self.ended || !self.session.wants_input() || !self.unsent.is_empty() {
            return false;
        }
        if self.untaken.is_empty() {
            let mut buffer = [0; 512];
            match would_block(self.control.read(&mut buffer)) {
                Ok(None) => return false,
                Ok(Some(count)) if count > 0 => self.untaken.extend_from_slice(&buffer[..count]),
                Ok(_) | Err(_) => {
                    self.ended = true;
                    self.session.handle_eof(now);
                    return true;
                }
            }
        }
        let taken = self.session.handle_input(&self.untaken, now);
        self.untaken.drain(..taken);
        taken > 0
    }

    fn accept(&mut self, now: Instant) -> bool {
        let (Some((_, listener)), Some(ticket)) = (&self.listener, self.accepting.take()) else { return false };
        match listener.accept() {
            // A stranger's connection is dropped, and the next one awaited.
            Ok((stream, peer)) if ticket.request().from.is_none_or(|from| from == peer.ip()) => {
                let ready = stream.set_nonblocking(true).map_err(|_| DataError::Failed);
                self.data = ready.is_ok().then_some((ticket.id(), stream));
                self.session.complete(ticket, ready, now);
            }
            Ok(_) => self.accepting = Some(ticket),
            Err(_) => {
                self.accepting = Some(ticket);
                return false;
            }
        }
        true
    }

    fn transfer(&mut self, now: Instant) -> bool {
        let Some(mut moving) = self.moving.take() else { return false };
        let before = moving.bytes;
        let outcome = moving.drive();
        let progress = moving.bytes != before;
        if progress {
            self.session.handle_progress(moving.ticket.id(), moving.bytes, now);
        }
        match outcome {
            Some(outcome) => self.session.complete(moving.ticket, outcome, now),
            None => {
                self.moving = Some(moving);
                return progress;
            }
        }
        true
    }

    /// Storage in memory never makes anybody wait, so that most actions are answered on the spot.
    fn start(&mut self, action: Action, now: Instant) {
        match action {
            Action::Authenticate(ticket) => {
                let welcome = ticket.request().user.is_anonymous();
                let outcome = if welcome { Ok(Login::default()) } else { Err(LoginError::Rejected) };
                self.session.complete(ticket, outcome, now);
            }
            Action::Stat(ticket) => {
                let outcome = self.stat(ticket.request());
                self.session.complete(ticket, outcome, now);
            }
            Action::Change(ticket) => {
                let outcome = self.change(ticket.request());
                self.session.complete(ticket, outcome, now);
            }
            Action::Open(ticket) => {
                let outcome = self.open(ticket.request()).map(|(file, opened)| {
                    self.file = Some((ticket.id(), file)).filter(|_| !ticket.request().only_check);
                    opened
                });
                self.session.complete(ticket, outcome, now);
            }
            Action::Listen(ticket) => {
                let outcome = self.listen(ticket.request().address).map(|(listener, port)| {
                    self.listener = Some((ticket.id(), listener));
                    Listening { port, address: None }
                });
                self.session.complete(ticket, outcome.map_err(|_| ListenError::Failed), now);
            }
            Action::Accept(ticket) => self.accepting = Some(ticket),
            Action::Connect(ticket) => self.session.complete(ticket, Err(DataError::Failed), now),
            Action::StartTls(ticket) => self.session.complete(ticket, Err(TlsError::Handshake), now),
            Action::Transfer(ticket) => match (self.file.take(), self.data.take()) {
                (Some((_, file)), Some((_, data))) => self.moving = Some(Moving::new(ticket, file, data)),
                // STAT with a path would write a listing here.
                (_, data) => {
                    self.data = data;
                    let end = Err(TransferError::Storage(FsError::Unsupported));
                    self.session.complete(ticket, Transferred { bytes: 0, end }, now);
                }
            },
        }
    }

    fn cancel(&mut self, id: ActionId, now: Instant) {
        if let Some(ticket) = self.accepting.take_if(|ticket| ticket.id() == id) {
            self.session.complete(ticket, Accept::cancelled(), now);
        }
        if let Some(moving) = self.moving.take_if(|moving| moving.ticket.id() == id) {
            self.session.complete(moving.ticket, Transfer::cancelled(), now);
        }
    }

    fn release(&mut self, resource: Resource) {
        match resource {
            Resource::Listener(id) => drop(self.listener.take_if(|(key, _)| *key == id)),
            Resource::Data(id) => drop(self.data.take_if(|(key, _)| *key == id)),
            Resource::File(id) => drop(self.file.take_if(|(key, _)| *key == id)),
            Resource::Account(_) => {}
        }
    }

    fn stat(&self, Stat { path, purpose }: &Stat) -> Result<Metadata, FsError> {
        let mut metadata = self.storage.stat(path)?;
        if *purpose == StatPurpose::Enter && !metadata.is_directory() {
            return Err(FsError::NotADirectory);
        }
        metadata.rights = Some(Permissions::ALL);
        Ok(metadata)
    }

    fn change(&self, change: &Change) -> Result<(), FsError> {
        match change {
            Change::MakeDirectory(path) => self.storage.make_directory(path),
            Change::RemoveDirectory(path) => self.storage.remove_directory(path),
            Change::RemoveFile(path) => self.storage.remove_file(path),
            Change::Rename { from, to } => self.storage.rename(from, to),
            Change::SetMode { path, mode } => self.storage.set_mode(path, *mode),
            Change::SetModified { path, time } => self.storage.set_modified(path, *time),
            _ => Err(FsError::Unsupported),
        }
    }

    fn open(&self, Open { target, .. }: &Open) -> Result<(OpenFile, Opened), FsError> {
        let (storage, mut opened) = (&self.storage, Opened::default());
        let file = match target {
            OpenTarget::Read { path, offset } => OpenFile::Read(storage.open(path, *offset)?),
            OpenTarget::Write { path, mode } => OpenFile::Write(storage.create(path, *mode)?),
            OpenTarget::Unique { directory, prefix } => {
                let file = storage.create_unique(directory, prefix)?;
                opened.name = Some(file.name);
                OpenFile::Write(file.writer)
            }
            OpenTarget::List { path, .. } => OpenFile::List(storage.list(path)?),
            _ => return Err(FsError::Unsupported),
        };
        Ok((file, opened))
    }

    fn listen(&self, address: IpAddr) -> io::Result<(TcpListener, u16)> {
        let listener = TcpListener::bind(SocketAddr::new(address, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    }
}
