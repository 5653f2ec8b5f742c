//! The command line.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use encoding_rs::Encoding;
use ftp_driver::Masquerade;
use ftp_types::{Secret, UserName};

use crate::values;

/// What was asked for on the command line.
#[derive(Debug, Parser)]
#[command(
    name = "ferry",
    version,
    about = "Ferry, an FTP server",
    long_about = "Ferry, an FTP server.\n\n\
        With no option at all it shares the current directory, anonymous and read-only, on port 2121 of all interfaces.",
    after_long_help = AFTER_HELP,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// Something else than serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to serve.
    #[command(flatten)]
    pub flags: Flags,
}

/// What `ferry` can do besides serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a configuration file and print every error with its place
    CheckConfig {
        /// The file
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Read a password from the terminal or standard input and print its hash for `password_hash`
    HashPassword,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Show a recorded session (--record): give its inputs to a new one, and tell what that says and does
    #[command(after_long_help = REPLAY_HELP)]
    Replay {
        /// The record
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Print the manual page, for `man -l -`
    Man,
}

/// The flags of `ferry` as a server.
///
/// None has a default here: what is not given comes from the configuration file, or else from
/// [`Config::default`](crate::config::Config). The help text states those defaults, and a test compares them.
#[derive(Args, Clone, Debug, Default)]
pub struct Flags {
    /// Address to listen on, or localhost [default: all, IPv4 and IPv6]
    #[arg(short, long, value_name = "ADDRESS", value_parser = values::interface, help_heading = "Network")]
    pub interface: Option<IpAddr>,
    /// Port; 0 asks the kernel for one, which the ready line tells [default: 2121]
    #[arg(short, long, value_name = "PORT", help_heading = "Network")]
    pub port: Option<u16>,
    /// Address in PASV replies, or the host that has it, for servers behind NAT [default: the connection's own]
    #[arg(short, long, value_name = "ADDRESS", help_heading = "Network")]
    pub nat_address: Option<Masquerade>,
    /// Ports for passive data connections, as FROM-TO [default: the kernel's choice]
    #[arg(short, long, value_name = "FROM-TO", value_parser = values::port_range, help_heading = "Network")]
    pub range: Option<RangeInclusive<u16>>,
    /// Allow data connections to and from other hosts than the client (FXP)
    #[arg(long, help_heading = "Network")]
    pub permit_foreign_addresses: bool,
    /// Allow PORT commands that name a port below 1024
    #[arg(long, help_heading = "Network")]
    pub permit_privileged_ports: bool,

    /// Directory to share [default: the current one]
    #[arg(
        short, long, value_name = "PATH", value_hint = ValueHint::DirPath, help_heading = "Sharing",
        value_parser = PathBufValueParser::new().try_map(directory)
    )]
    pub directory: Option<PathBuf>,
    /// Grant write access (rights elradfmwMT in place of elr)
    #[arg(short, long, help_heading = "Sharing")]
    pub write: bool,
    /// One named user in place of anonymous; needs a password
    #[arg(short, long, value_name = "NAME", value_parser = account_name, help_heading = "Sharing")]
    pub username: Option<UserName>,
    /// Password of that user; FERRY_PASSWORD in the environment keeps it out of the list of processes
    // That the other is given with one is checked after parsing: the variable alone means nothing.
    #[arg(
        short = 'P', long, value_name = "PASSWORD", env = "FERRY_PASSWORD", hide_env_values = true,
        value_parser = password, help_heading = "Sharing"
    )]
    pub password: Option<Secret>,
    /// Charset of paths for clients that do not speak UTF-8 [default: utf-8]
    #[arg(long, value_name = "NAME", value_parser = values::charset, help_heading = "Sharing")]
    pub encoding: Option<&'static Encoding>,
    /// Show local time in listings, not GMT
    #[arg(long, help_heading = "Sharing")]
    pub use_localtime: bool,

    /// Idle timeout of a session and stall timeout of a transfer, 0 = none [default: 300]
    #[arg(long, value_name = "SECONDS", value_parser = values::seconds, help_heading = "Sessions")]
    pub timeout: Option<Duration>,
    /// Greeting [default: Ferry VERSION ready.]
    #[arg(long, value_name = "TEXT", help_heading = "Sessions")]
    pub banner: Option<String>,
    /// Connections at a time, 0 = no limit [default: 512]
    #[arg(long, value_name = "N", help_heading = "Sessions")]
    pub max_cons: Option<u32>,
    /// Connections at a time from one address, 0 = no limit [default: 0]
    #[arg(long, value_name = "N", help_heading = "Sessions")]
    pub max_cons_per_ip: Option<u32>,
    /// Wrong logins before disconnect, 0 = no limit [default: 3]
    #[arg(long, value_name = "N", help_heading = "Sessions")]
    pub max_login_attempts: Option<u32>,

    /// Offer TLS (explicit FTPS), with a certificate made at start if no other is named
    #[arg(long, help_heading = "TLS")]
    pub tls: bool,
    /// PEM file with the chain of certificates, the server's own first; implies --tls
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, help_heading = "TLS")]
    pub certfile: Option<PathBuf>,
    /// PEM file with the private key, if it is not in the other one
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, help_heading = "TLS")]
    pub keyfile: Option<PathBuf>,
    /// Refuse logins without TLS; implies --tls
    #[arg(long, help_heading = "TLS")]
    pub tls_control_required: bool,
    /// Refuse transfers without TLS; implies --tls
    #[arg(long, help_heading = "TLS")]
    pub tls_data_required: bool,

    /// TOML configuration file; a flag given beside it wins over the file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Server")]
    pub config: Option<PathBuf>,
    /// The async runtime that serves [default: tokio]
    #[arg(long, value_name = "NAME", help_heading = "Server")]
    pub runtime: Option<RuntimeName>,
    /// Worker threads, 0 = one per core [default: 0]
    #[arg(long, value_name = "N", value_parser = workers, help_heading = "Server")]
    pub workers: Option<usize>,
    /// Go to the background once it listens, and end with 0 then; the log needs `log.file` (Unix)
    #[arg(long, help_heading = "Server")]
    pub daemonize: bool,
    /// Record each session in a file of this directory, passwords masked, for `ferry replay` [default: no records]
    #[arg(
        long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Server",
        value_parser = PathBufValueParser::new().try_map(directory)
    )]
    pub record: Option<PathBuf>,
    /// Send files by ordinary reads and writes, without zero copy
    #[arg(long, help_heading = "Server")]
    pub disable_sendfile: bool,
    /// Debug logging, with every command and reply; passwords are masked
    #[arg(short = 'D', long, help_heading = "Server")]
    pub debug: bool,
}

/// An async runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names say it")]
pub enum RuntimeName {
    #[default]
    Tokio,
    Smol,
}

const REPLAY_HELP: &str = "\
Each line begins with the seconds since the session began. C: is a line of the client, S: one of the server; the others \
are what the server did for it, and what came of it.

Exit status: 0 when the session said and did what was recorded, as far as the record goes; 1 when it did not, or the \
file is broken or cannot be read; 2 on bad usage.";

const AFTER_HELP: &str = "\
Standard output gets one line for each listener once it accepts, \"listening on ftp://ADDRESS:PORT\". The log goes to \
standard error. With --tls and no --certfile it tells the SHA-256 of the certificate that was made.

SIGTERM and SIGINT end the server: running transfers may finish within server.shutdown_grace seconds, a second signal \
cuts them off. SIGHUP reads the configuration and the certificates again and reopens the log files; what is wrong is reported and changes \
nothing.

Exit status: 0 after a clean stop, 1 when it cannot serve, 2 on bad usage or bad configuration.";

/// Parses the program's arguments; help, version and usage errors end the process as clap does it: errors with 2.
#[must_use]
pub fn parse() -> Cli {
    parse_from(std::env::args_os()).unwrap_or_else(|error| error.format(&mut Cli::command()).exit())
}

/// Parses arguments, the program's name first.
///
/// # Errors
/// Clap's, for help and version as well.
pub fn parse_from<I, A>(arguments: I) -> Result<Cli, clap::Error>
where
    I: IntoIterator<Item = A>,
    A: Into<std::ffi::OsString> + Clone,
{
    let matches = Cli::command().try_get_matches_from(arguments).map_err(name_flag_of_directory)?;
    check(<Cli as clap::FromArgMatches>::from_arg_matches(&matches)?, &matches)
}

/// What is no flag is taken for a command; if it is a directory, it was most probably to be shared.
fn name_flag_of_directory(mut error: clap::Error) -> clap::Error {
    let directory = error.context().find_map(|(_, value)| match value {
        ContextValue::String(text) if Path::new(text).is_dir() => Some(text.clone()),
        _ => None,
    });
    if let (ErrorKind::InvalidSubcommand | ErrorKind::ArgumentConflict, Some(directory)) = (error.kind(), directory) {
        let tip = format!("to share that directory: --directory {directory}").into();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    }
    error
}

/// The rules between flags.
fn check(cli: Cli, matches: &clap::ArgMatches) -> Result<Cli, clap::Error> {
    let usage = |kind, message: &str| Err(Cli::command().error(kind, message));
    if cli.command.is_some() {
        return Ok(cli);
    }
    let flags = &cli.flags;
    if flags.username.is_some() && flags.password.as_ref().is_none_or(Secret::is_empty) {
        let message = "--username needs a password: give --password, or set FERRY_PASSWORD";
        return usage(ErrorKind::MissingRequiredArgument, message);
    }
    let password_given = matches.value_source("password") == Some(clap::parser::ValueSource::CommandLine);
    if password_given && flags.username.is_none() {
        return usage(ErrorKind::MissingRequiredArgument, "--password needs --username");
    }
    Ok(cli)
}

impl Flags {
    /// Whether any of them asks for TLS: to serve without it would not be what was meant.
    pub(crate) fn ask_for_tls(&self) -> bool {
        let files = self.certfile.is_some() || self.keyfile.is_some();
        self.tls || files || self.tls_control_required || self.tls_data_required
    }
}

fn directory(path: PathBuf) -> Result<PathBuf, String> {
    values::check_directory(&path)?;
    Ok(path)
}

fn account_name(text: &str) -> Result<UserName, String> {
    text.parse().map_err(|error: ftp_types::InvalidUserName| error.to_string())
}

#[expect(clippy::unnecessary_wraps, reason = "the shape that clap asks for")]
fn password(text: &str) -> Result<Secret, String> {
    Ok(Secret::from(text))
}

fn workers(text: &str) -> Result<usize, String> {
    let limit = values::MAX_WORKERS;
    text.parse().ok().filter(|workers| *workers <= limit).ok_or_else(|| format!("expected a number from 0 to {limit}"))
}
