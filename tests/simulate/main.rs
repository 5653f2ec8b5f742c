//! The whole driver, simulated: hundreds of clients, a network and a disk that fail, and a clock that nobody waits for.
//! All of it follows from one seed, so that a run which fails can be had again.
//!
//! TLS too: the bytes of its handshakes and records are hashed with everything else, and have to be the same again.

mod chance;
mod chat;
mod client;
mod content;
mod control;
mod crypto;
mod data;
mod disk;
mod files;
mod judge;
mod login;
mod net;
mod plan;
mod pool;
mod run;
mod runtime;
mod scene;
mod secure;
mod shelf;
mod stream;
mod tickets;
mod timers;
mod trace;
mod transfer;
mod truth;
mod watch;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use run::{Report, run, run_scene};
use scene::Scene;

/// How many seeds the ordinary test tries, unless `SIMULATE_SEEDS` says otherwise; from 1 on, or from `SIMULATE_FIRST`.
const SEEDS: u64 = 20;

#[test]
fn everything_holds_for_a_number_of_seeds() {
    let (first, count) = (number("SIMULATE_FIRST").unwrap_or(1), number("SIMULATE_SEEDS").unwrap_or(SEEDS));
    for seed in first..first + count {
        tried(seed);
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let mut secured = 0;
    for seed in 1001..=1004 {
        let (first, second) = (run(seed, Some(20), false), run(seed, Some(20), false));
        secured += first.counts.protected;
        assert_eq!((first.hash, first.lines, first.time), (second.hash, second.lines, second.time));
    }
    assert!(secured > 20, "{secured} transfers under TLS prove little");
}

#[test]
fn a_speed_limit_is_kept_and_can_be_used_up() {
    for seed in 2001..=2004 {
        println!("to see it alone: SIMULATE_SLOWED=1 SEED={seed}, as for other seeds");
        run_scene(seed, Some(20), false, Scene::slowed);
    }
}

/// Shows what happens: `SEED=0x… cargo test -p ferry-tests --test simulate replay -- --nocapture`.
#[test]
fn replay() {
    let Some(seed) = number("SEED") else { return };
    let report = match number("SIMULATE_SLOWED") {
        Some(_) => run_scene(seed, Some(20), true, Scene::slowed),
        None => run(seed, clients(), true),
    };
    println!("{report:?}");
}

/// New seeds for as long as `SIMULATE_SECONDS` says: `just simulate`.
#[test]
#[ignore = "its seeds are new each time"]
fn everything_holds_for_new_seeds() {
    let (began, limit) = (Instant::now(), Duration::from_secs(number("SIMULATE_SECONDS").unwrap_or(3600)));
    let mut runs = 0;
    while began.elapsed() < limit {
        let report = tried(fastrand::Rng::new().u64(..));
        runs += 1;
        println!("{runs} runs in {:?}, the last: {report:?}", began.elapsed());
    }
}

/// Runs it, and tells how to see it again if it fails.
fn tried(seed: u64) -> Report {
    let began = Instant::now();
    match catch_unwind(AssertUnwindSafe(|| run(seed, clients(), false))) {
        Ok(report) => {
            println!(
                "seed {seed:#x}: {:?}, {} lines, {:?}, {:?}",
                began.elapsed(),
                report.lines,
                report.time,
                report.counts
            );
            report
        }
        Err(panic) => {
            let clients = clients().map(|clients| format!("SIMULATE_CLIENTS={clients} ")).unwrap_or_default();
            let replay = "cargo test -p ferry-tests --test simulate replay -- --nocapture";
            eprintln!("seed {seed:#x} fails; to see it again: {clients}SEED={seed:#x} {replay}");
            resume_unwind(panic);
        }
    }
}

/// How many clients there are, if not as many as the seed says.
fn clients() -> Option<usize> {
    number("SIMULATE_CLIENTS").map(|clients| clients as usize)
}

/// A number from the environment, in decimal or, after `0x`, in hexadecimal.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.strip_prefix("0x").map_or_else(|| text.parse(), |digits| u64::from_str_radix(digits, 16));
    Some(number.unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}
