//! Every control state of a session against every input (`docs/states.md` tells what that means, and is made here).
//!
//! The walk is our own: `stateright`, the crate for such things, wants states that can be cloned and compared, and finds
//! the next ones by a pure function of them. A session would have to be brought to each state anew for each of its
//! inputs; here it is forked there. That also lets every step be compared with the same step on another way to the same
//! state, which shows that what states are told apart by is enough.

mod alphabet;
mod books;
mod ending;
mod inputs;
mod legal;
mod machines;
mod replies;
mod replies_page;
mod rest;
mod settings;
mod states_page;
mod subject;
mod walk;

use std::{path::Path, thread};

use crate::{
    alphabet::Line,
    machines::Steps,
    replies::Replies,
    settings::Settings,
    walk::{Observer, Step, Walked},
};

/// What one walk finds for the pages.
#[derive(Default)]
struct Findings {
    steps: Steps,
    replies: Replies,
}

impl Observer for Findings {
    fn step(&mut self, step: &Step<'_>) {
        self.steps.step(step);
        self.replies.step(step);
    }
}

/// Walks, and demands that every rule holds.
fn walked(settings: &Settings) -> (Walked, Findings) {
    let mut findings = Findings::default();
    let walked = walk::walk(settings, &mut findings).unwrap_or_else(|broken| panic!("{broken}"));
    if let Err(way) = walked.timers_end_it(settings) {
        panic!("timers alone do not end the session:\n{way}");
    }
    (walked, findings)
}

fn all_walked(all: &[Settings]) -> Vec<(Walked, Findings)> {
    thread::scope(|scope| {
        let walks: Vec<_> = all.iter().map(|settings| scope.spawn(|| walked(settings))).collect();
        let joined = walks.into_iter().map(|walk| walk.join());
        joined.map(|walk| walk.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

fn page_is(name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, expected).expect("docs can be written");
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(page == expected, "docs/{name} is not what the walk finds; run with UPDATE_DOCS=1");
}

#[test]
fn every_input_in_every_state_keeps_the_rules_and_the_pages_show_what_comes_of_it() {
    let all = settings::ordinary();
    let mut steps = Steps::default();
    let (mut counts, mut cells) = (Vec::new(), Vec::new());
    for (settings, (walked, findings)) in all.iter().zip(all_walked(&all)) {
        steps.merge(findings.steps);
        cells.push((settings, findings.replies.cells()));
        counts.push((settings, walked));
    }
    page_is("states.md", &states_page::page(&counts, &steps));
    page_is("replies.md", &replies_page::page(&cells));
}

#[test]
#[ignore = "takes long: just explore"]
fn a_wider_walk_keeps_the_rules_and_finds_no_other_steps() {
    let all = settings::wide();
    let mut steps = Steps::default();
    for settings in &all {
        let began = std::time::Instant::now();
        let (walked, findings) = walked(settings);
        let (states, pairs, seconds) = (walked.states.len(), walked.pairs, began.elapsed().as_secs());
        println!("{}: {states} states, {pairs} pairs of state and input, {seconds} s", settings.name);
        steps.merge(findings.steps);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/states.md");
    let page = std::fs::read_to_string(path).expect("the page");
    let diagrams = states_page::diagrams(&steps);
    assert!(page.contains(&diagrams), "docs/states.md has not these steps:\n{diagrams}");
}

#[test]
fn every_verb_of_the_table_is_tried_with_and_without_an_argument() {
    let lines = alphabet::lines();
    for info in ftp_proto::commands() {
        let of_verb = |line: &&Line| line.called() == info.name;
        let forms: Vec<bool> = lines.iter().filter(of_verb).map(|line| line.text.contains(' ')).collect();
        assert!(!forms.is_empty(), "{} is never sent", info.name);
        assert!(
            !info.offered || (forms.contains(&true) && forms.contains(&false)),
            "{} is sent in one form",
            info.name
        );
    }
}
