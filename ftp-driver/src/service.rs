//! What a server offers: accounts, protocol settings, limits and hooks, shared by its sessions.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ftp_fs::{Account, Authenticator, BlockingAuthenticator, Offload};
use ftp_proto::{Config, Instant, TlsPolicy};
use ftp_types::{TimeZone, UnixTime, Utc};
use ipnet::IpNet;

use crate::hooks::Hooks;
use crate::limits::Maxima;
use crate::masquerade::{Masquerade, Masquerades, Names};
use crate::observer::Observer;
use crate::ports::Ports;
use crate::proxy_header::Proxies;
use crate::record::Recorder;
use crate::room;
use crate::runtime::Runtime;
use crate::seats::Seats;
use crate::shutdown::Stop;
use crate::stretch;
use crate::throttle::{BothWays, Limit, Rates, SpeedLimits, Users};
use crate::tls::TlsServer;

/// Everything that the sessions of a server have in common. A clone is another handle to the same.
///
/// A service is used with one runtime: that which its first session came with also runs a blocking authenticator for
/// the others.
#[derive(Clone)]
pub struct Service {
    pub(crate) settings: Arc<Settings>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) stop: Stop,
    pub(crate) implicit_tls: bool,
}

/// Puts a [`Service`] together.
#[must_use]
pub struct ServiceBuilder(Settings);

pub(crate) struct Settings {
    logins: Logins,
    pub(crate) config: Arc<Config>,
    pub(crate) tls: Option<TlsServer>,
    pub(crate) passive_ports: Option<RangeInclusive<u16>>,
    pub(crate) passive_port_wait: Duration,
    pub(crate) masquerades: Masquerades,
    pub(crate) rates: Rates,
    pub(crate) maxima: Maxima,
    pub(crate) proxies: Proxies,
    pub(crate) use_sendfile: bool,
    pub(crate) tcp_no_delay: bool,
    pub(crate) buffers: Buffers,
    pub(crate) threads: Seats,
    pub(crate) zone: Arc<dyn TimeZone>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) hooks: Option<Arc<dyn Hooks>>,
    pub(crate) recorder: Option<Arc<dyn Recorder>>,
    pub(crate) clock: Arc<dyn Fn() -> UnixTime + Send + Sync>,
}

/// What sessions have in common that outlives the settings that they began under.
pub(crate) struct Shared {
    pub(crate) server_limits: BothWays<Limit>,
    pub(crate) users: Users,
    pub(crate) ports: Ports,
    pub(crate) names: Names,
    /// Of uploads that receive large pieces.
    pub(crate) large_pieces: Seats,
    /// Of sessions that keep their span between two transfers.
    pub(crate) kept_spans: Seats,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            server_limits: BothWays::default(),
            users: Users::default(),
            ports: Ports::default(),
            names: Names::default(),
            large_pieces: Seats::new(room::LARGE),
            kept_spans: Seats::new(KEPT_SPANS),
        }
    }
}

impl Shared {
    fn set_rates(&self, rates: &Rates) {
        self.server_limits.set(&rates.server, rates.burst);
        self.users.set(&rates.user, rates.burst);
    }
}

/// How much is moved at a time, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Buffers {
    pub(crate) receive: usize,
    pub(crate) send: usize,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { receive: 4 * 1024 * 1024, send: 512 * 1024 }
    }
}

/// The pools of tokio and smol have some 500 threads at most.
const TRANSFER_THREADS: usize = 128;
/// So many sessions of a server keep their span from one transfer to the next. It takes a few hundred bytes.
const KEPT_SPANS: usize = 64;
const SMALLEST_BUFFER: usize = 512;
/// More makes nothing faster, and what cannot be allocated would end the session.
const LARGEST_BUFFER: usize = 16 * 1024 * 1024;

enum Logins {
    Async(Arc<dyn Authenticator>),
    /// One bridge for all sessions, since it also limits how many logins are judged at once.
    Blocking(Arc<dyn BlockingAuthenticator>, OnceLock<Arc<dyn Authenticator>>),
}

impl Service {
    /// A service whose logins are judged by a plain function that may block, run where that is allowed.
    pub fn builder(authenticator: impl BlockingAuthenticator) -> ServiceBuilder {
        ServiceBuilder::new(Logins::Blocking(Arc::new(authenticator), OnceLock::new()))
    }

    /// A service whose logins are judged by futures.
    pub fn builder_async(authenticator: impl Authenticator) -> ServiceBuilder {
        ServiceBuilder::new(Logins::Async(Arc::new(authenticator)))
    }

    /// The same service, whose sessions end when `stop` is asked to, and are listed by it. Those who run the accept loop
    /// themselves use it; the adapters' servers do so on their own.
    #[must_use]
    pub fn stopped_by(&self, stop: &Stop) -> Self {
        Self { stop: stop.clone(), ..self.clone() }
    }

    /// The same service for connections on which TLS comes first, before the greeting (implicit FTPS). Those who run
    /// the accept loop themselves use it; the adapters' servers have listeners for it.
    #[must_use]
    pub fn with_implicit_tls(&self) -> Self {
        Self { implicit_tls: true, ..self.clone() }
    }

    /// The same service in the place of an older one, whose sessions go on: limits for a user and for the server hold
    /// for old and new sessions together, and are those of this service from now on; that of a user from the user's next
    /// login on, in whatever session. Those who run the accept loop themselves use it; the adapters' servers do so on
    /// their own.
    #[must_use]
    pub fn in_place_of(&self, older: &Self) -> Self {
        older.shared.set_rates(&self.settings.rates);
        Self { shared: Arc::clone(&older.shared), ..self.clone() }
    }

    /// How many connections the service takes.
    #[must_use]
    pub fn maxima(&self) -> Maxima {
        self.settings.maxima
    }

    pub(crate) fn speed_limits(&self, account: &Account, now: Instant) -> SpeedLimits {
        let Shared { server_limits, users, .. } = &*self.shared;
        SpeedLimits::of(account, &self.settings.rates, users, server_limits, now)
    }

    pub(crate) fn authenticator<R: Runtime>(&self, runtime: &R) -> Arc<dyn Authenticator> {
        match &self.settings.logins {
            Logins::Async(authenticator) => Arc::clone(authenticator),
            Logins::Blocking(blocking, bridge) => {
                let make = || Arc::new(Offload::new(Arc::clone(blocking), runtime.clone())) as _;
                Arc::clone(bridge.get_or_init(make))
            }
        }
    }
}

impl ServiceBuilder {
    fn new(logins: Logins) -> Self {
        Self(Settings {
            logins,
            config: Arc::default(),
            tls: None,
            passive_ports: None,
            passive_port_wait: Duration::from_secs(5),
            masquerades: Masquerades::default(),
            rates: Rates::NONE,
            maxima: Maxima::default(),
            proxies: Proxies::default(),
            use_sendfile: true,
            tcp_no_delay: true,
            buffers: Buffers::default(),
            threads: stretch::threads(TRANSFER_THREADS),
            zone: Arc::new(Utc),
            observer: Arc::new(()),
            hooks: None,
            recorder: None,
            clock: Arc::new(system_time),
        })
    }

    /// The protocol's settings.
    pub fn config(mut self, config: Config) -> Self {
        self.0.config = Arc::new(config);
        self
    }

    /// TLS, offered to all clients from now on. When it is demanded of them is said by [`Config::tls`], which without a
    /// word about it becomes that it is not.
    pub fn tls(mut self, tls: TlsServer) -> Self {
        self.0.tls = Some(tls);
        self
    }

    /// The ports for passive data connections; otherwise the system chooses. There is never a port outside of the range:
    /// when all are taken, clients [wait](Self::passive_port_wait).
    pub fn passive_ports(mut self, ports: RangeInclusive<u16>) -> Self {
        self.0.passive_ports = Some(ports);
        self
    }

    /// How long PASV and EPSV wait for one of the [`passive_ports`](Self::passive_ports) when all are taken, five seconds
    /// by default. Sessions get them in the order of asking; whose time is over gets 425. Zero: nobody waits.
    pub fn passive_port_wait(mut self, wait: Duration) -> Self {
        self.0.passive_port_wait = wait;
        self
    }

    /// The address to tell in replies to PASV, or the host whose address it is, for servers behind NAT. It goes before
    /// [`Config::masquerade_address`] and [`Config::masquerade_address_map`].
    pub fn masquerade(mut self, address: impl Into<Masquerade>) -> Self {
        self.0.masquerades.default = Some(address.into());
        self
    }

    /// The same for clients that are connected to this address of the server; it goes before
    /// [`masquerade`](Self::masquerade).
    pub fn masquerade_for(mut self, local: IpAddr, address: impl Into<Masquerade>) -> Self {
        self.0.masquerades.by_local.insert(local.to_canonical(), address.into());
        self
    }

    /// How the addresses of [masquerade](Self::masquerade) hosts are found. It may block; what it says counts for a
    /// minute. [`resolve_host`](crate::resolve_host) if nothing else is said.
    pub fn resolver(mut self, find: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Self {
        self.0.masquerades.resolver = Arc::new(find);
        self
    }

    /// How many bytes a second each upload may receive, unless the account says otherwise; 0: any number.
    pub fn read_limit(mut self, bytes_per_second: u64) -> Self {
        self.0.rates.transfer.receive = NonZeroU64::new(bytes_per_second);
        self
    }

    /// How many bytes a second each download and listing may send, unless the account says otherwise; 0: any number.
    pub fn write_limit(mut self, bytes_per_second: u64) -> Self {
        self.0.rates.transfer.send = NonZeroU64::new(bytes_per_second);
        self
    }

    /// How many bytes a second all uploads of a user together may receive, unless the account says otherwise; 0: any
    /// number. All anonymous users are one.
    pub fn user_read_limit(mut self, bytes_per_second: u64) -> Self {
        self.0.rates.user.receive = NonZeroU64::new(bytes_per_second);
        self
    }

    /// How many bytes a second all downloads and listings of a user together may send, unless the account says
    /// otherwise; 0: any number. All anonymous users are one.
    pub fn user_write_limit(mut self, bytes_per_second: u64) -> Self {
        self.0.rates.user.send = NonZeroU64::new(bytes_per_second);
        self
    }

    /// How many bytes a second all uploads of the server together may receive; 0: any number.
    pub fn server_read_limit(mut self, bytes_per_second: u64) -> Self {
        self.0.rates.server.receive = NonZeroU64::new(bytes_per_second);
        self
    }

    /// How many bytes a second all downloads and listings of the server together may send; 0: any number.
    pub fn server_write_limit(mut self, bytes_per_second: u64) -> Self {
        self.0.rates.server.send = NonZeroU64::new(bytes_per_second);
        self
    }

    /// How much may move at once after a pause, under any of the limits, as the time that it takes at that limit; a
    /// tenth of a second by default. The longer it is the less exact is a limit over a short time.
    pub fn burst(mut self, burst: Duration) -> Self {
        self.0.rates.burst = burst;
        self
    }

    /// How many connections there may be; 0: any number.
    pub fn max_connections(mut self, count: usize) -> Self {
        self.0.maxima.total = count;
        self
    }

    /// How many connections there may be from one address; 0: any number.
    pub fn max_connections_per_ip(mut self, count: usize) -> Self {
        self.0.maxima.per_address = count;
        self
    }

    /// Peers whose connections have to begin with a header of the PROXY protocol, version 1 or 2, which tells the client
    /// that they are for; none by default. Other peers cannot send one.
    ///
    /// Limits, logs, PORT and PASV then go by what the header tells, while data sockets have the address of the socket.
    /// A passive data connection may come from the client itself or from one of these peers, with a header that names
    /// the client. Active ones are made to the client's address, directly.
    pub fn proxy_protocol(mut self, peers: impl IntoIterator<Item = IpNet>) -> Self {
        self.0.proxies = peers.into_iter().collect();
        self
    }

    /// Whether files go to the network by zero copy where that is possible; they do by default.
    pub fn use_sendfile(mut self, yes: bool) -> Self {
        self.0.use_sendfile = yes;
        self
    }

    /// Whether replies go to the network at once (TCP_NODELAY), without waiting for the acknowledgement of earlier ones;
    /// they do by default.
    pub fn tcp_no_delay(mut self, yes: bool) -> Self {
        self.0.tcp_no_delay = yes;
        self
    }

    /// How many bytes of an upload are received, and written to storage, at a time at most: 4 MiB by default, and never
    /// less than 512 bytes nor more than 16 MiB. A transfer has two buffers while it runs, and a third in ASCII; they
    /// begin with 8 KiB, and grow up to this while the client fills them: beyond 512 KiB after 8 MiB of an upload that has
    /// a [thread](Self::transfer_threads), for four uploads of the server at a time.
    pub fn read_buffer(mut self, bytes: usize) -> Self {
        self.0.buffers.receive = bytes.clamp(SMALLEST_BUFFER, LARGEST_BUFFER);
        self
    }

    /// The same for the bytes of a download that are read from storage, and sent, at a time: 512 KiB by default, for all
    /// of them. Its buffers begin as large as
    /// a small file, with 128 KiB for a large one, and with 32 KiB where the length is not known; the third in ASCII may
    /// be twice as long. Zero copy does not use them.
    pub fn write_buffer(mut self, bytes: usize) -> Self {
        self.0.buffers.send = bytes.clamp(SMALLEST_BUFFER, LARGEST_BUFFER);
        self
    }

    /// How many transfers at a time may have a thread of the runtime's pool for blocking work, 128 by default. Those that
    /// move much without having to wait for the client take one, for a fifth of a second at most before they ask anew; all
    /// others, and all when this is 0, share the threads of the runtime, and hand over what may block piece by piece. It
    /// should leave most of the pool to the work on files that is handed over so: in a pool with fewer threads than transfers,
    /// such work waits for them.
    pub fn transfer_threads(mut self, count: usize) -> Self {
        self.0.threads = stretch::threads(count);
        self
    }

    /// The zone of the times in LIST; UTC by default.
    pub fn time_zone(mut self, zone: Arc<dyn TimeZone>) -> Self {
        self.0.zone = zone;
        self
    }

    /// Who watches the sessions. Two of them make a pair.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.0.observer = Arc::new(observer);
        self
    }

    /// Who acts on what happens in the sessions.
    pub fn hooks(mut self, hooks: impl Hooks) -> Self {
        self.0.hooks = Some(Arc::new(hooks));
        self
    }

    /// Who records the sessions, for a [replay](crate::record); nobody by default.
    pub fn recorder(mut self, recorder: impl Recorder) -> Self {
        self.0.recorder = Some(Arc::new(recorder));
        self
    }

    /// Where the time of day comes from; the system by default. LIST shows the year of what is old by it, and sessions
    /// begin by it.
    pub fn clock(mut self, clock: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        self.0.clock = Arc::new(clock);
        self
    }

    /// The service.
    #[must_use]
    pub fn build(mut self) -> Service {
        if self.0.tls.is_some() && self.0.config.tls.is_none() {
            Arc::make_mut(&mut self.0.config).tls = Some(TlsPolicy::default());
        }
        let shared = Shared::default();
        shared.set_rates(&self.0.rates);
        Service { settings: Arc::new(self.0), shared: Arc::new(shared), stop: Stop::new(), implicit_tls: false }
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("config", &self.settings.config)
            .field("passive_ports", &self.settings.passive_ports)
            .field("maxima", &self.settings.maxima)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ServiceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceBuilder").field("config", &self.0.config).finish_non_exhaustive()
    }
}

fn system_time() -> UnixTime {
    let now = SystemTime::now();
    match now.duration_since(UNIX_EPOCH) {
        Ok(since) => {
            UnixTime { seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX), nanoseconds: since.subsec_nanos() }
        }
        // A clock before 1970 is not set; its exact reading is of no use to anybody.
        Err(_) => UnixTime::EPOCH,
    }
}
