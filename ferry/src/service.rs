//! From the configuration to the service that the sessions share.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use ftp_driver::{Service, TlsServer};
use ftp_fs::{
    Account, AuthError, BlockingAuthenticator, CertificateLogin, Credential, Lockout, LockoutPolicy, LoginAttempt,
    NewUser, Override, UserError, VirtualUsers, Warning,
};
use ftp_proto::{PathCodec, TlsPolicy};
use ftp_types::{Permissions, Secret, UserName};
use tracing::warn;

use crate::config::{self, Anonymous, Config, LogLevel, User};
use crate::encoding::Charset;
use crate::logging::Journals;
use crate::system_users::{self, Machine};
use crate::zone::LocalZone;

/// An account that cannot be offered: its home cannot be opened, say.
#[derive(Debug)]
pub enum AccountError {
    /// One of `[[user]]` and `[anonymous]`.
    User(String, UserError),
    /// `[system_users]`, and why.
    System(String),
}

impl fmt::Display for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(account, error) => write!(f, "user {account}: {error}"),
            Self::System(error) => write!(f, "system_users: {error}"),
        }
    }
}

impl std::error::Error for AccountError {}

/// Judges logins by the accounts of the configuration that is in force, for sessions that began under an older one as
/// well: who is struck off the file cannot log in again. Clones belong together.
#[derive(Clone, Default)]
pub struct Accounts(Arc<RwLock<Arc<Offered>>>);

/// All the accounts of a configuration. A name of the file goes before the same name of the machine.
#[derive(Default)]
pub struct Offered {
    users: VirtualUsers,
    machine: Option<Machine>,
}

impl Accounts {
    /// Puts these accounts in force.
    pub fn set(&self, offered: Offered) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(offered);
    }

    /// Whether there is an account that this name logs in to.
    #[must_use]
    pub fn serve(&self, name: &UserName) -> bool {
        let offered = self.offered();
        offered.users.serves(name) || offered.machine.as_ref().is_some_and(|machine| machine.serves(name))
    }

    /// What is in force. Judging may take long; the lock is held for the copy of a pointer.
    fn offered(&self) -> Arc<Offered> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl BlockingAuthenticator for Accounts {
    fn authenticate(&self, attempt: &LoginAttempt) -> Result<Account, AuthError> {
        self.offered().authenticate(attempt)
    }

    fn authenticate_at_once(&self, attempt: &LoginAttempt) -> Option<Account> {
        self.offered().authenticate_at_once(attempt)
    }

    fn authenticate_certificate(&self, login: &CertificateLogin) -> Result<Account, AuthError> {
        self.offered().authenticate_certificate(login)
    }
}

impl BlockingAuthenticator for Offered {
    /// A wrong login takes as long for the names of the file as for those of the machine, and for those of neither.
    fn authenticate(&self, attempt: &LoginAttempt) -> Result<Account, AuthError> {
        let judged = self.users.authenticate(attempt);
        let Some(machine) = &self.machine else { return judged };
        if !self.users.serves(&attempt.user) {
            return machine.authenticate(attempt);
        }
        if let Err(AuthError::Rejected) = judged {
            // Nobody's password, and nobody asks what comes of it.
            let wrong = LoginAttempt { password: Secret::from("n0b0dy's passw0rd"), ..attempt.clone() };
            let _ = machine.authenticate(&wrong);
        }
        judged
    }

    /// Accounts of the machine have passwords, and the names of the file go before theirs.
    fn authenticate_at_once(&self, attempt: &LoginAttempt) -> Option<Account> {
        self.users.authenticate_at_once(attempt)
    }

    /// Accounts of the machine have passwords.
    fn authenticate_certificate(&self, login: &CertificateLogin) -> Result<Account, AuthError> {
        self.users.authenticate_certificate(login)
    }
}

/// The accounts, behind a lockout of addresses that guess. It stays over reloads, as what it counts does.
pub type Guarded = Arc<Lockout<Accounts>>;

/// Puts the accounts behind the lockout that the configuration asks for.
#[must_use]
pub fn guard(config: &Config, accounts: &Accounts) -> Guarded {
    Arc::new(Lockout::new(accounts.clone(), lockout(config)))
}

/// When addresses are locked out; never, unless the configuration says so.
#[must_use]
pub fn lockout(config: &Config) -> LockoutPolicy {
    let never = LockoutPolicy { failures: 0, ..LockoutPolicy::default() };
    let policy = |&config::Lockout { failures, window }| LockoutPolicy { failures, window, ..never };
    config.lockout.as_ref().map_or(never, policy)
}

/// Makes the service that these accounts are offered.
#[must_use]
pub fn build(config: &Config, journals: &Journals, accounts: &Guarded, tls: Option<TlsServer>) -> Service {
    let Config { server, session, data, .. } = config;
    let zone = LocalZone::of_system();
    let mut builder = Service::builder(Arc::clone(accounts))
        .config(protocol(config, journals))
        .max_connections(server.max_connections as usize)
        .max_connections_per_ip(server.max_connections_per_ip as usize)
        .read_limit(data.read_limit.unwrap_or(0))
        .write_limit(data.write_limit.unwrap_or(0))
        .user_read_limit(data.user_read_limit.unwrap_or(0))
        .user_write_limit(data.user_write_limit.unwrap_or(0))
        .server_read_limit(data.server_read_limit.unwrap_or(0))
        .server_write_limit(data.server_write_limit.unwrap_or(0))
        .burst(data.burst)
        .proxy_protocol(server.proxy_protocol.iter().copied())
        .passive_port_wait(data.passive_port_wait)
        .use_sendfile(session.use_sendfile)
        .tcp_no_delay(session.tcp_no_delay)
        .read_buffer(data.read_buffer)
        .write_buffer(data.write_buffer)
        .observer(journals.observer(zone.clone()));
    if let Some(recorder) = journals.recorder(session.encoding) {
        builder = builder.recorder(recorder);
    }
    if let Some(ports) = &data.passive_ports {
        builder = builder.passive_ports(ports.clone());
    }
    if let Some(address) = &data.masquerade_address {
        builder = builder.masquerade(address.clone());
    }
    for (local, address) in &data.masquerade_address_map {
        builder = builder.masquerade_for(*local, address.clone());
    }
    if let Some(tls) = tls {
        builder = builder.tls(tls);
    }
    if !session.use_gmt_times {
        builder = builder.time_zone(Arc::new(zone));
    }
    builder.build()
}

fn protocol(config: &Config, journals: &Journals) -> ftp_proto::Config {
    let Config { server, session, data, log, .. } = config;
    let mut protocol = ftp_proto::Config::default();
    protocol.banner.clone_from(&server.banner);
    protocol.idle_timeout = session.idle_timeout;
    protocol.login_timeout = session.login_timeout;
    protocol.connect_timeout = data.connect_timeout;
    protocol.stall_timeout = data.stall_timeout;
    protocol.max_login_attempts = session.max_login_attempts;
    protocol.failed_login_delay = session.failed_login_delay;
    protocol.permit_foreign_addresses = data.permit_foreign_addresses;
    protocol.permit_privileged_ports = data.permit_privileged_ports;
    protocol.tls = config
        .tls
        .as_ref()
        .map(|tls| TlsPolicy { control_required: tls.control_required, data_required: tls.data_required });
    protocol.disabled_commands.clone_from(&session.disabled_commands);
    protocol.codec = Charset::new(session.encoding).map(|charset| Arc::new(charset) as Arc<dyn PathCodec>);
    protocol.report_commands = journals.want_commands() || log.level >= LogLevel::Debug;
    protocol
}

/// Makes the accounts. Opens all homes, and warns of what an operator may not have meant.
///
/// # Errors
/// The first account that cannot be offered.
pub fn accounts(config: &Config) -> Result<Offered, AccountError> {
    let accounts = VirtualUsers::new();
    for user in &config.users {
        let error = |error| AccountError::User(user.name.to_string(), error);
        add(&accounts, named(user), &user.name, &user.overrides).map_err(error)?;
    }
    if let Some(anonymous) = &config.anonymous {
        let name = "anonymous".parse().expect("it is a name");
        let error = |error| AccountError::User("anonymous".to_owned(), error);
        let (home, account) = (anonymous.home.as_path(), nameless(anonymous));
        if add(&accounts, account, &name, &anonymous.overrides).map_err(error)? {
            warn!(home = %home.display(), "anybody may change and add files");
        }
    }
    if config.users.is_empty() && config.anonymous.is_none() && config.system_users.is_none() {
        warn!("nobody can log in: the configuration has neither [[user]] nor [anonymous] nor [system_users]");
    }
    let machine = config.system_users.as_ref().map(system_users::offer);
    if machine.is_some() && config.server.user.is_none() {
        warn!("the server stays root, which accounts of the machine do not take: name a server.user");
    }
    Ok(Offered { users: accounts, machine: machine.transpose().map_err(AccountError::System)? })
}

fn named(user: &User) -> NewUser {
    let credential = match &user.credential {
        config::Credential::Password(password) => Credential::Plain(password.clone()),
        config::Credential::Hash(hash) => Credential::Hash(hash.clone()),
        config::Credential::Certificate => Credential::None,
    };
    let account = NewUser::new(user.name.clone(), credential, user.home.as_path())
        .permissions(user.perm)
        .require_certificate(user.require_certificate);
    let account = user.certificates.iter().copied().fold(account, NewUser::certificate);
    limited(greeted(account, &user.login_message, &user.quit_message), &user.limits)
}

fn nameless(anonymous: &Anonymous) -> NewUser {
    let account = NewUser::anonymous(anonymous.home.as_path()).permissions(anonymous.perm);
    limited(greeted(account, &anonymous.login_message, &anonymous.quit_message), &anonymous.limits)
}

/// Adds an account with its overrides; whether anybody may write by it.
fn add(
    accounts: &VirtualUsers,
    account: NewUser,
    name: &UserName,
    overrides: &[config::Override],
) -> Result<bool, UserError> {
    let mut warnings = vec![accounts.add(account)?];
    for config::Override { path, perm, recursive } in overrides {
        let rule = Override { path: path.clone(), permissions: *perm, recursive: *recursive };
        warnings.push(accounts.override_permissions(name, rule)?);
    }
    Ok(warnings.contains(&Some(Warning::AnonymousMayWrite)))
}

fn greeted(account: NewUser, login: &Option<String>, quit: &Option<String>) -> NewUser {
    let message = |own: &Option<String>, default: &str| own.clone().unwrap_or_else(|| default.to_owned());
    account.messages(message(login, LOGIN_MESSAGE), message(quit, QUIT_MESSAGE))
}

fn limited(account: NewUser, limits: &config::Limits) -> NewUser {
    // To the account, zero is "no limit", and none "as the server".
    let limit = |own: Option<Option<u64>>| own.map(Option::unwrap_or_default);
    account
        .limits(limit(limits.read), limit(limits.write))
        .total_limits(limit(limits.total_read), limit(limits.total_write))
}

/// What the operator of a fresh server wants to know: who can do what, and how to get there.
#[must_use]
pub fn describe(config: &Config) -> Vec<String> {
    let access = |perm: Permissions| {
        if perm.intersects(Permissions::WRITE) { "with write access" } else { "read-only" }
    };
    let mut lines = Vec::new();
    if let Some(anonymous) = &config.anonymous {
        lines.push(format!("sharing {}, anonymous, {}", anonymous.home.display(), access(anonymous.perm)));
    }
    match &config.users[..] {
        [] => {}
        [user] => lines.push(format!("sharing {}, user {}, {}", user.home.display(), user.name, access(user.perm))),
        users => lines.push(format!("{} users", users.len())),
    }
    if let Some(system) = &config.system_users {
        lines.push(format!("accounts of this machine, {}", access(system.perm)));
    }
    lines
}

const LOGIN_MESSAGE: &str = "Login successful.";
const QUIT_MESSAGE: &str = "Goodbye.";
