//! The network: hosts that connect, bytes under way, and ends of connections that know no more than real ones do.

use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::task::{Poll, Waker};
use std::time::Duration;

use ftp_proto::Instant;

use crate::scene::is_control;
use crate::trace::Hash;
use crate::watch::Watch;
use crate::world::{State, World};

#[derive(Default)]
pub(crate) struct Net {
    pub(crate) links: BTreeMap<u64, Link>,
    pub(crate) listeners: BTreeMap<SocketAddr, Listening>,
    /// When all ports for passive connections were taken last.
    full_at: Option<Instant>,
    /// How many times something has left the server.
    pub(crate) departures: u64,
    /// What goes to each client, as it leaves the server.
    pub(crate) watches: BTreeMap<IpAddr, Watch>,
}

pub(crate) struct Listening {
    pub(crate) is_server: bool,
    pub(crate) backlog: VecDeque<(End, SocketAddr)>,
    pub(crate) waker: Option<Waker>,
}

/// A connection.
pub(crate) struct Link {
    /// That of the opener, and that of the other.
    pub(crate) sides: [Side; 2],
    /// The address of the client's end.
    pub(crate) client: SocketAddr,
    pub(crate) is_control: bool,
    latency: Duration,
    /// Whether nothing gets through any more.
    silent: bool,
    pub(crate) hit: bool,
}

pub(crate) struct Side {
    pub(crate) is_server: bool,
    is_open: bool,
    /// What has arrived.
    inbox: VecDeque<u8>,
    under_way: usize,
    latest_arrival: Instant,
    ended: bool,
    /// Told once, as systems do.
    error: Option<ErrorKind>,
    dead: bool,
    sent_end: bool,
    pub(crate) written: u64,
    /// Of a server's side: up to which byte it was written at which departure; the end comes behind all bytes.
    pub(crate) left: Vec<(u64, u64)>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) link: u64,
    pub(crate) side: usize,
}

impl End {
    pub(crate) const fn other(self) -> Self {
        Self { link: self.link, side: 1 - self.side }
    }
}

impl Side {
    fn new(is_server: bool) -> Self {
        Self {
            is_server,
            is_open: true,
            inbox: VecDeque::new(),
            under_way: 0,
            latest_arrival: Instant::default(),
            ended: false,
            error: None,
            dead: false,
            sent_end: false,
            written: 0,
            left: Vec::new(),
            reader: None,
            writer: None,
        }
    }

    fn wake(&mut self) {
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }
}

impl State {
    /// Makes a connection from one address to another; its opener's end.
    pub(crate) fn link(&mut self, from: SocketAddr, to: SocketAddr, server_opens: bool) -> End {
        let id = self.next_id();
        let sides = [Side::new(server_opens), Side::new(!server_opens)];
        let client = if server_opens { to } else { from };
        let latency = self.chance.micros(self.climate.latency);
        let is_control = is_control(to.port());
        self.net.links.insert(id, Link { sides, client, is_control, latency, silent: false, hit: false });
        self.note(format_args!("link {id} from {from} to {to}"));
        if self.fault(if is_control { 40 } else { 15 }) {
            let (after, silent) = (self.chance.micros(Duration::from_secs(5)), self.chance.one_in(3));
            self.after(after, move |world| world.state().break_link(id, silent));
        }
        End { link: id, side: 0 }
    }

    /// Lets a connection be reset by something on its way, or lets nothing through it any more.
    fn break_link(&mut self, id: u64, silent: bool) {
        let Some(link) = self.net.links.get_mut(&id) else { return };
        link.hit = true;
        link.silent = silent;
        self.note(format_args!("fault: link {id} {}", if silent { "is silent" } else { "is reset" }));
        if !silent {
            [0, 1].into_iter().for_each(|side| self.reset_arrives(End { link: id, side }));
        }
    }

    pub(crate) fn side(&mut self, end: End) -> Option<&mut Side> {
        self.net.links.get_mut(&end.link).map(|link| &mut link.sides[end.side])
    }

    /// The moment at which what leaves now arrives there: nothing overtakes what left before.
    fn arrival(&mut self, end: End) -> Option<Duration> {
        let (now, jitter) = (self.now, self.chance.micros(Duration::from_millis(5)));
        let link = self.net.links.get_mut(&end.link).filter(|link| !link.silent)?;
        let at = (now + link.latency + jitter).max(link.sides[end.side].latest_arrival);
        link.sides[end.side].latest_arrival = at;
        Some(at.saturating_since(now))
    }

    pub(crate) fn poll_write(&mut self, end: End, bytes: &[u8], waker: &Waker) -> Poll<Result<usize, ErrorKind>> {
        let pipe = self.climate.pipe;
        let Some(link) = self.net.links.get_mut(&end.link) else { return Poll::Ready(Err(ErrorKind::BrokenPipe)) };
        let peer = &link.sides[end.other().side];
        let room = pipe.saturating_sub(peer.inbox.len() + peer.under_way);
        let own = &mut link.sides[end.side];
        if let Some(error) = own.error.take() {
            return Poll::Ready(Err(error));
        }
        if own.dead || own.sent_end {
            return Poll::Ready(Err(ErrorKind::BrokenPipe));
        }
        if room == 0 && !bytes.is_empty() {
            own.writer = Some(waker.clone());
            return Poll::Pending;
        }
        let most = bytes.len().min(room);
        let in_part = own.written > 0 && self.chance.one_in(self.climate.whole_writes);
        let count = if in_part { self.chance.between(1.min(most), most) } else { most };
        self.send(end, &bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn send(&mut self, end: End, bytes: &[u8]) {
        self.watch(end, bytes);
        let arrival = self.arrival(end.other());
        let mut hash = Hash::new();
        hash.take(bytes);
        self.note(format_args!("link {} side {} sends {}: {:x}", end.link, end.side, bytes.len(), hash.0));
        let Some(link) = self.net.links.get_mut(&end.link) else { return };
        link.sides[end.side].written += bytes.len() as u64;
        self.departs(end, false);
        let Some(link) = self.net.links.get_mut(&end.link) else { return };
        link.sides[end.other().side].under_way += bytes.len();
        let (bytes, to) = (bytes.to_vec(), end.other());
        if let Some(arrival) = arrival {
            self.after(arrival, move |world| world.state().arrives(to, &bytes));
        }
    }

    fn arrives(&mut self, at: End, bytes: &[u8]) {
        let Some(side) = self.side(at) else { return };
        side.under_way -= bytes.len();
        if side.dead {
            return;
        }
        if !side.is_open {
            return self.send_reset(at);
        }
        side.inbox.extend(bytes);
        side.reader.take().into_iter().for_each(Waker::wake);
        self.note(format_args!("link {} side {} gets {}", at.link, at.side, bytes.len()));
    }

    pub(crate) fn poll_read(&mut self, end: End, buffer: &mut [u8], waker: &Waker) -> Poll<Result<usize, ErrorKind>> {
        let most = self.side(end).map_or(0, |side| side.inbox.len().min(buffer.len()));
        let count = if most > 0 && self.chance.one_in(8) { self.chance.between(1, most) } else { most };
        let Some(side) = self.side(end) else { return Poll::Ready(Ok(0)) };
        if count > 0 {
            side.inbox.drain(..count).zip(buffer).for_each(|(byte, place)| *place = byte);
            self.after(Duration::from_micros(50), move |world| world.state().has_room(end.other()));
            return Poll::Ready(Ok(count));
        }
        if let Some(error) = side.error.take() {
            return Poll::Ready(Err(error));
        }
        if side.dead || side.ended {
            return Poll::Ready(Ok(0));
        }
        side.reader = Some(waker.clone());
        Poll::Pending
    }

    fn has_room(&mut self, end: End) {
        let Some(side) = self.side(end) else { return };
        side.writer.take().into_iter().for_each(Waker::wake);
    }

    /// FIN.
    pub(crate) fn send_end(&mut self, end: End) {
        let Some(side) = self.side(end) else { return };
        if side.dead || std::mem::replace(&mut side.sent_end, true) {
            return;
        }
        self.note(format_args!("link {} side {} sends its end", end.link, end.side));
        self.departs(end, true);
        if let Some(arrival) = self.arrival(end.other()) {
            self.after(arrival, move |world| {
                let mut state = world.state();
                state.note(format_args!("link {} side {} gets the end", end.link, end.other().side));
                if let Some(side) = state.side(end.other()) {
                    side.ended = true;
                    side.reader.take().into_iter().for_each(Waker::wake);
                }
            });
        }
    }

    /// RST.
    pub(crate) fn send_reset(&mut self, end: End) {
        let Some(side) = self.side(end) else { return };
        if std::mem::replace(&mut side.dead, true) {
            return;
        }
        self.note(format_args!("link {} side {} sends a reset", end.link, end.side));
        if let Some(arrival) = self.arrival(end.other()) {
            self.after(arrival, move |world| world.state().reset_arrives(end.other()));
        }
    }

    fn reset_arrives(&mut self, at: End) {
        // Some systems throw away what has not been read, others keep it.
        let forgets = self.chance.one_in(2);
        let Some(side) = self.side(at) else { return };
        if !std::mem::replace(&mut side.dead, true) {
            side.error = Some(ErrorKind::ConnectionReset);
        }
        if forgets {
            side.inbox.clear();
        }
        side.wake();
        self.note(format_args!("link {} side {} is reset", at.link, at.side));
    }

    /// The program closes its end. What it has not read makes a reset of it.
    pub(crate) fn close(&mut self, end: End) {
        let Some(side) = self.side(end) else { return };
        side.is_open = false;
        (side.reader, side.writer) = (None, None);
        if side.inbox.is_empty() { self.send_end(end) } else { self.send_reset(end) }
    }

    /// Whether nothing has been sent from there: a new connection has room for a line, and real runtimes see it.
    pub(crate) fn is_new(&self, end: End) -> bool {
        self.net.links.get(&end.link).is_some_and(|link| link.sides[end.side].written == 0)
    }

    pub(crate) fn is_hit(&self, end: End) -> bool {
        self.net.links.get(&end.link).is_none_or(|link| link.hit)
    }

    pub(crate) fn mark_hit(&mut self, end: End) {
        self.note(format_args!("fault: link {}", end.link));
        self.net.links.entry(end.link).and_modify(|link| link.hit = true);
    }

    /// Notes the time if all passive ports are taken.
    pub(crate) fn note_full(&mut self) {
        if self.passive_listeners() == usize::from(self.climate.ports) {
            self.net.full_at = Some(self.now);
        }
    }

    /// Whether all passive ports were taken at some moment since then.
    pub(crate) fn was_full(&mut self, since: Instant) -> bool {
        self.note_full();
        self.net.full_at.is_some_and(|at| at >= since)
    }

    /// At how many places the server waits for data connections.
    pub(crate) fn passive_listeners(&self) -> usize {
        let is_passive = |(at, listening): &(&SocketAddr, &Listening)| listening.is_server && !is_control(at.port());
        self.net.listeners.iter().filter(is_passive).count()
    }

    /// The connections that the server has open.
    pub(crate) fn open_at_server(&self) -> Vec<u64> {
        let open = |link: &Link| link.sides.iter().any(|side| side.is_server && side.is_open);
        self.net.links.iter().filter(|(_, link)| open(link)).map(|(id, _)| *id).collect()
    }
}

impl World {
    /// A connection request arrives: where nobody listens it is refused.
    pub(crate) fn request_arrives(&self, from: SocketAddr, to: SocketAddr) -> Option<End> {
        let mut state = self.state();
        let server_opens = !state.net.listeners.get(&to)?.is_server;
        let end = state.link(from, to, server_opens);
        let listening = state.net.listeners.get_mut(&to)?;
        listening.backlog.push_back((end.other(), from));
        listening.waker.take().into_iter().for_each(Waker::wake);
        Some(end)
    }
}
