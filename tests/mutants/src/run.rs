//! Runs the test programs with one mutation after the other.

use std::{
    collections::HashMap,
    process::{Command, ExitStatus, Stdio},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use wait_timeout::ChildExt;

use crate::{mutation::Mutation, tree::Program};

/// A loop that never ends may also never stop to ask for memory.
const MEMORY: &str = "--as=6442450944";

/// What the tests made of a mutation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// This program failed.
    Failed(String),
    /// This one did not end.
    Endless(String),
    Survived,
}

/// A program that waits for what never comes uses no processor time. On a busy machine it may wait for other reasons.
const WAIT: Duration = Duration::from_secs(120);

/// A program, and how much processor time it may take.
struct Timed {
    program: Program,
    limit: Duration,
}

/// What each mutation came to, in their order.
///
/// # Errors
/// When a program fails without any mutation.
pub(crate) fn run(programs: Vec<Program>, mutations: &[Mutation], jobs: usize) -> Result<Vec<Outcome>> {
    let programs = timed(programs)?;
    let queue = Mutex::new(mutations.iter().enumerate());
    let outcomes = Mutex::new(HashMap::new());
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().expect("no panic").next();
                    let Some((place, mutation)) = next else { break };
                    let outcome = outcome_of(&programs, mutation);
                    let told = match outcome {
                        Outcome::Failed(_) => None,
                        Outcome::Endless(_) => Some("did not end"),
                        Outcome::Survived => Some("survived"),
                    };
                    if let Some(told) = told {
                        eprintln!("{told}: line {} of {}", mutation.line, mutation.name);
                    }
                    let mut outcomes = outcomes.lock().expect("no panic");
                    outcomes.insert(place, outcome);
                    if outcomes.len().is_multiple_of(100) {
                        eprintln!("{} of {}", outcomes.len(), mutations.len());
                    }
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().expect("no panic");
    (0..mutations.len()).map(|place| outcomes.remove(&place).context("a thread of the run ended early")).collect()
}

/// The quickest first. Each has to pass without a mutation.
fn timed(programs: Vec<Program>) -> Result<Vec<Timed>> {
    let mut timed = Vec::new();
    for program in programs {
        let began = Instant::now();
        if ends_well(&program, 0, Duration::from_secs(600))? != Some(true) {
            bail!("{} fails without any mutation: {}", program.name, program.path.display());
        }
        let took = began.elapsed();
        eprintln!("{:>8.2} s  {}", took.as_secs_f64(), program.name);
        timed.push((took, program));
    }
    timed.sort_by_key(|(took, _)| *took);
    let limit = |took: Duration| took * 5 + Duration::from_secs(5);
    Ok(timed.into_iter().map(|(took, program)| Timed { program, limit: limit(took) }).collect())
}

fn outcome_of(programs: &[Timed], mutation: &Mutation) -> Outcome {
    for Timed { program, limit } in programs {
        match ends_well(program, mutation.number, *limit) {
            Ok(Some(true)) => {}
            Ok(Some(false)) => return Outcome::Failed(program.name.clone()),
            Ok(None) => return Outcome::Endless(program.name.clone()),
            Err(error) => panic!("{}: {error}", program.path.display()),
        }
    }
    Outcome::Survived
}

/// Whether the program passes; nothing when it does not end.
fn ends_well(program: &Program, mutant: u32, limit: Duration) -> Result<Option<bool>> {
    let mut child = Command::new("prlimit")
        .arg(MEMORY)
        // Asked to end at the first, and ended at the second.
        .arg(format!("--cpu={0}:{1}", limit.as_secs().max(1), limit.as_secs() + 5))
        .arg("--")
        .arg(&program.path)
        .arg("--quiet")
        .current_dir(&program.directory)
        .env("CARGO_MANIFEST_DIR", &program.directory)
        .env("FERRY_MUTANT", mutant.to_string())
        // What fails is not to be made small, nor to be kept.
        .env("PROPTEST_MAX_SHRINK_ITERS", "0")
        .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("prlimit (of util-linux) does not start")?;
    let Some(status) = child.wait_timeout(limit + WAIT)? else {
        child.kill()?;
        child.wait()?;
        return Ok(None);
    };
    Ok(if is_out_of_time(status) { None } else { Some(status.success()) })
}

#[cfg(unix)]
fn is_out_of_time(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    // SIGXCPU
    status.signal() == Some(24)
}

#[cfg(not(unix))]
fn is_out_of_time(_: ExitStatus) -> bool {
    false
}
