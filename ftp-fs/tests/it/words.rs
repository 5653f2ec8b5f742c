//! What embedders and operators read when something is wrong, and that no secret is among it.

use std::error::Error;

use ftp_fs::{
    Account, AuthError, ClientCertificate, Credential, Fingerprint, InvalidFingerprint, InvalidHash, LocalFs, MemoryFs,
    MountError, NewUser, Storage, UserError, VirtualUsers, Warning,
};
use ftp_types::{Permissions, Secret};

use crate::common::{path, rule, user};

fn memory() -> Storage {
    Storage::blocking(MemoryFs::new())
}

fn alice() -> NewUser {
    NewUser::new(user("alice"), Credential::Plain(Secret::from("secret")), memory())
}

/// The text of an error, and that of its cause if it has one.
fn words(error: &UserError) -> (String, Option<String>) {
    (error.to_string(), error.source().map(ToString::to_string))
}

fn wrong(new: NewUser) -> (String, Option<String>) {
    words(&VirtualUsers::new().add(new).expect_err("the user is wrong"))
}

#[test]
fn what_is_wrong_with_a_user() {
    let (said, cause) = wrong(NewUser::new(user("alice"), Credential::Hash("$1$x$y".into()), memory()));
    assert!(said.starts_with("unknown scheme of a password hash (known: argon2id"), "{said}");
    assert_eq!(cause, Some(said));
    let (said, cause) = wrong(NewUser::new(user("alice"), Credential::None, "/no/such/home"));
    assert!(said.starts_with("no such directory: '/no/such/home' (") && cause.is_some(), "{said}");
    let (said, cause) = wrong(alice().letters("elrX"));
    assert!(said.contains("'X'") && cause == Some(said.clone()), "{said}");
    let (said, cause) = wrong(alice().mount(path("/in"), memory()).mount(path("/in"), memory()));
    assert_eq!((said.as_str(), cause.as_deref()), (&*MountError::Taken.to_string(), Some(&*said)));
    let (said, _) = wrong(alice().mount(path("/"), memory()));
    assert_eq!(said, "nothing can be mounted over the home directory");
}

#[test]
#[cfg(unix)]
fn what_is_wrong_with_an_override() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("in")).unwrap();
    std::os::unix::fs::symlink("/", home.path().join("out")).unwrap();
    let users = VirtualUsers::new();
    let storage = Storage::blocking(LocalFs::open(home.path()).unwrap());
    assert_eq!(users.add(NewUser::new(user("alice"), Credential::Any, storage)).unwrap(), None);
    let refused = |name: &str, at: &str| {
        words(&users.override_permissions(&user(name), rule(at, "elr", true)).expect_err("the override is wrong"))
    };
    assert_eq!(refused("bob", "/in"), ("no such user: 'bob'".into(), None));
    assert_eq!(refused("alice", "/nothing"), ("no such directory: '/nothing'".into(), None));
    assert_eq!(refused("alice", "/"), ("can't override home directory permissions".into(), None));
    assert_eq!(refused("alice", "/out"), ("path escapes user home directory: '/out'".into(), None));
    assert!(users.override_permissions(&user("alice"), rule("/in", "elr", true)).is_ok());
}

#[test]
fn what_is_wrong_with_a_hash() {
    let said = [
        InvalidHash::Malformed,
        InvalidHash::UnknownScheme,
        InvalidHash::Incomplete,
        InvalidHash::Parameters,
        InvalidHash::TooCostly,
    ]
    .map(|error| error.to_string());
    let begins = [
        "not a password hash of the form $scheme$parameters$salt$hash",
        "unknown scheme of a password hash (known: argon2id, ",
        "a password hash without salt or without hash",
        "a password hash with parameters that its scheme does not have",
        "a password hash that takes too long to verify (at most: bcrypt with cost 16, ",
    ];
    for (said, begins) in said.iter().zip(begins) {
        assert!(said.starts_with(begins), "{said}");
    }
}

#[test]
fn a_warning_says_what_it_is_about() {
    let warning = VirtualUsers::new().add_anonymous(memory(), Permissions::ALL).unwrap();
    assert_eq!(warning, Some(Warning::AnonymousMayWrite));
    assert_eq!(warning.unwrap().to_string(), "write permissions assigned to anonymous user");
}

#[test]
fn why_nobody_was_let_in() {
    let said = [AuthError::Rejected, AuthError::NoAnonymous, AuthError::Unavailable].map(|error| error.to_string());
    let expected =
        ["wrong user name or password", "anonymous access is not allowed", "login is not possible at this moment"];
    assert_eq!(said, expected);
}

#[test]
fn no_secret_is_shown_by_what_has_one() {
    let account = Account::new(user("alice"), memory(), Permissions::READ).with_start(path("/home"));
    let shown = format!("{account:?}");
    assert!(shown.contains("alice") && shown.contains("/home"), "{shown}");
    for credential in [Credential::Plain(Secret::from("hunter2")), Credential::Hash("hunter2".into())] {
        assert!(!format!("{credential:?}").contains("hunter2"), "{credential:?}");
    }
    assert_eq!(format!("{:?} {:?}", Credential::Any, Credential::None), "Any None");
}

#[test]
fn fingerprints_are_shown_as_they_are_written() {
    let fingerprint = ClientCertificate::new(*b"abc").fingerprint();
    assert_eq!(format!("{fingerprint:?}"), fingerprint.to_string());
    let error = "BA:78".parse::<Fingerprint>().unwrap_err();
    assert_eq!(error, InvalidFingerprint);
    assert!(error.to_string().contains("64 hexadecimal digits"), "{error}");
}
