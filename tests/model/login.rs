//! Who the client is (RFC 959 §4.1.1, RFC 4217): USER, PASS, REIN, AUTH and what follows from them.

use ftp_proto::{CloseReason, LoginError, TlsError};

use crate::clocks::Clock;
use crate::effects::Said;
use crate::machine::{Facts, Machine, Security, Tls};
use crate::tasks::{Account, Number, Over, Task, Thing};

/// How far the client has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Nobody,
    /// USER has named somebody, and PASS may follow.
    Named(String),
    User {
        name: String,
        account: Number,
        farewell: &'static str,
        by_certificate: bool,
    },
}

impl Machine {
    pub(crate) fn user(&self) -> Option<&str> {
        match &self.who {
            Who::User { name, .. } => Some(name),
            Who::Nobody | Who::Named(_) => None,
        }
    }

    pub(crate) fn user_command(&mut self, argument: &[u8]) {
        if self.refuses_login_in_clear() {
            return;
        }
        self.log_out();
        let Some(name) = user_name(argument) else { return self.say(Said::code(501)) };
        if self.security.certificate {
            self.await_answer(Task::Judge { user: name, password: None });
        } else {
            self.ask_password(name);
        }
    }

    /// Whoever it is, so that nobody learns which names exist (RFC 2577 §6).
    fn ask_password(&mut self, name: String) {
        self.who = Who::Named(name);
        self.say(Said::code(331));
    }

    pub(crate) fn pass_command(&mut self, argument: &[u8]) {
        if self.refuses_login_in_clear() {
            return;
        }
        match self.who.clone() {
            Who::Nobody => self.say(Said::code(503)),
            Who::User { by_certificate, .. } => self.say(Said::code(if by_certificate { 230 } else { 503 })),
            Who::Named(user) => {
                self.who = Who::Nobody;
                self.await_answer(Task::Judge { user, password: Some(argument.to_vec()) });
            }
        }
    }

    fn refuses_login_in_clear(&mut self) -> bool {
        let required = self.setup.tls.is_some_and(|tls| tls.control_required);
        let refuses = required && self.security.stage != Tls::On;
        if refuses {
            self.say(Said::code(550));
        }
        refuses
    }

    pub(crate) fn judged(
        &mut self,
        number: Number,
        user: &str,
        certificate: bool,
        judged: Result<Account, LoginError>,
    ) {
        match judged {
            Ok(account) => self.log_in(number, user, certificate, account),
            Err(_) if certificate => self.ask_password(user.to_owned()),
            Err(LoginError::Rejected) => self.wrong_login(),
            Err(_) => self.say(Said::code(530)),
        }
    }

    fn log_in(&mut self, number: Number, user: &str, by_certificate: bool, account: Account) {
        let first_line = account.message.lines().next().unwrap_or_default();
        self.say(Said::with(if by_certificate { 232 } else { 230 }, first_line));
        self.stop(Clock::Login);
        self.cwd = account.home.as_bytes().to_vec();
        self.who = Who::User { name: user.to_owned(), account: number, farewell: account.farewell, by_certificate };
    }

    /// Wrong logins count from the beginning of the connection, whatever comes between them.
    fn wrong_login(&mut self) {
        self.wrong_logins += 1;
        let was_last = self.setup.login_attempts > 0 && self.wrong_logins >= self.setup.login_attempts;
        self.held = Some((Said::code(530), was_last));
        if self.setup.login_delay > 0 {
            self.set(Clock::Delay, Some(self.setup.login_delay));
        } else {
            self.end_delay();
        }
    }

    /// The answer to a wrong login has been held back for long enough.
    pub(crate) fn end_delay(&mut self) {
        let Some((said, was_last)) = self.held.take() else { return };
        self.say(said);
        if was_last {
            self.close(CloseReason::TooManyLogins);
        }
    }

    /// All that was the user's is forgotten. A transfer goes on under its old rights.
    pub(crate) fn log_out(&mut self) {
        let Who::User { account, .. } = std::mem::replace(&mut self.who, Who::Nobody) else { return };
        self.release(Thing::Account(account));
        self.cwd = b"/".to_vec();
        self.marker = None;
        if self.transfer.is_none() {
            self.give_data_up();
        }
        self.set(Clock::Login, self.setup.timeouts.login);
    }

    pub(crate) fn rein_command(&mut self) {
        self.log_out();
        self.reset_parameters();
        self.say(Said::code(220));
    }

    fn reset_parameters(&mut self) {
        self.ascii = true;
        self.facts = Facts::default();
    }

    pub(crate) fn quit_command(&mut self) {
        let farewell = match &self.who {
            Who::User { farewell, .. } => farewell.lines().next().unwrap_or_default(),
            Who::Nobody | Who::Named(_) => "",
        };
        self.say(Said::with(221, farewell));
        self.leave(CloseReason::Quit, None);
    }
}

/// TLS on the control connection (RFC 4217).
impl Machine {
    pub(crate) fn is_changing_to_tls(&self) -> bool {
        matches!(self.security.stage, Tls::Asked | Tls::Handshake { .. })
    }

    pub(crate) fn auth_command(&mut self, argument: &[u8]) {
        let mechanism = argument.to_ascii_uppercase();
        if self.security.stage == Tls::On {
            self.say(Said::code(503));
        } else if [&b"TLS"[..], b"TLS-C", b"TLS-P", b"SSL"].contains(&&mechanism[..]) {
            self.security.stage = Tls::Asked;
        } else {
            self.say(Said::code(504));
        }
    }

    /// What came behind AUTH came in clear.
    pub(crate) fn answer_auth(&mut self, behind: bool) {
        if behind {
            return self.fail(CloseReason::TlsFailed);
        }
        self.say(Said::code(234));
        self.start_control_tls(false);
    }

    pub(crate) fn start_control_tls(&mut self, first: bool) {
        self.security.stage = Tls::Handshake { first };
        self.await_answer(Task::Secure(Over::Control));
        self.set(Clock::Tls, self.setup.timeouts.tls);
    }

    /// Nothing that was said in clear has a meaning under TLS.
    pub(crate) fn control_secured(&mut self, secured: Result<bool, TlsError>) {
        let Ok(certificate) = secured else { return self.close(CloseReason::TlsFailed) };
        self.stop(Clock::Tls);
        self.log_out();
        self.who = Who::Nobody;
        self.reset_parameters();
        self.give_data_up();
        self.marker = None;
        self.epsv_all = false;
        let is_greeting = self.security.stage == Tls::Handshake { first: true };
        self.security = Security { stage: Tls::On, certificate, ..Security::default() };
        if is_greeting {
            self.say(Said::code(220));
        }
    }

    pub(crate) fn pbsz_command(&mut self, argument: &[u8]) {
        let code = match crate::syntax::number(argument) {
            _ if self.security.stage != Tls::On => 503,
            Some(0..=0xFFFF_FFFF) => 200,
            _ => 501,
        };
        self.security.pbsz |= code == 200;
        self.say(if code == 200 { Said::with(200, "PBSZ=0") } else { Said::code(code) });
    }

    pub(crate) fn prot_command(&mut self, argument: &[u8]) {
        let level = argument.to_ascii_uppercase();
        let code = match &level[..] {
            _ if !self.security.pbsz => 503,
            b"C" | b"P" => 200,
            b"S" | b"E" => 536,
            _ => 504,
        };
        let private = level == b"P";
        if code == 200 && private != self.security.private {
            self.security.private = private;
            self.give_data_up();
        }
        self.say(Said::code(code));
    }

    pub(crate) fn data_goes_under_tls(&self) -> bool {
        self.security.private
    }

    /// Whether data would go in clear where that is not allowed.
    pub(crate) fn lacks_data_tls(&self) -> bool {
        self.setup.tls.is_some_and(|tls| tls.data_required) && !self.security.private
    }
}

/// A name, if these bytes are one: not too long, and without control characters.
fn user_name(argument: &[u8]) -> Option<String> {
    let name = String::from_utf8_lossy(argument).into_owned();
    (argument.len() <= 256 && !name.chars().any(char::is_control)).then_some(name)
}
