//! Security extensions (RFC 2228, RFC 4217).

use crate::reply::Reply;
use crate::session::{Input, Session};

/// The row of a command that is known and not offered. The table answers before this runs.
pub(crate) fn not_offered(session: &mut Session, _input: Input<'_>) {
    session.reply(Reply::new(502, "Command not offered."));
}
