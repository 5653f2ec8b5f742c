//! Who of the machine's accounts may log in, and what they get: what is said of it, on any system.

use std::fmt;
use std::io;
use std::path::PathBuf;

use ftp_types::{Permissions, UserName, VirtualPath};

use super::machine;
use crate::{Account, Credential, HashedPassword, InvalidHash, Storage};

/// Which part of the machine's files a user sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filesystem {
    /// All of them: the paths are those of the machine, and the session starts in the home directory. Not on Windows,
    /// whose files have no common root.
    Unix,
    /// Those in the home directory, which is the root.
    Home,
}

/// Who may log in, and what they get if nothing else is said for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemOptions {
    /// What they may do.
    pub permissions: Permissions,
    /// Who may log in; none: everybody.
    pub allowed: Vec<UserName>,
    /// Who may not.
    pub rejected: Vec<UserName>,
    /// Whether only those with a shell of `/etc/shells` may. Windows has no shells, and nobody is refused for theirs.
    pub require_valid_shell: bool,
    /// The account that serves anonymous sessions; none: there are none. They only ever see its home, to read.
    pub anonymous_user: Option<UserName>,
    /// What they see.
    pub filesystem: Filesystem,
    /// Text of the reply to a good login.
    pub login_message: String,
    /// Text of the reply to QUIT.
    pub quit_message: String,
}

impl Default for Filesystem {
    /// Everything, where that is one tree.
    fn default() -> Self {
        if cfg!(windows) { Self::Home } else { Self::Unix }
    }
}

impl Default for SystemOptions {
    fn default() -> Self {
        Self {
            permissions: Permissions::ALL,
            allowed: Vec::new(),
            rejected: Vec::new(),
            require_valid_shell: true,
            anonymous_user: None,
            filesystem: Filesystem::default(),
            login_message: "Login successful.".to_owned(),
            quit_message: "Goodbye.".to_owned(),
        }
    }
}

/// What is different for one user. What is not given is as for the others.
#[derive(Clone, Debug, Default)]
pub struct UserOverride {
    /// What proves them, in place of the machine's password.
    pub credential: Option<Credential>,
    /// Their home, in place of the account's.
    pub home: Option<PathBuf>,
    /// What they may do.
    pub permissions: Option<Permissions>,
    /// Text of the reply to a good login.
    pub login_message: Option<String>,
    /// Text of the reply to QUIT.
    pub quit_message: Option<String>,
    /// Bytes per second that one transfer may receive; as in [`Account`].
    pub read_limit: Option<u64>,
    /// Bytes per second that one transfer may send.
    pub write_limit: Option<u64>,
    /// Bytes per second that all of their transfers together may receive.
    pub total_read_limit: Option<u64>,
    /// Bytes per second that all of their transfers together may send.
    pub total_write_limit: Option<u64>,
}

/// Why accounts of the machine cannot be offered as asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum SystemUsersError {
    /// The process can act as nobody else: super user privileges are required.
    NotRoot,
    /// Some are allowed and some rejected.
    MutuallyExclusive,
    /// The anonymous user cannot be in a list.
    InvalidName(UserName),
    /// This machine has no such account.
    Unknown(UserName),
    /// The account for anonymous sessions has no home directory.
    NoHome(UserName),
    /// The account has no shell of `/etc/shells`.
    InvalidShell(UserName),
    /// An override without anything in it.
    NothingOverridden(UserName),
    /// An override for somebody who cannot log in.
    NotAllowed(UserName),
    /// An override with a password for anonymous sessions, which need none.
    AnonymousPassword,
    /// An override with a password in place of the machine's, where that password alone makes a process act as the
    /// account: on Windows.
    OwnPassword(UserName),
    /// The files of the machine are to be seen as one tree, which they are not on Windows.
    NoCommonRoot,
    /// The account for anonymous sessions cannot log on.
    AnonymousLogon(UserName, io::Error),
    /// A password hash is none.
    Hash(UserName, InvalidHash),
    /// The machine could not be asked.
    System(io::Error),
}

impl SystemOptions {
    /// Tells whether somebody can be in one of the lists.
    ///
    /// # Errors
    /// [`SystemUsersError::InvalidName`], [`SystemUsersError::Unknown`] and [`SystemUsersError::System`].
    pub fn check_listed(&self, name: &UserName) -> Result<(), SystemUsersError> {
        if name.as_str() == ANONYMOUS {
            Err(SystemUsersError::InvalidName(name.clone()))
        } else {
            machine::check_exists(name)
        }
    }

    /// Tells whether somebody can be in the list of those who may log in.
    ///
    /// # Errors
    /// As for [`check_listed`](Self::check_listed), and [`SystemUsersError::InvalidShell`].
    pub fn check_allowed(&self, name: &UserName) -> Result<(), SystemUsersError> {
        if name.is_anonymous() {
            return Err(SystemUsersError::InvalidName(name.clone()));
        }
        machine::check_shell(self, name)
    }

    /// Tells whether an account can serve anonymous sessions. Its shell does not matter.
    ///
    /// # Errors
    /// [`SystemUsersError::Unknown`], [`SystemUsersError::NoHome`] and [`SystemUsersError::System`].
    pub fn check_anonymous(&self, name: &UserName) -> Result<(), SystemUsersError> {
        machine::check_home(name)
    }

    /// Tells whether something can be different for that user; `anonymous` stands for the anonymous sessions.
    ///
    /// # Errors
    /// As [`SystemUsersError`] says.
    pub fn check_override(&self, name: &UserName, different: &UserOverride) -> Result<(), SystemUsersError> {
        if different.is_empty() {
            return Err(SystemUsersError::NothingOverridden(name.clone()));
        }
        if name.is_anonymous() {
            return match (&self.anonymous_user, &different.credential) {
                (None, _) => Err(SystemUsersError::NotAllowed(name.clone())),
                (Some(_), Some(_)) => Err(SystemUsersError::AnonymousPassword),
                (Some(_), None) => Ok(()),
            };
        }
        if !self.allows(name) {
            return Err(SystemUsersError::NotAllowed(name.clone()));
        }
        self.check_allowed(name)?;
        if cfg!(windows) && different.credential.is_some() {
            return Err(SystemUsersError::OwnPassword(name.clone()));
        }
        if let Some(Credential::Hash(hash)) = &different.credential {
            hash.parse::<HashedPassword>().map_err(|error| SystemUsersError::Hash(name.clone(), error))?;
        }
        Ok(())
    }

    /// Whether the lists let them log in.
    pub(super) fn allows(&self, name: &UserName) -> bool {
        let has = |names: &[UserName]| names.iter().any(|listed| machine::is_same(listed, name));
        !has(&self.rejected) && (self.allowed.is_empty() || has(&self.allowed))
    }

    pub(super) fn check(&self) -> Result<(), SystemUsersError> {
        if !self.allowed.is_empty() && !self.rejected.is_empty() {
            return Err(SystemUsersError::MutuallyExclusive);
        }
        self.rejected.iter().try_for_each(|name| self.check_listed(name))?;
        self.allowed.iter().try_for_each(|name| self.check_allowed(name))?;
        self.anonymous_user.iter().try_for_each(|name| self.check_anonymous(name))
    }

    /// The account of somebody whose files these are.
    pub(super) fn account(&self, name: &UserName, different: &UserOverride, files: (Storage, VirtualPath)) -> Account {
        let permissions = if name.is_anonymous() { Permissions::READ } else { self.permissions };
        let message = |own: &Option<String>, others: &String| own.as_ref().unwrap_or(others).clone();
        let (storage, start) = files;
        Account::new(name.clone(), storage, different.permissions.unwrap_or(permissions))
            .with_start(start)
            .with_messages(
                message(&different.login_message, &self.login_message),
                message(&different.quit_message, &self.quit_message),
            )
            .with_limits(different.read_limit, different.write_limit)
            .with_total_limits(different.total_read_limit, different.total_write_limit)
    }
}

impl UserOverride {
    fn is_empty(&self) -> bool {
        let Self { credential, home, permissions, login_message, quit_message, .. } = self;
        let limits = [self.read_limit, self.write_limit, self.total_read_limit, self.total_write_limit];
        credential.is_none()
            && home.is_none()
            && permissions.is_none()
            && login_message.is_none()
            && quit_message.is_none()
            && limits == [None; 4]
    }
}

pub(super) const ANONYMOUS: &str = "anonymous";

impl fmt::Display for SystemUsersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRoot => f.write_str("super user privileges are required to act as other users"),
            Self::MutuallyExclusive => f.write_str("allowed and rejected users are mutually exclusive"),
            Self::InvalidName(name) => write!(f, "invalid username {:?}", name.as_str()),
            Self::Unknown(name) => write!(f, "this machine has no user {:?}", name.as_str()),
            Self::NoHome(name) => write!(f, "user {:?} has no home directory", name.as_str()),
            Self::InvalidShell(name) => {
                write!(f, "user {:?} has no valid shell, one of /etc/shells", name.as_str())
            }
            Self::NothingOverridden(name) => write!(f, "nothing is different for user {:?}", name.as_str()),
            Self::NotAllowed(name) => write!(f, "{:?} is not an allowed user", name.as_str()),
            Self::AnonymousPassword => f.write_str("anonymous sessions have no password"),
            Self::OwnPassword(name) => {
                write!(
                    f,
                    "user {:?} can have no password but the machine's: it takes that to act as them",
                    name.as_str()
                )
            }
            Self::NoCommonRoot => f.write_str("the files of this machine have no common root; offer the homes"),
            Self::AnonymousLogon(name, error) => {
                write!(f, "user {:?} cannot log on for anonymous sessions: {error}", name.as_str())
            }
            Self::Hash(name, error) => write!(f, "user {:?}: {error}", name.as_str()),
            Self::System(error) => write!(f, "looking up accounts: {error}"),
        }
    }
}

impl std::error::Error for SystemUsersError {}

#[cfg(test)]
mod tests;
