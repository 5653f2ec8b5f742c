//! What the generated cases reach: they would prove little if they all ended at the login.

use std::collections::BTreeMap;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use proptest_state_machine::ReferenceStateMachine;

use crate::data::Data;
use crate::effects::Act;
use crate::machine::{Machine, Phase};
use crate::test::{Reference, usual_config};
use crate::transfer::Stage;

/// How often each thing was seen after a step.
type Seen = BTreeMap<String, usize>;

/// What has to be seen: where the data connection and the transfer stand, every pair that can be at the end of a step
/// but for one that is rare (a listing for STAT behind a handshake that failed), ..
const STANDS: &[&str] = &[
    "none + none",
    "none + opening",
    "none + moving",
    "none + aborting",
    "listening + none",
    "listening + opening",
    "listening + waiting",
    "listening + moving",
    "target + none",
    "target + opening",
    "target + moving",
    "connecting + waiting",
    "securing + none",
    "securing + opening",
    "securing + waiting",
    "securing + moving",
    "spoilt + none",
    "spoilt + opening",
    "connected + none",
    "connected + opening",
    "connected + moving",
    "taken + moving",
    "taken + aborting",
];

/// .. every reply, ..
const REPLIES: &[u16] = &[
    125, 150, 200, 202, 211, 213, 214, 215, 220, 221, 225, 226, 227, 229, 230, 232, 234, 250, 257, 331, 350, 421, 425,
    426, 450, 451, 452, 500, 501, 502, 503, 504, 521, 522, 530, 536, 550, 552, 553, 554,
];

/// .. every reason to close, and what else there is.
const OTHERS: &[&str] = &[
    "closed: quit",
    "closed: connection closed by the client",
    "closed: idle timeout",
    "closed: login timeout",
    "closed: too many wrong logins",
    "closed: transfer stalled",
    "closed: not FTP",
    "closed: TLS failed",
    "closed: server stops",
    "closed: ended by the server",
    "lane full",
    "bytes not taken",
    "login held back",
    "port given up",
    "leaving while it runs",
    "logged out while it runs",
    "late answer",
];

fn cases(count: u32) -> Seen {
    let mut runner = TestRunner::new(usual_config(count));
    let strategy = Reference::sequential_strategy(1..60);
    let mut seen = Seen::new();
    for _ in 0..count {
        let (mut machine, steps, _) = strategy.new_tree(&mut runner).expect("a case").current();
        look(&machine, &mut seen);
        for step in steps {
            machine.take(&step);
            look(&machine, &mut seen);
        }
    }
    seen
}

fn look(machine: &Machine, seen: &mut Seen) {
    let mut add = |what: String| *seen.entry(what).or_default() += 1;
    for act in &machine.effects.acts {
        match act {
            Act::Say(said) => add(format!("reply {}", said.code)),
            Act::Start(..) => {}
            Act::Close(reason) => add(format!("closed: {reason}")),
        }
    }
    if machine.phase != Phase::Closed {
        add(format!("{} + {}", data(machine.data), stage(machine.stage())));
    }
    let others = [
        ("lane full", machine.lane.len() == 16),
        ("bytes not taken", machine.backlog() > 0),
        ("login held back", machine.held.is_some()),
        ("port given up", machine.port_waits.is_some_and(|listen| machine.effects.cancelled.contains(&listen))),
        ("leaving while it runs", matches!(machine.phase, Phase::Leaving(..))),
        ("logged out while it runs", machine.user().is_none() && machine.is_transferring()),
        ("late answer", machine.is_closed() && !machine.effects.released.is_empty() && machine.effects.acts.is_empty()),
    ];
    others.into_iter().filter(|(_, is_so)| *is_so).for_each(|(what, _)| add(what.to_owned()));
}

fn data(data: Data) -> &'static str {
    match data {
        Data::None => "none",
        Data::Listening { .. } => "listening",
        Data::Target(_) => "target",
        Data::Connecting(_) => "connecting",
        Data::Securing { .. } => "securing",
        Data::Spoilt => "spoilt",
        Data::Connected(_) => "connected",
        Data::Taken => "taken",
    }
}

fn stage(stage: Option<Stage>) -> &'static str {
    match stage {
        None => "none",
        Some(Stage::Opening(_)) => "opening",
        Some(Stage::Waiting(_)) => "waiting",
        Some(Stage::Moving(_)) => "moving",
        Some(Stage::Aborting(_)) => "aborting",
    }
}

#[test]
fn the_cases_reach_every_state_and_every_reply() {
    let seen = cases(2000);
    let replies = REPLIES.iter().map(|code| format!("reply {code}"));
    let wanted = STANDS.iter().chain(OTHERS).map(|what| (*what).to_owned()).chain(replies);
    let missing: Vec<String> = wanted.filter(|what| !seen.contains_key(what)).collect();
    assert!(missing.is_empty(), "never reached: {missing:?}; reached: {seen:#?}");
}
