//! Login: who the client is, how often it was wrong, and how long it waits for that (RFC 959 §4.1.1).

use alloc::boxed::Box;
use alloc::string::String;

use ftp_types::{UserName, VirtualPath};

use crate::action::{self, Action, ActionId, Authenticate, LoginError, Proof, Request, Resource, sealed};
use crate::event::{CloseReason, Event, LogoutReason};
use crate::reply::Reply;
use crate::session::{Held, Session};
use crate::timer::Timer;
use crate::{Facts, Representation};

/// How far the client has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Login {
    state: State,
    /// Wrong logins since the connection began: neither REIN nor a right login takes one back.
    attempts: u32,
}

#[derive(Clone, Debug, Default)]
enum State {
    /// Nobody, or USER has been answered and PASS is being judged.
    #[default]
    Out,
    /// USER has named somebody.
    Named(UserName),
    /// PASS was right, or the client's certificate was.
    In { user: UserName, account: ActionId, farewell: String, by_certificate: bool },
}

impl Login {
    pub(crate) fn user(&self) -> Option<&UserName> {
        match &self.state {
            State::In { user, .. } => Some(user),
            State::Out | State::Named(_) => None,
        }
    }

    /// The text of 221.
    pub(crate) fn farewell(&self) -> &str {
        match &self.state {
            State::In { farewell, .. } => farewell,
            State::Out | State::Named(_) => "Goodbye.",
        }
    }

    /// Whether the client's certificate alone made the login, so that no password was asked for.
    pub(crate) fn is_by_certificate(&self) -> bool {
        matches!(self.state, State::In { by_certificate: true, .. })
    }

    #[cfg(feature = "testing")]
    pub(crate) fn control_state(&self) -> crate::LoginState {
        match self.state {
            State::Out => crate::LoginState::Out,
            State::Named(_) => crate::LoginState::Named,
            State::In { by_certificate: false, .. } => crate::LoginState::In,
            State::In { by_certificate: true, .. } => crate::LoginState::InByCertificate,
        }
    }

    #[cfg(feature = "testing")]
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Takes the name that USER gave, for PASS to judge.
    pub(crate) fn take_name(&mut self) -> Option<UserName> {
        let State::Named(user) = &self.state else { return None };
        let user = user.clone();
        self.state = State::default();
        Some(user)
    }
}

impl Session {
    /// USER has named somebody. If the client presented a certificate, that may be all that is needed.
    pub(crate) fn name_user(&mut self, user: UserName) {
        if self.security.has_client_certificate() {
            self.start_pending(Authenticate { user, proof: Proof::Certificate }, Action::Authenticate);
        } else {
            self.ask_for_password(user);
        }
    }

    /// The answer is the same whoever it is, so that nobody learns which names exist (RFC 2577 §6).
    fn ask_for_password(&mut self, user: UserName) {
        self.login.state = State::Named(user);
        self.reply(Reply::new(331, "Username ok, send password."));
    }

    /// Forgets the user, or the name of one, and all that belongs to them: directory, marker, data connection. Nobody else
    /// has any. A transfer that runs goes on under its old rights.
    pub(crate) fn log_out(&mut self, reason: LogoutReason) {
        let State::In { user, account, .. } = core::mem::take(&mut self.login.state) else { return };
        self.release(Resource::Account(account));
        self.notify(Event::LoggedOut { user, reason });
        self.cwd = VirtualPath::root();
        self.marker = None;
        if self.transfer.is_none() {
            self.reset_data();
        }
        self.arm(Timer::Login, self.config.login_timeout);
    }

    /// Brings the transfer parameters back to their defaults (RFC 959 §4.1.1, REIN).
    pub(crate) fn reset_parameters(&mut self) {
        self.representation = Representation::default();
        self.facts = Facts::default();
        self.utf8 = self.config.codec.is_none();
    }

    fn logged_in(&mut self, user: UserName, account: ActionId, login: action::Login, by_certificate: bool) {
        self.timers.stop(Timer::Login);
        self.cwd = login.directory;
        self.reply(Reply::message(if by_certificate { 232 } else { 230 }, &login.message));
        self.notify(Event::LoggedIn(user.clone()));
        self.login.state = State::In { user, account, farewell: login.farewell, by_certificate };
    }

    fn login_refused(&mut self, user: UserName) {
        self.login.attempts = self.login.attempts.saturating_add(1);
        self.notify(Event::LoginFailed { user, reason: LoginError::Rejected });
        let limit = self.config.max_login_attempts;
        self.held = Some(Box::new(if limit > 0 && self.login.attempts >= limit {
            Held {
                reply: Reply::new(530, "Login incorrect, too many attempts, closing."),
                then_close: Some(CloseReason::TooManyLogins),
            }
        } else {
            Held { reply: Reply::new(530, "Login incorrect."), then_close: None }
        }));
        if self.config.failed_login_delay.is_zero() {
            self.release_held();
        } else {
            self.arm(Timer::Delay, Some(self.config.failed_login_delay));
        }
    }
}

impl sealed::Sealed for Authenticate {
    fn deliver(self, session: &mut Session, id: ActionId, outcome: <Self as Request>::Outcome) {
        if session.was_cancelled(id) || !session.is_pending(id) {
            if outcome.is_ok() {
                session.release(Resource::Account(id));
            }
            return;
        }
        let by_certificate = matches!(self.proof, Proof::Certificate);
        match outcome {
            Ok(login) => session.logged_in(self.user, id, login, by_certificate),
            Err(_) if by_certificate => session.ask_for_password(self.user),
            Err(LoginError::Rejected) => session.login_refused(self.user),
            Err(reason @ (LoginError::Unavailable | LoginError::Cancelled)) => {
                session.notify(Event::LoginFailed { user: self.user, reason });
                session.reply(Reply::new(530, "Login is not possible now, try again later."));
            }
        }
    }
}
