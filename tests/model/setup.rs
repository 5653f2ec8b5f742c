//! Under which configuration, between which addresses, and by whom in which pieces a session is fed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ftp_proto::{Config, TlsPolicy};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::client::Line;
use crate::steps::Step;
use crate::syntax::plain;
use crate::tasks::Manner;

/// Milliseconds: since the beginning, or how long.
pub(crate) type Millis = u64;

/// All that does not change during a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    pub(crate) addresses: Addresses,
    pub(crate) cuts: Cuts,
    pub(crate) start: Start,
    pub(crate) timeouts: Timeouts,
    pub(crate) tls: Option<Tls>,
    /// 0: as many as one likes.
    pub(crate) login_attempts: u32,
    pub(crate) login_delay: Millis,
    pub(crate) foreign_addresses: bool,
    pub(crate) privileged_ports: bool,
    pub(crate) masquerade: Option<Ipv4Addr>,
    pub(crate) disabled: Vec<&'static str>,
    pub(crate) report_commands: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tls {
    pub(crate) implicit: bool,
    pub(crate) control_required: bool,
    pub(crate) data_required: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Addresses {
    V4,
    V6,
    /// IPv4, by way of a socket of IPv6.
    Mapped,
}

/// How far the client is when the steps begin: most of what there is to see comes behind the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Connected,
    LoggedIn,
    /// Under TLS, and with PROT P, where there is any.
    Private,
}

/// In which pieces a write of the client arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cuts {
    Whole,
    Bytes,
    /// In pieces of these sizes, in turn.
    Pieces([usize; 3]),
}

/// `None`: for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    pub(crate) idle: Option<Millis>,
    pub(crate) login: Option<Millis>,
    pub(crate) connect: Option<Millis>,
    pub(crate) stall: Option<Millis>,
    pub(crate) tls: Option<Millis>,
}

impl Timeouts {
    /// Whether every wait has an end.
    pub(crate) fn are_all_set(self) -> bool {
        [self.idle, self.login, self.connect, self.stall, self.tls].iter().all(Option::is_some)
    }
}

impl Setup {
    /// What the session gets.
    pub(crate) fn config(&self) -> Config {
        let time = |millis: Option<Millis>| millis.map(Duration::from_millis);
        Config {
            idle_timeout: time(self.timeouts.idle),
            login_timeout: time(self.timeouts.login),
            connect_timeout: time(self.timeouts.connect),
            stall_timeout: time(self.timeouts.stall),
            tls_timeout: time(self.timeouts.tls),
            max_login_attempts: self.login_attempts,
            failed_login_delay: Duration::from_millis(self.login_delay),
            permit_foreign_addresses: self.foreign_addresses,
            permit_privileged_ports: self.privileged_ports,
            masquerade_address: self.masquerade,
            tls: self
                .tls
                .map(|Tls { control_required, data_required, .. }| TlsPolicy { control_required, data_required }),
            disabled_commands: self.disabled.iter().map(|name| (*name).to_owned()).collect(),
            report_commands: self.report_commands,
            ..Config::default()
        }
    }

    /// The socket addresses as the system tells them, the server's first.
    pub(crate) fn sockets(&self) -> (SocketAddr, SocketAddr) {
        let (local, peer) = match self.addresses {
            Addresses::V4 => ("10.0.0.9:21", "10.0.0.1:40000"),
            Addresses::V6 => ("[fd00::9]:21", "[fd00::1]:40000"),
            Addresses::Mapped => ("[::ffff:10.0.0.9]:21", "[::ffff:10.0.0.1]:40000"),
        };
        (local.parse().expect("an address"), peer.parse().expect("an address"))
    }

    /// The steps that come before all others.
    pub(crate) fn prologue(&self) -> Vec<Step> {
        let write = |lines: &[&str]| Step::Write(lines.iter().map(|line| Line::plain(*line)).collect());
        let well = Step::Answer(0, Manner::Well(0));
        let login = [write(&["USER alice", "PASS secret"]), well.clone()];
        let auth = [write(&["AUTH TLS"]), well.clone()];
        let private = [write(&["PBSZ 0", "PROT P"])];
        let (is_implicit, is_required) = self.tls.map_or((false, false), |tls| (tls.implicit, tls.control_required));
        let secures = self.tls.is_some() && !is_implicit && (is_required || self.start == Start::Private);
        let steps = [
            (is_implicit, &[well][..]),
            (secures, &auth),
            (self.tls.is_some() && self.start == Start::Private, &private),
            (true, &login),
        ];
        let is_wanted = self.start != Start::Connected;
        steps.iter().filter(|(wanted, _)| *wanted && is_wanted).flat_map(|(_, steps)| steps.to_vec()).collect()
    }

    /// The server's own address.
    pub(crate) fn local(&self) -> IpAddr {
        plain(self.sockets().0.ip())
    }

    /// The client's.
    pub(crate) fn peer(&self) -> IpAddr {
        plain(self.sockets().1.ip())
    }
}

fn timeout(usual: Millis) -> impl Strategy<Value = Option<Millis>> {
    prop_oneof![12 => Just(Some(usual)), 3 => Just(None), 2 => (1..usual).prop_map(Some), 1 => Just(Some(0))]
}

fn timeouts() -> impl Strategy<Value = Timeouts> {
    let usual = Timeouts {
        idle: Some(300_000),
        login: Some(60_000),
        connect: Some(30_000),
        stall: Some(301_000),
        tls: Some(29_000),
    };
    let odd = (timeout(300_000), timeout(60_000), timeout(30_000), timeout(301_000), timeout(29_000))
        .prop_map(|(idle, login, connect, stall, tls)| Timeouts { idle, login, connect, stall, tls });
    prop_oneof![3 => Just(usual), 1 => odd]
}

fn tls() -> impl Strategy<Value = Option<Tls>> {
    let policy = (prop::bool::weighted(0.25), prop::bool::weighted(0.25), prop::bool::weighted(0.25))
        .prop_map(|(implicit, control_required, data_required)| Tls { implicit, control_required, data_required });
    option::weighted(0.5, policy)
}

fn cuts() -> impl Strategy<Value = Cuts> {
    let sizes = [1..9_usize, 1..20, 1..200];
    prop_oneof![3 => Just(Cuts::Whole), 1 => Just(Cuts::Bytes), 1 => sizes.prop_map(Cuts::Pieces)]
}

fn disabled() -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![5 => Just(Vec::new()), 1 => prop::collection::vec(select(DISABLED), 1..4)]
}

const DISABLED: &[&str] =
    &["abor", "QUIT", "Pasv", "EPSV", "STAT", "REIN", "NOOP", "RETR", "AUTH", "PROT", "MLST", "PASS", "REST", "SITE"];

/// Any setup.
pub(crate) fn setup() -> impl Strategy<Value = Arc<Setup>> {
    let addresses = prop_oneof![4 => Just(Addresses::V4), 2 => Just(Addresses::V6), 1 => Just(Addresses::Mapped)];
    let logins = (prop_oneof![3 => Just(3_u32), 1 => 0..4_u32], prop_oneof![3 => Just(3000_u64), 1 => Just(0_u64)]);
    let masquerade = option::weighted(0.2, Just(Ipv4Addr::new(198, 51, 100, 7)));
    let rarely = prop::bool::weighted(0.2);
    let start = prop_oneof![1 => Just(Start::Connected), 3 => Just(Start::LoggedIn), 3 => Just(Start::Private)];
    (addresses, (cuts(), start), timeouts(), tls(), logins, (rarely, rarely), masquerade, disabled(), rarely)
        .prop_map(
            |(addresses, (cuts, start), timeouts, tls, logins, permitted, masquerade, disabled, report_commands)| {
                Setup {
                    addresses,
                    cuts,
                    start,
                    timeouts,
                    tls,
                    login_attempts: logins.0,
                    login_delay: logins.1,
                    foreign_addresses: permitted.0,
                    privileged_ports: permitted.1,
                    masquerade,
                    disabled,
                    report_commands,
                }
            },
        )
        .prop_map(Arc::new)
}

/// Only what is not as usual.
impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { addresses, cuts, timeouts: Timeouts { idle, login, connect, stall, tls }, .. } = self;
        write!(
            f,
            "{addresses:?}, {cuts:?}, {:?}; milliseconds for idle {idle:?}, login {login:?}, connect {connect:?}, ",
            self.start
        )?;
        write!(f, "stall {stall:?}, TLS {tls:?}; {} attempts, delay {}", self.login_attempts, self.login_delay)?;
        if let Some(tls) = self.tls {
            write!(f, "; {tls:?}")?;
        }
        if self.foreign_addresses || self.privileged_ports {
            write!(f, "; foreign addresses {}, privileged ports {}", self.foreign_addresses, self.privileged_ports)?;
        }
        if let Some(address) = self.masquerade {
            write!(f, "; masquerade {address}")?;
        }
        if !self.disabled.is_empty() {
            write!(f, "; disabled {}", self.disabled.join(" "))?;
        }
        Ok(())
    }
}
