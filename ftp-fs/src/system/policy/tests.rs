//! What is said of accounts, whoever the machine has.

use std::error::Error;

use super::*;
use crate::MemoryFs;

fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

fn path(text: &str) -> VirtualPath {
    VirtualPath::try_from(text).unwrap()
}

/// With sessions for anonymous, which no account of the machine is asked about.
fn options() -> SystemOptions {
    SystemOptions {
        permissions: "elrw".parse().unwrap(),
        anonymous_user: Some(name("whoever")),
        login_message: "Hello.".to_owned(),
        quit_message: "Bye.".to_owned(),
        ..SystemOptions::default()
    }
}

#[test]
fn any_single_thing_is_a_difference() {
    let nothing = UserOverride::default;
    let check = |different: &UserOverride| options().check_override(&name("anonymous"), different);
    assert!(matches!(check(&nothing()), Err(SystemUsersError::NothingOverridden(_))));
    for different in [
        UserOverride { home: Some("/srv".into()), ..nothing() },
        UserOverride { permissions: Some(Permissions::NONE), ..nothing() },
        UserOverride { login_message: Some(String::new()), ..nothing() },
        UserOverride { quit_message: Some(String::new()), ..nothing() },
        UserOverride { read_limit: Some(0), ..nothing() },
        UserOverride { write_limit: Some(0), ..nothing() },
        UserOverride { total_read_limit: Some(0), ..nothing() },
        UserOverride { total_write_limit: Some(0), ..nothing() },
    ] {
        assert!(check(&different).is_ok(), "{different:?}");
    }
    let with_password = UserOverride { credential: Some(Credential::None), ..nothing() };
    assert!(matches!(check(&with_password), Err(SystemUsersError::AnonymousPassword)));
}

#[test]
fn an_account_is_as_for_all_but_for_what_is_different() {
    let account = |user: &str, different: &UserOverride| {
        let files = (Storage::blocking(MemoryFs::new()), path("/home"));
        options().account(&name(user), different, files)
    };
    let usual = account("alice", &UserOverride::default());
    assert_eq!((usual.user, usual.start), (name("alice"), path("/home")));
    assert_eq!(usual.permissions.base().to_string(), "elrw");
    assert_eq!((&*usual.login_message, &*usual.quit_message), ("Hello.", "Bye."));
    assert_eq!(
        (usual.read_limit, usual.write_limit, usual.total_read_limit, usual.total_write_limit),
        (None, None, None, None)
    );
    assert_eq!(account("anonymous", &UserOverride::default()).permissions.base(), Permissions::READ);

    let different = UserOverride {
        permissions: Some(Permissions::NONE),
        login_message: Some("Welcome.".to_owned()),
        quit_message: Some("See you.".to_owned()),
        read_limit: Some(1),
        write_limit: Some(2),
        total_read_limit: Some(3),
        total_write_limit: Some(4),
        ..UserOverride::default()
    };
    for user in ["alice", "anonymous"] {
        let own = account(user, &different);
        assert_eq!(own.permissions.base(), Permissions::NONE, "{user}");
        assert_eq!((&*own.login_message, &*own.quit_message), ("Welcome.", "See you."), "{user}");
        assert_eq!((own.read_limit, own.write_limit), (Some(1), Some(2)), "{user}");
        assert_eq!((own.total_read_limit, own.total_write_limit), (Some(3), Some(4)), "{user}");
    }
}

#[test]
fn lists_let_in_who_is_allowed_or_not_rejected() {
    let allows = |allowed: &[&str], rejected: &[&str], user: &str| {
        let [allowed, rejected] = [allowed, rejected].map(|names| names.iter().map(|text| name(text)).collect());
        SystemOptions { allowed, rejected, ..options() }.allows(&name(user))
    };
    assert!(allows(&[], &[], "alice"));
    assert!(allows(&["bob", "alice"], &[], "alice") && !allows(&["bob"], &[], "alice"));
    assert!(allows(&[], &["bob"], "alice") && !allows(&[], &["bob", "alice"], "alice"));
}

#[test]
fn each_mistake_has_its_words() {
    let alice = || name("alice");
    let failed = || io::Error::other("no answer");
    for (error, words) in [
        (SystemUsersError::NotRoot, "super user privileges are required to act as other users"),
        (SystemUsersError::MutuallyExclusive, "allowed and rejected users are mutually exclusive"),
        (SystemUsersError::InvalidName(alice()), "invalid username \"alice\""),
        (SystemUsersError::Unknown(alice()), "this machine has no user \"alice\""),
        (SystemUsersError::NoHome(alice()), "user \"alice\" has no home directory"),
        (SystemUsersError::InvalidShell(alice()), "user \"alice\" has no valid shell, one of /etc/shells"),
        (SystemUsersError::NothingOverridden(alice()), "nothing is different for user \"alice\""),
        (SystemUsersError::NotAllowed(alice()), "\"alice\" is not an allowed user"),
        (SystemUsersError::AnonymousPassword, "anonymous sessions have no password"),
        (
            SystemUsersError::OwnPassword(alice()),
            "user \"alice\" can have no password but the machine's: it takes that to act as them",
        ),
        (SystemUsersError::NoCommonRoot, "the files of this machine have no common root; offer the homes"),
        (
            SystemUsersError::AnonymousLogon(alice(), failed()),
            "user \"alice\" cannot log on for anonymous sessions: no answer",
        ),
        (
            SystemUsersError::Hash(alice(), InvalidHash::Incomplete),
            "user \"alice\": a password hash without salt or without hash",
        ),
        (SystemUsersError::System(failed()), "looking up accounts: no answer"),
    ] {
        assert_eq!(error.to_string(), words);
        assert!(error.source().is_none(), "{words}: all is said");
    }
}
