//! Writes the seeds that follow from transcripts, clients and documentation into `fuzz/corpus/`, where the fuzzer keeps
//! what it finds worth keeping.

use std::fs;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    for (target, _) in ferry_fuzz_checks::TARGETS {
        fs::create_dir_all(corpus.join(target))?;
    }
    let seeds = ferry_fuzz_checks::derived();
    for seed in &seeds {
        fs::write(corpus.join(seed.target).join(&seed.name), &seed.bytes)?;
    }
    println!("{} seeds", seeds.len());
    Ok(())
}
