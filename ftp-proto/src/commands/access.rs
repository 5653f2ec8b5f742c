//! Access control: USER, PASS, ACCT, REIN, QUIT (RFC 959 §4.1.1).

use ftp_types::{Secret, UserName};

use crate::action::{Action, Authenticate, Proof};
use crate::event::{CloseReason, LogoutReason};
use crate::reply::Reply;
use crate::session::{Input, Session};

/// USER. The answer is 331, unless the client's certificate logs it in at once: then 232 (RFC 2228 §5). A user who was
/// logged in no longer is.
pub(crate) fn user(session: &mut Session, input: Input<'_>) {
    if session.lacks_control_tls() {
        return;
    }
    session.log_out(LogoutReason::User);
    let decoded = session.codec().map(|codec| codec.decode(input.argument));
    match UserName::parse(decoded.as_deref().unwrap_or(input.argument)) {
        Ok(name) => session.name_user(name),
        Err(_) => session.reply(Reply::new(501, "Not a user name.")),
    }
}

/// PASS. An empty password is one, as anonymous users send it. Clients that send it without a look at 232 are told that
/// all is well, whatever it was.
pub(crate) fn pass(session: &mut Session, input: Input<'_>) {
    if session.lacks_control_tls() {
        return;
    }
    if session.login.is_by_certificate() {
        return session.reply(Reply::new(230, "Logged in already, no password needed."));
    }
    if session.user().is_some() {
        return session.reply(Reply::new(503, "Already logged in."));
    }
    match session.login.take_name() {
        Some(user) => {
            let proof = Proof::Password(Secret::new(input.argument));
            session.start_pending(Authenticate { user, proof }, Action::Authenticate);
        }
        None => session.reply(Reply::new(503, "Send USER first.")),
    }
}

/// ACCT. No account is asked for beyond USER and PASS (RFC 959 §5.4 allows 202).
pub(crate) fn acct(session: &mut Session, _input: Input<'_>) {
    session.reply(Reply::new(202, "No account needed."));
}

/// REIN. A transfer that runs is not touched (RFC 959 §4.1.1).
pub(crate) fn rein(session: &mut Session, _input: Input<'_>) {
    session.log_out(LogoutReason::Reinitialized);
    session.reset_parameters();
    session.reply(Reply::new(220, "Ready for a new user."));
}

/// QUIT. A transfer that runs may end first; the 221 does not wait for it.
pub(crate) fn quit(session: &mut Session, _input: Input<'_>) {
    let farewell = Reply::message(221, session.login.farewell());
    session.reply(farewell);
    session.end(CloseReason::Quit, None);
}
