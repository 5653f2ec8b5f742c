//! The turns: in each case every server once a round, one after the other.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::cases::{self, Amounts, Case, Trial};
use crate::cli::RunArguments;
use crate::content::Tree;
use crate::identity::Identity;
use crate::machine::Machine;
use crate::process::Running;
use crate::reactor::Reactor;
use crate::report;
use crate::results::{Outcome, Results};
use crate::servers::{Kind, Places};

pub(crate) fn run(arguments: &RunArguments) -> io::Result<()> {
    let plan = Plan::new(arguments)?;
    let root = tempfile::Builder::new().prefix("ferry-bench-").tempdir_in(&arguments.root)?;
    eprintln!("making the files in {}", root.path().display());
    let tree = Tree::create(root.path(), plan.amounts.sizes)?;
    let secrets = tempfile::tempdir()?;
    let bench = Bench { identity: Identity::create(secrets.path())?, tree, plan: &plan };
    let mut results = plan.results(root.path());
    let keep = |results: &Results| match &arguments.json {
        Some(file) => std::fs::write(file, serde_json::to_vec_pretty(results).map_err(io::Error::other)?),
        None => Ok(()),
    };
    bench.run(&mut results, keep)?;
    results.machine.finish();
    keep(&results)?;
    let text = report::markdown(&results);
    println!("{text}");
    if let Some(file) = &arguments.markdown {
        std::fs::write(file, text)?;
    }
    Ok(())
}

/// What is measured.
struct Plan {
    places: Places,
    cases: Vec<&'static Case>,
    servers: Vec<Kind>,
    left_out: BTreeMap<String, String>,
    rounds: usize,
    quick: bool,
    amounts: Amounts,
}

impl Plan {
    fn new(arguments: &RunArguments) -> io::Result<Self> {
        let places = arguments.places()?;
        let mut left_out = BTreeMap::new();
        let mut servers = Vec::new();
        let wanted = |kind: &Kind| arguments.servers.is_empty() || arguments.servers.contains(kind);
        for kind in Kind::ALL.into_iter().filter(wanted) {
            match kind.missing(&places) {
                Some(why) => drop(left_out.insert(kind.name().to_owned(), why)),
                None => servers.push(kind),
            }
        }
        Ok(Self {
            places,
            cases: chosen(&arguments.cases, arguments.quick)?,
            servers,
            left_out,
            rounds: arguments.rounds.unwrap_or(if arguments.quick { 1 } else { 5 }),
            quick: arguments.quick,
            amounts: if arguments.quick { Amounts::QUICK } else { Amounts::FULL },
        })
    }

    fn results(&self, root: &Path) -> Results {
        Results {
            machine: Machine::look(root),
            quick: self.quick,
            rounds: self.rounds,
            servers: self.servers.iter().map(|kind| kind.name().to_owned()).collect(),
            left_out: self.left_out.clone(),
            cases: BTreeMap::new(),
        }
    }
}

/// The cases of these names, or all that there are.
fn chosen(names: &[String], quick: bool) -> io::Result<Vec<&'static Case>> {
    let unknown = |name: &&String| !cases::ALL.iter().any(|case| case.name == name.as_str());
    if let Some(name) = names.iter().find(unknown) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("there is no case {name}")));
    }
    let wanted =
        |case: &&Case| (names.is_empty() && (case.quick || !quick)) || names.iter().any(|name| name == case.name);
    Ok(cases::ALL.iter().filter(wanted).collect())
}

struct Bench<'a> {
    plan: &'a Plan,
    tree: Tree,
    identity: Identity,
}

impl Bench<'_> {
    /// Runs all, and keeps what there is after each case.
    fn run(&self, results: &mut Results, keep: impl Fn(&Results) -> io::Result<()>) -> io::Result<()> {
        let mut number = 0;
        for case in &self.plan.cases {
            let outcomes = results.cases.entry(case.name.to_owned()).or_default();
            for round in 0..self.plan.rounds {
                for &kind in self.plan.servers.iter().filter(|&&kind| case.suits(kind)) {
                    let outcome = outcomes.entry(kind.name().to_owned()).or_default();
                    if outcome.unsupported {
                        continue;
                    }
                    number += 1;
                    let turn = self.turn(case, kind, number, &mut outcome.generator);
                    tell(case, kind, round, turn.as_deref());
                    note(outcome, case, turn);
                    // What a failure has left there is not the next one's.
                    self.tree.take_uploads(&[])?;
                }
            }
            keep(results)?;
        }
        Ok(())
    }

    fn turn(&self, case: &Case, kind: Kind, number: u16, generator: &mut Vec<f64>) -> io::Result<Vec<f64>> {
        let server = Running::start(kind, &self.plan.places, &self.tree.root, &self.identity, case.tls, number)?;
        let reactor = Reactor::new()?;
        let (tree, identity) = (&self.tree, &self.identity);
        let own_share = Cell::new(0.0);
        let trial = Trial { kind, server: &server, tree, identity, amounts: self.plan.amounts, reactor, own_share };
        let values = (case.run)(&trial)?;
        generator.push(trial.own_share.get());
        Ok(values)
    }
}

fn tell(case: &Case, kind: Kind, round: usize, turn: Result<&[f64], &io::Error>) {
    let text = match turn {
        Ok(values) => {
            let figure = |(metric, value): (&cases::Metric, &f64)| {
                format!("{} {} {}", metric.name, report::number(*value), metric.unit)
            };
            case.metrics.iter().zip(values).map(figure).collect::<Vec<_>>().join(", ")
        }
        Err(error) if error.kind() == io::ErrorKind::Unsupported => format!("has no such command: {error}"),
        Err(error) => format!("FAILED: {error}"),
    };
    let text = report::one_line(&text);
    eprintln!("{:<14} {} {:<12} {text}", case.name, round + 1, kind.name());
}

fn note(outcome: &mut Outcome, case: &Case, turn: io::Result<Vec<f64>>) {
    match turn {
        Ok(values) => {
            for (metric, value) in case.metrics.iter().zip(values) {
                outcome.values.entry(metric.name.to_owned()).or_default().push(value);
            }
        }
        Err(error) if error.kind() == io::ErrorKind::Unsupported => outcome.unsupported = true,
        Err(error) => outcome.errors.push(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_chosen_by_name() {
        let names = |cases: Vec<&Case>| cases.iter().map(|case| case.name).collect::<Vec<_>>();
        assert_eq!(names(chosen(&["noop".into(), "down".into()], true).unwrap()), ["down", "noop"]);
        assert_eq!(names(chosen(&["held".into()], true).unwrap()), ["held"]);
        assert_eq!(chosen(&[], false).unwrap().len(), cases::ALL.len());
        assert!(!names(chosen(&[], true).unwrap()).contains(&"held"));
        assert!(chosen(&["nope".into()], false).is_err());
    }

    #[test]
    fn outcomes_are_noted() {
        let case = chosen(&["down".into()], false).unwrap()[0];
        let mut outcome = Outcome::default();
        note(&mut outcome, case, Ok(vec![0.2, 900.0]));
        note(&mut outcome, case, Ok(vec![0.3, 800.0]));
        note(&mut outcome, case, Err(io::Error::other("broken")));
        assert_eq!(outcome.values["CPU"], [0.2, 0.3]);
        assert_eq!(outcome.values["rate"], [900.0, 800.0]);
        assert_eq!(outcome.errors, ["broken"]);
        note(&mut outcome, case, Err(io::ErrorKind::Unsupported.into()));
        assert!(outcome.unsupported);
    }
}
