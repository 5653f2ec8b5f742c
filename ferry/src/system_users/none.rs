//! Where accounts of the machine cannot be offered: `[system_users]` is refused, so nothing else is ever asked.

use ftp_fs::{Account, AuthError, BlockingAuthenticator, LoginAttempt};
use ftp_types::{Secret, UserName};

use crate::config::{Filesystem, SystemUser, SystemUsers};

/// Why not.
pub(crate) const REFUSAL: Option<&str> = Some(if cfg!(target_os = "linux") {
    "this ferry was built without PAM, its feature `pam`"
} else {
    "accounts of the machine are offered on Linux and Windows alone, where threads have identities of their own"
});

pub(crate) fn check_allowed(_: &SystemUsers, _: &UserName) -> Result<(), String> {
    Ok(())
}

pub(crate) fn check_rejected(_: &SystemUsers, _: &UserName) -> Result<(), String> {
    Ok(())
}

pub(crate) fn check_anonymous(_: &SystemUsers, _: &UserName) -> Result<(), String> {
    Ok(())
}

pub(crate) fn check_service(_: &str) -> Result<(), String> {
    Ok(())
}

pub(crate) fn check_filesystem(_: Filesystem) -> Result<(), String> {
    Ok(())
}

pub(crate) fn check_anonymous_password(_: &Secret) -> Result<(), String> {
    Ok(())
}

pub(crate) fn check_user(_: &SystemUsers, _: &SystemUser) -> Result<(), String> {
    Ok(())
}

/// There is no such thing.
pub(crate) enum Machine {}

impl Machine {
    pub(crate) fn serves(&self, _: &UserName) -> bool {
        match *self {}
    }
}

impl BlockingAuthenticator for Machine {
    fn authenticate(&self, _: &LoginAttempt) -> Result<Account, AuthError> {
        match *self {}
    }
}

pub(crate) fn offer(_: &SystemUsers) -> Result<Machine, String> {
    Err(REFUSAL.unwrap_or_default().to_owned())
}
