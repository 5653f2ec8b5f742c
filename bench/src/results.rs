//! All that was measured, as it is kept in a file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::machine::Machine;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
    /// Servers in the order of the table.
    pub(crate) servers: Vec<String>,
    /// Those that could not be measured, and why.
    pub(crate) left_out: BTreeMap<String, String>,
    /// By the name of the case.
    pub(crate) cases: BTreeMap<String, BTreeMap<String, Outcome>>,
}

impl Results {
    /// These, with the cases of others in place of the same ones here.
    pub(crate) fn and(mut self, others: Self) -> Self {
        self.cases.extend(others.cases);
        self.machine.load[1] = others.machine.load[1];
        self
    }
}

/// What came of a case on one server.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// By the name of the metric, one value of each round.
    pub(crate) values: BTreeMap<String, Vec<f64>>,
    /// How much of a core the generator used: near 1, and a rate is its own rather than the server's.
    pub(crate) generator: Vec<f64>,
    /// It has no such command.
    pub(crate) unsupported: bool,
    /// What went wrong, if anything.
    pub(crate) errors: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_case_the_later_results_count() {
        let machine = Machine::look(std::path::Path::new("/"));
        let results = |cases: &[(&str, bool)]| Results {
            machine: machine.clone(),
            quick: false,
            rounds: 1,
            servers: Vec::new(),
            left_out: BTreeMap::new(),
            cases: cases
                .iter()
                .map(|&(case, unsupported)| {
                    let outcome = Outcome { unsupported, ..Outcome::default() };
                    (case.to_owned(), BTreeMap::from([("vsftpd".to_owned(), outcome)]))
                })
                .collect(),
        };
        let both = results(&[("down", false), ("up", false)]).and(results(&[("up", true), ("list", true)]));
        let told: Vec<_> =
            both.cases.iter().map(|(name, servers)| (name.as_str(), servers["vsftpd"].unsupported)).collect();
        assert_eq!(told, [("down", false), ("list", true), ("up", true)]);
    }
}
