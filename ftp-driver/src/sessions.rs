//! The live sessions of a server: who they are, and how to end some of them.

use ftp_proto::Shutdown;
use ftp_types::{UnixTime, UserName};

use crate::observer::SessionInfo;
use crate::shutdown::{Stop, Stopping};

/// A session that is being served.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveSession {
    /// The session; its user is who is logged in at this moment.
    pub session: SessionInfo,
    /// Who is logging in: the password is being judged, or the answer to it is on its way.
    pub logging_in: Option<UserName>,
    /// When the client connected, by the clock of the service.
    pub since: UnixTime,
}

impl LiveSession {
    pub(crate) fn new(session: SessionInfo, since: UnixTime) -> Self {
        Self { session, logging_in: None, since }
    }

    /// Whether this user is logged in, or is about to be. The two names of the anonymous user are one.
    #[must_use]
    pub fn is_of(&self, user: &UserName) -> bool {
        let is_same = |name: &UserName| name == user || (name.is_anonymous() && user.is_anonymous());
        self.session.user.iter().chain(&self.logging_in).any(is_same)
    }
}

/// A session's entry among those who listen to a [`Stop`].
#[derive(Debug)]
pub(crate) struct Presence {
    live: LiveSession,
    pub(crate) dismissed: Option<Shutdown>,
}

impl Stop {
    /// The sessions that are served at this moment, the oldest first.
    #[must_use]
    pub fn sessions(&self) -> Vec<LiveSession> {
        self.state().presences().map(|(_, presence)| presence.live.clone()).collect()
    }

    /// Ends the sessions that `pick` picks, and tells how many it picked. Their clients are told 421 and why; if
    /// gracefully, only once a running transfer or operation has ended. Nobody is kept from coming back.
    ///
    /// To keep a user out, change the accounts first and end the sessions then: a login that is being judged by the old
    /// accounts meanwhile is seen here as [`LiveSession::logging_in`].
    pub fn end_sessions(&self, mut pick: impl FnMut(&LiveSession) -> bool, how: Shutdown) -> usize {
        let keys: Vec<u64> = self.state().presences().map(|(key, _)| key).collect();
        keys.into_iter().filter(|key| self.end_session(*key, &mut pick, how)).count()
    }

    /// Ends the sessions of a user, logins that are being judged included, as [`end_sessions`](Self::end_sessions) does.
    pub fn end_sessions_of(&self, user: &UserName, how: Shutdown) -> usize {
        self.end_sessions(|live| live.is_of(user), how)
    }

    /// Asks about one session without a lock, and again if it has changed meanwhile.
    fn end_session(&self, key: u64, pick: &mut impl FnMut(&LiveSession) -> bool, how: Shutdown) -> bool {
        loop {
            let Some(live) = self.state().presence(key).map(|presence| presence.live.clone()) else { return false };
            if !pick(&live) {
                return false;
            }
            let mut state = self.state();
            let Some(presence) = state.presence(key) else { return false };
            if presence.live != live {
                continue;
            }
            if presence.dismissed != Some(Shutdown::Now) {
                presence.dismissed = Some(how);
            }
            self.note_ask(&mut state);
            let waker = state.take_waker(key);
            drop(state);
            waker.into_iter().for_each(std::task::Waker::wake);
            return true;
        }
    }
}

impl Stopping {
    /// Shows that this is a session, until the end of it.
    pub(crate) fn show(&self, live: LiveSession) {
        let presence = Box::new(Presence { live, dismissed: None });
        self.stop.state().set_presence(self.key, presence);
    }

    /// Shows who wants to log in.
    pub(crate) fn show_login(&self, user: &UserName) {
        if let Some(presence) = self.stop.state().presence(self.key) {
            presence.live.logging_in = Some(user.clone());
        }
    }

    /// Shows who is logged in, now that nobody's password is being judged.
    pub(crate) fn show_user(&self, user: Option<&UserName>) {
        if let Some(presence) = self.stop.state().presence(self.key) {
            presence.live.logging_in = None;
            presence.live.session.user = user.cloned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_an_idle_session_is_small() {
        assert!(size_of::<Presence>() <= 192, "{}", size_of::<Presence>());
    }
}
