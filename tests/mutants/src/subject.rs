//! The crates that are mutated, and what tests them.

/// A crate, and what to build and run for it.
#[derive(Debug)]
pub(crate) struct Subject {
    /// Its name, which is that of its directory.
    pub(crate) package: &'static str,
    /// Files and directories of its sources that are tests of others, or for other systems.
    pub(crate) skipped: &'static [&'static str],
    /// The packages whose tests are run.
    pub(crate) tested: &'static [&'static str],
    /// Further arguments of cargo.
    pub(crate) arguments: &'static [&'static str],
    /// What is built with some optimization, since the tests are run thousands of times.
    pub(crate) optimized: &'static [&'static str],
}

pub(crate) const SUBJECTS: &[Subject] = &[
    Subject {
        package: "ftp-proto",
        skipped: &["session/control_state.rs", "session/fork.rs"],
        tested: &["ftp-proto", "ferry-tests", "ferry-fuzz-checks", "ftp-driver"],
        arguments: &["--lib", "--tests"],
        optimized: &["ftp-types", "ftp-proto", "ftp-driver", "ferry-tests"],
    },
    Subject {
        package: "ftp-fs",
        skipped: &[
            "conformance.rs",
            "local/at_once_other.rs",
            "local/eager.rs",
            "local/portable.rs",
            "local/windows_names.rs",
            "system/windows.rs",
            "system/windows",
        ],
        tested: &["ftp-fs", "ferry-tests", "ftp-driver"],
        arguments: &["--lib", "--tests", "--features", "ftp-fs/pam"],
        optimized: &["ftp-types", "ftp-fs", "ftp-proto", "ftp-driver", "ferry-tests"],
    },
];
