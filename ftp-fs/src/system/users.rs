//! Accounts of this machine: who of them may log in, and what they get.

use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::fmt;
use std::fs;
use std::io;
use std::iter;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ftp_types::{Permissions, Secret, UserName, VirtualPath};
use nix::unistd::{User, getgrouplist};

use super::{Credentials, Impersonated, can_impersonate, impersonating, shells};
use crate::{
    Account, AuthError, BlockingAuthenticator, Credential, HashedPassword, InvalidHash, LocalFs, LoginAttempt, Storage,
};

/// Judges logins by the accounts of this machine. Their files are used under their ids and groups, whoever the process
/// runs as.
///
/// An account can log in if it is allowed (or the list of those is empty), not rejected, and has a shell of
/// `/etc/shells` (where there is such a file); and if the machine says that the password is right and the account
/// usable. Whoever cannot log in at all learns nothing else than whoever has a wrong password, and it takes as long.
///
/// To reject a name is to reject its user id: other names for the same id are rejected as well, unless they are
/// allowed by name.
pub struct SystemUsers {
    options: SystemOptions,
    check: Arc<dyn AccountCheck>,
    rejected_ids: HashSet<u32>,
    overrides: HashMap<UserName, UserOverride>,
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

/// Which part of the machine's files a user sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Filesystem {
    /// All of them: the paths are those of the machine, and the session starts in the home directory.
    #[default]
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
    /// Whether only those with a shell of `/etc/shells` may.
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
            existing(name).map(drop)
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
        if self.has_needed_shell(&existing(name)?) { Ok(()) } else { Err(SystemUsersError::InvalidShell(name.clone())) }
    }

    /// Tells whether an account can serve anonymous sessions. Its shell does not matter.
    ///
    /// # Errors
    /// [`SystemUsersError::Unknown`], [`SystemUsersError::NoHome`] and [`SystemUsersError::System`].
    pub fn check_anonymous(&self, name: &UserName) -> Result<(), SystemUsersError> {
        if existing(name)?.dir.is_dir() { Ok(()) } else { Err(SystemUsersError::NoHome(name.clone())) }
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
        if self.rejected.contains(name) || !(self.allowed.is_empty() || self.allowed.contains(name)) {
            return Err(SystemUsersError::NotAllowed(name.clone()));
        }
        self.check_allowed(name)?;
        if let Some(Credential::Hash(hash)) = &different.credential {
            hash.parse::<HashedPassword>().map_err(|error| SystemUsersError::Hash(name.clone(), error))?;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), SystemUsersError> {
        if !self.allowed.is_empty() && !self.rejected.is_empty() {
            return Err(SystemUsersError::MutuallyExclusive);
        }
        self.rejected.iter().try_for_each(|name| self.check_listed(name))?;
        self.allowed.iter().try_for_each(|name| self.check_allowed(name))?;
        self.anonymous_user.iter().try_for_each(|name| self.check_anonymous(name))
    }

    fn has_needed_shell(&self, user: &User) -> bool {
        !self.require_valid_shell || shells::is_valid(&user.shell)
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
        Ok(Self { options, check: Arc::new(check), rejected_ids, overrides: HashMap::new() })
    }

    /// Makes something different for one user, in place of what was different before; `anonymous` stands for the
    /// anonymous sessions.
    ///
    /// # Errors
    /// As for [`SystemOptions::check_override`].
    pub fn override_user(&mut self, name: UserName, different: UserOverride) -> Result<(), SystemUsersError> {
        self.options.check_override(&name, &different)?;
        let name = if name.is_anonymous() { anonymous() } else { name };
        self.overrides.insert(name, different);
        Ok(())
    }

    /// Whether there is an account that this name logs in to.
    #[must_use]
    pub fn serves(&self, name: &UserName) -> bool {
        if name.is_anonymous() { self.options.anonymous_user.is_some() } else { self.find(name).is_ok() }
    }

    /// The account of somebody who may log in, if the password is right.
    fn find(&self, name: &UserName) -> Result<User, Refusal> {
        let options = &self.options;
        if options.rejected.contains(name) || !(options.allowed.is_empty() || options.allowed.contains(name)) {
            return Err(Refusal::NotAllowed);
        }
        let user = User::from_name(name.as_str()).map_err(|error| Refusal::Failed(error.into()))?;
        let user = user.ok_or(Refusal::Unknown)?;
        if self.rejected_ids.contains(&user.uid.as_raw()) {
            return Err(Refusal::NotAllowed);
        }
        if options.has_needed_shell(&user) { Ok(user) } else { Err(Refusal::InvalidShell) }
    }

    /// Takes as long for those who cannot log in as for those who can, and do not know their password.
    fn prove(&self, attempt: &LoginAttempt) -> Result<User, Refusal> {
        let LoginAttempt { user: name, password, .. } = attempt;
        let peer = attempt.peer.ip();
        let user = match self.find(name) {
            Ok(user) => user,
            Err(refusal) => {
                self.refuse_slowly(name, peer);
                return Err(refusal);
            }
        };
        match self.overrides.get(name).and_then(|different| different.credential.as_ref()) {
            None => self.check.authenticate(name, password, peer)?,
            Some(credential) if !is_proof(credential, password) => {
                self.refuse_slowly(name, peer);
                return Err(Refusal::Check(CheckError::Refused("wrong password of its own".to_owned())));
            }
            Some(_) => self.check.is_usable(name, peer)?,
        }
        Ok(user)
    }

    fn refuse_slowly(&self, name: &UserName, peer: IpAddr) {
        let nobodys: String = iter::repeat_with(fastrand::alphanumeric).take(40).collect();
        let _ = self.check.authenticate(name, &Secret::from(&*nobodys), peer);
    }

    fn serve(&self, name: &UserName, user: &User) -> io::Result<Account> {
        let anonymous = name.is_anonymous();
        let own = UserOverride::default();
        let key = if anonymous { &self::anonymous() } else { name };
        let different = self.overrides.get(key).unwrap_or(&own);
        let options = &self.options;
        let home = different.home.as_deref().unwrap_or(&user.dir);
        let filesystem = if anonymous { Filesystem::Home } else { options.filesystem };
        let (storage, start) = open(user, home, filesystem)?;
        let permissions = if anonymous { Permissions::READ } else { options.permissions };
        let message = |own: &Option<String>, others: &String| own.as_ref().unwrap_or(others).clone();
        let account = Account::new(name.clone(), storage, different.permissions.unwrap_or(permissions))
            .with_start(start)
            .with_messages(
                message(&different.login_message, &options.login_message),
                message(&different.quit_message, &options.quit_message),
            )
            .with_limits(different.read_limit, different.write_limit)
            .with_total_limits(different.total_read_limit, different.total_write_limit);
        Ok(account)
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
    Ok((Storage::blocking(Impersonated::open(identity, || LocalFs::open(root))?), start))
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

fn existing(name: &UserName) -> Result<User, SystemUsersError> {
    let found = User::from_name(name.as_str()).map_err(|error| SystemUsersError::System(error.into()))?;
    found.ok_or_else(|| SystemUsersError::Unknown(name.clone()))
}

fn is_proof(credential: &Credential, password: &Secret) -> bool {
    match credential {
        Credential::Plain(own) => own == password,
        Credential::Hash(hash) => hash.parse::<HashedPassword>().is_ok_and(|hash| hash.verify(password)),
        Credential::Any => true,
        Credential::None => false,
    }
}

const ANONYMOUS: &str = "anonymous";

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

impl fmt::Display for SystemUsersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRoot => f.write_str("super user privileges are required to act as other users"),
            Self::MutuallyExclusive => f.write_str("allowed and rejected users are mutually exclusive"),
            Self::InvalidName(name) => write!(f, "invalid username {:?}", name.as_str()),
            Self::Unknown(name) => write!(f, "this machine has no user {:?}", name.as_str()),
            Self::NoHome(name) => write!(f, "user {:?} has no home directory", name.as_str()),
            Self::InvalidShell(name) => {
                write!(f, "user {:?} has no valid shell, one of {}", name.as_str(), shells::FILE)
            }
            Self::NothingOverridden(name) => write!(f, "nothing is different for user {:?}", name.as_str()),
            Self::NotAllowed(name) => write!(f, "{:?} is not an allowed user", name.as_str()),
            Self::AnonymousPassword => f.write_str("anonymous sessions have no password"),
            Self::Hash(name, error) => write!(f, "user {:?}: {error}", name.as_str()),
            Self::System(error) => write!(f, "looking up accounts: {error}"),
        }
    }
}

impl std::error::Error for SystemUsersError {}
