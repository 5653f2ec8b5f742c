//! A client's data connection: a task of its own, which behaves well or in one of many other ways.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::chance::Chance;
use crate::control::{read, within, write_all};
use crate::net::End;
use crate::runtime::{SimListener, SimStream};
use crate::world::{World, lock};

/// How long a client waits for the server to connect, and for bytes.
const PATIENCE: Duration = Duration::from_secs(1500);

/// Where the two meet.
pub(crate) enum Place {
    Passive { from: SocketAddr, to: SocketAddr },
    Active(SimListener),
}

/// What a client does with its data connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conduct {
    Good,
    /// Says at once that nothing comes from it, which ends no download.
    HalfClosed,
    /// Resets the connection after so many bytes.
    Reset(usize),
    /// Does nothing for a time after so many bytes.
    Stall(usize, Duration),
    /// Never connects.
    Never,
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
    end: Option<End>,
    done: bool,
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
    end: Arc<Mutex<DataEnd>>,
    /// How long it waits between two pieces at the most.
    pace: Duration,
}

impl DataTask {
    /// Begins; `upload` is what to send.
    pub(crate) fn begin(
        world: &World,
        mut chance: Chance,
        place: Place,
        conduct: Conduct,
        upload: Option<Vec<u8>>,
    ) -> Self {
        let end = Arc::new(Mutex::new(DataEnd::default()));
        let pace = *chance.pick(&[0, 0, 1, 100]);
        let pace = Duration::from_millis(pace);
        let work = Work { world: world.clone(), chance, conduct, end: Arc::clone(&end), pace };
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
    stream: SimStream,
    regular: bool,
}

impl Drop for Cut {
    fn drop(&mut self) {
        if !self.regular {
            self.stream.world.state().send_reset(self.stream.end);
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
            let mut cut = Cut { stream, regular: false };
            match upload {
                Some(bytes) => self.send(&mut cut.stream, &bytes).await,
                None => self.receive(&mut cut.stream).await,
            }
            cut.regular = true;
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

    async fn send(&mut self, stream: &mut SimStream, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some(most) = self.act(stream, bytes.len() - rest.len()).await else { return };
            let size = self.chance.magnitude(20_000) as usize + 1;
            let piece = &rest[..size.min(rest.len()).min(most)];
            // Counted before: some of it may get there even if not all can be sent.
            lock(&self.end).sent += piece.len();
            if !matches!(within(&self.world, PATIENCE, write_all(stream, piece)).await, Some(Ok(()))) {
                return;
            }
            rest = &rest[piece.len()..];
        }
        if self.act(stream, bytes.len()).await.is_none() {
            return;
        }
        self.world.state().send_end(stream.end);
        lock(&self.end).sent_end = true;
        let ended = within(&self.world, PATIENCE, read(stream, &mut [0; 16])).await;
        assert!(!matches!(ended, Some(Ok(1..))), "the server sends something on the connection of an upload");
    }

    async fn receive(&mut self, stream: &mut SimStream) {
        if self.conduct == Conduct::HalfClosed {
            self.world.state().send_end(stream.end);
        }
        let mut received = 0;
        loop {
            let Some(most) = self.act(stream, received).await else { return };
            let size = self.chance.magnitude(20_000) as usize + 1;
            let mut buffer = vec![0; size.min(most)];
            match within(&self.world, PATIENCE, read(stream, &mut buffer)).await {
                Some(Ok(0)) => return lock(&self.end).clean = true,
                Some(Ok(count)) => {
                    received += count;
                    lock(&self.end).received.extend_from_slice(&buffer[..count]);
                }
                _ => return,
            }
        }
    }

    /// Does what comes between two pieces; how many bytes may come next, or `None` after a reset.
    async fn act(&mut self, stream: &mut SimStream, moved: usize) -> Option<usize> {
        let pause = self.chance.micros(self.pace);
        if !pause.is_zero() {
            self.world.sleep(pause).await;
        }
        match self.conduct {
            Conduct::Reset(after) if moved >= after => {
                self.world.state().send_reset(stream.end);
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
    let Some(Ok(mut stream)) = within(&world, PATIENCE, connecting).await else { return };
    let got = within(&world, PATIENCE, read(&mut stream, &mut [0; 16])).await;
    assert!(!matches!(got, Some(Ok(1..))), "{from}: data of somebody else comes over {to}");
}
