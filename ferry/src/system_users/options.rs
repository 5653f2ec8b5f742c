//! What the section says, as the library takes it.

use ftp_fs::Credential;
use ftp_fs::system::{self, SystemOptions, UserOverride};
use ftp_types::UserName;

use crate::config::{self, Filesystem, SystemUser, SystemUsers};

/// Why they cannot be offered.
pub(crate) const REFUSAL: Option<&str> = None;

pub(crate) fn check_allowed(users: &SystemUsers, name: &UserName) -> Result<(), String> {
    options(users).check_allowed(name).map_err(|error| error.to_string())
}

pub(crate) fn check_rejected(users: &SystemUsers, name: &UserName) -> Result<(), String> {
    options(users).check_listed(name).map_err(|error| error.to_string())
}

pub(crate) fn check_anonymous(users: &SystemUsers, name: &UserName) -> Result<(), String> {
    options(users).check_anonymous(name).map_err(|error| error.to_string())
}

pub(crate) fn check_user(users: &SystemUsers, user: &SystemUser) -> Result<(), String> {
    options(users).check_override(&user.name, &different(user)).map_err(|error| error.to_string())
}

pub(super) fn options(users: &SystemUsers) -> SystemOptions {
    let defaults = SystemOptions::default();
    SystemOptions {
        permissions: users.perm,
        allowed: users.allowed.clone(),
        rejected: users.rejected.clone(),
        require_valid_shell: users.require_valid_shell,
        anonymous_user: users.anonymous_user.clone(),
        filesystem: match users.filesystem {
            Filesystem::Unix => system::Filesystem::Unix,
            Filesystem::Home => system::Filesystem::Home,
        },
        login_message: users.login_message.clone().unwrap_or(defaults.login_message),
        quit_message: users.quit_message.clone().unwrap_or(defaults.quit_message),
    }
}

pub(super) fn different(user: &SystemUser) -> UserOverride {
    // To the account, zero is "no limit", and none "as the server".
    let limit = |own: Option<Option<u64>>| own.map(Option::unwrap_or_default);
    let config::Limits { read, write, total_read, total_write } = user.limits;
    UserOverride {
        credential: user.credential.as_ref().map(|credential| match credential {
            config::Credential::Password(password) => Credential::Plain(password.clone()),
            config::Credential::Hash(hash) => Credential::Hash(hash.clone()),
            config::Credential::Certificate => Credential::None,
        }),
        home: user.home.clone(),
        permissions: user.perm,
        login_message: user.login_message.clone(),
        quit_message: user.quit_message.clone(),
        read_limit: limit(read),
        write_limit: limit(write),
        total_read_limit: limit(total_read),
        total_write_limit: limit(total_write),
    }
}
