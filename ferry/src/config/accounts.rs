//! The accounts of the file: `[[user]]` and `[anonymous]`.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use ftp_fs::Fingerprint;
use ftp_types::{Permissions, Secret, UserName, VirtualPath};

use super::parse;
use super::section::{Section, Value};

/// `[[user]]`: one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name to log in with.
    pub name: UserName,
    /// How to know that it is that user.
    pub credential: Credential,
    /// The directory that the user sees as `/`.
    pub home: PathBuf,
    /// What the user may do.
    pub perm: Permissions,
    /// What the user may do in single directories.
    pub overrides: Vec<Override>,
    /// Reply to a login.
    pub login_message: Option<String>,
    /// Reply to QUIT.
    pub quit_message: Option<String>,
    /// The client certificates that log in without a password.
    pub certificates: Vec<Fingerprint>,
    /// Whether one of them has to be shown beside the password.
    pub require_certificate: bool,
    /// How fast the user's transfers may be.
    pub limits: Limits,
}

/// The speed limits of an account, in bytes per second; outer none: as `[data]` says; inner none: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// What a transfer may receive.
    pub read: Option<Option<u64>>,
    /// What a transfer may send.
    pub write: Option<Option<u64>>,
    /// What all transfers of the account together may receive.
    pub total_read: Option<Option<u64>>,
    /// What all transfers of the account together may send.
    pub total_write: Option<Option<u64>>,
}

impl User {
    /// An account that leaves everything else at its default.
    #[must_use]
    pub const fn new(name: UserName, credential: Credential, home: PathBuf, perm: Permissions) -> Self {
        Self {
            name,
            credential,
            home,
            perm,
            overrides: Vec::new(),
            certificates: Vec::new(),
            require_certificate: false,
            login_message: None,
            quit_message: None,
            limits: Limits { read: None, write: None, total_read: None, total_write: None },
        }
    }
}

/// What proves a user. Neither passwords nor hashes are printed.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// The password itself.
    Password(Secret),
    /// Its hash: a PHC string, bcrypt or sha-crypt.
    Hash(String),
    /// No password: one of the user's certificates.
    Certificate,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(***)",
            Self::Hash(_) => "Hash(***)",
            Self::Certificate => "Certificate",
        })
    }
}

/// `[[user.override]]`: the permissions of one directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The directory as the user sees it.
    pub path: VirtualPath,
    /// What the user may do there.
    pub perm: Permissions,
    /// Whether that holds for all that is below, too.
    pub recursive: bool,
}

/// `[anonymous]`: the account of everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anonymous {
    /// The directory that they see as `/`.
    pub home: PathBuf,
    /// What they may do.
    pub perm: Permissions,
    /// What they may do in single directories.
    pub overrides: Vec<Override>,
    /// Reply to a login.
    pub login_message: Option<String>,
    /// Reply to QUIT.
    pub quit_message: Option<String>,
    /// How fast their transfers may be. In the totals they count as one user.
    pub limits: Limits,
}

impl Anonymous {
    /// The account with everything else at its default.
    #[must_use]
    pub fn new(home: PathBuf, perm: Permissions) -> Self {
        let limits = Limits::default();
        Self { home, perm, overrides: Vec::new(), login_message: None, quit_message: None, limits }
    }
}

/// Reads `[[user]]`. A name can be given once, and `anonymous` not beside `[anonymous]`.
pub(super) fn users(file: &mut Section<'_>, anonymous: bool, asks_for_certificates: bool) -> Vec<User> {
    let mut names = BTreeSet::new();
    if anonymous {
        names.extend("anonymous".parse());
    }
    file.sections("user", |section| user(section, &mut names, asks_for_certificates))
}

/// Reads `[anonymous]`.
pub(super) fn anonymous(section: &mut Section<'_>) -> Option<Anonymous> {
    let home = section.require("home", HOME, parse::directory);
    let mut perm = Permissions::READ;
    section.set("perm", &mut perm, parse::permissions);
    let login_message = section.get("login_message", parse::string);
    let quit_message = section.get("quit_message", parse::string);
    let limits = limits(section);
    let overrides = overrides(section, home.as_deref());
    Some(Anonymous { overrides, login_message, quit_message, limits, ..Anonymous::new(home?, perm) })
}

const HOME: &str = "the directory that is shared";

/// Asks for all keys before it gives up on any, so that all errors are found.
fn user(section: &mut Section<'_>, names: &mut BTreeSet<UserName>, asks_for_certificates: bool) -> Option<User> {
    let name = section.require("name", "the name to log in with", |value| fresh_name(value, names));
    let credential = credential(section);
    let (certificates, require_certificate) = certificates(section, asks_for_certificates);
    let home = section.require("home", HOME, parse::directory);
    let mut perm = Permissions::READ;
    section.set("perm", &mut perm, parse::permissions);
    let login_message = section.get("login_message", parse::string);
    let quit_message = section.get("quit_message", parse::string);
    let limits = limits(section);
    let overrides = overrides(section, home.as_deref());
    let user = User::new(name?, credential?, home?, perm);
    Some(User { overrides, certificates, require_certificate, login_message, quit_message, limits, ..user })
}

/// Reads the speed limits of an account.
pub(super) fn limits(section: &mut Section<'_>) -> Limits {
    Limits {
        read: section.get("read_limit", parse::rate),
        write: section.get("write_limit", parse::rate),
        total_read: section.get("total_read_limit", parse::rate),
        total_write: section.get("total_write_limit", parse::rate),
    }
}

fn fresh_name(value: &Value<'_>, names: &mut BTreeSet<UserName>) -> Option<UserName> {
    let name = parse::user_name(value)?;
    if !names.insert(name.clone()) {
        return value.complain(&format!("there is a user {name} already"));
    }
    Some(name)
}

fn credential(section: &mut Section<'_>) -> Option<Credential> {
    let credential = credential_if_any(section)?;
    if credential.is_none() && section.has("certificates") {
        return Some(Credential::Certificate);
    }
    if credential.is_none() {
        section.complain("password_hash is missing (`ferry hash-password` makes one); or give password");
    }
    credential
}

/// Reads `password` or `password_hash`: inner none if neither is given, outer none if they are wrong.
pub(super) fn credential_if_any(section: &mut Section<'_>) -> Option<Option<Credential>> {
    let password = section.value("password");
    let hash = section.value("password_hash");
    match (password, hash) {
        (Some(_), Some(hash)) => hash.complain("password is given as well; a user has one of the two"),
        (Some(password), None) => {
            parse::filled_string(&password).map(|password| Some(Credential::Password(Secret::from(&*password))))
        }
        (None, Some(hash)) => parse::password_hash(&hash).map(|hash| Some(Credential::Hash(hash))),
        (None, None) => Some(None),
    }
}

/// Certificates mean something only where clients are asked for them.
fn certificates(section: &mut Section<'_>, asked_for: bool) -> (Vec<Fingerprint>, bool) {
    let value = section.value("certificates");
    let required = section.value("require_certificate");
    let fingerprints = value.as_ref().and_then(parse::fingerprints).unwrap_or_default();
    if let (Some(value), false) = (&value, asked_for) {
        value.complain::<()>("there is no tls.client_ca, so that no client is asked for its certificate");
    }
    let must = required.as_ref().and_then(parse::boolean).unwrap_or(false);
    if let (Some(required), true, None) = (&required, must, &value) {
        required.complain::<()>("certificates is missing: the fingerprints of which one is required");
    }
    (fingerprints, must)
}

fn overrides(section: &mut Section<'_>, home: Option<&Path>) -> Vec<Override> {
    let mut paths = BTreeSet::new();
    section.sections("override", |section| override_in(section, home, &mut paths))
}

fn override_in(section: &mut Section<'_>, home: Option<&Path>, paths: &mut BTreeSet<VirtualPath>) -> Option<Override> {
    let path = section.require("path", "the directory that the permissions are for", |value| {
        let path = parse::virtual_path(value)?;
        if !paths.insert(path.clone()) {
            return value.complain("there is an override for this directory already");
        }
        match home.map_or(Ok(()), |home| check_inside(home, &path)) {
            Ok(()) => Some(path),
            Err(problem) => value.complain(&problem),
        }
    });
    let perm = section.require("perm", "the permission letters there", parse::permissions);
    let mut recursive = false;
    section.set("recursive", &mut recursive, parse::boolean);
    Some(Override { path: path?, perm: perm?, recursive })
}

/// The path may go through links, as long as they stay in the home.
fn check_inside(home: &Path, path: &VirtualPath) -> Result<(), String> {
    if path.is_root() {
        return Err("the home itself has its letters in the user's perm".to_owned());
    }
    let real = home.join(std::str::from_utf8(path.relative()).unwrap_or_default());
    let canonical = |path: &Path| path.canonicalize().map_err(|error| format!("{}: {error}", path.display()));
    crate::values::check_directory(&real).map_err(|error| format!("expected an existing directory: {error}"))?;
    if !canonical(&real)?.starts_with(canonical(home)?) {
        return Err(format!("{} leads out of the home", real.display()));
    }
    Ok(())
}
