//! Accounts of Windows: who of them may log in, and what they get.

mod token;

use std::collections::{HashMap, HashSet};
use std::env;
use std::fmt;
use std::io;
use std::iter;
use std::path::PathBuf;
use std::sync::Arc;

use ftp_types::{Secret, UserName, VirtualPath};

use self::token::{Sid, Token, Way};
use super::{Filesystem, Impersonated, SystemOptions, SystemUsersError, UserOverride};
use crate::{Account, AuthError, BlockingAuthenticator, LocalFs, LoginAttempt, Storage};

/// Judges logins by the accounts of this machine and of the domains that it trusts. Their files are used as them,
/// whoever the process runs as.
///
/// An account can log in if it is allowed (or the list of those is empty) and not rejected, under any of its names;
/// and if the machine lets it log on with that password from the network. Its home is its profile
/// directory, which an account has once it was used at the machine; an override can name another.
///
/// Nobody needs a shell: `require_valid_shell` means nothing here. Nobody can have a password of their own in place of
/// the machine's: it takes that to act as them.
pub struct WindowsUsers {
    options: SystemOptions,
    allowed: HashSet<Sid>,
    rejected: HashSet<Sid>,
    anonymous_password: Secret,
    overrides: HashMap<Key, UserOverride>,
    logon: Logon,
}

/// Whom an override is for; no SID: the anonymous sessions.
type Key = Option<Sid>;

type Logon = fn(&Sid, &Secret, Way) -> io::Result<Token>;

impl WindowsUsers {
    /// Offers the accounts; `anonymous_password` is that of the options' `anonymous_user`, empty as a rule (that of
    /// Guest is). Home of the anonymous sessions is the profile directory of their account, or the public one of the
    /// machine where the account has none.
    ///
    /// # Errors
    /// As [`SystemUsersError`] says: what is wrong with the options first, and [`SystemUsersError::AnonymousLogon`] and
    /// [`SystemUsersError::NoHome`] last.
    pub fn new(options: SystemOptions, anonymous_password: Secret) -> Result<Self, SystemUsersError> {
        Self::with_logon(options, anonymous_password, logon)
    }

    fn with_logon(options: SystemOptions, password: Secret, logon: Logon) -> Result<Self, SystemUsersError> {
        options.check()?;
        if options.filesystem == Filesystem::Unix {
            return Err(SystemUsersError::NoCommonRoot);
        }
        if let Some(name) = &options.anonymous_user {
            let cannot = |error| SystemUsersError::AnonymousLogon(name.clone(), error);
            let token = logon(&existing(name)?, &password, Way::Anyhow).map_err(cannot)?;
            home(&token, true).filter(|home| home.is_dir()).ok_or_else(|| SystemUsersError::NoHome(name.clone()))?;
        }
        let sids = |names: &[UserName]| names.iter().map(existing).collect::<Result<_, _>>();
        let (allowed, rejected) = (sids(&options.allowed)?, sids(&options.rejected)?);
        Ok(Self { options, allowed, rejected, anonymous_password: password, overrides: HashMap::new(), logon })
    }

    /// Makes something different for one user, in place of what was different before; `anonymous` stands for the
    /// anonymous sessions.
    ///
    /// # Errors
    /// As for [`SystemOptions::check_override`].
    pub fn override_user(&mut self, name: UserName, different: UserOverride) -> Result<(), SystemUsersError> {
        self.options.check_override(&name, &different)?;
        let key = if name.is_anonymous() { None } else { Some(existing(&name)?) };
        self.overrides.insert(key, different);
        Ok(())
    }

    /// Whether somebody of that name may log in, given the right password. Where the machine cannot tell, as when no
    /// domain controller answers, nobody is known to be gone.
    #[must_use]
    pub fn serves(&self, name: &UserName) -> bool {
        if name.is_anonymous() {
            return self.options.anonymous_user.is_some();
        }
        self.find(name).map_or_else(|refusal| matches!(refusal, Refusal::Failed(_)), |_| true)
    }

    fn find(&self, name: &UserName) -> Result<Sid, Refusal> {
        let sid = Sid::of(name.as_str()).map_err(Refusal::Failed)?.ok_or(Refusal::Unknown)?;
        let is_allowed = self.allowed.is_empty() || self.allowed.contains(&sid);
        if is_allowed && !self.rejected.contains(&sid) { Ok(sid) } else { Err(Refusal::NotAllowed) }
    }

    fn prove(&self, name: &UserName, password: &Secret) -> Result<(Key, Token), Refusal> {
        match self.find(name) {
            Ok(sid) => Ok((Some(sid), (self.logon)(&sid, password, Way::FromNetwork).map_err(Refusal::Logon)?)),
            Err(refusal) => {
                refuse_slowly();
                Err(refusal)
            }
        }
    }

    fn log_anonymous_on(&self) -> Result<(Key, Token), Refusal> {
        let name = self.options.anonymous_user.as_ref().ok_or(Refusal::NotAllowed)?;
        let sid = Sid::of(name.as_str()).map_err(Refusal::Failed)?.ok_or(Refusal::Unknown)?;
        let token = (self.logon)(&sid, &self.anonymous_password, Way::Anyhow).map_err(Refusal::Failed)?;
        Ok((None, token))
    }

    fn serve(&self, name: &UserName, key: &Key, token: Token) -> io::Result<Account> {
        let own = UserOverride::default();
        let different = self.overrides.get(key).unwrap_or(&own);
        let home = different.home.clone().or_else(|| home(&token, key.is_none()));
        let home = home.ok_or_else(|| io::Error::other("it has no profile directory; name a home for it"))?;
        let storage = Impersonated::open(Arc::new(token), || LocalFs::open(&home))?;
        Ok(self.options.account(name, different, (Storage::blocking(storage), VirtualPath::root())))
    }
}

impl BlockingAuthenticator for WindowsUsers {
    fn authenticate(&self, attempt: &LoginAttempt) -> Result<Account, AuthError> {
        let LoginAttempt { user: name, password, peer, .. } = attempt;
        if name.is_anonymous() && self.options.anonymous_user.is_none() {
            return Err(AuthError::NoAnonymous);
        }
        let proved = if name.is_anonymous() { self.log_anonymous_on() } else { self.prove(name, password) };
        let (key, token) = proved.map_err(|refusal| {
            tracing::info!(user = %name, %peer, reason = %refusal, "system account refused");
            refusal.told(name.is_anonymous())
        })?;
        self.serve(name, &key, token).map_err(|error| {
            tracing::error!(user = %name, %error, "the files of a system account cannot be had");
            AuthError::Unavailable
        })
    }
}

fn logon(account: &Sid, password: &Secret, way: Way) -> io::Result<Token> {
    // What is not UTF-8 is nobody's password here.
    let password = str::from_utf8(password.expose()).map_err(|_| io::ErrorKind::InvalidInput)?;
    Token::logon(account, password, way)
}

/// As much work as a wrong password is, without a failed logon for anybody.
fn refuse_slowly() {
    let nobody: String = iter::repeat_with(fastrand::alphanumeric).take(20).collect();
    let _ = Token::logon_nobody(&nobody);
}

/// Where the files of somebody are.
fn home(token: &Token, anonymous: bool) -> Option<PathBuf> {
    let public = || anonymous.then(|| env::var_os("PUBLIC")).flatten().map(PathBuf::from);
    token.profile_directory().ok().or_else(public)
}

pub(super) fn check_exists(name: &UserName) -> Result<(), SystemUsersError> {
    existing(name).map(drop)
}

pub(super) fn check_shell(_: &SystemOptions, name: &UserName) -> Result<(), SystemUsersError> {
    check_exists(name)
}

/// Only who has logged on has a home.
pub(super) fn check_home(name: &UserName) -> Result<(), SystemUsersError> {
    check_exists(name)
}

/// Whether two names are one to the lists: names of one account.
pub(super) fn is_same(name: &UserName, other: &UserName) -> bool {
    name == other || matches!((existing(name), existing(other)), (Ok(one), Ok(two)) if one == two)
}

fn existing(name: &UserName) -> Result<Sid, SystemUsersError> {
    let found = Sid::of(name.as_str()).map_err(SystemUsersError::System)?;
    found.ok_or_else(|| SystemUsersError::Unknown(name.clone()))
}

/// Why somebody does not get in; for the log.
enum Refusal {
    NotAllowed,
    Unknown,
    Logon(io::Error),
    Failed(io::Error),
}

impl Refusal {
    fn told(&self, anonymous: bool) -> AuthError {
        match self {
            // Nobody gave a password that could be wrong.
            _ if anonymous => AuthError::Unavailable,
            Self::NotAllowed | Self::Unknown => AuthError::Rejected,
            Self::Logon(error) if token::is_refusal(error) => AuthError::Rejected,
            Self::Logon(_) | Self::Failed(_) => AuthError::Unavailable,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed => f.write_str("not allowed, or rejected"),
            Self::Unknown => f.write_str("no such account"),
            Self::Logon(error) => write!(f, "logging it on: {error}"),
            Self::Failed(error) => write!(f, "looking it up: {error}"),
        }
    }
}

#[cfg(test)]
mod tests;
