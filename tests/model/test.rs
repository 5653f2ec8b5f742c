//! The comparison.

use std::fmt::{Debug, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use ftp_types::UserName;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, RngSeed};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use crate::effects::Effects;
use crate::machine::Machine;
use crate::real::{Real, instant};
use crate::setup::{Cuts, setup};
use crate::steps::{Step, step};
use crate::tasks::Manner;

/// The machine, as `proptest` drives it.
pub(crate) struct Reference;

impl ReferenceStateMachine for Reference {
    type State = Machine;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Machine> {
        setup().prop_map(Machine::new).boxed()
    }

    fn transitions(machine: &Machine) -> BoxedStrategy<Step> {
        step(machine)
    }

    fn apply(mut machine: Machine, step: &Step) -> Machine {
        machine.take(step);
        machine
    }
}

/// The real session, and what has happened so far.
struct Compared {
    real: Real,
    history: Vec<(Option<Step>, Effects)>,
}

/// One session, whose input arrives as the setup says.
struct OneSession;

impl StateMachineTest for OneSession {
    type SystemUnderTest = Compared;
    type Reference = Reference;

    fn init_test(machine: &Machine) -> Compared {
        begin(machine, machine.setup.cuts)
    }

    fn apply(mut compared: Compared, machine: &Machine, step: Step) -> Compared {
        compared.take(machine, step);
        compared
    }

    fn teardown(mut compared: Compared, machine: Machine) {
        compared.end(&machine);
    }
}

/// Three sessions whose input arrives whole, in bytes, and in pieces.
struct ThreeSessions;

impl StateMachineTest for ThreeSessions {
    type SystemUnderTest = [Compared; 3];
    type Reference = Cut;

    fn init_test(machine: &Machine) -> [Compared; 3] {
        [Cuts::Pieces([usize::MAX; 3]), Cuts::Bytes, machine.setup.cuts].map(|cuts| begin(machine, cuts))
    }

    fn apply(mut sessions: [Compared; 3], machine: &Machine, step: Step) -> [Compared; 3] {
        for compared in &mut sessions {
            compared.take(machine, step.clone());
        }
        sessions
    }

    fn check_invariants([whole, bytes, pieces]: &[Compared; 3], _: &Machine) {
        // Not only as the machine has it: all of every reply is the same.
        assert_eq!(whole.real.effects, bytes.real.effects, "bytes make a difference");
        assert_eq!(whole.real.effects, pieces.real.effects, "pieces make a difference");
    }

    fn teardown(sessions: [Compared; 3], machine: Machine) {
        for mut compared in sessions {
            compared.end(&machine);
        }
    }
}

/// The machine, under setups in which the input arrives in pieces.
struct Cut;

impl ReferenceStateMachine for Cut {
    type State = Machine;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Machine> {
        let cut = |(setup, sizes): (Arc<crate::setup::Setup>, [usize; 3])| {
            let cuts = Cuts::Pieces(sizes);
            Machine::new(Arc::new(crate::setup::Setup { cuts, ..(*setup).clone() }))
        };
        (setup(), [1..9_usize, 1..30, 1..200]).prop_map(cut).boxed()
    }

    fn transitions(machine: &Machine) -> BoxedStrategy<Step> {
        step(machine)
    }

    fn apply(machine: Machine, step: &Step) -> Machine {
        Reference::apply(machine, step)
    }
}

fn begin(machine: &Machine, cuts: Cuts) -> Compared {
    let mut compared = Compared { real: Real::new(&machine.setup, cuts), history: Vec::new() };
    let mut machine = Machine::fresh(machine.setup.clone());
    compared.compare(&machine, None);
    for step in machine.setup.prologue() {
        machine.take(&step);
        compared.take(&machine, step);
    }
    compared
}

impl Compared {
    /// Puts the session through a step that the machine has taken already.
    fn take(&mut self, machine: &Machine, step: Step) {
        let taken = catch_unwind(AssertUnwindSafe(|| self.real.take(&step, machine.now)));
        if let Err(panic) = taken {
            self.fail(machine, Some(&step), &format!("panic: {}", words(&*panic)));
        }
        self.compare(machine, Some(step));
    }

    fn compare(&mut self, machine: &Machine, step: Option<Step>) {
        self.real.audit.look_back(machine.held.is_none() && machine.lane.is_empty());
        if let Err(difference) = differs(machine, &self.real) {
            self.fail(machine, step.as_ref(), &difference);
        }
        self.history.push((step, std::mem::take(&mut self.real.effects)));
        self.real.effects = self.history.last().map(|(_, effects)| effects.clone()).unwrap_or_default();
    }

    /// However it stands: time alone ends it, or else somebody does, and nothing is left.
    fn end(&mut self, machine: &Machine) {
        if let Err(difference) = end(&mut self.real, machine) {
            self.fail(machine, None, &format!("at the end: {difference}"));
        }
    }

    /// Fails with the transcript, and without a word before: `proptest` tries many cases on its way to the shortest.
    fn fail(&self, machine: &Machine, step: Option<&Step>, difference: &str) -> ! {
        let mut transcript = format!("{difference}\n  {}\n", machine.setup);
        for (step, effects) in &self.history {
            append(&mut transcript, step.as_ref(), effects);
        }
        transcript.push_str("  --- the last step, as it was ---\n");
        append(&mut transcript, step, &self.real.effects);
        let _ = write!(transcript, "  --- and as it should have been ---\n{}", machine.effects);
        resume_unwind(Box::new(transcript))
    }
}

fn append(transcript: &mut String, step: Option<&Step>, effects: &Effects) {
    let shown = step.map(|step| format!("  {step:?}\n")).unwrap_or_default();
    let _ = write!(transcript, "{shown}{effects}");
}

/// What a panic says.
fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no word")
}

fn differs(machine: &Machine, real: &Real) -> Result<(), String> {
    let session = &real.session;
    let same = |what: &str, predicted: &dyn Debug, is: &dyn Debug, same: bool| {
        if same { Ok(()) } else { Err(format!("{what}: {is:?} in place of {predicted:?}")) }
    };
    if !machine.effects.are_met_by(&real.effects) {
        return Err("the replies or actions differ".to_owned());
    }
    let (predicted, is) = (machine.due().map(instant), session.poll_timeout());
    same("timeout", &predicted, &is, predicted == is)?;
    let (predicted, is) = (machine.wants_input(), session.wants_input());
    same("wants_input", &predicted, &is, predicted == is)?;
    let (predicted, is) = (machine.is_closed(), session.is_closed());
    same("is_closed", &predicted, &is, predicted == is)?;
    let (predicted, is) = (machine.user(), session.user().map(UserName::as_str));
    same("user", &predicted, &is, predicted == is)?;
    let (predicted, is) = (&machine.cwd[..], session.cwd().as_bytes());
    same("cwd", &predicted.escape_ascii(), &is.escape_ascii(), predicted == is)?;
    let (predicted, is) = (machine.backlog(), real.backlog());
    same("bytes not taken", &predicted, &is, predicted == is)?;
    real.audit.breach.clone().map_or(Ok(()), Err)
}

fn end(real: &mut Real, machine: &Machine) -> Result<(), String> {
    real.effects = Effects::default();
    let all_timeouts = machine.setup.timeouts.are_all_set();
    if !real.is_ended_by_time() {
        if all_timeouts {
            return Err("time does not end the session".to_owned());
        }
        real.take(&Step::Dismiss(ftp_proto::Shutdown::Now), machine.now);
    }
    while let Some(number) = real.oldest_unanswered() {
        let manner = if number % 2 == 0 { Manner::Well(0) } else { Manner::Dropped };
        real.answer(number, |task, clear_bytes| task.answer(manner, clear_bytes));
    }
    real.audit.look_for_leftovers();
    if real.session.poll_timeout().is_some() {
        return Err("a closed session waits for something".to_owned());
    }
    real.audit.breach.clone().map_or(Ok(()), Err)
}

/// What the checks of a change try.
const CASES: u64 = 10_000;

/// One of so many cases. They are the same each time, unless one asks for others: checks of a change are not to fail by
/// chance.
fn config(share: u64) -> Config {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
    let asked = number("PROPTEST_CASES").unwrap_or(CASES);
    let usual = usual_config(u32::try_from(asked / share).unwrap_or(u32::MAX).max(1));
    Config { rng_seed: number("PROPTEST_RNG_SEED").map_or(usual.rng_seed, RngSeed::Fixed), ..usual }
}

pub(crate) fn usual_config(cases: u32) -> Config {
    Config {
        cases,
        // The quick one: in debug builds random numbers are not cheap.
        rng_algorithm: RngAlgorithm::XorShift,
        rng_seed: RngSeed::Fixed(959),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    }
}

prop_state_machine! {
    #![proptest_config(config(1))]

    #[test]
    fn the_session_does_what_the_machine_does(sequential 1..60 => OneSession);
}

prop_state_machine! {
    #![proptest_config(config(20))]

    #[test]
    fn no_cut_of_the_input_makes_a_difference(sequential 1..60 => ThreeSessions);
}
