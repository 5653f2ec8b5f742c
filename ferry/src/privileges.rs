//! What the process may do: giving up root, and how many files it may have open. Unix only.

#[cfg(target_os = "linux")]
mod keeping;

use std::fmt;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{self, Uid, User};

/// Why the process cannot become another user.
#[derive(Debug, PartialEq, Eq)]
pub enum PrivilegesError {
    /// No user has that name.
    NoSuchUser(String),
    /// Only root can become another user.
    NotRoot(String),
    /// The system refused.
    System(String, &'static str, nix::Error),
}

impl fmt::Display for PrivilegesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchUser(user) => write!(f, "server.user: this machine has no user {user:?}"),
            Self::NotRoot(user) => {
                write!(f, "server.user: only root can become {user:?}; start as root or drop the key")
            }
            Self::System(user, step, error) => write!(f, "server.user: cannot become {user:?}: {step}: {error}"),
        }
    }
}

impl std::error::Error for PrivilegesError {}

#[cfg(target_os = "linux")]
pub use keeping::become_user_keeping;

/// Becomes another user for good: its id, its group and its supplementary groups. To be called before there are threads
/// and after everything is bound that needs root. A process that is that user already is left as it is.
///
/// # Errors
/// As [`PrivilegesError`] says. The process must not go on then.
pub fn become_user(name: &str) -> Result<(), PrivilegesError> {
    let system = |step| move |error| PrivilegesError::System(name.to_owned(), step, error);
    let user = look_up(name)?;
    if user.uid == Uid::effective() && user.uid == Uid::current() && !user.uid.is_root() {
        return Ok(());
    }
    if !Uid::effective().is_root() {
        return Err(PrivilegesError::NotRoot(name.to_owned()));
    }
    // Groups first: without root they cannot be changed any more.
    set_groups(&user).map_err(system("groups"))?;
    unistd::setgid(user.gid).map_err(system("group"))?;
    unistd::setuid(user.uid).map_err(system("user"))?;
    if !user.uid.is_root() && unistd::setuid(Uid::from_raw(0)).is_ok() {
        return Err(PrivilegesError::System(name.to_owned(), "root could be taken back", nix::Error::EPERM));
    }
    Ok(())
}

fn look_up(name: &str) -> Result<User, PrivilegesError> {
    let user =
        User::from_name(name).map_err(|error| PrivilegesError::System(name.to_owned(), "looking it up", error))?;
    user.ok_or_else(|| PrivilegesError::NoSuchUser(name.to_owned()))
}

#[cfg(not(target_vendor = "apple"))]
fn set_groups(user: &User) -> nix::Result<()> {
    let name = std::ffi::CString::new(user.name.as_bytes()).map_err(|_| nix::Error::EINVAL)?;
    unistd::initgroups(&name, user.gid)
}

/// The library has no safe way to set groups there, and keeping root's is no option.
#[cfg(target_vendor = "apple")]
fn set_groups(user: &User) -> nix::Result<()> {
    if user.uid.is_root() { Ok(()) } else { Err(nix::Error::ENOTSUP) }
}

/// Raises the number of files that may be open as far as the system lets everybody: sessions need up to five each, one of them for a record.
/// Returns the number in force.
///
/// # Errors
/// What the system says.
pub fn raise_open_files() -> nix::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(hard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_user_is_named() {
        let error = become_user("no-such-user-here").unwrap_err();
        assert_eq!(error.to_string(), "server.user: this machine has no user \"no-such-user-here\"");
    }

    #[test]
    fn the_limit_of_open_files_is_the_hard_one() {
        let raised = raise_open_files().unwrap();
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (raised, raised));
    }
}
