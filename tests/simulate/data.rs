//! A client's data connection: a task of its own, which behaves well or in one of many other ways.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::chance::Chance;
use crate::control::within;
use crate::net::End;
use crate::plan::{Breach, Conduct};
use crate::runtime::{SimListener, SimStream};
use crate::stream::ClientStream;
use crate::tickets::ClientTls;
use crate::world::{World, lock};

/// How long a client waits for the server to connect, and for bytes.
const PATIENCE: Duration = Duration::from_secs(1500);

/// Where the two meet.
pub(crate) enum Place {
    Passive { from: SocketAddr, to: SocketAddr },
    Active(SimListener),
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct DataEnd {
    pub(crate) established: bool,
    pub(crate) sent: usize,
    pub(crate) received: Vec<u8>,
    /// The server has ended the stream as it should.
    pub(crate) clean: bool,
    /// The client has.
    pub(crate) sent_end: bool,
    /// Something was done to the connection on its way.
    pub(crate) hit: bool,
    /// Whether the TLS handshake has come to its end.
    pub(crate) secured: bool,
    /// Whether the TLS handshake resumed another session; `None` before it and without.
    pub(crate) resumed: Option<bool>,
    /// How many tickets to resume others have come; in TLS 1.3 alone.
    pub(crate) tickets: Option<u32>,
    /// Whether the client has waited for nothing but the server.
    pub(crate) quick: bool,
    /// When the first byte for the client left the server, and the end of the stream.
    pub(crate) began_at: u64,
    pub(crate) ended_at: u64,
    pub(crate) done: bool,
    end: Option<End>,
}

pub(crate) struct DataTask {
    world: World,
    id: u64,
    end: Arc<Mutex<DataEnd>>,
}

struct Work {
    world: World,
    chance: Chance,
    conduct: Conduct,
    tls: Option<DataTls>,
    end: Arc<Mutex<DataEnd>>,
    /// How long it waits between two pieces at the most.
    pace: Duration,
}

/// TLS for a data connection.
#[derive(Clone)]
pub(crate) struct DataTls {
    pub(crate) tls: ClientTls,
    /// Whether it is that of the control connection.
    pub(crate) is_own: bool,
    /// Whether the server takes uploads that end without `close_notify`.
    pub(crate) lenient_eof: bool,
}

impl DataTask {
    /// Begins; `upload` is what to send.
    pub(crate) fn begin(
        world: &World,
        mut chance: Chance,
        place: Place,
        conduct: Conduct,
        tls: Option<DataTls>,
        upload: Option<Vec<u8>>,
    ) -> Self {
        let pace = *chance.pick(&[0, 0, 1, 100]);
        let end = Arc::new(Mutex::new(DataEnd { quick: pace == 0, ..DataEnd::default() }));
        let pace = Duration::from_millis(pace);
        let work = Work { world: world.clone(), chance, conduct, tls, end: Arc::clone(&end), pace };
        let name = match &place {
            Place::Passive { from, to } => format!("data from {from} to {to}"),
            Place::Active(listener) => format!("data at {}", listener.address),
        };
        let id = world.spawn(name, work.run(place, upload));
        Self { world: world.clone(), id, end }
    }

    /// What has come of it by now.
    pub(crate) fn so_far(&self) -> DataEnd {
        let mut end = lock(&self.end).clone();
        end.hit = end.end.is_some_and(|end| self.world.state().is_hit(end));
        end
    }

    /// Waits for its end, for as long as a client does that has its final reply.
    pub(crate) async fn join(self) -> DataEnd {
        for _ in 0..200 {
            if self.so_far().done {
                break;
            }
            self.world.sleep(Duration::from_millis(100)).await;
        }
        self.so_far()
    }
}

/// A connection that is reset when its client is gone in the middle of a transfer: a clean end would make a file of
/// what has arrived.
struct Cut {
    stream: ClientStream,
    regular: bool,
}

impl Drop for Cut {
    fn drop(&mut self) {
        if !self.regular {
            self.stream.reset();
        }
    }
}

impl Drop for DataTask {
    fn drop(&mut self) {
        self.world.kill(self.id);
    }
}

impl Work {
    async fn run(mut self, place: Place, upload: Option<Vec<u8>>) {
        if let Some(stream) = self.meet(place).await {
            {
                let mut end = lock(&self.end);
                (end.established, end.end) = (true, Some(stream.end));
            }
            let mut cut = Cut { stream: ClientStream::new(stream), regular: false };
            if self.shake_hands(&mut cut.stream, upload.as_deref()).await {
                match upload {
                    Some(bytes) => self.send(&mut cut.stream, &bytes).await,
                    None => self.receive(&mut cut.stream).await,
                }
            }
            cut.regular = true;
            lock(&self.end).tickets = cut.stream.tickets();
        }
        lock(&self.end).done = true;
    }

    async fn meet(&self, place: Place) -> Option<SimStream> {
        match place {
            _ if self.conduct == Conduct::Never => None,
            Place::Passive { from, to } => {
                let connecting = self.world.connect_from(from, to, false);
                within(&self.world, PATIENCE, connecting).await?.ok()
            }
            Place::Active(listener) => {
                let accepted = within(&self.world, PATIENCE, self.world.accept(&listener)).await;
                accepted.map(|(stream, _)| stream)
            }
        }
    }

    /// Carries the connection into TLS, if it is to go there; whether there is something to do on it.
    async fn shake_hands(&mut self, stream: &mut ClientStream, upload: Option<&[u8]>) -> bool {
        let Some(DataTls { tls, is_own, .. }) = self.tls.clone() else { return true };
        if let Conduct::Breach(breach) = self.conduct
            && breach.spoils_handshake()
        {
            self.spoil_handshake(breach, stream, &tls, upload).await;
            return false;
        }
        let secured = within(&self.world, PATIENCE, stream.secure(&tls)).await;
        self.world.note(format_args!("link {}: the handshake ends: {secured:?}", stream.end().link));
        let is_well = self.is_well(secured).is_some();
        let (resumed, offered) = (stream.is_resumed(), is_own && stream.has_offered());
        assert!(!is_well || !offered || resumed == Some(true), "a TLS session of this server's is not taken");
        if resumed != Some(true) {
            tls.tickets.are_mixed();
        }
        let mut end = lock(&self.end);
        (end.resumed, end.secured) = (resumed, is_well);
        is_well
    }

    async fn spoil_handshake(&self, breach: Breach, stream: &mut ClientStream, tls: &ClientTls, upload: Option<&[u8]>) {
        let words = match breach {
            Breach::ClearText => upload.unwrap_or(b"clear").to_vec(),
            Breach::TornHandshake(len, _) => {
                let mut words = stream.first_words(tls);
                words.truncate(len % words.len());
                words
            }
            _ => Vec::new(),
        };
        let _ = within(&self.world, PATIENCE, stream.write_raw(&words)).await;
        match breach {
            Breach::TornHandshake(_, true) => stream.reset(),
            Breach::Mute => {}
            _ => stream.send_end(),
        }
        let _ = within(&self.world, PATIENCE, stream.read_refusal(Vec::new())).await;
    }

    /// The result, unless it is an error. Whatever is done to connections, their bytes are the server's and in order.
    fn is_well<T>(&self, result: Option<io::Result<T>>) -> Option<T> {
        match result? {
            Ok(result) => Some(result),
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::InvalidData, "a data connection carries no TLS: {error}");
                None
            }
        }
    }

    async fn send(&mut self, stream: &mut ClientStream, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some(most) = self.act(stream, bytes.len() - rest.len()).await else { return };
            let size = self.chance.magnitude(20_000) as usize + 1;
            let piece = &rest[..size.min(rest.len()).min(most)];
            if self.conduct == Conduct::Good {
                stream.perhaps_refresh();
            }
            // Counted before: some of it may get there even if not all can be sent.
            lock(&self.end).sent += piece.len();
            if piece.len() == rest.len() && self.conduct == Conduct::Breach(Breach::TornRecord) {
                let missing = self.chance.between(1, piece.len() + 16);
                let _ = within(&self.world, PATIENCE, stream.write_torn(piece, missing)).await;
                stream.send_end();
                return;
            }
            if self.is_well(within(&self.world, PATIENCE, stream.write_all(piece)).await).is_none() {
                return;
            }
            rest = &rest[piece.len()..];
        }
        if self.act(stream, bytes.len()).await.is_none() {
            return;
        }
        self.end_upload(stream).await;
        if self.conduct == Conduct::Hasty {
            return;
        }
        let ended = within(&self.world, PATIENCE, stream.read(&mut [0; 16])).await;
        let ended = self.is_well(ended);
        assert!(!matches!(ended, Some(1..)), "the server sends something on the connection of an upload");
    }

    async fn end_upload(&mut self, stream: &mut ClientStream) {
        if let (Some(tls), Conduct::Breach(_)) = (&self.tls, self.conduct) {
            stream.send_end();
            lock(&self.end).sent_end = tls.lenient_eof;
        } else {
            let finished = within(&self.world, PATIENCE, stream.finish()).await;
            lock(&self.end).sent_end = finished.is_some();
        }
    }

    async fn receive(&mut self, stream: &mut ClientStream) {
        if self.conduct == Conduct::HalfClosed {
            if self.chance.one_in(2) {
                let _ = within(&self.world, PATIENCE, stream.finish()).await;
            } else {
                stream.send_end();
            }
        }
        let mut received = 0;
        loop {
            let Some(most) = self.act(stream, received).await else { return };
            let size = self.chance.magnitude(20_000) as usize + 1;
            let mut buffer = vec![0; size.min(most)];
            let read = within(&self.world, PATIENCE, stream.read(&mut buffer)).await;
            let Some(count) = self.is_well(read) else { return };
            let mut end = lock(&self.end);
            if count == 0 {
                (end.clean, end.ended_at) = (true, stream.end_left_server());
                return;
            }
            if received == 0 {
                end.began_at = stream.left_server(count - 1);
            }
            received += count;
            end.received.extend_from_slice(&buffer[..count]);
        }
    }

    /// Does what comes between two pieces; how many bytes may come next, or `None` after a reset.
    async fn act(&mut self, stream: &mut ClientStream, moved: usize) -> Option<usize> {
        let pause = self.chance.micros(self.pace);
        if !pause.is_zero() {
            self.world.sleep(pause).await;
        }
        match self.conduct {
            Conduct::Reset(after) if moved >= after => {
                stream.reset();
                None
            }
            Conduct::Stall(after, time) if moved >= after => {
                self.conduct = Conduct::Good;
                self.world.sleep(time).await;
                Some(usize::MAX)
            }
            Conduct::Reset(after) | Conduct::Stall(after, _) => Some(after - moved),
            _ => Some(usize::MAX),
        }
    }
}

/// Connects to a passive port that is another's. The server must send it away without a byte.
pub(crate) async fn intrude(world: World, from: SocketAddr, to: SocketAddr) {
    let connecting = world.connect_from(from, to, false);
    let Some(Ok(stream)) = within(&world, PATIENCE, connecting).await else { return };
    let got = within(&world, PATIENCE, ClientStream::new(stream).read(&mut [0; 16])).await;
    assert!(!matches!(got, Some(Ok(1..))), "{from}: data of somebody else comes over {to}");
}
