//! Answers to actions, as words: `ok`, `cancelled`, and
//!
//! - for files: `file LENGTH`, `directory`, or the name of an `FsError`;
//! - for logins: `Rejected`, `Unavailable`; for listeners: `NoFreePort`, `Failed`; for connections: `Refused`;
//! - for TLS: `certificate`: the client has presented one; `Handshake`, `NotResumed`;
//! - for transfers: `BYTES bytes`, with behind it, when not all went well, `lost`, or the name of an `FsError`.

use ferry_tests::Driver;
use ftp_proto::{Action, DataError, ListenError, LoginError, Secured, TlsError, TransferError, Transferred};
use ftp_types::{FileKind, FsError, Metadata};

/// Answers the action; `None` when the words mean nothing for it.
pub(crate) fn answer(driver: &mut Driver, action: Action, words: &str) -> Option<()> {
    match (words, action) {
        ("ok", action) => driver.do_work(action),
        ("cancelled", action) => driver.drop_work(action),
        (words, Action::Authenticate(ticket)) => driver.answer(ticket, Err(login_error(words)?)),
        (words, Action::Stat(ticket)) => driver.answer(ticket, metadata(words)?),
        (words, Action::Change(ticket)) => driver.answer(ticket, Err(fs_error(words)?)),
        (words, Action::Open(ticket)) => driver.answer(ticket, Err(fs_error(words)?)),
        (words, Action::Listen(ticket)) => driver.answer(ticket, Err(listen_error(words)?)),
        (words, Action::Accept(ticket)) => driver.answer(ticket, Err(data_error(words)?)),
        (words, Action::Connect(ticket)) => driver.answer(ticket, Err(data_error(words)?)),
        (words, Action::Transfer(ticket)) => driver.answer(ticket, transferred(words)?),
        ("certificate", Action::StartTls(ticket)) => driver.answer(ticket, Ok(Secured { client_certificate: true })),
        (words, Action::StartTls(ticket)) => driver.answer(ticket, Err(tls_error(words)?)),
    }
    Some(())
}

fn login_error(words: &str) -> Option<LoginError> {
    [LoginError::Rejected, LoginError::Unavailable].into_iter().find(|error| format!("{error:?}") == words)
}

fn listen_error(words: &str) -> Option<ListenError> {
    [ListenError::NoFreePort, ListenError::Failed].into_iter().find(|error| format!("{error:?}") == words)
}

fn data_error(words: &str) -> Option<DataError> {
    [DataError::Refused, DataError::Failed].into_iter().find(|error| format!("{error:?}") == words)
}

fn tls_error(words: &str) -> Option<TlsError> {
    [TlsError::Handshake, TlsError::NotResumed].into_iter().find(|error| format!("{error:?}") == words)
}

fn metadata(words: &str) -> Option<Result<Metadata, FsError>> {
    match words.split_once(' ') {
        Some(("file", len)) => Some(Ok(Metadata::new(FileKind::File, len.parse().ok()?))),
        None if words == "directory" => Some(Ok(Metadata::new(FileKind::Directory, 0))),
        None if words == "special" => Some(Ok(Metadata::new(FileKind::Other, 0))),
        _ => fs_error(words).map(Err),
    }
}

fn transferred(words: &str) -> Option<Transferred> {
    let (bytes, rest) = words.split_once(" bytes")?;
    let end = match rest.trim_start() {
        "" => Ok(()),
        "lost" => Err(TransferError::ConnectionLost),
        error => Err(TransferError::Storage(fs_error(error)?)),
    };
    Some(Transferred { bytes: bytes.parse().ok()?, end })
}

fn fs_error(name: &str) -> Option<FsError> {
    use FsError::*;
    [
        NotFound,
        Denied,
        Refused,
        Exists,
        NotADirectory,
        IsADirectory,
        NotRegular,
        NotEmpty,
        IsRoot,
        IsLink,
        Outside,
        InvalidName,
        OffsetPastEnd,
        NoSpace,
        QuotaExceeded,
        ReadOnly,
        CrossesStorage,
        Busy,
        Exhausted,
        Unsupported,
        Io,
    ]
    .into_iter()
    .find(|error| format!("{error:?}") == name)
}
