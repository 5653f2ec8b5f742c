//! One run: a server, its clients, the end of both, and what must be left of them, which is nothing.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use ftp_driver::{Endpoint, Handle, serve_settling};
use ftp_proto::{Instant, Shutdown};

use crate::chance::Chance;
use crate::client::{Client, Common, Counts};
use crate::disk::Disk;
use crate::scene::{Ending, Scene, VAULT, implicit_address, server_address};
use crate::truth::{Truth, compare};
use crate::world::{Climate, World, lock};

/// What a run was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    /// Of all that happened, in its order.
    pub(crate) hash: u64,
    pub(crate) lines: u64,
    pub(crate) time: Duration,
    pub(crate) counts: Counts,
}

struct Run {
    common: Common,
    handle: Handle,
    /// How many clients have come to their end.
    ended: Arc<AtomicUsize>,
    served: Arc<Mutex<Option<Instant>>>,
}

/// Steps after which a run goes in circles.
const STEPS: u64 = 60_000_000;
/// What a stop takes beyond its grace: the last words of sessions, and ways.
const LAST_WORDS: Duration = Duration::from_millis(2200);

/// Runs what the seed says.
pub(crate) fn run(seed: u64, clients: Option<usize>, shown: bool) -> Report {
    run_scene(seed, clients, shown, Scene::new)
}

/// The same in a scene of a certain kind.
pub(crate) fn run_scene(
    seed: u64,
    clients: Option<usize>,
    shown: bool,
    scene: impl FnOnce(&mut Chance, usize) -> Scene,
) -> Report {
    count_panics();
    // What the storage in memory takes random names from, and TLS all that it needs.
    fastrand::seed(seed);
    let mut chance = Chance::new(seed);
    let by_seed = *chance.pick(&[30, 100, 200, 300]);
    let scene = scene(&mut chance, clients.unwrap_or(by_seed));
    let run = Run::new(scene, chance, shown);
    run.clients();
    run.stop();
    run.settle();
    run.check();
    run.report()
}

impl Run {
    fn new(scene: Scene, mut chance: Chance, shown: bool) -> Self {
        // Nothing goes wrong before it begins.
        let world = World::new(chance.fork(), Climate { faults: false, ..scene.climate }, shown);
        let disk = Disk::new(&world, scene.capacity);
        for path in ["/home", "/shared", VAULT] {
            disk.put_directory(path);
        }
        disk.put(&format!("{VAULT}/secret"), b"secret");
        let truth = Truth::new(&world, scene.slow_hooks);
        let service = scene.service(&world, &disk, &truth);
        let endpoints = [(server_address(), false), (implicit_address(), true)];
        let endpoints = endpoints.map(|(address, implicit_tls)| Endpoint { address, implicit_tls });
        let handle = Handle::new(&service, endpoints);
        let common = Common { world, disk, truth, scene: Arc::new(scene), counts: Arc::default() };
        let run = Self { common, handle, ended: Arc::default(), served: Arc::default() };
        run.begin(&mut chance);
        run.common.world.state().climate.faults = run.common.scene.climate.faults;
        run
    }

    fn begin(&self, chance: &mut Chance) {
        let Common { world, scene, .. } = &self.common;
        let listeners = [server_address(), implicit_address()].map(|address| world.listen_as_server(address));
        let (ended, served) = (world.clone(), Arc::clone(&self.served));
        let spawn = || {
            let spawner = world.clone();
            move |session| {
                spawner.spawn("session".to_owned(), session);
            }
        };
        let serving = serve_settling(world.clone(), listeners.into(), self.handle.clone(), spawn(), spawn());
        world.spawn("server".to_owned(), async move {
            serving.await;
            *lock(&served) = Some(ended.now());
        });
        for number in 0..scene.clients {
            let client = Client::new(&self.common, number, chance.fork());
            let (ended, name) = (Arc::clone(&self.ended), client.who());
            world.spawn(name, async move {
                client.run().await;
                ended.fetch_add(1, Ordering::Relaxed);
            });
        }
        if let Some(pause) = scene.dismissals {
            self.dismiss(chance.fork(), pause);
        }
        match scene.ending {
            Ending::Silence => {}
            Ending::Stop { after, grace } => self.stop_later(after, Some(grace)),
            Ending::StopNow { after } => self.stop_later(after, None),
        }
    }

    /// Ends sessions now and then, until all clients have ended.
    fn dismiss(&self, mut chance: Chance, pause: Duration) {
        let (handle, truth, world) = (self.handle.clone(), self.common.truth.clone(), self.common.world.clone());
        let (ended, clients) = (Arc::clone(&self.ended), self.common.scene.clients);
        self.common.world.spawn("dismisser".to_owned(), async move {
            while ended.load(Ordering::Relaxed) < clients {
                world.sleep(chance.micros(pause) + Duration::from_millis(50)).await;
                let sessions = handle.sessions();
                if sessions.is_empty() {
                    continue;
                }
                let peer = chance.pick(&sessions).session.addresses.peer;
                let how = *chance.pick(&[Shutdown::Graceful, Shutdown::Now]);
                world.note(format_args!("the operator ends the session {peer}, {how:?}"));
                truth.told(|told| told.dismissed.insert(peer));
                handle.end_sessions(|live| live.session.addresses.peer == peer, how);
            }
        });
    }

    fn stop_later(&self, after: Duration, grace: Option<Duration>) {
        let (truth, handle) = (self.common.truth.clone(), self.handle.clone());
        let world = self.common.world.clone();
        self.common.world.spawn("operator".to_owned(), async move {
            world.sleep(after).await;
            world.note(format_args!("the server is to stop, with a grace of {grace:?}"));
            truth.told(|told| told.stop_asked = Some(world.now()));
            match grace {
                Some(grace) => handle.shutdown(grace),
                None => handle.shutdown_now(),
            }
        });
    }

    /// Lets everything happen until something has come about.
    fn until(&self, what: &str, limit: Duration, done: impl Fn() -> bool) {
        let world = &self.common.world;
        let began = world.now();
        while !done() {
            let goes_on = world.step() && world.steps() < STEPS && world.now().saturating_since(began) < limit;
            assert!(goes_on, "{what}: not after {limit:?}; there are {:?}", world.tasks());
        }
    }

    fn clients(&self) {
        let clients = self.common.scene.clients;
        self.until("all clients have ended", Duration::from_secs(24 * 3600), || {
            self.look();
            self.ended.load(Ordering::Relaxed) == clients
        });
        // Nobody says anything any more: time alone ends what is left.
        let limit = self.common.scene.longest_silence();
        self.until("all sessions have ended", limit, || self.handle.connections() == 0);
    }

    /// Each session has one place at most where it waits for data.
    fn look(&self) {
        let (connections, passive) = (self.handle.connections(), self.common.world.state().passive_listeners());
        assert!(passive <= connections, "{passive} passive ports are open for {connections} sessions");
        let mut counts = lock(&self.common.counts);
        counts.peak = counts.peak.max(connections);
    }

    fn stop(&self) {
        let Common { world, truth, scene, .. } = &self.common;
        let grace = match scene.ending {
            Ending::Stop { grace, .. } => grace,
            Ending::StopNow { .. } => Duration::ZERO,
            Ending::Silence => {
                self.until("hooks have told of all ends", Duration::from_secs(60), || truth.is_told());
                truth.told(|told| told.stop_asked = Some(world.now()));
                self.handle.shutdown(Duration::ZERO);
                Duration::ZERO
            }
        };
        self.until("the server has ended", Duration::from_secs(600), || lock(&self.served).is_some());
        let asked = truth.told(|told| told.stop_asked).expect("it was asked");
        let took = lock(&self.served).expect("it has ended").saturating_since(asked);
        assert!(took <= grace + LAST_WORDS, "the server takes {took:?} to stop, with a grace of {grace:?}");
    }

    /// Lets disks come to an end with what they are at.
    fn settle(&self) {
        let world = &self.common.world;
        self.until("nothing of the server runs", Duration::from_secs(3600), || {
            world.state().pool.is_idle() && !world.has_task("session") && !world.has_task("server")
        });
    }

    fn check(&self) {
        let Common { world, disk, truth, .. } = &self.common;
        world.end();
        assert_eq!(self.handle.connections(), 0, "places in the limits");
        assert_eq!(self.handle.sessions().len(), 0, "sessions that are listed");
        let state = world.state();
        assert_eq!(state.open_at_server(), [], "connections that the server has open");
        let listeners: Vec<_> = state.net.listeners.iter().filter(|(_, at)| at.is_server).map(|(at, _)| *at).collect();
        assert_eq!(listeners, [], "where the server listens");
        assert_eq!(state.timers.len(), 0, "timers that the server has");
        for (client, watch) in &state.net.watches {
            assert_eq!(watch.violations, 0, "{client} was sent data before 150 or 125");
        }
        drop(state);
        assert_eq!(disk.open_handles(), 0, "files and directories that are open");
        assert_eq!(PANICS.get(), 0, "sessions that have panicked");
        for name in disk.names("/shared") {
            truth.check_shared(&disk.content(&format!("/shared/{name}")).expect("it is a file"));
        }
        assert_eq!(disk.content(&format!("{VAULT}/secret")).as_deref(), Some(&b"secret"[..]));
        self.check_hooks();
        self.check_room();
    }

    fn check_hooks(&self) {
        let cut = !matches!(self.common.scene.ending, Ending::Silence);
        self.common.truth.told(|told| {
            for (peer, session) in told.sessions.iter().filter(|(_, session)| !session.hooks.is_empty()) {
                let wrong = compare(session, cut).err();
                assert_eq!(wrong, None, "{peer}: {:#?} {:#?}", session.seen, session.hooks);
            }
        });
    }

    /// What nobody uses any more has its room given back.
    fn check_room(&self) {
        let Common { disk, scene, .. } = &self.common;
        let Some(capacity) = scene.capacity else { return };
        let rest = capacity.saturating_sub(disk.used());
        disk.put("/rest", &vec![0; rest as usize]);
    }

    fn report(&self) -> Report {
        let state = self.common.world.state();
        let (hash, lines) = (state.trace.hash(), state.trace.lines());
        Report { hash, lines, time: state.now.since_epoch(), counts: *lock(&self.common.counts) }
    }
}

thread_local! {
    /// The server catches the panics of its sessions.
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

fn count_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.set(PANICS.get() + 1);
            usual(panic);
        }));
    });
    PANICS.set(0);
}
