//! What each action of the core means in terms of accounts, storage and sockets.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ftp_fs::{Account, AuthError, BoxFuture, CertificateLogin, ClientCertificate, LoginAttempt, Remains, UserView};
use ftp_proto::{
    Accept, Action, ActionId, Authenticate, Change, Channel, Connect, DataError, Instant, ListFormatter, Listen,
    ListenError, Listening, Login, LoginError, Open, Opened, Proof, Secured, StartTls, Stat, Ticket, TlsError,
    Transfer, TransferError, TransferKind, Transferred,
};
use ftp_types::{FsError, UserName};

use crate::data::DataStream;
use crate::holdings::{FileTrace, Holdings, LoggedIn, OpenFile, OpenHandle};
use crate::list;
use crate::masquerade::Told;
use crate::outlet::Outlet;
use crate::ports::{Bound, DataListener};
use crate::pump;
use crate::record::Core;
use crate::rendezvous::{Arrivals, connect_error};
use crate::room::{self, Room};
use crate::runtime::{Addresses, Route, Runtime};
use crate::service::{Buffers, Service, Shared};
use crate::sockets;
use crate::storage;
use crate::stretch::{self, Wish};
use crate::task::{Progress, Running, Task};
use crate::throttle::Throttle;
use crate::tls::SessionTls;
use crate::tls_sessions::Purpose;
use crate::wire::{self, ClosesFirst, Meter, Wire};

/// Everything that the actions of one session need.
pub(crate) struct Actions<R: Runtime> {
    pub(crate) runtime: R,
    pub(crate) service: Service,
    /// The ends of the client's connection.
    client: Addresses,
    /// The local end of the socket, where a proxy stands in between.
    socket_local: Option<Box<SocketAddr>>,
    pub(crate) holdings: Holdings<R>,
    pub(crate) outlet: Outlet,
    pub(crate) tls: Option<Box<SessionTls>>,
    /// Whether the control connection is under TLS.
    pub(crate) secured: bool,
    /// What the client presented there.
    pub(crate) certificate: Option<Box<ClientCertificate>>,
    closes_first: ClosesFirst,
}

impl<R: Runtime> Actions<R> {
    pub(crate) fn new(runtime: R, service: Service, route: Route, holdings: Holdings<R>) -> Self {
        let (outlet, closes_first) = (Outlet::default(), ClosesFirst::default());
        let (tls, certificate) = (None, None);
        let client = route.client;
        let socket_local = (route.socket.local != client.local).then(|| Box::new(route.socket.local));
        Self {
            runtime,
            service,
            client,
            socket_local,
            holdings,
            outlet,
            tls,
            secured: false,
            certificate,
            closes_first,
        }
    }

    /// Starts the action; `None` when it was answered at once.
    pub(crate) fn start(&mut self, action: Action, session: &mut Core, now: Instant) -> Option<Box<dyn Running<R>>> {
        Some(match action {
            Action::Authenticate(ticket) => self.authenticate(ticket),
            Action::Stat(ticket) => self.stat(ticket),
            Action::Change(ticket) => self.change(ticket, session.user()),
            Action::Open(ticket) => self.open(ticket),
            Action::Accept(ticket) => self.accept(ticket),
            Action::Connect(ticket) => self.connect(ticket),
            Action::Transfer(ticket) => self.transfer(ticket, session),
            Action::Listen(ticket) => return self.listen(ticket, session, now),
            Action::StartTls(ticket) => self.start_tls(ticket),
        })
    }

    fn socket_local(&self) -> SocketAddr {
        self.socket_local.as_deref().copied().unwrap_or(self.client.local)
    }

    fn authenticate(&self, ticket: Ticket<Authenticate>) -> Box<dyn Running<R>> {
        let work = self.judge(ticket.request());
        let (runtime, service) = (self.runtime.clone(), self.service.clone());
        Task::new(ticket, work, move |result: Result<Account, AuthError>, id, holdings: &mut Holdings<R>| {
            let account = result.map_err(login_error)?;
            let limits = service.speed_limits(&account, runtime.now());
            let view = Arc::new(UserView::new(&account, runtime));
            holdings.account.keep(id, LoggedIn { view, limits });
            Ok(Login { directory: account.start, message: account.login_message, farewell: account.quit_message })
        })
    }

    fn judge(&self, Authenticate { user, proof }: &Authenticate) -> BoxFuture<'static, Result<Account, AuthError>> {
        let Addresses { peer, local } = self.client;
        let (user, certificate) = (user.clone(), self.certificate.as_deref().cloned());
        let authenticator = self.service.authenticator(&self.runtime);
        match (proof, certificate) {
            (Proof::Password(password), certificate) => {
                let password = password.clone();
                let attempt = LoginAttempt { user, password, peer, local, secure: self.secured, certificate };
                Box::pin(async move { authenticator.authenticate(attempt).await })
            }
            (Proof::Certificate, Some(certificate)) => {
                let login = CertificateLogin { user, certificate, peer, local };
                Box::pin(async move { authenticator.authenticate_certificate(login).await })
            }
            (Proof::Certificate, None) => Box::pin(std::future::ready(Err(AuthError::Rejected))),
        }
    }

    fn stat(&self, ticket: Ticket<Stat>) -> Box<dyn Running<R>> {
        let (view, stat) = (self.view(), ticket.request().clone());
        let work = async move { storage::stat(&*view?, stat).await };
        Task::new(ticket, work, as_it_is)
    }

    fn change(&self, ticket: Ticket<Change>, user: Option<&UserName>) -> Box<dyn Running<R>> {
        let (view, change) = (self.view(), ticket.request().clone());
        let trace = match (&self.service.settings.hooks, &view, user) {
            (Some(_), Ok(view), Some(user)) => Some(storage::trace(view, &change, user.clone())),
            _ => None,
        };
        let work = async move { storage::change(&*view?, change).await };
        Task::new(ticket, work, move |result: Result<(), FsError>, _, holdings: &mut Holdings<R>| {
            holdings.traces.change = trace.filter(|_| result.is_ok()).map(Box::new);
            result
        })
    }

    fn open(&self, ticket: Ticket<Open>) -> Box<dyn Running<R>> {
        let (account, Open { target, only_check }) = (self.account(), ticket.request().clone());
        let (tls, traced) = (self.tls.as_deref().cloned(), self.service.settings.hooks.is_some());
        let work = async move {
            let LoggedIn { view, limits } = account?;
            if only_check {
                storage::check(&view, target).await?;
                return Ok((None, Opened::default(), None));
            }
            let (handle, opened, path) = storage::open(&view, target).await?;
            let trace = path.filter(|_| traced).map(|path| FileTrace {
                real_path: view.real_path(&path),
                remains: if let OpenHandle::Writer(writer) = &handle { writer.remains() } else { Remains::Unchanged },
            });
            Ok((Some(OpenFile { handle, limits }), opened, trace))
        };
        Task::new(
            ticket,
            work,
            move |result: Result<(Option<OpenFile>, Opened, Option<FileTrace>), FsError>,
                  id,
                  holdings: &mut Holdings<R>| {
                let (file, opened, trace) = result?;
                holdings.traces.file = trace.map(Box::new);
                if let Some(file) = file {
                    tls.inspect(|tls| tls.purpose().prepare(purpose(&file.handle)));
                    holdings.files.keep(id, file);
                }
                Ok(opened)
            },
        )
    }

    /// Binds a listener; if that is not possible at once, the session hears of it.
    fn listen(&mut self, ticket: Ticket<Listen>, session: &mut Core, now: Instant) -> Option<Box<dyn Running<R>>> {
        // What the connection is for is not known before the next command.
        self.tls.iter().for_each(|tls| tls.purpose().forget());
        let told = if ticket.request().extended { Told::Known(None) } else { self.told(now) };
        let waits = !self.service.settings.passive_port_wait.is_zero();
        match (self.bind(), told) {
            (Ok((listener, at)), Told::Known(told)) => {
                self.holdings.listeners.keep(ticket.id(), Arc::new(listener));
                session.complete(ticket, Ok(Listening { port: at.port(), address: told }), now);
                None
            }
            (Err(error), _) if error != ListenError::NoFreePort || !waits => {
                session.complete(ticket, Err(error), now);
                None
            }
            (bound, told) => {
                session.handle_wait(ticket.id(), now);
                Some(self.listen_later(ticket, bound.ok(), told))
            }
        }
    }

    /// Waits for the port, if it is not bound, and for the address to tell.
    fn listen_later(&self, ticket: Ticket<Listen>, bound: Option<Bound<R>>, told: Told) -> Box<dyn Running<R>> {
        let (runtime, service, at) = (self.runtime.clone(), self.service.clone(), self.own());
        let work = async move {
            let (Shared { ports, names, .. }, settings) = (&*service.shared, &*service.settings);
            let (listener, bound_at) = match (bound, &settings.passive_ports) {
                (Some(bound), _) => bound,
                (None, Some(range)) => ports.wait(&runtime, range.clone(), at, settings.passive_port_wait).await?,
                (None, None) => return Err(ListenError::Failed),
            };
            let address = match told {
                Told::Known(address) => address,
                Told::Host(host) => Some(names.find(&runtime, &settings.masquerades.resolver, &host).await?),
            };
            Ok((listener, Listening { port: bound_at.port(), address }))
        };
        Task::new(
            ticket,
            work,
            |result: Result<(DataListener<R::Listener>, Listening), ListenError>, id, holdings: &mut Holdings<R>| {
                let (listener, listening) = result?;
                holdings.listeners.keep(id, Arc::new(listener));
                Ok(listening)
            },
        )
    }

    fn told(&self, now: Instant) -> Told {
        match self.service.settings.masquerades.told_at(self.client.local.ip()) {
            Told::Host(host) => match self.service.shared.names.known(&host, now) {
                Some(address) => Told::Known(Some(IpAddr::V4(address))),
                None => Told::Host(host),
            },
            known => known,
        }
    }

    fn bind(&self) -> Result<Bound<R>, ListenError> {
        let at = self.own();
        let Some(range) = &self.service.settings.passive_ports else {
            let (listener, address) = self.runtime.listen(at(0)).map_err(|_| ListenError::Failed)?;
            return Ok((DataListener::anywhere(listener), address));
        };
        self.service.shared.ports.listen(&self.runtime, range, at)
    }

    /// Makes socket addresses of that on which the control connection has come in. The one that the core knows is that
    /// which the client came to: it may be a proxy's.
    fn own(&self) -> impl Fn(u16) -> SocketAddr + Send + Sync + use<R> {
        self.local(self.socket_local().ip())
    }

    /// Makes socket addresses of this address, in the scope of the control connection.
    fn local(&self, address: IpAddr) -> impl Fn(u16) -> SocketAddr + Send + Sync + use<R> {
        let scope = if let SocketAddr::V6(local) = self.socket_local() { local.scope_id() } else { 0 };
        move |port| sockets::with_scope(SocketAddr::new(address.to_canonical(), port), scope)
    }

    fn accept(&self, ticket: Ticket<Accept>) -> Box<dyn Running<R>> {
        let Accept { listener, from } = *ticket.request();
        let (runtime, listener) = (self.runtime.clone(), self.holdings.listeners.find(listener).cloned());
        let proxies = self.service.settings.proxies.clone();
        let work = async move {
            let listener = listener.ok_or(DataError::Failed)?;
            Arrivals::new(&runtime, &listener.listener, from, &proxies).next_of_client().await
        };
        Task::new(ticket, work, keep_data)
    }

    fn connect(&self, ticket: Ticket<Connect>) -> Box<dyn Running<R>> {
        let Connect { address } = *ticket.request();
        let remote = self.local(address.ip())(address.port());
        let connecting = self.runtime.connect(self.socket_local().ip().to_canonical(), remote);
        let work = async move {
            let stream = connecting.await.map_err(|error| connect_error(&error))?;
            sockets::prepare_data(&stream);
            Ok(stream)
        };
        Task::new(ticket, work, keep_data)
    }

    /// TLS on a data connection; that of the control connection is the session's own business.
    fn start_tls(&mut self, ticket: Ticket<StartTls>) -> Box<dyn Running<R>> {
        let name = match ticket.request().channel {
            Channel::Data(id) => Some(id),
            Channel::Control => None,
        };
        let (stream, tls) = (name.and_then(|id| self.holdings.data.take(id)), self.tls.as_deref().cloned());
        let certificate = self.certificate.as_deref().cloned();
        let work = async move {
            let (Some(mut stream), Some(tls)) = (stream, tls) else { return Err(TlsError::Handshake) };
            tls.secure_data(&mut *stream, certificate.as_ref()).await?;
            Ok(stream)
        };
        Task::new(
            ticket,
            work,
            move |result: Result<DataStream<R::Stream>, TlsError>, id, holdings: &mut Holdings<R>| {
                let stream = result?;
                holdings.data.keep(name.unwrap_or(id), stream);
                Ok(Secured::default())
            },
        )
    }

    fn transfer(&mut self, ticket: Ticket<Transfer>, session: &Core) -> Box<dyn Running<R>> {
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
        let (runtime, meter) = (self.runtime.clone(), Meter::default());
        let (sendfile, buffers) = (self.service.settings.use_sendfile, self.service.settings.buffers);
        let receives = matches!(kind, TransferKind::Receive(_));
        let wish = Wish::new(receives, if receives { buffers.receive.min(room::USUAL) } else { buffers.send });
        let room = Room::new(buffers.receive, self.service.shared.large_pieces.clone());
        let (pool, clock) = (self.runtime.clone(), self.runtime.clone());
        let (threads, own_wish) = (self.service.settings.threads.clone(), wish.clone());
        let progress = Progress::new(meter.clone(), wish.clone(), receives);
        let work = async move {
            let (Some(OpenFile { handle, limits }), Some(channel)) = (file, channel) else {
                return Transferred { bytes: 0, end: Err(TransferError::ConnectionLost) };
            };
            let throttle = match (&handle, &channel) {
                (_, wire::Channel::Control(_)) => Throttle::default(),
                (OpenHandle::Writer(_), _) => limits.receiving(),
                _ => limits.sending(),
            };
            let mut wire = Wire::new(runtime, channel, meter, throttle, wish);
            let end = move_bytes(&mut wire, handle, kind, formatter, sendfile, buffers, room).await;
            Transferred { bytes: wire.meter.bytes(), end }
        };
        let work = stretch::in_stretches(pool, move || clock.now(), threads, own_wish, work);
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

async fn move_bytes<R: Runtime>(
    wire: &mut Wire<R>,
    handle: OpenHandle,
    kind: TransferKind,
    formatter: Option<ListFormatter>,
    sendfile: bool,
    buffers: Buffers,
    room: Room,
) -> Result<(), TransferError> {
    match (handle, kind, formatter) {
        (OpenHandle::Reader(reader, extent), TransferKind::Send(representation), _) => {
            pump::download(wire, reader, extent, representation, sendfile, buffers.send).await
        }
        (OpenHandle::Writer(writer), TransferKind::Receive(representation), _) => {
            pump::upload(wire, writer, representation, room).await
        }
        (OpenHandle::Listing(listing), TransferKind::List(_), Some(formatter)) => {
            list::send(wire, listing, &formatter).await
        }
        _ => Err(TransferError::Storage(FsError::Unsupported)),
    }
}

fn purpose(handle: &OpenHandle) -> Purpose {
    match handle {
        OpenHandle::Writer(_) => Purpose::ClientWrites,
        OpenHandle::Reader(..) | OpenHandle::Listing(_) => Purpose::ClientReads,
    }
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
