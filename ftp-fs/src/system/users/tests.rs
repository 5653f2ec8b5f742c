//! Who of the machine's accounts gets in, by names that every Linux has.

use ftp_types::Permissions;

use super::*;
use crate::password::tests::VERIFIED;

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

/// What a wrong password is answered.
fn told(users: &SystemUsers, user: &str) -> AuthError {
    let (peer, local) = ("192.0.2.1:1025".parse().unwrap(), "192.0.2.2:21".parse().unwrap());
    let (user, password) = (name(user), Secret::from("wrong"));
    users.authenticate(&LoginAttempt { user, password, peer, local, secure: true, certificate: None }).unwrap_err()
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
