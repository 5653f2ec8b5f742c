//! Virtual users: accounts that exist in this server alone.

use std::collections::HashMap;
use std::fmt;
use std::hint::black_box;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use ftp_types::{FsError, Permissions, Secret, UnknownLetter, UserName, VirtualPath};

use crate::{
    Account, AuthError, BlockingAuthenticator, Follow, HashedPassword, InvalidHash, LocalFs, LoginAttempt, Mounts,
    Override, PermissionRules, Storage,
};

/// A table of users, which may change while the server runs. Sessions keep what they got at their login.
///
/// `anonymous` and `ftp` both log in to the account `anonymous`, unless there is one named `ftp`.
#[derive(Default)]
pub struct VirtualUsers {
    table: RwLock<Arc<Table>>,
}

#[derive(Clone, Default)]
struct Table {
    users: HashMap<UserName, Arc<User>>,
    /// The hash that is verified for those who have none, so that guesses at their names take as long.
    decoy: Option<Arc<HashedPassword>>,
}

struct User {
    credential: Verifier,
    account: Account,
}

enum Verifier {
    Plain(Secret),
    Hash(Arc<HashedPassword>),
    Any,
}

/// What a user proves to be themselves with.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A password.
    Plain(Secret),
    /// A password's hash, as a PHC string; [`hash_password`](crate::hash_password) makes one.
    Hash(String),
    /// Nothing: every password will do.
    Any,
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
    mounts: Vec<(VirtualPath, Storage)>,
    messages: Option<(String, String)>,
    limits: (Option<u64>, Option<u64>),
}

/// Why a user, or an override for one, cannot be added.
#[derive(Debug)]
#[non_exhaustive]
pub enum UserError {
    /// There is a user of this name.
    Exists(UserName),
    /// The password hash is none.
    Hash(InvalidHash),
    /// The home cannot be opened.
    NoSuchHome(PathBuf, io::Error),
    /// A permission letter is unknown.
    Letter(UnknownLetter),
    /// Two storages at one path.
    Mount(crate::MountError),
    /// There is no user of this name.
    Unknown(UserName),
    /// An override is for a directory that does not exist.
    NoSuchDirectory(VirtualPath),
    /// The home itself has its letters already.
    OverridesHome,
    /// The directory of an override lies outside of the home: a link leads there.
    OverrideEscapes(VirtualPath),
}

/// Something that works and is hardly meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "an operator should hear of it"]
pub enum Warning {
    /// Everybody may change files.
    AnonymousMayWrite,
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
        self.add(NewUser::new(anonymous(), Credential::Any, home).permissions(permissions))
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

    /// Removes a user and tells whether there was one. Sessions that are logged in stay.
    pub fn remove(&self, name: &UserName) -> bool {
        self.change(|table| table.users.remove(name).is_some())
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
            let user = table.users.get(name).ok_or_else(unknown)?.with_override(rule);
            let warning = user.warning();
            table.insert(name.clone(), user);
            Ok(warning)
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
    /// Unknown names take as long as known ones: if anybody has a hashed password, one hash is verified for everybody.
    fn authenticate(&self, attempt: &LoginAttempt) -> Result<Account, AuthError> {
        let table = self.table();
        let Some(user) = table.find(&attempt.user) else {
            if attempt.user.is_anonymous() {
                return Err(AuthError::NoAnonymous);
            }
            table.verify_decoy(&attempt.password);
            return Err(AuthError::Rejected);
        };
        let good = match &user.credential {
            Verifier::Any => true,
            Verifier::Hash(hash) => hash.verify(&attempt.password),
            Verifier::Plain(password) => {
                table.verify_decoy(&attempt.password);
                *password == attempt.password
            }
        };
        if good { Ok(user.account_for(&attempt.user)) } else { Err(AuthError::Rejected) }
    }
}

impl Table {
    fn find(&self, name: &UserName) -> Option<&Arc<User>> {
        let named = self.users.get(name);
        if named.is_none() && name.is_anonymous() { self.users.get(&anonymous()) } else { named }
    }

    fn insert(&mut self, name: UserName, user: User) {
        if let Verifier::Hash(hash) = &user.credential {
            self.decoy = Some(Arc::clone(hash));
        }
        self.users.insert(name, Arc::new(user));
    }

    fn verify_decoy(&self, password: &Secret) {
        if let Some(decoy) = &self.decoy {
            black_box(decoy.verify(password));
        }
    }
}

impl User {
    fn account_for(&self, name: &UserName) -> Account {
        Account { user: name.clone(), ..self.account.clone() }
    }

    fn with_override(&self, rule: Override) -> Self {
        let rules = self.account.permissions.clone().with_override(rule);
        let account = self.account.clone().with_permissions(rules);
        Self { credential: self.credential.duplicate(), account }
    }

    fn warning(&self) -> Option<Warning> {
        let rules = &self.account.permissions;
        let letters = rules.overrides().iter().fold(rules.base(), |all, rule| all | rule.permissions);
        let may_write = letters.intersects(Permissions::WRITE);
        (matches!(self.credential, Verifier::Any) && may_write).then_some(Warning::AnonymousMayWrite)
    }
}

impl Verifier {
    fn duplicate(&self) -> Self {
        match self {
            Self::Plain(password) => Self::Plain(password.clone()),
            Self::Hash(hash) => Self::Hash(Arc::clone(hash)),
            Self::Any => Self::Any,
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
            mounts: Vec::new(),
            messages: None,
            limits: (None, None),
        }
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

    /// With these limits in bytes per second, for receiving and for sending.
    #[must_use]
    pub fn limits(self, read: Option<u64>, write: Option<u64>) -> Self {
        Self { limits: (read, write), ..self }
    }

    fn build(self) -> Result<(UserName, User), UserError> {
        let home = self.home.open()?;
        let permissions = self.permissions.map_err(UserError::Letter)?;
        let credential = self.credential.into_verifier()?;
        let mount = |mounts: Mounts, (point, storage)| mounts.with(point, storage);
        let mounts = self.mounts.into_iter().try_fold(Mounts::new(home.clone()), mount).map_err(UserError::Mount)?;
        let mut account = Account::new(self.name.clone(), home, permissions)
            .with_mounts(mounts)
            .with_permissions(PermissionRules::new(permissions))
            .with_limits(self.limits.0, self.limits.1);
        if let Some((login, quit)) = self.messages {
            account = account.with_messages(login, quit);
        }
        Ok((self.name, User { credential, account }))
    }
}

impl Credential {
    fn into_verifier(self) -> Result<Verifier, UserError> {
        Ok(match self {
            Self::Plain(password) => Verifier::Plain(password),
            Self::Hash(text) => Verifier::Hash(Arc::new(text.parse().map_err(UserError::Hash)?)),
            Self::Any => Verifier::Any,
        })
    }
}

impl Home {
    fn open(self) -> Result<Storage, UserError> {
        match self {
            Self::Storage(storage) => Ok(storage),
            Self::Directory(path) => match LocalFs::open(&path) {
                Ok(storage) => Ok(Storage::blocking(storage)),
                Err(error) => Err(UserError::NoSuchHome(path, error)),
            },
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

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(name) => write!(f, "user '{name}' already exists"),
            Self::Hash(error) => error.fmt(f),
            Self::NoSuchHome(path, error) => write!(f, "no such directory: '{}' ({error})", path.display()),
            Self::Letter(error) => error.fmt(f),
            Self::Mount(error) => error.fmt(f),
            Self::Unknown(name) => write!(f, "no such user: '{name}'"),
            Self::NoSuchDirectory(path) => write!(f, "no such directory: '{path}'"),
            Self::OverridesHome => f.write_str("can't override home directory permissions"),
            Self::OverrideEscapes(path) => write!(f, "path escapes user home directory: '{path}'"),
        }
    }
}

impl std::error::Error for UserError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoSuchHome(_, error) => Some(error),
            Self::Hash(error) => Some(error),
            Self::Letter(error) => Some(error),
            Self::Mount(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnonymousMayWrite => f.write_str("write permissions assigned to anonymous user"),
        }
    }
}
