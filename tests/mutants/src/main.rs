//! Mutation testing: changes the code in thousands of small ways, and shows which of them no test notices.
//!
//! All changes are planted at once, each behind a switch that an environment variable turns on, so that the tests are
//! built once and not anew for each change.

mod compiler;
mod find;
mod judged;
mod mutation;
mod plant;
mod run;
mod subject;
mod tree;
mod values;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context, Result, bail};
use clap::Parser;

use crate::{
    judged::Judged,
    mutation::{Mutation, Name},
    run::Outcome,
    subject::{SUBJECTS, Subject},
    tree::Tree,
};

/// Changes a crate in thousands of small ways, and shows which of them no test notices.
#[derive(Debug, Parser)]
struct Arguments {
    /// ftp-proto or ftp-fs; both when it is left out
    package: Option<String>,
    /// Only changes whose description has this in it (may be given more than once)
    #[arg(long)]
    only: Vec<String>,
    /// Only those that survived the last run
    #[arg(long)]
    again: bool,
    /// Only by the test programs of these names; a run with all of them and `--again` may come behind it
    #[arg(long)]
    tests: Vec<String>,
    /// Only one of so many, to see whether the whole is worth a run
    #[arg(long, default_value_t = 1)]
    every: usize,
    /// Lists them and runs nothing
    #[arg(long)]
    list: bool,
    /// How many tests run at a time
    #[arg(long)]
    jobs: Option<usize>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let chosen = |subject: &&Subject| arguments.package.as_ref().is_none_or(|package| package == subject.package);
    let subjects: Vec<&'static Subject> = SUBJECTS.iter().filter(chosen).collect();
    if subjects.is_empty() {
        bail!(
            "no such crate; there are: {}",
            SUBJECTS.iter().map(|subject| subject.package).collect::<Vec<_>>().join(", ")
        );
    }
    let mut unjudged = 0;
    for subject in subjects {
        unjudged += examine(subject, &arguments)?;
    }
    if unjudged > 0 {
        bail!(
            "{unjudged} changes are noticed by no test: write one, or say in tests/mutants/survivors.toml why none can be"
        );
    }
    Ok(())
}

/// How many mutations of the crate survive without a reason.
fn examine(subject: &'static Subject, arguments: &Arguments) -> Result<usize> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
    let build = target.join("mutants").join(subject.package);
    fs::create_dir_all(&build).with_context(|| build.display().to_string())?;
    let build = build.canonicalize()?;
    let judged = Judged::read(&workspace.join("tests/mutants/survivors.toml"))?;
    let mut tree = Tree::copy(&workspace, &build, subject)?;
    let (mutations, mut programs) = tree.build()?;
    programs.retain(|program| arguments.tests.is_empty() || arguments.tests.contains(&program.name));
    if programs.is_empty() {
        bail!("none of the test programs has that name");
    }
    let survived = build.join("survived.txt");
    let chosen = choose(&mutations, arguments, &survived)?;
    println!("{}: {} mutations, {} that do not compile", subject.package, mutations.len(), tree.dropped.len());
    if arguments.list {
        chosen.iter().for_each(|mutation| {
            println!("{:>5} {}:{} {}", mutation.number, mutation.name.file.display(), mutation.line, mutation.name)
        });
        return Ok(0);
    }
    let jobs = arguments.jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let outcomes = run::run(programs, &chosen, jobs)?;
    let survivors: Vec<&Mutation> = chosen
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| **outcome == Outcome::Survived)
        .map(|(mutation, _)| mutation)
        .collect();
    let lines: Vec<String> = survivors.iter().map(|mutation| format!("{}\n", mutation.name)).collect();
    fs::write(survived, lines.concat())?;
    count(&outcomes);
    let is_whole = chosen.len() == mutations.len();
    Ok(judge(subject, &judged, &survivors, is_whole))
}

fn choose(mutations: &[Mutation], arguments: &Arguments, survived: &Path) -> Result<Vec<Mutation>> {
    let last =
        if arguments.again { Some(fs::read_to_string(survived).context("there was no run before")?) } else { None };
    let last: Option<Vec<&str>> = last.as_ref().map(|text| text.lines().collect());
    let is_chosen = |mutation: &&Mutation| {
        let name = mutation.name.to_string();
        let is_wanted = arguments.only.is_empty() || arguments.only.iter().any(|part| name.contains(part));
        is_wanted && last.as_ref().is_none_or(|last| last.contains(&&*name))
    };
    Ok(mutations.iter().filter(is_chosen).step_by(arguments.every).cloned().collect())
}

fn count(outcomes: &[Outcome]) {
    let (mut failed, mut endless) = (BTreeMap::<&str, usize>::new(), 0);
    for outcome in outcomes {
        match outcome {
            Outcome::Failed(program) => *failed.entry(program).or_default() += 1,
            Outcome::Endless(_) => endless += 1,
            Outcome::Survived => {}
        }
    }
    let noticed = failed.values().sum::<usize>() + endless;
    println!(
        "{noticed} of {} noticed, {:.1} %; {endless} of them by a test that did not end",
        outcomes.len(),
        percent(noticed, outcomes.len())
    );
    failed.iter().for_each(|(program, count)| println!("{count:>6}  first by {program}"));
}

#[expect(clippy::cast_precision_loss, reason = "thousands")]
fn percent(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

/// Tells of the survivors, and how many of them have no reason.
fn judge(subject: &Subject, judged: &Judged, survivors: &[&Mutation], is_whole: bool) -> usize {
    let names: Vec<&Name> = survivors.iter().map(|mutation| &mutation.name).collect();
    let unjudged: Vec<_> = survivors.iter().filter(|mutation| judged.reason(&mutation.name).is_none()).collect();
    println!("{} survived, {} of them judged", survivors.len(), survivors.len() - unjudged.len());
    for mutation in &unjudged {
        println!("  line {} of {}", mutation.line, mutation.name);
    }
    if is_whole {
        judged.gone(subject.package, &names).for_each(|gone| println!("judged, but noticed or gone: {gone}"));
    }
    unjudged.len()
}
