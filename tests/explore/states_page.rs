//! `docs/states.md`: what was walked through, and the machines as diagrams.

use std::{collections::BTreeSet, fmt::Write};

use crate::{
    machines::{MACHINES, Steps},
    settings::{self, Settings},
    walk::Walked,
};

const HEAD: &str = "\
# States of a session

Made by `UPDATE_DOCS=1 cargo test -p ferry-tests --test explore`, which walks through all control states of
`ftp_proto::Session`, gives every input to each, and fails when this page does not show what it finds. [The replies of
every command in every state](replies.md) come out of the same walk.

## What is walked through

A *state* is what decides how a session goes on: its control state (`Session::control_state`, feature `testing`: login,
TLS, data channel, transfer, timers that are armed, lines that wait, markers, parameters; no names, no times), the
actions that its driver has under way or was told to stop, and the commands that its client has no reply to. The *inputs*
are lines (each verb of the command table, right, wrong and without its argument; ABOR behind a Telnet Synch; a line that
is too long, an HTTP request), every answer to every action (done, each error, dropped; late, when it was cancelled),
progress, a pause, the wait for a port, every armed timer as the next that is due, the end of the control connection, and
the two ways to stop a session, by the server or by hand. Nothing is left out at random: every input is tried in every
state. What the walk leaves out is told by its bounds:

- *waiting*: so many lines wait at most, of those that are told apart below; behind them only those are tried. Any other
  line that would have to wait is tried too, but its turn is only followed to its reply.
- *late*: so many cancelled actions that nobody waits for are under way at most. What goes beyond is only followed to its
  end: its work is dropped, and the client leaves.
- Lines come whole (`tests/chunking.rs` cuts them), and outputs are taken at once (`fuzz/` does not).
- Names, offsets, addresses, texts and facts have one value each, or one that is right and one that is wrong.

";

const WIDER: &str = "\
`just explore` walks further, for minutes: two lines wait, and behind them every other is tried; most walks send all
commands where here they send one of each kind. It fails when it finds a step that is not below.
";

const RULES: &str = "
## What holds in every state

Held against what the session puts out, by code that knows nothing of its insides (`tests/explore/books.rs`, `rest.rs`,
`ending.rs` and `legal.rs`):

- Every command gets one final reply that the RFCs allow for it, in order, and a transfer at most one preliminary one.
- Nothing is said or begun between 234 and TLS, nor before the greeting under implicit TLS.
- What is opened is released once, when its time is over: at most one account, listener, data connection and file is
  held, and without a login or a transfer there is none. A closed session holds nothing, whatever still comes late.
- No action runs that no command asked for; what is given up is cancelled, once.
- Whatever is waited for has a timer of its own, and timers alone end the session, in whatever order they come due.
- When the client is gone, the session ends and nothing is left behind.
- One input brings a bounded number of outputs, and no input a panic.
- The control state is all that counts: wherever two ways lead to the same state, the same input does the same.
";

const MACHINES_HEAD: &str = "
## The machines

Each is a projection of the states, and has every step that the walk found while no line waited; what leaves the machine
as it is has no arrow. The end of the session, which leads out of every state, is shown in the first alone. *ok* and
*fails* are answers to actions, *has ended* is the answer to one that was cancelled, in whatever way.
";

/// The page.
pub(crate) fn page(walks: &[(&Settings, Walked)], steps: &Steps) -> String {
    let mut page = String::from(HEAD);
    page.push_str("| walk | configuration | lines | waiting | late | states | pairs of state and input | beyond |\n");
    page.push_str("|---|---|---|---|---|---|---|---|\n");
    let (mut states, mut pairs) = (0, 0);
    for (settings, walked) in walks {
        let Settings { name, about, words, bounds, .. } = settings;
        states += walked.states.len();
        pairs += walked.pairs;
        writeln!(
            page,
            "| {name} | {about} | {} | {} | {} | {} | {} | {} |",
            words.shown(),
            bounds.lane,
            bounds.leftovers,
            walked.states.len(),
            walked.pairs,
            walked.beyond
        )
        .expect("memory");
    }
    writeln!(page, "| | | | | | **{states}** | **{pairs}** | |").expect("memory");
    writeln!(page, "\n{}\n\n{WIDER}", settings::told()).expect("memory");
    page.push_str(RULES);
    page.push_str(&diagrams(steps));
    page.push_str(&together(steps));
    page
}

/// The machines.
pub(crate) fn diagrams(steps: &Steps) -> String {
    let mut text = String::from(MACHINES_HEAD);
    for (machine, steps) in MACHINES.iter().zip(&steps.of_machine) {
        write!(text, "\n### {}\n\n{}\n\n```mermaid\nstateDiagram-v2\n", machine.title, machine.about).expect("memory");
        for ((from, to), labels) in steps {
            writeln!(text, "    {from} --> {to}: {}", short(labels)).expect("memory");
        }
        text.push_str("```\n\n| from | to | by |\n|---|---|---|\n");
        for ((from, to), labels) in steps {
            writeln!(text, "| {from} | {to} | {} |", joined(labels)).expect("memory");
        }
    }
    text
}

fn joined(labels: &BTreeSet<String>) -> String {
    labels.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// A diagram has no room for more than a few.
fn short(labels: &BTreeSet<String>) -> String {
    const MOST: usize = 4;
    let shown = labels.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = labels.len().saturating_sub(MOST);
    if more == 0 { shown } else { format!("{shown}, and {more} more") }
}

/// Which states of the machines go together.
fn together(steps: &Steps) -> String {
    let logins: BTreeSet<_> = steps.states.keys().map(|(_, _, login)| *login).collect();
    let rows: BTreeSet<_> = steps.states.keys().map(|(data, transfer, _)| (*data, *transfer)).collect();
    let mut text = String::from(
        "\n## Which of them go together\n\nHow many states of the walks there are for a data channel, a transfer and a \
         login; where nothing\nstands, that cannot be.\n\n| data channel | transfer |",
    );
    let head: Vec<_> = logins.iter().copied().collect();
    writeln!(text, " {} |\n|---|---|{}", head.join(" | "), "---|".repeat(head.len())).expect("memory");
    for (data, transfer) in rows {
        let count = |login: &&&str| steps.states.get(&(data, transfer, **login)).map(usize::to_string);
        let cells: Vec<String> = head.iter().map(|login| count(&login).unwrap_or_default()).collect();
        writeln!(text, "| {data} | {transfer} | {} |", cells.join(" | ")).expect("memory");
    }
    text
}
