//! What the errors of the system mean to a client.

use std::io;

use ftp_types::{FsError, VirtualPath};
use rustix::io::Errno;

/// Gives an error its meaning for the client and writes what the system said to the log.
pub(super) trait Explain<T> {
    fn explain(self, what: &'static str, path: &VirtualPath) -> Result<T, FsError>;
}

impl<T> Explain<T> for Result<T, Errno> {
    fn explain(self, what: &'static str, path: &VirtualPath) -> Result<T, FsError> {
        self.map_err(|errno| {
            let meaning = meaning(errno);
            tracing::debug!(%path, %errno, ?meaning, "{what} failed");
            meaning
        })
    }
}

impl<T> Explain<T> for io::Result<T> {
    fn explain(self, what: &'static str, path: &VirtualPath) -> Result<T, FsError> {
        self.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO)).explain(what, path)
    }
}

/// The meaning of an error number.
pub(super) const fn meaning(errno: Errno) -> FsError {
    match errno {
        Errno::NOENT | Errno::STALE => FsError::NotFound,
        Errno::ACCESS | Errno::PERM => FsError::Refused,
        Errno::EXIST => FsError::Exists,
        Errno::NOTDIR => FsError::NotADirectory,
        Errno::ISDIR => FsError::IsADirectory,
        Errno::NOTEMPTY => FsError::NotEmpty,
        Errno::LOOP => FsError::IsLink,
        Errno::NAMETOOLONG | Errno::ILSEQ | Errno::INVAL => FsError::InvalidName,
        Errno::NOSPC | Errno::MLINK => FsError::NoSpace,
        Errno::DQUOT | Errno::FBIG => FsError::QuotaExceeded,
        Errno::ROFS => FsError::ReadOnly,
        Errno::XDEV => FsError::CrossesStorage,
        Errno::BUSY | Errno::TXTBSY | Errno::AGAIN | Errno::DEADLK => FsError::Busy,
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS => FsError::Exhausted,
        Errno::NXIO | Errno::NODEV => FsError::NotRegular,
        Errno::OPNOTSUPP | Errno::NOSYS => FsError::Unsupported,
        _ => FsError::Io,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_the_system_has_its_meaning() {
        for (errno, is) in [
            (Errno::NOENT, FsError::NotFound),
            (Errno::ACCESS, FsError::Refused),
            (Errno::EXIST, FsError::Exists),
            (Errno::NOTDIR, FsError::NotADirectory),
            (Errno::ISDIR, FsError::IsADirectory),
            (Errno::NOTEMPTY, FsError::NotEmpty),
            (Errno::LOOP, FsError::IsLink),
            (Errno::NAMETOOLONG, FsError::InvalidName),
            (Errno::NOSPC, FsError::NoSpace),
            (Errno::DQUOT, FsError::QuotaExceeded),
            (Errno::FBIG, FsError::QuotaExceeded),
            (Errno::ROFS, FsError::ReadOnly),
            (Errno::XDEV, FsError::CrossesStorage),
            (Errno::BUSY, FsError::Busy),
            (Errno::MFILE, FsError::Exhausted),
            (Errno::NXIO, FsError::NotRegular),
            (Errno::NOSYS, FsError::Unsupported),
            (Errno::IO, FsError::Io),
            (Errno::NETDOWN, FsError::Io),
        ] {
            assert_eq!(meaning(errno), is, "{errno}");
            let told = Err::<(), _>(io::Error::from(errno)).explain("trying it", &VirtualPath::root());
            assert_eq!(told, Err(is), "{errno}");
        }
        let without_number = Err::<(), _>(io::Error::other("something")).explain("trying it", &VirtualPath::root());
        assert_eq!(without_number, Err(FsError::Io));
    }
}
