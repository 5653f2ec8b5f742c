//! What the server tells of itself by observer and hooks, and what clients know of it: both are compared at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use ftp_driver::{
    FileTransfer, Hooks, IncompleteTransfer, LoggedIn, LoggedOut, LoginFailed, Observer, SessionInfo, Summary,
    TreeChange,
};
use ftp_fs::{BoxFuture, Remains};
use ftp_proto::{Change, Instant};

use crate::content::mark;
use crate::world::{World, lock};

#[derive(Clone)]
pub(crate) struct Truth {
    world: World,
    slow_hooks: bool,
    told: Arc<Mutex<Told>>,
}

#[derive(Default)]
pub(crate) struct Told {
    pub(crate) sessions: BTreeMap<SocketAddr, Session>,
    pub(crate) stop_asked: Option<Instant>,
    /// Sessions that the operator has ended.
    pub(crate) dismissed: BTreeSet<SocketAddr>,
    /// What was ever sent to files that all share, by its mark.
    pub(crate) shared: BTreeMap<u64, Vec<u8>>,
}

/// One session, by the address of its client.
#[derive(Default)]
pub(crate) struct Session {
    /// Whether the driver says that it is over.
    pub(crate) over: bool,
    waker: Option<Waker>,
    /// When the server said 421.
    pub(crate) farewell: Option<Instant>,
    /// When it said 150 or 125 last, and 226.
    pub(crate) announced: Instant,
    pub(crate) completed: Instant,
    pub(crate) hooks: Vec<Hook>,
    /// The client's view, in the order of its commands.
    pub(crate) seen: Vec<Seen>,
}

/// A call of a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    Connected,
    Disconnected,
    LoggedIn(String),
    LoggedOut(String),
    LoginFailed(String),
    Changed(String),
    File { upload: bool, path: String, bytes: u64, whole: bool, remains: Option<Remains> },
    Missed(u64),
}

/// Something that a client did, of which a hook has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) what: What,
    /// Whether the client knows that it happened; else it may have.
    pub(crate) sure: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Login(String),
    WrongLogin(String),
    Change(String),
    /// `whole`: as far as the client was told; `least` and `most` bytes on the data connection.
    File {
        upload: bool,
        path: String,
        whole: Option<bool>,
        least: u64,
        most: u64,
    },
}

impl Truth {
    pub(crate) fn new(world: &World, slow_hooks: bool) -> Self {
        Self { world: world.clone(), slow_hooks, told: Arc::default() }
    }

    pub(crate) fn session<T>(&self, peer: SocketAddr, look: impl FnOnce(&mut Session) -> T) -> T {
        look(lock(&self.told).sessions.entry(peer).or_default())
    }

    pub(crate) fn told<T>(&self, look: impl FnOnce(&mut Told) -> T) -> T {
        look(&mut lock(&self.told))
    }

    pub(crate) fn stops(&self) -> bool {
        lock(&self.told).stop_asked.is_some()
    }

    /// Whether all sessions have ended and hooks have told of it: they may take longer than the sessions.
    pub(crate) fn is_told(&self) -> bool {
        let is_over = |session: &Session| session.hooks.last().is_none_or(|last| *last == Hook::Disconnected);
        self.told(|told| told.sessions.values().all(is_over))
    }

    /// Something is to be sent to a file that all share. Two that have drawn the same number have the same beginning.
    pub(crate) fn will_share(&self, number: u64, bytes: &[u8]) {
        self.told(|told| {
            let known = told.shared.entry(number).or_default();
            if known.len() < bytes.len() {
                *known = bytes.to_vec();
            }
        });
    }

    /// The bytes of a shared file are the beginning of something that was sent there.
    pub(crate) fn check_shared(&self, bytes: &[u8]) {
        let Some(number) = mark(bytes) else { return };
        let known = self.told(|told| told.shared.get(&number).is_some_and(|sent| sent.starts_with(bytes)));
        assert!(known, "a shared file holds what nobody has sent: {} bytes, {number:x}", bytes.len());
    }

    /// Waits until the server is done with that session.
    pub(crate) async fn over(&self, peer: SocketAddr) {
        std::future::poll_fn(|cx| {
            self.session(peer, |session| {
                if session.over || session.hooks.is_empty() {
                    return Poll::Ready(());
                }
                session.waker = Some(cx.waker().clone());
                Poll::Pending
            })
        })
        .await;
    }

    fn hook(&self, session: &SessionInfo, hook: Hook) -> BoxFuture<'_, ()> {
        let peer = session.addresses.peer;
        Box::pin(async move {
            self.world.note(format_args!("hook {peer} {hook:?}"));
            self.session(peer, |session| session.hooks.push(hook));
            if self.slow_hooks {
                let time = self.world.state().chance.micros(Duration::from_millis(300));
                self.world.sleep(time).await;
            }
        })
    }

    fn file(&self, event: FileTransfer, upload: bool, remains: Option<Remains>) -> BoxFuture<'_, ()> {
        let (path, bytes, whole) = (event.path.to_string(), event.bytes, remains.is_none());
        self.hook(&event.session, Hook::File { upload, path, bytes, whole, remains })
    }
}

impl Observer for Truth {
    fn disconnected(&self, summary: &Summary) {
        let peer = summary.session.addresses.peer;
        self.world.note(format_args!("session {peer} is over: {}", summary.reason));
        self.session(peer, |session| {
            session.over = true;
            session.waker.take().into_iter().for_each(Waker::wake);
        });
    }

    fn reply(&self, session: &SessionInfo, reply: &ftp_proto::Reply) {
        let (peer, code, now) = (session.addresses.peer, reply.code().number(), self.world.now());
        self.world.note(format_args!("session {peer} says {code}"));
        self.session(peer, |session| match code {
            125 | 150 => session.announced = now,
            226 => session.completed = now,
            421 => session.farewell = Some(now),
            _ => {}
        });
    }
}

impl Hooks for Truth {
    fn connected(&self, session: SessionInfo) -> BoxFuture<'_, ()> {
        self.hook(&session, Hook::Connected)
    }

    fn disconnected(&self, summary: Summary) -> BoxFuture<'_, ()> {
        self.hook(&summary.session, Hook::Disconnected)
    }

    fn logged_in(&self, event: LoggedIn) -> BoxFuture<'_, ()> {
        self.hook(&event.session, Hook::LoggedIn(event.user.to_string()))
    }

    fn login_failed(&self, event: LoginFailed) -> BoxFuture<'_, ()> {
        self.hook(&event.session, Hook::LoginFailed(event.user.to_string()))
    }

    fn logged_out(&self, event: LoggedOut) -> BoxFuture<'_, ()> {
        self.hook(&event.session, Hook::LoggedOut(event.user.to_string()))
    }

    fn file_sent(&self, event: FileTransfer) -> BoxFuture<'_, ()> {
        self.file(event, false, None)
    }

    fn file_received(&self, event: FileTransfer) -> BoxFuture<'_, ()> {
        self.file(event, true, None)
    }

    fn incomplete_sent(&self, event: IncompleteTransfer) -> BoxFuture<'_, ()> {
        self.file(event.transfer, false, Some(event.remains))
    }

    fn incomplete_received(&self, event: IncompleteTransfer) -> BoxFuture<'_, ()> {
        self.file(event.transfer, true, Some(event.remains))
    }

    fn changed(&self, event: TreeChange) -> BoxFuture<'_, ()> {
        self.hook(&event.session, Hook::Changed(described(&event.change)))
    }

    fn missed(&self, session: SessionInfo, count: u64) -> BoxFuture<'_, ()> {
        self.hook(&session, Hook::Missed(count))
    }
}

fn described(change: &Change) -> String {
    match change {
        Change::MakeDirectory(path) => format!("MKD {path}"),
        Change::RemoveDirectory(path) => format!("RMD {path}"),
        Change::RemoveFile(path) => format!("DELE {path}"),
        Change::Rename { from, to } => format!("RNTO {from} {to}"),
        Change::SetMode { path, .. } => format!("CHMOD {path}"),
        Change::SetModified { path, .. } => format!("MFMT {path}"),
        other => format!("{other:?}"),
    }
}

/// What is wrong with what the hooks have told of a session, compared with what its client has seen. `cut`: the server
/// has given up hooks at its end, so that the last may be missing.
pub(crate) fn compare(session: &Session, cut: bool) -> Result<(), String> {
    let mut hooks = session.hooks.iter();
    if hooks.next() != Some(&Hook::Connected) {
        return Err("the first hook is another than that of the connection".to_owned());
    }
    let ends = session.hooks.iter().filter(|hook| **hook == Hook::Disconnected).count();
    let ends_last = session.hooks.last() == Some(&Hook::Disconnected);
    if !cut && (ends != 1 || !ends_last) || ends > 1 {
        return Err(format!("{ends} hooks tell of the end"));
    }
    compare_logouts(&session.hooks, cut)?;
    let told: Vec<&Hook> = hooks.filter(|hook| !matches!(hook, Hook::Disconnected | Hook::LoggedOut(_))).collect();
    compare_order(&told, &session.seen, cut)
}

/// Each login comes to an end, and before the next.
fn compare_logouts(hooks: &[Hook], cut: bool) -> Result<(), String> {
    let mut user = None;
    for hook in hooks {
        match hook {
            Hook::LoggedIn(name) if user.replace(name).is_some() => return Err(format!("{name} twice logged in")),
            Hook::LoggedOut(name) if user.take() != Some(name) => return Err(format!("{name} twice logged out")),
            _ => {}
        }
    }
    if user.is_some() && !cut { Err("a login has no end".to_owned()) } else { Ok(()) }
}

fn compare_order(mut told: &[&Hook], seen: &[Seen], cut: bool) -> Result<(), String> {
    for Seen { what, sure } in seen {
        match told.split_first() {
            Some((hook, rest)) if matches(hook, what) => told = rest,
            _ if !sure => {}
            None if cut => return Ok(()),
            other => return Err(format!("client: {what:?}, hook: {:?}", other.map(|(hook, _)| hook))),
        }
    }
    if told.is_empty() { Ok(()) } else { Err(format!("hooks tell of what no client did: {told:?}")) }
}

fn matches(hook: &Hook, seen: &What) -> bool {
    match (hook, seen) {
        (Hook::LoggedIn(name), What::Login(user)) | (Hook::LoginFailed(name), What::WrongLogin(user)) => name == user,
        (Hook::Changed(told), What::Change(done)) => told == done,
        (
            Hook::File { upload: a, path: p, bytes, whole: w, .. },
            What::File { upload: b, path: q, whole, least, most },
        ) => {
            let same_path = q.strip_suffix('*').map_or(p == q, |beginning| p.starts_with(beginning));
            a == b && same_path && (*least..=*most).contains(bytes) && whole.is_none_or(|whole| whole == *w)
        }
        _ => false,
    }
}
