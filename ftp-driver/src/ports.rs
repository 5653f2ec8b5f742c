//! The ports for passive data connections: who has which, and who waits for one when all are taken.
//!
//! Ports are given to the sessions of a server in the order of asking. A session that waits is a member of a queue until
//! it has a port, its time is over, or it is dropped; nobody who asks later gets in before.

use std::collections::{BTreeSet, VecDeque};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use ftp_proto::{Instant, ListenError};
use tracing::warn;

use crate::io::{within, yield_now};
use crate::runtime::Runtime;
use crate::sockets;

/// How long it takes until the head of the queue looks again for ports that another program has given back.
const RETRY: Duration = Duration::from_millis(500);
/// How long there is no further warning that ports are used up.
const QUIET: Duration = Duration::from_secs(60);
/// Ports that are tried before others of the thread have their turn.
const PORTS_PER_TURN: usize = 64;

/// The ports that the sessions of a server have, and those who wait. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ports(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    taken: BTreeSet<(IpAddr, u16)>,
    queue: VecDeque<Waiting>,
    last_id: u64,
    warned: Option<Instant>,
}

#[derive(Debug)]
struct Waiting {
    id: u64,
    address: IpAddr,
    range: RangeInclusive<u16>,
    /// Whether there is something new to be tried.
    called: bool,
    waker: Option<Waker>,
}

/// A listener for data, and its port.
pub(crate) struct DataListener<L> {
    // Closed before the port is given back.
    pub(crate) listener: L,
    _port: Option<Port>,
}

/// A listener, and the address that it is bound to.
pub(crate) type Bound<R> = (DataListener<<R as Runtime>::Listener>, SocketAddr);

/// A port that nobody else of the server gets.
#[derive(Debug)]
struct Port {
    ports: Ports,
    key: (IpAddr, u16),
}

/// A place in the queue.
struct Place<'a> {
    ports: &'a Ports,
    id: u64,
}

impl<L> DataListener<L> {
    /// One whose port the system has chosen.
    pub(crate) fn anywhere(listener: L) -> Self {
        Self { listener, _port: None }
    }
}

impl Ports {
    /// Listens on a port of the range, if one is free and nobody waits for it.
    ///
    /// # Errors
    /// [`ListenError::NoFreePort`] if not; [`ListenError::Failed`] when the system has no sockets.
    pub(crate) fn listen<R: Runtime>(
        &self,
        runtime: &R,
        range: &RangeInclusive<u16>,
        at: impl Fn(u16) -> SocketAddr,
    ) -> Result<Bound<R>, ListenError> {
        let address = at(0).ip();
        if self.state().first_of(address, range).is_some() {
            return Err(ListenError::NoFreePort);
        }
        for number in sockets::shuffled(range) {
            if let Some(bound) = self.try_port(runtime, at(number))? {
                return Ok(bound);
            }
        }
        Err(ListenError::NoFreePort)
    }

    /// Waits for a port of the range, for so long at the most, behind all who wait already.
    ///
    /// # Errors
    /// As for [`listen`](Self::listen).
    ///
    /// # Cancellation
    /// Leaves the queue.
    pub(crate) async fn wait<R: Runtime>(
        &self,
        runtime: &R,
        range: RangeInclusive<u16>,
        at: impl Fn(u16) -> SocketAddr + Send + Sync,
        patience: Duration,
    ) -> Result<Bound<R>, ListenError> {
        self.warn(runtime.now(), &range);
        let place = self.enter(at(0).ip(), range.clone());
        let work = async {
            loop {
                // Another program tells nobody when it gives a port back.
                within(runtime, RETRY, place.called()).await;
                if place.is_first()
                    && let Some(bound) = self.try_all(runtime, &range, &at).await?
                {
                    return Ok(bound);
                }
            }
        };
        within(runtime, patience, work).await.unwrap_or(Err(ListenError::NoFreePort))
    }

    async fn try_all<R: Runtime>(
        &self,
        runtime: &R,
        range: &RangeInclusive<u16>,
        at: &(impl Fn(u16) -> SocketAddr + Send + Sync),
    ) -> Result<Option<Bound<R>>, ListenError> {
        for (tried, number) in sockets::shuffled(range).enumerate() {
            if let Some(bound) = self.try_port(runtime, at(number))? {
                return Ok(Some(bound));
            }
            if tried % PORTS_PER_TURN == PORTS_PER_TURN - 1 {
                yield_now().await;
            }
        }
        Ok(None)
    }

    /// `None`: somebody has it.
    fn try_port<R: Runtime>(&self, runtime: &R, address: SocketAddr) -> Result<Option<Bound<R>>, ListenError> {
        let key = (address.ip(), address.port());
        if !self.state().taken.insert(key) {
            return Ok(None);
        }
        match runtime.listen(address) {
            Ok((listener, address)) => {
                let port = Port { ports: self.clone(), key };
                Ok(Some((DataListener { listener, _port: Some(port) }, address)))
            }
            Err(error) => {
                // It was not ours, so that nobody is called.
                self.state().taken.remove(&key);
                // Another program has it, or the system keeps it for one.
                let is_taken = matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied);
                if is_taken { Ok(None) } else { Err(ListenError::Failed) }
            }
        }
    }

    fn enter(&self, address: IpAddr, range: RangeInclusive<u16>) -> Place<'_> {
        let mut state = self.state();
        state.last_id += 1;
        let id = state.last_id;
        // Something may have been given back since it was tried without a place.
        state.queue.push_back(Waiting { id, address, range, called: true, waker: None });
        Place { ports: self, id }
    }

    fn warn(&self, now: Instant, range: &RangeInclusive<u16>) {
        let mut state = self.state();
        if state.warned.is_none_or(|last| now.saturating_since(last) >= QUIET) {
            state.warned = Some(now);
            drop(state);
            let (first, last) = (range.start(), range.end());
            warn!(
                "all ports of passive_ports, {first}-{last}, are taken: clients wait for one; a larger range would help"
            );
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Who is the first to wait for such ports.
    fn first_of(&mut self, address: IpAddr, range: &RangeInclusive<u16>) -> Option<&mut Waiting> {
        self.queue.iter_mut().find(|waiting| waiting.address == address && overlap(&waiting.range, range))
    }

    /// Lets those have a try whose turn it is with this port.
    fn call(&mut self, address: IpAddr, range: &RangeInclusive<u16>) -> Option<Waker> {
        let first = self.first_of(address, range)?;
        first.called = true;
        first.waker.take()
    }
}

impl Place<'_> {
    /// Ready when it is worth a try.
    async fn called(&self) {
        poll_fn(|cx| {
            let mut state = self.ports.state();
            let Some(own) = state.queue.iter_mut().find(|waiting| waiting.id == self.id) else {
                return Poll::Ready(());
            };
            if std::mem::take(&mut own.called) {
                return Poll::Ready(());
            }
            own.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Whether nobody waits for longer.
    fn is_first(&self) -> bool {
        let mut state = self.ports.state();
        let Some(own) = state.queue.iter().find(|waiting| waiting.id == self.id) else { return false };
        let (address, range) = (own.address, own.range.clone());
        state.first_of(address, &range).is_some_and(|first| first.id == self.id)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.ports.state();
        let Some(place) = state.queue.iter().position(|waiting| waiting.id == self.id) else { return };
        // Who comes next may find what this one did not need.
        let next = state.queue.remove(place).and_then(|own| state.call(own.address, &own.range));
        drop(state);
        next.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        let mut state = self.ports.state();
        let (address, number) = self.key;
        state.taken.remove(&self.key);
        let first = state.call(address, &(number..=number));
        drop(state);
        first.into_iter().for_each(Waker::wake);
    }
}

fn overlap(one: &RangeInclusive<u16>, other: &RangeInclusive<u16>) -> bool {
    one.start() <= other.end() && other.start() <= one.end()
}
