//! Serving: from the flags to the end of the process.

use std::fmt;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use ftp_driver::{Handle, Service, TlsServer};
use tracing::{info, warn};

use crate::cli::{Flags, RuntimeName};
use crate::config::Config;
use crate::control::{Control, Reloader};
use crate::daemon;
use crate::listeners::{self, Bound};
use crate::logging::{Journals, Log};
use crate::runtimes;
use crate::service::Accounts;
use crate::settings::{self, SettingsError};
use crate::signals::Signals;
use crate::tls::{self, Identity};
use crate::{CANNOT, USAGE, hosts, logging, service};

/// Why there is no server, or none any more.
#[derive(Debug)]
pub struct Failure {
    /// The exit status.
    pub status: u8,
    message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Failure {
    /// The environment does not let it serve.
    pub(crate) fn cannot(error: impl fmt::Display) -> Self {
        Self { status: CANNOT, message: format!("ferry: {error}") }
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        let status = if error.is_of_the_system() { CANNOT } else { USAGE };
        let message = match error {
            // These lines begin with file and place, for editors that jump there.
            SettingsError::File(problems) => problems.to_string(),
            other => format!("ferry: {other}"),
        };
        Self { status, message }
    }
}

/// Serves until a signal ends it.
///
/// # Errors
/// [`Failure`], with the exit status and what to tell the operator.
pub fn serve(flags: &Flags) -> Result<(), Failure> {
    let config = settings::load(flags)?;
    if flags.daemonize {
        daemon::leave_terminal().map_err(Failure::cannot)?;
    }
    let limit = raise_open_files();
    // In this order: root may be needed to bind and to read keys, and is not wanted for anything after it. There are no
    // threads yet.
    let identity = Identity::default();
    let tls = identity.server(&config).map_err(Failure::cannot)?;
    let bound = listeners::bind_all(&config.server).map_err(Failure::cannot)?;
    let pid_file = PidFile::of(&config)?;
    let served = serve_bound(flags, config, bound, (identity, tls), limit);
    pid_file.remove();
    served
}

fn serve_bound(
    flags: &Flags,
    config: Config,
    bound: Bound,
    tls: (Identity, Option<TlsServer>),
    limit: Result<(), String>,
) -> Result<(), Failure> {
    become_user(&config)?;
    let log = Log::start(config.log.format, config.log.level, config.log.file.as_deref()).map_err(Failure::cannot)?;
    let log = Arc::new(log);
    let result = serve_logging(flags, config, bound, tls, &log, limit);
    log.flush();
    result
}

fn serve_logging(
    flags: &Flags,
    config: Config,
    bound: Bound,
    (identity, tls): (Identity, Option<TlsServer>),
    log: &Arc<Log>,
    limit: Result<(), String>,
) -> Result<(), Failure> {
    limit.unwrap_or_else(|error| warn!(%error, "the limit of open files stays as it is"));
    bound.left_out.iter().for_each(|address| warn!(%address, "not listening there: this machine has no IPv6"));
    tls::warnings(&config).iter().chain(&logging::warnings(&config)).for_each(|warning| warn!("{warning}"));
    let journals = Journals::open(&config.log).map_err(Failure::cannot)?;
    let accounts = Accounts::default();
    accounts.set(service::accounts(&config).map_err(Failure::cannot)?);
    let guarded = service::guard(&config, &accounts);
    let service = service::build(&config, &journals, &guarded, tls);
    let journals = Arc::new(Mutex::new(journals));
    let signals = Signals::catch().map_err(Failure::cannot)?;
    let (runtime, workers) = (config.server.runtime, workers(&config));
    describe(&config, &bound);
    identity.tell_fingerprint();
    hosts::look_up(&config.data);
    let addresses = urls(&bound);
    let start = |handle: Handle| {
        announce(&addresses);
        if flags.daemonize {
            daemon::let_go_of_output(config.log.file.is_some())?;
        }
        let (flags, journals, log) = (flags.clone(), Arc::clone(&journals), Arc::clone(log));
        let reloader = Reloader { flags, started: config, journals, log, accounts, guarded, identity, handle };
        let mut control = Control::start(reloader)?;
        signals.handle(move |signal| control.react(signal))
    };
    let served = run(runtime, workers, service, bound, start).map_err(Failure::cannot);
    journals.lock().unwrap_or_else(PoisonError::into_inner).flush();
    served
}

/// Serves until all is over. `start` is called as soon as connections are accepted.
fn run(
    runtime: RuntimeName,
    workers: usize,
    service: Service,
    bound: Bound,
    start: impl FnOnce(Handle) -> io::Result<()>,
) -> io::Result<()> {
    match runtime {
        RuntimeName::Tokio => runtimes::tokio(workers, service, bound, start),
        RuntimeName::Smol => runtimes::smol(workers, service, bound, start),
    }
}

fn workers(config: &Config) -> usize {
    match config.server.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    }
}

/// The ready lines, which other programs wait for. Whoever started us may have closed the pipe; that ends nothing.
fn announce(urls: &[String]) {
    let mut stdout = io::stdout().lock();
    let lines = urls.iter().try_for_each(|url| writeln!(stdout, "listening on {url}"));
    let _ = lines.and_then(|()| stdout.flush());
}

/// Where the server listens, with the ports that the system chose.
fn urls(bound: &Bound) -> Vec<String> {
    let local =
        |scheme, listener: &TcpListener| listener.local_addr().ok().map(|address| format!("{scheme}://{address}"));
    let explicit = bound.listeners.iter().filter_map(|listener| local("ftp", listener));
    let implicit = bound.implicit_tls.iter().filter_map(|listener| local("ftps", listener));
    explicit.chain(implicit).collect()
}

fn describe(config: &Config, bound: &Bound) {
    service::describe(config).iter().for_each(|line| info!("{line}"));
    let (first, scheme) = match bound.listeners.first() {
        Some(listener) => (Some(listener), "ftp"),
        None => (bound.implicit_tls.first(), "ftps"),
    };
    if let Some(address) = first.and_then(|listener| listener.local_addr().ok()) {
        let secure = match &config.tls {
            Some(tls) if tls.certfile.is_none() => "--ssl-reqd --insecure ",
            Some(_) => "--ssl-reqd ",
            None => "",
        };
        info!("connect with: curl {secure}{scheme}://{}/", reachable(address));
    }
}

/// An address that works from this machine.
fn reachable(address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => format!("localhost:{}", address.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => format!("localhost:{}", address.port()),
        _ => address.to_string(),
    }
}

#[cfg(unix)]
fn raise_open_files() -> Result<(), String> {
    crate::privileges::raise_open_files().map(drop).map_err(|error| error.to_string())
}

#[cfg(not(unix))]
fn raise_open_files() -> Result<(), String> {
    Ok(())
}

/// The file of `server.pid_file`, if there is to be one.
struct PidFile(#[cfg(unix)] Option<crate::pid_file::PidFile>);

#[cfg(unix)]
impl PidFile {
    fn of(config: &Config) -> Result<Self, Failure> {
        let file = config.server.pid_file.as_deref().map(crate::pid_file::PidFile::create);
        file.transpose().map(Self).map_err(Failure::cannot)
    }

    fn remove(self) {
        self.0.into_iter().for_each(crate::pid_file::PidFile::remove);
    }
}

#[cfg(not(unix))]
impl PidFile {
    fn of(config: &Config) -> Result<Self, Failure> {
        match config.server.pid_file {
            Some(_) => Err(Failure::cannot("server.pid_file: only Unix has such files")),
            None => Ok(Self()),
        }
    }

    fn remove(self) {}
}

#[cfg(unix)]
fn become_user(config: &Config) -> Result<(), Failure> {
    let Some(user) = &config.server.user else { return Ok(()) };
    #[cfg(target_os = "linux")]
    if config.system_users.is_some() {
        return crate::privileges::become_user_keeping(user).map_err(Failure::cannot);
    }
    crate::privileges::become_user(user).map_err(Failure::cannot)
}

#[cfg(not(unix))]
fn become_user(config: &Config) -> Result<(), Failure> {
    match config.server.user {
        Some(_) => Err(Failure::cannot("server.user: only Unix has users to change to")),
        None => Ok(()),
    }
}
