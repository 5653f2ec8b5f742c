//! What a session asks of its driver, and every answer there can be, in the machine's own words.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ftp_proto::{DataError, ListenError, Listening, LoginError, Opened, StatPurpose, TlsError, TransferError};
use ftp_types::{FileKind, FsError, WriteMode};

use crate::syntax::Bytes;

/// Tasks are numbered in the order in which they are started.
pub(crate) type Number = usize;

/// One thing to do, with all that matters of it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Task {
    /// Without a password: by the client's certificate.
    Judge {
        user: String,
        password: Option<Bytes>,
    },
    Look {
        path: Bytes,
        why: StatPurpose,
    },
    Alter(Alteration),
    Open {
        what: Target,
        only_check: bool,
    },
    Listen {
        address: IpAddr,
        extended: bool,
    },
    Accept {
        listener: Number,
        from: Option<IpAddr>,
    },
    Connect(SocketAddr),
    Secure(Over),
    Move {
        file: Number,
        how: How,
        over: Over,
    },
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Alteration {
    MakeDirectory(Bytes),
    RemoveDirectory(Bytes),
    RemoveFile(Bytes),
    Rename(Bytes, Bytes),
    Mode(Bytes, u32),
    /// The time as MFMT gives it.
    Time(Bytes, String),
}

/// What a transfer reads or writes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Read(Bytes, u64),
    Write(Bytes, WriteMode),
    Unique { directory: Bytes, prefix: Bytes },
    List { path: Bytes, file_will_do: bool },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Send {
        ascii: bool,
    },
    Receive {
        ascii: bool,
    },
    LongList,
    Names,
    /// The names of the facts, as `OPTS MLST` shows them.
    Facts(String),
}

/// A connection: that of the session, or the one that a task made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Control,
    Data(Number),
}

/// What the driver holds for the session, named by the task that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Thing {
    Account(Number),
    Listener(Number),
    Data(Number),
    File(Number),
}

/// How a task went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Judged(Result<Account, LoginError>),
    Seen(Result<Sight, FsError>),
    Altered(Result<(), FsError>),
    Opened(Result<Opened, FsError>),
    Listening(Result<Listening, ListenError>),
    Connected(Result<(), DataError>),
    /// Whether the client has presented a certificate.
    Secured(Result<bool, TlsError>),
    Moved(u64, Result<(), TransferError>),
}

/// What a right login tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) home: &'static str,
    pub(crate) message: &'static str,
    pub(crate) farewell: &'static str,
}

/// What a look at a file tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sight {
    pub(crate) kind: FileKind,
    pub(crate) len: u64,
    /// Seconds since 1970, and the same as MDTM shows it.
    pub(crate) modified: (i64, &'static str),
}

/// How a step wants a task to be answered. The number chooses among what there is of the kind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Well(u8),
    Badly(u8),
    /// As work is that was dropped.
    Dropped,
}

impl fmt::Debug for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Well(number) => write!(f, "well ({number})"),
            Self::Badly(number) => write!(f, "badly ({number})"),
            Self::Dropped => f.write_str("as dropped work"),
        }
    }
}

const ACCOUNTS: &[Account] = &[
    Account { home: "/", message: "Welcome.", farewell: "Goodbye." },
    Account { home: "/home/x", message: "Two\nlines.", farewell: "See you,\nsoon." },
];

const SIGHTS: &[Sight] = &[
    Sight { kind: FileKind::Directory, len: 0, modified: (0, "19700101000000") },
    Sight { kind: FileKind::File, len: 1234, modified: (1_709_210_096, "20240229123456") },
    Sight { kind: FileKind::Directory, len: 4096, modified: (1, "19700101000001") },
    Sight { kind: FileKind::File, len: u64::MAX, modified: (-1, "19691231235959") },
    Sight { kind: FileKind::Other, len: 5, modified: (0, "19700101000000") },
    Sight { kind: FileKind::Symlink, len: 5, modified: (0, "19700101000000") },
];

/// Every way in which storage refuses.
const REFUSALS: &[FsError] = &[
    FsError::NotFound,
    FsError::Denied,
    FsError::Refused,
    FsError::Exists,
    FsError::NotADirectory,
    FsError::IsADirectory,
    FsError::NotRegular,
    FsError::NotEmpty,
    FsError::IsRoot,
    FsError::IsLink,
    FsError::Outside,
    FsError::InvalidName,
    FsError::OffsetPastEnd,
    FsError::NoSpace,
    FsError::QuotaExceeded,
    FsError::ReadOnly,
    FsError::CrossesStorage,
    FsError::Busy,
    FsError::Exhausted,
    FsError::Unsupported,
    FsError::Io,
    FsError::Cancelled,
];

const JUDGEMENTS: &[LoginError] = &[LoginError::Rejected, LoginError::Rejected, LoginError::Unavailable];
const LISTEN_ERRORS: &[ListenError] = &[ListenError::NoFreePort, ListenError::NoAddress, ListenError::Failed];
const DATA_ERRORS: &[DataError] = &[DataError::Refused, DataError::Failed];
const TLS_ERRORS: &[TlsError] = &[TlsError::Handshake, TlsError::NotResumed];

fn pick<T: Copy>(from: &[T], number: u8) -> T {
    from[usize::from(number) % from.len()]
}

impl Task {
    /// The answer of this manner. The driver refuses TLS on the control connection when it holds bytes that came in
    /// clear, whatever else it would have answered.
    pub(crate) fn answer(&self, manner: Manner, clear_bytes: bool) -> Answer {
        match self {
            Self::Judge { .. } => Answer::Judged(match manner {
                Manner::Well(number) => Ok(pick(ACCOUNTS, number)),
                Manner::Badly(number) => Err(pick(JUDGEMENTS, number)),
                Manner::Dropped => Err(LoginError::Cancelled),
            }),
            Self::Look { .. } => Answer::Seen(storage(manner, |number| pick(SIGHTS, number))),
            Self::Alter(_) => Answer::Altered(storage(manner, |_| ())),
            Self::Open { what, .. } => Answer::Opened(storage(manner, |number| opened(what, number))),
            Self::Listen { .. } => Answer::Listening(match manner {
                Manner::Well(number) => Ok(listening(number)),
                Manner::Badly(number) => Err(pick(LISTEN_ERRORS, number)),
                Manner::Dropped => Err(ListenError::Cancelled),
            }),
            Self::Accept { .. } | Self::Connect(_) => Answer::Connected(match manner {
                Manner::Well(_) => Ok(()),
                Manner::Badly(number) => Err(pick(DATA_ERRORS, number)),
                Manner::Dropped => Err(DataError::Cancelled),
            }),
            Self::Secure(Over::Control) if clear_bytes => Answer::Secured(Err(TlsError::Handshake)),
            Self::Secure(_) => Answer::Secured(match manner {
                Manner::Well(number) => Ok(number % 2 == 1),
                Manner::Badly(number) => Err(pick(TLS_ERRORS, number)),
                Manner::Dropped => Err(TlsError::Cancelled),
            }),
            Self::Move { .. } => moved(manner),
        }
    }

    /// The thing that there is when the task was answered so.
    pub(crate) fn makes(&self, number: Number, answer: &Answer) -> Option<Thing> {
        match (self, answer) {
            (Self::Judge { .. }, Answer::Judged(Ok(_))) => Some(Thing::Account(number)),
            (Self::Open { only_check: false, .. }, Answer::Opened(Ok(_))) => Some(Thing::File(number)),
            (Self::Listen { .. }, Answer::Listening(Ok(_))) => Some(Thing::Listener(number)),
            (Self::Accept { .. } | Self::Connect(_), Answer::Connected(Ok(()))) => Some(Thing::Data(number)),
            // It was taken over for the handshake, and stands again.
            (Self::Secure(Over::Data(data)), Answer::Secured(Ok(_))) => Some(Thing::Data(*data)),
            _ => None,
        }
    }
}

fn storage<T>(manner: Manner, well: impl FnOnce(u8) -> T) -> Result<T, FsError> {
    match manner {
        Manner::Well(number) => Ok(well(number)),
        Manner::Badly(number) => Err(pick(REFUSALS, number)),
        Manner::Dropped => Err(FsError::Cancelled),
    }
}

fn opened(what: &Target, number: u8) -> Opened {
    match what {
        Target::Read(..) => Opened { len: number.is_multiple_of(2).then_some(u64::from(number)), name: None },
        Target::Unique { prefix, .. } => {
            let name = [prefix, number.to_string().as_bytes()].concat();
            Opened { len: None, name: Some(name) }
        }
        Target::Write(..) | Target::List { .. } => Opened::default(),
    }
}

fn listening(number: u8) -> Listening {
    let address = match number % 8 {
        6 => Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9))),
        7 => Some(IpAddr::V6(Ipv4Addr::new(203, 0, 113, 7).to_ipv6_mapped())),
        _ => None,
    };
    Listening { port: 50_000 + u16::from(number), address }
}

fn moved(manner: Manner) -> Answer {
    match manner {
        Manner::Well(number) => Answer::Moved(u64::from(number), Ok(())),
        Manner::Badly(number) if number % 3 == 0 => Answer::Moved(3, Err(TransferError::ConnectionLost)),
        Manner::Badly(number) => Answer::Moved(3, Err(TransferError::Storage(pick(REFUSALS, number)))),
        Manner::Dropped => Answer::Moved(0, Err(TransferError::Cancelled)),
    }
}
