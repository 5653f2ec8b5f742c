//! What each action of the core means in terms of accounts, storage and sockets.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ftp_fs::{Account, AuthError, ListTarget, LoginAttempt, UniqueFile, UserView};
use ftp_proto::{
    Accept, Action, ActionId, Authenticate, Change, Channel, Connect, DataError, Instant, ListFormatter, Listen,
    ListenError, Listening, Login, LoginError, Open, OpenTarget, Opened, Session, StartTls, Stat, StatPurpose, Ticket,
    TlsError, Transfer, TransferError, TransferKind, Transferred,
};
use ftp_types::{FsError, Metadata, WriteMode};

use crate::holdings::{Holdings, LoggedIn, OpenFile, OpenHandle, SpeedLimits};
use crate::io::{within, yield_now};
use crate::list;
use crate::outlet::Outlet;
use crate::pump;
use crate::runtime::{Addresses, Runtime};
use crate::service::Service;
use crate::sockets;
use crate::task::{Progress, Running, Task};
use crate::wire::{self, ClosesFirst, Meter, Wire};

/// Everything that the actions of one session need.
pub(crate) struct Actions<R: Runtime> {
    pub(crate) runtime: R,
    pub(crate) service: Service,
    pub(crate) addresses: Addresses,
    pub(crate) holdings: Holdings<R>,
    pub(crate) outlet: Outlet,
    closes_first: ClosesFirst,
}

/// Strangers that are sent away from a data listener before others of the thread have their turn.
const STRANGERS_PER_TURN: usize = 16;
/// How long a client that has reset its data connection may take to make another.
const RECONNECT: Duration = Duration::from_secs(1);

impl<R: Runtime> Actions<R> {
    pub(crate) fn new(runtime: R, service: Service, addresses: Addresses, holdings: Holdings<R>) -> Self {
        let (outlet, closes_first) = (Outlet::default(), ClosesFirst::default());
        Self { runtime, service, addresses, holdings, outlet, closes_first }
    }

    /// Starts the action; `None` when it was answered at once.
    pub(crate) fn start(&mut self, action: Action, session: &mut Session, now: Instant) -> Option<Box<dyn Running<R>>> {
        Some(match action {
            Action::Authenticate(ticket) => self.authenticate(ticket),
            Action::Stat(ticket) => self.stat(ticket),
            Action::Change(ticket) => self.change(ticket),
            Action::Open(ticket) => self.open(ticket),
            Action::Accept(ticket) => self.accept(ticket),
            Action::Connect(ticket) => self.connect(ticket),
            Action::Transfer(ticket) => self.transfer(ticket, session),
            Action::Listen(ticket) => {
                let outcome = self.listen(&ticket);
                session.complete(ticket, outcome, now);
                return None;
            }
            Action::StartTls(ticket) => {
                session.complete::<StartTls>(ticket, Err(TlsError::Handshake), now);
                return None;
            }
        })
    }

    fn authenticate(&self, ticket: Ticket<Authenticate>) -> Box<dyn Running<R>> {
        let Authenticate { user, password } = ticket.request();
        let attempt = LoginAttempt {
            user: user.clone(),
            password: password.clone(),
            peer: self.addresses.peer,
            local: self.addresses.local,
            secure: false,
        };
        let authenticator = self.service.authenticator(&self.runtime);
        let (runtime, settings) = (self.runtime.clone(), Arc::clone(&self.service.settings));
        let work = async move { authenticator.authenticate(attempt).await };
        Task::new(ticket, work, move |result: Result<Account, AuthError>, id, holdings: &mut Holdings<R>| {
            let account = result.map_err(login_error)?;
            let view = Arc::new(UserView::new(&account, runtime));
            holdings.account.keep(id, LoggedIn { view, limits: SpeedLimits::of(&account, &settings) });
            Ok(Login { directory: account.start, message: account.login_message, farewell: account.quit_message })
        })
    }

    fn stat(&self, ticket: Ticket<Stat>) -> Box<dyn Running<R>> {
        let (view, Stat { path, purpose }) = (self.view(), ticket.request().clone());
        let work = async move {
            let view = view?;
            if purpose == StatPurpose::RenameSource {
                view.check_rename(&path).await?;
                // RNFR asks for nothing but whether it can go on.
                return Ok(Metadata::new(ftp_types::FileKind::Other, 0));
            }
            view.stat(&path, purpose.right()).await
        };
        Task::new(ticket, work, as_it_is)
    }

    fn change(&self, ticket: Ticket<Change>) -> Box<dyn Running<R>> {
        let (view, change) = (self.view(), ticket.request().clone());
        let work = async move { apply(&*view?, change).await };
        Task::new(ticket, work, as_it_is)
    }

    fn open(&self, ticket: Ticket<Open>) -> Box<dyn Running<R>> {
        let (account, Open { target, only_check }) = (self.account(), ticket.request().clone());
        let work = async move {
            let LoggedIn { view, limits } = account?;
            if only_check {
                check(&view, target).await?;
                return Ok((None, Opened::default()));
            }
            let (handle, opened) = open(&view, target).await?;
            Ok((Some(OpenFile { handle, limits }), opened))
        };
        Task::new(
            ticket,
            work,
            |result: Result<(Option<OpenFile>, Opened), FsError>, id, holdings: &mut Holdings<R>| {
                let (file, opened) = result?;
                file.into_iter().for_each(|file| holdings.files.keep(id, file));
                Ok(opened)
            },
        )
    }

    fn listen(&mut self, ticket: &Ticket<Listen>) -> Result<Listening, ListenError> {
        let (listener, address) = self.bind(ticket.request().address)?;
        self.holdings.listeners.keep(ticket.id(), Arc::new(listener));
        Ok(Listening { port: address.port(), address: None })
    }

    fn bind(&self, address: IpAddr) -> Result<(R::Listener, SocketAddr), ListenError> {
        let Some(range) = &self.service.settings.passive_ports else {
            return self.runtime.listen(self.local(address, 0)).map_err(|_| ListenError::Failed);
        };
        for port in sockets::shuffled(range) {
            match self.runtime.listen(self.local(address, port)) {
                Ok(listener) => return Ok(listener),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(_) => return Err(ListenError::Failed),
            }
        }
        Err(ListenError::NoFreePort)
    }

    fn local(&self, address: IpAddr, port: u16) -> SocketAddr {
        let scope = if let SocketAddr::V6(local) = self.addresses.local { local.scope_id() } else { 0 };
        sockets::with_scope(SocketAddr::new(address.to_canonical(), port), scope)
    }

    fn accept(&self, ticket: Ticket<Accept>) -> Box<dyn Running<R>> {
        let Accept { listener, from } = *ticket.request();
        let (runtime, listener) = (self.runtime.clone(), self.holdings.listeners.find(listener).cloned());
        let work = async move {
            let listener = listener.ok_or(DataError::Failed)?;
            accept_from(&runtime, &listener, from).await
        };
        Task::new(ticket, work, keep_data)
    }

    fn connect(&self, ticket: Ticket<Connect>) -> Box<dyn Running<R>> {
        let Connect { address } = *ticket.request();
        let remote = self.local(address.ip(), address.port());
        let connecting = self.runtime.connect(self.addresses.local.ip().to_canonical(), remote);
        let work = async move {
            let stream = connecting.await.map_err(|error| connect_error(&error))?;
            sockets::prepare_data(&stream);
            Ok(stream)
        };
        Task::new(ticket, work, keep_data)
    }

    fn transfer(&mut self, ticket: Ticket<Transfer>, session: &Session) -> Box<dyn Running<R>> {
        let Transfer { file, kind, channel } = *ticket.request();
        let (file, channel) = (self.holdings.files.take(file), self.channel(channel));
        let formatter = match kind {
            TransferKind::List(style) => Some(
                ListFormatter::new(style, (self.service.settings.clock)())
                    .with_zone(Arc::clone(&self.service.settings.zone))
                    .with_codec(session.codec()),
            ),
            _ => None,
        };
        let (runtime, meter, sendfile) = (self.runtime.clone(), Meter::default(), self.service.settings.use_sendfile);
        let progress = Progress::new(meter.clone(), matches!(kind, TransferKind::Receive(_)));
        let work = async move {
            let (Some(OpenFile { handle, limits }), Some(channel)) = (file, channel) else {
                return Transferred { bytes: 0, end: Err(TransferError::ConnectionLost) };
            };
            let limit = match (&handle, &channel) {
                (_, wire::Channel::Control(_)) => None,
                (OpenHandle::Writer(_), _) => limits.receive,
                _ => limits.send,
            };
            let mut wire = Wire::new(runtime, channel, meter, limit);
            let end = match (handle, kind, formatter) {
                (OpenHandle::Reader(reader), TransferKind::Send(representation), _) => {
                    pump::download(&mut wire, reader, representation, sendfile).await
                }
                (OpenHandle::Writer(writer), TransferKind::Receive(representation), _) => {
                    pump::upload(&mut wire, writer, representation).await
                }
                (OpenHandle::Listing(listing), _, Some(formatter)) => list::send(&mut wire, listing, &formatter).await,
                _ => Err(TransferError::Storage(FsError::Unsupported)),
            };
            Transferred { bytes: wire.meter.bytes(), end }
        };
        Task::new(ticket, work, as_it_is).with_progress(progress)
    }

    fn channel(&mut self, channel: Channel) -> Option<wire::Channel<R>> {
        match channel {
            Channel::Control => Some(wire::Channel::Control(self.outlet.clone())),
            Channel::Data(id) => {
                let stream = self.holdings.data.take(id)?;
                Some(wire::Channel::Data(stream, self.closes_first.clone()))
            }
        }
    }

    fn view(&self) -> Result<Arc<UserView>, FsError> {
        self.account().map(|account| account.view)
    }

    fn account(&self) -> Result<LoggedIn, FsError> {
        self.holdings.account.newest().cloned().ok_or(FsError::Denied)
    }
}

/// Waits for a connection of the right peer that stands. Those of others are closed, and nothing is read from them.
async fn accept_from<R: Runtime>(
    runtime: &R,
    listener: &R::Listener,
    from: Option<IpAddr>,
) -> Result<R::Stream, DataError> {
    if let Some(stream) = accept_one(runtime, listener, from).await? {
        return Ok(stream);
    }
    // A client that has reset its connection may come back at once, but is not waited for any longer.
    let again = async {
        loop {
            if let Some(stream) = accept_one(runtime, listener, from).await? {
                return Ok(stream);
            }
        }
    };
    within(runtime, RECONNECT, again).await.unwrap_or(Err(DataError::Refused))
}

/// The next connection of the right peer; `None` when it was reset before it could be accepted.
async fn accept_one<R: Runtime>(
    runtime: &R,
    listener: &R::Listener,
    from: Option<IpAddr>,
) -> Result<Option<R::Stream>, DataError> {
    loop {
        for _ in 0..STRANGERS_PER_TURN {
            let accepted = std::future::poll_fn(|cx| match runtime.poll_accept(listener, cx) {
                Poll::Ready(Err(error)) if is_of_one_connection(&error) => Poll::Ready(Ok(None)),
                other => other.map_ok(Some),
            });
            let Some((stream, peer)) = accepted.await.map_err(|_| DataError::Failed)? else { continue };
            if from.is_none_or(|from| from.to_canonical() == peer.ip().to_canonical()) {
                return Ok(sockets::prepare_data(&stream).then_some(stream));
            }
        }
        yield_now().await;
    }
}

/// Whether the error is that of a connection that was gone before it was accepted, and not that of the listener.
pub(crate) fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, TimedOut};

    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted | TimedOut)
}

async fn apply(view: &UserView, change: Change) -> Result<(), FsError> {
    match change {
        Change::MakeDirectory(path) => view.make_directory(&path).await,
        Change::RemoveDirectory(path) => view.remove_directory(&path).await,
        Change::RemoveFile(path) => view.remove_file(&path).await,
        Change::Rename { from, to } => view.rename(&from, &to).await,
        Change::SetMode { path, mode } => view.set_mode(&path, mode).await,
        Change::SetModified { path, time } => view.set_modified(&path, time).await,
        _ => Err(FsError::Unsupported),
    }
}

async fn check(view: &UserView, target: OpenTarget) -> Result<(), FsError> {
    match target {
        OpenTarget::Read { path, offset } => view.check_open(&path, offset).await,
        OpenTarget::Write { path, mode } => view.check_create(&path, mode).await,
        OpenTarget::Unique { directory, .. } => {
            let unused = directory.child(b"stou.check").map_err(|_| FsError::InvalidName)?;
            view.check_create(&unused, WriteMode::Replace).await
        }
        OpenTarget::List { path, file_will_do } => view.list(&path, list_target(file_will_do)).await.map(drop),
        _ => Err(FsError::Unsupported),
    }
}

async fn open(view: &UserView, target: OpenTarget) -> Result<(OpenHandle, Opened), FsError> {
    match target {
        OpenTarget::Read { path, offset } => {
            let mut reader = view.open(&path, offset).await?;
            let len = reader.metadata().await.ok().map(|metadata| metadata.len.saturating_sub(offset));
            Ok((OpenHandle::Reader(reader), Opened { len, name: None }))
        }
        OpenTarget::Write { path, mode } => {
            Ok((OpenHandle::Writer(view.create(&path, mode).await?), Opened::default()))
        }
        OpenTarget::Unique { directory, prefix } => {
            let UniqueFile { name, writer } = view.create_unique(&directory, &prefix).await?;
            Ok((OpenHandle::Writer(writer), Opened { len: None, name: Some(name) }))
        }
        OpenTarget::List { path, file_will_do } => {
            let listing = view.list(&path, list_target(file_will_do)).await?;
            Ok((OpenHandle::Listing(listing), Opened::default()))
        }
        _ => Err(FsError::Unsupported),
    }
}

fn list_target(file_will_do: bool) -> ListTarget {
    if file_will_do { ListTarget::Any } else { ListTarget::Directory }
}

fn as_it_is<R: Runtime, T>(result: T, _: ActionId, _: &mut Holdings<R>) -> T {
    result
}

fn keep_data<R: Runtime>(
    result: Result<R::Stream, DataError>,
    id: ActionId,
    holdings: &mut Holdings<R>,
) -> Result<(), DataError> {
    result.map(|stream| holdings.keep_data(id, stream))
}

fn login_error(error: AuthError) -> LoginError {
    match error {
        AuthError::Unavailable => LoginError::Unavailable,
        _ => LoginError::Rejected,
    }
}

fn connect_error(error: &io::Error) -> DataError {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, TimedOut};

    match error.kind() {
        ConnectionRefused | ConnectionReset | HostUnreachable | NetworkUnreachable | TimedOut => DataError::Refused,
        _ => DataError::Failed,
    }
}
