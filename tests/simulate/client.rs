//! A client: it comes a few times, logs in rightly or wrongly, does this and that, and leaves in one of many ways.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::chance::Chance;
use crate::control::{Control, Over, Reply};
use crate::crypto;
use crate::disk::Disk;
use crate::scene::{Scene, USERS, User, implicit_address, server_address};
use crate::shelf::{Shelf, brief};
use crate::tickets::ClientTls;
use crate::truth::{Seen, Truth, What};
use crate::world::{World, lock};

/// What all clients of a run share.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) world: World,
    pub(crate) disk: Disk,
    pub(crate) truth: Truth,
    pub(crate) scene: Arc<Scene>,
    pub(crate) counts: Arc<Mutex<Counts>>,
}

/// How much a run has had of what.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) sessions: u64,
    /// Sessions under TLS, transfers under it, and those of them that have resumed a TLS session.
    pub(crate) secured: u64,
    pub(crate) protected: u64,
    pub(crate) resumed: u64,
    pub(crate) logins: u64,
    pub(crate) uploads: u64,
    pub(crate) downloads: u64,
    pub(crate) listings: u64,
    pub(crate) cut: u64,
    pub(crate) aborts: u64,
    /// How many sessions there were at one time.
    pub(crate) peak: usize,
}

pub(crate) struct Client {
    pub(crate) common: Common,
    pub(crate) number: usize,
    pub(crate) chance: Chance,
    pub(crate) user: &'static User,
    pub(crate) shelf: Shelf,
    pub(crate) last_port: u16,
    pub(crate) last_name: u32,
    /// TLS of the last visit.
    last_tls: Option<ClientTls>,
    /// Whether a connection came to nothing, so that the server may still have it.
    lost: bool,
}

/// A session, as its client sees it.
pub(crate) struct Visit<'a> {
    pub(crate) client: &'a mut Client,
    pub(crate) control: Control,
    /// Whether the type is image.
    pub(crate) image: bool,
    /// Whether REST was said, which the next command takes.
    pub(crate) restarts: bool,
    /// TLS, if the client wants it.
    pub(crate) tls: Option<ClientTls>,
    /// That of an earlier visit, if the client wants to resume on data connections what does not belong there.
    pub(crate) foreign_tls: Option<ClientTls>,
    /// Whether PBSZ was said.
    pub(crate) sized: bool,
}

impl Client {
    pub(crate) fn new(common: &Common, number: usize, mut chance: Chance) -> Self {
        let (shelf, user) = (Shelf::default(), &USERS[chance.below(USERS.len())]);
        let common = common.clone();
        let mut client =
            Self { common, number, chance, user, shelf, last_port: 1024, last_name: 0, last_tls: None, lost: false };
        client.furnish();
        client
    }

    /// Puts a few files where they can be found.
    fn furnish(&mut self) {
        let home = self.home();
        self.common.disk.put_directory(&home);
        for (name, ascii) in [("first", false), ("second", true), ("third", false)] {
            let len = (self.chance.magnitude(60_000) as usize).max(self.common.scene.least_file);
            let content = if ascii { crate::content::text(&mut self.chance, len) } else { self.bytes(len) };
            let path = format!("{home}/{name}");
            self.common.disk.put(&path, &content);
            self.shelf.files.insert(path, content);
        }
    }

    pub(crate) fn home(&self) -> String {
        format!("/home/{}", self.number)
    }

    pub(crate) fn who(&self) -> String {
        format!("client {} ({})", self.number, self.user.name)
    }

    pub(crate) fn may(&self, letter: char) -> bool {
        self.user.letters.contains(letter)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        crate::content::marked(self.chance.magnitude(u64::MAX), len)
    }

    pub(crate) fn fresh_name(&mut self) -> String {
        self.last_name += 1;
        format!("{}/new{}", self.home(), self.last_name)
    }

    pub(crate) fn fresh_address(&mut self) -> SocketAddr {
        self.last_port += 1;
        SocketAddr::from((self.ip(), self.last_port))
    }

    fn ip(&self) -> Ipv4Addr {
        Ipv4Addr::from(0x0a00_0001 + self.number as u32)
    }

    pub(crate) async fn run(mut self) {
        let late = self.chance.micros(Duration::from_secs(20));
        self.common.world.sleep(late).await;
        for _ in 0..self.chance.between(1, 4) {
            if self.common.truth.stops() {
                break;
            }
            let peer = self.fresh_address();
            let left = self.visit(peer).await;
            drop(left);
            self.common.truth.over(peer).await;
            self.settle().await;
            let pause = self.chance.micros(Duration::from_secs(10));
            self.common.world.sleep(pause).await;
        }
        self.settle().await;
        let who = self.who();
        self.shelf.check(&self.common.disk, &who);
    }

    /// Waits until nothing of what was begun goes on, and looks what has come of it.
    pub(crate) async fn settle(&mut self) {
        self.common.world.work_done().await;
        let who = self.who();
        self.shelf.settle(&self.common.disk, &who);
    }

    async fn visit(&mut self, peer: SocketAddr) -> Result<(), Over> {
        let Common { world, truth, scene, .. } = &self.common;
        let may_be_full = self.lost || scene.max_connections > 0;
        let wants_tls = scene.tls.is_some() && !self.chance.one_in(3);
        let tls = wants_tls.then(|| crypto::client(world, self.chance.one_in(2), self.chance.one_in(6)));
        let foreign_tls = self.last_tls.take().filter(|_| self.chance.one_in(6));
        self.last_tls.clone_from(&tls);
        let is_implicit = wants_tls && self.chance.one_in(5);
        world.state().cover(peer.ip(), wants_tls);
        let server = if is_implicit { implicit_address() } else { server_address() };
        let opened = Control::open(world, truth, peer, server, scene.timeouts).await;
        self.lost |= opened.is_err();
        let mut visit =
            Visit { client: self, control: opened?, image: false, restarts: false, tls, foreign_tls, sized: false };
        let begun = visit.begin(is_implicit, may_be_full).await;
        visit.client.lost |= begun.is_err();
        begun?;
        lock(&visit.client.common.counts).sessions += 1;
        visit.enter(is_implicit).await?;
        for _ in 0..visit.client.chance.between(1, 12) {
            visit.act().await?;
        }
        visit.leave().await
    }
}

impl Visit<'_> {
    async fn act(&mut self) -> Result<(), Over> {
        let pause = self.client.chance.micros(Duration::from_secs(1));
        self.control.world.sleep(pause).await;
        match self.client.chance.below(16) {
            0 | 1 => self.chat().await,
            2 | 3 => self.change_tree().await,
            4 => self.list().await,
            5 => self.share().await,
            6 if self.client.chance.one_in(3) => self.log_in_again().await,
            6 => self.err().await,
            7..=11 => self.upload().await,
            _ => self.download().await,
        }
    }

    async fn leave(&mut self) -> Result<(), Over> {
        match self.client.chance.below(6) {
            0 => self.control.vanish(true),
            1 => self.control.vanish(false),
            2 => {
                let regularly = self.client.chance.one_in(2);
                self.control.half_close(regularly).await;
                let reply = self.control.reply().await;
                assert!(reply.is_err(), "{}: a reply to nothing, {reply:?}", self.client.who());
            }
            3 => self.fall_silent().await,
            _ => {
                self.ask("QUIT", &[221]).await?;
                self.control.left = true;
                self.control.expect_end().await;
            }
        }
        Ok(())
    }

    /// Keeps the connection and does nothing with it, until time has ended the session.
    async fn fall_silent(&mut self) {
        if self.client.chance.one_in(2) {
            self.control.say("EPSV").await;
        }
        let (since, peer) = (self.control.now(), self.control.peer);
        self.client.common.truth.over(peer).await;
        let took = self.control.now().saturating_since(since);
        let most = self.client.common.scene.longest_silence();
        assert!(took <= most || self.control.is_hit(), "{}: a silent session lasts {took:?}", self.client.who());
    }

    /// Says a line, and takes its one reply.
    pub(crate) async fn ask(&mut self, line: &str, codes: &[u16]) -> Result<Reply, Over> {
        self.control.say(line).await;
        let reply = self.control.reply().await?;
        self.check(line, &reply, codes);
        Ok(reply)
    }

    pub(crate) fn check(&self, line: &str, reply: &Reply, codes: &[u16]) {
        let right = codes.contains(&reply.code);
        assert!(right, "{}: {line}: {}, which is none of {codes:?}", self.client.who(), brief(&reply.lines));
    }

    /// The replies that are right, and besides them those of a disk that has failed there since.
    pub(crate) fn codes(&self, path: &str, since: ftp_proto::Instant, right: u16) -> Vec<u16> {
        let hit = self.control.world.was_hit(&format!("path {path}"), since);
        if hit { vec![right, 451, 452] } else { vec![right] }
    }

    /// Notes that a hook may tell of this from now on.
    pub(crate) fn expect_hook(&self, what: What) -> usize {
        self.client.common.truth.session(self.control.peer, |session| {
            session.seen.push(Seen { what, sure: false });
            session.seen.len() - 1
        })
    }

    /// It has happened, and a hook has to tell of it.
    pub(crate) fn is_sure(&self, place: usize) {
        self.client.common.truth.session(self.control.peer, |session| session.seen[place].sure = true);
    }

    /// It has not happened.
    pub(crate) fn forget_hook(&self) {
        self.client.common.truth.session(self.control.peer, |session| session.seen.pop());
    }
}
