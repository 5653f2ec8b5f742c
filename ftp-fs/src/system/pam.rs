//! Passwords of the machine's accounts, by PAM.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::os::unix::ffi::OsStringExt;

use ftp_types::{Secret, UserName};
use nonstick::items::{Items, ItemsMut};
use nonstick::{
    AuthnFlags, ConversationAdapter, ErrorCode, LibPamTransaction, PamShared, Transaction, TransactionBuilder,
};

use super::impersonating;
use super::root::Root;
use super::users::{AccountCheck, CheckError};

/// Asks the PAM of this machine, under the name of a service: by the file `/etc/pam.d/SERVICE`, or by
/// `/etc/pam.d/other` when there is none.
///
/// Modules run in this process, on the thread that asks, which is root meanwhile. They see the client's address
/// (`PAM_RHOST`) and the terminal `ftp`. Accounts without a password are refused, whatever they say, and so is a login
/// for which one asks for more than a password. Sessions are not opened.
#[derive(Clone, Debug)]
pub struct Pam {
    service: OsString,
}

/// A name of a service that is none: empty, or with other characters than letters, digits, `-`, `_` and `.`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidService;

impl fmt::Display for InvalidService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a PAM service is made of letters, digits, \"-\", \"_\" and \".\"")
    }
}

impl std::error::Error for InvalidService {}

impl Pam {
    /// Asks as that service.
    ///
    /// # Errors
    /// When it cannot be the name of one.
    pub fn new(service: &str) -> Result<Self, InvalidService> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let good = service.bytes().all(fits) && service.bytes().any(|byte| byte != b'.');
        if good { Ok(Self { service: service.into() }) } else { Err(InvalidService) }
    }

    fn ask(
        &self,
        user: &UserName,
        password: Option<&Secret>,
        peer: IpAddr,
        steps: impl FnOnce(&mut LibPamTransaction<nonstick::conv::Demux<Password>>) -> Result<(), ErrorCode>,
    ) -> Result<(), CheckError> {
        let conversation = Password(password.cloned()).into_conversation();
        let work = || {
            let builder = TransactionBuilder::new_with_service(&self.service).username(user.as_str());
            let mut transaction = builder.build(conversation)?;
            transaction.items_mut().set_remote_host(Some(OsStr::new(&peer.to_canonical().to_string())))?;
            transaction.items_mut().set_tty_name(Some(OsStr::new("ftp")))?;
            steps(&mut transaction)?;
            // A module may have made somebody else of the user.
            let user_now = transaction.items().user()?;
            if user_now.as_deref() == Some(OsStr::new(user.as_str())) { Ok(()) } else { Err(ErrorCode::UserUnknown) }
        };
        let asked = Root::new().and_then(|root| impersonating(&root, work));
        asked.map_err(|error: io::Error| CheckError::Failed(error.to_string()))?.map_err(meaning)
    }
}

impl AccountCheck for Pam {
    fn authenticate(&self, user: &UserName, password: &Secret, peer: IpAddr) -> Result<(), CheckError> {
        // The modules read passwords up to the first NUL.
        if password.expose().contains(&0) {
            return Err(CheckError::Refused("a NUL in the password".to_owned()));
        }
        self.ask(user, Some(password), peer, |transaction| {
            transaction.authenticate(STRICT)?;
            transaction.account_management(STRICT)
        })
    }

    fn is_usable(&self, user: &UserName, peer: IpAddr) -> Result<(), CheckError> {
        self.ask(user, None, peer, |transaction| transaction.account_management(STRICT))
    }
}

/// An account without a password is nobody's over the network, whatever it may be at the machine itself.
const STRICT: AuthnFlags = AuthnFlags::SILENT.union(AuthnFlags::DISALLOW_NULL_AUTHTOK);

/// What is wrong with the machine is told apart from what is wrong with the login, as far as PAM does.
fn meaning(error: ErrorCode) -> CheckError {
    match error {
        ErrorCode::OpenError
        | ErrorCode::SymbolError
        | ErrorCode::ServiceError
        | ErrorCode::SystemError
        | ErrorCode::BufferError
        | ErrorCode::Abort => CheckError::Failed(error.to_string()),
        _ => CheckError::Refused(error.to_string()),
    }
}

/// Answers the question for the password, and no other.
struct Password(Option<Secret>);

impl ConversationAdapter for Password {
    fn prompt(&self, _: impl AsRef<OsStr>) -> Result<OsString, ErrorCode> {
        Err(ErrorCode::ConversationError)
    }

    fn masked_prompt(&self, _: impl AsRef<OsStr>) -> Result<OsString, ErrorCode> {
        let password = self.0.as_ref().ok_or(ErrorCode::ConversationError)?;
        Ok(OsString::from_vec(password.expose().to_vec()))
    }

    fn error_msg(&self, message: impl AsRef<OsStr>) {
        tracing::debug!(message = %message.as_ref().display(), "PAM");
    }

    fn info_msg(&self, message: impl AsRef<OsStr>) {
        tracing::debug!(message = %message.as_ref().display(), "PAM");
    }
}

#[cfg(test)]
mod tests;
