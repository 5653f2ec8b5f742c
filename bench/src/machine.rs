//! What the figures were measured on.

use std::fs;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: f64,
    pub(crate) kernel: String,
    pub(crate) file_system: String,
    /// Processes that wanted a core, on average of a minute, when it began and when it ended.
    pub(crate) load: [f64; 2],
}

impl Machine {
    pub(crate) fn look(root: &std::path::Path) -> Self {
        let system = rustix::system::uname();
        Self {
            processor: field(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_gib: kibibytes(&field(&read("/proc/meminfo"), "MemTotal")) / f64::from(1 << 20),
            kernel: format!("{} {}", system.sysname().to_string_lossy(), system.release().to_string_lossy()),
            file_system: file_system(&read("/proc/self/mounts"), root),
            load: [load(), 0.0],
        }
    }

    pub(crate) fn finish(&mut self) {
        self.load[1] = load();
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn load() -> f64 {
    read("/proc/loadavg").split(' ').next().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// The first value of the name in lines of `name : value`.
fn field(text: &str, name: &str) -> String {
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

fn kibibytes(text: &str) -> f64 {
    text.strip_suffix(" kB").and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

/// The kind of the file system that a path is on: that of the longest mount point above it.
fn file_system(mounts: &str, path: &std::path::Path) -> String {
    let lines = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    // Of two on the same point the later one covers the other.
    let above = lines.filter(|(point, _)| path.starts_with(point));
    above.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind.to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_proc() {
        assert_eq!(field("processor\t: 0\nmodel name\t: A: B\nmodel name\t: C\n", "model name"), "A: B");
        assert_eq!(kibibytes("2048 kB"), 2048.0);
    }

    #[test]
    fn the_longest_mount_point_counts() {
        let mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /dev/shm tmpfs rw 0 0\nproc /proc proc rw 0 0\n";
        assert_eq!(file_system(mounts, std::path::Path::new("/dev/shm/x")), "tmpfs");
        assert_eq!(file_system(mounts, std::path::Path::new("/tmp/x")), "ext4");
    }
}
