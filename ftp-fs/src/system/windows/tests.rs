//! What can be seen without an account to log on with: the one that the tests run as stands for all.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;

use ftp_types::{FsError, Permissions, WriteMode};

use super::token::own;
use super::*;
use crate::system::{Impersonate, impersonating};
use crate::{Credential, conformance};

const LOGON_FAILURE: i32 = 1326;
const LOCKED_OUT: i32 = 1909;
const LOGON_TYPE_NOT_GRANTED: i32 = 1385;
const NO_LOGON_SERVERS: i32 = 1311;

/// Everybody is who the tests run as, if the password is right.
fn log_self_on(account: &Sid, password: &Secret, _: Way) -> io::Result<Token> {
    let token = own::token();
    assert_eq!(*account, token.user().unwrap(), "the account that was named");
    match password.expose() {
        b"right" => Ok(token),
        b"locked" => Err(io::Error::from_raw_os_error(LOCKED_OUT)),
        b"nobody to ask" => Err(io::Error::from_raw_os_error(NO_LOGON_SERVERS)),
        _ => Err(io::Error::from_raw_os_error(LOGON_FAILURE)),
    }
}

fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

/// The name that the tests run under, which is the name of an account.
fn myself() -> UserName {
    name(&env::var("USERNAME").unwrap())
}

/// Another name of the same account. (Wine, unlike Windows, knows none by capital letters.)
fn myself_in_full() -> UserName {
    name(&format!("{}\\{}", env::var("COMPUTERNAME").unwrap(), myself()))
}

fn options(change: impl FnOnce(&mut SystemOptions)) -> SystemOptions {
    let mut options = SystemOptions::default();
    change(&mut options);
    options
}

fn offer(options: SystemOptions) -> Result<WindowsUsers, SystemUsersError> {
    WindowsUsers::with_logon(options, Secret::from("right"), log_self_on)
}

fn problem<T>(result: Result<T, SystemUsersError>) -> String {
    result.map(drop).unwrap_err().to_string()
}

fn log_in(users: &WindowsUsers, user: &UserName, password: &str) -> Result<Account, AuthError> {
    users.authenticate(&LoginAttempt {
        user: user.clone(),
        password: Secret::from(password),
        peer: "192.0.2.1:1025".parse().unwrap(),
        local: "192.0.2.2:21".parse().unwrap(),
        secure: true,
        certificate: None,
    })
}

fn in_home(home: &Path) -> UserOverride {
    UserOverride { home: Some(home.to_owned()), ..UserOverride::default() }
}

#[test]
fn names_of_one_account_are_one() {
    let own = own::token().user().unwrap();
    for spelt in [myself(), myself_in_full()] {
        assert_eq!(Sid::of(spelt.as_str()).unwrap(), Some(own), "{spelt}");
    }
    for none in ["no such account", "Everyone", "a\0b"] {
        assert!(!matches!(Sid::of(none), Ok(Some(_))), "{none:?}");
    }
}

#[test]
fn a_thread_acts_as_the_account_while_it_works_and_no_other_does() {
    let token = own::token();
    assert!(!own::is_acting());
    impersonating(&token, || {
        assert!(own::is_acting());
        thread::spawn(|| assert!(!own::is_acting())).join().unwrap();
    })
    .unwrap();
    assert!(!own::is_acting());
    token.terminate().unwrap();
}

#[test]
fn storage_used_as_an_account_is_storage() {
    let parent = tempfile::tempdir().unwrap();
    let mut count = 0;
    conformance::run(|| {
        count += 1;
        let home = parent.path().join(count.to_string());
        fs::create_dir(&home).unwrap();
        Impersonated::open(Arc::new(own::token()), || LocalFs::open(home)).unwrap()
    });
    assert!(!own::is_acting());
}

#[test]
fn who_has_the_password_gets_in_and_sees_the_home() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("file"), "content").unwrap();
    let mut users = offer(SystemOptions::default()).unwrap();
    users.override_user(myself(), in_home(home.path())).unwrap();
    // Under another spelling as well.
    let account = log_in(&users, &myself_in_full(), "right").unwrap();
    assert_eq!(account.permissions.base(), Permissions::ALL);
    let Storage::Blocking(files) = account.mounts.home().clone() else { panic!("it is the disk") };
    assert_eq!(files.stat(&"/file".try_into().unwrap()).unwrap().len, 7);
    assert!(matches!(files.create(&"/new/file".try_into().unwrap(), WriteMode::Replace), Err(FsError::NotFound)));
    assert!(!own::is_acting());
}

#[test]
fn the_home_is_the_profile_directory() {
    let profile = own::token().profile_directory().unwrap();
    assert_eq!(profile, Path::new(&env::var_os("USERPROFILE").unwrap()));
    let account = log_in(&offer(SystemOptions::default()).unwrap(), &myself(), "right").unwrap();
    fs::create_dir_all(profile.join("ferry-test-home")).unwrap();
    let Storage::Blocking(files) = account.mounts.home().clone() else { panic!("it is the disk") };
    assert!(files.stat(&"/ferry-test-home".try_into().unwrap()).unwrap().is_directory());
    fs::remove_dir(profile.join("ferry-test-home")).unwrap();
}

#[test]
fn a_refusal_and_a_failure_are_told_apart() {
    let users = offer(SystemOptions::default()).unwrap();
    let error = |user: &UserName, password| log_in(&users, user, password).unwrap_err();
    assert_eq!(error(&myself(), "wrong"), AuthError::Rejected);
    assert_eq!(error(&myself(), "locked"), AuthError::Rejected);
    assert_eq!(error(&myself(), "nobody to ask"), AuthError::Unavailable);
    assert_eq!(error(&name("no such account"), "right"), AuthError::Rejected);
    assert_eq!(error(&name("anonymous"), ""), AuthError::NoAnonymous);
}

#[test]
fn the_lists_hold_for_every_spelling_of_a_name() {
    let users = offer(options(|options| options.rejected = vec![myself()])).unwrap();
    for spelt in [myself(), myself_in_full()] {
        assert!(!users.serves(&spelt), "{spelt}");
        assert_eq!(log_in(&users, &spelt, "right").unwrap_err(), AuthError::Rejected);
    }
    let users = offer(options(|options| options.allowed = vec![myself_in_full()])).unwrap();
    assert!(users.serves(&myself()));
    assert!(!users.serves(&name("no such account")));
}

/// Nobody is let in from the network, as by a policy of the machine.
fn log_on_at_the_machine(account: &Sid, password: &Secret, way: Way) -> io::Result<Token> {
    match way {
        Way::FromNetwork => Err(io::Error::from_raw_os_error(LOGON_TYPE_NOT_GRANTED)),
        Way::Anyhow => log_self_on(account, password, way),
    }
}

#[test]
fn whom_the_machine_does_not_let_in_from_the_network_is_not_let_in() {
    let home = tempfile::tempdir().unwrap();
    let options = options(|options| options.anonymous_user = Some(myself()));
    let mut users = WindowsUsers::with_logon(options, Secret::from("right"), log_on_at_the_machine).unwrap();
    users.override_user(name("anonymous"), in_home(home.path())).unwrap();
    users.override_user(myself(), in_home(home.path())).unwrap();
    assert_eq!(log_in(&users, &myself(), "right").unwrap_err(), AuthError::Rejected);
    assert!(log_in(&users, &name("anonymous"), "me@example.org").is_ok());
}

#[test]
fn wrong_options_are_refused() {
    let nobody = || vec![name("no such account")];
    assert_eq!(problem(offer(options(|o| o.allowed = nobody()))), "this machine has no user \"no such account\"");
    assert_eq!(problem(offer(options(|o| o.rejected = nobody()))), "this machine has no user \"no such account\"");
    assert_eq!(
        problem(offer(options(|o| o.anonymous_user = nobody().pop()))),
        "this machine has no user \"no such account\""
    );
    assert_eq!(problem(offer(options(|o| o.rejected = vec![name("anonymous")]))), "invalid username \"anonymous\"");
    assert_eq!(
        problem(offer(options(|o| (o.allowed, o.rejected) = (vec![myself()], vec![myself()])))),
        "allowed and rejected users are mutually exclusive"
    );
    assert!(matches!(offer(options(|o| o.filesystem = Filesystem::Unix)), Err(SystemUsersError::NoCommonRoot)));
    let wrong = options(|o| o.anonymous_user = Some(myself()));
    let wrong = WindowsUsers::with_logon(wrong, Secret::from("wrong"), log_self_on);
    assert!(matches!(wrong, Err(SystemUsersError::AnonymousLogon(..))));
}

#[test]
fn wrong_overrides_are_refused() {
    let mut users = offer(options(|options| options.rejected = vec![myself()])).unwrap();
    let other = || UserOverride { permissions: Some(Permissions::READ), ..UserOverride::default() };
    let refused = problem(users.override_user(myself_in_full(), other()));
    assert!(refused.ends_with("is not an allowed user"), "{refused}");

    let mut users = offer(SystemOptions::default()).unwrap();
    let refused = problem(users.override_user(myself(), UserOverride::default()));
    assert!(refused.starts_with("nothing is different for user"), "{refused}");
    let refused = problem(users.override_user(name("no such account"), other()));
    assert_eq!(refused, "this machine has no user \"no such account\"");
    let refused = problem(users.override_user(name("anonymous"), other()));
    assert!(refused.ends_with("is not an allowed user"), "{refused}");
    let own_password = UserOverride { credential: Some(Credential::Any), ..UserOverride::default() };
    assert!(matches!(users.override_user(myself(), own_password.clone()), Err(SystemUsersError::OwnPassword(_))));

    let mut users = offer(options(|options| options.anonymous_user = Some(myself()))).unwrap();
    let refused = users.override_user(name("anonymous"), own_password);
    assert!(matches!(refused, Err(SystemUsersError::AnonymousPassword)));
}

#[test]
fn anonymous_sessions_are_served_by_their_account_and_may_read() {
    let home = tempfile::tempdir().unwrap();
    let mut users = offer(options(|options| options.anonymous_user = Some(myself()))).unwrap();
    users.override_user(name("anonymous"), in_home(home.path())).unwrap();
    for anonymous in ["anonymous", "ftp"] {
        let account = log_in(&users, &name(anonymous), "me@example.org").unwrap();
        assert_eq!(account.permissions.base(), Permissions::READ);
        let Storage::Blocking(files) = account.mounts.home().clone() else { panic!("it is the disk") };
        files.make_directory(&format!("/{anonymous}").as_str().try_into().unwrap()).unwrap();
        assert!(home.path().join(anonymous).is_dir());
    }
}

/// Wine says that every logon is good, and gives a token that is none: it must not count.
#[test]
fn a_token_that_is_none_lets_nobody_in() {
    let users = WindowsUsers::new(SystemOptions::default(), Secret::from("")).unwrap();
    assert!(log_in(&users, &myself(), "hardly the password of anybody").is_err());
    assert!(!own::is_acting());
}
