//! What a running server does at a signal: stop, stop at once, read its configuration anew.

use std::sync::{Arc, Mutex, PoisonError};

use ftp_driver::Handle;
use tracing::{error, info, warn};

use crate::cli::Flags;
use crate::config::Config;
use crate::logging::{Journals, Log};
use crate::service;
use crate::settings;
use crate::signals::Signal;

/// Steers the server, by signals.
pub(crate) struct Control {
    flags: Flags,
    /// What is in force.
    config: Config,
    /// Shared with whoever flushes them at the end.
    journals: Arc<Mutex<Journals>>,
    log: Arc<Log>,
    handle: Handle,
    stopping: bool,
}

impl Control {
    pub(crate) fn new(
        flags: Flags,
        config: Config,
        journals: Arc<Mutex<Journals>>,
        log: Arc<Log>,
        handle: Handle,
    ) -> Self {
        Self { flags, config, journals, log, handle, stopping: false }
    }

    pub(crate) fn react(&mut self, signal: Signal) {
        match signal {
            Signal::Stop if self.stopping => {
                info!("stopping at once");
                self.handle.shutdown_now();
            }
            Signal::Stop => {
                self.stopping = true;
                let grace = self.config.server.shutdown_grace;
                info!(?grace, connections = self.handle.connections(), "stopping; a second signal stops at once");
                self.handle.shutdown(grace);
            }
            Signal::Reload => self.reload(),
        }
    }

    /// All or nothing: the new configuration is complete before anything of it counts.
    fn reload(&mut self) {
        match self.read_anew() {
            Ok(config) => {
                warn_of_fixed(&self.config, &config);
                self.config = config;
                info!("configuration reloaded; it holds for new sessions");
            }
            Err(problems) => {
                problems.lines().for_each(|problem| error!("{problem}"));
                error!("configuration not reloaded; the old one stays");
            }
        }
    }

    fn read_anew(&mut self) -> Result<Config, String> {
        let config = settings::load(&self.flags).map_err(|error| error.to_string())?;
        let mut current = self.journals.lock().unwrap_or_else(PoisonError::into_inner);
        let journals = current.reopen(&config.log).map_err(|error| error.to_string())?;
        let service = service::build(&config, &journals).map_err(|error| error.to_string())?;
        self.handle.set_service(&service);
        *current = journals;
        self.log.set_level(config.log.level);
        Ok(config)
    }
}

/// Tells of changes that a running server cannot follow.
fn warn_of_fixed(old: &Config, new: &Config) {
    let (was, is) = (&old.server, &new.server);
    let fixed = [
        ("server.listen", was.listen != is.listen),
        ("server.runtime", was.runtime != is.runtime),
        ("server.workers", was.workers != is.workers),
        ("server.user", was.user != is.user),
        ("log.format", old.log.format != new.log.format),
    ];
    for (key, changed) in fixed {
        if changed {
            warn!("{key} has changed, which takes a restart");
        }
    }
}
