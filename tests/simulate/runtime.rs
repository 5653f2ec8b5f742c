//! The world as the driver sees it: a runtime whose sockets and timers are no better than they have to be.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ftp_driver::{Runtime, Stream};
use ftp_proto::Instant;
use futures_io::{AsyncRead, AsyncWrite};

use crate::net::{End, Listening};
use crate::scene::is_control;
use crate::timers::SimTimer;
use crate::world::{State, World, lock};

/// How often a connection that got lost on its way is tried again, in seconds from the beginning.
const RETRIES: [u64; 3] = [0, 1, 3];

pub(crate) struct SimStream {
    pub(crate) world: World,
    pub(crate) end: End,
    is_server: bool,
}

pub(crate) struct SimListener {
    world: World,
    pub(crate) address: SocketAddr,
}

/// A connection that is being made.
#[derive(Default)]
struct Attempt {
    end: Option<io::Result<SimStream>>,
    waker: Option<Waker>,
}

impl Attempt {
    fn ends(&mut self, stream: Option<SimStream>) {
        self.end = Some(stream.ok_or_else(|| ErrorKind::ConnectionRefused.into()));
        self.waker.take().into_iter().for_each(Waker::wake);
    }

    fn poll(&mut self, waker: &Waker) -> Poll<io::Result<SimStream>> {
        self.waker = Some(waker.clone());
        self.end.take().map_or(Poll::Pending, Poll::Ready)
    }
}

/// A connection that nobody waits for any more when it stands is reset: a clean end would make an empty file of it.
impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(Ok(stream)) = self.end.take() {
            stream.world.state().send_reset(stream.end);
        }
    }
}

impl State {
    /// How long a connection request takes there, its answer back, and how long it is lost before. Some are lost for ever.
    fn way(&mut self, to: SocketAddr, is_server: bool) -> (Duration, Duration, Duration) {
        let latency = self.climate.latency;
        let retries = if self.fault(20) { *self.chance.pick(&RETRIES) } else { 0 };
        let black_hole = !is_control(to.port()) && self.fault(60);
        if black_hole {
            self.hit(format!("listener {to}"));
        }
        let lost = if black_hole { Duration::MAX / 4 } else { Duration::from_secs(retries) };
        self.note(format_args!("{} wants to connect to {to}", if is_server { "the server" } else { "a client" }));
        (self.chance.micros(latency), self.chance.micros(latency), lost)
    }
}

impl World {
    /// Listens as a client.
    pub(crate) fn listen_at(&self, address: SocketAddr) -> SimListener {
        self.listener(address, false)
    }

    pub(crate) fn listen_as_server(&self, address: SocketAddr) -> SimListener {
        self.listener(address, true)
    }

    fn listener(&self, address: SocketAddr, is_server: bool) -> SimListener {
        let listening = Listening { is_server, backlog: Default::default(), waker: None };
        let mut state = self.state();
        let taken = state.net.listeners.insert(address, listening);
        state.note_full();
        drop(state);
        assert!(taken.is_none(), "somebody listens at {address} already");
        SimListener { world: self.clone(), address }
    }

    /// Connects. Requests take their way, and some get lost.
    pub(crate) async fn connect_from(
        &self,
        from: SocketAddr,
        to: SocketAddr,
        is_server: bool,
    ) -> io::Result<SimStream> {
        let (there, back, retries) = self.state().way(to, is_server);
        let attempt = Arc::new(Mutex::new(Attempt::default()));
        let (slot, world) = (Arc::downgrade(&attempt), self.clone());
        self.after(there + retries, move |_| {
            if slot.strong_count() == 0 {
                // Whoever listens there by now gets a connection that its client has forgotten.
                world.state().hit(format!("listener {to}"));
            }
            let end = world.request_arrives(from, to);
            let stream = end.map(|end| SimStream { world: world.clone(), end, is_server });
            world.after(back, move |_| match slot.upgrade() {
                Some(slot) => lock(&slot).ends(stream),
                None => drop(Attempt { end: stream.map(Ok), waker: None }),
            });
        });
        std::future::poll_fn(|cx| lock(&attempt).poll(cx.waker())).await
    }

    pub(crate) async fn accept(&self, listener: &SimListener) -> (SimStream, SocketAddr) {
        std::future::poll_fn(|cx| match self.take_arrival(listener, false, cx.waker()) {
            Some(arrival) => Poll::Ready(arrival),
            None => Poll::Pending,
        })
        .await
    }

    fn take_arrival(&self, listener: &SimListener, is_server: bool, waker: &Waker) -> Option<(SimStream, SocketAddr)> {
        let mut state = self.state();
        let listening = state.net.listeners.get_mut(&listener.address)?;
        let Some((end, peer)) = listening.backlog.pop_front() else {
            listening.waker = Some(waker.clone());
            return None;
        };
        Some((SimStream { world: self.clone(), end, is_server }, peer))
    }

    /// What goes wrong when a connection is to be accepted.
    fn accept_error(&self, listener: &SimListener) -> Option<io::Error> {
        let mut state = self.state();
        let end = state.net.listeners.get(&listener.address)?.backlog.front().map(|(end, _)| *end)?;
        if !state.fault(25) {
            return None;
        }
        state.mark_hit(end);
        let address = listener.address;
        state.hit(format!("listener {address}"));
        if state.chance.one_in(2) {
            return Some(io::Error::other("too many open files"));
        }
        state.net.listeners.get_mut(&address)?.backlog.pop_front();
        state.send_reset(end);
        state.close(end);
        Some(ErrorKind::ConnectionAborted.into())
    }
}

impl Runtime for World {
    type Stream = SimStream;
    type Listener = SimListener;
    type Timer = SimTimer;

    fn now(&self) -> Instant {
        self.state().now
    }

    fn timer(&self, at: Instant) -> SimTimer {
        self.timer_at(at)
    }

    /// The driver picks a port by a randomness of its own. Clients are told another one of the same range, which the
    /// seed has picked.
    fn listen(&self, address: SocketAddr) -> io::Result<(SimListener, SocketAddr)> {
        let mut state = self.state();
        if state.fault(60) {
            state.hit("listen".to_owned());
            return Err(if state.chance.one_in(2) {
                ErrorKind::AddrInUse.into()
            } else {
                io::Error::other("no sockets")
            });
        }
        let ports = state.climate.passive_ports();
        assert!(address.port() == 0 || ports.contains(&address.port()), "{address} is outside of the range");
        let free = |port: &u16| !state.net.listeners.contains_key(&SocketAddr::new(address.ip(), *port));
        let free: Vec<u16> = ports.filter(free).collect();
        let told = SocketAddr::new(address.ip(), *state.chance.pick(&free));
        state.note(format_args!("the server listens at {told}"));
        drop(state);
        Ok((self.listener(told, true), told))
    }

    fn poll_accept(&self, listener: &SimListener, cx: &mut Context<'_>) -> Poll<io::Result<(SimStream, SocketAddr)>> {
        if let Some(error) = self.accept_error(listener) {
            return Poll::Ready(Err(error));
        }
        match self.take_arrival(listener, true, cx.waker()) {
            Some(arrival) => Poll::Ready(Ok(arrival)),
            None => Poll::Pending,
        }
    }

    fn connect(
        &self,
        local: IpAddr,
        remote: SocketAddr,
    ) -> impl Future<Output = io::Result<SimStream>> + Send + 'static {
        let world = self.clone();
        async move {
            let fails = {
                let mut state = world.state();
                let fails = state.fault(40);
                if fails {
                    state.hit(format!("listener {remote}"));
                }
                fails
            };
            if fails {
                return Err(io::Error::other("too many open files"));
            }
            world.connect_from(SocketAddr::new(local, 20), remote, true).await
        }
    }
}

impl SimStream {
    /// Whether reading or writing does nothing this time: runtimes may say so although there is something to do.
    fn passes_over(&self, state: &mut State, cx: &Context<'_>) -> bool {
        let passes = self.is_server && state.chance.one_in(24);
        if passes {
            cx.waker().wake_by_ref();
        }
        passes
    }

    fn is_interrupted(&self, state: &mut State) -> bool {
        self.is_server && state.chance.one_in(200)
    }

    pub(crate) fn is_hit(&self) -> bool {
        self.world.state().is_hit(self.end)
    }
}

impl AsyncRead for SimStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut state = self.world.state();
        if self.passes_over(&mut state, cx) {
            return Poll::Pending;
        }
        if self.is_interrupted(&mut state) {
            return Poll::Ready(Err(ErrorKind::Interrupted.into()));
        }
        state.poll_read(self.end, buffer, cx.waker()).map_err(Into::into)
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.world.state();
        if !state.is_new(self.end) && self.passes_over(&mut state, cx) {
            return Poll::Pending;
        }
        if self.is_interrupted(&mut state) {
            return Poll::Ready(Err(ErrorKind::Interrupted.into()));
        }
        state.poll_write(self.end, bytes, cx.waker()).map_err(Into::into)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.world.state().send_end(self.end);
        Poll::Ready(Ok(()))
    }
}

impl Stream for SimStream {}

impl Drop for SimStream {
    fn drop(&mut self) {
        self.world.state().close(self.end);
    }
}

/// Connections that nobody has accepted are reset.
impl Drop for SimListener {
    fn drop(&mut self) {
        let mut state = self.world.state();
        state.note_full();
        let Some(listening) = state.net.listeners.remove(&self.address) else { return };
        state.note(format_args!("nobody listens at {} any more", self.address));
        for (end, _) in listening.backlog {
            state.send_reset(end);
            state.close(end);
        }
    }
}
