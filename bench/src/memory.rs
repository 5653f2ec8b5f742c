//! The memory of a server: the proportional set size of all its processes, in KiB.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::accounting::Account;

/// How often it is looked at while it may grow.
const LOOK: Duration = Duration::from_millis(1);

pub(crate) fn total(account: &Account) -> io::Result<u64> {
    of_processes(&account.processes()?)
}

fn of_processes(processes: &[u32]) -> io::Result<u64> {
    let mut sum = 0;
    for process in processes {
        // One may end while we look.
        if let Ok(text) = fs::read_to_string(format!("/proc/{process}/smaps_rollup")) {
            sum += parse(&text).unwrap_or(0);
        }
    }
    if sum == 0 { Err(io::Error::other("the server's memory cannot be read")) } else { Ok(sum) }
}

/// What the memory grew by, at its most, while something was done. Looking at it takes the server's time: nothing else
/// is to be measured meanwhile.
pub(crate) fn growth(account: &Account, work: impl FnOnce() -> io::Result<()>) -> io::Result<u64> {
    let processes = account.processes()?;
    growth_of(|| of_processes(&processes), work)
}

fn growth_of(look: impl Fn() -> io::Result<u64> + Sync, work: impl FnOnce() -> io::Result<()>) -> io::Result<u64> {
    let before = look()?;
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(&look, &ended));
        let result = work();
        ended.store(true, Ordering::Relaxed);
        let most = watcher.join().map_err(|_| io::Error::other("the watcher of the memory panicked"))??;
        result.map(|()| most.saturating_sub(before))
    })
}

/// The most of all looks: one at the least, and the last after the end.
fn watch(look: impl Fn() -> io::Result<u64>, ended: &AtomicBool) -> io::Result<u64> {
    let mut most = 0;
    loop {
        let last = ended.load(Ordering::Relaxed);
        most = look()?.max(most);
        if last {
            return Ok(most);
        }
        thread::sleep(LOOK);
    }
}

/// The Pss of a `smaps_rollup`.
fn parse(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::time::Instant;

    use super::*;

    #[test]
    fn pss_is_found_among_its_kin() {
        let text = "5581e000-7ffd [rollup]\nRss:  1000 kB\nPss:    345 kB\nPss_Dirty:  12 kB\nPss_Anon: 7 kB\n";
        assert_eq!(parse(text), Some(345));
        assert_eq!(parse("Rss: 12 kB\n"), None);
    }

    #[test]
    fn this_process_has_memory() {
        assert!(total(&Account::new(None, std::process::id())).unwrap() > 0);
    }

    #[test]
    fn growth_is_the_most_while_it_lasts() {
        let (level, looks) = (AtomicU64::new(100), AtomicU64::new(0));
        let look = || {
            looks.fetch_add(1, Ordering::SeqCst);
            Ok(level.load(Ordering::SeqCst))
        };
        let grown = growth_of(look, || {
            level.store(170, Ordering::SeqCst);
            let (seen, started) = (looks.load(Ordering::SeqCst), Instant::now());
            // One look may have begun before.
            while looks.load(Ordering::SeqCst) < seen + 2 {
                assert!(started.elapsed() < Duration::from_secs(60), "nobody looks at the memory");
                thread::yield_now();
            }
            level.store(90, Ordering::SeqCst);
            Ok(())
        });
        assert_eq!(grown.unwrap(), 70);
    }

    #[test]
    fn memory_that_shrinks_has_not_grown() {
        let level = AtomicU64::new(100);
        let grown = growth_of(|| Ok(level.swap(50, Ordering::SeqCst)), || Ok(()));
        assert_eq!(grown.unwrap(), 0);
    }
}
