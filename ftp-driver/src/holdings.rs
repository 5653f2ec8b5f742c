//! The real things that a session has: storage, files, sockets. The core knows them by the ids of the actions that
//! made them.

use std::path::PathBuf;
use std::sync::Arc;

use ftp_fs::{Listing, Reader, Remains, UserView, Writer};
use ftp_proto::{ActionId, Resource};
use ftp_types::UserName;

use crate::data::{ClosingQueue, DataStream};
use crate::ports::DataListener;
use crate::runtime::Runtime;
use crate::throttle::SpeedLimits;

pub(crate) struct Holdings<R: Runtime> {
    pub(crate) account: Slots<LoggedIn>,
    pub(crate) files: Slots<OpenFile>,
    pub(crate) listeners: Slots<Arc<DataListener<R::Listener>>>,
    pub(crate) data: Slots<DataStream<R::Stream>>,
    pub(crate) traces: Traces,
    closing: ClosingQueue<R::Stream>,
}

/// What hooks want to know of the latest file and the latest change, and the core does not. There is one transfer, and
/// one change, at a time; the core tells the end of one before it begins the next.
#[derive(Default)]
pub(crate) struct Traces {
    pub(crate) file: Option<Box<FileTrace>>,
    pub(crate) change: Option<Box<ChangeTrace>>,
}

/// Where a file that was opened really lies.
#[derive(Default)]
pub(crate) struct FileTrace {
    pub(crate) real_path: Option<PathBuf>,
    pub(crate) remains: Remains,
}

/// Who made a change, and where that really was.
pub(crate) struct ChangeTrace {
    pub(crate) user: UserName,
    pub(crate) real_path: Option<PathBuf>,
    pub(crate) real_path_before: Option<PathBuf>,
}

/// The few things of one kind that a session has at a time.
pub(crate) struct Slots<T>(Vec<(ActionId, T)>);

/// A user who has logged in.
#[derive(Clone)]
pub(crate) struct LoggedIn {
    pub(crate) view: Arc<UserView>,
    pub(crate) limits: SpeedLimits,
}

/// Something that was opened for a transfer. It keeps the speed limits of whoever opened it: that user may be logged
/// out while the transfer runs.
pub(crate) struct OpenFile {
    pub(crate) handle: OpenHandle,
    pub(crate) limits: SpeedLimits,
}

/// The part of a file that a download is about, as the file was when it was opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Where it begins.
    pub(crate) offset: u64,
    /// The length of the whole file.
    pub(crate) len: u64,
}

#[cfg(target_os = "linux")]
impl Extent {
    /// How much of the file lies behind this place.
    pub(crate) fn behind(&self, offset: u64) -> usize {
        usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX)
    }
}

pub(crate) enum OpenHandle {
    /// A file, and how much of it is to be read, as far as that is known.
    Reader(Box<dyn Reader>, Option<Extent>),
    Writer(Box<dyn Writer>),
    Listing(Box<dyn Listing>),
}

impl<R: Runtime> Holdings<R> {
    pub(crate) fn new(closing: ClosingQueue<R::Stream>) -> Self {
        Self {
            account: Slots::default(),
            files: Slots::default(),
            listeners: Slots::default(),
            data: Slots::default(),
            traces: Traces::default(),
            closing,
        }
    }

    pub(crate) fn keep_data(&mut self, id: ActionId, stream: R::Stream) {
        self.data.keep(id, DataStream::new(stream, &self.closing));
    }

    /// Whether there is a data connection, or a listener for one.
    pub(crate) fn has_data_channel(&self) -> bool {
        !self.listeners.0.is_empty() || !self.data.0.is_empty()
    }

    /// Closes what the core has no more use for.
    pub(crate) fn release(&mut self, resource: Resource) {
        match resource {
            Resource::Account(id) => drop(self.account.take(id)),
            Resource::Listener(id) => drop(self.listeners.take(id)),
            Resource::Data(id) => drop(self.data.take(id)),
            Resource::File(id) => drop(self.files.take(id)),
        }
    }

    /// Closes everything, when the session is over.
    pub(crate) fn release_all(&mut self) {
        *self = Self::new(self.closing.clone());
    }
}

impl<T> Slots<T> {
    pub(crate) fn keep(&mut self, id: ActionId, thing: T) {
        // Mostly it stays the only one.
        self.0.reserve_exact(1);
        self.0.push((id, thing));
    }

    pub(crate) fn take(&mut self, id: ActionId) -> Option<T> {
        let place = self.0.iter().position(|(key, _)| *key == id)?;
        Some(self.0.swap_remove(place).1)
    }

    pub(crate) fn find(&self, id: ActionId) -> Option<&T> {
        self.0.iter().find(|(key, _)| *key == id).map(|(_, thing)| thing)
    }

    pub(crate) fn newest(&self) -> Option<&T> {
        self.0.iter().max_by_key(|(key, _)| *key).map(|(_, thing)| thing)
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}
