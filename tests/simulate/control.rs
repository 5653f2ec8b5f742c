//! A client's control connection: lines out, replies in, and whether the server may end it in the way it does.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use ftp_proto::Instant;

use crate::scene::Timeouts;
use crate::stream::{ALERT, ClientStream};
use crate::tickets::ClientTls;
use crate::truth::Truth;
use crate::world::World;

/// Replies come within this time, whatever hangs: after that a session is stuck.
const PATIENCE: Duration = Duration::from_secs(3000);
/// What ways and disks may add to the time of a timeout, or take from it.
pub(crate) const SLACK: Duration = Duration::from_secs(4);

pub(crate) struct Control {
    pub(crate) world: World,
    truth: Truth,
    pub(crate) stream: ClientStream,
    pub(crate) peer: SocketAddr,
    pub(crate) timeouts: Timeouts,
    pub(crate) unread: Vec<u8>,
    /// When commands were sent; the connection counts as one. And how many are answered.
    said: Vec<Instant>,
    answered: usize,
    /// Since when nobody has been logged in.
    pub(crate) logged_out: Option<Instant>,
    /// When a data connection was arranged last.
    pub(crate) arranged: Option<Instant>,
    /// Whether nothing has been heard since the TLS handshake, so that it may not have ended for the server.
    is_fresh: bool,
    /// Whether the server has ended the session because its data connection stalled.
    pub(crate) stalled: bool,
    /// Whether data connections are under TLS.
    pub(crate) protects: bool,
    /// Whether the client has done something that makes the server go without a word.
    pub(crate) left: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) lines: Vec<String>,
    /// When it left, in the order of all that leaves the server.
    pub(crate) left: u64,
}

/// The session is over, rightly.
#[derive(Debug)]
pub(crate) struct Over;

impl Control {
    pub(crate) async fn open(
        world: &World,
        truth: &Truth,
        peer: SocketAddr,
        server: SocketAddr,
        timeouts: Timeouts,
    ) -> Result<Self, Over> {
        let Ok(stream) = world.connect_from(peer, server, false).await else {
            assert!(truth.stops(), "{peer}: the server refuses connections");
            return Err(Over);
        };
        let now = world.now();
        Ok(Self {
            world: world.clone(),
            truth: truth.clone(),
            stream: ClientStream::new(stream),
            peer,
            timeouts,
            unread: Vec::new(),
            said: vec![now],
            answered: 0,
            logged_out: Some(now),
            arranged: None,
            is_fresh: false,
            stalled: false,
            protects: false,
            left: false,
        })
    }

    pub(crate) async fn be_greeted(&mut self, may_be_full: bool) -> Result<(), Over> {
        match self.read_reply().await? {
            reply if reply.code == 220 => Ok(()),
            reply if reply.code == 421 && (may_be_full || self.truth.stops()) => Err(Over),
            reply => panic!("{} is greeted by {reply:?}", self.peer),
        }
    }

    /// Carries the connection into TLS. `may_fail`: the server may not want it.
    pub(crate) async fn secure(&mut self, tls: &ClientTls, may_fail: bool) -> Result<(), Over> {
        let secured = if self.unread.is_empty() {
            within(&self.world, PATIENCE, self.stream.secure(tls)).await
        } else {
            assert_eq!(self.unread[0], ALERT, "{}: in clear before TLS comes {:?}", self.peer, self.unread);
            None
        };
        self.world.note(format_args!("{}: the handshake ends: {secured:?}", self.peer));
        self.is_fresh = true;
        if let Some(Ok(())) = secured {
            return Ok(());
        }
        let may = may_fail || self.may_end_handshake() || self.is_hit() || self.truth.stops();
        assert!(may, "{}: the handshake ends with {secured:?}", self.peer);
        Err(Over)
    }

    /// Whether the server has a reason to end the session in the midst of the handshake, where it cannot say anything.
    fn may_end_handshake(&self) -> bool {
        let waited = self.logged_out.map(|since| self.now().saturating_since(since) + SLACK);
        self.is_dismissed() || waited.is_some_and(|waited| waited >= self.timeouts.login)
    }

    fn is_dismissed(&self) -> bool {
        self.truth.told(|told| told.dismissed.contains(&self.peer))
    }

    pub(crate) fn now(&self) -> Instant {
        self.world.now()
    }

    pub(crate) fn is_hit(&self) -> bool {
        self.stream.is_hit()
    }

    /// Sends a line. Whether it gets there is seen by its reply.
    pub(crate) async fn say(&mut self, line: &str) {
        self.say_all(&[line]).await;
    }

    /// Sends lines at once.
    pub(crate) async fn say_all(&mut self, lines: &[&str]) {
        let now = self.world.now();
        let mut bytes = Vec::new();
        for line in lines {
            self.world.note(format_args!("{} says {line}", self.peer));
            self.said.push(now);
            bytes.extend_from_slice(line.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        self.stream.perhaps_refresh();
        let split = self.world.state().chance.below(bytes.len() * 4);
        let (first, second) = bytes.split_at(split.min(bytes.len()));
        self.write(first).await;
        if !second.is_empty() {
            let pause = self.world.state().chance.micros(Duration::from_millis(100));
            self.world.sleep(pause).await;
            self.write(second).await;
        }
    }

    async fn write(&mut self, bytes: &[u8]) {
        let _ = within(&self.world, PATIENCE, self.stream.write_all(bytes)).await;
    }

    /// The next reply, final or not. A 421 is checked, and ends the session.
    pub(crate) async fn reply(&mut self) -> Result<Reply, Over> {
        let reply = self.read_reply().await?;
        if reply.code == 421 {
            self.check_farewell(&reply);
            self.stalled = reply.lines[0].contains("stalled");
            self.left = true;
            self.expect_end().await;
            return Err(Over);
        }
        Ok(reply)
    }

    pub(crate) async fn read_reply(&mut self) -> Result<Reply, Over> {
        let first = self.line().await?;
        let code = first.get(..3).and_then(|code| code.parse().ok());
        let code: u16 = code.unwrap_or_else(|| panic!("{}: {first:?} is no reply", self.peer));
        let mut lines = vec![first];
        if lines[0].as_bytes().get(3) == Some(&b'-') {
            let end = format!("{code} ");
            while lines.len() < 2 || !lines[lines.len() - 1].starts_with(&end) {
                let line = self.line().await?;
                lines.push(line);
            }
        }
        if code >= 200 {
            self.answered += 1;
        }
        self.is_fresh = false;
        self.world.note(format_args!("{} hears {}", self.peer, lines[lines.len() - 1]));
        let left = self.stream.left_server(self.unread.len());
        Ok(Reply { code, lines, left })
    }

    async fn line(&mut self) -> Result<String, Over> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let line = line.strip_suffix(b"\r\n").unwrap_or_else(|| panic!("{}: a line without CR", self.peer));
                return Ok(String::from_utf8_lossy(line).into_owned());
            }
            if !self.fill().await {
                self.check_silent_end();
                return Err(Over);
            }
        }
    }

    /// Reads; `false` at the end.
    async fn fill(&mut self) -> bool {
        let mut buffer = [0; 512];
        let read = within(&self.world, PATIENCE, self.stream.read(&mut buffer)).await;
        match read {
            Some(Ok(count)) if count > 0 => self.unread.extend_from_slice(&buffer[..count]),
            Some(Ok(_)) => return false,
            Some(Err(error)) => {
                assert_ne!(error.kind(), ErrorKind::InvalidData, "{}: {error}", self.peer);
                let may = error.kind() != ErrorKind::UnexpectedEof || self.is_hit() || self.truth.stops();
                assert!(may, "{}: the server ends the connection without close_notify", self.peer);
                return false;
            }
            None if self.is_hit() => return false,
            None => panic!("{}: the session is stuck: nothing comes for {PATIENCE:?}", self.peer),
        }
        true
    }

    /// The server has ended the connection without a word.
    fn check_silent_end(&self) {
        // A reset, which is the answer to what is said too late, may take the last reply away.
        let said = self.truth.session(self.peer, |session| session.farewell.is_some());
        let unheard = self.is_fresh && self.may_end_handshake();
        let may = self.left || said || unheard || self.is_hit() || self.truth.stops();
        assert!(may, "{}: the server ends the connection without a word", self.peer);
    }

    /// After the last reply comes the end, and nothing else.
    pub(crate) async fn expect_end(&mut self) {
        while self.fill().await {}
        let rest = String::from_utf8_lossy(&self.unread);
        assert!(rest.is_empty(), "{}: after the last reply came {rest:?}", self.peer);
    }

    /// Whether the server has a reason to end the session.
    pub(crate) fn check_farewell(&self, reply: &Reply) {
        let text = &reply.lines[0];
        let at = self.truth.session(self.peer, |session| session.farewell).expect("it was said");
        let waited = |since: Instant, timeout: Duration| at.saturating_since(since) + SLACK >= timeout;
        // What the server was about when it said so, or else what it had done last.
        let known = self.said.iter().filter(|said| **said <= at).count();
        let since = self.said[self.answered.min(known.saturating_sub(1))];
        let reason = if text.contains("Idle") {
            waited(since, self.timeouts.idle)
        } else if text.contains("stalled") {
            let Timeouts { stall, tls, .. } = self.timeouts;
            let timeout = if self.protects { stall.min(tls) } else { stall };
            waited(self.arranged.map_or(since, |arranged| arranged.min(since)), timeout)
        } else if text.contains("login in time") {
            self.logged_out.is_some_and(|since| waited(since, self.timeouts.login))
        } else if text.contains("administrator") {
            self.is_dismissed()
        } else {
            text.contains("Server stops") && self.truth.stops()
        };
        assert!(reason, "{}: no reason for {text:?} after {:?}", self.peer, at.saturating_since(since));
    }

    /// Nothing comes from here any more. Under TLS some say so, and some do not.
    pub(crate) async fn half_close(&mut self, regularly: bool) {
        self.left = true;
        self.world.note(format_args!("{} closes its half", self.peer));
        if regularly {
            let _ = within(&self.world, PATIENCE, self.stream.finish()).await;
        } else {
            self.stream.send_end();
        }
    }

    /// Ends the connection, by reset or without. Nothing is to be read any more.
    pub(crate) fn vanish(&mut self, by_reset: bool) {
        self.left = true;
        self.world.note(format_args!("{} vanishes", self.peer));
        if by_reset { self.stream.reset() } else { self.stream.close() }
    }
}

pub(crate) async fn within<T>(world: &World, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let (mut work, mut sleep) = (std::pin::pin!(work), world.sleep(limit));
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending => Pin::new(&mut sleep).poll(cx).map(|()| None),
    })
    .await
}
