//! `[system_users]`: accounts of the machine. Names in it are looked up on this machine, as directories are.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::ValueEnum;
use ftp_types::{Permissions, Secret, UserName};

use super::accounts::{self, Credential, Limits};
use super::parse;
use super::section::{Section, Value};
use crate::system_users as machine;

/// `[system_users]`: accounts of the machine may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemUsers {
    /// What they may do.
    pub perm: Permissions,
    /// Who may log in; none: everybody.
    pub allowed: Vec<UserName>,
    /// Who may not.
    pub rejected: Vec<UserName>,
    /// Whether only those with a shell of `/etc/shells` may.
    pub require_valid_shell: bool,
    /// The account that serves anonymous sessions.
    pub anonymous_user: Option<UserName>,
    /// The password of that account, on Windows.
    pub anonymous_password: Secret,
    /// What they see.
    pub filesystem: Filesystem,
    /// The name that PAM is asked under.
    pub pam_service: String,
    /// Reply to a login.
    pub login_message: Option<String>,
    /// Reply to QUIT.
    pub quit_message: Option<String>,
    /// What is different for some.
    pub users: Vec<SystemUser>,
}

/// What a user of the machine sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Filesystem {
    /// The real tree.
    Unix,
    /// Their home.
    Home,
}

/// `[[system_users.user]]`: what is different for one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemUser {
    /// Who, or `anonymous`.
    pub name: UserName,
    /// What proves them, in place of the machine's password.
    pub credential: Option<Credential>,
    /// Their home, in place of the account's.
    pub home: Option<PathBuf>,
    /// What they may do.
    pub perm: Option<Permissions>,
    /// Reply to a login.
    pub login_message: Option<String>,
    /// Reply to QUIT.
    pub quit_message: Option<String>,
    /// How fast their transfers may be.
    pub limits: Limits,
}

impl Default for Filesystem {
    fn default() -> Self {
        if cfg!(windows) { Self::Home } else { Self::Unix }
    }
}

impl Default for SystemUsers {
    fn default() -> Self {
        Self {
            perm: Permissions::ALL,
            allowed: Vec::new(),
            rejected: if cfg!(windows) { Vec::new() } else { vec![root()] },
            require_valid_shell: true,
            anonymous_user: None,
            anonymous_password: Secret::default(),
            filesystem: Filesystem::default(),
            pam_service: "ferry".to_owned(),
            login_message: None,
            quit_message: None,
            users: Vec::new(),
        }
    }
}

/// Reads `[system_users]`; `anonymous` tells whether there is an `[anonymous]` beside it.
pub(super) fn system_users(section: &mut Section<'_>, anonymous: bool) -> SystemUsers {
    let mut system = SystemUsers::default();
    section.set("perm", &mut system.perm, parse::permissions);
    section.set("require_valid_shell", &mut system.require_valid_shell, parse::boolean);
    lists(section, &mut system);
    system.anonymous_user = section.get("anonymous_user", |value| anonymous_user(value, &system, anonymous)).flatten();
    section.set("anonymous_password", &mut system.anonymous_password, anonymous_password);
    section.set("filesystem", &mut system.filesystem, filesystem);
    section.set("pam_service", &mut system.pam_service, pam_service);
    system.login_message = section.get("login_message", parse::string);
    system.quit_message = section.get("quit_message", parse::string);
    let mut names = BTreeSet::new();
    system.users = section.sections("user", |section| user(section, &system, &mut names));
    system
}

/// Who is allowed by name needs nobody to be rejected; without either list, root is.
fn lists(section: &mut Section<'_>, system: &mut SystemUsers) {
    let (allowed, rejected) = (section.value("allowed"), section.value("rejected"));
    if let Some(names) = allowed.as_ref().and_then(|value| names(value, |name| machine::check_allowed(system, name))) {
        system.allowed = names;
    }
    if !system.allowed.is_empty() {
        system.rejected.clear();
    }
    if let Some(value) = &rejected
        && let Some(names) = names(value, |name| machine::check_rejected(system, name))
    {
        if !system.allowed.is_empty() && !names.is_empty() {
            value.complain::<()>("allowed has names as well; the two lists are mutually exclusive");
        }
        system.rejected = names;
    }
}

/// Each wrong name is reported.
fn names(value: &Value<'_>, check: impl Fn(&UserName) -> Result<(), String>) -> Option<Vec<UserName>> {
    let items = value.items("an array of user names")?;
    let checked = items.iter().map(|item| checked(item, parse::user_name(item)?, &check));
    // All of them are looked at before any is missed.
    let names: Vec<Option<UserName>> = checked.collect();
    names.into_iter().collect()
}

fn checked(value: &Value<'_>, name: UserName, check: impl Fn(&UserName) -> Result<(), String>) -> Option<UserName> {
    good(value, check(&name))?;
    Some(name)
}

fn good(value: &Value<'_>, checked: Result<(), String>) -> Option<()> {
    checked.map_or_else(|problem| value.complain(&problem), Some)
}

/// An empty name is none.
fn anonymous_user(value: &Value<'_>, system: &SystemUsers, anonymous: bool) -> Option<Option<UserName>> {
    if parse::string(value)?.is_empty() {
        return Some(None);
    }
    let name = checked(value, parse::user_name(value)?, |name| machine::check_anonymous(system, name))?;
    if anonymous { value.complain("there is an [anonymous] already") } else { Some(Some(name)) }
}

fn anonymous_password(value: &Value<'_>) -> Option<Secret> {
    let password = Secret::from(&*parse::string(value)?);
    good(value, machine::check_anonymous_password(&password))?;
    Some(password)
}

fn filesystem(value: &Value<'_>) -> Option<Filesystem> {
    let filesystem = parse::one_of(value)?;
    good(value, machine::check_filesystem(filesystem))?;
    Some(filesystem)
}

fn pam_service(value: &Value<'_>) -> Option<String> {
    let service = parse::filled_string(value)?;
    good(value, machine::check_service(&service))?;
    Some(service)
}

/// Asks for all keys before it gives up on any, so that all errors are found.
fn user(section: &mut Section<'_>, system: &SystemUsers, names: &mut BTreeSet<UserName>) -> Option<SystemUser> {
    let name = section.require("name", "the account, or \"anonymous\"", |value| {
        let name = parse::user_name(value)?;
        if names.insert(name.clone()) {
            Some((name, value.span().start))
        } else {
            value.complain("this user has a section already")
        }
    });
    let credential = accounts::credential_if_any(section);
    let home = section.get("home", parse::directory);
    let perm = section.get("perm", parse::permissions);
    let login_message = section.get("login_message", parse::string);
    let quit_message = section.get("quit_message", parse::string);
    let limits = accounts::limits(section);
    let (name, at) = name?;
    let user = SystemUser { name, credential: credential?, home, perm, login_message, quit_message, limits };
    match machine::check_user(system, &user) {
        Ok(()) => Some(user),
        Err(problem) => section.complain_at(at, "name", &problem),
    }
}

fn root() -> UserName {
    "root".parse().expect("this is a user name")
}
