//! The cases: what is asked of each server, what is measured of it, and what Ferry has to reach.

mod commands;
mod idle;
mod latency;
mod listing;
mod login;
mod transfer;

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::content::{Sizes, Tree};
use crate::identity::Identity;
use crate::process::Running;
use crate::reactor::{Handle, Reactor, Shared};
use crate::servers::Kind;
use crate::session::{Session, Target};

/// What Ferry has to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bar {
    /// So much of what the best peer has: at most that if less is better, at least that if more is.
    OfBest(f64),
    AtMost(f64),
    AtLeast(f64),
    /// It is told, and that is all.
    Nothing,
}

/// One figure of a case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) more_is_better: bool,
    pub(crate) bar: Bar,
}

impl Metric {
    const fn less(name: &'static str, unit: &'static str, bar: Bar) -> Self {
        Self { name, unit, more_is_better: false, bar }
    }

    const fn more(name: &'static str, unit: &'static str, bar: Bar) -> Self {
        Self { name, unit, more_is_better: true, bar }
    }

    const fn cpu_of_bytes(bar: f64) -> Self {
        Self::less("CPU", "s/GB", Bar::OfBest(bar))
    }

    const fn cpu_of_thousand(bar: f64) -> Self {
        Self::less("CPU", "ms/1000", Bar::OfBest(bar))
    }

    const fn rate(bar: Bar) -> Self {
        Self::more("rate", "MB/s", bar)
    }
}

/// How much each case does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amounts {
    pub(crate) sizes: Sizes,
    pub(crate) clients: usize,
    pub(crate) logins: usize,
    pub(crate) secure_logins: usize,
    pub(crate) commands: usize,
    pub(crate) pipelined: usize,
    pub(crate) idle: usize,
    pub(crate) held: usize,
    pub(crate) pings: usize,
}

impl Amounts {
    /// What the table of bars is about.
    pub(crate) const FULL: Self = Self {
        sizes: Sizes { large: 1 << 30, secret: 512 << 20, medium: 10 << 20, small: 5000, crowd: 100_000 },
        clients: 200,
        logins: 2000,
        secure_logins: 1000,
        commands: 10_000,
        pipelined: 100_000,
        idle: 1000,
        held: 10_000,
        pings: 5000,
    };

    pub(crate) const QUICK: Self = Self {
        sizes: Sizes { large: 128 << 20, secret: 64 << 20, medium: 2 << 20, small: 500, crowd: 10_000 },
        clients: 50,
        logins: 200,
        secure_logins: 100,
        commands: 2000,
        pipelined: 10_000,
        idle: 100,
        held: 1000,
        pings: 500,
    };
}

/// How many connect at once, where that is not what is measured: some servers have room for 32 and make others wait.
const ARRIVALS: usize = 20;

/// One turn of one server in one case.
pub(crate) struct Trial<'a> {
    pub(crate) kind: Kind,
    pub(crate) server: &'a Running,
    pub(crate) tree: &'a Tree,
    pub(crate) identity: &'a Identity,
    pub(crate) amounts: Amounts,
    pub(crate) reactor: Rc<Reactor>,
    /// How much of a core this program used in what was measured last.
    pub(crate) own_share: Cell<f64>,
}

/// What something took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    cpu: Duration,
    wall: Duration,
}

impl Cost {
    fn seconds_per_gigabyte(self, bytes: u64) -> f64 {
        self.cpu.as_secs_f64() / (bytes as f64 / 1e9)
    }

    fn milliseconds_per_thousand(self, count: usize) -> f64 {
        self.cpu.as_secs_f64() * 1e3 / (count as f64 / 1e3)
    }

    fn megabytes_per_second(self, bytes: u64) -> f64 {
        bytes as f64 / 1e6 / self.wall.as_secs_f64()
    }
}

impl Trial<'_> {
    fn target(&self) -> Target {
        Target {
            address: self.server.address,
            tls: self.identity.client(self.kind.tls()),
            awaits_acknowledgement: self.kind == Kind::Unftp,
        }
    }

    /// The server's CPU time, from rest to rest, and the time on the clock, from the first command to the last reply.
    fn measure(&self, work: impl FnOnce() -> io::Result<()>) -> io::Result<Cost> {
        let before = self.server.account.cpu_at_rest()?;
        let (started, own) = (Instant::now(), own_cpu());
        work()?;
        let wall = started.elapsed();
        self.own_share.set(own_cpu().saturating_sub(own).as_secs_f64() / wall.as_secs_f64());
        let cpu = self.server.account.cpu_at_rest()?.saturating_sub(before);
        Ok(Cost { cpu, wall })
    }

    /// So many sessions, made ready for transfers.
    fn sessions(&self, count: usize, secure: bool) -> io::Result<Vec<Session>> {
        let target = self.target();
        let mut sessions = Vec::with_capacity(count);
        while sessions.len() < count {
            let first = sessions.len();
            let more = self.reactor.each_from(first, first..count.min(first + ARRIVALS), |handle, _| {
                let target = &target;
                async move {
                    let mut session = Session::open(&handle, target, secure).await?;
                    session.prepare().await?;
                    Ok(session)
                }
            })?;
            sessions.extend(more);
        }
        Ok(sessions)
    }

    /// Does something so many times, fifty at a time: what came of it, by the task that did it.
    fn crowd<T, F>(&self, count: usize, client: impl Fn(Handle) -> F) -> io::Result<Vec<Vec<T>>>
    where
        F: Future<Output = io::Result<T>>,
    {
        let shared = Shared::below(count);
        self.reactor.each(0..count.min(50), |handle, _| {
            let (shared, client) = (&shared, &client);
            async move {
                let mut mine = Vec::new();
                while shared.take().is_some() {
                    mine.push(client(handle.clone()).await?);
                }
                Ok(mine)
            }
        })
    }
}

/// The CPU time of this thread, which is the generator.
fn own_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) tls: bool,
    pub(crate) metrics: &'static [Metric],
    /// One value for each metric. An error of the kind `Unsupported` means that the server has no such command.
    pub(crate) run: fn(&Trial<'_>) -> io::Result<Vec<f64>>,
    /// Servers that have a process for each session would need more of them than machines like to have.
    pub(crate) forks_for_each: bool,
    /// What the limit program does is what cannot be done without. It has a thread for each session, so that of arrivals
    /// and of idle sessions that is not so, and it lists nothing.
    pub(crate) has_limit: bool,
    /// It tells nothing if there is less of everything, or nothing that another case does not.
    pub(crate) quick: bool,
}

impl Case {
    const fn new(
        name: &'static str,
        title: &'static str,
        metrics: &'static [Metric],
        run: fn(&Trial<'_>) -> io::Result<Vec<f64>>,
    ) -> Self {
        Self { name, title, tls: false, metrics, run, forks_for_each: true, has_limit: true, quick: true }
    }

    const fn secure(mut self) -> Self {
        self.tls = true;
        self
    }

    const fn without_forks(mut self) -> Self {
        self.forks_for_each = false;
        self
    }

    const fn full_only(mut self) -> Self {
        self.quick = false;
        self
    }

    const fn without_limit(mut self) -> Self {
        self.has_limit = false;
        self
    }

    pub(crate) fn suits(&self, kind: Kind) -> bool {
        match kind {
            Kind::Limit => self.has_limit,
            Kind::Vsftpd | Kind::PureFtpd | Kind::Proftpd => self.forks_for_each,
            _ => true,
        }
    }
}

const LISTING: &[Metric] = &[
    Metric::less("CPU", "s", Bar::OfBest(1.0)),
    Metric::less("first byte", "ms", Bar::AtMost(2.0)),
    Metric::less("growth", "MiB", Bar::AtMost(0.3)),
];

/// In the order of the table.
pub(crate) const ALL: &[Case] = &[
    Case::new(
        "down",
        "1 GiB download, one client",
        &[Metric::cpu_of_bytes(1.05), Metric::rate(Bar::OfBest(1.0))],
        transfer::down,
    ),
    Case::new(
        "up",
        "1 GiB upload, one client",
        &[Metric::cpu_of_bytes(0.85), Metric::rate(Bar::OfBest(1.1))],
        transfer::up,
    ),
    Case::new(
        "tls-down",
        "512 MiB download under TLS 1.3",
        &[Metric::cpu_of_bytes(0.9), Metric::rate(Bar::OfBest(1.3))],
        transfer::secure_down,
    )
    .secure(),
    Case::new(
        "tls-up",
        "512 MiB upload under TLS 1.3",
        &[Metric::cpu_of_bytes(0.75), Metric::rate(Bar::OfBest(1.3))],
        transfer::secure_up,
    )
    .secure(),
    Case::new(
        "many-down",
        "200 clients, 10 MiB down each",
        &[Metric::cpu_of_bytes(1.0), Metric::rate(Bar::Nothing)],
        transfer::many_down,
    ),
    Case::new(
        "many-up",
        "200 clients, 10 MiB up each",
        &[Metric::cpu_of_bytes(0.85), Metric::rate(Bar::Nothing)],
        transfer::many_up,
    ),
    Case::new("small-down", "5,000 × 4 KiB down in one session", &[Metric::cpu_of_thousand(1.0)], transfer::small_down),
    Case::new("small-up", "5,000 × 4 KiB up in one session", &[Metric::cpu_of_thousand(1.0)], transfer::small_up),
    Case::new("login", "connect, login, quit, 50 at a time", &[Metric::cpu_of_thousand(0.7)], login::plain)
        .without_limit(),
    Case::new("tls-login", "the same with AUTH TLS", &[Metric::cpu_of_thousand(0.9)], login::secure)
        .without_limit()
        .secure(),
    Case::new("noop", "NOOP one by one", &[Metric::cpu_of_thousand(1.0)], commands::noop),
    Case::new("pwd", "PWD one by one", &[Metric::cpu_of_thousand(1.0)], commands::pwd).full_only(),
    Case::new("noop-pipelined", "NOOP by the thousand", &[Metric::cpu_of_thousand(0.2)], commands::noop_pipelined),
    Case::new("pwd-pipelined", "PWD by the thousand", &[Metric::cpu_of_thousand(0.2)], commands::pwd_pipelined)
        .full_only(),
    Case::new("list", "LIST of 100,000 entries", LISTING, listing::list).without_limit(),
    Case::new("mlsd", "MLSD of 100,000 entries", LISTING, listing::mlsd).without_limit(),
    Case::new("idle", "1,000 idle sessions", &[Metric::less("PSS each", "KiB", Bar::AtMost(3.0))], idle::plain)
        .without_limit(),
    Case::new(
        "tls-idle",
        "1,000 idle sessions under TLS",
        &[Metric::less("PSS each", "KiB", Bar::AtMost(12.0))],
        idle::secure,
    )
    .without_limit()
    .secure(),
    Case::new(
        "held",
        "10,000 sessions held",
        &[Metric::more("sessions", "", Bar::AtLeast(10_000.0)), Metric::less("PSS each", "KiB", Bar::Nothing)],
        idle::held,
    )
    .without_limit()
    .without_forks()
    .full_only(),
    Case::new(
        "latency",
        "NOOP each ms beside 20 downloads",
        &[
            Metric::less("p50", "µs", Bar::OfBest(1.0)),
            Metric::less("p99", "µs", Bar::OfBest(1.0)),
            Metric::more("rate", "MB/s", Bar::Nothing),
        ],
        latency::noop,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_per_unit() {
        let cost = Cost { cpu: Duration::from_millis(500), wall: Duration::from_secs(2) };
        assert_eq!(cost.seconds_per_gigabyte(2_000_000_000), 0.25);
        assert_eq!(cost.milliseconds_per_thousand(10_000), 50.0);
        assert_eq!(cost.megabytes_per_second(2_000_000_000), 1000.0);
    }

    #[test]
    fn names_of_cases_are_unique() {
        let mut names: Vec<_> = ALL.iter().map(|case| case.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
