//! What a running server does at a signal: stop, stop at once, read its configuration anew.

use std::io;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use ftp_driver::{Handle, LiveSession, TlsServer};
use ftp_proto::Shutdown;
use ftp_types::UserName;
use tracing::{error, info, warn};

use crate::cli::Flags;
use crate::config::Config;
use crate::hosts;
use crate::logging::{self, Journals, Log};
use crate::service::{self, Accounts, Guarded};
use crate::settings;
use crate::signals::Signal;
use crate::tls::{self, Identity};

/// Steers the server, by signals.
pub(crate) struct Control {
    handle: Handle,
    grace: Arc<Mutex<Duration>>,
    stopping: bool,
    reloads: Sender<()>,
}

/// Reads the configuration anew.
pub(crate) struct Reloader {
    pub(crate) flags: Flags,
    /// What the server started with.
    pub(crate) started: Config,
    /// Shared with whoever flushes them at the end.
    pub(crate) journals: Arc<Mutex<Journals>>,
    pub(crate) log: Arc<Log>,
    pub(crate) accounts: Accounts,
    pub(crate) guarded: Guarded,
    pub(crate) identity: Identity,
    pub(crate) handle: Handle,
}

impl Control {
    /// Reloading has a thread of its own: a home on a disk that hangs must not keep the server from stopping.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(crate) fn start(reloader: Reloader) -> io::Result<Self> {
        let handle = reloader.handle.clone();
        let grace = Arc::new(Mutex::new(reloader.started.server.shutdown_grace));
        let (reloads, wishes) = mpsc::channel();
        let set_grace = Arc::clone(&grace);
        let work = move || wishes.iter().for_each(|()| reloader.reload(&set_grace));
        thread::Builder::new().name("reload".to_owned()).spawn(work)?;
        Ok(Self { handle, grace, stopping: false, reloads })
    }

    pub(crate) fn react(&mut self, signal: Signal) {
        match signal {
            Signal::Stop if self.stopping => {
                info!("stopping at once");
                self.handle.shutdown_now();
            }
            Signal::Stop => {
                self.stopping = true;
                let grace = *lock(&self.grace);
                info!(?grace, connections = self.handle.connections(), "stopping; a second signal stops at once");
                self.handle.shutdown(grace);
            }
            // The thread lives as long as the sender.
            Signal::Reload => _ = self.reloads.send(()),
        }
    }
}

impl Reloader {
    /// All or nothing: the new configuration is complete before anything of it counts.
    fn reload(&self, grace: &Mutex<Duration>) {
        match self.read_anew() {
            Ok(config) => {
                *lock(grace) = config.server.shutdown_grace;
                warn_of_fixed(&self.started, &config);
                tls::warnings(&config).iter().chain(&logging::warnings(&config)).for_each(|warning| warn!("{warning}"));
                info!("configuration reloaded; it holds for new sessions");
            }
            Err(problems) => {
                problems.lines().for_each(|problem| error!("{problem}"));
                error!("configuration not reloaded; the old one stays");
            }
        }
    }

    fn read_anew(&self) -> Result<Config, String> {
        let config = settings::load(&self.flags).map_err(|error| error.to_string())?;
        let users = service::accounts(&config).map_err(|error| error.to_string())?;
        let tls = self.tls(&config)?;
        let mut journals = lock(&self.journals);
        *journals = journals.reopen(&config.log).map_err(|error| error.to_string())?;
        self.accounts.set(users);
        self.guarded.set_policy(service::lockout(&config));
        self.handle.set_service(&service::build(&config, &journals, &self.guarded, tls));
        self.log.set_level(config.log.level);
        self.log.reopen();
        self.identity.tell_fingerprint();
        if config.session.end_when_removed {
            self.dismiss_removed();
        }
        hosts::look_up(&config.data);
        Ok(config)
    }

    /// Ends the sessions of those for whom there is no account any more, once what they transfer is through. A password
    /// that is just being judged by the old accounts is no way round; a name that never was ends its session as well.
    fn dismiss_removed(&self) {
        let gone = |user: &UserName| !self.accounts.serve(user);
        let is_gone = |live: &LiveSession| live.session.user.iter().chain(&live.logging_in).any(gone);
        let sessions = self.handle.end_sessions(is_gone, Shutdown::Graceful);
        if sessions > 0 {
            info!(sessions, "ending the sessions of users who are no longer in the configuration");
        }
    }

    /// Listeners whose connections begin with TLS cannot do without it.
    fn tls(&self, config: &Config) -> Result<Option<TlsServer>, String> {
        if config.tls.is_none() && !self.started.server.listen_implicit_tls.is_empty() {
            return Err(
                "tls: cannot be left out while server.listen_implicit_tls is served, until a restart".to_owned()
            );
        }
        self.identity.server(config).map_err(|error| error.to_string())
    }
}

/// Tells of changes that a running server cannot follow.
fn warn_of_fixed(started: &Config, new: &Config) {
    let (was, is) = (&started.server, &new.server);
    let fixed = [
        ("server.listen", was.listen != is.listen),
        ("server.listen_implicit_tls", was.listen_implicit_tls != is.listen_implicit_tls),
        ("server.runtime", was.runtime != is.runtime),
        ("server.workers", was.workers != is.workers),
        ("server.user", was.user != is.user),
        ("server.pid_file", was.pid_file != is.pid_file),
        ("log.format", started.log.format != new.log.format),
        ("log.file", started.log.file != new.log.file),
    ];
    for (key, changed) in fixed {
        if changed {
            warn!("{key} has changed, which takes a restart");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
