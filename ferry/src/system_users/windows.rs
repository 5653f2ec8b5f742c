//! Accounts of Windows.

use ftp_fs::system::{SystemUsersError, WindowsUsers};
use ftp_types::Secret;

use super::options::{different, options};
use crate::config::{Filesystem, SystemUsers};

pub(crate) fn check_service(_: &str) -> Result<(), String> {
    Err("there is no PAM on Windows".to_owned())
}

pub(crate) fn check_filesystem(filesystem: Filesystem) -> Result<(), String> {
    match filesystem {
        Filesystem::Unix => Err(SystemUsersError::NoCommonRoot.to_string()),
        Filesystem::Home => Ok(()),
    }
}

pub(crate) const fn check_anonymous_password(_: &Secret) -> Result<(), String> {
    Ok(())
}

/// The accounts of the machine, ready to log in.
pub(crate) type Machine = WindowsUsers;

/// Makes the accounts ready to log in.
///
/// # Errors
/// Why that cannot be, in words.
pub(crate) fn offer(users: &SystemUsers) -> Result<Machine, String> {
    let offered = WindowsUsers::new(options(users), users.anonymous_password.clone());
    let mut offered = offered.map_err(|error| error.to_string())?;
    for user in &users.users {
        offered.override_user(user.name.clone(), different(user)).map_err(|error| error.to_string())?;
    }
    Ok(offered)
}
