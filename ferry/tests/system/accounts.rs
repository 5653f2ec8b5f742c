//! Accounts of this machine that a test makes, and that are gone after it.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::unistd::{Uid, User};

/// The password of every account here.
pub(crate) const PASSWORD: &str = "s3cret of the test";

/// An account with a home that is closed to others.
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) home: PathBuf,
}

/// A group.
pub(crate) struct Group(pub(crate) String);

impl Account {
    pub(crate) fn new() -> Self {
        Self::with(&["--shell", "/bin/sh"])
    }

    /// With these flags of `useradd`.
    pub(crate) fn with(flags: &[&str]) -> Self {
        let name = unused_name();
        run("useradd", &[&["--create-home", "--key", "HOME_MODE=0700"], flags, &[&name]].concat());
        let user = User::from_name(&name).unwrap().expect("useradd makes accounts");
        let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
        // From here on it is removed, whatever happens.
        let account = Self { name, uid, gid, home: user.dir };
        feed("chpasswd", &format!("{}:{PASSWORD}\n", account.name));
        account
    }

    /// Changes it, by flags of `usermod`.
    pub(crate) fn change(&self, flags: &[&str]) {
        run("usermod", &[flags, &[&self.name]].concat());
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        // Forced: another account with the same id may have processes.
        let _ = quietly("userdel", &["--remove", "--force", &self.name]);
    }
}

impl Group {
    pub(crate) fn new() -> Self {
        let name = unused_name();
        run("groupadd", &[&name]);
        Self(name)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = quietly("groupdel", &[&self.0]);
    }
}

/// Runs a program of the machine's administrator.
#[track_caller]
pub(crate) fn run(program: &str, arguments: &[&str]) {
    let (success, output) = quietly(program, arguments);
    assert!(success, "{program} {arguments:?} failed: {output}");
}

fn quietly(program: &str, arguments: &[&str]) -> (bool, String) {
    assert!(Uid::effective().is_root(), "the tests of system accounts make accounts: run them as root");
    let _turn = turn();
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{program} (Debian package passwd) does not start: {error}"));
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[track_caller]
fn feed(program: &str, input: &str) {
    let _turn = turn();
    let mut child = Command::new(program).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{program} failed");
}

/// The programs lock their files, and give up when somebody else has.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// No two runs of the tests have the same.
pub(crate) fn unused_name() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("ferry{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
