//! The driver's log, by `tracing`: a span for each session, events in it.
//!
//! Commands and replies come masked and escaped from the core; paths and names escape themselves.

use ftp_proto::{Change, CloseReason, CommandLine, Direction, Event, LoginError, Reply, TransferReport};
use ftp_types::UserName;
use tracing::{Level, Span, debug, enabled, field, info, info_span, warn};

use crate::observer::{SessionInfo, Summary};

/// The span of a session under the user who is logged in, within the span in which the session began.
pub(crate) fn session_span(outer: Option<&Span>, session: &SessionInfo) -> Span {
    let user = session.user.as_ref().map(field::display);
    info_span!(parent: outer.and_then(Span::id), "session", id = session.id, peer = %session.addresses.peer, user)
}

/// Whether [`connected`] says anything. There need be no span for what nobody hears.
pub(crate) fn tells_of_connections() -> bool {
    enabled!(Level::DEBUG)
}

/// Whether [`disconnected`] does.
pub(crate) fn tells_of_end(reason: CloseReason) -> bool {
    if is_usual(reason) { enabled!(Level::DEBUG) } else { enabled!(Level::INFO) }
}

/// Whether [`reply`] does.
pub(crate) fn tells_of_replies() -> bool {
    enabled!(target: "ftp_driver::replies", Level::DEBUG)
}

/// Whether [`event`] does.
pub(crate) fn tells_of(event: &Event) -> bool {
    match event {
        Event::Command(_) => enabled!(target: "ftp_driver::commands", Level::DEBUG),
        Event::LoginFailed { reason: LoginError::Unavailable, .. } | Event::StrayAnswer(_) => enabled!(Level::WARN),
        Event::LoggedIn(_)
        | Event::LoginFailed { .. }
        | Event::LoggedOut { .. }
        | Event::Changed(_)
        | Event::Transferred(_) => enabled!(Level::INFO),
        _ => enabled!(Level::DEBUG),
    }
}

fn is_usual(reason: CloseReason) -> bool {
    matches!(reason, CloseReason::Quit | CloseReason::PeerClosed | CloseReason::ShutDown)
}

pub(crate) fn connected() {
    debug!("connected");
}

pub(crate) fn disconnected(summary: &Summary) {
    let seconds = summary.duration.as_secs_f64();
    let reason = summary.reason;
    if is_usual(reason) {
        debug!(%reason, seconds, "disconnected");
    } else {
        info!(%reason, seconds, "disconnected");
    }
}

pub(crate) fn hooks_given_up(count: usize) {
    warn!(count, "the server stops: hooks that took too long are given up");
}

pub(crate) fn reply(reply: &Reply) {
    debug!(target: "ftp_driver::replies", "{reply}");
}

pub(crate) fn event(event: &Event) {
    match event {
        Event::Command(line) => debug!(target: "ftp_driver::commands", "{line}"),
        Event::LoggedIn(user) => info!(%user, "logged in"),
        Event::LoginFailed { user, reason: LoginError::Unavailable } => {
            warn!(user = %masked(user), "nobody could judge a login");
        }
        Event::LoginFailed { user, reason } => info!(user = %masked(user), ?reason, "login failed"),
        Event::LoggedOut { user, reason } => info!(%user, %reason, "logged out"),
        Event::Changed(change) => changed(change),
        Event::Transferred(report) => transferred(report),
        Event::StrayAnswer(action) => warn!(%action, "an answer came for an action that was not waiting for one"),
        other => debug!(?other, "event"),
    }
}

/// A name that nobody has may have a password behind it: `USER alice PASS secret`.
fn masked(user: &UserName) -> String {
    let line = CommandLine::new(format!("USER {user}").as_bytes()).to_string();
    line.strip_prefix("USER ").unwrap_or_default().to_owned()
}

fn changed(change: &Change) {
    match change {
        Change::MakeDirectory(path) => info!(%path, "directory made"),
        Change::RemoveDirectory(path) => info!(%path, "directory removed"),
        Change::RemoveFile(path) => info!(%path, "file removed"),
        Change::Rename { from, to } => info!(%from, %to, "renamed"),
        Change::SetMode { path, mode } => info!(%path, mode = format_args!("{mode:03o}"), "mode changed"),
        Change::SetModified { path, time } => info!(%path, time = %time.to_civil(0), "modification time changed"),
        other => info!(?other, "changed"),
    }
}

fn transferred(report: &TransferReport) {
    let TransferReport { path, bytes, duration, .. } = report;
    let seconds = duration.as_secs_f64();
    let what = match report.direction {
        Direction::Download => "download",
        Direction::Upload => "upload",
    };
    match &report.end {
        Ok(()) => info!(%path, bytes, seconds, "{what} complete"),
        Err(reason) => info!(%path, bytes, seconds, ?reason, "{what} incomplete"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_behind_a_name_is_not_logged() {
        let shown = |name: &str| masked(&UserName::parse(name.as_bytes()).unwrap());
        assert_eq!(shown("alice PASS hunter2"), "alice PASS ******");
        assert_eq!(shown("alice"), "alice");
        assert_eq!(shown("żółw"), "żółw");
    }
}
