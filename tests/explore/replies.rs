//! Which replies each line gets in each state: at once, and in the end.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ftp_proto::{ControlSecurity, DataState, JobKind, Life, LoginState, TransferPhase};

use crate::{
    alphabet::Line,
    books::Books,
    subject::Input,
    walk::{Key, Observer, Step},
};

/// The replies to one line in one column of the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    /// Those that come at once.
    pub(crate) at_once: BTreeSet<u16>,
    /// Those that come when an action has ended.
    pub(crate) later: BTreeSet<u16>,
    /// The line may have to wait for its turn.
    pub(crate) waits: bool,
    /// The session closes at once.
    pub(crate) closes: bool,
}

/// Where a command that has no final reply stands: the announced transfer, or its place among those that wait.
pub(crate) type Slot = usize;

const SLOTS: usize = 4;

/// Where the same command stands in the states after it.
type Continued = BTreeSet<(usize, Slot)>;

/// What is known of the replies to the commands of one state.
#[derive(Debug, Default)]
struct Open {
    codes: [BTreeSet<u16>; SLOTS],
    /// The same command in the next state.
    next: BTreeSet<(Slot, usize, Slot)>,
}

/// The replies of one walk.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    open: Vec<Open>,
    cells: HashMap<(&'static str, Column), (Cell, Continued)>,
}

/// A column of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Column {
    pub(crate) security: &'static str,
    pub(crate) stands: &'static str,
}

/// Where commands run at once.
pub(crate) const RUNNING: [&str; 7] =
    ["nobody", "named", "logged in", "data arranged", "data connected", "transfer runs", "transfer runs, logged out"];

/// How the control connection stands.
pub(crate) const SECURITIES: [&str; 3] = ["in clear", "TLS", "PROT P"];

/// Where they have to wait, but for some.
pub(crate) const HOLDING: [&str; 5] =
    ["command under way", "no port yet", "file being opened", "STAT lists", "being aborted"];

impl Column {
    fn of(key: &Key) -> Option<Self> {
        let control = &key.control;
        if control.life != Life::Serving || !control.lane.is_empty() || control.held.is_some() {
            return None;
        }
        let security = match control.security.control {
            ControlSecurity::Handshake => return None,
            ControlSecurity::Clear => "in clear",
            ControlSecurity::Secured if control.security.protects_data => "PROT P",
            ControlSecurity::Secured => "TLS",
        };
        Some(Self { security, stands: stands(key) })
    }
}

fn stands(key: &Key) -> &'static str {
    let control = &key.control;
    match control.transfer {
        _ if control.waits_for_port => "no port yet",
        _ if control.pending => "command under way",
        Some(transfer) if transfer.phase == TransferPhase::Aborting => "being aborted",
        Some(transfer) if transfer.kind == JobKind::Status => "STAT lists",
        Some(transfer) if transfer.phase == TransferPhase::Opening => "file being opened",
        Some(_) if control.login < LoginState::In => "transfer runs, logged out",
        Some(_) => "transfer runs",
        None => match (control.login, control.data) {
            (LoginState::Out, _) => "nobody",
            (LoginState::Named, _) => "named",
            (_, DataState::Open | DataState::Securing) => "data connected",
            (_, DataState::Passive | DataState::Active) => "data arranged",
            _ => "logged in",
        },
    }
}

/// The commands that have no final reply, by their numbers.
pub(crate) fn slots(books: &Books) -> Vec<(u32, Slot)> {
    let announced = books.announced.map(|sent| (sent.serial, 0));
    let waiting = books.waiting.iter().enumerate().map(|(place, sent)| (sent.serial, place + 1));
    announced.into_iter().chain(waiting).filter(|(_, slot)| *slot < SLOTS).collect()
}

impl Observer for Replies {
    fn step(&mut self, step: &Step<'_>) {
        if self.open.len() <= step.from {
            self.open.resize_with(step.from + 1, Open::default);
        }
        self.follow(step);
        if let (Input::Line(line), Some(column)) = (step.input, Column::of(step.before)) {
            self.enter(step, line, column);
        }
    }
}

impl Replies {
    /// What the step means for those that have waited for their replies.
    fn follow(&mut self, step: &Step<'_>) {
        let books = &step.subject.books;
        let after = slots(books);
        let open = &mut self.open[step.from];
        for (serial, slot) in step.open {
            open.codes[*slot].extend(books.said.iter().filter(|said| said.to == *serial).map(|said| said.code));
            let next = after.iter().find(|(other, _)| other == serial);
            if let (Some((_, next)), Some(to)) = (next, step.to)
                && (to, *next) != (step.from, *slot)
            {
                open.next.insert((*slot, to, *next));
            }
        }
    }

    /// What the step means for the line that was sent.
    fn enter(&mut self, step: &Step<'_>, line: Line, column: Column) {
        let books = &step.subject.books;
        let (cell, next) = self.cells.entry((line.text, column)).or_default();
        cell.closes |= books.closed.is_some();
        let Some(serial) = step.subject.sent else { return };
        cell.at_once.extend(books.said.iter().filter(|said| said.to == serial).map(|said| said.code));
        let open = slots(books).into_iter().find(|(other, _)| *other == serial);
        match (open, step.to) {
            (Some(_), _) if !step.after.control.lane.is_empty() => cell.waits = true,
            (Some((_, slot)), Some(to)) => drop(next.insert((to, slot))),
            _ => {}
        }
    }

    /// All cells, those with what comes in the end.
    pub(crate) fn cells(mut self) -> BTreeMap<(&'static str, Column), Cell> {
        self.spread();
        let later = |next: Continued| -> BTreeSet<u16> {
            let codes = |(state, slot): (usize, Slot)| self.open.get(state).map(|open| open.codes[slot].clone());
            next.into_iter().filter_map(codes).flatten().collect()
        };
        let finished = |(place, (cell, next))| (place, Cell { later: later(next), ..cell });
        self.cells.into_iter().map(finished).collect()
    }

    /// Carries the codes back to where the commands were sent.
    fn spread(&mut self) {
        let mut changed = true;
        while changed {
            changed = false;
            for state in (0..self.open.len()).rev() {
                for (slot, to, next) in std::mem::take(&mut self.open[state].next) {
                    let codes = self.open.get(to).map(|open| open.codes[next].clone()).unwrap_or_default();
                    let known = &mut self.open[state].codes[slot];
                    let before = known.len();
                    known.extend(codes);
                    changed |= known.len() > before;
                    self.open[state].next.insert((slot, to, next));
                }
            }
        }
    }
}
