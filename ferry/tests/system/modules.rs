//! What modules of PAM are told by the server, and what they may change: asked by a service of the test's own.

use std::fs::{self, Permissions};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ftp_fs::system::{AccountCheck, CheckError, Pam};
use ftp_types::{Secret, UserName};
use tempfile::TempDir;

use crate::accounts::{Account, PASSWORD, unused_name};

/// A file of `/etc/pam.d`, gone after the test.
struct Service {
    name: String,
    file: PathBuf,
}

impl Service {
    fn new(lines: &str) -> Self {
        let name = unused_name();
        let file = Path::new("/etc/pam.d").join(&name);
        fs::write(&file, lines).unwrap_or_else(|error| panic!("{}: {error}: to be run as root", file.display()));
        Self { name, file }
    }

    /// What PAM says of that password.
    fn ask(&self, user: &str, password: &str) -> Result<(), CheckError> {
        // As a dual-stack listener has it.
        let peer: IpAddr = "::ffff:192.0.2.7".parse().unwrap();
        let user: UserName = user.parse().unwrap();
        Pam::new(&self.name).unwrap().authenticate(&user, &Secret::from(password), peer)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

/// A program for `pam_exec`.
fn program(folder: &TempDir, lines: &str) -> PathBuf {
    let file = folder.path().join("program");
    fs::write(&file, format!("#!/bin/sh\n{lines}\n")).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
    file
}

#[test]
fn the_modules_hear_who_asks_from_where_and_at_which_terminal() {
    let (account, folder) = (Account::new(), tempfile::tempdir().unwrap());
    let told = folder.path().join("told");
    let lines = format!("echo \"$PAM_TYPE $PAM_USER $PAM_RHOST $PAM_TTY\" >>{}", told.display());
    let program = program(&folder, &lines);
    let exec = format!("pam_exec.so {}", program.display());
    let service =
        Service::new(&format!("auth required pam_permit.so\nauth required {exec}\naccount required {exec}\n"));
    assert_eq!(service.ask(&account.name, PASSWORD), Ok(()));
    let name = &account.name;
    let expected = format!("auth {name} 192.0.2.7 ftp\naccount {name} 192.0.2.7 ftp\n");
    assert_eq!(fs::read_to_string(told).unwrap(), expected);
}

#[test]
fn a_password_is_judged_before_the_account() {
    let account = Account::new();
    let service = Service::new("auth required pam_unix.so nodelay\naccount required pam_permit.so\n");
    assert_eq!(service.ask(&account.name, PASSWORD), Ok(()));
    assert!(matches!(service.ask(&account.name, "wrong"), Err(CheckError::Refused(_))));
}

/// `pam_ftp` makes the first of these of all of them.
#[test]
fn whom_a_module_takes_for_somebody_else_is_refused() {
    let (account, other) = (Account::new(), Account::new());
    let lines =
        format!("auth required pam_ftp.so users={},{}\naccount required pam_permit.so\n", other.name, account.name);
    let service = Service::new(&lines);
    assert_eq!(service.ask(&other.name, "me@"), Ok(()));
    assert!(matches!(service.ask(&account.name, "me@"), Err(CheckError::Refused(_))));
}
