//! What an embedder can do when something has happened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ftp_fs::{BoxFuture, Remains};
use ftp_proto::{Change, Incomplete, LoginError, LogoutReason, Representation};
use ftp_types::{UserName, VirtualPath};

use crate::observer::{SessionInfo, Summary};

/// Acts on what happens in sessions: moves a file on that has arrived, deletes what was cut, tells a database.
///
/// Each method returns a future, and does nothing unless implemented. The calls of one session come in the order in
/// which things happened, one at a time: the next waits until the future of the one before is done.
/// [`connected`](Self::connected) is the first, [`disconnected`](Self::disconnected) the last, and each file transfer
/// that was announced to the client has exactly one of [`file_sent`](Self::file_sent),
/// [`file_received`](Self::file_received), [`incomplete_sent`](Self::incomplete_sent) and
/// [`incomplete_received`](Self::incomplete_received). Calls of different sessions run side by side.
///
/// # They tell, they do not ask
/// The session goes on meanwhile: the client has its reply before, or while, the hook runs. Files and directories may
/// have changed again by then.
///
/// # Slow hooks
/// keep no session waiting, since their futures are polled beside everything else that it does. They are polled on the
/// session's own thread, though: as anywhere else in async code a future must not block it. Let the runtime do what
/// blocks (`tokio::task::spawn_blocking`, `smol::unblock`) and await it. With its hooks a session
/// [may change its thread](crate::serve_settling) once.
///
/// A session holds at most 256 calls that wait. What happens beyond that is not told, but counted; the count is told by
/// [`missed`](Self::missed). `disconnected` is always told.
///
/// How long a hook takes is its own affair. One that asks others should give them a time: while it waits, what is left
/// of its session stays in memory.
///
/// # Cancellation
/// When the connections of a session are closed, its place among the connections is free again; its future goes on
/// until its hooks are done. A graceful stop waits for them, as for transfers, for as long as the grace. After that,
/// and after `shutdown_now`, they have half a second more; then they are dropped wherever they are, and those that
/// wait are never called. So it is when the session's future itself is dropped.
///
/// # Panics
/// A hook that panics ends itself alone. It is logged as an error.
pub trait Hooks: Send + Sync + 'static {
    /// A client has connected.
    fn connected(&self, session: SessionInfo) -> BoxFuture<'_, ()> {
        nothing(session)
    }

    /// The session has ended and its connections are closed.
    fn disconnected(&self, summary: Summary) -> BoxFuture<'_, ()> {
        nothing(summary)
    }

    /// A user has logged in.
    fn logged_in(&self, event: LoggedIn) -> BoxFuture<'_, ()> {
        nothing(event)
    }

    /// A login was refused. The password is not told: it is mostly the right one of something else, and nobody should
    /// be able to write it down.
    fn login_failed(&self, event: LoginFailed) -> BoxFuture<'_, ()> {
        nothing(event)
    }

    /// A user is no longer logged in. It comes once for each [`logged_in`](Self::logged_in), when the session just ends
    /// as well; [`LoggedOut::reason`] tells which it was.
    fn logged_out(&self, event: LoggedOut) -> BoxFuture<'_, ()> {
        nothing(event)
    }

    /// A file has gone to the client, whole.
    fn file_sent(&self, event: FileTransfer) -> BoxFuture<'_, ()> {
        nothing(event)
    }

    /// A file has come from the client, whole: it was closed, and lies where it belongs.
    fn file_received(&self, event: FileTransfer) -> BoxFuture<'_, ()> {
        nothing(event)
    }

    /// A download was cut.
    fn incomplete_sent(&self, event: IncompleteTransfer) -> BoxFuture<'_, ()> {
        nothing(event)
    }

    /// An upload was cut. [`IncompleteTransfer::remains`] tells what lies at its path now; nothing but
    /// [`Remains::Partial`] should be deleted without a thought.
    fn incomplete_received(&self, event: IncompleteTransfer) -> BoxFuture<'_, ()> {
        nothing(event)
    }

    /// The tree was changed by other than an upload: MKD, RMD, DELE, RNFR with RNTO, SITE CHMOD, MFMT.
    fn changed(&self, event: TreeChange) -> BoxFuture<'_, ()> {
        nothing(event)
    }

    /// So many calls were left out here, since too many waited.
    fn missed(&self, session: SessionInfo, count: u64) -> BoxFuture<'_, ()> {
        nothing((session, count))
    }
}

/// A login.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggedIn {
    /// Where.
    pub session: SessionInfo,
    /// Who.
    pub user: UserName,
}

/// A login that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoginFailed {
    /// Where.
    pub session: SessionInfo,
    /// The name that the client gave; there need not be such a user.
    pub user: UserName,
    /// Why.
    pub reason: LoginError,
}

/// The end of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggedOut {
    /// Where.
    pub session: SessionInfo,
    /// Who.
    pub user: UserName,
    /// By what.
    pub reason: LogoutReason,
}

/// A file transfer that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileTransfer {
    /// Where. Its user is who was logged in at the end.
    pub session: SessionInfo,
    /// Who began it.
    pub user: UserName,
    /// The file, as the client sees it; for STOU with the name that was found.
    pub path: VirtualPath,
    /// The file on this machine, all links on the way to it followed; `None` when storage is no file system of it.
    pub real_path: Option<PathBuf>,
    /// ASCII or image.
    pub representation: Representation,
    /// Bytes over the data connection. Those of the file are more when it was resumed, and others in ASCII.
    pub bytes: u64,
    /// From the 150 or 125 reply to the end.
    pub duration: Duration,
}

/// A file transfer that was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IncompleteTransfer {
    /// What it was.
    pub transfer: FileTransfer,
    /// Why it is not whole.
    pub reason: Incomplete,
    /// What the cut has left at the path; of a download always [`Remains::Unchanged`]. It is what storage said when the
    /// file was opened: an upload that was cut in the moment in which it was finished may lie there whole.
    pub remains: Remains,
}

/// A change of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TreeChange {
    /// Where.
    pub session: SessionInfo,
    /// Who made it.
    pub user: UserName,
    /// What, with the paths as the client sees them.
    pub change: Change,
    /// The path on this machine of what was changed, the new one if it was renamed. Directories on the way may be
    /// links. `None` when storage is no file system of it.
    pub real_path: Option<PathBuf>,
    /// The path on this machine that was renamed.
    pub real_path_before: Option<PathBuf>,
}

/// An empty future: it takes no memory.
fn nothing<T>(_event: T) -> BoxFuture<'static, ()> {
    Box::pin(async {})
}

macro_rules! delegate {
    ($($method:ident($($argument:ident: $kind:ty),*);)*) => {
        $(fn $method(&self, $($argument: $kind),*) -> BoxFuture<'_, ()> {
            (**self).$method($($argument),*)
        })*
    };
}

impl<H: Hooks + ?Sized> Hooks for Arc<H> {
    delegate! {
        connected(session: SessionInfo);
        disconnected(summary: Summary);
        logged_in(event: LoggedIn);
        login_failed(event: LoginFailed);
        logged_out(event: LoggedOut);
        file_sent(event: FileTransfer);
        file_received(event: FileTransfer);
        incomplete_sent(event: IncompleteTransfer);
        incomplete_received(event: IncompleteTransfer);
        changed(event: TreeChange);
        missed(session: SessionInfo, count: u64);
    }
}
