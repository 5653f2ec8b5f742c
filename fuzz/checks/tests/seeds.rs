//! Every seed of the fuzz targets, by the targets' own checks: what fuzzing has found once is not found again, and a
//! check that no longer holds for what clients really send is seen without a fuzzer.

use std::panic;

use ferry_fuzz_checks::{Seed, TARGETS, derived, kept};

/// All of them are tried, and those that fail are named.
fn hold(seeds: &[Seed]) {
    let fails = |seed: &&Seed| {
        let (_, check) = TARGETS.iter().find(|(target, _)| *target == seed.target).expect("a target");
        panic::catch_unwind(|| check(&seed.bytes)).is_err()
    };
    let failed: Vec<_> = seeds.iter().filter(fails).map(|seed| (seed.target, &seed.name)).collect();
    assert!(failed.is_empty(), "these seeds failed: {failed:#?}");
}

#[test]
fn what_was_kept_holds() {
    hold(&kept());
}

#[test]
fn what_clients_and_transcripts_send_holds() {
    hold(&derived());
}

#[test]
fn every_target_has_seeds() {
    let seeds: Vec<Seed> = kept().into_iter().chain(derived()).collect();
    for (target, _) in TARGETS {
        assert!(seeds.iter().any(|seed| seed.target == target), "{target} has none");
    }
}

#[test]
fn every_target_is_one_of_the_fuzzer() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz_targets");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<String> = files.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    let mut targets = TARGETS.map(|(target, _)| target);
    files.sort();
    targets.sort_unstable();
    assert_eq!(files, targets);
}
