//! How much memory logins leave behind. glibc's allocator is the one that keeps much. A process of its own: what other
//! tests use would count, too.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::sync::Barrier;
use std::thread;

use ftp_fs::HashedPassword;
use ftp_types::Secret;

/// The parameters of `hash_password`.
const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$jhVpf3BBqESn8Ta6ji/JPQ$F9oydn2efvenitmDanKKkxp40sVyjH0SDfLOT5+pP08";
const THREADS: usize = 8;

#[test]
fn memory_of_verifications_goes_back_to_the_system() {
    let hash: HashedPassword = HASH.parse().expect("a hash");
    let before = resident();
    let together = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..3 {
                    together.wait();
                    assert!(!hash.verify(&Secret::from("wrong")));
                }
                together.wait();
                // The threads live on, as those of a server do.
                let kept = resident().saturating_sub(before);
                assert!(kept < 32 << 20, "{kept} bytes are kept");
                together.wait();
            });
        }
    });
    assert!(hash.verify(&Secret::from("change me")));
}

/// Bytes of memory that the process has.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("the status of this process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line about memory");
    let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes << 10
}
