//! Names that Windows gives a meaning of its own.

/// Whether a name stands for a file of just this name: no device, no alternate stream, no pattern, nothing that the
/// system takes off its end.
pub(super) fn is_usable(name: &str) -> bool {
    let has_special = |name: &str| name.chars().any(|c| c < ' ' || "<>:\"/\\|?*".contains(c));
    !has_special(name) && !name.ends_with(['.', ' ']) && !is_device(name)
}

/// `CON`, `con.txt` and `COM1 .log` are devices, in every directory.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_uppercase();
    let numbered = || {
        let digit = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
        digit.is_some_and(|digit| matches!(digit.chars().collect::<Vec<_>>()[..], ['0'..='9' | '¹' | '²' | '³']))
    };
    matches!(&*stem, "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$") || numbered()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_streams_and_trimmed_names_are_not_files() {
        for name in
            ["con", "NUL.txt", "aux .log", "COM1", "lpt9.x", "COM¹", "a:b", "a\\b", "a.", "a ", "a\nb", "*", "conin$"]
        {
            assert!(!is_usable(name), "{name:?}");
        }
        for name in ["console", "com", "com10", "a.con", ".hidden", " a", "näme", "lpt"] {
            assert!(is_usable(name), "{name:?}");
        }
    }
}
