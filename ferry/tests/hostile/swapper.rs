//! A process that swaps names as fast as it can, so that what a path means changes between any two system calls.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::process::getppid;

const PAIRS: &str = "FERRY_TEST_SWAPPED_PAIRS";

/// Swaps the names of each pair until it is dropped.
pub(crate) struct Swapper(Child);

impl Swapper {
    pub(crate) fn start(pairs: &[(PathBuf, PathBuf)]) -> Self {
        let lines: Vec<String> =
            pairs.iter().map(|(one, other)| format!("{}\n{}", one.display(), other.display())).collect();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "swapper::swap_until_killed", "--ignored", "--nocapture"])
            .env(PAIRS, lines.join("\n"));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(said.any(|line| line.contains("swapping")), "the swapper does not swap");
        Self(child)
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// No test, but what the process of a [`Swapper`] runs.
#[test]
#[ignore = "swaps until it is killed"]
fn swap_until_killed() {
    let Ok(pairs) = std::env::var(PAIRS) else { return };
    let names: Vec<&Path> = pairs.lines().map(Path::new).collect();
    let swap = |pair: &[&Path]| renameat_with(CWD, pair[0], CWD, pair[1], RenameFlags::EXCHANGE);
    names.chunks(2).for_each(|pair| swap(pair).unwrap());
    println!("swapping");
    let parent = getppid();
    while getppid() == parent {
        for pair in names.chunks(2).cycle().take(1000) {
            // One of the two may be gone for a moment.
            let _ = swap(pair);
        }
    }
}
