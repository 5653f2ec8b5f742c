//! A server that is watched: when a test is over, all that it took has to be back.

use std::any::Any;
use std::fs;
use std::net::TcpStream;
use std::ops::{Deref, DerefMut};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::{Client, LIMIT, Server, Site};
use crate::peer::{Peer, read_all};

/// What a server is started with. Its user is `alice` with the password `x`, who may do everything in `home`.
pub(crate) struct Setup<'a> {
    pub(crate) runtime: &'a str,
    pub(crate) server: &'a str,
    pub(crate) session: &'a str,
    pub(crate) data: &'a str,
    /// Further sections.
    pub(crate) more: &'a str,
    /// Arguments of `ulimit`.
    pub(crate) limits: &'a [&'a str],
}

/// A server and what it stands on. What is not needed any more goes in this order.
pub(crate) struct Watched {
    /// What has to go before the server can.
    gates: Option<Box<dyn Any>>,
    server: Server,
    before: Figures,
    mounts: Vec<Box<dyn Any>>,
    pub(crate) site: Site,
}

/// What is left of a server.
pub(crate) struct Ended {
    pub(crate) log: Vec<String>,
    pub(crate) mounts: Vec<Box<dyn Any>>,
    pub(crate) site: Site,
}

/// What a process has of the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) descriptors: usize,
    threads: usize,
    /// Memory of its own, in KiB.
    pub(crate) memory: usize,
}

/// Threads that a pool may keep a little while for the next disk operation.
const IDLE_THREADS: usize = 8;
/// What an allocator may keep, in KiB.
const SLACK: usize = 32 * 1024;

impl<'a> Setup<'a> {
    pub(crate) fn new(runtime: &'a str) -> Self {
        Self { runtime, server: "", session: "", data: "", more: "", limits: &[] }
    }

    fn text(&self) -> String {
        let Self { runtime, server, session, data, more, .. } = self;
        // A session that is left over would hold up the end for so long that the test fails.
        format!(
            "[server]\nlisten = ['127.0.0.1:0']\nruntime = '{runtime}'\nworkers = 2\nshutdown_grace = 100000\n{server}\n\
             [session]\nfailed_login_delay = 0\n{session}\n[data]\n{data}\n\
             [[user]]\nname = 'alice'\npassword = 'x'\nhome = 'home'\nperm = 'elradfmwMT'\n{more}\n"
        )
    }

    pub(crate) fn serve(&self) -> Watched {
        self.serve_on(Site::new(), vec![])
    }

    /// Serves a site with what is mounted in it.
    pub(crate) fn serve_on(&self, site: Site, mounts: Vec<Box<dyn Any>>) -> Watched {
        let server = self.start(&site);
        let before = settle_first(&server);
        Watched { gates: None, server, before, mounts, site }
    }

    fn start(&self, site: &Site) -> Server {
        site.write("ferry.toml", self.text());
        let limits: String = self.limits.iter().map(|limit| format!("ulimit {limit} && ")).collect();
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{limits}exec \"$@\""), "sh", env!("CARGO_BIN_EXE_ferry"), "--config"]);
        command.arg(site.path("ferry.toml")).env_remove("FERRY_PASSWORD");
        Server::start(command)
    }
}

impl Watched {
    /// What has to be dropped before the server can end, also when the test fails.
    pub(crate) fn gated_by(mut self, gates: impl Any) -> Self {
        self.gates = Some(Box::new(gates));
        self
    }

    pub(crate) fn alice(&self) -> Client {
        self.server.login("alice", "x")
    }

    pub(crate) fn figures(&self) -> Figures {
        figures(&self.server)
    }

    /// What its descriptors stand for.
    pub(crate) fn open(&self) -> Vec<String> {
        open(&self.server)
    }

    /// Waits until the server uses little of a processor for half a second, while it is asked something from time to
    /// time. One in a busy loop never does.
    #[track_caller]
    pub(crate) fn wait_for_rest(&self, mut ask: impl FnMut()) {
        wait_until(
            || "the server does not come to rest".to_owned(),
            || {
                let (began, used) = (Instant::now(), self.processor_time());
                while began.elapsed() < Duration::from_millis(500) {
                    ask();
                    std::thread::sleep(Duration::from_millis(20));
                }
                u128::from(self.processor_time() - used) * 40 < began.elapsed().as_millis()
            },
        );
    }

    /// Processor time that the server has used, in hundredths of a second.
    fn processor_time(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // Behind the name, which may have anything in it.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// Ends the server by `kill -9` and serves the same place again.
    pub(crate) fn kill_and_serve_again(&mut self, setup: &Setup<'_>) {
        self.server.child.kill().unwrap();
        self.server.child.wait().unwrap();
        self.server = setup.start(&self.site);
        self.before = settle_first(&self.server);
    }

    /// Waits until descriptors, threads and memory are back to what they were.
    #[track_caller]
    pub(crate) fn settle(&self) {
        let before = self.before;
        let is_back = |now: Figures| {
            now.descriptors <= before.descriptors
                && now.threads <= before.threads + IDLE_THREADS
                && now.memory <= before.memory + SLACK
        };
        wait_until(
            || format!("{:?} is not back to {before:?}: {:?}", self.figures(), open(&self.server)),
            || is_back(self.figures()),
        );
    }

    /// Waits until all is back, and ends the server.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Ended {
        drop(self.gates.take());
        self.settle();
        let log = self.server.stop();
        assert!(!log.iter().any(|line| line.contains("panicked")), "{log:#?}");
        Ended { log, mounts: self.mounts, site: self.site }
    }
}

impl Deref for Watched {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl DerefMut for Watched {
    fn deref_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}

/// Waits with a bound, and says what it waited for.
#[track_caller]
pub(crate) fn wait_until(what: impl Fn() -> String, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < LIMIT, "{}", what());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Some things are opened at the first use, and belong to the server from then on.
fn settle_first(server: &Server) -> Figures {
    let sockets = || open(server).iter().filter(|target| target.starts_with("socket:")).count();
    let at_start = sockets();
    let mut client = Peer::alice(server.address);
    // With timeouts as short as in some tests, either may come to nothing.
    if let Ok(data) = TcpStream::connect(client.passive()) {
        client.say("MLSD\r\nRETR missing\r\nQUIT\r\n");
        read_all(data);
        client.codes_to_the_end();
    }
    drop(client);
    wait_until(|| format!("the first session has not ended: {:?}", open(server)), || sockets() <= at_start);
    figures(server)
}

fn figures(server: &Server) -> Figures {
    let id = server.child.id();
    let rollup = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap();
    // What it does not share with others: that would be another part for each of them that comes or goes.
    let memory = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
    let threads = fs::read_dir(format!("/proc/{id}/task")).unwrap().count();
    let memory = memory.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    Figures { descriptors: open(server).len(), threads, memory }
}

/// What the descriptors of the server stand for.
fn open(server: &Server) -> Vec<String> {
    let descriptors = fs::read_dir(format!("/proc/{}/fd", server.child.id())).unwrap();
    // One may be closed meanwhile.
    let target =
        |entry: std::io::Result<fs::DirEntry>| Some(fs::read_link(entry.ok()?.path()).ok()?.display().to_string());
    descriptors.filter_map(target).collect()
}
