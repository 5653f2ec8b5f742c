//! What the session asks its driver to do, and the tickets by which it gets the answers.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

use ftp_types::{FsError, Metadata, Right, Secret, UnixTime, UserName, VirtualPath, WriteMode};

use crate::event::{CloseReason, Event};
use crate::listing::ListStyle;
use crate::reply::Reply;

/// One step of the session's single, ordered output: bytes before an action are written before the action starts.
#[derive(Debug)]
#[must_use]
pub enum Output {
    /// Write the reply to the control connection ([`Reply::write_to`]).
    Send(Reply),
    /// Do it, then answer with [`Session::complete`](crate::Session::complete), exactly once.
    Start(Action),
    /// Drop that work. If its answer is not on the way already, complete it with [`Request::cancelled`].
    Cancel(ActionId),
    /// Close it; there is no answer.
    Release(Resource),
    /// Something happened that logs, metrics or hooks may want to know; there is no answer.
    Notify(Event),
    /// Write what is still to be written, then close the control connection. Nothing but [`Output::Release`] and
    /// [`Output::Notify`] comes after it.
    Close(CloseReason),
}

/// Work for the driver.
#[derive(Debug)]
#[expect(missing_docs, reason = "each request documents itself")]
pub enum Action {
    Authenticate(Ticket<Authenticate>),
    Stat(Ticket<Stat>),
    Change(Ticket<Change>),
    Open(Ticket<Open>),
    Listen(Ticket<Listen>),
    Accept(Ticket<Accept>),
    Connect(Ticket<Connect>),
    StartTls(Ticket<StartTls>),
    Transfer(Ticket<Transfer>),
}

impl Action {
    /// Its name, which is that of its ticket.
    #[must_use]
    pub const fn id(&self) -> ActionId {
        match self {
            Self::Authenticate(ticket) => ticket.id,
            Self::Stat(ticket) => ticket.id,
            Self::Change(ticket) => ticket.id,
            Self::Open(ticket) => ticket.id,
            Self::Listen(ticket) => ticket.id,
            Self::Accept(ticket) => ticket.id,
            Self::Connect(ticket) => ticket.id,
            Self::StartTls(ticket) => ticket.id,
            Self::Transfer(ticket) => ticket.id,
        }
    }
}

/// Names an action, and the thing that it made, within one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActionId(pub(crate) u64);

impl ActionId {
    /// The number in it: 1 for the first action of a session, and so on.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// A thing that the driver holds for the session, named by the action that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// The account that an [`Authenticate`] yielded: its user has logged out. A transfer that still runs keeps what
    /// it has opened.
    Account(ActionId),
    /// The socket that a [`Listen`] bound.
    Listener(ActionId),
    /// The data connection that an [`Accept`] or a [`Connect`] made. It is to end with FIN, not with RST.
    Data(ActionId),
    /// The file or directory that an [`Open`] opened. A file that was opened for writing was not written to.
    File(ActionId),
}

/// The right to answer one action, once. It cannot be cloned, and only the session makes one; since it carries the
/// type of the question, an answer of the wrong type does not compile.
///
/// Dropping a ticket leaves the action unanswered: the session waits until one of its timers ends it.
#[must_use]
pub struct Ticket<R: Request> {
    pub(crate) id: ActionId,
    pub(crate) owner: Arc<Owner>,
    pub(crate) request: R,
}

/// Tells one session's tickets from another's by the address of its allocation. It has a size so that the address is
/// its own.
#[derive(Debug, Default)]
pub(crate) struct Owner {
    _place: u8,
}

impl<R: Request> Ticket<R> {
    /// The name of the action.
    #[must_use]
    pub fn id(&self) -> ActionId {
        self.id
    }

    /// What is asked.
    #[must_use]
    pub fn request(&self) -> &R {
        &self.request
    }
}

impl<R: Request + fmt::Debug> fmt::Debug for Ticket<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.id, self.request)
    }
}

/// A question to the driver. The type of its answer follows from it.
pub trait Request: sealed::Sealed {
    /// The answer.
    type Outcome;

    /// The answer of work that was dropped at [`Output::Cancel`].
    fn cancelled() -> Self::Outcome;
}

pub(crate) mod sealed {
    use super::{ActionId, Request};
    use crate::Session;

    #[expect(unnameable_types, reason = "that is what seals it")]
    pub trait Sealed: Sized {
        /// Hands the answer to the part of the session that asked.
        fn deliver(self, session: &mut Session, id: ActionId, outcome: <Self as Request>::Outcome)
        where
            Self: Request;
    }
}

/// Ask whether this user may log in (RFC 959 §4.1.1, USER and PASS). On success the driver keeps the account, under
/// the ticket's id, until it is told to release it.
#[derive(Debug)]
pub struct Authenticate {
    /// The name that USER gave.
    pub user: UserName,
    /// What there is to judge by.
    pub proof: Proof,
}

/// What a client has shown to be who it says.
#[derive(Debug)]
pub enum Proof {
    /// The argument of PASS. Where the client presented a certificate, that may be judged together with it.
    Password(Secret),
    /// The certificate of the control connection's TLS handshake, alone: only USER has come (RFC 2228 §5, reply 232).
    /// A refusal is no wrong login; the client is asked for its password as everybody is.
    Certificate,
}

impl Proof {
    /// Whether it is this password.
    #[must_use]
    pub fn is_password(&self, password: &[u8]) -> bool {
        matches!(self, Self::Password(given) if given.equals(password))
    }
}

/// What a session needs to know of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The working directory to start in.
    pub directory: VirtualPath,
    /// The text of the 230 or 232 reply; line breaks make it a multi-line reply.
    pub message: String,
    /// The text of the 221 reply.
    pub farewell: String,
}

impl Default for Login {
    fn default() -> Self {
        Self {
            directory: VirtualPath::root(),
            message: String::from("Login successful."),
            farewell: String::from("Goodbye."),
        }
    }
}

/// Why nobody logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoginError {
    /// Wrong name or password; which of them is nobody's business.
    Rejected,
    /// The place where accounts are kept did not answer. It does not count as an attempt.
    Unavailable,
    /// The question was dropped.
    Cancelled,
}

impl Request for Authenticate {
    type Outcome = Result<Login, LoginError>;

    fn cancelled() -> Self::Outcome {
        Err(LoginError::Cancelled)
    }
}

/// Look at a file or directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Where.
    pub path: VirtualPath,
    /// What for.
    pub purpose: StatPurpose,
}

/// The command behind a [`Stat`], from which the needed right follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StatPurpose {
    /// CWD and CDUP: it is to be a directory that the user can enter.
    Enter,
    /// SIZE.
    Size,
    /// MDTM.
    Modified,
    /// MLST.
    Facts,
    /// RNFR: the thing itself is meant, not what a link at the end of the path points to.
    RenameSource,
}

impl StatPurpose {
    /// The right that the user needs for it.
    #[must_use]
    pub const fn right(self) -> Right {
        match self {
            Self::Enter => Right::Enter,
            Self::Size | Self::Modified | Self::Facts => Right::List,
            Self::RenameSource => Right::Rename,
        }
    }
}

impl Request for Stat {
    type Outcome = Result<Metadata, FsError>;

    fn cancelled() -> Self::Outcome {
        Err(FsError::Cancelled)
    }
}

/// Change the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// MKD.
    MakeDirectory(VirtualPath),
    /// RMD.
    RemoveDirectory(VirtualPath),
    /// DELE.
    RemoveFile(VirtualPath),
    /// RNFR and RNTO.
    Rename {
        /// The old path.
        from: VirtualPath,
        /// The new one.
        to: VirtualPath,
    },
    /// SITE CHMOD.
    SetMode {
        /// Whose.
        path: VirtualPath,
        /// Permission bits, at most `0o777`.
        mode: u32,
    },
    /// MFMT.
    SetModified {
        /// Whose.
        path: VirtualPath,
        /// The new time of last modification.
        time: UnixTime,
    },
}

impl Request for Change {
    type Outcome = Result<(), FsError>;

    fn cancelled() -> Self::Outcome {
        Err(FsError::Cancelled)
    }
}

/// Open what a transfer needs, before anything is said to the client. The driver keeps it under the ticket's id until
/// a [`Transfer`] takes it or it is released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// What.
    pub target: OpenTarget,
    /// Only find out whether it would succeed: nothing is made, changed or kept, and nothing will be released. The
    /// session asks so when the transfer cannot take place anyway, so that the client hears of a wrong name first.
    pub only_check: bool,
}

/// What a transfer reads or writes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenTarget {
    /// RETR: a file, from this offset on.
    Read {
        /// The file.
        path: VirtualPath,
        /// The restart marker, in bytes (RFC 3659 §5).
        offset: u64,
    },
    /// STOR and APPE.
    Write {
        /// The file.
        path: VirtualPath,
        /// From where on.
        mode: WriteMode,
    },
    /// STOU: a new file, whose name the answer tells.
    Unique {
        /// Where it is made.
        directory: VirtualPath,
        /// What its name begins with.
        prefix: Vec<u8>,
    },
    /// LIST, NLST, MLSD and STAT.
    List {
        /// What to list.
        path: VirtualPath,
        /// Whether a file will do, which is then the only entry (MLSD wants a directory, RFC 3659 §7.2).
        file_will_do: bool,
    },
}

/// An [`Open`] succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Opened {
    /// How many bytes a read will yield, as far as known.
    pub len: Option<u64>,
    /// The name that STOU found.
    pub name: Option<Vec<u8>>,
}

impl Request for Open {
    type Outcome = Result<Opened, FsError>;

    fn cancelled() -> Self::Outcome {
        Err(FsError::Cancelled)
    }
}

/// Bind a passive data socket (RFC 959 §4.1.2, PASV; RFC 2428 §3, EPSV).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The local address of the control connection, on which to listen.
    pub address: IpAddr,
    /// Whether EPSV asked.
    pub extended: bool,
}

/// A [`Listen`] succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    /// The port to tell the client.
    pub port: u16,
    /// The address to tell it in place of the configured one, for drivers that find it out themselves.
    pub address: Option<IpAddr>,
}

/// Why there is no passive data socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenError {
    /// Every port of the configured range is taken.
    NoFreePort,
    /// The address to tell in the 227 reply cannot be found out.
    NoAddress,
    /// The system refused.
    Failed,
    /// The work was dropped.
    Cancelled,
}

impl Request for Listen {
    type Outcome = Result<Listening, ListenError>;

    fn cancelled() -> Self::Outcome {
        Err(ListenError::Cancelled)
    }
}

/// Wait at a listener for the client's data connection. Connections from elsewhere are closed and do not end the
/// waiting (RFC 2577 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accept {
    /// The listener.
    pub listener: ActionId,
    /// The only address whose connection counts; `None` when any does.
    pub from: Option<IpAddr>,
}

/// Connect to the client (RFC 959 §4.1.2, PORT; RFC 2428 §2, EPRT), from the local address of the control connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connect {
    /// Where to.
    pub address: SocketAddr,
}

/// Why there is no data connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataError {
    /// The peer refused it, or cannot be reached.
    Refused,
    /// The system refused it.
    Failed,
    /// The work was dropped.
    Cancelled,
}

impl Request for Accept {
    type Outcome = Result<(), DataError>;

    fn cancelled() -> Self::Outcome {
        Err(DataError::Cancelled)
    }
}

impl Request for Connect {
    type Outcome = Result<(), DataError>;

    fn cancelled() -> Self::Outcome {
        Err(DataError::Cancelled)
    }
}

/// Begin TLS as its server (RFC 4217).
///
/// On the control connection the driver must refuse it ([`TlsError::Handshake`]) when it holds bytes that it has read
/// and the session has not taken: they came in clear and must never be run under TLS. A data connection is taken over by
/// the action: on success it stands under its name again, otherwise it is closed, and it is not released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartTls {
    /// On which connection.
    pub channel: Channel,
}

/// One of the two connections of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// The control connection.
    Control,
    /// The data connection of this name.
    Data(ActionId),
}

/// The handshake is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Secured {
    /// Whether the client presented a certificate that was found valid. On the control connection, USER then asks
    /// whether that alone will do ([`Proof::Certificate`]).
    pub client_certificate: bool,
}

/// Why there is no TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsError {
    /// The handshake failed.
    Handshake,
    /// The data connection does not resume the session of the control connection, as the server requires.
    NotResumed,
    /// The work was dropped.
    Cancelled,
}

impl Request for StartTls {
    type Outcome = Result<Secured, TlsError>;

    fn cancelled() -> Self::Outcome {
        Err(TlsError::Cancelled)
    }
}

/// Move the bytes. It takes the open file and the data connection over: both are closed when it ends, whatever its
/// outcome, and neither is released. A file that was written counts as whole only when its writer was finished, which
/// is part of the transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// What was opened.
    pub file: ActionId,
    /// What happens to it.
    pub kind: TransferKind,
    /// Over which connection: the control connection only for STAT with a path, whose lines are written between two
    /// replies.
    pub channel: Channel,
}

/// The ways to move bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferKind {
    /// The file goes to the client.
    Send(Representation),
    /// The client's bytes go into the file.
    Receive(Representation),
    /// The directory's entries go to the client, as lines.
    List(ListStyle),
}

/// The representation type of a transfer (RFC 959 §3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Representation {
    /// ASCII: lines end in CRLF on the wire and in LF in the file.
    #[default]
    Ascii,
    /// Image: bytes as they are.
    Image,
}

/// How a [`Transfer`] went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transferred {
    /// How many bytes went over the connection.
    pub bytes: u64,
    /// Whether all of it did.
    pub end: Result<(), TransferError>,
}

/// Why a transfer is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransferError {
    /// The client closed or lost the connection before the end; for an upload: it ended without a clean FIN, or under
    /// TLS without close_notify.
    ConnectionLost,
    /// Storage failed.
    Storage(FsError),
    /// The work was dropped.
    Cancelled,
}

impl Request for Transfer {
    type Outcome = Transferred;

    /// The bytes are those last told by [`Session::handle_progress`](crate::Session::handle_progress) when the
    /// session knows more than this answer.
    fn cancelled() -> Self::Outcome {
        Transferred { bytes: 0, end: Err(TransferError::Cancelled) }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn actions_are_told_by_their_number() {
        let id = ActionId(7);
        assert_eq!((id.number(), id.to_string()), (7, "#7".to_string()));
        let ticket = Ticket { id, owner: Arc::default(), request: StartTls { channel: Channel::Control } };
        assert_eq!(format!("{ticket:?}"), "#7 StartTls { channel: Control }");
    }
}
