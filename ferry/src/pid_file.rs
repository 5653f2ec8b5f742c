//! The file that tells the number of the process. Unix only.
//!
//! A server holds a lock on its file for as long as it runs, however it ends. So a file that a dead process has left is
//! known for what it is, even if its number is somebody else's by now.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

/// No number of a process is longer.
const MAX_LEN: u64 = 20;

/// The file, while the process runs.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    file: Flock<File>,
}

/// Why the file cannot be written.
#[derive(Debug)]
pub enum PidFileError {
    /// Another server has it, by the number that stands in it.
    Held(PathBuf, String),
    /// There is a file that is something else.
    Foreign(PathBuf),
    /// The system refuses.
    System(PathBuf, io::Error),
}

impl fmt::Display for PidFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("server.pid_file: ")?;
        match self {
            Self::Held(path, holder) => write!(f, "{} belongs to process {holder}, which runs", path.display()),
            Self::Foreign(path) => {
                write!(f, "{} holds something else than the number of a process, and is left alone", path.display())
            }
            Self::System(path, error) => write!(f, "cannot write {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for PidFileError {}

impl PidFile {
    /// Writes the number of this process. A file that another process has left is taken over.
    ///
    /// # Errors
    /// As [`PidFileError`] says; then nothing has changed.
    pub fn create(path: &Path) -> Result<Self, PidFileError> {
        let system = |error: io::Error| PidFileError::System(path.to_owned(), error);
        loop {
            let mut file = match Flock::lock(open(path).map_err(system)?, FlockArg::LockExclusiveNonblock) {
                Ok(file) => file,
                Err((mut file, Errno::EWOULDBLOCK)) => {
                    let holder = number(&mut file).map_err(system)?.unwrap_or_default();
                    return Err(PidFileError::Held(path.to_owned(), holder));
                }
                Err((_, error)) => return Err(system(error.into())),
            };
            // Whoever had it may have removed it between our opening and our lock.
            if !is_at(path, &file).map_err(system)? {
                continue;
            }
            if number(&mut file).map_err(system)?.is_none() {
                return Err(PidFileError::Foreign(path.to_owned()));
            }
            write(&mut file).map_err(system)?;
            return Ok(Self { path: path.to_owned(), file });
        }
    }

    /// Removes the file. Where that is not allowed any more, after root was given up, it is left empty.
    pub fn remove(self) {
        let ours = is_at(&self.path, &self.file).unwrap_or(false);
        if !ours || fs::remove_file(&self.path).is_ok() {
            return;
        }
        if let Err(error) = self.file.set_len(0) {
            // The log has ended by now.
            eprintln!("ferry: server.pid_file: {} cannot be removed: {error}", self.path.display());
        }
    }
}

/// No link is followed, and no pipe waited for.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .custom_flags(flags.bits())
        .open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a regular file")) }
}

/// What stands in the file; `None` if it is neither a number nor nothing.
fn number(file: &mut File) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(MAX_LEN + 1).read_to_end(&mut bytes)?;
    let digits = bytes.trim_ascii();
    let is_number = bytes.len() as u64 <= MAX_LEN && digits.iter().all(u8::is_ascii_digit);
    Ok(is_number.then(|| String::from_utf8_lossy(digits).into_owned()))
}

fn write(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", process::id())
}

fn is_at(path: &Path, file: &File) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_dead_process_is_taken_over_and_that_of_a_living_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        for left in ["", "1\n", "999999999\n"] {
            fs::write(&path, left).unwrap();
            let held = PidFile::create(&path).unwrap();
            let own = process::id().to_string();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{own}\n"));
            let error = PidFile::create(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("belongs to process {own}, which runs")), "{error}");
            held.remove();
            assert!(!path.exists());
        }
    }

    #[test]
    fn other_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("precious");
        for content in ["root:x:0:0\n", "1 2", "-1", "123456789012345678901"] {
            fs::write(&path, content).unwrap();
            assert!(matches!(PidFile::create(&path), Err(PidFileError::Foreign(_))), "{content}");
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for wrong in [&*link, folder.path(), Path::new("/dev/null"), Path::new("/no/such/folder/pid")] {
            let error = PidFile::create(wrong).unwrap_err();
            assert!(error.to_string().starts_with("server.pid_file: cannot write "), "{error}");
        }
    }

    #[test]
    fn a_file_of_others_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("pid"), folder.path().join("moved"));
        let held = PidFile::create(&path).unwrap();
        fs::rename(&path, &moved).unwrap();
        fs::write(&path, "1\n").unwrap();
        held.remove();
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n");
    }
}
