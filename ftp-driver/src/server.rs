//! The accept loop: listeners, limits, and the graceful stop.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use ftp_fs::BoxFuture;
use ftp_proto::{Instant, Reply, Shutdown};
use ftp_types::UserName;
use tracing::{debug, info, warn};

use crate::connection::{alone, serve_newcomer};
use crate::io::{poll_finish_sending, poll_read, poll_write};
use crate::limits::{Exceeded, Limits, Place};
use crate::proxy_header::{ProxyError, identify_client_unless_stopped};
use crate::rendezvous::is_of_one_connection;
use crate::runtime::{Addresses, Runtime, Stream};
use crate::service::Service;
use crate::sessions::LiveSession;
use crate::shutdown::{Stop, Stopping};

/// How long no connection is accepted after the system had no descriptor or no memory for one.
const PAUSE: Duration = Duration::from_millis(100);
/// How long sessions that were told to end now may take to do so.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Connections that are accepted before others of the thread have their turn.
const ACCEPTS_PER_TURN: usize = 32;

/// Steers a server that runs. Clones steer the same one.
#[derive(Clone, Debug)]
pub struct Handle(Arc<Shared>);

/// Where a server listens, and how connections begin there. An address alone is one with the usual beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The address, with the port that the system chose.
    pub address: SocketAddr,
    /// Whether TLS comes first, before the greeting (implicit FTPS).
    pub implicit_tls: bool,
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self { address, implicit_tls: false }
    }
}

#[derive(Debug)]
struct Shared {
    addresses: Vec<SocketAddr>,
    /// Whether TLS comes first, for each of the addresses.
    implicit_tls: Vec<bool>,
    limits: Limits,
    /// Asked to stop: nobody is accepted any more, and nothing else.
    close: Stop,
    stop: Stop,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    service: Service,
    grace: Duration,
}

impl Handle {
    /// A handle for a server that will listen there, on listeners in the same order.
    #[must_use]
    pub fn new(service: &Service, endpoints: impl IntoIterator<Item: Into<Endpoint>>) -> Self {
        let endpoints = endpoints.into_iter().map(Into::into);
        let (addresses, implicit_tls) =
            endpoints.map(|Endpoint { address, implicit_tls }| (address, implicit_tls)).unzip();
        let stop = Stop::new();
        let state = Mutex::new(State { service: service.stopped_by(&stop), grace: Duration::ZERO });
        Self(Arc::new(Shared { addresses, implicit_tls, limits: Limits::new(), close: Stop::new(), stop, state }))
    }

    /// Where the server listens, with the ports that the system chose.
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.0.addresses
    }

    /// How many clients are connected.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.limits.total()
    }

    /// Accepts nobody any more, and lets the sessions that stand go on until they end by themselves, or one of the other
    /// two is called.
    pub fn close(&self) {
        self.0.close.ask(Shutdown::Graceful);
    }

    /// Accepts nobody any more, lets running transfers end for as long as `grace`, then ends them too.
    pub fn shutdown(&self, grace: Duration) {
        self.state().grace = grace;
        self.0.stop.ask(Shutdown::Graceful);
    }

    /// Ends all sessions at once.
    pub fn shutdown_now(&self) {
        self.0.stop.ask(Shutdown::Now);
    }

    /// The sessions that are served at this moment, the oldest first.
    #[must_use]
    pub fn sessions(&self) -> Vec<LiveSession> {
        self.0.stop.sessions()
    }

    /// Ends the sessions that `pick` picks, as [`Stop::end_sessions`] does, and tells how many.
    ///
    /// ```
    /// # fn clear(handle: &ftp_driver::Handle) {
    /// use ftp_proto::Shutdown;
    ///
    /// // Whoever has not logged in is to go.
    /// handle.end_sessions(|live| live.session.user.is_none(), Shutdown::Now);
    /// # }
    /// ```
    pub fn end_sessions(&self, pick: impl FnMut(&LiveSession) -> bool, how: Shutdown) -> usize {
        self.0.stop.end_sessions(pick, how)
    }

    /// Ends the sessions of a user, logins that are being judged included, and tells how many. To remove a user for
    /// good, take them from the accounts first.
    ///
    /// ```
    /// # fn dismiss(users: &ftp_fs::VirtualUsers, handle: &ftp_driver::Handle, bob: ftp_types::UserName) {
    /// users.remove(&bob);
    /// handle.end_sessions_of(&bob, ftp_proto::Shutdown::Graceful);
    /// # }
    /// ```
    pub fn end_sessions_of(&self, user: &UserName, how: Shutdown) -> usize {
        self.0.stop.end_sessions_of(user, how)
    }

    /// Serves new connections by another service from now on. Those that stand keep theirs, and are counted on; speed
    /// limits for a user and for the server hold for all of them together.
    pub fn set_service(&self, service: &Service) {
        let mut state = self.state();
        state.service = service.in_place_of(&state.service).stopped_by(&self.0.stop);
    }

    fn service(&self) -> Service {
        self.state().service.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts connections and serves them until the handle says stop and all sessions have ended. Each session is one
/// future that is given to `spawn`.
///
/// The limits of the service apply: who is one too many is told so, and not counted. When the system has no
/// descriptors left, accepting pauses for a moment and goes on.
///
/// # Cancellation
/// Dropping the future closes the listeners; sessions that were spawned go on.
pub async fn serve<R, S>(runtime: R, listeners: Vec<R::Listener>, handle: Handle, spawn: S)
where
    R: Runtime,
    S: Fn(BoxFuture<'static, ()>) + Send,
{
    accept(runtime, listeners, handle, spawn, None::<Arc<fn(BoxFuture<'static, ()>)>>).await;
}

/// [`serve`] where sessions begin in one place and go on in another: `spawn` runs them from the beginning, and `settle`
/// from the moment when they first have more to do than to log in. That is TLS, a data connection, a look at a file, or
/// whatever keeps them busy for a hundred turns.
///
/// Logins are short, and cost the least where the connection was accepted. Whoever spreads sessions over threads by
/// `settle` counts none that has only logged in and waits. [Hooks](crate::Hooks) that are under way go with their session.
///
/// # Cancellation
/// As that of [`serve`]. A session that is dropped by `settle` is cut off.
pub async fn serve_settling<R, S, T>(runtime: R, listeners: Vec<R::Listener>, handle: Handle, spawn: S, settle: T)
where
    R: Runtime,
    S: Fn(BoxFuture<'static, ()>) + Send,
    T: Fn(BoxFuture<'static, ()>) + Send + Sync + 'static,
{
    accept(runtime, listeners, handle, spawn, Some(Arc::new(settle))).await;
}

async fn accept<R, S, T>(runtime: R, listeners: Vec<R::Listener>, handle: Handle, spawn: S, settle: Option<Arc<T>>)
where
    R: Runtime,
    S: Fn(BoxFuture<'static, ()>) + Send,
    T: Fn(BoxFuture<'static, ()>) + Send + Sync + 'static,
{
    let (closing, stopping) = (handle.0.close.listen(), handle.0.stop.listen());
    let (handle_of_all, runtime_of_all) = (handle.clone(), runtime.clone());
    let mut acceptor = Acceptor { runtime, listeners, handle, spawn, settle, closing, stopping, pause: None };
    poll_fn(|cx| acceptor.poll(cx)).await;
    drop(acceptor);
    wait_for_sessions(&runtime_of_all, &handle_of_all).await;
}

struct Acceptor<R: Runtime, S, T> {
    runtime: R,
    listeners: Vec<R::Listener>,
    handle: Handle,
    spawn: S,
    settle: Option<Arc<T>>,
    closing: Stopping,
    stopping: Stopping,
    pause: Option<Pause<R>>,
}

struct Pause<R: Runtime> {
    until: Instant,
    timer: R::Timer,
    /// Whether accepting has worked since the last warning: there is one warning per shortage, not one per pause.
    over: bool,
}

impl<R, S, T> Acceptor<R, S, T>
where
    R: Runtime,
    S: Fn(BoxFuture<'static, ()>),
    T: Fn(BoxFuture<'static, ()>) + Send + Sync + 'static,
{
    /// Ready when the server is to accept nobody any more.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.stopping.poll_asked(None, cx).is_ready() || self.closing.poll_asked(None, cx).is_ready() {
            return Poll::Ready(());
        }
        for _ in 0..ACCEPTS_PER_TURN {
            if self.poll_pause(cx).is_pending() {
                return Poll::Pending;
            }
            let mut accepted = false;
            for place in 0..self.listeners.len() {
                accepted |= self.poll_listener(place, cx).is_ready();
            }
            if !accepted {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_listener(&mut self, place: usize, cx: &mut Context<'_>) -> Poll<()> {
        match self.runtime.poll_accept(&self.listeners[place], cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok((stream, peer))) => {
                self.pause.iter_mut().for_each(|pause| pause.over = true);
                self.admit(stream, peer, place, cx);
            }
            Poll::Ready(Err(error)) if is_of_one_connection(&error) => debug!(%error, "a connection was gone"),
            Poll::Ready(Err(error)) => self.begin_pause(&error),
        }
        Poll::Ready(())
    }

    fn begin_pause(&mut self, error: &io::Error) {
        if self.pause.as_ref().is_none_or(|pause| pause.over) {
            warn!(%error, "no connection can be accepted at this moment");
        }
        let until = self.runtime.now() + PAUSE;
        self.pause = Some(Pause { until, timer: self.runtime.timer(until), over: false });
    }

    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(pause) = &mut self.pause else { return Poll::Ready(()) };
        while self.runtime.now() < pause.until {
            if Pin::new(&mut pause.timer).poll(cx).is_pending() {
                return Poll::Pending;
            }
            pause.timer = self.runtime.timer(pause.until);
        }
        Poll::Ready(())
    }

    fn admit(&self, mut stream: R::Stream, peer: SocketAddr, place: usize, cx: &mut Context<'_>) {
        let Shared { addresses, implicit_tls, limits, .. } = &*self.handle.0;
        let listener = addresses.get(place).copied();
        let known = listener.filter(|address| !address.ip().is_unspecified());
        let Some(local) = known.or_else(|| local_end(&stream)).or(listener) else { return };
        let addresses = Addresses { local, peer };
        let mut service = self.handle.service();
        if implicit_tls.get(place) == Some(&true) {
            service = service.with_implicit_tls();
        }
        let maxima = service.maxima();
        if service.settings.proxies.contain(addresses.peer.ip()) {
            return match limits.enter_unknown(maxima) {
                Ok(place) => {
                    let stopping = service.stop.listen();
                    let runtime = self.runtime.clone();
                    let settle = self.settle.clone();
                    let session = serve_proxied(runtime, service, stream, addresses, place, stopping, settle);
                    (self.spawn)(alone(addresses.peer, session));
                }
                Err(exceeded) => {
                    // Its header is no news. A socket that is closed over unread bytes would take the reply with it.
                    let _ = poll_read(&mut stream, cx, &mut [0; 512]);
                    refuse::<R>(&service, &mut stream, addresses, exceeded, cx);
                }
            };
        }
        match limits.enter(addresses.peer.ip(), maxima) {
            Ok(place) => {
                let runtime = self.runtime.clone();
                let settle = self.settle.clone();
                let session = serve_newcomer(runtime, service, stream, addresses.into(), place, settle);
                (self.spawn)(alone(addresses.peer, session));
            }
            Err(exceeded) => refuse::<R>(&service, &mut stream, addresses, exceeded, cx),
        }
    }
}

/// The socket knows on which of the server's addresses the client came in; a simulation's listener does.
fn local_end(stream: &impl Stream) -> Option<SocketAddr> {
    stream.socket()?.local_addr().ok()?.as_socket()
}

/// Serves whoever a proxy has made this connection for.
async fn serve_proxied<R: Runtime>(
    runtime: R,
    service: Service,
    mut stream: R::Stream,
    socket: Addresses,
    mut place: Place,
    mut stopping: Stopping,
    settle: Option<Arc<impl Fn(BoxFuture<'static, ()>) + Send + Sync + 'static>>,
) {
    let identified = identify_client_unless_stopped(&runtime, &service, &mut stream, socket, &mut stopping);
    let route = match identified.await {
        Some(Ok(route)) => route,
        // Those who look whether the server is there come and go without a word.
        Some(Err(error @ ProxyError::Ended)) => return debug!(proxy = %socket.peer, %error, "connection closed"),
        Some(Err(error)) => return warn!(proxy = %socket.peer, %error, "connection closed"),
        None => return,
    };
    if let Err(exceeded) = place.assign(route.client.peer.ip(), service.maxima()) {
        let said = poll_fn(|cx| {
            refuse::<R>(&service, &mut stream, route.client, exceeded, cx);
            Poll::Ready(())
        });
        return said.await;
    }
    let session = serve_newcomer(runtime, service, stream, route, place, settle);
    // The session has begun to listen itself.
    drop(stopping);
    session.await;
}

/// Says that there are too many, as far as that goes without waiting, and closes.
fn refuse<R: Runtime>(
    service: &Service,
    stream: &mut R::Stream,
    addresses: Addresses,
    exceeded: Exceeded,
    cx: &mut Context<'_>,
) {
    let reply = match exceeded {
        Exceeded::Total => Reply::too_many_connections(),
        Exceeded::PerAddress => Reply::too_many_connections_from_address(),
    };
    info!(peer = %addresses.peer, ?exceeded, "connection refused");
    service.settings.observer.refused(&addresses, &reply);
    if service.implicit_tls {
        // There is no TLS yet to say it through, and what is said in clear would look like an attack.
        return;
    }
    let mut bytes = Vec::new();
    reply.write_to(&mut bytes);
    // A socket that is just accepted has room for a line; and if not, there is nothing better to do than to close it.
    let _ = poll_write(stream, cx, &bytes);
    let _ = poll_finish_sending(stream, cx);
}

/// Waits for the sessions to end: for the grace that was given, and then for their last words.
async fn wait_for_sessions<R: Runtime>(runtime: &R, handle: &Handle) {
    let (mut begun, mut end_now) = (None, None);
    let mut timer = None;
    poll_fn(|cx| {
        loop {
            if handle.0.stop.poll_idle(cx).is_ready() {
                return Poll::Ready(());
            }
            let Some(asked) = handle.0.stop.asked() else {
                // Closed and nothing more: the sessions have all the time they want.
                return Poll::Pending;
            };
            let now = runtime.now();
            let begun = *begun.get_or_insert(now);
            if end_now.is_none() && asked == Shutdown::Now {
                end_now = Some(now);
            }
            let until = end_now.map_or_else(|| begun + handle.state().grace, |since| since + LAST_WORDS);
            if now >= until {
                if end_now.is_some() {
                    return Poll::Ready(());
                }
                handle.0.stop.ask(Shutdown::Now);
                continue;
            }
            let sleeping = timer.insert(runtime.timer(until));
            if Pin::new(sleeping).poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await;
}
