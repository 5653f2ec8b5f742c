//! The configuration: what the TOML file can say, and what holds for everything that it does not say.
//!
//! A file is read as a whole: every error in it is reported, each with its place ([`Problems`]).

mod accounts;
mod lockout;
mod parse;
mod section;
mod sections;
mod source;
mod system_users;
mod tls;

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use encoding_rs::{Encoding, UTF_8};
use ftp_driver::{IpNet, Masquerade};
use toml::de::DeTable;

pub use self::accounts::{Anonymous, Credential, Limits, Override, User};
pub use self::lockout::Lockout;
use self::section::Section;
pub use self::source::Problems;
use self::source::Source;
pub use self::system_users::{Filesystem, SystemUser, SystemUsers};
pub use self::tls::{Certificate, ClientCertificates, Tls, TlsVersion};
use crate::cli::RuntimeName;

/// Everything that can be configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[session]`
    pub session: Session,
    /// `[data]`
    pub data: Data,
    /// `[tls]`: TLS is offered.
    pub tls: Option<Tls>,
    /// `[lockout]`: addresses that guess passwords are kept out.
    pub lockout: Option<Lockout>,
    /// `[[user]]`
    pub users: Vec<User>,
    /// `[anonymous]`: anonymous users may log in.
    pub anonymous: Option<Anonymous>,
    /// `[system_users]`: accounts of the machine may log in.
    pub system_users: Option<SystemUsers>,
    /// `[log]`
    pub log: Log,
}

/// `[server]`: sockets, threads and limits of the server as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where to listen. IPv6 addresses take IPv6 alone.
    pub listen: Vec<SocketAddr>,
    /// Where to listen for connections that are TLS from the first byte.
    pub listen_implicit_tls: Vec<SocketAddr>,
    /// The async runtime.
    pub runtime: RuntimeName,
    /// Worker threads; 0: one per core.
    pub workers: usize,
    /// The greeting.
    pub banner: String,
    /// Connections at a time; 0: no limit.
    pub max_connections: u32,
    /// Connections at a time from one address; 0: no limit.
    pub max_connections_per_ip: u32,
    /// How long running transfers may go on once the server is told to stop.
    pub shutdown_grace: Duration,
    /// The user to become once the sockets are bound.
    pub user: Option<String>,
    /// The file that tells the number of the process while it serves.
    pub pid_file: Option<PathBuf>,
    /// Peers whose connections begin with a header of the PROXY protocol.
    pub proxy_protocol: Vec<IpNet>,
}

/// `[session]`: what holds on each control connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// How long a session may be without a command.
    pub idle_timeout: Option<Duration>,
    /// How long it may take to log in.
    pub login_timeout: Option<Duration>,
    /// Wrong logins until the connection is closed; 0: no limit.
    pub max_login_attempts: u32,
    /// How long the answer to a wrong login is held back.
    pub failed_login_delay: Duration,
    /// The charset of paths for clients that do not speak UTF-8.
    pub encoding: &'static Encoding,
    /// Whether listings show GMT, not local time.
    pub use_gmt_times: bool,
    /// Whether files are sent by zero copy where that is possible.
    pub use_sendfile: bool,
    /// Whether a reload ends the sessions of users who are no longer in the file.
    pub end_when_removed: bool,
    /// Whether replies go to the network at once.
    pub tcp_no_delay: bool,
    /// Verbs that are answered by 502.
    pub disabled_commands: Vec<String>,
}

/// `[data]`: data connections and transfers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// The ports for passive connections; none: the kernel's choice.
    pub passive_ports: Option<RangeInclusive<u16>>,
    /// How long PASV and EPSV wait for a port when all are taken.
    pub passive_port_wait: Duration,
    /// The address, or the host whose address, to tell in replies to PASV.
    pub masquerade_address: Option<Masquerade>,
    /// The same by the local address of the control connection.
    pub masquerade_address_map: BTreeMap<IpAddr, Masquerade>,
    /// Whether data connections may go to and come from other hosts than the client.
    pub permit_foreign_addresses: bool,
    /// Whether PORT may name a port below 1024.
    pub permit_privileged_ports: bool,
    /// How long it may take until a data connection stands.
    pub connect_timeout: Option<Duration>,
    /// How long a transfer may be without progress.
    pub stall_timeout: Option<Duration>,
    /// Bytes per second that a transfer may receive.
    pub read_limit: Option<u64>,
    /// Bytes per second that a transfer may send.
    pub write_limit: Option<u64>,
    /// Bytes per second that all transfers of a user together may receive.
    pub user_read_limit: Option<u64>,
    /// Bytes per second that all transfers of a user together may send.
    pub user_write_limit: Option<u64>,
    /// Bytes per second that all transfers together may receive.
    pub server_read_limit: Option<u64>,
    /// Bytes per second that all transfers together may send.
    pub server_write_limit: Option<u64>,
    /// How much may move at once after a pause, as the time that it takes at the limit.
    pub burst: Duration,
    /// Bytes that an upload receives and writes at a time.
    pub read_buffer: usize,
    /// Bytes that a download reads and sends at a time.
    pub write_buffer: usize,
}

/// `[log]`: what is written where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// How lines of the log and of the command log look.
    pub format: LogFormat,
    /// How much goes there.
    pub level: LogLevel,
    /// Where it goes; none: to standard error.
    pub file: Option<PathBuf>,
    /// File for one line per transfer, as wu-ftpd wrote them.
    pub transfer_log: Option<PathBuf>,
    /// File for one line per command and reply.
    pub command_log: Option<PathBuf>,
    /// Directory for a record of each session.
    pub record: Option<PathBuf>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// How much is logged: this and what is worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// The port where nothing else is said: FTP's own, 21, needs privileges.
pub const DEFAULT_PORT: u16 = 2121;

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(file: &Path) -> Result<Self, Problems> {
        let text = source::read(file)?;
        Self::parse(file, &text)
    }

    /// The same without a look at the files of `tls.certfile` and `tls.keyfile`, in whose place there will be others.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn load_without_certificate(file: &Path) -> Result<Self, Problems> {
        let text = source::read(file)?;
        Self::parse_with(file, &text, true)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn parse(file: &Path, text: &str) -> Result<Self, Problems> {
        Self::parse_with(file, text, false)
    }

    fn parse_with(file: &Path, text: &str, certificate_is_replaced: bool) -> Result<Self, Problems> {
        let source = Source::new(file, text);
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            // What the parser makes of a broken file is its guess; to judge its keys would only add confusion.
            let elsewhere = LazyCell::new(|| source::first_line_that(text, has_error_without_place));
            for error in errors {
                let at = error.span().map_or_else(|| *elsewhere, |span| span.start);
                source.complain(at, error.message().replace('\n', ", "));
            }
            return source.finish(Self::default());
        }
        let mut root = Section::root(&source, &table);
        let config = sections::read(&mut root, certificate_is_replaced);
        root.finish();
        source.finish(config)
    }
}

/// The parser does not tell where a key of too many parts is.
fn has_error_without_place(text: &str) -> bool {
    DeTable::parse_recoverable(text).1.iter().any(|error| error.span().is_none())
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: vec![(Ipv4Addr::UNSPECIFIED, DEFAULT_PORT).into(), (Ipv6Addr::UNSPECIFIED, DEFAULT_PORT).into()],
            listen_implicit_tls: Vec::new(),
            runtime: RuntimeName::default(),
            workers: 0,
            banner: concat!("Ferry ", env!("CARGO_PKG_VERSION"), " ready.").to_owned(),
            max_connections: 512,
            max_connections_per_ip: 0,
            shutdown_grace: Duration::from_secs(10),
            user: None,
            pid_file: None,
            proxy_protocol: Vec::new(),
        }
    }
}

impl Default for Session {
    fn default() -> Self {
        Self {
            idle_timeout: Some(Duration::from_secs(300)),
            login_timeout: Some(Duration::from_secs(60)),
            max_login_attempts: 3,
            failed_login_delay: Duration::from_secs(3),
            encoding: UTF_8,
            use_gmt_times: true,
            use_sendfile: true,
            end_when_removed: false,
            tcp_no_delay: true,
            disabled_commands: Vec::new(),
        }
    }
}

impl Default for Data {
    fn default() -> Self {
        Self {
            passive_ports: None,
            passive_port_wait: Duration::from_secs(5),
            masquerade_address: None,
            masquerade_address_map: BTreeMap::new(),
            permit_foreign_addresses: false,
            permit_privileged_ports: false,
            connect_timeout: Some(Duration::from_secs(30)),
            stall_timeout: Some(Duration::from_secs(300)),
            read_limit: None,
            write_limit: None,
            user_read_limit: None,
            user_write_limit: None,
            server_read_limit: None,
            server_write_limit: None,
            burst: Duration::from_millis(100),
            read_buffer: 4 * 1024 * 1024,
            write_buffer: 512 * 1024,
        }
    }
}
