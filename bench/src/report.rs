//! The table: medians and their spread, the best peer, and whether Ferry reaches its bars.

use crate::cases::{self, Bar, Case, Metric};
use crate::results::{Outcome, Results};
use crate::servers::Kind;
use crate::statistics::{median, spread};

/// A generator that is busier than this may be what a rate is limited by.
const BUSY: f64 = 0.9;

/// A ratio may be so much worse than its bar and still be told to reach it: it is rounded so.
const ROUNDING: f64 = 0.005;

pub(crate) fn markdown(results: &Results) -> String {
    let mut text = String::new();
    let machine = &results.machine;
    let amount = if results.quick { "quick (smaller amounts)" } else { "full" };
    line(
        &mut text,
        &format!(
            "{}, {} cores, {:.0} GiB, {}, files on {}; {amount}, {} rounds, load {:.1} to {:.1}.\n",
            machine.processor,
            machine.cores,
            machine.memory_gib,
            machine.kernel,
            machine.file_system,
            results.rounds,
            machine.load[0],
            machine.load[1],
        ),
    );
    let names = results.servers.join(" | ");
    line(&mut text, &format!("| case | figure | {names} | tokio ÷ best | smol ÷ best | bar | holds |"));
    line(&mut text, &format!("|---|---|{}", "---|".repeat(results.servers.len() + 4)));
    for case in cases::ALL {
        for metric in case.metrics {
            if results.cases.contains_key(case.name) {
                line(&mut text, &Row::new(results, case, metric).markdown(results));
            }
        }
    }
    text.push('\n');
    for (server, why) in &results.left_out {
        line(&mut text, &format!("- {server} was left out: {why}."));
    }
    for (name, outcomes) in &results.cases {
        for (server, outcome) in outcomes {
            if let Some(share) = median(&outcome.generator).filter(|&share| share > BUSY) {
                let percent = share * 100.0;
                line(&mut text, &format!("- {name} on {server}: the generator used {percent:.0} % of its core."));
            }
            if let Some(error) = outcome.errors.first() {
                let count = outcome.errors.len();
                line(
                    &mut text,
                    &format!("- {name} failed on {server} in {count} of {} rounds: {error}.", results.rounds),
                );
            }
        }
    }
    text
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

struct Row<'a> {
    case: &'a Case,
    metric: &'a Metric,
    /// The median of the best peer.
    best: Option<f64>,
    tokio: Option<f64>,
    smol: Option<f64>,
}

impl<'a> Row<'a> {
    fn new(results: &Results, case: &'a Case, metric: &'a Metric) -> Self {
        let of = |kind: Kind| middle(outcome(results, case, kind.name()), metric);
        let peers = Kind::ALL.into_iter().filter(|kind| kind.is_peer()).filter_map(of);
        let best = peers.reduce(|one, other| if metric.more_is_better { one.max(other) } else { one.min(other) });
        Self { case, metric, best, tokio: of(Kind::FerryTokio), smol: of(Kind::FerrySmol) }
    }

    fn markdown(&self, results: &Results) -> String {
        let Metric { name, unit, .. } = self.metric;
        let figure = if unit.is_empty() { (*name).to_owned() } else { format!("{name}, {unit}") };
        let mut text = format!("| {} | {figure} |", self.case.name);
        for server in &results.servers {
            text += &format!(" {} |", cell(outcome(results, self.case, server), self.metric));
        }
        let ratio =
            |value: Option<f64>| self.ratio(value).map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
        text += &format!(" {} | {} | {} |", ratio(self.tokio), ratio(self.smol), self.bar());
        text += &format!(" {} |", self.verdict());
        text
    }

    fn ratio(&self, value: Option<f64>) -> Option<f64> {
        let best = self.best.filter(|&best| best > 0.0)?;
        Some(value? / best)
    }

    fn bar(&self) -> String {
        match self.metric.bar {
            Bar::OfBest(share) if self.metric.more_is_better => format!("≥ {share} ×"),
            Bar::OfBest(share) => format!("≤ {share} ×"),
            Bar::AtMost(value) => format!("≤ {value} {}", self.metric.unit),
            Bar::AtLeast(value) => format!("≥ {value}"),
            Bar::Nothing => String::new(),
        }
    }

    fn verdict(&self) -> &'static str {
        match (self.reached(self.tokio), self.reached(self.smol)) {
            (None, _) | (_, None) => "",
            (Some(true), Some(true)) => "yes",
            (Some(false), Some(true)) => "**smol alone**",
            (Some(true), Some(false)) => "**tokio alone**",
            (Some(false), Some(false)) => "**no**",
        }
    }

    fn reached(&self, value: Option<f64>) -> Option<bool> {
        match self.metric.bar {
            Bar::OfBest(share) if self.metric.more_is_better => Some(self.ratio(value)? >= share - ROUNDING),
            Bar::OfBest(share) => Some(self.ratio(value)? <= share + ROUNDING),
            Bar::AtMost(most) => Some(value? <= most),
            Bar::AtLeast(least) => Some(value? >= least),
            Bar::Nothing => None,
        }
    }
}

fn outcome<'a>(results: &'a Results, case: &Case, server: &str) -> Option<&'a Outcome> {
    results.cases.get(case.name)?.get(server)
}

fn middle(outcome: Option<&Outcome>, metric: &Metric) -> Option<f64> {
    median(outcome?.values.get(metric.name)?)
}

fn cell(outcome: Option<&Outcome>, metric: &Metric) -> String {
    let Some(outcome) = outcome else { return "–".into() };
    let values = outcome.values.get(metric.name).map(Vec::as_slice).unwrap_or_default();
    match (median(values), spread(values)) {
        (Some(middle), Some(spread)) if values.len() > 1 => format!("{} ±{:.0} %", number(middle), spread * 100.0),
        (Some(middle), _) => number(middle),
        (None, _) if outcome.errors.is_empty() => "–".into(),
        (None, _) => "failed".into(),
    }
}

/// The beginning of what a server says, without line ends.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
}

/// Three digits that count.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 || size == 0.0 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.9995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;
    use std::collections::BTreeMap;

    fn results(case: &str, metric: &str, values: &[(&str, &[f64])]) -> Results {
        let outcome = |values: &[f64]| Outcome {
            values: BTreeMap::from([(metric.to_owned(), values.to_vec())]),
            ..Outcome::default()
        };
        let machine = Machine {
            processor: "P".into(),
            cores: 2,
            memory_gib: 4.0,
            kernel: "Linux 6".into(),
            file_system: "tmpfs".into(),
            load: [0.0, 1.0],
        };
        let servers = values.iter().map(|(server, _)| (*server).to_owned()).collect();
        let outcomes = values.iter().map(|(server, values)| ((*server).to_owned(), outcome(values))).collect();
        let cases = BTreeMap::from([(case.to_owned(), outcomes)]);
        Results { machine, quick: false, rounds: 3, servers, left_out: BTreeMap::new(), cases }
    }

    fn row(results: &Results) -> String {
        let text = markdown(results);
        text.lines().find(|line| line.starts_with("| down | ") || line.starts_with("| idle |")).unwrap().to_owned()
    }

    #[test]
    fn the_best_peer_is_neither_the_limit_nor_ferry() {
        let values: &[(&str, &[f64])] = &[
            ("limit", &[0.1]),
            ("ferry-tokio", &[0.21, 0.2, 0.4]),
            ("ferry-smol", &[0.3]),
            ("vsftpd", &[0.2]),
            ("pure-ftpd", &[0.25]),
        ];
        let expected = "| down | CPU, s/GB | 0.100 | 0.210 ±48 % | 0.300 | 0.200 | 0.250 | 1.05 | 1.50 | ≤ 1.05 × | \
                        **tokio alone** |";
        assert_eq!(row(&results("down", "CPU", values)), expected);
    }

    #[test]
    fn of_rates_the_most_is_best() {
        let values: &[(&str, &[f64])] =
            &[("ferry-tokio", &[900.0]), ("ferry-smol", &[1100.0]), ("vsftpd", &[1000.0]), ("proftpd", &[500.0])];
        let text = markdown(&results("down", "rate", values));
        assert!(text.contains("| 0.90 | 1.10 | ≥ 1 × | **smol alone** |"), "{text}");
    }

    #[test]
    fn bars_without_a_peer_need_none() {
        let values: &[(&str, &[f64])] = &[("ferry-tokio", &[2.9]), ("ferry-smol", &[3.1])];
        let expected = "| idle | PSS each, KiB | 2.90 | 3.10 | – | – | ≤ 3 KiB | **tokio alone** |";
        assert_eq!(row(&results("idle", "PSS each", values)), expected);
    }

    #[test]
    fn failures_and_absentees_are_named() {
        let mut results = results("down", "CPU", &[("vsftpd", &[])]);
        results.left_out.insert("unftp".into(), "it is not there".into());
        let outcome = results.cases.get_mut("down").unwrap().get_mut("vsftpd").unwrap();
        outcome.errors.push("broken".into());
        let text = markdown(&results);
        assert!(text.contains("| failed |"), "{text}");
        assert!(text.contains("- unftp was left out: it is not there.\n"), "{text}");
        assert!(text.contains("- down failed on vsftpd in 1 of 3 rounds: broken.\n"), "{text}");
    }

    #[test]
    fn three_digits_count() {
        let texts = [1234.5, 99.96, 12.345, 9.996, 1.234, 0.1234, 0.0].map(number);
        assert_eq!(texts, ["1234", "100", "12.3", "10.0", "1.23", "0.123", "0"]);
    }
}
