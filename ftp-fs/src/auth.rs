//! Who may log in, and what they get.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use ftp_types::{Permissions, Secret, UserName, VirtualPath};

use crate::{BoxFuture, ClientCertificate, Mounts, PermissionRules, Storage};

/// What is known when a client has sent its password.
#[derive(Clone, Debug)]
pub struct LoginAttempt {
    /// The name given with USER.
    pub user: UserName,
    /// The password given with PASS.
    pub password: Secret,
    /// The client's address.
    pub peer: SocketAddr,
    /// The server's address that the client connected to.
    pub local: SocketAddr,
    /// Whether the control connection is encrypted.
    pub secure: bool,
    /// The certificate that the client presented, if it did.
    pub certificate: Option<ClientCertificate>,
}

/// What is known when a client has named its user and sent no password yet, but presented a certificate.
#[derive(Clone, Debug)]
pub struct CertificateLogin {
    /// The name given with USER.
    pub user: UserName,
    /// What the client presented.
    pub certificate: ClientCertificate,
    /// The client's address.
    pub peer: SocketAddr,
    /// The server's address that the client connected to.
    pub local: SocketAddr,
}

/// What a user gets after the login.
#[derive(Clone)]
#[non_exhaustive]
pub struct Account {
    /// Who logged in; for anonymous users the name they gave.
    pub user: UserName,
    /// The tree.
    pub mounts: Mounts,
    /// What the user may do in it.
    pub permissions: PermissionRules,
    /// The directory that the session starts in.
    pub start: VirtualPath,
    /// Text of the reply to a good login.
    pub login_message: String,
    /// Text of the reply to QUIT.
    pub quit_message: String,
    /// Bytes per second that one transfer may receive; `Some(0)`: without limit, `None`: as the server is set up.
    pub read_limit: Option<u64>,
    /// Bytes per second that one transfer may send; `Some(0)`: without limit, `None`: as the server is set up.
    pub write_limit: Option<u64>,
    /// Bytes per second that all transfers of the user together may receive, whatever sessions they are of;
    /// `Some(0)`: without limit, `None`: as the server is set up.
    pub total_read_limit: Option<u64>,
    /// The same for what they send.
    pub total_write_limit: Option<u64>,
}

impl Account {
    /// An account with one tree, starting at its root, with the default messages and limits.
    #[must_use]
    pub fn new(user: UserName, home: Storage, permissions: Permissions) -> Self {
        Self {
            user,
            mounts: Mounts::new(home),
            permissions: PermissionRules::new(permissions),
            start: VirtualPath::root(),
            login_message: "Login successful.".into(),
            quit_message: "Goodbye.".into(),
            read_limit: None,
            write_limit: None,
            total_read_limit: None,
            total_write_limit: None,
        }
    }

    /// The account with these mounts in place of its only tree.
    #[must_use]
    pub fn with_mounts(self, mounts: Mounts) -> Self {
        Self { mounts, ..self }
    }

    /// The account with these rules in place of its only set of letters.
    #[must_use]
    pub fn with_permissions(self, permissions: PermissionRules) -> Self {
        Self { permissions, ..self }
    }

    /// The account with another start directory.
    #[must_use]
    pub fn with_start(self, start: VirtualPath) -> Self {
        Self { start, ..self }
    }

    /// The account with other texts for login and QUIT.
    #[must_use]
    pub fn with_messages(self, login: impl Into<String>, quit: impl Into<String>) -> Self {
        Self { login_message: login.into(), quit_message: quit.into(), ..self }
    }

    /// The account with its own limits for each transfer, in bytes per second, for receiving and for sending.
    #[must_use]
    pub fn with_limits(self, read: Option<u64>, write: Option<u64>) -> Self {
        Self { read_limit: read, write_limit: write, ..self }
    }

    /// The account with its own limits for all transfers of the user together, in bytes per second, for receiving and
    /// for sending. The latest login says what holds, for the user's other sessions as well.
    #[must_use]
    pub fn with_total_limits(self, read: Option<u64>, write: Option<u64>) -> Self {
        Self { total_read_limit: read, total_write_limit: write, ..self }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("user", &self.user)
            .field("permissions", &self.permissions)
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}

/// Why a login failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthError {
    /// Wrong name or wrong password; which of them is told to nobody.
    Rejected,
    /// There is no anonymous account.
    NoAnonymous,
    /// The authenticator itself failed: a data base out of reach, a home that cannot be opened.
    Unavailable,
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rejected => "wrong user name or password",
            Self::NoAnonymous => "anonymous access is not allowed",
            Self::Unavailable => "login is not possible at this moment",
        })
    }
}

impl std::error::Error for AuthError {}

/// Judges logins in a plain function that may block.
pub trait BlockingAuthenticator: Send + Sync + 'static {
    /// Judges one attempt.
    ///
    /// # Errors
    /// As [`AuthError`] says.
    fn authenticate(&self, attempt: &LoginAttempt) -> Result<Account, AuthError>;

    /// Lets in at once whoever needs no proof that is secret or slow to verify: the anonymous user, above all. It is
    /// called before [`authenticate`](Self::authenticate), where nothing may block. `None`, as by default, leaves the
    /// attempt to that, which is where all that are refused belong: how long it takes must not depend on the name.
    fn authenticate_at_once(&self, attempt: &LoginAttempt) -> Option<Account> {
        let _ = attempt;
        None
    }

    /// Says whether the client's certificate alone will do for this user; for nobody, by default.
    ///
    /// # Errors
    /// It will not, for whatever reason: the client is asked for its password then. It is no failed login, since clients
    /// do not choose to make it.
    fn authenticate_certificate(&self, login: &CertificateLogin) -> Result<Account, AuthError> {
        let _ = login;
        Err(AuthError::Rejected)
    }
}

/// Judges logins, as the driver asks for it.
pub trait Authenticator: Send + Sync + 'static {
    /// Judges one attempt, as [`BlockingAuthenticator::authenticate`] does.
    fn authenticate(&self, attempt: LoginAttempt) -> BoxFuture<'_, Result<Account, AuthError>>;

    /// Says whether the client's certificate alone will do, as [`BlockingAuthenticator::authenticate_certificate`] does.
    fn authenticate_certificate(&self, login: CertificateLogin) -> BoxFuture<'_, Result<Account, AuthError>> {
        drop(login);
        Box::pin(std::future::ready(Err(AuthError::Rejected)))
    }
}

impl<A: BlockingAuthenticator + ?Sized> BlockingAuthenticator for Arc<A> {
    fn authenticate(&self, attempt: &LoginAttempt) -> Result<Account, AuthError> {
        (**self).authenticate(attempt)
    }

    fn authenticate_at_once(&self, attempt: &LoginAttempt) -> Option<Account> {
        (**self).authenticate_at_once(attempt)
    }

    fn authenticate_certificate(&self, login: &CertificateLogin) -> Result<Account, AuthError> {
        (**self).authenticate_certificate(login)
    }
}
