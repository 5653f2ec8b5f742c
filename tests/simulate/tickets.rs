//! What a client keeps to resume TLS sessions, and whether it has offered any of it: a session that the server has given
//! out has to be taken back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::{ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, NamedGroup};

/// TLS as a client has it for one visit.
#[derive(Clone, Debug)]
pub(crate) struct ClientTls {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) tickets: Arc<Tickets>,
}

#[derive(Debug)]
pub(crate) struct Tickets {
    kept: ClientSessionMemoryCache,
    offered: AtomicBool,
    /// Whether some may be of data connections that have resumed nothing, which nobody takes.
    mixed: AtomicBool,
}

impl Tickets {
    pub(crate) fn new() -> Self {
        Self { kept: ClientSessionMemoryCache::new(8), offered: AtomicBool::new(false), mixed: AtomicBool::new(false) }
    }

    /// Whether one was offered since this was asked last that the server has to take.
    pub(crate) fn were_offered(&self) -> bool {
        self.offered.swap(false, Ordering::Relaxed) && !self.mixed.load(Ordering::Relaxed)
    }

    pub(crate) fn are_mixed(&self) {
        self.mixed.store(true, Ordering::Relaxed);
    }

    fn offer<T>(&self, session: Option<T>) -> Option<T> {
        self.offered.store(session.is_some(), Ordering::Relaxed);
        session
    }
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, server: ServerName<'static>, group: NamedGroup) {
        self.kept.set_kx_hint(server, group);
    }

    fn kx_hint(&self, server: &ServerName<'_>) -> Option<NamedGroup> {
        self.kept.kx_hint(server)
    }

    fn set_tls12_session(&self, server: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.kept.set_tls12_session(server, value);
    }

    fn tls12_session(&self, server: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.offer(self.kept.tls12_session(server))
    }

    fn remove_tls12_session(&self, server: &ServerName<'static>) {
        self.kept.remove_tls12_session(server);
    }

    fn insert_tls13_ticket(&self, server: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.kept.insert_tls13_ticket(server, value);
    }

    fn take_tls13_ticket(&self, server: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.offer(self.kept.take_tls13_ticket(server))
    }
}
