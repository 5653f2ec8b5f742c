//! The machines inside a session, as projections of its state, and the steps between their states.

use std::collections::{BTreeMap, BTreeSet};

use ftp_proto::{ControlSecurity, DataState, JobKind, Life, LoginState, Shutdown, TransferPhase};

use crate::{
    books::Kind,
    subject::{Input, Outcome},
    walk::{Key, Observer, Step},
};

/// A part of the state that can be looked at by itself.
pub(crate) struct Machine {
    pub(crate) title: &'static str,
    pub(crate) about: &'static str,
    /// The state of the machine; none when the session has ended and the machine with it.
    project: fn(&Key) -> Option<&'static str>,
}

/// All of them.
pub(crate) const MACHINES: [Machine; 5] = [
    Machine { title: "Life", about: "Whether the session serves.", project: life },
    Machine {
        title: "Security",
        about: "The control connection, from clear to TLS (RFC 4217). A handshake that fails ends the session.",
        project: security,
    },
    Machine {
        title: "Login",
        about: "Who the client is (RFC 959 §5.4, RFC 2228 §5). What is *held* is the reply to a wrong login.",
        project: login,
    },
    Machine {
        title: "Data channel",
        about: "From PASV or PORT to a connection and back (RFC 959 §3.2, RFC 4217 §9).",
        project: data,
    },
    Machine {
        title: "Transfer",
        about: "From its command to its last reply, and ABOR (RFC 959 §4.1.3). A *check* opens nothing: there is no data \
                channel, and\nthe client is to hear of a wrong name first. STAT with a path goes over the control \
                connection.",
        project: transfer,
    },
];

fn life(key: &Key) -> Option<&'static str> {
    Some(match key.control.life {
        Life::Serving => "Serving",
        Life::Ending(_) => "Ending",
        Life::Closed => "Closed",
    })
}

fn is_closed(key: &Key) -> bool {
    key.control.life == Life::Closed
}

fn runs(key: &Key, kind: Kind) -> bool {
    key.work.contains(&(kind, false))
}

fn security(key: &Key) -> Option<&'static str> {
    let security = &key.control.security;
    (!is_closed(key)).then_some(match security.control {
        ControlSecurity::Clear => "Clear",
        ControlSecurity::Handshake => "Handshake",
        ControlSecurity::Secured if security.protects_data => "ProtectsData",
        ControlSecurity::Secured if security.buffer_size => "HasBufferSize",
        ControlSecurity::Secured => "Secured",
    })
}

pub(crate) fn login(key: &Key) -> Option<&'static str> {
    (!is_closed(key)).then_some(match key.control.login {
        _ if key.control.held.is_some() => "Held",
        _ if runs(key, Kind::Login) => "PasswordJudged",
        _ if runs(key, Kind::Certificate) => "CertificateJudged",
        LoginState::Out => "Out",
        LoginState::Named => "Named",
        LoginState::In => "In",
        LoginState::InByCertificate => "InByCertificate",
    })
}

pub(crate) fn data(key: &Key) -> Option<&'static str> {
    (!is_closed(key)).then_some(match key.control.data {
        DataState::Idle if runs(key, Kind::Listen) && key.control.waits_for_port => "WaitingForPort",
        DataState::Idle if runs(key, Kind::Listen) => "Listening",
        DataState::Idle => "Idle",
        DataState::Passive => "Passive",
        DataState::Active => "Active",
        DataState::Connecting => "Connecting",
        DataState::Securing => "Securing",
        DataState::Refused => "Refused",
        DataState::NotResumed => "NotResumed",
        DataState::Open => "Open",
        DataState::Moving => "Moving",
    })
}

pub(crate) fn transfer(key: &Key) -> Option<&'static str> {
    let phase = key.control.transfer.map(|transfer| (transfer.phase, transfer.kind == JobKind::Status));
    (!is_closed(key)).then_some(match phase {
        None => "None",
        Some((TransferPhase::Opening, false)) if runs(key, Kind::Check) => "Checking",
        Some((TransferPhase::Opening, false)) => "Opening",
        Some((TransferPhase::Waiting, _)) => "Waiting",
        Some((TransferPhase::Moving, false)) => "Moving",
        Some((TransferPhase::Opening, true)) => "OpeningForStat",
        Some((TransferPhase::Moving, true)) => "MovingForStat",
        Some((TransferPhase::Aborting, _)) => "Aborting",
    })
}

/// The steps of each machine, and how many states there are behind each projected one.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    /// For each machine: from, to, and by what.
    pub(crate) of_machine: [BTreeMap<(&'static str, &'static str), BTreeSet<String>>; MACHINES.len()],
    /// Data channel, transfer and login of the states that were walked through.
    pub(crate) states: BTreeMap<(&'static str, &'static str, &'static str), usize>,
    counted: Option<usize>,
}

impl Observer for Steps {
    fn step(&mut self, step: &Step<'_>) {
        if self.counted.replace(step.from) != Some(step.from)
            && let (Some(data), Some(transfer), Some(login)) =
                (data(step.before), transfer(step.before), login(step.before))
        {
            *self.states.entry((data, transfer, login)).or_default() += 1;
        }
        // Behind a lane it is not the input alone that leads on.
        if !step.before.control.lane.is_empty() || !step.after.control.lane.is_empty() {
            return;
        }
        let Some(label) = label(step) else { return };
        for (machine, steps) in MACHINES.iter().zip(&mut self.of_machine) {
            let (from, to) = ((machine.project)(step.before), (machine.project)(step.after));
            if let (Some(from), Some(to)) = (from, to)
                && from != to
            {
                steps.entry((from, to)).or_default().insert(label.clone());
            }
        }
    }
}

impl Steps {
    /// Takes those of another walk in.
    pub(crate) fn merge(&mut self, other: Self) {
        for (steps, others) in self.of_machine.iter_mut().zip(other.of_machine) {
            for (step, labels) in others {
                steps.entry(step).or_default().extend(labels);
            }
        }
        for (state, count) in other.states {
            *self.states.entry(state).or_default() += count;
        }
    }
}

/// What the pages call an input.
fn label(step: &Step<'_>) -> Option<String> {
    Some(match step.input {
        Input::Line(line) => String::from(line.called()),
        Input::UrgentAbort => String::from("ABOR"),
        Input::Torn(..) => String::from("AUTH with more behind it"),
        Input::Answer(place, outcome) => {
            let (kind, cancelled) = step.before.work[usize::from(place)];
            let how = match outcome {
                _ if cancelled => "has ended",
                Outcome::Done | Outcome::Directory | Outcome::Other | Outcome::WithCertificate => "ok",
                _ => "fails",
            };
            format!("{} {how}", called(kind))
        }
        Input::Due(timer) => format!("{timer:?} timeout"),
        Input::Eof => String::from("end of file"),
        Input::Shutdown(Shutdown::Graceful) | Input::Dismiss(Shutdown::Graceful) => String::from("stop"),
        Input::Shutdown(Shutdown::Now) | Input::Dismiss(Shutdown::Now) => String::from("stop now"),
        Input::Progress | Input::Pause | Input::Spurious => return None,
        Input::PortWait => String::from("no port yet"),
    })
}

fn called(kind: Kind) -> &'static str {
    match kind {
        Kind::Login => "password",
        Kind::Certificate => "certificate",
        Kind::Stat => "look",
        Kind::Change => "change",
        Kind::Open => "open",
        Kind::Check => "check",
        Kind::Listen => "listen",
        Kind::Accept => "accept",
        Kind::Connect => "connect",
        Kind::ControlTls | Kind::DataTls => "handshake",
        Kind::Transfer => "transfer",
    }
}
