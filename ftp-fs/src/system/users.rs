//! Accounts of this machine: who of them may log in, and what they get.

use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::fmt;
use std::fs;
use std::io;
use std::iter;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use ftp_types::{Secret, UserName, VirtualPath};
use nix::unistd::{User, getgrouplist};

use super::policy::ANONYMOUS;
use super::{
    Credentials, Filesystem, Impersonated, SystemOptions, SystemUsersError, UserOverride, can_impersonate,
    impersonating, shells,
};
use crate::decoys::Decoys;
use crate::{Account, AuthError, BlockingAuthenticator, Credential, HashedPassword, LocalFs, LoginAttempt, Storage};

/// Judges logins by the accounts of this machine. Their files are used under their ids and groups, whoever the process
/// runs as.
///
/// An account can log in if it is allowed (or the list of those is empty), not rejected, and has a shell of
/// `/etc/shells` (where there is such a file); and if the machine says that the password is right and the account
/// usable. Whoever cannot log in at all learns nothing else than whoever has a wrong password, and it takes as long.
///
/// To reject a name is to reject its user id: other names for the same id are rejected as well.
pub struct SystemUsers {
    options: SystemOptions,
    check: Arc<dyn AccountCheck>,
    rejected_ids: HashSet<u32>,
    overrides: HashMap<UserName, UserOverride>,
    /// Those of the overrides' hashes.
    decoys: Decoys,
}

/// Knows the passwords of the machine.
pub trait AccountCheck: Send + Sync + 'static {
    /// Tells whether this is the password of the account, and the account may be used.
    ///
    /// # Errors
    /// As [`CheckError`] says.
    fn authenticate(&self, user: &UserName, password: &Secret, peer: IpAddr) -> Result<(), CheckError>;
    /// Tells whether the account may be used, whatever its password.
    ///
    /// # Errors
    /// As [`CheckError`] says.
    fn is_usable(&self, user: &UserName, peer: IpAddr) -> Result<(), CheckError>;
}

/// Why a check did not come out well; for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckError {
    /// The password is wrong, or the account locked, expired or unknown.
    Refused(String),
    /// The machine could not tell.
    Failed(String),
}

impl SystemUsers {
    /// Offers the accounts, whose passwords `check` knows.
    ///
    /// # Errors
    /// As [`SystemUsersError`] says: what is wrong with the options first, [`SystemUsersError::NotRoot`] last.
    pub fn new(options: SystemOptions, check: impl AccountCheck) -> Result<Self, SystemUsersError> {
        options.check()?;
        let rejected_ids = options.rejected.iter().map(|name| Ok(existing(name)?.uid.as_raw()));
        let rejected_ids = rejected_ids.collect::<Result<_, SystemUsersError>>()?;
        if !can_impersonate().map_err(SystemUsersError::System)? {
            return Err(SystemUsersError::NotRoot);
        }
        Ok(Self { options, check: Arc::new(check), rejected_ids, overrides: HashMap::new(), decoys: Decoys::default() })
    }

    /// Makes something different for one user, in place of what was different before; `anonymous` stands for the
    /// anonymous sessions.
    ///
    /// # Errors
    /// As for [`SystemOptions::check_override`].
    pub fn override_user(&mut self, name: UserName, different: UserOverride) -> Result<(), SystemUsersError> {
        self.options.check_override(&name, &different)?;
        let name = if name.is_anonymous() { anonymous() } else { name };
        if let Some(hash) = hash_of(&different) {
            self.decoys.add(&Arc::new(hash));
        }
        if let Some(hash) = self.overrides.insert(name, different).as_ref().and_then(hash_of) {
            self.decoys.remove(&hash);
        }
        Ok(())
    }

    /// Whether there is an account that this name logs in to. Where the machine cannot tell, as when its directory
    /// service is down, nobody is known to be gone.
    #[must_use]
    pub fn serves(&self, name: &UserName) -> bool {
        if name.is_anonymous() {
            return self.options.anonymous_user.is_some();
        }
        self.find(name).map_or_else(|refusal| matches!(refusal, Refusal::Failed(_)), |_| true)
    }

    /// The account of somebody who may log in, if the password is right.
    fn find(&self, name: &UserName) -> Result<User, Refusal> {
        let options = &self.options;
        if !options.allows(name) {
            return Err(Refusal::NotAllowed);
        }
        let user = User::from_name(name.as_str()).map_err(|error| Refusal::Failed(error.into()))?;
        let user = user.ok_or(Refusal::Unknown)?;
        if self.rejected_ids.contains(&user.uid.as_raw()) {
            return Err(Refusal::NotAllowed);
        }
        if has_needed_shell(options, &user) { Ok(user) } else { Err(Refusal::InvalidShell) }
    }

    /// Takes as long for those who cannot log in as for those who can, and do not know their password.
    fn prove(&self, attempt: &LoginAttempt) -> Result<User, Refusal> {
        let LoginAttempt { user: name, password, .. } = attempt;
        let peer = attempt.peer.ip();
        let user = match self.find(name) {
            Ok(user) => user,
            Err(refusal) => return Err(self.refuse_slowly(attempt, None, refusal)),
        };
        let Some(credential) = self.different(name, &user).and_then(|different| different.credential.as_ref()) else {
            let judged = self.check.authenticate(name, password, peer);
            judged.inspect_err(|_| self.decoys.verify(password, None))?;
            return Ok(user);
        };
        let (is_proof, verified) = prove_by(credential, password);
        if !is_proof {
            let refusal = Refusal::Check(CheckError::Refused("wrong password of its own".to_owned()));
            return Err(self.refuse_slowly(attempt, verified.as_ref(), refusal));
        }
        self.check.is_usable(name, peer)?;
        Ok(user)
    }

    /// Does the work of a wrong password: that of the machine, and that of an override, whatever hash it has. A machine
    /// that can tell of nobody refuses all alike.
    fn refuse_slowly(&self, attempt: &LoginAttempt, verified: Option<&HashedPassword>, refusal: Refusal) -> Refusal {
        let nobodys: String = iter::repeat_with(fastrand::alphanumeric).take(40).collect();
        let judged = self.check.authenticate(&attempt.user, &Secret::from(&*nobodys), attempt.peer.ip());
        self.decoys.verify(&attempt.password, verified);
        match judged {
            Err(failed @ CheckError::Failed(_)) => failed.into(),
            _ => refusal,
        }
    }

    /// What is different for a user: by the name given, or else by the machine's own spelling of it, where the machine
    /// takes several. To spell a name otherwise is no way round an override.
    fn different(&self, name: &UserName, user: &User) -> Option<&UserOverride> {
        if name.is_anonymous() {
            return self.overrides.get(&anonymous());
        }
        self.overrides.get(name).or_else(|| self.overrides.get(&user.name.parse::<UserName>().ok()?))
    }

    fn serve(&self, name: &UserName, user: &User) -> io::Result<Account> {
        let anonymous = name.is_anonymous();
        let own = UserOverride::default();
        let different = self.different(name, user).unwrap_or(&own);
        let options = &self.options;
        let home = different.home.as_deref().unwrap_or(&user.dir);
        let filesystem = if anonymous { Filesystem::Home } else { options.filesystem };
        Ok(options.account(name, different, open(user, home, filesystem)?))
    }
}

impl BlockingAuthenticator for SystemUsers {
    fn authenticate(&self, attempt: &LoginAttempt) -> Result<Account, AuthError> {
        let LoginAttempt { user: name, peer, .. } = attempt;
        let user = match (name.is_anonymous(), &self.options.anonymous_user) {
            (true, None) => return Err(AuthError::NoAnonymous),
            (true, Some(serving)) => existing(serving).map_err(|error| {
                tracing::error!(%error, "the account for anonymous sessions cannot be had");
                AuthError::Unavailable
            })?,
            (false, _) => self.prove(attempt).map_err(|refusal| {
                tracing::info!(user = %name, %peer, reason = %refusal, "system account refused");
                refusal.told()
            })?,
        };
        self.serve(name, &user).map_err(|error| {
            tracing::error!(user = %name, %error, "the files of a system account cannot be had");
            AuthError::Unavailable
        })
    }
}

/// Opens the files of a user, as that user; and where the session starts in them.
fn open(user: &User, home: &Path, filesystem: Filesystem) -> io::Result<(Storage, VirtualPath)> {
    let identity = Arc::new(credentials(user)?);
    // To be asked for by the user, whose home may be closed to everybody else: one that cannot be entered is none.
    impersonating(&*identity, || fs::metadata(home.join(".")))??;
    let (root, start) = match filesystem {
        Filesystem::Home => (home, VirtualPath::root()),
        Filesystem::Unix => (Path::new("/"), virtual_path(home)?),
    };
    let files = Impersonated::open(identity, || Ok(LocalFs::open(root)?.without_processes()))?;
    Ok((Storage::blocking(files), start))
}

fn virtual_path(home: &Path) -> io::Result<VirtualPath> {
    let bytes = home.as_os_str().as_bytes();
    if !home.is_absolute() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the home directory is not an absolute path"));
    }
    VirtualPath::parse(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))
}

fn credentials(user: &User) -> io::Result<Credentials> {
    let name = CString::new(user.name.as_bytes())?;
    let groups = getgrouplist(&name, user.gid)?;
    Credentials::new(user.uid.as_raw(), user.gid.as_raw(), groups.into_iter().map(nix::unistd::Gid::as_raw))
}

pub(super) fn check_exists(name: &UserName) -> Result<(), SystemUsersError> {
    existing(name).map(drop)
}

pub(super) fn check_shell(options: &SystemOptions, name: &UserName) -> Result<(), SystemUsersError> {
    let user = existing(name)?;
    if has_needed_shell(options, &user) { Ok(()) } else { Err(SystemUsersError::InvalidShell(name.clone())) }
}

pub(super) fn check_home(name: &UserName) -> Result<(), SystemUsersError> {
    if existing(name)?.dir.is_dir() { Ok(()) } else { Err(SystemUsersError::NoHome(name.clone())) }
}

/// Whether two names are one to the lists.
pub(super) fn is_same(name: &UserName, other: &UserName) -> bool {
    name == other
}

fn has_needed_shell(options: &SystemOptions, user: &User) -> bool {
    !options.require_valid_shell || shells::is_valid(&user.shell)
}

fn existing(name: &UserName) -> Result<User, SystemUsersError> {
    let found = User::from_name(name.as_str()).map_err(|error| SystemUsersError::System(error.into()))?;
    found.ok_or_else(|| SystemUsersError::Unknown(name.clone()))
}

fn hash_of(different: &UserOverride) -> Option<HashedPassword> {
    match &different.credential {
        Some(Credential::Hash(hash)) => hash.parse().ok(),
        _ => None,
    }
}

/// Whether the password is right, and what was verified for it.
fn prove_by(credential: &Credential, password: &Secret) -> (bool, Option<HashedPassword>) {
    match credential {
        Credential::Plain(own) => (own == password, None),
        Credential::Hash(hash) => {
            hash.parse().map_or((false, None), |hash: HashedPassword| (hash.verify(password), Some(hash)))
        }
        Credential::Any => (true, None),
        Credential::None => (false, None),
    }
}

fn anonymous() -> UserName {
    ANONYMOUS.parse().expect("this is a user name")
}

/// Why somebody does not get in; for the log.
enum Refusal {
    NotAllowed,
    Unknown,
    InvalidShell,
    Failed(io::Error),
    Check(CheckError),
}

impl Refusal {
    fn told(&self) -> AuthError {
        match self {
            Self::Failed(_) | Self::Check(CheckError::Failed(_)) => AuthError::Unavailable,
            _ => AuthError::Rejected,
        }
    }
}

impl From<CheckError> for Refusal {
    fn from(error: CheckError) -> Self {
        Self::Check(error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed => f.write_str("not allowed, or rejected"),
            Self::Unknown => f.write_str("no such account"),
            Self::InvalidShell => f.write_str("no valid shell"),
            Self::Failed(error) => write!(f, "looking it up: {error}"),
            Self::Check(error) => write!(f, "{error}"),
        }
    }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => f.write_str(reason),
            Self::Failed(reason) => write!(f, "the machine cannot tell: {reason}"),
        }
    }
}

impl std::error::Error for CheckError {}

#[cfg(test)]
mod tests;
