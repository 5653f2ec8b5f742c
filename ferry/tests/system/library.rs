//! The library's part of it, without a server.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::{Arc, Mutex};

use ftp_fs::system::{
    AccountCheck, CheckError, Credentials, Filesystem, Impersonated, SystemOptions, SystemUsers, UserOverride,
    impersonating,
};
use ftp_fs::{AuthError, BlockingAuthenticator, BlockingBackend, Credential, LocalFs, LoginAttempt, Remains};
use ftp_types::{Secret, UserName, VirtualPath, WriteMode};

use crate::accounts::{Account, PASSWORD};

/// Tells of this thread what its line in `/proc` is.
fn line(key: &str) -> String {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    status.lines().find(|line| line.starts_with(key)).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_thread_that_acts_as_a_user_has_no_capabilities_and_comes_back() {
    let account = Account::new();
    let Account { uid, gid, .. } = account;
    let before = ["Uid:", "Gid:", "Groups:", "CapEff:", "CapPrm:"].map(line);
    let credentials = Credentials::new(uid, gid, [gid, 4242]).unwrap();
    let acting = impersonating(&credentials, || {
        fs::write(account.home.join("made"), "").unwrap();
        assert!(fs::read("/etc/shadow").is_err());
        ["Uid:", "Gid:", "Groups:", "CapEff:"].map(line)
    });
    // Real and effective ids stay: the user can send this thread no signals.
    let expected = [
        format!("Uid: 0 0 0 {uid}"),
        format!("Gid: 0 0 0 {gid}"),
        format!("Groups: {gid} 4242"),
        "CapEff: 0000000000000000".to_owned(),
    ];
    assert_eq!(acting.unwrap(), expected);
    assert_eq!(["Uid:", "Gid:", "Groups:", "CapEff:", "CapPrm:"].map(line), before);
    let made = fs::metadata(account.home.join("made")).unwrap();
    assert_eq!((made.uid(), made.gid()), (uid, gid));
}

#[test]
fn what_takes_a_files_place_is_its_groups_or_no_groups() {
    const GROUP: u32 = 4242;
    let account = Account::new();
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let replace = |name: &str, mode, groups: &[u32]| {
        let file = folder.path().join(name);
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::chown(&file, Some(0), Some(GROUP)).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let credentials = Credentials::new(account.uid, account.gid, groups.iter().copied()).unwrap();
        let storage = Impersonated::open(Arc::new(credentials), || LocalFs::open(folder.path())).unwrap();
        let path = VirtualPath::root().child(name.as_bytes()).unwrap();
        let mut writer = storage.create(&path, WriteMode::Replace).unwrap();
        writer.write_all(b"new").unwrap();
        writer.finish().unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        let made = fs::metadata(&file).unwrap();
        assert_eq!(made.uid(), account.uid);
        (made.gid(), made.mode() & 0o777)
    };
    assert_eq!(replace("of-the-group", 0o660, &[account.gid, GROUP]), (GROUP, 0o660));
    // The rights of that group are not for another one, beyond what everybody has.
    assert_eq!(replace("of-others", 0o676, &[account.gid]), (account.gid, 0o666));
    assert_eq!(replace("of-others-alone", 0o662, &[account.gid]), (account.gid, 0o622));
}

#[test]
fn where_nothing_may_take_a_files_place_it_is_overwritten() {
    let account = Account::new();
    let folder = tempfile::tempdir().unwrap();
    // As `/tmp` is: who owns neither the directory nor the file cannot replace it.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    let file = folder.path().join("everybodys");
    fs::write(&file, "the old content").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let credentials = Credentials::new(account.uid, account.gid, [account.gid]).unwrap();
    let storage = Impersonated::open(Arc::new(credentials), || LocalFs::open(folder.path())).unwrap();
    let path = VirtualPath::root().child(b"everybodys").unwrap();
    let mut writer = storage.create(&path, WriteMode::Replace).unwrap();
    assert_eq!(writer.remains(), Remains::Overwritten);
    writer.write_all(b"new").unwrap();
    writer.finish().unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"new");
    assert_eq!(fs::metadata(&file).unwrap().uid(), 0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Knows one password, and remembers what it was asked.
#[derive(Clone, Default)]
struct Remembering(Arc<Mutex<Vec<Asked>>>);

/// A name and a password.
type Asked = (String, Vec<u8>);

impl AccountCheck for Remembering {
    fn authenticate(&self, user: &UserName, password: &Secret, _: IpAddr) -> Result<(), CheckError> {
        self.0.lock().unwrap().push((user.to_string(), password.expose().to_vec()));
        let right = password.equals(PASSWORD.as_bytes());
        if right { Ok(()) } else { Err(CheckError::Refused("wrong".to_owned())) }
    }

    fn is_usable(&self, user: &UserName, _: IpAddr) -> Result<(), CheckError> {
        self.0.lock().unwrap().push((user.to_string(), Vec::new()));
        Ok(())
    }
}

fn attempt(name: &str, password: &str) -> LoginAttempt {
    LoginAttempt {
        user: name.parse().unwrap(),
        password: password.into(),
        peer: "192.0.2.1:1025".parse().unwrap(),
        local: "192.0.2.2:21".parse().unwrap(),
        secure: true,
        certificate: None,
    }
}

#[test]
fn whoever_may_not_log_in_takes_as_long_as_a_wrong_password() {
    let (account, own) = (Account::new(), Account::new());
    let check = Remembering::default();
    let options = SystemOptions { rejected: vec!["root".parse().unwrap()], ..SystemOptions::default() };
    let mut users = SystemUsers::new(options, check.clone()).unwrap();
    let credential = Some(Credential::Plain("own".into()));
    users.override_user(own.name.parse().unwrap(), UserOverride { credential, ..UserOverride::default() }).unwrap();
    for (name, password) in [("root", PASSWORD), ("no-such-account", PASSWORD), (&own.name, PASSWORD)] {
        assert_eq!(users.authenticate(&attempt(name, password)).err(), Some(AuthError::Rejected));
        let asked = check.0.lock().unwrap().pop().unwrap();
        assert_eq!(asked.0, name);
        assert!(asked.1.len() == 40 && asked.1 != PASSWORD.as_bytes(), "its password is nobody's");
    }
    assert!(users.authenticate(&attempt(&account.name, PASSWORD)).is_ok());
    assert_eq!(check.0.lock().unwrap().pop(), Some((account.name.clone(), PASSWORD.as_bytes().to_vec())));
    assert!(users.authenticate(&attempt(&own.name, "own")).is_ok());
    assert_eq!(check.0.lock().unwrap().pop(), Some((own.name.clone(), Vec::new())), "it still has to be usable");
}

#[test]
fn a_home_that_cannot_be_entered_lets_nobody_in() {
    let account = Account::new();
    std::os::unix::fs::chown(&account.home, Some(0), Some(0)).unwrap();
    for filesystem in [Filesystem::Unix, Filesystem::Home] {
        let options = SystemOptions { filesystem, ..SystemOptions::default() };
        let users = SystemUsers::new(options, Remembering::default()).unwrap();
        assert_eq!(users.authenticate(&attempt(&account.name, PASSWORD)).err(), Some(AuthError::Unavailable));
    }
}
