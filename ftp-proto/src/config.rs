//! What an operator can set about the protocol.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

/// The settings of a session. They are shared by all sessions of a server and do not change under a session.
#[derive(Clone, Debug)]
pub struct Config {
    /// The text of the greeting; line breaks make it a multi-line reply.
    pub banner: String,
    /// How long a session may be without a command while no data connection is open; `None`: for ever.
    pub idle_timeout: Option<Duration>,
    /// How long it may take from the connection to a successful login.
    pub login_timeout: Option<Duration>,
    /// How long it may take from PASV, PORT or the transfer command until the data connection stands.
    pub connect_timeout: Option<Duration>,
    /// How long a transfer may go without progress. Then it ends, and the session with it.
    pub stall_timeout: Option<Duration>,
    /// How long a TLS handshake may take.
    pub tls_timeout: Option<Duration>,
    /// After so many wrong logins the session ends; 0: never.
    pub max_login_attempts: u32,
    /// How long the answer to a wrong login is held back.
    pub failed_login_delay: Duration,
    /// Whether data connections may go to, and come from, other hosts than the client (FXP).
    pub permit_foreign_addresses: bool,
    /// Whether PORT may name a port below 1024.
    pub permit_privileged_ports: bool,
    /// The address to tell in the 227 reply.
    pub masquerade_address: Option<Ipv4Addr>,
    /// The same for connections to one local address; it goes before `masquerade_address`.
    pub masquerade_address_map: BTreeMap<IpAddr, Ipv4Addr>,
    /// Whether and when TLS is used; `None`: it is not offered.
    pub tls: Option<TlsPolicy>,
    /// The charset of clients that have not said `OPTS UTF8 ON`; `None`: UTF-8, and any bytes, as they are.
    pub codec: Option<Arc<dyn PathCodec>>,
    /// Verbs, in any case, that are answered by 502 as if they did not exist. FEAT and HELP do not tell of them. Each is
    /// for itself: XMKD does what MKD does.
    pub disabled_commands: Vec<String>,
    /// Whether each command line is told by [`Event::Command`](crate::Event::Command).
    pub report_commands: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            banner: String::from("Ferry ready."),
            idle_timeout: Some(Duration::from_secs(300)),
            login_timeout: Some(Duration::from_secs(60)),
            connect_timeout: Some(Duration::from_secs(30)),
            stall_timeout: Some(Duration::from_secs(300)),
            tls_timeout: Some(Duration::from_secs(30)),
            max_login_attempts: 3,
            failed_login_delay: Duration::from_secs(3),
            permit_foreign_addresses: false,
            permit_privileged_ports: false,
            masquerade_address: None,
            masquerade_address_map: BTreeMap::new(),
            tls: None,
            codec: None,
            disabled_commands: Vec::new(),
            report_commands: false,
        }
    }
}

impl Config {
    /// The address for the 227 reply of a session whose control connection has this local address; `None` when it is
    /// not an IPv4 address and none is configured.
    pub(crate) fn passive_address(&self, local: IpAddr) -> Option<Ipv4Addr> {
        let own = match local.to_canonical() {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        };
        self.masquerade_address_map.get(&local.to_canonical()).copied().or(self.masquerade_address).or(own)
    }
}

/// When TLS is demanded of clients (RFC 4217). The driver has the certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TlsPolicy {
    /// Nobody logs in but over TLS.
    pub control_required: bool,
    /// Nothing is transferred but over TLS.
    pub data_required: bool,
}

/// A charset for paths on the wire.
pub trait PathCodec: Send + Sync + fmt::Debug {
    /// From the wire to the bytes of the path.
    fn decode(&self, wire: &[u8]) -> Vec<u8>;
    /// From the bytes of the path to the wire.
    fn encode(&self, path: &[u8]) -> Vec<u8>;
}
