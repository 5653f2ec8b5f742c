//! What has to hold whenever a session is at rest: all its outputs are taken, and nothing has happened yet.

use ftp_proto::{Resource, Session, Timer};

use crate::books::{Books, Kind, Verdict};

/// The most outputs that one input may bring.
const MOST_OUTPUTS: usize = 24;

fn demand(holds: bool, rule: &str) -> Verdict {
    if holds { Ok(()) } else { Err(String::from(rule)) }
}

/// All rules.
pub(crate) fn check(books: &Books, session: &Session, timers: &[Timer]) -> Verdict {
    demand(books.outputs <= MOST_OUTPUTS, "one input brings no flood of outputs")?;
    demand(books.closed.is_some() == session.is_closed(), "a session is closed when it says so")?;
    match books.closed {
        Some(_) => closed(books, session),
        None => open(books, session, timers),
    }
}

fn closed(books: &Books, session: &Session) -> Verdict {
    demand(books.resources.is_empty(), "a closed session has released all")?;
    demand(books.work.iter().all(|work| work.cancelled), "a closed session has cancelled all")?;
    demand(session.poll_timeout().is_none(), "a closed session waits for nothing")?;
    demand(!session.wants_input(), "a closed session reads nothing")
}

fn open(books: &Books, session: &Session, timers: &[Timer]) -> Verdict {
    demand(!books.given_up, "421 is followed by the close")?;
    demand(session.poll_timeout().is_some() != timers.is_empty(), "the next timeout is told")?;
    held(books)?;
    work(books)?;
    clocks(books, timers)?;
    let runs = books.is_held_up() || books.announced.is_some() || books.work.iter().any(|work| work.cancelled);
    demand(runs || books.waiting.is_empty(), "no command waits for nothing")?;
    demand(!books.securing || has(books, Kind::ControlTls), "234 is followed by the handshake")?;
    demand(!books.securing || books.ending || !session.wants_input(), "nothing is read before TLS")?;
    demand(!books.eof || books.ending || quits(books), "the end of the control connection ends the session")
}

fn has(books: &Books, kind: Kind) -> bool {
    count(books, kind) > 0
}

/// How many actions of the kind run.
fn count(books: &Books, kind: Kind) -> usize {
    books.work.iter().filter(|work| !work.cancelled && work.kind() == kind).count()
}

fn quits(books: &Books) -> bool {
    books.waiting.iter().any(|sent| sent.family == "QUIT")
}

/// At most one of each kind is held, and nothing but for a user or a transfer.
fn held(books: &Books) -> Verdict {
    let held = |wanted: fn(&Resource) -> bool| books.resources.iter().filter(|resource| wanted(resource)).count();
    let accounts = held(|resource| matches!(resource, Resource::Account(_)));
    let data = held(|resource| matches!(resource, Resource::Data(_)));
    let files = held(|resource| matches!(resource, Resource::File(_)));
    let listeners = held(|resource| matches!(resource, Resource::Listener(_)));
    demand(accounts <= 1, "one account")?;
    demand(listeners <= 1, "one listener")?;
    demand(data <= 1, "one data connection")?;
    demand(files <= 1, "one file")?;
    demand(files == 0 || books.announced.is_some(), "no file without a transfer")?;
    demand(listeners == count(books, Kind::Accept), "a listener is waited at")?;
    let transfers = books.announced.is_some() || has(books, Kind::Open);
    demand(accounts == 1 || transfers || books.resources.is_empty(), "nothing is held for nobody")
}

/// Nothing is done that no command asked for.
fn work(books: &Books) -> Verdict {
    let running = |kinds: &[Kind]| kinds.iter().map(|kind| count(books, *kind)).sum::<usize>();
    let for_commands = books.work.iter().filter(|work| !work.cancelled && work.kind().holds_up()).count();
    let on_data = running(&[Kind::Accept, Kind::Connect, Kind::DataTls]);
    demand(for_commands <= 1, "one command at a time")?;
    let greeting = books.securing;
    demand(for_commands == 0 || !books.waiting.is_empty() || greeting, "what no command waits for is cancelled")?;
    demand(on_data + running(&[Kind::Transfer]) <= 2, "one data connection at a time")?;
    let head = books.waiting.front().map(|sent| sent.family);
    let transfers = ["RETR", "STOR", "STOU", "LIST", "MLSD", "STAT"];
    let opens = running(&[Kind::Open, Kind::Check]);
    demand(opens == 0 || head.is_some_and(|head| transfers.contains(&head)), "a file is opened for a transfer")?;
    let logins = running(&[Kind::Login]);
    demand(logins == 0 || head == Some("PASS"), "a password is judged for PASS")?;
    demand(running(&[Kind::Connect]) == 0 || books.announced.is_some(), "a connection is made for a transfer")?;
    demand(running(&[Kind::Transfer]) == 0 || books.announced.is_some(), "bytes move for a transfer")
}

/// Whatever is waited for has a timer of its own.
fn clocks(books: &Books, timers: &[Timer]) -> Verdict {
    let armed = |timer: Timer| timers.contains(&timer);
    let holds = |wanted: fn(&Resource) -> bool| books.resources.iter().any(wanted);
    demand(!has(books, Kind::Transfer) || armed(Timer::Stall), "a transfer may stall")?;
    demand(!(has(books, Kind::Open) || has(books, Kind::Check)) || armed(Timer::Stall), "opening a file may stall")?;
    demand(!has(books, Kind::DataTls) || armed(Timer::Stall), "a handshake for data may stall")?;
    let data = holds(|resource| matches!(resource, Resource::Data(_)));
    demand(!data || armed(Timer::Stall), "an unused data connection may stall")?;
    let connects = has(books, Kind::Accept) || has(books, Kind::Connect);
    demand(!connects || armed(Timer::Connect) || armed(Timer::Stall), "a data connection may not come about")?;
    demand(!has(books, Kind::ControlTls) || armed(Timer::Tls), "the handshake may not come to its end")?;
    demand(!books.owed || armed(Timer::Delay), "a wrong login is told after its delay")?;
    let account = holds(|resource| matches!(resource, Resource::Account(_)));
    let transfer = books.announced.is_some() || has(books, Kind::Open) || has(books, Kind::Check);
    demand(account || transfer || armed(Timer::Login), "a login may not come")?;
    let idles = !transfer && !data && !has(books, Kind::DataTls) && !books.work.iter().any(|work| work.cancelled);
    demand(!idles || armed(Timer::Idle), "a client may fall silent")
}
