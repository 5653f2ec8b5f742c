//! Who of the machine's accounts gets in, by names that every Linux has.

use std::path::PathBuf;
use std::thread;

use ftp_types::{Permissions, Right};
use futures_lite::future::block_on;
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

use super::*;
use crate::password::tests::VERIFIED;
use crate::system::credentials::tests::can_be_anybody;
use crate::{Unblock, UserView};

/// Knows nobody's password, and says so.
struct Stranger(CheckError);

impl AccountCheck for Stranger {
    fn authenticate(&self, _: &UserName, _: &Secret, _: IpAddr) -> Result<(), CheckError> {
        Err(self.0.clone())
    }

    fn is_usable(&self, _: &UserName, _: IpAddr) -> Result<(), CheckError> {
        Ok(())
    }
}

fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

/// Whatever the process may do.
fn users() -> SystemUsers {
    users_of(CheckError::Refused("wrong".to_owned()))
}

fn users_of(said: CheckError) -> SystemUsers {
    let options = SystemOptions { require_valid_shell: false, ..SystemOptions::default() };
    let (rejected_ids, overrides, decoys) = (HashSet::new(), HashMap::new(), Decoys::default());
    SystemUsers { options, check: Arc::new(Stranger(said)), rejected_ids, overrides, decoys }
}

fn with_hash(hash: &str) -> UserOverride {
    UserOverride { credential: Some(Credential::Hash(hash.to_owned())), ..UserOverride::default() }
}

fn attempt(user: &str, password: &str) -> LoginAttempt {
    let (peer, local) = ("192.0.2.1:1025".parse().unwrap(), "192.0.2.2:21".parse().unwrap());
    let (user, password) = (name(user), Secret::from(password));
    LoginAttempt { user, password, peer, local, secure: true, certificate: None }
}

/// What a wrong password is answered.
fn told(users: &SystemUsers, user: &str) -> AuthError {
    users.authenticate(&attempt(user, "wrong")).unwrap_err()
}

/// The costs of the verifications that a wrong password takes, sorted.
fn work(users: &SystemUsers, user: &str) -> Vec<String> {
    VERIFIED.take();
    assert_eq!(told(users, user), AuthError::Rejected);
    let mut work = VERIFIED.take();
    work.sort_unstable();
    work
}

#[test]
fn a_wrong_password_costs_the_same_for_those_with_a_hash_of_their_own_and_all_others() {
    let mut users = users();
    assert!(work(&users, "nobody").is_empty());
    let bcrypt = "$2b$04$abcdefghijklmnopqrstuu9TZCje2SiNZlD32yso8m7CjQBbfb7i.";
    users.override_user(name("root"), with_hash(bcrypt)).unwrap();
    users.override_user(name("daemon"), with_hash("$5$Xy./9z$cYffGY9CQb/SpTtuixJwLoG0y8oSnH6Q336HNEMCxPD")).unwrap();
    let all = work(&users, "no-such-account");
    assert_eq!(all.len(), 2);
    for name in ["root", "daemon", "nobody"] {
        assert_eq!(work(&users, name), all, "{name}");
    }
    // What nobody has any more is verified no more.
    let credential = Some(Credential::Plain(Secret::from("x")));
    users.override_user(name("daemon"), UserOverride { credential, ..UserOverride::default() }).unwrap();
    assert_eq!(work(&users, "nobody").len(), 1);
    assert_eq!(work(&users, "daemon").len(), 1);
}

#[test]
fn another_spelling_of_a_name_is_no_way_round_what_is_different_for_it() {
    let mut users = users();
    let read = UserOverride { permissions: Some(Permissions::READ), ..UserOverride::default() };
    users.override_user(name("nobody"), read).unwrap();
    let nobody = existing(&name("nobody")).unwrap();
    let permissions = |spelt: &str| users.different(&name(spelt), &nobody).and_then(|found| found.permissions);
    assert_eq!(permissions("nobody"), Some(Permissions::READ));
    assert_eq!(permissions("NOBODY"), Some(Permissions::READ));
    let other = existing(&name("root")).unwrap();
    assert!(users.different(&name("root"), &other).is_none());
    // The account behind anonymous sessions is not the one that logs in by its name.
    assert!(users.different(&name("anonymous"), &nobody).is_none());
}

#[test]
fn a_machine_that_cannot_tell_tells_no_names() {
    let mut users = users_of(CheckError::Failed("no such service".to_owned()));
    let credential = Some(Credential::Plain(Secret::from("x")));
    users.override_user(name("daemon"), UserOverride { credential, ..UserOverride::default() }).unwrap();
    for name in ["nobody", "daemon", "no-such-account"] {
        assert_eq!(told(&users, name), AuthError::Unavailable, "{name}");
    }
}

/// Knows one password of everybody, and can tell of nobody whether their account is usable.
struct Forgetful;

impl AccountCheck for Forgetful {
    fn authenticate(&self, _: &UserName, password: &Secret, _: IpAddr) -> Result<(), CheckError> {
        if password.equals(b"machine's") { Ok(()) } else { Err(CheckError::Refused("wrong".to_owned())) }
    }

    fn is_usable(&self, _: &UserName, _: IpAddr) -> Result<(), CheckError> {
        Err(CheckError::Failed("no answer".to_owned()))
    }
}

fn with(credential: Credential) -> UserOverride {
    UserOverride { credential: Some(credential), ..UserOverride::default() }
}

/// Whose password it is, or what the client is told.
fn proved(users: &SystemUsers, user: &str, password: &str) -> Result<u32, AuthError> {
    users.prove(&attempt(user, password)).map(|user| user.uid.as_raw()).map_err(|refusal| refusal.told())
}

#[test]
fn a_credential_of_ones_own_takes_the_place_of_the_machines() {
    let mut users = users();
    users.check = Arc::new(Forgetful);
    assert_eq!(proved(&users, "root", "machine's"), Ok(0));
    assert_eq!(proved(&users, "root", "own"), Err(AuthError::Rejected));
    users = self::users();
    let sha256 = "$5$Xy./9z$cYffGY9CQb/SpTtuixJwLoG0y8oSnH6Q336HNEMCxPD";
    for (credential, right) in [
        (Credential::Plain(Secret::from("correct horse")), Ok(0)),
        (Credential::Hash(sha256.to_owned()), Ok(0)),
        (Credential::Any, Ok(0)),
        (Credential::None, Err(AuthError::Rejected)),
    ] {
        let wrong = if matches!(credential, Credential::Any) { Ok(0) } else { Err(AuthError::Rejected) };
        let shown = format!("{credential:?}");
        users.override_user(name("root"), with(credential)).unwrap();
        assert_eq!(proved(&users, "root", "correct horse"), right, "{shown}");
        assert_eq!(proved(&users, "root", "correct horsf"), wrong, "{shown}");
    }
}

#[test]
fn an_account_has_to_be_usable_whatever_proves_it() {
    let mut users = users();
    users.check = Arc::new(Forgetful);
    users.override_user(name("root"), with(Credential::Plain(Secret::from("own")))).unwrap();
    assert_eq!(proved(&users, "root", "own"), Err(AuthError::Unavailable));
    assert_eq!(proved(&users, "root", "machine's"), Err(AuthError::Rejected), "it has one of its own");
}

#[test]
fn who_is_rejected_is_so_by_any_name_and_who_has_no_shell_by_the_machine() {
    let mut users = users();
    assert!(users.serves(&name("root")) && users.serves(&name("nobody")));
    assert!(!users.serves(&name("no-such-account")) && !users.serves(&name("anonymous")));
    let uid = existing(&name("nobody")).unwrap().uid.as_raw();
    users.rejected_ids.insert(uid);
    assert!(!users.serves(&name("nobody")));
    users.options.rejected.push(name("root"));
    assert!(!users.serves(&name("root")));
    users.options.anonymous_user = Some(name("root"));
    assert!(users.serves(&name("anonymous")) && users.serves(&name("ftp")));

    let mut users = self::users();
    users.options.require_valid_shell = true;
    let served = |account: &str| users.serves(&name(account));
    let has_shell = |account: &str| shells::is_valid(&existing(&name(account)).unwrap().shell);
    for account in ["root", "nobody", "daemon"] {
        assert_eq!(served(account), has_shell(account), "{account}");
    }
}

#[test]
fn the_log_says_why_somebody_was_refused() {
    let said = [
        Refusal::NotAllowed,
        Refusal::Unknown,
        Refusal::InvalidShell,
        Refusal::Failed(io::Error::other("no answer")),
        Refusal::from(CheckError::Refused("wrong".to_owned())),
        Refusal::from(CheckError::Failed("no such service".to_owned())),
    ]
    .map(|refusal| (refusal.to_string(), refusal.told()));
    let expected = [
        ("not allowed, or rejected", AuthError::Rejected),
        ("no such account", AuthError::Rejected),
        ("no valid shell", AuthError::Rejected),
        ("looking it up: no answer", AuthError::Unavailable),
        ("wrong", AuthError::Rejected),
        ("the machine cannot tell: no such service", AuthError::Unavailable),
    ];
    assert_eq!(said, expected.map(|(words, told)| (words.to_owned(), told)));
}

#[test]
fn who_is_anonymous_needs_an_account_that_serves_them() {
    let mut users = users();
    assert_eq!(told(&users, "anonymous"), AuthError::NoAnonymous);
    users.options.anonymous_user = Some(name("no-such-account"));
    assert_eq!(told(&users, "anonymous"), AuthError::Unavailable);
}

#[test]
fn a_home_is_a_place_on_the_machine() {
    assert_eq!(virtual_path(Path::new("/home/alice")).unwrap(), VirtualPath::parse(b"/home/alice").unwrap());
    for home in ["", "home/alice", &format!("/{}", "x/".repeat(8000))] {
        assert_eq!(virtual_path(Path::new(home)).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}

#[test]
fn a_process_that_can_act_as_nobody_else_offers_no_accounts() {
    let without = thread::spawn(|| {
        let needed = CapabilitySet::SETUID | CapabilitySet::SETGID;
        let own = capabilities(None).unwrap();
        let (effective, permitted) = (own.effective - needed, own.permitted - needed);
        set_capabilities(None, CapabilitySets { effective, permitted, ..own }).unwrap();
        SystemUsers::new(users().options, Forgetful).map(drop)
    });
    assert!(matches!(without.join().unwrap(), Err(SystemUsersError::NotRoot)));
}

/// Runs the work on the spot.
#[derive(Clone)]
struct Inline;

impl Unblock for Inline {
    async fn unblock<T, F>(&self, work: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        work()
    }
}

/// As [`SystemUsers::new`] says; none where the process can act as nobody else, which is what it says then.
fn offered(options: SystemOptions) -> Option<SystemUsers> {
    match SystemUsers::new(options, Stranger(CheckError::Refused("wrong".to_owned()))) {
        Ok(users) => can_be_anybody().then_some(users),
        Err(error) => {
            assert!(matches!(error, SystemUsersError::NotRoot) && !can_impersonate().unwrap(), "{error}");
            None
        }
    }
}

/// Where a session of root, with this home, starts; and whether there is a file `mine`.
fn session(options: SystemOptions, user: &str, home: &Path) -> Option<Result<(String, bool), AuthError>> {
    let mut users = offered(options)?;
    let home = Some(home.to_owned());
    let anonymous = name(user).is_anonymous();
    let credential = (!anonymous).then_some(Credential::Any);
    users.override_user(name(user), UserOverride { credential, home, ..UserOverride::default() }).unwrap();
    let account = match users.authenticate(&attempt(user, "")) {
        Ok(account) => account,
        Err(error) => return Some(Err(error)),
    };
    let expected = if anonymous { Permissions::READ } else { Permissions::ALL };
    assert_eq!(account.permissions.base(), expected);
    let file = account.start.child(b"mine").unwrap();
    let found = block_on(UserView::new(&account, Inline).stat(&file, Right::List)).is_ok();
    Some(Ok((String::from_utf8(account.start.as_bytes().to_vec()).unwrap(), found)))
}

#[test]
fn who_is_let_in_sees_the_machine_from_their_home_on_or_the_home_alone() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("mine"), "content").unwrap();
    let options = |filesystem| SystemOptions { filesystem, ..users().options };
    for (filesystem, user, start) in [
        (Filesystem::Unix, "root", home.path().to_str().unwrap()),
        (Filesystem::Home, "root", "/"),
        // They see nothing but that, whatever others see.
        (Filesystem::Unix, "anonymous", "/"),
    ] {
        let options = SystemOptions { anonymous_user: Some(name("root")), ..options(filesystem) };
        if let Some(session) = session(options, user, home.path()) {
            assert_eq!(session, Ok((start.to_owned(), true)), "{filesystem:?} {user}");
        }
    }
    for nowhere in [home.path().join("mine"), home.path().join("nothing"), PathBuf::from("relative")] {
        if let Some(session) = session(options(Filesystem::Unix), "root", &nowhere) {
            assert_eq!(session, Err(AuthError::Unavailable), "{}", nowhere.display());
        }
    }
}

#[test]
fn what_is_rejected_by_name_is_rejected_by_id() {
    let rejected = vec![name("nobody")];
    if let Some(users) = offered(SystemOptions { rejected, ..users().options }) {
        assert_eq!(users.rejected_ids, HashSet::from([existing(&name("nobody")).unwrap().uid.as_raw()]));
    }
}

#[test]
fn no_process_is_seen_by_who_is_served_under_their_own_ids() {
    let Some(mut users) = offered(users().options) else { return };
    users.override_user(name("root"), with(Credential::Any)).unwrap();
    let account = users.authenticate(&attempt("root", "")).unwrap();
    let own = fs::read_link("/proc/self").unwrap();
    let status =
        VirtualPath::parse(b"/proc").unwrap().join(own.as_os_str().as_bytes()).unwrap().child(b"status").unwrap();
    let view = UserView::new(&account, Inline);
    assert_eq!(block_on(view.open(&status, 0)).err(), Some(ftp_types::FsError::Refused));
}

#[test]
fn nothing_becomes_different_for_who_is_none() {
    let mut users = users();
    let unknown = users.override_user(name("no-such-account"), with(Credential::Any));
    assert!(matches!(unknown, Err(SystemUsersError::Unknown(_))), "{unknown:?}");
    let empty = users.override_user(name("root"), UserOverride::default());
    assert!(matches!(empty, Err(SystemUsersError::NothingOverridden(_))), "{empty:?}");
    let hash = users.override_user(name("root"), with_hash("no hash"));
    assert!(matches!(hash, Err(SystemUsersError::Hash(..))), "{hash:?}");
    assert!(users.overrides.is_empty());
}
