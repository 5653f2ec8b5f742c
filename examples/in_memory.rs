//! The protocol alone: a [`Session`] driven by hand over storage in memory, without sockets, clock or threads. What is
//! said is printed.
//!
//! A whole driver is in the examples `epoll` (by hand) and in the crate `ftp-driver` (async).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ftp_fs::{BlockingBackend, MemoryFs};
use ftp_proto::{Action, Change, Config, Instant, Login, LoginError, Output, Session, StatPurpose};
use ftp_types::{FsError, Metadata, Permissions, VirtualPath};

const COMMANDS: [&str; 9] = [
    "USER alice",
    "PASS wrong",
    "USER alice",
    "PASS secret",
    "MKD \"quoted\" name",
    "CWD \"quoted\" name",
    "PWD",
    "CWD nowhere",
    "QUIT",
];

fn main() {
    let (local, peer) = (SocketAddr::from(([192, 0, 2, 1], 21)), SocketAddr::from(([192, 0, 2, 2], 50_000)));
    let storage = MemoryFs::new();
    let mut now = Instant::default();
    let mut session = Session::new(Arc::new(Config::default()), local, peer, now);

    do_as_told(&mut session, &storage, now);
    for command in COMMANDS {
        println!("C: {command}");
        session.handle_input(format!("{command}\r\n").as_bytes(), now);
        do_as_told(&mut session, &storage, now);
        // The answer to a wrong password is held back. Time is whatever we say it is, so nobody has to wait.
        while !session.wants_input() && !session.is_closed() {
            now = session.poll_timeout().unwrap_or(now + Duration::from_secs(1));
            println!("   (at {:?})", now.since_epoch());
            session.handle_timeout(now);
            do_as_told(&mut session, &storage, now);
        }
    }
    assert!(session.is_closed());
}

/// Does everything that the session has put out.
fn do_as_told(session: &mut Session, storage: &MemoryFs, now: Instant) {
    while let Some(output) = session.poll_output() {
        match output {
            Output::Send(reply) => {
                let mut wire = Vec::new();
                reply.write_to(&mut wire);
                String::from_utf8_lossy(&wire).lines().for_each(|line| println!("S: {line}"));
            }
            Output::Start(action) => answer(session, action, storage, now),
            Output::Notify(event) => println!("   ({event:?})"),
            Output::Close(reason) => println!("   (closed: {reason})"),
            // Nothing runs longer than it takes to answer it, and nothing is kept.
            Output::Cancel(_) | Output::Release(_) => {}
        }
    }
}

/// Each answer has the type that its question asks for.
fn answer(session: &mut Session, action: Action, storage: &MemoryFs, now: Instant) {
    match action {
        Action::Authenticate(ticket) => {
            let known = ticket.request().user.as_str() == "alice" && ticket.request().proof.is_password(b"secret");
            session.complete(ticket, if known { Ok(Login::default()) } else { Err(LoginError::Rejected) }, now);
        }
        Action::Stat(ticket) => {
            let outcome = stat(storage, &ticket.request().path, ticket.request().purpose);
            session.complete(ticket, outcome, now);
        }
        Action::Change(ticket) => {
            let outcome = match ticket.request() {
                Change::MakeDirectory(path) => storage.make_directory(path),
                _ => Err(FsError::Denied),
            };
            session.complete(ticket, outcome, now);
        }
        // No file is moved here: see the example `epoll`.
        other => unreachable!("{other:?}"),
    }
}

fn stat(storage: &MemoryFs, path: &VirtualPath, purpose: StatPurpose) -> Result<Metadata, FsError> {
    let mut metadata = storage.stat(path)?;
    if purpose == StatPurpose::Enter && !metadata.is_directory() {
        return Err(FsError::NotADirectory);
    }
    metadata.rights = Some(Permissions::ALL);
    Ok(metadata)
}
