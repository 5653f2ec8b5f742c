//! What Windows knows of accounts: names, logons, identities of threads. All that is unsafe is here.

#![expect(unsafe_code, reason = "there is no safe crate for logons and identities")]

use std::ffi::OsString;
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::PathBuf;
use std::ptr;

use windows_sys::Win32::Foundation::{
    ERROR_ACCOUNT_DISABLED, ERROR_ACCOUNT_EXPIRED, ERROR_ACCOUNT_LOCKED_OUT, ERROR_ACCOUNT_RESTRICTION,
    ERROR_INVALID_LOGON_HOURS, ERROR_INVALID_WORKSTATION, ERROR_LOGON_FAILURE, ERROR_LOGON_TYPE_NOT_GRANTED,
    ERROR_NO_SUCH_USER, ERROR_NONE_MAPPED, ERROR_PASSWORD_EXPIRED, ERROR_PASSWORD_MUST_CHANGE, HANDLE,
};
use windows_sys::Win32::Security::{
    CopySid, GetTokenInformation, ImpersonateLoggedOnUser, LOGON32_LOGON, LOGON32_LOGON_INTERACTIVE,
    LOGON32_LOGON_NETWORK, LOGON32_PROVIDER_DEFAULT, LogonUserW, LookupAccountNameW, LookupAccountSidW, RevertToSelf,
    SECURITY_MAX_SID_SIZE, SID_NAME_USE, SidTypeUser, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::UI::Shell::GetUserProfileDirectoryW;

use crate::system::Impersonate;

/// What an account is known by under all of its names: `anna`, `ANNA`, `MACHINE\anna`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Sid([u32; SECURITY_MAX_SID_SIZE as usize / size_of::<u32>()]);

impl Sid {
    /// The account of that name, of this machine or of a domain that it trusts; `None` when there is none. Groups and
    /// machines are no accounts.
    pub(super) fn of(name: &str) -> io::Result<Option<Self>> {
        let name = wide(name)?;
        let mut sid = Self::default();
        let (mut size, mut domain, mut domain_len) = (SECURITY_MAX_SID_SIZE, EMPTY, TEXT);
        let mut kind: SID_NAME_USE = 0;
        // SAFETY: the name ends with a zero, and the sizes are those of the buffers that they stand beside, which are
        // aligned as a SID is.
        let found = unsafe {
            LookupAccountNameW(
                ptr::null(),
                name.as_ptr(),
                sid.0.as_mut_ptr().cast(),
                &raw mut size,
                domain.as_mut_ptr(),
                &raw mut domain_len,
                &raw mut kind,
            )
        };
        match done(found) {
            Ok(()) if kind == SidTypeUser => Ok(Some(sid)),
            Ok(()) => Ok(None),
            Err(error) if is(&error, ERROR_NONE_MAPPED) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The name and the domain, each with a zero at the end.
    fn names(&self) -> io::Result<(Text, Text)> {
        let (mut name, mut name_len) = (EMPTY, TEXT);
        let (mut domain, mut domain_len) = (EMPTY, TEXT);
        let mut kind: SID_NAME_USE = 0;
        // SAFETY: only `of` and `Token::user` make a SID, whole ones; the lengths are those of the buffers that they
        // stand beside.
        done(unsafe {
            LookupAccountSidW(
                ptr::null(),
                self.0.as_ptr().cast_mut().cast(),
                name.as_mut_ptr(),
                &raw mut name_len,
                domain.as_mut_ptr(),
                &raw mut domain_len,
                &raw mut kind,
            )
        })?;
        // A zero is there already; this one costs nothing.
        (name[name.len() - 1], domain[domain.len() - 1]) = (0, 0);
        Ok((name, domain))
    }
}

/// How somebody logs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As what clients are: users from the network. Whom the machine does not let in from there is not let in.
    FromNetwork,
    /// As one at the machine, if not from the network. Guest has no password, say, and is no user from there.
    Anyhow,
}

/// Somebody who has logged on.
#[derive(Debug)]
pub(super) struct Token(OwnedHandle);

impl Token {
    /// Logs an account on, in that way.
    pub(super) fn logon(account: &Sid, password: &str, way: Way) -> io::Result<Self> {
        let (name, domain) = account.names()?;
        let password = wide(password)?;
        let logon = |kind| Self::logon_as(kind, &name, &domain, &password);
        let token = match (logon(LOGON32_LOGON_NETWORK), way) {
            (Err(error), Way::Anyhow)
                if is(&error, ERROR_ACCOUNT_RESTRICTION) || is(&error, ERROR_LOGON_TYPE_NOT_GRANTED) =>
            {
                logon(LOGON32_LOGON_INTERACTIVE)?
            }
            (token, _) => token?,
        };
        // Judged by one name and logged on by another, it must not be another.
        if token.user()? == *account { Ok(token) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }

    /// Logs on somebody who does not exist, for the time that it takes.
    pub(super) fn logon_nobody(name: &str) -> io::Result<Self> {
        let mut nobody = EMPTY;
        nobody.iter_mut().zip(name.encode_utf16().take(20)).for_each(|(unit, letter)| *unit = letter);
        let mut machine = EMPTY;
        machine[0] = u16::from(b'.');
        Self::logon_as(LOGON32_LOGON_NETWORK, &nobody, &machine, &wide(name)?)
    }

    fn logon_as(kind: LOGON32_LOGON, name: &Text, domain: &Text, password: &[u16]) -> io::Result<Self> {
        let mut token: HANDLE = ptr::null_mut();
        // SAFETY: each text ends with a zero: `names`, `logon_nobody` and `wide` see to it.
        done(unsafe {
            LogonUserW(
                name.as_ptr(),
                domain.as_ptr(),
                password.as_ptr(),
                kind,
                LOGON32_PROVIDER_DEFAULT,
                &raw mut token,
            )
        })?;
        // SAFETY: the handle is new, nobody else's, and to be closed by us.
        Ok(Self(unsafe { OwnedHandle::from_raw_handle(token) }))
    }

    /// Who it is.
    pub(super) fn user(&self) -> io::Result<Sid> {
        /// Space for the longest, in pieces with the alignment of what is written there.
        const PIECES: usize = (size_of::<TOKEN_USER>() + SECURITY_MAX_SID_SIZE as usize).div_ceil(size_of::<u64>());
        let (mut buffer, mut size) = ([0_u64; PIECES], 0);
        let mut sid = Sid::default();
        // SAFETY: the handle is open, the size is that of the buffer.
        done(unsafe {
            GetTokenInformation(
                self.0.as_raw_handle(),
                TokenUser,
                buffer.as_mut_ptr().cast(),
                size_of_val(&buffer) as u32,
                &raw mut size,
            )
        })?;
        // SAFETY: the call has put the structure there, whose SID lies in the same buffer; the size is that of `sid`.
        done(unsafe {
            let user = buffer.as_ptr().cast::<TOKEN_USER>();
            CopySid(SECURITY_MAX_SID_SIZE, sid.0.as_mut_ptr().cast(), (*user).User.Sid)
        })?;
        Ok(sid)
    }

    /// The profile directory. Who has never logged on at the machine has none.
    pub(super) fn profile_directory(&self) -> io::Result<PathBuf> {
        let (mut path, mut len) = (vec![0_u16; LONGEST_PATH as usize], LONGEST_PATH);
        // SAFETY: the handle is open, the length is that of the buffer.
        done(unsafe { GetUserProfileDirectoryW(self.0.as_raw_handle(), path.as_mut_ptr(), &raw mut len) })?;
        path.truncate(path.iter().position(|&unit| unit == 0).unwrap_or(path.len()));
        Ok(OsString::from_wide(&path).into())
    }
}

impl Impersonate for Token {
    fn impersonate(&self) -> io::Result<()> {
        // SAFETY: the handle is open.
        done(unsafe { ImpersonateLoggedOnUser(self.0.as_raw_handle()) })
    }

    fn terminate(&self) -> io::Result<()> {
        // SAFETY: it takes nothing and changes this thread alone.
        done(unsafe { RevertToSelf() })
    }
}

/// Whether an error of a logon says that this account cannot log on with this password, and nothing is broken.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    const REFUSALS: [u32; 11] = [
        ERROR_ACCOUNT_DISABLED,
        ERROR_ACCOUNT_EXPIRED,
        ERROR_ACCOUNT_LOCKED_OUT,
        ERROR_ACCOUNT_RESTRICTION,
        ERROR_INVALID_LOGON_HOURS,
        ERROR_INVALID_WORKSTATION,
        ERROR_LOGON_FAILURE,
        ERROR_LOGON_TYPE_NOT_GRANTED,
        ERROR_NO_SUCH_USER,
        ERROR_PASSWORD_EXPIRED,
        ERROR_PASSWORD_MUST_CHANGE,
    ];
    error.kind() == io::ErrorKind::InvalidInput || REFUSALS.iter().any(|&code| is(error, code))
}

/// Names of accounts have up to 256 characters, those of domains 255.
type Text = [u16; TEXT as usize];
const TEXT: u32 = 512;
const EMPTY: Text = [0; TEXT as usize];

const LONGEST_PATH: u32 = 1 << 15;

fn wide(text: &str) -> io::Result<Vec<u16>> {
    if text.contains('\0') {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(text.encode_utf16().chain([0]).collect())
}

/// What the call before left as its error, unless it returned true.
fn done(result: i32) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn is(error: &io::Error, code: u32) -> bool {
    error.raw_os_error() == Some(code.cast_signed())
}

/// For tests: those of other accounts are not at hand.
#[cfg(test)]
pub(super) mod own {
    use windows_sys::Win32::Foundation::FALSE;
    use windows_sys::Win32::Security::{TOKEN_DUPLICATE, TOKEN_IMPERSONATE, TOKEN_QUERY};
    use windows_sys::Win32::System::Threading::{
        GetCurrentProcess, GetCurrentThread, OpenProcessToken, OpenThreadToken,
    };

    use super::*;

    /// Who this process runs as.
    pub(in super::super) fn token() -> Token {
        let mut token: HANDLE = ptr::null_mut();
        // SAFETY: the pseudo handle of the process needs no closing; the new one is handed on.
        done(unsafe {
            let access = TOKEN_DUPLICATE | TOKEN_IMPERSONATE | TOKEN_QUERY;
            OpenProcessToken(GetCurrentProcess(), access, &raw mut token)
        })
        .unwrap();
        // SAFETY: it is new and nobody else's.
        Token(unsafe { OwnedHandle::from_raw_handle(token) })
    }

    /// Whether this thread acts as somebody.
    pub(in super::super) fn is_acting() -> bool {
        let mut token: HANDLE = ptr::null_mut();
        // SAFETY: as above.
        let found = done(unsafe { OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, FALSE, &raw mut token) });
        // SAFETY: it is new and nobody else's.
        found.map(|()| drop(unsafe { OwnedHandle::from_raw_handle(token) })).is_ok()
    }
}
