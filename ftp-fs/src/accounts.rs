//! Virtual users: accounts that exist in this server alone.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use ftp_types::{FsError, Permissions, Secret, UnknownLetter, UserName, VirtualPath};

use crate::decoys::Decoys;
use crate::user_error::{UserError, Warning};
use crate::{
    Account, AuthError, BlockingAuthenticator, CertificateLogin, ClientCertificate, Fingerprint, Follow,
    HashedPassword, LocalFs, LoginAttempt, Mounts, Override, PermissionRules, Storage,
};

/// A table of users, which may change while the server runs. Sessions keep what they got at their login.
///
/// A wrong password takes as long for a name that nobody has as for one that somebody has: as long as one verification
/// of each kind of hash in the table. So let them be of few kinds, a kind being a scheme with its parameters.
///
/// `anonymous` and `ftp` both log in to the account `anonymous`, unless there is one named `ftp`.
#[derive(Default)]
pub struct VirtualUsers {
    table: RwLock<Arc<Table>>,
}

#[derive(Clone, Default)]
struct Table {
    users: HashMap<UserName, Arc<User>>,
    decoys: Decoys,
}

struct User {
    credential: Verifier,
    certificates: Certificates,
    account: Account,
    home: Option<PathBuf>,
}

/// The client certificates of a user.
#[derive(Clone, Default)]
struct Certificates {
    fingerprints: Vec<Fingerprint>,
    required: bool,
}

enum Verifier {
    Plain(Secret),
    Hash(Arc<HashedPassword>),
    Any,
    None,
}

/// What a user proves to be themselves with. Neither passwords nor hashes are printed.
#[derive(Clone)]
pub enum Credential {
    /// A password.
    Plain(Secret),
    /// A password's hash, in one of the forms of [`HashedPassword`]; [`hash_password`](crate::hash_password) makes one.
    Hash(String),
    /// Nothing: every password will do.
    Any,
    /// No password will do; a [certificate](NewUser::certificate) may.
    None,
}

/// Where the files of a user are.
pub enum Home {
    /// A directory of this machine.
    Directory(PathBuf),
    /// Any storage, ready-made.
    Storage(Storage),
}

/// A user to be added.
pub struct NewUser {
    name: UserName,
    credential: Credential,
    home: Home,
    permissions: Result<Permissions, UnknownLetter>,
    certificates: Certificates,
    mounts: Vec<(VirtualPath, Storage)>,
    messages: Option<(String, String)>,
    limits: (Option<u64>, Option<u64>),
    total_limits: (Option<u64>, Option<u64>),
}

/// What is known of a user in the table.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UserInfo {
    /// What a session gets when this user logs in now: rights and overrides, messages, limits.
    pub account: Account,
    /// The directory of this machine that the user sees as `/`, with its links resolved when the user was added; none
    /// if that is another storage.
    pub home: Option<PathBuf>,
}

impl VirtualUsers {
    /// No users.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a user.
    ///
    /// # Errors
    /// The first of: a taken name, a home that cannot be opened, an unknown letter, and the others.
    pub fn add(&self, user: NewUser) -> Result<Option<Warning>, UserError> {
        if self.has(&user.name) {
            return Err(UserError::Exists(user.name));
        }
        let (name, user) = user.build()?;
        let warning = user.warning();
        self.change(|table| match table.users.contains_key(&name) {
            true => Err(UserError::Exists(name)),
            false => {
                table.insert(name, user);
                Ok(warning)
            }
        })
    }

    /// Adds the anonymous user, who needs no password.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    ///
    /// # Panics
    /// Never: `anonymous` is a user name.
    pub fn add_anonymous(&self, home: impl Into<Home>, permissions: Permissions) -> Result<Option<Warning>, UserError> {
        self.add(NewUser::anonymous(home).permissions(permissions))
    }

    /// Puts a user in the place of one with the same name, overrides included, or adds them.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    pub fn replace(&self, user: NewUser) -> Result<Option<Warning>, UserError> {
        let (name, user) = user.build()?;
        let warning = user.warning();
        self.change(|table| table.insert(name, user));
        Ok(warning)
    }

    /// Removes a user and tells whether there was one. Sessions that are logged in stay, unless they are ended: by
    /// `Handle::end_sessions_of` of `ftp-driver`, say.
    pub fn remove(&self, name: &UserName) -> bool {
        self.change(|table| table.remove(name))
    }

    /// What is known of the user of this name. `ftp` is not looked up as `anonymous`.
    #[must_use]
    pub fn get(&self, name: &UserName) -> Option<UserInfo> {
        let table = self.table();
        let user = table.users.get(name)?;
        Some(UserInfo { account: user.account.clone(), home: user.home.clone() })
    }

    /// The names of all users, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<UserName> {
        let mut names: Vec<UserName> = self.table().users.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// Whether there is an account that this name logs in to: its own, or for `ftp` that of `anonymous`.
    #[must_use]
    pub fn serves(&self, name: &UserName) -> bool {
        self.table().find(name).is_some()
    }

    /// Whether there is a user of this name.
    #[must_use]
    pub fn has(&self, name: &UserName) -> bool {
        self.table().users.contains_key(name)
    }

    /// Gives a user other rights in one directory, which must exist. If the path leads there by a link, the override
    /// is for the place where the link leads now. (Async storage is not asked: there the path counts as it is.)
    ///
    /// # Errors
    /// The first of: an unknown user, a directory that does not exist, the home itself, one outside of the home.
    pub fn override_permissions(&self, name: &UserName, rule: Override) -> Result<Option<Warning>, UserError> {
        let unknown = || UserError::Unknown(name.clone());
        let home = self.table().users.get(name).ok_or_else(unknown)?.account.mounts.home().clone();
        let rule = Override { path: check_override(&home, &rule.path)?, ..rule };
        self.change(|table| {
            let user = table.users.get(name).ok_or_else(unknown)?.with_rules(|rules| rules.with_override(rule));
            let warning = user.warning();
            table.insert(name.clone(), user);
            Ok(warning)
        })
    }

    /// Takes an override back, and tells whether there was one. The path is that of the directory itself, as
    /// [`get`](Self::get) has it, even if the override was given by a link to it.
    ///
    /// # Errors
    /// An unknown user.
    pub fn remove_override(&self, name: &UserName, path: &VirtualPath) -> Result<bool, UserError> {
        self.change(|table| {
            let user = table.users.get(name).ok_or_else(|| UserError::Unknown(name.clone()))?;
            let found = user.account.permissions.overrides().iter().any(|rule| rule.path == *path);
            if found {
                let user = user.with_rules(|rules| rules.without_override(path));
                table.insert(name.clone(), user);
            }
            Ok(found)
        })
    }

    /// The table as it is now. The lock is held for the copy of a pointer, never while anything is hashed or opened.
    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        change(Arc::make_mut(&mut self.table.write().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl BlockingAuthenticator for VirtualUsers {
    fn authenticate(&self, attempt: &LoginAttempt) -> Result<Account, AuthError> {
        let table = self.table();
        let Some(user) = table.find(&attempt.user) else {
            if attempt.user.is_anonymous() {
                return Err(AuthError::NoAnonymous);
            }
            table.decoys.verify(&attempt.password, None);
            return Err(AuthError::Rejected);
        };
        let (right, verified) = match &user.credential {
            Verifier::Any => (true, None),
            Verifier::Hash(hash) => (hash.verify(&attempt.password), Some(&**hash)),
            Verifier::Plain(password) => (*password == attempt.password, None),
            Verifier::None => (false, None),
        };
        let presented = attempt.certificate.as_ref().map(ClientCertificate::fingerprint);
        let good = right && user.certificates.will_do_beside_password(presented);
        if !good {
            table.decoys.verify(&attempt.password, verified);
        }
        if good { Ok(user.account_for(&attempt.user)) } else { Err(AuthError::Rejected) }
    }

    /// Whoever needs no password. All others are judged where that may take its time.
    fn authenticate_at_once(&self, attempt: &LoginAttempt) -> Option<Account> {
        let table = self.table();
        let user = table.find(&attempt.user).filter(|user| matches!(user.credential, Verifier::Any))?;
        let presented = attempt.certificate.as_ref().map(ClientCertificate::fingerprint);
        user.certificates.will_do_beside_password(presented).then(|| user.account_for(&attempt.user))
    }

    fn authenticate_certificate(&self, login: &CertificateLogin) -> Result<Account, AuthError> {
        let table = self.table();
        let user = table.find(&login.user).filter(|user| user.will_do_alone(login.certificate.fingerprint()));
        user.map(|user| user.account_for(&login.user)).ok_or(AuthError::Rejected)
    }
}

impl Table {
    fn find(&self, name: &UserName) -> Option<&Arc<User>> {
        let named = self.users.get(name);
        if named.is_none() && name.is_anonymous() { self.users.get(&anonymous()) } else { named }
    }

    fn insert(&mut self, name: UserName, user: User) {
        if let Some(hash) = user.credential.hash() {
            self.decoys.add(hash);
        }
        let replaced = self.users.insert(name, Arc::new(user));
        self.forget(replaced.as_deref());
    }

    fn remove(&mut self, name: &UserName) -> bool {
        let removed = self.users.remove(name);
        self.forget(removed.as_deref());
        removed.is_some()
    }

    fn forget(&mut self, gone: Option<&User>) {
        if let Some(hash) = gone.and_then(|user| user.credential.hash()) {
            self.decoys.remove(hash);
        }
    }
}

impl User {
    fn account_for(&self, name: &UserName) -> Account {
        Account { user: name.clone(), ..self.account.clone() }
    }

    fn with_rules(&self, change: impl FnOnce(PermissionRules) -> PermissionRules) -> Self {
        let rules = change(self.account.permissions.clone());
        let account = self.account.clone().with_permissions(rules);
        let certificates = self.certificates.clone();
        Self { credential: self.credential.duplicate(), certificates, account, home: self.home.clone() }
    }

    /// Whether this certificate logs in without a password. Where both are required, it does not.
    fn will_do_alone(&self, certificate: Fingerprint) -> bool {
        let needs_password = self.certificates.required && !matches!(self.credential, Verifier::None);
        !needs_password && self.certificates.fingerprints.contains(&certificate)
    }

    fn warning(&self) -> Option<Warning> {
        let rules = &self.account.permissions;
        let letters = rules.overrides().iter().fold(rules.base(), |all, rule| all | rule.permissions);
        let may_write = letters.intersects(Permissions::WRITE);
        (matches!(self.credential, Verifier::Any) && may_write).then_some(Warning::AnonymousMayWrite)
    }
}

impl Certificates {
    fn will_do_beside_password(&self, presented: Option<Fingerprint>) -> bool {
        !self.required || presented.is_some_and(|certificate| self.fingerprints.contains(&certificate))
    }
}

impl Verifier {
    fn hash(&self) -> Option<&Arc<HashedPassword>> {
        match self {
            Self::Hash(hash) => Some(hash),
            Self::Plain(_) | Self::Any | Self::None => None,
        }
    }

    fn duplicate(&self) -> Self {
        match self {
            Self::Plain(password) => Self::Plain(password.clone()),
            Self::Hash(hash) => Self::Hash(Arc::clone(hash)),
            Self::Any => Self::Any,
            Self::None => Self::None,
        }
    }
}

impl NewUser {
    /// A user who may look and fetch (`elr`), with the default messages and limits.
    #[must_use]
    pub fn new(name: UserName, credential: Credential, home: impl Into<Home>) -> Self {
        Self {
            name,
            credential,
            home: home.into(),
            permissions: Ok(Permissions::READ),
            certificates: Certificates::default(),
            mounts: Vec::new(),
            messages: None,
            limits: (None, None),
            total_limits: (None, None),
        }
    }

    /// The anonymous user, who needs no password, may look and fetch.
    ///
    /// # Panics
    /// Never: `anonymous` is a user name.
    #[must_use]
    pub fn anonymous(home: impl Into<Home>) -> Self {
        Self::new(anonymous(), Credential::Any, home)
    }

    /// With these rights.
    #[must_use]
    pub fn permissions(self, permissions: Permissions) -> Self {
        Self { permissions: Ok(permissions), ..self }
    }

    /// With rights given by their letters; unknown ones are reported when the user is added.
    #[must_use]
    pub fn letters(self, letters: &str) -> Self {
        Self { permissions: letters.parse(), ..self }
    }

    /// With a client certificate that logs in without a password (RFC 2228 §5, reply 232), beside those given before.
    #[must_use]
    pub fn certificate(mut self, fingerprint: Fingerprint) -> Self {
        self.certificates.fingerprints.push(fingerprint);
        self
    }

    /// Whether a password alone will not do: one of the certificates has to be presented beside it, which then will not
    /// do alone either, unless there is no password.
    #[must_use]
    pub fn require_certificate(mut self, yes: bool) -> Self {
        self.certificates.required = yes;
        self
    }

    /// With one more storage below the home.
    #[must_use]
    pub fn mount(mut self, point: VirtualPath, storage: Storage) -> Self {
        self.mounts.push((point, storage));
        self
    }

    /// With these texts for login and QUIT.
    #[must_use]
    pub fn messages(self, login: impl Into<String>, quit: impl Into<String>) -> Self {
        Self { messages: Some((login.into(), quit.into())), ..self }
    }

    /// With these limits for each transfer, in bytes per second, for receiving and for sending.
    #[must_use]
    pub fn limits(self, read: Option<u64>, write: Option<u64>) -> Self {
        Self { limits: (read, write), ..self }
    }

    /// With these limits for all transfers of the user together, in bytes per second, for receiving and for sending.
    #[must_use]
    pub fn total_limits(self, read: Option<u64>, write: Option<u64>) -> Self {
        Self { total_limits: (read, write), ..self }
    }

    fn build(self) -> Result<(UserName, User), UserError> {
        let (home, directory) = self.home.open()?;
        let permissions = self.permissions.map_err(UserError::Letter)?;
        let credential = self.credential.into_verifier()?;
        let mount = |mounts: Mounts, (point, storage)| mounts.with(point, storage);
        let mounts = self.mounts.into_iter().try_fold(Mounts::new(home.clone()), mount).map_err(UserError::Mount)?;
        let mut account = Account::new(self.name.clone(), home, permissions)
            .with_mounts(mounts)
            .with_permissions(PermissionRules::new(permissions))
            .with_limits(self.limits.0, self.limits.1)
            .with_total_limits(self.total_limits.0, self.total_limits.1);
        if let Some((login, quit)) = self.messages {
            account = account.with_messages(login, quit);
        }
        Ok((self.name, User { credential, certificates: self.certificates, account, home: directory }))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain(***)",
            Self::Hash(_) => "Hash(***)",
            Self::Any => "Any",
            Self::None => "None",
        })
    }
}

impl Credential {
    fn into_verifier(self) -> Result<Verifier, UserError> {
        Ok(match self {
            Self::Plain(password) => Verifier::Plain(password),
            Self::Hash(text) => Verifier::Hash(Arc::new(text.parse().map_err(UserError::Hash)?)),
            Self::Any => Verifier::Any,
            Self::None => Verifier::None,
        })
    }
}

impl Home {
    /// The storage, and which directory of this machine it is.
    fn open(self) -> Result<(Storage, Option<PathBuf>), UserError> {
        let path = match self {
            Self::Storage(storage) => return Ok((storage, None)),
            Self::Directory(path) => path,
        };
        match LocalFs::open(&path) {
            Ok(storage) => {
                let real = path.canonicalize().unwrap_or(path);
                Ok((Storage::blocking(storage), Some(real)))
            }
            Err(error) => Err(UserError::NoSuchHome(path, error)),
        }
    }
}

impl From<Storage> for Home {
    fn from(storage: Storage) -> Self {
        Self::Storage(storage)
    }
}

impl From<PathBuf> for Home {
    fn from(path: PathBuf) -> Self {
        Self::Directory(path)
    }
}

impl From<&str> for Home {
    fn from(path: &str) -> Self {
        Self::Directory(path.into())
    }
}

impl From<&Path> for Home {
    fn from(path: &Path) -> Self {
        Self::Directory(path.into())
    }
}

/// The place that an override is for, with all links resolved.
fn check_override(home: &Storage, path: &VirtualPath) -> Result<VirtualPath, UserError> {
    let place = match home {
        Storage::Async(_) => path.clone(),
        Storage::Blocking(backend) => {
            let found = backend.resolve(path, Follow::All).and_then(|place| Ok((backend.stat(&place)?, place)));
            match found {
                Ok((metadata, place)) if metadata.is_directory() => place,
                Err(FsError::Outside) => return Err(UserError::OverrideEscapes(path.clone())),
                _ => return Err(UserError::NoSuchDirectory(path.clone())),
            }
        }
    };
    if place.is_root() { Err(UserError::OverridesHome) } else { Ok(place) }
}

fn anonymous() -> UserName {
    UserName::parse(b"anonymous").expect("it is a name")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryFs;
    use crate::password::tests::VERIFIED;

    const CHEAP: &str = "$2b$04$abcdefghijklmnopqrstuu9TZCje2SiNZlD32yso8m7CjQBbfb7i.";
    const ARGON2: &str = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    const SHA256: &str = "$5$Xy./9z$cYffGY9CQb/SpTtuixJwLoG0y8oSnH6Q336HNEMCxPD";
    const COSTLIER: &str = "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA";

    fn hashed(name: &str, hash: &str) -> NewUser {
        user(name, Credential::Hash(hash.to_owned()))
    }

    fn user(name: &str, credential: Credential) -> NewUser {
        NewUser::new(name.parse().unwrap(), credential, Storage::blocking(MemoryFs::new()))
    }

    /// The costs of the verifications that a login takes, sorted.
    fn work(users: &VirtualUsers, name: &str, password: &str) -> Vec<String> {
        VERIFIED.take();
        let (peer, local) = ("192.0.2.1:1025".parse().unwrap(), "192.0.2.2:21".parse().unwrap());
        let (user, password) = (name.parse().unwrap(), Secret::from(password));
        let _ = users.authenticate(&LoginAttempt { user, password, peer, local, secure: false, certificate: None });
        let mut work = VERIFIED.take();
        work.sort_unstable();
        work
    }

    #[test]
    fn neither_passwords_nor_hashes_are_printed() {
        let credentials = [Credential::Plain(Secret::from("x")), Credential::Hash(CHEAP.to_owned()), Credential::Any];
        assert_eq!(format!("{credentials:?}"), "[Plain(***), Hash(***), Any]");
    }

    #[test]
    fn a_wrong_password_costs_the_same_whoever_has_it_and_if_nobody_does() {
        let users = VirtualUsers::new();
        users.add(user("plain", Credential::Plain(Secret::from("x")))).map(drop).unwrap();
        assert!(work(&users, "nobody", "wrong").is_empty());
        for (name, hash) in [("a", CHEAP), ("b", ARGON2), ("c", SHA256), ("d", COSTLIER), ("e", SHA256)] {
            users.add(hashed(name, hash)).map(drop).unwrap();
        }
        let all = work(&users, "nobody", "wrong");
        assert_eq!(all.len(), 4);
        for name in ["a", "b", "c", "d", "e", "plain", "Anonymous"] {
            assert_eq!(work(&users, name, "wrong"), all, "{name}");
        }
        // Who is let in waits for their own hash alone.
        assert_eq!(work(&users, "e", "correct horse").len(), 1);
        assert!(work(&users, "plain", "x").is_empty());
    }

    #[test]
    fn what_nobody_has_any_more_is_verified_no_more() {
        let users = VirtualUsers::new();
        for (name, hash) in [("a", CHEAP), ("b", SHA256), ("c", SHA256)] {
            users.add(hashed(name, hash)).map(drop).unwrap();
        }
        assert_eq!(work(&users, "nobody", "wrong").len(), 2);
        assert!(users.remove(&"b".parse().unwrap()));
        assert_eq!(work(&users, "nobody", "wrong").len(), 2);
        users.replace(hashed("c", CHEAP)).map(drop).unwrap();
        assert_eq!(work(&users, "nobody", "wrong").len(), 1);
        assert_eq!(work(&users, "c", "wrong").len(), 1);
    }
}
