//! The TLS sessions that data connections can resume: those of their own control connection, and of nobody else.
//!
//! A session is stored here, and what clients get, session identifier or ticket, is its name. It can be resumed any
//! number of times, since many clients use the one of the control connection for all their transfers. What names that
//! work but once protect from is early data that is sent again, and none is ever taken.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use rustls::server::{ProducesTickets, StoresServerSessions};

/// How many sessions that came from data connections are kept beside those of the control connection.
const FROM_DATA: usize = 16;

/// The TLS sessions of one control connection.
#[derive(Clone, Default)]
pub(crate) struct Sessions(Arc<Mutex<Stored>>);

#[derive(Default)]
struct Stored {
    /// From the one handshake of the control connection: one in TLS 1.2, one for each ticket in TLS 1.3.
    control: Vec<Resumable>,
    data: VecDeque<Resumable>,
}

struct Resumable {
    key: Vec<u8>,
    value: Vec<u8>,
}

/// What a data connection is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// No command has said it yet.
    #[default]
    Unknown,
    ClientReads,
    ClientWrites,
}

/// The purpose of a session's one data connection, as its commands make it known.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedPurpose(Arc<Mutex<Purposes>>);

#[derive(Debug, Default)]
struct Purposes {
    now: Purpose,
    /// What is opened; a listing may yet go over the control connection.
    next: Purpose,
}

impl SharedPurpose {
    /// Another connection is to come.
    pub(crate) fn forget(&self) {
        *self.purposes() = Purposes::default();
    }

    /// Something is opened that the connection is for if a transfer over it is announced.
    pub(crate) fn prepare(&self, purpose: Purpose) {
        self.purposes().next = purpose;
    }

    /// A transfer over the connection is announced.
    pub(crate) fn announce(&self) {
        let mut purposes = self.purposes();
        purposes.now = purposes.next;
    }

    fn get(&self) -> Purpose {
        self.purposes().now
    }

    fn purposes(&self) -> MutexGuard<'_, Purposes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is known. The session polls its work again whenever an action is done, so that no waker need be
    /// kept.
    pub(crate) async fn known(&self) {
        poll_fn(|_| if self.get() == Purpose::Unknown { Poll::Pending } else { Poll::Ready(()) }).await;
    }
}

impl Sessions {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let stored = self.stored();
        let mut all = stored.control.iter().chain(&stored.data);
        all.find(|session| session.key == key).map(|session| session.value.clone())
    }

    fn keep_from_data(&self, session: Resumable) {
        let mut stored = self.stored();
        if stored.data.len() >= FROM_DATA {
            stored.data.pop_front();
        }
        stored.data.push_back(session);
    }

    fn stored(&self) -> MutexGuard<'_, Stored> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// There are secrets in them.
impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

/// The handshake of the control connection fills the storage, and resumes nothing.
#[derive(Debug)]
pub(crate) struct ControlSessions(pub(crate) Sessions);

impl StoresServerSessions for ControlSessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.0.stored().control.push(Resumable { key, value });
        true
    }

    fn get(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn take(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn can_cache(&self) -> bool {
        true
    }
}

/// What one data connection can resume. The session that its own handshake makes is kept only when that handshake has
/// resumed another: otherwise a connection that was refused for resuming none could be resumed by the next.
pub(crate) struct DataSessions {
    sessions: Sessions,
    purpose: SharedPurpose,
    new: Mutex<Option<Resumable>>,
    is_over: AtomicBool,
}

/// Somebody waits for the end of the handshake. If it ends when nobody does, no session is made that could not be resumed.
pub(crate) struct Awaited<'a>(&'a DataSessions);

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}

impl DataSessions {
    /// They make a new session only while the client is to read from the connection.
    pub(crate) fn new(sessions: &Sessions, purpose: &SharedPurpose) -> Self {
        Self {
            sessions: sessions.clone(),
            purpose: purpose.clone(),
            new: Mutex::default(),
            is_over: AtomicBool::new(false),
        }
    }

    pub(crate) fn awaited(&self) -> Awaited<'_> {
        Awaited(self)
    }

    /// The handshake has resumed a session.
    pub(crate) fn keep_new(&self) {
        let new = self.new.lock().unwrap_or_else(PoisonError::into_inner).take();
        new.into_iter().for_each(|session| self.sessions.keep_from_data(session));
    }
}

impl StoresServerSessions for DataSessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        let makes_new = self.purpose.get() == Purpose::ClientReads && !self.is_over.load(Ordering::Relaxed);
        if makes_new {
            *self.new.lock().unwrap_or_else(PoisonError::into_inner) = Some(Resumable { key, value });
        }
        makes_new
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.sessions.get(key)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.sessions.get(key)
    }

    /// Asked in TLS 1.2 alone, where one name does for all.
    fn can_cache(&self) -> bool {
        false
    }
}

impl fmt::Debug for DataSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataSessions").finish_non_exhaustive()
    }
}

/// Sessions do not leave our memory.
#[derive(Debug)]
pub(crate) struct NoTickets;

impl ProducesTickets for NoTickets {
    fn enabled(&self) -> bool {
        false
    }

    fn lifetime(&self) -> u32 {
        0
    }

    fn encrypt(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn decrypt(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}
