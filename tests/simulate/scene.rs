//! What a run is like: all of it follows from the seed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ftp_driver::{Service, ServiceBuilder};
use ftp_fs::{
    Account, AuthError, Authenticator, BlockingAuthenticator, BoxFuture, CertificateLogin, Credential, LoginAttempt,
    NewUser, Override, Storage, Unblock, VirtualUsers,
};
use ftp_proto::Config;
use ftp_types::{Permissions, Secret, UnixTime};

use crate::chance::Chance;
use crate::crypto;
use crate::disk::{Disk, place};
use crate::truth::Truth;
use crate::world::{Climate, World};

/// The server's port, and the one where TLS comes first.
const CONTROL: u16 = 21;
const IMPLICIT: u16 = 990;
pub(crate) const SERVER: [u8; 4] = [192, 0, 2, 1];
/// Where one of the users may do nothing.
pub(crate) const VAULT: &str = "/vault";

/// Somebody with an account, and the letters of what they may do.
pub(crate) struct User {
    pub(crate) name: &'static str,
    pub(crate) letters: &'static str,
}

pub(crate) const USERS: [User; 8] = [
    User { name: "alice", letters: "elradfmwMT" },
    User { name: "bob", letters: "elradfmwMT" },
    User { name: "carol", letters: "elradfmwMT" },
    User { name: "reader", letters: "elr" },
    User { name: "dropbox", letters: "elw" },
    User { name: "appender", letters: "elra" },
    User { name: "tidier", letters: "elrdfm" },
    User { name: "nobody", letters: "e" },
];

pub(crate) struct Scene {
    pub(crate) climate: Climate,
    pub(crate) clients: usize,
    pub(crate) timeouts: Timeouts,
    pub(crate) max_connections: usize,
    /// From one address; a client has one connection at a time, but the server may not know yet that it is lost.
    max_per_address: usize,
    pub(crate) capacity: Option<u64>,
    pub(crate) ending: Ending,
    pub(crate) slow_hooks: bool,
    /// How long it takes at the most until the operator ends another session.
    pub(crate) dismissals: Option<Duration>,
    /// How long files are at the least that clients find.
    pub(crate) least_file: usize,
    port_wait: Duration,
    buffer: usize,
    transfer_threads: usize,
    pub(crate) tls: Option<Tls>,
    /// Bytes per second: of a transfer, of a user, of the server.
    pub(crate) rates: [Option<u64>; 3],
}

/// How strict the server is about TLS, if it offers any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tls {
    /// Whether uploads may end without `close_notify`.
    pub(crate) lenient_eof: bool,
    /// Whether data connections have to resume the session of their control connection.
    pub(crate) requires_reuse: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    pub(crate) tls: Duration,
    pub(crate) idle: Duration,
    pub(crate) login: Duration,
    pub(crate) connect: Duration,
    pub(crate) stall: Duration,
}

/// How a run comes to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// All clients fall silent, and time ends what they have left.
    Silence,
    /// The server stops in the midst of it all, with so much grace.
    Stop { after: Duration, grace: Duration },
    /// And with none.
    StopNow { after: Duration },
}

impl Scene {
    pub(crate) fn new(chance: &mut Chance, clients: usize) -> Self {
        let faults = !chance.one_in(4);
        let few_threads = chance.one_in(4);
        let disk = if few_threads { Duration::from_millis(2) } else { *chance.pick(&[ms(1), ms(20), ms(700)]) };
        let climate = Climate {
            faults,
            latency: *chance.pick(&[ms(1), ms(40), ms(300)]),
            disk,
            threads: if few_threads { chance.between(1, 4) } else { usize::MAX },
            fresh_wakers: chance.one_in(2),
            pipe: *chance.pick(&[1024, 4096, 65_536]),
            whole_writes: *chance.pick(&[2, 8]),
            ports: if chance.one_in(2) { 4 + clients as u16 / 16 } else { 4000 },
        };
        Self {
            climate,
            clients,
            timeouts: Timeouts {
                tls: chance.seconds(10, 30),
                idle: chance.seconds(30, 300),
                login: chance.seconds(20, 60),
                connect: chance.seconds(15, 30),
                stall: chance.seconds(30, 300),
            },
            max_connections: if chance.one_in(3) { clients / 2 + 2 } else { 0 },
            max_per_address: if chance.one_in(3) { 2 } else { 0 },
            capacity: chance.one_in(4).then_some(200_000 + clients as u64 * 100_000),
            ending: Ending::new(chance),
            slow_hooks: chance.one_in(3),
            dismissals: chance.one_in(3).then(|| ms(2000)),
            least_file: 0,
            port_wait: if chance.one_in(4) { Duration::ZERO } else { chance.seconds(1, 8) },
            buffer: *chance.pick(&[512, 700, 4096, 512 * 1024]),
            transfer_threads: *chance.pick(&[0, 1, 128]),
            rates: rates(chance),
            tls: (!chance.one_in(4)).then(|| Tls { lenient_eof: chance.one_in(3), requires_reuse: chance.one_in(3) }),
        }
    }

    /// One in which nothing but a speed limit decides how long a download takes.
    pub(crate) fn slowed(chance: &mut Chance, clients: usize) -> Self {
        let mut scene = Self::new(chance, clients);
        let climate = Climate { latency: ms(5), disk: ms(1), threads: usize::MAX, pipe: 65_536, ..scene.climate };
        scene.climate = Climate { faults: false, whole_writes: 2, ports: 4000, ..climate };
        scene.rates = [Some(5000), None, None];
        (scene.ending, scene.least_file) = (Ending::Silence, 30_000);
        scene
    }

    pub(crate) fn service(&self, world: &World, disk: &Disk, truth: &Truth) -> Service {
        let clock = world.clone();
        let clock = move || UnixTime { seconds: clock.now().since_epoch().as_secs() as i64, nanoseconds: 0 };
        let mut builder = Service::builder_async(Accounts { users: accounts(disk), world: world.clone() })
            .config(self.config())
            .passive_ports(self.climate.passive_ports())
            .passive_port_wait(self.port_wait)
            .max_connections(self.max_connections)
            .max_connections_per_ip(self.max_per_address)
            .read_buffer(self.buffer)
            .write_buffer(self.buffer)
            .transfer_threads(self.transfer_threads)
            .clock(clock)
            .observer(truth.clone())
            .hooks(truth.clone());
        if let Some(Tls { lenient_eof, requires_reuse }) = self.tls {
            let tls = crypto::server(world).lenient_eof(lenient_eof).require_session_reuse(requires_reuse);
            builder = builder.tls(tls);
        }
        self.limited(builder).build()
    }

    /// The speed limit of a transfer, if no other can be in its way, and neither can the network or the disk.
    pub(crate) fn sole_rate(&self) -> Option<u64> {
        let Climate { faults, latency, disk, threads, pipe, .. } = self.climate;
        let quick = !faults && latency <= ms(40) && disk <= ms(20) && threads > 100 && pipe > 60_000;
        self.rates[0].filter(|_| quick && self.rates[1..] == [None, None])
    }

    /// How long a session may stand whose client says nothing.
    pub(crate) fn longest_silence(&self) -> Duration {
        let Timeouts { tls, idle, login, connect, stall } = self.timeouts;
        tls + idle + login + connect + stall + Duration::from_secs(60)
    }

    fn limited(&self, mut builder: ServiceBuilder) -> ServiceBuilder {
        let [transfer, user, server] = self.rates;
        if let Some(rate) = transfer {
            builder = builder.read_limit(rate).write_limit(rate);
        }
        if let Some(rate) = user {
            builder = builder.user_read_limit(rate).user_write_limit(rate);
        }
        if let Some(rate) = server {
            builder = builder.server_read_limit(rate).server_write_limit(rate);
        }
        builder
    }

    fn config(&self) -> Config {
        let Timeouts { tls, idle, login, connect, stall } = self.timeouts;
        Config {
            tls_timeout: Some(tls),
            idle_timeout: Some(idle),
            login_timeout: Some(login),
            connect_timeout: Some(connect),
            stall_timeout: Some(stall),
            ..Config::default()
        }
    }
}

impl Ending {
    fn new(chance: &mut Chance) -> Self {
        match chance.below(4) {
            0 => Self::Stop { after: chance.seconds(2, 90), grace: chance.seconds(0, 60) },
            1 => Self::StopNow { after: chance.seconds(2, 90) },
            _ => Self::Silence,
        }
    }
}

fn rates(chance: &mut Chance) -> [Option<u64>; 3] {
    match chance.below(8) {
        0 => [Some(5000), None, None],
        1 => [Some(30_000), None, None],
        2 => [None, Some(100_000), None],
        3 => [None, None, Some(500_000)],
        4 => [Some(30_000), Some(100_000), Some(500_000)],
        _ => [None; 3],
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn is_control(port: u16) -> bool {
    matches!(port, CONTROL | IMPLICIT)
}

pub(crate) fn server_address() -> SocketAddr {
    SocketAddr::from((SERVER, CONTROL))
}

/// Where TLS comes first.
pub(crate) fn implicit_address() -> SocketAddr {
    SocketAddr::from((SERVER, IMPLICIT))
}

pub(crate) fn password(user: &str) -> String {
    format!("secret of {user}")
}

fn accounts(disk: &Disk) -> Arc<VirtualUsers> {
    let users = VirtualUsers::new();
    for User { name, letters } in &USERS {
        let secret = Credential::Plain(Secret::new(password(name).as_bytes()));
        let storage = Storage::blocking(disk.clone());
        let user = NewUser::new(name.parse().expect("it is a name"), secret, storage).letters(letters);
        users.add(user).expect("nobody has the name");
    }
    let closed = Override { path: place(VAULT), permissions: Permissions::NONE, recursive: true };
    users.override_permissions(&"bob".parse().expect("it is a name"), closed).expect("bob is there");
    Arc::new(users)
}

/// The accounts, asked without the queue for logins whose length is the number of this machine's processors.
struct Accounts {
    users: Arc<VirtualUsers>,
    world: World,
}

impl Authenticator for Accounts {
    fn authenticate(&self, attempt: LoginAttempt) -> BoxFuture<'_, Result<Account, AuthError>> {
        let users = Arc::clone(&self.users);
        Box::pin(self.world.unblock(move || users.authenticate(&attempt)))
    }

    fn authenticate_certificate(&self, _: CertificateLogin) -> BoxFuture<'_, Result<Account, AuthError>> {
        Box::pin(async { Err(AuthError::Rejected) })
    }
}
