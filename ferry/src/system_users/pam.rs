//! Accounts of the machine by PAM.

use ftp_fs::system::{Pam, SystemUsers as Accounts};
use ftp_types::Secret;

use super::options::{different, options};
use crate::config::{Filesystem, SystemUsers};

pub(crate) fn check_service(service: &str) -> Result<(), String> {
    Pam::new(service).map(drop).map_err(|error| error.to_string())
}

pub(crate) const fn check_filesystem(_: Filesystem) -> Result<(), String> {
    Ok(())
}

pub(crate) fn check_anonymous_password(password: &Secret) -> Result<(), String> {
    if password.is_empty() { Ok(()) } else { Err("only on Windows does anonymous_user need one".to_owned()) }
}

/// The accounts of the machine, ready to log in.
pub(crate) type Machine = Accounts;

/// Makes the accounts ready to log in.
///
/// # Errors
/// Why that cannot be, in words.
pub(crate) fn offer(users: &SystemUsers) -> Result<Machine, String> {
    let pam = Pam::new(&users.pam_service).map_err(|error| error.to_string())?;
    let mut offered = Accounts::new(options(users), pam).map_err(|error| error.to_string())?;
    for user in &users.users {
        offered.override_user(user.name.clone(), different(user)).map_err(|error| error.to_string())?;
    }
    Ok(offered)
}
