//! The answers to actions, as a record has them.
//!
//! They are mirrors of the core's own types, which know nothing of any format. The order of fields and variants is part
//! of the format: what is new goes to the end.

use std::net::IpAddr;

use ftp_proto::{
    Accept, Authenticate, Change, Channel, Connect, DataError, Listen, ListenError, Listening, Login, LoginError, Open,
    Opened, Request, Secured, StartTls, Stat, TlsError, Transfer, TransferError, Transferred,
};
use ftp_types::{FileKind, FsError, Metadata, UnixTime, VirtualPath};
use serde::{Deserialize, Serialize};

/// The answer to an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Outcome {
    /// Of a login.
    Authenticate(Result<Welcome, LoginFault>),
    /// Of a look at a file.
    Stat(Result<Attributes, StorageFault>),
    /// Of a change of the tree.
    Change(Result<(), StorageFault>),
    /// Of an opened file: its length, and the name that STOU found.
    Open(Result<(Option<u64>, Option<Vec<u8>>), StorageFault>),
    /// Of a listener: its port, and the address to tell.
    Listen(Result<(u16, Option<IpAddr>), ListenFault>),
    /// Of an awaited connection.
    Accept(Result<(), DataFault>),
    /// Of a connection.
    Connect(Result<(), DataFault>),
    /// Of a TLS handshake: whether the client presented a certificate.
    StartTls(Result<bool, TlsFault>),
    /// Of a transfer: how many bytes moved, and whether it is whole.
    Transfer(u64, Result<(), TransferFault>),
}

/// What a session knows of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Where it starts.
    pub directory: Vec<u8>,
    /// The text of the reply.
    pub message: String,
    /// The text of the reply to QUIT.
    pub farewell: String,
}

/// What storage tells about a file, as in [`Metadata`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are those of `Metadata`")]
pub struct Attributes {
    /// 0 file, 1 directory, 2 link, 3 other.
    pub kind: u8,
    pub len: u64,
    pub modified: Option<(i64, u32)>,
    pub created: Option<(i64, u32)>,
    pub mode: Option<u32>,
    pub links: u64,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub owner: Option<String>,
    pub group: Option<String>,
    pub unique: Option<(u64, u64)>,
    /// Permission letters.
    pub rights: Option<String>,
}

/// A request whose answer can be recorded and given again.
pub(crate) trait Recorded: Request {
    fn outcome(answer: &Self::Outcome) -> Outcome;
    /// The answer; none if it is no answer to such a request.
    fn answer(outcome: &Outcome) -> Option<Self::Outcome>;
    /// Whether the reading of lines begins anew with it.
    fn begins_anew(&self) -> bool {
        false
    }
}

/// Mirrors an enum of errors, in the order of the format.
macro_rules! faults {
    ($(#[$documentation:meta])* $fault:ident of $error:ty, or $fallback:ident: $($variant:ident),*) => {
        $(#[$documentation])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "they are those of the core")]
        #[non_exhaustive]
        pub enum $fault { $($variant,)* }

        impl From<$error> for $fault {
            fn from(error: $error) -> Self {
                match error {
                    $(<$error>::$variant => Self::$variant,)*
                    _ => Self::$fallback,
                }
            }
        }

        impl From<$fault> for $error {
            fn from(fault: $fault) -> Self {
                match fault { $($fault::$variant => Self::$variant,)* }
            }
        }
    };
}

faults! {
    /// Why nobody logged in, as in [`LoginError`].
    LoginFault of LoginError, or Unavailable: Rejected, Unavailable, Cancelled
}
faults! {
    /// Why storage did not do it, as in [`FsError`].
    StorageFault of FsError, or Io:
    NotFound, Denied, Refused, Exists, NotADirectory, IsADirectory, NotRegular, NotEmpty, IsRoot, IsLink, Outside,
    InvalidName, OffsetPastEnd, NoSpace, QuotaExceeded, ReadOnly, CrossesStorage, Busy, Exhausted, Unsupported, Io,
    Cancelled
}
faults! {
    /// Why there is no listener, as in [`ListenError`].
    ListenFault of ListenError, or Failed: NoFreePort, NoAddress, Failed, Cancelled
}
faults! {
    /// Why there is no data connection, as in [`DataError`].
    DataFault of DataError, or Failed: Refused, Failed, Cancelled
}
faults! {
    /// Why there is no TLS, as in [`TlsError`].
    TlsFault of TlsError, or Handshake: Handshake, NotResumed, Cancelled
}

/// Why a transfer is not whole, as in [`TransferError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are those of the core")]
#[non_exhaustive]
pub enum TransferFault {
    ConnectionLost,
    Storage(StorageFault),
    Cancelled,
}

impl From<TransferError> for TransferFault {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Storage(error) => Self::Storage(error.into()),
            TransferError::Cancelled => Self::Cancelled,
            _ => Self::ConnectionLost,
        }
    }
}

impl From<TransferFault> for TransferError {
    fn from(fault: TransferFault) -> Self {
        match fault {
            TransferFault::ConnectionLost => Self::ConnectionLost,
            TransferFault::Storage(fault) => Self::Storage(fault.into()),
            TransferFault::Cancelled => Self::Cancelled,
        }
    }
}

impl Recorded for Authenticate {
    fn outcome(answer: &Self::Outcome) -> Outcome {
        Outcome::Authenticate(answer.as_ref().map(Welcome::from).map_err(|error| (*error).into()))
    }

    fn answer(outcome: &Outcome) -> Option<Self::Outcome> {
        let Outcome::Authenticate(result) = outcome else { return None };
        Some(match result {
            Ok(welcome) => Ok(welcome.login()?),
            Err(fault) => Err((*fault).into()),
        })
    }
}

impl Recorded for Stat {
    fn outcome(answer: &Self::Outcome) -> Outcome {
        Outcome::Stat(answer.as_ref().map(Attributes::from).map_err(|error| (*error).into()))
    }

    fn answer(outcome: &Outcome) -> Option<Self::Outcome> {
        let Outcome::Stat(result) = outcome else { return None };
        Some(match result {
            Ok(attributes) => Ok(attributes.metadata()?),
            Err(fault) => Err((*fault).into()),
        })
    }
}

impl Recorded for Change {
    fn outcome(answer: &Self::Outcome) -> Outcome {
        Outcome::Change(answer.map_err(Into::into))
    }

    fn answer(outcome: &Outcome) -> Option<Self::Outcome> {
        let Outcome::Change(result) = outcome else { return None };
        Some(result.map_err(Into::into))
    }
}

impl Recorded for Open {
    fn outcome(answer: &Self::Outcome) -> Outcome {
        let opened = |Opened { len, name }: &Opened| (*len, name.clone());
        Outcome::Open(answer.as_ref().map(opened).map_err(|error| (*error).into()))
    }

    fn answer(outcome: &Outcome) -> Option<Self::Outcome> {
        let Outcome::Open(result) = outcome else { return None };
        let opened = |(len, name): &(Option<u64>, Option<Vec<u8>>)| Opened { len: *len, name: name.clone() };
        Some(result.as_ref().map(opened).map_err(|fault| (*fault).into()))
    }
}

impl Recorded for Listen {
    fn outcome(answer: &Self::Outcome) -> Outcome {
        Outcome::Listen(answer.map(|Listening { port, address }| (port, address)).map_err(Into::into))
    }

    fn answer(outcome: &Outcome) -> Option<Self::Outcome> {
        let Outcome::Listen(result) = outcome else { return None };
        Some(result.map(|(port, address)| Listening { port, address }).map_err(Into::into))
    }
}

impl Recorded for Accept {
    fn outcome(answer: &Self::Outcome) -> Outcome {
        Outcome::Accept(answer.map_err(Into::into))
    }

    fn answer(outcome: &Outcome) -> Option<Self::Outcome> {
        let Outcome::Accept(result) = outcome else { return None };
        Some(result.map_err(Into::into))
    }
}

impl Recorded for Connect {
    fn outcome(answer: &Self::Outcome) -> Outcome {
        Outcome::Connect(answer.map_err(Into::into))
    }

    fn answer(outcome: &Outcome) -> Option<Self::Outcome> {
        let Outcome::Connect(result) = outcome else { return None };
        Some(result.map_err(Into::into))
    }
}

impl Recorded for StartTls {
    fn outcome(answer: &Self::Outcome) -> Outcome {
        Outcome::StartTls(answer.map(|secured| secured.client_certificate).map_err(Into::into))
    }

    fn answer(outcome: &Outcome) -> Option<Self::Outcome> {
        let Outcome::StartTls(result) = outcome else { return None };
        Some(result.map(|client_certificate| Secured { client_certificate }).map_err(Into::into))
    }

    fn begins_anew(&self) -> bool {
        self.channel == Channel::Control
    }
}

impl Recorded for Transfer {
    fn outcome(Transferred { bytes, end }: &Self::Outcome) -> Outcome {
        Outcome::Transfer(*bytes, end.map_err(Into::into))
    }

    fn answer(outcome: &Outcome) -> Option<Self::Outcome> {
        let Outcome::Transfer(bytes, end) = outcome else { return None };
        Some(Transferred { bytes: *bytes, end: end.map_err(Into::into) })
    }
}

impl From<&Login> for Welcome {
    fn from(Login { directory, message, farewell }: &Login) -> Self {
        Self { directory: directory.as_bytes().to_vec(), message: message.clone(), farewell: farewell.clone() }
    }
}

impl Welcome {
    fn login(&self) -> Option<Login> {
        let directory = VirtualPath::parse(&self.directory).ok()?;
        Some(Login { directory, message: self.message.clone(), farewell: self.farewell.clone() })
    }
}

impl From<&Metadata> for Attributes {
    fn from(metadata: &Metadata) -> Self {
        let time = |time: UnixTime| (time.seconds, time.nanoseconds);
        Self {
            kind: match metadata.kind {
                FileKind::File => 0,
                FileKind::Directory => 1,
                FileKind::Symlink => 2,
                FileKind::Other => 3,
            },
            len: metadata.len,
            modified: metadata.modified.map(time),
            created: metadata.created.map(time),
            mode: metadata.mode,
            links: metadata.links,
            uid: metadata.uid,
            gid: metadata.gid,
            owner: metadata.owner.as_deref().map(str::to_owned),
            group: metadata.group.as_deref().map(str::to_owned),
            unique: metadata.unique,
            rights: metadata.rights.map(|rights| rights.to_string()),
        }
    }
}

impl Attributes {
    fn metadata(&self) -> Option<Metadata> {
        let kind =
            *[FileKind::File, FileKind::Directory, FileKind::Symlink, FileKind::Other].get(usize::from(self.kind))?;
        let time = |(seconds, nanoseconds)| UnixTime { seconds, nanoseconds };
        Some(Metadata {
            modified: self.modified.map(time),
            created: self.created.map(time),
            mode: self.mode,
            links: self.links,
            uid: self.uid,
            gid: self.gid,
            owner: self.owner.as_deref().map(Into::into),
            group: self.group.as_deref().map(Into::into),
            unique: self.unique,
            rights: self.rights.as_deref().map(str::parse).transpose().ok()?,
            ..Metadata::new(kind, self.len)
        })
    }
}
