//! The CPU time of a server: all its threads, all its processes, and those that have ended.
//!
//! A control group of its own counts exactly, in nanoseconds, whatever forks. Where none can be made (that takes root),
//! `/proc` is added up, in ticks of 10 ms, and children count once their parent has waited for them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// Where the controllers of version 1 are mounted, and the hierarchy of version 2: alone, or beside version 1.
const ACCOUNTS: [&str; 3] = ["/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"];

/// Below this in [`LOOK`], a server has come to rest.
const REST: Duration = Duration::from_micros(100);
const LOOK: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(10);

/// A control group that lasts as long as this.
pub(crate) struct Group(PathBuf);

impl Group {
    /// Makes one, where that is possible.
    pub(crate) fn create(name: &str) -> Option<Self> {
        ACCOUNTS.iter().map(|place| Path::new(place).join(name)).find_map(|path| {
            fs::create_dir(&path).ok()?;
            let group = Self(path);
            group.cpu().is_ok().then_some(group)
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    fn cpu(&self) -> io::Result<Duration> {
        if let Ok(text) = fs::read_to_string(self.0.join("cpuacct.usage")) {
            return text.trim().parse().map(Duration::from_nanos).map_err(io::Error::other);
        }
        parse_usage(&fs::read_to_string(self.0.join("cpu.stat"))?).ok_or_else(|| io::Error::other("no usage_usec"))
    }

    fn processes(&self) -> io::Result<Vec<u32>> {
        let text = fs::read_to_string(self.0.join("cgroup.procs"))?;
        Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A process that has just ended may still be in it.
        let started = Instant::now();
        while fs::remove_dir(&self.0).is_err() && started.elapsed() < Duration::from_secs(2) {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// What counts for one server.
pub(crate) struct Account {
    group: Option<Group>,
    process: u32,
}

impl Account {
    pub(crate) fn new(group: Option<Group>, process: u32) -> Self {
        Self { group, process }
    }

    pub(crate) fn cpu(&self) -> io::Result<Duration> {
        match &self.group {
            Some(group) => group.cpu(),
            None => self.tree()?.iter().map(|stat| ticks(stat.ticks)).sum::<io::Result<Duration>>(),
        }
    }

    /// All processes of the server.
    pub(crate) fn processes(&self) -> io::Result<Vec<u32>> {
        match &self.group {
            Some(group) => group.processes(),
            None => Ok(self.tree()?.iter().map(|stat| stat.process).collect()),
        }
    }

    /// The CPU time once the server has come to rest: sessions have ended, their processes are reaped.
    pub(crate) fn cpu_at_rest(&self) -> io::Result<Duration> {
        let started = Instant::now();
        let mut before = self.cpu()?;
        loop {
            thread::sleep(LOOK);
            let now = self.cpu()?;
            if now.saturating_sub(before) < REST || started.elapsed() > LONGEST {
                return Ok(now);
            }
            before = now;
        }
    }

    fn tree(&self) -> io::Result<Vec<Stat>> {
        let mut all = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let path = entry?.path().join("stat");
            // Others end while we look.
            all.extend(fs::read_to_string(path).ok().and_then(|text| Stat::parse(&text)));
        }
        Ok(family(self.process, &all))
    }
}

/// A process, its children and theirs.
fn family(root: u32, all: &[Stat]) -> Vec<Stat> {
    let mut members: Vec<Stat> = all.iter().filter(|stat| stat.process == root).copied().collect();
    let mut next = 0;
    while let Some(parent) = members.get(next).map(|stat| stat.process) {
        members.extend(all.iter().filter(|stat| stat.parent == parent));
        next += 1;
    }
    members
}

fn ticks(count: u64) -> io::Result<Duration> {
    let per_second = rustix::param::clock_ticks_per_second();
    let nanoseconds = count.checked_mul(1_000_000_000).map(|product| product / per_second);
    nanoseconds.map(Duration::from_nanos).ok_or_else(|| io::Error::other("too many ticks"))
}

/// What `/proc/PID/stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    process: u32,
    parent: u32,
    /// In user and kernel, its own and of children that it has waited for.
    ticks: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        let process = text.split_once(' ')?.0.parse().ok()?;
        // The name may have blanks and parentheses.
        let fields: Vec<&str> = text.rsplit_once(") ")?.1.split_ascii_whitespace().collect();
        let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<u64>().ok()).sum::<Option<u64>>()?;
        Some(Self { process, parent: fields.get(1)?.parse().ok()?, ticks })
    }
}

/// The time in a `cpu.stat` of version 2.
fn parse_usage(text: &str) -> Option<Duration> {
    let line = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
    line.trim().parse().ok().map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_fields() {
        let text = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 99 100 200";
        assert_eq!(Stat::parse(text), Some(Stat { process: 42, parent: 7, ticks: 100 }));
        assert_eq!(Stat::parse("42 (cut) S 7"), None);
    }

    #[test]
    fn families_have_grandchildren_and_no_strangers() {
        let stat = |process, parent| Stat { process, parent, ticks: 1 };
        let all = [stat(1, 0), stat(12, 11), stat(10, 1), stat(11, 10), stat(13, 1)];
        let members: Vec<u32> = family(10, &all).iter().map(|stat| stat.process).collect();
        assert_eq!(members, [10, 11, 12]);
    }

    #[test]
    fn usage_of_a_control_group() {
        let text = "usage_usec 121670\nuser_usec 80000\nsystem_usec 41670\n";
        assert_eq!(parse_usage(text), Some(Duration::from_micros(121_670)));
        assert_eq!(parse_usage("user_usec 1\n"), None);
    }

    #[test]
    fn this_process_has_used_time() {
        let account = Account::new(None, std::process::id());
        assert!(account.processes().unwrap().contains(&std::process::id()));
        let started = Instant::now();
        while account.cpu().unwrap() == Duration::ZERO {
            assert!(started.elapsed() < Duration::from_secs(60), "no CPU time is counted");
        }
    }
}
