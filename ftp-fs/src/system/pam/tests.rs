//! What is asked of PAM, and what its answers mean; the answers themselves depend on the machine.

use std::thread;

use rustix::process::{Uid, geteuid};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_thread_res_uid};

use super::*;
use crate::system::credentials::tests::can_be_anybody;

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

#[test]
fn a_service_has_the_name_of_a_file() {
    for good in ["ftp", "other", "my-ftp_2.0", ".x"] {
        assert!(Pam::new(good).is_ok(), "{good}");
    }
    for bad in ["", ".", "..", "a/b", "../passwd", "a b", "ä", "a\0"] {
        assert_eq!(Pam::new(bad).map(drop), Err(InvalidService), "{bad:?}");
    }
    let words = InvalidService.to_string();
    assert_eq!(words, "the name of a PAM service is made of letters, digits, \"-\", \"_\" and \".\"");
}

#[test]
fn the_modules_hear_the_password_when_they_ask_for_one_and_nothing_else() {
    let secret = Password(Some(Secret::from("hunter2")));
    assert_eq!(secret.masked_prompt("Password: "), Ok("hunter2".into()));
    assert_eq!(secret.prompt("One-time code: "), Err(ErrorCode::ConversationError));
    assert_eq!(Password(None).masked_prompt("Password: "), Err(ErrorCode::ConversationError));
}

#[test]
fn what_is_wrong_with_the_machine_is_no_wrong_password() {
    let failed = |error| matches!(meaning(error), CheckError::Failed(_));
    for machine in [
        ErrorCode::OpenError,
        ErrorCode::SymbolError,
        ErrorCode::ServiceError,
        ErrorCode::SystemError,
        ErrorCode::BufferError,
        ErrorCode::Abort,
    ] {
        assert!(failed(machine), "{machine}");
    }
    for login in [
        ErrorCode::AuthenticationError,
        ErrorCode::UserUnknown,
        ErrorCode::MaxTries,
        ErrorCode::AccountExpired,
        ErrorCode::NewAuthTokRequired,
        ErrorCode::PermissionDenied,
        ErrorCode::ConversationError,
    ] {
        assert!(!failed(login), "{login}");
    }
}

#[test]
fn a_password_with_a_nul_is_not_cut_at_it() {
    let refused = Pam::new("other").unwrap().authenticate(&name("root"), &Secret::new(b"right\0wrong"), PEER);
    assert_eq!(refused, Err(CheckError::Refused("a NUL in the password".to_owned())));
}

#[test]
fn an_account_that_is_none_is_usable_for_nobody() {
    let asked = Pam::new("other").unwrap().is_usable(&name("no-such-account"), PEER);
    assert!(asked.is_err());
}

/// The modules want to be root; who cannot be is not told what they would say.
#[test]
fn who_cannot_become_root_learns_nothing_from_the_machine() {
    let is_root = geteuid().is_root();
    if is_root && !can_be_anybody() {
        return;
    }
    let thread = thread::spawn(move || {
        let somebody = Uid::from_raw(42_424);
        let none = CapabilitySet::empty();
        if is_root {
            set_thread_res_uid(somebody, somebody, somebody).unwrap();
        }
        set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none }).unwrap();
        let (pam, root) = (Pam::new("other").unwrap(), name("root"));
        [pam.is_usable(&root, PEER), pam.authenticate(&root, &Secret::from("guess"), PEER)]
    });
    for asked in thread.join().unwrap() {
        assert!(matches!(asked, Err(CheckError::Failed(_))), "{asked:?}");
    }
}
