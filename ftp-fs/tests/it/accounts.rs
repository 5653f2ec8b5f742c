//! Virtual users: adding them, logging in, overriding their rights.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::common::{Inline, path, rule, user};
use ftp_fs::{
    Account, AuthError, Authenticator, BlockingAuthenticator, CertificateLogin, ClientCertificate, Credential,
    InvalidHash, Lockout, LockoutPolicy, LoginAttempt, MemoryFs, NewUser, Offload, Storage, UserError, VirtualUsers,
    Warning, hash_password,
};
use ftp_types::{Permissions, Right, Secret};
use futures_lite::future::block_on;

fn memory() -> Storage {
    Storage::blocking(MemoryFs::new())
}

fn plain(password: &str) -> Credential {
    Credential::Plain(Secret::from(password))
}

fn attempt(name: &str, password: &str) -> LoginAttempt {
    let peer: SocketAddr = "192.0.2.1:1025".parse().unwrap();
    let local = "192.0.2.2:21".parse().unwrap();
    LoginAttempt { user: user(name), password: Secret::from(password), peer, local, secure: false, certificate: None }
}

fn login(users: &impl BlockingAuthenticator, name: &str, password: &str) -> Result<Account, AuthError> {
    users.authenticate(&attempt(name, password))
}

fn rejected(result: Result<Account, AuthError>) -> bool {
    result.err() == Some(AuthError::Rejected)
}

#[test]
fn names_are_case_sensitive_and_passwords_have_to_match() {
    let users = VirtualUsers::new();
    let alice = NewUser::new(user("alice"), plain("secret"), memory()).letters("elw").messages("Hello.", "Bye.");
    assert_eq!(users.add(alice.limits(Some(1), None).total_limits(None, Some(2))).unwrap(), None);
    let account = login(&users, "alice", "secret").unwrap();
    assert_eq!((account.total_read_limit, account.total_write_limit), (None, Some(2)));
    assert_eq!(account.permissions.base().to_string(), "elw");
    assert_eq!((&*account.login_message, &*account.quit_message), ("Hello.", "Bye."));
    assert_eq!((account.read_limit, account.write_limit), (Some(1), None));
    for (name, password) in [("alice", ""), ("alice", "Secret"), ("alice", "secret "), ("Alice", "secret")] {
        assert!(rejected(login(&users, name, password)), "{name} {password}");
    }
}

#[test]
fn hashed_passwords_work_and_broken_hashes_are_found_at_once() {
    let users = VirtualUsers::new();
    let hash = hash_password(&Secret::from("secret"));
    users.add(NewUser::new(user("alice"), Credential::Hash(hash), memory())).unwrap();
    users.add(NewUser::new(user("bob"), plain("plain"), memory())).unwrap();
    assert!(login(&users, "alice", "secret").is_ok());
    assert!(login(&users, "bob", "plain").is_ok());
    for (name, password) in [("alice", "wrong"), ("bob", "secret"), ("nobody", "secret")] {
        assert!(rejected(login(&users, name, password)), "{name}");
    }
    let broken = users.add(NewUser::new(user("carol"), Credential::Hash("$1$abc".into()), memory()));
    assert!(matches!(broken, Err(UserError::Hash(InvalidHash::Malformed | InvalidHash::UnknownScheme))), "{broken:?}");
}

#[test]
fn anonymous_and_ftp_log_in_with_any_password() {
    let users = VirtualUsers::new();
    assert_eq!(login(&users, "anonymous", "me@").err(), Some(AuthError::NoAnonymous));
    assert_eq!(users.add_anonymous(memory(), Permissions::READ).unwrap(), None);
    for name in ["anonymous", "ftp"] {
        assert_eq!(login(&users, name, "").unwrap().user, user(name));
    }
    assert!(rejected(login(&users, "AnoNymouS", "me@")));
    assert!(rejected(login(&users, "FTP", "")));
}

#[test]
fn anonymous_with_a_letter_that_writes_is_worth_a_warning() {
    let writing = "elrw".parse().unwrap();
    assert_eq!(VirtualUsers::new().add_anonymous(memory(), writing).unwrap(), Some(Warning::AnonymousMayWrite));
    let users = VirtualUsers::new();
    let home = MemoryFs::new();
    ftp_fs::BlockingBackend::make_directory(&home, &path("/inbox")).unwrap();
    let reading = users.add_anonymous(Storage::blocking(home), "elr".parse().unwrap()).unwrap();
    let inbox = users.override_permissions(&user("anonymous"), rule("/inbox", "ew", true)).unwrap();
    assert_eq!((reading, inbox), (None, Some(Warning::AnonymousMayWrite)));
    users
        .add(NewUser::new(user("alice"), plain("x"), memory()).letters("elrw"))
        .map(|none| assert_eq!(none, None))
        .unwrap();
}

#[test]
fn anonymous_needs_no_hash_beside_users_who_have_one() {
    let users = VirtualUsers::new();
    let hash = "$6$Xy./9z$pvPNDFcqYiGsqgXjvtb/R1xxjkCyW2MnR5eW.sBM0wsu.QYMoy72kYmijcQ4xWQzKx/mC8L70dJBmFITgfgUA0";
    users.add(NewUser::new(user("alice"), Credential::Hash(hash.into()), memory())).map(drop).unwrap();
    users.add(NewUser::anonymous(memory()).messages("Hello, guest.", "Bye.")).map(drop).unwrap();
    assert!(login(&users, "alice", "correct horse").is_ok());
    for password in ["", "guest@", "correct horse"] {
        assert_eq!(login(&users, "anonymous", password).unwrap().login_message, "Hello, guest.");
    }
    assert!(rejected(login(&users, "alice", "")));
}

#[test]
fn what_is_known_of_users_can_be_looked_up() {
    let home = tempfile::tempdir().unwrap();
    let users = VirtualUsers::new();
    let alice = NewUser::new(user("alice"), plain("x"), home.path()).letters("elw").messages("Hello.", "Bye.");
    users.add(alice.limits(Some(1), None)).map(drop).unwrap();
    users.add_anonymous(memory(), Permissions::READ).map(drop).unwrap();
    assert_eq!(users.names(), [user("alice"), user("anonymous")]);
    let more = VirtualUsers::new();
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"].map(user);
    names.iter().rev().for_each(|name| drop(more.add(NewUser::new(name.clone(), plain("x"), memory()))));
    assert_eq!(more.names(), names);
    assert!(users.get(&user("bob")).is_none() && users.get(&user("ftp")).is_none());
    assert!(users.serves(&user("alice")) && users.serves(&user("ftp")) && !users.serves(&user("bob")));

    let alice = users.get(&user("alice")).unwrap();
    assert_eq!(alice.home, Some(home.path().canonicalize().unwrap()));
    assert_eq!((&*alice.account.login_message, &*alice.account.quit_message), ("Hello.", "Bye."));
    assert_eq!(alice.account.read_limit, Some(1));
    assert_eq!(alice.account.permissions.base().to_string(), "elw");
    assert!(
        alice.account.permissions.base().allows(Right::Store)
            && !alice.account.permissions.base().allows(Right::Delete)
    );
    assert_eq!(users.get(&user("anonymous")).unwrap().home, None);
}

#[test]
fn overrides_can_be_listed_and_taken_back() {
    let storage = MemoryFs::new();
    ftp_fs::BlockingBackend::make_directory(&storage, &path("/in")).unwrap();
    let users = VirtualUsers::new();
    users.add(NewUser::new(user("alice"), plain("x"), Storage::blocking(storage))).map(drop).unwrap();
    users.override_permissions(&user("alice"), rule("/in", "w", true)).map(drop).unwrap();
    let rules = || users.get(&user("alice")).unwrap().account.permissions;
    assert_eq!(rules().overrides(), [rule("/in", "w", true)]);
    assert!(rules().at(&path("/in/x"), false).allows(Right::Store));
    let session = login(&users, "alice", "x").unwrap();
    assert!(users.remove_override(&user("alice"), &path("/in")).unwrap());
    assert!(!users.remove_override(&user("alice"), &path("/in")).unwrap());
    assert!(rules().overrides().is_empty());
    assert_eq!(session.permissions.overrides().len(), 1, "a session keeps what it got");
    assert!(matches!(users.remove_override(&user("bob"), &path("/in")), Err(UserError::Unknown(_))));
}

#[test]
#[cfg(unix)]
fn a_home_may_be_a_link() {
    let site = tempfile::tempdir().unwrap();
    let (real, link) = (site.path().join("real"), site.path().join("link"));
    std::fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink("real", &link).unwrap();
    let users = VirtualUsers::new();
    users.add(NewUser::new(user("alice"), plain("x"), link).letters("elw")).map(drop).unwrap();
    assert_eq!(users.get(&user("alice")).unwrap().home, Some(real.canonicalize().unwrap()));
    let view = ftp_fs::UserView::new(&login(&users, "alice", "x").unwrap(), Inline);
    crate::common::put(&view, "/file", "content").unwrap();
    assert_eq!(std::fs::read_to_string(real.join("file")).unwrap(), "content");
}

#[test]
fn mistakes_are_reported_in_their_order() {
    let users = VirtualUsers::new();
    let nowhere = Path::new("/nonexistent/home");
    let new = |home: &Path| NewUser::new(user("alice"), plain("x"), home).letters("elz");
    let error = users.add(new(nowhere)).unwrap_err();
    assert!(matches!(error, UserError::NoSuchHome(..)), "{error}");
    let home = tempfile::tempdir().unwrap();
    let error = users.add(new(home.path())).unwrap_err();
    assert!(matches!(error, UserError::Letter(letter) if letter.letter == 'z'));
    users.add(new(home.path()).letters("elr")).unwrap();
    let error = users.add(new(nowhere)).unwrap_err();
    assert_eq!(error.to_string(), "user 'alice' already exists");
}

#[test]
fn overrides_are_for_directories_that_exist_below_the_home() {
    let storage = MemoryFs::new();
    ftp_fs::BlockingBackend::make_directory(&storage, &path("/in")).unwrap();
    drop(ftp_fs::BlockingBackend::create(&storage, &path("/file"), ftp_types::WriteMode::Replace).unwrap());
    let users = VirtualUsers::new();
    users.add(NewUser::new(user("alice"), plain("x"), Storage::blocking(storage))).unwrap();
    let add = |name: &str, at: &str| users.override_permissions(&user(name), rule(at, "w", true));
    assert!(matches!(add("bob", "/in"), Err(UserError::Unknown(_))));
    assert!(matches!(add("alice", "/nothing"), Err(UserError::NoSuchDirectory(_))));
    assert!(matches!(add("alice", "/file"), Err(UserError::NoSuchDirectory(_))), "it is for directories");
    assert!(matches!(add("alice", "/"), Err(UserError::OverridesHome)));
    assert!(matches!(add("alice", "/in"), Ok(None)));
    let rules = login(&users, "alice", "x").unwrap().permissions;
    assert_eq!(rules.at(&path("/in/x"), false).to_string(), "w");
}

/// Nobody waits for it, so it is not asked what is there.
#[test]
fn an_override_in_storage_with_futures_is_taken_by_its_path() {
    let mounts = ftp_fs::Mounts::new(memory()).with(path("/in"), memory()).unwrap();
    let users = VirtualUsers::new();
    users.add(NewUser::new(user("alice"), plain("x"), Storage::Async(mounts.into_backend(Inline)))).unwrap();
    let add = |at: &str| users.override_permissions(&user("alice"), rule(at, "w", true));
    assert!(matches!(add("/"), Err(UserError::OverridesHome)));
    assert!(matches!(add("/anything"), Ok(None)));
    assert_eq!(login(&users, "alice", "x").unwrap().permissions.overrides(), [rule("/anything", "w", true)]);
}

#[test]
fn an_override_changes_nothing_of_what_proves_a_user() {
    let hash = "$5$Xy./9z$cYffGY9CQb/SpTtuixJwLoG0y8oSnH6Q336HNEMCxPD";
    let home = || {
        let storage = MemoryFs::new();
        ftp_fs::BlockingBackend::make_directory(&storage, &path("/in")).unwrap();
        Storage::blocking(storage)
    };
    let users = VirtualUsers::new();
    for (name, credential, right, wrong) in [
        ("plain", plain("correct horse"), true, false),
        ("hash", Credential::Hash(hash.to_owned()), true, false),
        ("any", Credential::Any, true, true),
        ("none", Credential::None, false, false),
    ] {
        users.add(NewUser::new(user(name), credential, home())).unwrap();
        users.override_permissions(&user(name), rule("/in", "elr", true)).unwrap();
        assert_eq!(login(&users, name, "correct horse").is_ok(), right, "{name}");
        assert_eq!(login(&users, name, "wrong").is_ok(), wrong, "{name}");
    }
}

#[test]
#[cfg(unix)]
fn an_override_given_by_a_link_guards_what_the_link_leads_to() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("real")).unwrap();
    std::os::unix::fs::symlink("real", home.path().join("link")).unwrap();
    std::os::unix::fs::symlink("/etc", home.path().join("out")).unwrap();
    let users = VirtualUsers::new();
    users.add(NewUser::new(user("alice"), plain("x"), home.path())).unwrap();
    assert!(users.override_permissions(&user("alice"), rule("/link", "", true)).is_ok());
    assert_eq!(login(&users, "alice", "x").unwrap().permissions.overrides()[0].path, path("/real"));
    let escaping = users.override_permissions(&user("alice"), rule("/out", "", true));
    assert!(matches!(escaping, Err(UserError::OverrideEscapes(_))));
}

#[test]
fn users_come_and_go_while_the_server_runs() {
    let users = VirtualUsers::new();
    users.add(NewUser::new(user("alice"), plain("old"), memory())).unwrap();
    let session = login(&users, "alice", "old").unwrap();
    assert_eq!(users.replace(NewUser::new(user("alice"), plain("new"), memory()).letters("w")).unwrap(), None);
    assert!(rejected(login(&users, "alice", "old")));
    assert!(login(&users, "alice", "new").is_ok());
    assert_eq!(session.permissions.base(), Permissions::READ, "a session keeps what it got");
    assert!(users.remove(&user("alice")));
    assert!(!users.remove(&user("alice")));
    assert!(!users.has(&user("alice")));
    assert!(rejected(login(&users, "alice", "new")));
}

#[test]
fn the_right_password_does_not_help_who_is_locked_out() {
    let users = VirtualUsers::new();
    users.add(NewUser::new(user("alice"), plain("x"), memory())).unwrap();
    users.add_anonymous(memory(), Permissions::READ).map(drop).unwrap();
    let policy = LockoutPolicy { failures: 2, window: Duration::from_secs(3600), addresses: 10 };
    let guarded = Lockout::new(users, policy);
    assert!(rejected(login(&guarded, "alice", "guess")));
    assert!(login(&guarded, "ftp", "").is_ok(), "and this does not forgive the guess");
    assert!(rejected(login(&guarded, "alice", "guess")));
    assert!(rejected(login(&guarded, "alice", "x")));
    guarded.set_policy(LockoutPolicy { failures: 3, ..policy });
    assert!(login(&guarded, "alice", "x").is_ok(), "two failures are not enough any more");
    guarded.set_policy(policy);
    assert!(rejected(login(&guarded, "alice", "x")), "and have not been forgotten");
}

/// All others are judged where that may take its time, so that none of them can be told from a name that nobody has.
#[test]
fn whoever_needs_no_password_is_let_in_at_once_and_nobody_else_is_judged_then() {
    let users = VirtualUsers::new();
    users.add_anonymous(memory(), Permissions::READ).map(drop).unwrap();
    let carol =
        NewUser::new(user("carol"), Credential::Any, memory()).certificate(certificate("carol's").fingerprint());
    users.add(carol.require_certificate(true)).unwrap();
    let hash = Credential::Hash(hash_password(&Secret::from("x")));
    for (name, credential) in [("alice", plain("x")), ("bob", hash), ("dora", Credential::None)] {
        users.add(NewUser::new(user(name), credential, memory())).unwrap();
    }
    let at_once = |name: &str, password: &str| users.authenticate_at_once(&attempt(name, password));
    assert_eq!(at_once("ftp", "any").unwrap().user, user("ftp"));
    for name in ["alice", "bob", "carol", "dora", "nobody"] {
        assert!(at_once(name, "x").is_none() && at_once(name, "y").is_none(), "{name}");
    }
    let shown = LoginAttempt { certificate: Some(certificate("carol's")), secure: true, ..attempt("carol", "any") };
    assert!(users.authenticate_at_once(&shown).is_some());
}

#[test]
fn nobody_is_let_in_at_once_from_an_address_that_is_locked_out() {
    let users = VirtualUsers::new();
    users.add_anonymous(memory(), Permissions::READ).map(drop).unwrap();
    let policy = LockoutPolicy { failures: 1, window: Duration::from_secs(3600), addresses: 10 };
    let guarded = Arc::new(Lockout::new(users, policy));
    assert!(guarded.authenticate_at_once(&attempt("ftp", "")).is_some());
    assert!(rejected(login(&guarded, "alice", "guess")));
    assert!(guarded.authenticate_at_once(&attempt("ftp", "")).is_none());
    assert!(rejected(login(&guarded, "ftp", "")));
}

#[test]
fn a_blocking_authenticator_is_an_async_one_through_offload() {
    let users = VirtualUsers::new();
    users.add(NewUser::new(user("alice"), plain("x"), memory())).unwrap();
    let inner: Arc<dyn BlockingAuthenticator> = Arc::new(users);
    let users: Arc<dyn Authenticator> = Arc::new(Offload::new(inner, Inline));
    assert!(block_on(users.authenticate(attempt("alice", "x"))).is_ok());
    assert!(rejected(block_on(users.authenticate(attempt("alice", "y")))));
}

/// A certificate of this name.
fn certificate(name: &str) -> ClientCertificate {
    ClientCertificate::new(name.as_bytes())
}

fn login_with(
    users: &impl BlockingAuthenticator,
    name: &str,
    password: &str,
    shown: &str,
) -> Result<Account, AuthError> {
    users.authenticate(&LoginAttempt { certificate: Some(certificate(shown)), secure: true, ..attempt(name, password) })
}

fn login_by(users: &impl BlockingAuthenticator, name: &str, shown: &str) -> Result<Account, AuthError> {
    let LoginAttempt { user, peer, local, .. } = attempt(name, "");
    users.authenticate_certificate(&CertificateLogin { user, certificate: certificate(shown), peer, local })
}

#[test]
fn certificates_alone_beside_a_password_or_in_place_of_one() {
    let users = VirtualUsers::new();
    let add = |name, credential, required, certificates: &[&str]| {
        let new = NewUser::new(user(name), credential, memory()).require_certificate(required);
        let fingerprints = certificates.iter().map(|name| certificate(name).fingerprint());
        users.add(fingerprints.fold(new, NewUser::certificate)).unwrap();
    };
    add("either", plain("secret"), false, &["one", "two"]);
    add("both", plain("secret"), true, &["one", "two"]);
    add("keyless", Credential::None, false, &["one"]);
    add("plain", plain("secret"), false, &[]);
    add("nobody", plain("secret"), true, &[]);
    add("anonymous", Credential::Any, true, &["one"]);
    // Who, and whether in by a certificate alone, by one and a password, by a password alone.
    for (name, alone, with_password, password) in [
        ("either", true, true, true),
        ("both", false, true, false),
        ("keyless", true, false, false),
        ("plain", false, true, true),
        ("nobody", false, false, false),
        ("anonymous", false, true, false),
        ("unknown", false, false, false),
    ] {
        assert_eq!(login_by(&users, name, "one").is_ok(), alone, "{name} alone");
        assert_eq!(login_with(&users, name, "secret", "one").is_ok(), with_password, "{name} with password");
        assert_eq!(login(&users, name, "secret").is_ok(), password, "{name} by password");
        assert!(rejected(login_by(&users, name, "three")), "{name} by another's");
        assert_eq!(login_with(&users, name, "secret", "three").is_ok(), password, "{name} with another's");
    }
    assert!(login_by(&users, "either", "two").is_ok() && login_with(&users, "both", "secret", "two").is_ok());
    assert!(rejected(login_with(&users, "either", "wrong", "one")));
    assert!(rejected(login_with(&users, "both", "wrong", "one")));
    // An override takes nothing away.
    users.override_permissions(&user("either"), rule("/", "elr", false)).unwrap_err();
    assert_eq!(login_by(&users, "either", "one").unwrap().user, user("either"));
}

#[test]
fn everything_around_an_authenticator_hands_certificates_on() {
    let users = VirtualUsers::new();
    let carol = NewUser::new(user("carol"), Credential::None, memory());
    users.add(carol.certificate(certificate("one").fingerprint())).unwrap();
    let policy = LockoutPolicy { failures: 1, ..LockoutPolicy::default() };
    let users = Arc::new(Lockout::new(users, policy));
    // A certificate that will not do counts for nothing, and a locked door is none for one that will.
    for _ in 0..3 {
        assert!(rejected(login_by(&users, "carol", "two")));
    }
    assert!(login_by(&users, "carol", "one").is_ok());
    assert!(rejected(login(&users, "carol", "guess")));
    let LoginAttempt { user, peer, local, .. } = attempt("carol", "");
    let login = CertificateLogin { user, certificate: certificate("one"), peer, local };
    let offload = Offload::new(users, Inline);
    assert!(block_on(offload.authenticate_certificate(login)).is_ok());
}

#[test]
fn an_authenticator_that_says_no_more_than_it_has_to_takes_no_certificates_and_lets_nobody_in_at_once() {
    struct Welcome;
    impl BlockingAuthenticator for Welcome {
        fn authenticate(&self, attempt: &LoginAttempt) -> Result<Account, AuthError> {
            Ok(Account::new(attempt.user.clone(), memory(), Permissions::READ))
        }
    }
    assert!(rejected(login_by(&Welcome, "alice", "one")));
    assert!(login_with(&Welcome, "alice", "", "one").is_ok());
    assert!(Welcome.authenticate_at_once(&attempt("alice", "")).is_none());
}
