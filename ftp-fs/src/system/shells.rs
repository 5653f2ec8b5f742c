//! Which shells make an account one to log in with.

use std::fs;
use std::io;
use std::path::Path;

/// Where the machine says so.
pub(super) const FILE: &str = "/etc/shells";

/// Whether a shell is one of the file; where there is none, every shell is good.
pub(super) fn is_valid(shell: &Path) -> bool {
    // The file is short, and may change at any time.
    is_listed(Path::new(FILE), shell)
}

/// A file that is there and cannot be read makes no shell good.
fn is_listed(file: &Path, shell: &Path) -> bool {
    match fs::read(file) {
        Ok(text) => has(&text, shell),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => {
            tracing::error!(file = %file.display(), %error, "no shell is valid: the file cannot be read");
            false
        }
    }
}

fn has(text: &[u8], shell: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;

    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let shell = shell.as_os_str().as_bytes();
    !shell.is_empty() && lines.filter(|line| !line.starts_with(b"#")).any(|line| line == shell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_has_a_line_of_its_own() {
        let text = b"# /etc/shells\n/bin/sh\n  /bin/bash  \n#/bin/evil\n\n";
        let all = ["/bin/sh", "/bin/bash", "/bin/evil", "#/bin/evil", "/bin/s", "", "/usr/sbin/nologin"];
        let valid: Vec<&str> = all.into_iter().filter(|shell| has(text, Path::new(shell))).collect();
        assert_eq!(valid, ["/bin/sh", "/bin/bash"]);
    }

    #[test]
    fn only_where_there_is_no_file_every_shell_is_good() {
        let folder = tempfile::tempdir().unwrap();
        let (file, shell) = (folder.path().join("shells"), Path::new("/bin/sh"));
        assert!(is_listed(&file, shell));
        std::fs::create_dir(&file).unwrap();
        assert!(!is_listed(&file, shell));
    }

    #[test]
    fn the_machines_own_file_is_asked() {
        let listed = match fs::read_to_string(FILE) {
            Ok(text) => text.lines().map(str::trim).find(|line| line.starts_with('/')).map(str::to_owned),
            Err(_) => Some("/any/shell".to_owned()),
        };
        assert!(listed.is_none_or(|shell| is_valid(Path::new(&shell))));
        assert_eq!(is_valid(Path::new("/no/such/shell")), !Path::new(FILE).exists());
    }
}
