//! Accounts of this machine on a real server: made by `useradd`, judged by PAM, and served under their own ids.
//!
//! To be run as root. Who is not root sees these tests fail: a skipped test would look like a passed one.

#![cfg(target_os = "linux")]

mod accounts;
#[path = "../common/mod.rs"]
mod common;
mod library;
mod logins;
mod modules;
mod ownership;
mod privileges;

use std::process::Command;
use std::time::Instant;

use crate::common::{Client, LIMIT, Server, Site};

/// Makes two tests of each case, `tokio::case` and `smol::case`; a case is a `fn(&str)`.
macro_rules! on_both_runtimes {
    ($($case:ident),+ $(,)?) => {
        mod tokio {
            $(#[test] fn $case() { super::$case("tokio"); })+
        }
        mod smol {
            $(#[test] fn $case() { super::$case("smol"); })+
        }
    };
}
pub(crate) use on_both_runtimes;

/// Serves by a file with these lines after `[system_users]`.
#[track_caller]
pub(crate) fn serve(site: &Site, runtime: &str, system_users: &str) -> Server {
    site.serve_file(&file(runtime, "", system_users), &[])
}

/// The text of a configuration whose server answers wrong logins as soon as PAM does.
pub(crate) fn file(runtime: &str, server: &str, system_users: &str) -> String {
    format!(
        "[server]\nruntime = '{runtime}'\nworkers = 4\n{server}\n[session]\nfailed_login_delay = 0\n\
         max_login_attempts = 0\n[system_users]\n{system_users}\n"
    )
}

/// Tries to log in.
pub(crate) fn attempt(server: &Server, name: &str, password: &str) -> String {
    let mut client = server.client();
    client.command(format!("USER {name}"));
    client.command(format!("PASS {password}"))
}

/// Asserts that the storage refuses a command, with a data connection at hand if it takes one.
#[track_caller]
pub(crate) fn refused(client: &mut Client, command: &str) {
    if ["APPE", "LIST", "MLSD", "RETR", "STOR"].contains(&command.split(' ').next().unwrap()) {
        assert!(client.command("EPSV").starts_with("229"));
    }
    let reply = client.command(command);
    assert!(reply.starts_with("550"), "{command}: {reply}");
}

/// What `/proc` tells of every thread of a server, line by line.
pub(crate) fn threads(server: &Server) -> Vec<Vec<String>> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.child.id())).unwrap();
    let status = |task: std::io::Result<std::fs::DirEntry>| {
        // A thread may have ended meanwhile.
        let text = std::fs::read_to_string(task.unwrap().path().join("status")).ok()?;
        Some(text.lines().map(str::to_owned).collect())
    };
    tasks.filter_map(status).collect()
}

/// Asserts that each thread of a server has this line once nothing is done for a user any more: files are closed behind
/// the last reply, as whoever they are of.
#[track_caller]
pub(crate) fn assert_all_have(server: &Server, line: &str) {
    let has = |status: &Vec<String>| status.iter().any(|found| found.split_whitespace().eq(line.split_whitespace()));
    let began = Instant::now();
    loop {
        let threads = threads(server);
        assert!(!threads.is_empty());
        match threads.iter().find(|status| !has(status)) {
            None => return,
            Some(status) => assert!(began.elapsed() < LIMIT, "no {line:?} in {status:#?}"),
        }
    }
}

/// The server without these capabilities, whatever the tests have.
pub(crate) fn ferry_without(capabilities: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.arg(format!("--bounding-set={capabilities}")).arg(env!("CARGO_BIN_EXE_ferry"));
    command
}
