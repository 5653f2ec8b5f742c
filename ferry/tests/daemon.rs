//! The program as a service: its pid file, its log file, and its life in the background. Unix only.
#![cfg(unix)]

mod common;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Output;
use std::time::Instant;

use common::{Client, LIMIT, RUNTIMES, Site, ferry};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getsid};

const ANONYMOUS: &str = "[anonymous]\nhome = 'home'\n";

fn with_pid_file() -> String {
    format!("[server]\npid_file = 'pid'\n{ANONYMOUS}")
}

#[test]
fn the_pid_file_is_there_while_the_server_is() {
    for runtime in RUNTIMES {
        let site = Site::new();
        let mut server = site.serve_file(&with_pid_file(), &["--runtime", runtime]);
        assert_eq!(site.read("pid"), format!("{}\n", server.child.id()));
        let second = ferry().arg("--config").arg(site.path("ferry.toml")).args(["-p", "0"]).output().unwrap();
        let told = String::from_utf8(second.stderr).unwrap();
        assert_eq!(second.status.code(), Some(1));
        assert!(
            told.starts_with("ferry: server.pid_file: ") && told.contains(&server.child.id().to_string()),
            "{told}"
        );
        assert_eq!(site.read("pid"), format!("{}\n", server.child.id()));
        server.stop();
        assert!(!site.path("pid").exists());
    }
}

#[test]
fn the_pid_file_of_a_killed_server_is_taken_over() {
    let site = Site::new();
    let mut killed = site.serve_file(&with_pid_file(), &[]);
    killed.signal(Signal::SIGKILL);
    killed.wait();
    assert_eq!(site.read("pid"), format!("{}\n", killed.child.id()));
    let mut server = site.serve_file(&with_pid_file(), &[]);
    assert_eq!(site.read("pid"), format!("{}\n", server.child.id()));
    server.stop();
}

#[test]
fn a_server_that_does_not_come_to_serve_leaves_no_pid_file() {
    let site = Site::new();
    site.write("ferry.toml", with_pid_file() + "[log]\nfile = 'nowhere/log'\n");
    let failed = ferry().arg("--config").arg(site.path("ferry.toml")).args(["-i", "127.0.0.1", "-p", "0"]).output();
    let failed = failed.unwrap();
    let told = String::from_utf8(failed.stderr).unwrap();
    assert_eq!(failed.status.code(), Some(1));
    assert!(told.contains("log.file: ") && told.contains("nowhere/log: "), "{told}");
    assert!(!site.path("pid").exists());
}

#[test]
fn the_log_goes_to_its_file_and_follows_a_rename() {
    for runtime in RUNTIMES {
        let site = Site::new();
        let mut server = site.serve_file(&format!("[log]\nfile = 'log'\n{ANONYMOUS}"), &["--runtime", runtime]);
        server.login("ftp", "");
        wait_until(|| site.read("log").contains("anonymous"));
        std::fs::rename(site.path("log"), site.path("log.1")).unwrap();
        server.signal(Signal::SIGHUP);
        wait_until(|| site.path("log").exists());
        assert_eq!(server.stop(), [""; 0]);
        assert!(site.read("log.1").contains("connect with") && site.read("log").contains("stopping"));
    }
}

#[test]
fn a_server_in_the_background_serves_after_its_starter_has_ended() {
    for runtime in RUNTIMES {
        let site = Site::new();
        let server = Background::start(&site, &(with_pid_file() + "[log]\nfile = 'log'\n"), runtime);
        assert_eq!(server.told, "");
        let mut client = Client::connect(server.address);
        client.login("ftp", "");
        // It is in a session of its own, without the terminal's.
        assert_eq!(getsid(Some(server.process)), Ok(server.process));
        kill(server.process, Signal::SIGTERM).unwrap();
        assert!(client.reply().starts_with("421"));
        wait_until(|| !site.path("pid").exists());
        wait_until(|| site.read("log").contains("stopping"));
    }
}

#[test]
fn a_server_in_the_background_without_a_log_says_so() {
    let site = Site::new();
    let server = Background::start(&site, &with_pid_file(), "tokio");
    assert!(server.told.contains(&format!("process {} keeps no log", server.process)), "{}", server.told);
}

#[test]
fn who_starts_a_server_in_the_background_learns_of_its_failure() {
    let site = Site::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (text, status, expected) in
        [(with_pid_file(), 1, "cannot listen on"), ("[server]\nworkers = -1\n".to_owned(), 2, "ferry.toml:2:11")]
    {
        let Output { status: ended, stdout, stderr } = launch(&site, &text, &["-p", &port]);
        let told = String::from_utf8(stderr).unwrap();
        assert_eq!((ended.code(), &*stdout), (Some(status), &b""[..]), "{told}");
        assert!(told.contains(expected), "{told}");
        assert!(!site.path("pid").exists());
    }
}

/// A server in the background, by its pid file.
struct Background {
    process: Pid,
    address: SocketAddr,
    pid_file: PathBuf,
    /// What its starter wrote to standard error.
    told: String,
}

impl Background {
    fn start(site: &Site, text: &str, runtime: &str) -> Self {
        let Output { status, stdout, stderr } = launch(site, text, &["-p", "0", "--runtime", runtime]);
        let told = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(0), "{told}");
        let ready = String::from_utf8(stdout).unwrap();
        let address = ready.trim_end().strip_prefix("listening on ftp://").unwrap().parse().unwrap();
        Self {
            process: Pid::from_raw(site.read("pid").trim_end().parse().unwrap()),
            address,
            pid_file: site.path("pid"),
            told,
        }
    }
}

/// A test that fails leaves no server behind.
impl Drop for Background {
    fn drop(&mut self) {
        // Without its file, the process has ended, and its number may be somebody else's.
        if self.pid_file.exists() {
            let _ = kill(self.process, Signal::SIGKILL);
        }
    }
}

fn launch(site: &Site, text: &str, flags: &[&str]) -> Output {
    site.write("ferry.toml", text);
    let mut command = ferry();
    command.args(["--daemonize", "-i", "127.0.0.1", "--config"]).arg(site.path("ferry.toml")).args(flags);
    command.output().unwrap()
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < LIMIT, "it never came to that");
        std::thread::yield_now();
    }
}
