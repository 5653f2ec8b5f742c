//! What a record says: how a session began, and then entry by entry what it was given.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ftp_proto::{Config, PathCodec, TlsPolicy};
use serde::{Deserialize, Serialize};

use super::marks::Mark;
use super::outcome::Outcome;

/// How the session began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Header {
    /// What recorded it: name and version.
    pub program: String,
    /// The number of the session in its process.
    pub session: u64,
    /// When it began: seconds since 1970, and nanoseconds.
    pub began: (i64, u32),
    /// The server's end of the control connection.
    pub local: SocketAddr,
    /// The client's end.
    pub peer: SocketAddr,
    /// Whether TLS came first.
    pub implicit_tls: bool,
    /// The settings of the protocol.
    pub settings: Settings,
}

/// The settings of the protocol, as in [`Config`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "they are those of `Config`")]
#[non_exhaustive]
pub struct Settings {
    pub banner: String,
    pub idle_timeout: Option<Duration>,
    pub login_timeout: Option<Duration>,
    pub connect_timeout: Option<Duration>,
    pub stall_timeout: Option<Duration>,
    pub tls_timeout: Option<Duration>,
    pub max_login_attempts: u32,
    pub failed_login_delay: Duration,
    pub permit_foreign_addresses: bool,
    pub permit_privileged_ports: bool,
    /// The one that counts for this session.
    pub masquerade_address: Option<Ipv4Addr>,
    pub tls_control_required: bool,
    pub tls_data_required: bool,
    pub tls_offered: bool,
    /// The name of the charset, if there is a codec; empty when the recorder did not know it.
    pub charset: Option<String>,
    pub disabled_commands: Vec<String>,
    pub report_commands: bool,
}

impl Settings {
    pub(super) fn of(config: &Config, local: IpAddr, charset: &str) -> Self {
        let tls = config.tls.unwrap_or_default();
        let mapped = config.masquerade_address_map.get(&local.to_canonical()).copied();
        Self {
            banner: config.banner.clone(),
            idle_timeout: config.idle_timeout,
            login_timeout: config.login_timeout,
            connect_timeout: config.connect_timeout,
            stall_timeout: config.stall_timeout,
            tls_timeout: config.tls_timeout,
            max_login_attempts: config.max_login_attempts,
            failed_login_delay: config.failed_login_delay,
            permit_foreign_addresses: config.permit_foreign_addresses,
            permit_privileged_ports: config.permit_privileged_ports,
            masquerade_address: mapped.or(config.masquerade_address),
            tls_control_required: tls.control_required,
            tls_data_required: tls.data_required,
            tls_offered: config.tls.is_some(),
            charset: config.codec.as_ref().map(|_| charset.to_owned()),
            disabled_commands: config.disabled_commands.clone(),
            report_commands: config.report_commands,
        }
    }

    /// The same for a session. The codec is that of [`charset`](Self::charset).
    #[must_use]
    pub fn config(&self, codec: Option<Arc<dyn PathCodec>>) -> Config {
        let policy = TlsPolicy { control_required: self.tls_control_required, data_required: self.tls_data_required };
        Config {
            banner: self.banner.clone(),
            idle_timeout: self.idle_timeout,
            login_timeout: self.login_timeout,
            connect_timeout: self.connect_timeout,
            stall_timeout: self.stall_timeout,
            tls_timeout: self.tls_timeout,
            max_login_attempts: self.max_login_attempts,
            failed_login_delay: self.failed_login_delay,
            permit_foreign_addresses: self.permit_foreign_addresses,
            permit_privileged_ports: self.permit_privileged_ports,
            masquerade_address: self.masquerade_address,
            tls: self.tls_offered.then_some(policy),
            codec,
            disabled_commands: self.disabled_commands.clone(),
            report_commands: self.report_commands,
            ..Config::default()
        }
    }
}

/// One input, and what the session had put out before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Nanoseconds since the entry before; of the first, since the session began.
    pub after: u64,
    /// What was taken from the session since the entry before.
    pub outputs: Vec<Mark>,
    /// Whether that was all there was.
    pub drained: bool,
    /// What the session was given then.
    pub input: Input,
}

/// An input of a session, one of the methods of [`Session`](ftp_proto::Session).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Input {
    /// `handle_input`
    Bytes(Bytes),
    /// `handle_eof`
    Eof,
    /// `handle_timeout`
    Timeout,
    /// `handle_progress`: so many bytes in all.
    Progress {
        /// Of which action.
        transfer: u64,
        /// The bytes so far.
        bytes: u64,
    },
    /// `handle_pause`
    Pause {
        /// Of which action.
        transfer: u64,
        /// Until when, in nanoseconds since the session began.
        until: u64,
    },
    /// `handle_wait`
    Wait {
        /// For which action.
        listen: u64,
    },
    /// `complete`
    Answer {
        /// Which action.
        action: u64,
        /// How it went.
        outcome: Outcome,
    },
    /// `shutdown`
    Shutdown {
        /// At once.
        now: bool,
    },
    /// `dismiss`
    Dismiss {
        /// At once.
        now: bool,
    },
    /// The session is over. Nothing comes behind it.
    End {
        /// The line that had begun and had no end, with secrets replaced.
        unfinished: Option<Vec<u8>>,
    },
    /// The record had reached its limit. Nothing comes behind it.
    Full,
}

/// Bytes of the control connection that the session took at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes {
    /// The lines that were complete with them.
    pub lines: Vec<Line>,
    /// Whether another line has begun by now.
    pub open: bool,
    /// Whether there were bytes behind them that the session did not take.
    pub more: bool,
}

/// A line of the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Line {
    /// It has no secret.
    Plain {
        /// As it came, with its end and with Telnet commands.
        bytes: Vec<u8>,
        /// How much of it had come at the end of the [`Bytes`] that it began in, if it was not whole then.
        opened: u16,
    },
    /// It had, or may have had, a secret.
    Masked {
        /// What stands in its place, without an end.
        line: Vec<u8>,
        /// Whether a Telnet Synch came before it.
        urgent: bool,
    },
    /// It was longer than a line may be, and nothing of it was kept.
    TooLong,
}
