//! Hostile clients, hostile neighbours and failing disks against the program, over real sockets.
//!
//! To be run as root on Linux with FUSE, since file systems are mounted: `ci/hostile.sh`. Who cannot mount sees these
//! tests fail: a skipped test would look like a passed one. `docs/hostile-input.md` says what is held by which test.

#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
mod confinement;
mod data;
mod disks;
mod failing_disks;
mod faulty_disk;
mod framing;
mod killed;
mod load;
mod login;
mod logs;
mod mounts;
mod operation;
mod outside;
mod peer;
mod race;
mod rights;
mod rows;
mod soak;
mod swapper;
mod tls;
mod watched;

/// Makes two tests of each case, `tokio::case` and `smol::case`; a case is a `fn(&str)`.
macro_rules! on_both_runtimes {
    ($($case:ident),+ $(,)?) => {
        mod tokio {
            $(#[test] fn $case() { super::$case("tokio"); })+
        }
        mod smol {
            $(#[test] fn $case() { super::$case("smol"); })+
        }
    };
}
pub(crate) use on_both_runtimes;
