//! What can happen to a session, one step at a time, and which of it is worth trying where the machine stands.

use std::fmt;

use ftp_proto::Shutdown;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;

use crate::client::{Line, can_be_cut};
use crate::lines::{line, lines};
use crate::machine::Machine;
use crate::setup::Millis;
use crate::tasks::{Manner, Task};

/// One step. One that means nothing where the session stands is none: so shrinking can leave out what it likes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Lines in one write.
    Write(Vec<Line>),
    /// A line but for its end, of which so many hundredths come now. The rest comes in front of the next lines.
    Begin(Line, u8),
    /// The task that is at this place among those that are not answered.
    Answer(u8, Manner),
    /// The transfer has moved so many bytes in all.
    Progress(u64),
    /// The transfer is held back for so long.
    Pause(Millis),
    /// The listener takes its time.
    PortWait,
    Time(Span, Punctual),
    Eof,
    Shutdown(Shutdown),
    Dismiss(Shutdown),
}

/// How much time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    Of(Millis),
    /// Up to the next timeout.
    UntilDue,
    /// To just before it.
    UntilAlmostDue,
}

/// When the session hears of the time that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Punctual {
    /// Of every timeout at its moment.
    Yes,
    /// At the end of the span alone.
    Late,
    /// With whatever comes next.
    NotYet,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(lines) => {
                let shown: Vec<String> = lines.iter().map(|line| format!("C: {line:?}")).collect();
                f.write_str(&shown.join("   "))
            }
            Self::Begin(line, hundredths) => write!(f, "C: {line:?} <{hundredths} % of it>"),
            Self::Answer(place, manner) => write!(f, "answer task at {place} {manner:?}"),
            Self::Progress(bytes) => write!(f, "progress: {bytes} bytes"),
            Self::Pause(time) => write!(f, "pause for {time} ms"),
            Self::PortWait => f.write_str("a port is waited for"),
            Self::Time(span, punctual) => write!(f, "time passes: {span:?}, told: {punctual:?}"),
            Self::Eof => f.write_str("end of the control connection"),
            Self::Shutdown(how) => write!(f, "shutdown {how:?}"),
            Self::Dismiss(how) => write!(f, "dismiss {how:?}"),
        }
    }
}

/// Steps for a session that stands where the machine stands.
pub(crate) fn step(machine: &Machine) -> BoxedStrategy<Step> {
    let unanswered = machine.unanswered().count();
    let is_open = !machine.is_closed();
    let moves = machine.unanswered().any(|(_, task)| matches!(task, Task::Move { .. }));
    let listens = machine.unanswered().any(|(_, task)| matches!(task, Task::Listen { .. }));
    let may_write = match () {
        () if !is_open || machine.is_changing_to_tls() || machine.backlog() > 0 => 8,
        () if machine.lane.is_empty() => 100,
        () => 50,
    };
    let steps: [(u32, BoxedStrategy<Step>); 7] = [
        (may_write, writes(machine)),
        (if unanswered > 0 { 100 } else { 0 }, answer(unanswered)),
        (if moves { 12 } else { 0 }, transfer_goes_on().boxed()),
        (if listens { 24 } else { 0 }, Just(Step::PortWait).boxed()),
        (10, time().boxed()),
        (1, Just(Step::Eof).boxed()),
        (1, ending().boxed()),
    ];
    Union::new_weighted(steps.into_iter().filter(|(weight, _)| *weight > 0).collect()).boxed()
}

/// Lines, or part of one: that matters most behind AUTH, where the first bytes may be Telnet's.
fn writes(machine: &Machine) -> BoxedStrategy<Step> {
    let begin = (line(machine), 1..100_u8).prop_map(|(mut line, hundredths)| {
        line.synch |= hundredths < 30;
        if can_be_cut(&line) { Step::Begin(line, hundredths) } else { Step::Write(vec![line]) }
    });
    let is_behind_auth = machine.lane.iter().any(|framed| machine.is_accepted(framed, &["AUTH"]));
    let weight = if is_behind_auth { 8 } else { 1 };
    prop_oneof![12 => lines(machine).prop_map(Step::Write), weight => begin].boxed()
}

fn answer(unanswered: usize) -> BoxedStrategy<Step> {
    let manner = (0..20_u8, any::<u8>()).prop_map(|(choice, number)| match choice {
        0..15 => Manner::Well(number),
        15..19 => Manner::Badly(number),
        _ => Manner::Dropped,
    });
    let places = u8::try_from(unanswered).unwrap_or(u8::MAX);
    (0..places, manner).prop_map(|(place, manner)| Step::Answer(place, manner)).boxed()
}

fn transfer_goes_on() -> impl Strategy<Value = Step> {
    prop_oneof![(0..5000_u64).prop_map(Step::Progress), (0..400_000_u64).prop_map(Step::Pause)]
}

fn time() -> impl Strategy<Value = Step> {
    let span = prop_oneof![
        16 => select(&[0, 1, 700, 3_000, 12_000][..]).prop_map(Span::Of),
        1 => (0..400_000_u64).prop_map(Span::Of),
        2 => Just(Span::UntilDue),
        4 => Just(Span::UntilAlmostDue),
    ];
    let punctual = prop_oneof![4 => Just(Punctual::Yes), 1 => Just(Punctual::Late), 1 => Just(Punctual::NotYet)];
    (span, punctual).prop_map(|(span, punctual)| Step::Time(span, punctual))
}

fn ending() -> impl Strategy<Value = Step> {
    let how = select(&[Shutdown::Graceful, Shutdown::Graceful, Shutdown::Now][..]);
    (how, any::<bool>()).prop_map(|(how, all)| if all { Step::Shutdown(how) } else { Step::Dismiss(how) })
}
