//! The log files, filled from the sessions' events.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use encoding_rs::Encoding;
use ftp_driver::record::Recorder;
use ftp_driver::{Observer, SessionInfo};
use ftp_proto::{Event, Reply};
use ftp_types::UnixTime;

use super::commands::{Line, Said};
use super::records::Records;
use super::{Sink, transfers};
use crate::config::{self, LogFormat};
use crate::zone::LocalZone;

/// The log files that the configuration asks for. Clones write to the same files.
#[derive(Clone, Debug, Default)]
pub struct Journals {
    transfers: Option<Journal>,
    commands: Option<Journal>,
    records: Records,
    /// Of the command log; `xferlog` has its own. It stays as it was at the start.
    format: LogFormat,
}

#[derive(Clone, Debug)]
struct Journal {
    path: Arc<Path>,
    sink: Sink,
}

/// A log file that cannot be opened.
#[derive(Debug)]
pub struct JournalError {
    key: &'static str,
    path: PathBuf,
    error: io::Error,
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log.{}: cannot open {}: {}", self.key, self.path.display(), self.error)
    }
}

impl std::error::Error for JournalError {}

impl Journals {
    /// Opens the files.
    ///
    /// # Errors
    /// The first that cannot be opened.
    pub fn open(log: &config::Log) -> Result<Self, JournalError> {
        Self { format: log.format, ..Self::default() }.reopen(log)
    }

    /// Opens the files that are new, and anew those that these journals have already: they may have been moved away.
    ///
    /// # Errors
    /// The first new one that cannot be opened. The others go on as they were.
    pub fn reopen(&self, log: &config::Log) -> Result<Self, JournalError> {
        let transfers = Journal::reopen(self.transfers.as_ref(), "transfer_log", log.transfer_log.as_deref())?;
        let commands = Journal::reopen(self.commands.as_ref(), "command_log", log.command_log.as_deref())?;
        let records = self.records.at(log.record.as_deref()).map_err(|error| {
            let path = log.record.clone().unwrap_or_default();
            JournalError { key: "record", path, error }
        })?;
        Ok(Self { transfers, commands, records, format: self.format })
    }

    /// Who records the sessions of a service whose paths are in that charset.
    #[must_use]
    pub fn recorder(&self, charset: &'static Encoding) -> Option<impl Recorder + use<>> {
        self.records.recorder(charset)
    }

    /// Whether the driver has to tell about commands.
    #[must_use]
    pub const fn want_commands(&self) -> bool {
        self.commands.is_some()
    }

    /// Waits until everything is written, for a bounded time.
    pub fn flush(&self) {
        self.transfers.iter().chain(&self.commands).for_each(|journal| journal.sink.flush());
        self.records.flush();
    }

    /// The watcher of sessions that fills the files. Times of transfers are local, as in all such logs.
    #[must_use]
    pub fn observer(&self, zone: LocalZone) -> impl Observer + use<> {
        JournalObserver { journals: self.clone(), zone }
    }
}

impl Journal {
    fn reopen(old: Option<&Self>, key: &'static str, path: Option<&Path>) -> Result<Option<Self>, JournalError> {
        let Some(path) = path else { return Ok(None) };
        if let Some(old) = old.filter(|old| *old.path == *path) {
            old.sink.reopen();
            return Ok(Some(old.clone()));
        }
        let sink = Sink::append(path).map_err(|error| JournalError { key, path: path.to_owned(), error })?;
        Ok(Some(Self { path: path.into(), sink }))
    }
}

struct JournalObserver {
    journals: Journals,
    zone: LocalZone,
}

impl Observer for JournalObserver {
    fn event(&self, session: &SessionInfo, event: &Event) {
        match (event, &self.journals) {
            (Event::Transferred(report), Journals { transfers: Some(journal), .. }) => {
                journal
                    .sink
                    .write_line(transfers::line(report, session.addresses.peer.ip(), now(), &self.zone).into_bytes());
            }
            (Event::Command(command), _) => self.write_said(session, Said::Client(command)),
            _ => {}
        }
    }

    fn reply(&self, session: &SessionInfo, reply: &Reply) {
        self.write_said(session, Said::Server(reply));
    }
}

impl JournalObserver {
    fn write_said(&self, session: &SessionInfo, said: Said<'_>) {
        let Journals { commands: Some(journal), format, .. } = &self.journals else { return };
        let SessionInfo { id, addresses, user, .. } = session;
        let line = Line { time: now(), session: *id, peer: addresses.peer, user: user.as_ref(), said };
        journal.sink.write_line(line.format(*format).into_bytes());
    }
}

fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_seconds(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
