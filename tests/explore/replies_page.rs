//! `docs/replies.md`: the replies of every command in every state.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use crate::{
    alphabet::{self, Line},
    legal::STORAGE,
    replies::{Cell, Column, HOLDING, RUNNING, SECURITIES},
    settings::Settings,
};

/// The cells of one walk.
pub(crate) type Cells = BTreeMap<(&'static str, Column), Cell>;

const HEAD: &str = "\
# Replies to every command in every state

Made by `UPDATE_DOCS=1 cargo test -p ferry-tests --test explore` out of the same walk as [the states](states.md); the test
fails when this page does not show what it finds.

A cell has the codes that come at once and, behind an arrow, those that may come later, when what the command asks for
has ended: well, with any error, or by ABOR. Preliminary replies are among them.

- *storage* is what storage may answer to anything: 426 450 451 452 504 550 552 553 554.
- **waits**: the line waits until what runs has ended, and gets then what it gets in that state.
- **×**: the session closes.
- Where codes stand beside each other, it depends on more than the column says: on parameters (TYPE, REST, EPSV ALL,
  PBSZ), on a certificate, or on what came before (RNFR).
- `\\0` stands for a file name that cannot be, `\\u{1}` for a name that no user can have.

421 may come in place of any reply, and then the session closes. In a session that is ending, while the reply to a wrong
login is held back and during the handshake of TLS nothing is read.

The columns: **nobody** has given a name · USER has **named** somebody · **logged in**, without a data channel · **data
arranged** by PASV or PORT · **data connected** and nothing to transfer yet · a **transfer runs**, announced by 150 or
125 · a **transfer runs** of a user who has **logged out** since, by USER or REIN.
";

const HOLDING_HEAD: &str = "
## While something has to end first

Every line waits but these, while a **command** is **under way** that an action answers (a look at a file, a change, a
listener, a login) · while there is **no port yet** for PASV · while a **file** is **being opened** for a transfer · while
**STAT lists** over the control connection · while a transfer is **being aborted**.

";

/// The page: the first walk in whole, and of the others what is different there.
pub(crate) fn page(walks: &[(&Settings, Cells)]) -> String {
    let mut page = String::from(HEAD);
    let Some(((_, plain), others)) = walks.split_first() else { return page };
    let columns = |stands: &[&'static str]| -> Vec<Column> {
        stands.iter().map(|stands| Column { security: SECURITIES[0], stands }).collect()
    };
    page.push_str("\n## Without TLS\n\n");
    page.push_str(&table(plain, &columns(&RUNNING)));
    page.push_str(HOLDING_HEAD);
    let exceptions = only(plain, |cell, column| HOLDING.contains(&column.stands) && !cell.only_waits());
    page.push_str(&table(&exceptions, &columns(&HOLDING)));
    let (mut known, mut same) = (by_login(plain), Vec::new());
    for (settings, cells) in others {
        match what_differs(settings, cells, &mut known) {
            Some(section) => page.push_str(&section),
            None => same.push(settings.name),
        }
    }
    let same = same.join(" · ");
    writeln!(page, "\n## All other walks\n\nNo line gets any other reply in these: {same}.").expect("memory");
    page
}

impl Cell {
    fn only_waits(&self) -> bool {
        self.waits && self.at_once.is_empty() && self.later.is_empty() && !self.closes
    }

    fn shown(&self) -> String {
        let mut parts = Vec::new();
        parts.extend((!self.at_once.is_empty()).then(|| codes(&self.at_once)));
        parts.extend(self.closes.then(|| String::from("×")));
        parts.extend((!self.later.is_empty()).then(|| format!("→ {}", codes(&self.later))));
        parts.extend(self.waits.then(|| String::from("**waits**")));
        parts.join(" ")
    }

    /// Whether there is something in it that the other has not.
    fn has_more_than(&self, other: &Self) -> bool {
        let no_code = self.at_once.is_subset(&other.at_once) && self.later.is_subset(&other.later);
        !no_code || (self.closes && !other.closes) || (self.waits && !other.waits)
    }

    fn join(&mut self, other: &Self) {
        self.at_once.extend(&other.at_once);
        self.later.extend(&other.later);
        self.waits |= other.waits;
        self.closes |= other.closes;
    }
}

fn codes(codes: &BTreeSet<u16>) -> String {
    let storage = STORAGE.iter().all(|code| codes.contains(code));
    let named = codes.iter().filter(|code| !storage || !STORAGE.contains(code)).map(u16::to_string);
    named.chain(storage.then(|| String::from("*storage*"))).collect::<Vec<_>>().join(" ")
}

/// The cells of lines that have one such cell.
fn only(cells: &Cells, wanted: impl Fn(&Cell, &Column) -> bool) -> Cells {
    let wanted = cells.iter().filter(|((_, column), cell)| wanted(cell, column));
    let texts: BTreeSet<&str> = wanted.map(|((text, _), _)| *text).collect();
    let of_them = cells.iter().filter(|((text, _), _)| texts.contains(text));
    of_them.map(|(place, cell)| (*place, cell.clone())).collect()
}

/// Lines of one kind with the same cells are one row.
fn table(cells: &Cells, columns: &[Column]) -> String {
    let heads: Vec<String> = columns.iter().map(|column| head(*column, columns)).collect();
    let mut text = format!("| line | {} |\n|---|{}\n", heads.join(" | "), "---|".repeat(columns.len()));
    let mut rows: Vec<(Vec<Line>, Vec<Cell>)> = Vec::new();
    for line in alphabet::lines() {
        let cell = |column: &Column| cells.get(&(line.text, *column)).cloned();
        let row: Vec<Cell> = columns.iter().map(|column| cell(column).unwrap_or_default()).collect();
        if row.iter().all(|cell| *cell == Cell::default()) {
            continue;
        }
        match rows.iter_mut().find(|(lines, other)| *other == row && lines[0].family == line.family) {
            Some((lines, _)) => lines.push(line),
            None => rows.push((vec![line], row)),
        }
    }
    for (lines, row) in rows {
        let cells: Vec<String> = row.iter().map(Cell::shown).collect();
        writeln!(text, "| {} | {} |", named(&lines), cells.join(" | ")).expect("memory");
    }
    text
}

/// The security is told where it is not the same for all.
fn head(column: Column, columns: &[Column]) -> String {
    let same = columns.iter().all(|other| other.security == column.security);
    if same { String::from(column.stands) } else { format!("{}: {}", column.security, column.stands) }
}

fn named(lines: &[Line]) -> String {
    let named = |line: &Line| match line.text {
        "" => String::from("(empty line)"),
        alphabet::TOO_LONG => String::from("(line that is too long)"),
        text => format!("`{}`", text.replace('|', "\\|").replace('\0', "\\0").replace('\u{1}', "\\u{1}")),
    };
    lines.iter().map(named).collect::<Vec<_>>().join(", ")
}

/// The lines that get in this walk what they did not get in those before. Then they are known, too.
fn what_differs(settings: &Settings, cells: &Cells, known: &mut Cells) -> Option<String> {
    let cells = by_login(cells);
    let in_clear = |column: &Column| Column { security: SECURITIES[0], ..*column };
    let mut news = BTreeSet::new();
    for ((text, column), cell) in &cells {
        let before = known.get(&(*text, *column)).or_else(|| known.get(&(*text, in_clear(column))));
        if before.is_none_or(|before| cell.has_more_than(before)) {
            news.insert(*text);
        }
    }
    let mut new_cells = cells.clone();
    new_cells.retain(|(text, _), _| news.contains(text));
    for (place, cell) in cells {
        known.entry(place).or_default().join(&cell);
    }
    let all = SECURITIES.iter().flat_map(|security| RUNNING.map(|stands| Column { security, stands }));
    let columns: Vec<Column> = all.filter(|column| new_cells.keys().any(|(_, other)| other == column)).collect();
    let title =
        format!("\n## {}\n\nThe lines that get other replies than above: {}.\n\n", settings.name, settings.about);
    (!new_cells.is_empty()).then(|| title + &table(&new_cells, &columns))
}

/// Cells of all states where commands run, and that differ by no more than the data channel, in one.
fn by_login(cells: &Cells) -> Cells {
    let mut joined = Cells::new();
    for ((text, column), cell) in cells.iter().filter(|((_, column), _)| RUNNING.contains(&column.stands)) {
        let stands = match column.stands {
            "data arranged" | "data connected" => "logged in",
            stands => stands,
        };
        joined.entry((text, Column { stands, ..*column })).or_default().join(cell);
    }
    joined
}
