//! Which shells make an account one to log in with.

use std::fs;
use std::path::Path;

/// Where the machine says so.
pub(super) const FILE: &str = "/etc/shells";

/// Whether a shell is one of the file; where there is none, every shell is good.
pub(super) fn is_valid(shell: &Path) -> bool {
    // The file is short, and may change at any time.
    fs::read(FILE).map_or(true, |text| has(&text, shell))
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
        let valid = |shell: &str| has(text, Path::new(shell));
        assert!(valid("/bin/sh") && valid("/bin/bash"));
        assert!(!valid("/bin/evil") && !valid("/bin/s") && !valid("") && !valid("/usr/sbin/nologin"));
    }
}
