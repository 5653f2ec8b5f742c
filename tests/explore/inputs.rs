//! Every input that may come in a state.

use ftp_proto::{DataError, ListenError, LoginError, Session, Shutdown, TlsError};
use ftp_types::FsError;

use crate::{
    alphabet::{Line, MAY_WAIT},
    books::{Books, Kind, Work},
    settings::{Bounds, Settings},
    subject::{Input, Outcome, Subject},
};

/// All of them.
pub(crate) fn inputs(subject: &Subject, settings: &Settings) -> Vec<Input> {
    let Subject { session, books, control, .. } = subject;
    let mut inputs = Vec::new();
    if books.closed.is_none() && !books.eof && session.wants_input() {
        inputs.extend(lines(subject, settings));
    }
    for (place, work) in books.work.iter().enumerate() {
        let place = u8::try_from(place).expect("little work");
        inputs.extend(outcomes(work, settings).into_iter().map(|outcome| Input::Answer(place, outcome)));
    }
    inputs.extend(told(books, session));
    if books.closed.is_none() {
        inputs.extend(control.timers.iter().copied().map(Input::Due));
    }
    let both = [Shutdown::Graceful, Shutdown::Now];
    inputs.extend([Input::Spurious, Input::Eof]);
    inputs.extend(both.map(Input::Shutdown));
    inputs.extend(both.map(Input::Dismiss));
    inputs
}

/// A session that is ending reads nothing, which a few lines show, and behind a lane that is full they wait.
fn lines(subject: &Subject, settings: &Settings) -> Vec<Input> {
    let Bounds { lane, all_behind, .. } = settings.bounds;
    let full = !all_behind && lane > 0 && subject.control.lane.len() >= lane;
    let few = subject.books.ending || full;
    let wanted = |line: &&Line| !few || MAY_WAIT.contains(&line.text);
    let mut inputs: Vec<Input> = settings.lines.iter().filter(wanted).copied().map(Input::Line).collect();
    inputs.push(Input::UrgentAbort);
    if let Some(auth) = settings.lines.iter().find(|line| line.text == "AUTH TLS") {
        inputs.extend(["NOOP\r\n", "NO"].map(|behind| Input::Torn(*auth, behind)));
    }
    inputs
}

/// What the driver tells of work that goes on.
fn told(books: &Books, session: &Session) -> Vec<Input> {
    let runs = |kind: Kind| books.work.iter().any(|work| work.kind() == kind);
    let mut inputs = Vec::new();
    if runs(Kind::Transfer) {
        inputs.extend([Input::Progress, Input::Pause]);
    }
    if runs(Kind::Listen) && !session.is_closed() {
        inputs.push(Input::PortWait);
    }
    inputs
}

/// Work that was cancelled ends all the same: well, badly, or as dropped.
fn outcomes(work: &Work, settings: &Settings) -> Vec<Outcome> {
    let failures = failures(work.kind());
    let failures = if work.cancelled { &failures[..failures.len().min(1)] } else { &failures[..] };
    let mut outcomes = vec![Outcome::Done, Outcome::Dropped];
    outcomes.extend(failures);
    match work.kind() {
        Kind::Stat if !work.cancelled => outcomes.extend([Outcome::Directory, Outcome::Other]),
        Kind::ControlTls if settings.certificates => outcomes.push(Outcome::WithCertificate),
        _ => {}
    }
    outcomes
}

fn failures(kind: Kind) -> Vec<Outcome> {
    match kind {
        Kind::Login | Kind::Certificate => [LoginError::Rejected, LoginError::Unavailable].map(Outcome::NoLogin).into(),
        Kind::Stat | Kind::Change | Kind::Open | Kind::Check => STORAGE.map(Outcome::NoStorage).into(),
        Kind::Listen => {
            [ListenError::NoFreePort, ListenError::NoAddress, ListenError::Failed].map(Outcome::NoListener).into()
        }
        Kind::Accept | Kind::Connect => [DataError::Refused, DataError::Failed].map(Outcome::NoData).into(),
        Kind::ControlTls | Kind::DataTls => [TlsError::Handshake, TlsError::NotResumed].map(Outcome::NoTls).into(),
        Kind::Transfer => {
            let storage = STORAGE.map(Outcome::NoStorage);
            [&[Outcome::Lost], &storage[..]].concat()
        }
    }
}

const STORAGE: [FsError; 21] = [
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
];
