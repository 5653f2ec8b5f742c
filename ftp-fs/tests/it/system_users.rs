//! Which accounts of the machine can be offered, by names that every Linux has.

use std::net::IpAddr;

use ftp_fs::Credential;
use ftp_fs::system::{AccountCheck, CheckError, SystemOptions, SystemUsers, SystemUsersError, UserOverride};
use ftp_types::{Permissions, Secret, UserName};

use crate::common::user;

/// Lets nobody in.
struct Nobody;

impl AccountCheck for Nobody {
    fn authenticate(&self, _: &UserName, _: &Secret, _: IpAddr) -> Result<(), CheckError> {
        Err(CheckError::Refused("nobody gets in".to_owned()))
    }

    fn is_usable(&self, _: &UserName, _: IpAddr) -> Result<(), CheckError> {
        Ok(())
    }
}

fn error(options: SystemOptions) -> String {
    SystemUsers::new(options, Nobody).map(drop).unwrap_err().to_string()
}

fn any_shell() -> SystemOptions {
    SystemOptions { require_valid_shell: false, ..SystemOptions::default() }
}

#[test]
fn lists_are_judged_before_the_process() {
    let names = |names: &[&str]| names.iter().map(|name| user(name)).collect::<Vec<_>>();
    assert_eq!(
        error(SystemOptions { allowed: names(&["root"]), rejected: names(&["nobody"]), ..any_shell() }),
        "allowed and rejected users are mutually exclusive"
    );
    for list in ["allowed", "rejected"] {
        let with = |name: &str| match list {
            "allowed" => SystemOptions { allowed: names(&["root", name]), ..any_shell() },
            _ => SystemOptions { rejected: names(&["root", name]), ..any_shell() },
        };
        assert_eq!(error(with("anonymous")), "invalid username \"anonymous\"");
        assert_eq!(error(with("no-such-user")), "this machine has no user \"no-such-user\"");
    }
    assert_eq!(
        error(SystemOptions { anonymous_user: Some(user("no-such-user")), ..any_shell() }),
        "this machine has no user \"no-such-user\""
    );
}

/// Debian's `nobody` has neither; others may have given it either.
#[test]
fn shell_and_home_have_to_be_there() {
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let shells = std::fs::read_to_string("/etc/shells").unwrap_or_else(|_| nobody.shell.display().to_string());
    let has_shell = shells.lines().any(|line| line.trim() == nobody.shell.as_os_str());
    let checked = SystemOptions::default().check_allowed(&user("nobody"));
    assert_eq!(checked.is_ok(), has_shell);
    assert!(has_shell || matches!(checked, Err(SystemUsersError::InvalidShell(_))));
    assert!(any_shell().check_allowed(&user("nobody")).is_ok());
    let checked = SystemOptions::default().check_anonymous(&user("nobody"));
    assert_eq!(checked.is_ok(), nobody.dir.is_dir());
    assert!(nobody.dir.is_dir() || matches!(checked, Err(SystemUsersError::NoHome(_))));
}

#[test]
fn what_is_different_for_a_user_has_to_make_a_difference() {
    let different = UserOverride { permissions: Some(Permissions::READ), ..UserOverride::default() };
    let error = |options: &SystemOptions, name: &str, different: &UserOverride| {
        options.check_override(&user(name), different).unwrap_err().to_string()
    };
    let options = SystemOptions { rejected: vec![user("root")], ..any_shell() };
    assert!(options.check_override(&user("nobody"), &different).is_ok());
    assert_eq!(error(&options, "nobody", &UserOverride::default()), "nothing is different for user \"nobody\"");
    assert_eq!(error(&options, "root", &different), "\"root\" is not an allowed user");
    assert_eq!(error(&options, "no-such-user", &different), "this machine has no user \"no-such-user\"");
    assert_eq!(error(&options, "anonymous", &different), "\"anonymous\" is not an allowed user");
    let listed = SystemOptions { allowed: vec![user("root")], ..any_shell() };
    assert_eq!(error(&listed, "nobody", &different), "\"nobody\" is not an allowed user");
    let served = SystemOptions { anonymous_user: Some(user("root")), ..any_shell() };
    assert!(served.check_override(&user("anonymous"), &different).is_ok());
    let with = |credential| UserOverride { credential: Some(credential), ..UserOverride::default() };
    assert_eq!(
        error(&served, "anonymous", &with(Credential::Plain("x".into()))),
        "anonymous sessions have no password"
    );
    let error = error(&options, "nobody", &with(Credential::Hash("x".to_owned())));
    assert!(error.starts_with("user \"nobody\": "), "{error}");
}

#[test]
fn only_accounts_that_there_are_can_be_in_a_list() {
    let options = any_shell();
    assert!(options.check_listed(&user("root")).is_ok());
    assert!(matches!(options.check_listed(&user("no-such-user")), Err(SystemUsersError::Unknown(_))));
}
