//! Builds the tests, and reads what cargo says of it.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Result, bail};
use serde::Deserialize;

use crate::{subject::Subject, tree::Program};

/// What came of a build.
#[derive(Debug, Default)]
pub(crate) struct Built {
    pub(crate) programs: Vec<Program>,
    pub(crate) complaints: Vec<Complaint>,
}

/// An error of the compiler.
#[derive(Debug)]
pub(crate) struct Complaint {
    pub(crate) spans: Vec<(PathBuf, Range<usize>)>,
    /// The function that a constant needs.
    pub(crate) not_const: Option<String>,
    pub(crate) text: String,
}

#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Line {
    CompilerMessage {
        message: Message,
    },
    CompilerArtifact {
        executable: Option<PathBuf>,
        target: Target,
        profile: Profile,
        manifest_path: PathBuf,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

#[derive(Deserialize)]
struct Message {
    level: String,
    message: String,
    rendered: Option<String>,
    code: Option<Code>,
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Span {
    file_name: PathBuf,
    byte_start: usize,
    byte_end: usize,
}

/// Builds the test programs of a tree.
pub(crate) fn build(root: &Path, target: &Path, subject: &Subject) -> Result<Built> {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--no-run", "--locked", "--message-format=json"]);
    for package in subject.tested {
        cargo.args(["-p", package]);
    }
    cargo.args(subject.arguments).current_dir(root).env("CARGO_TARGET_DIR", target).stderr(Stdio::piped());
    let output = cargo.output()?;
    let mut built = Built::default();
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{")) {
        match serde_json::from_slice(line)? {
            Line::CompilerMessage { message } if message.level == "error" => built.complaints.push(message.into()),
            Line::CompilerArtifact { executable: Some(path), target, profile, manifest_path } if profile.test => {
                let directory = manifest_path.parent().expect("a manifest is in a directory").to_owned();
                built.programs.push(Program { name: target.name, path, directory });
            }
            _ => {}
        }
    }
    if !output.status.success() && built.complaints.is_empty() {
        bail!("cargo: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(built)
}

impl From<Message> for Complaint {
    fn from(message: Message) -> Self {
        let is_const = message.code.is_some_and(|code| code.code == "E0015");
        let not_const = is_const.then(|| function_in(&message.message)).flatten();
        let spans = message.spans.into_iter().map(|span| (span.file_name, span.byte_start..span.byte_end)).collect();
        Self { spans, not_const, text: message.rendered.unwrap_or(message.message) }
    }
}

/// The name in "cannot call non-const associated function `A::<'_>::name` in constants".
fn function_in(message: &str) -> Option<String> {
    let path = message.split('`').nth(1)?;
    path.rsplit("::").find(|part| !part.starts_with('<')).map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_that_has_to_be_const_is_named() {
        let message = "cannot call non-const associated function `ReplyCode::<'_>::new` in constants";
        assert_eq!(function_in(message).as_deref(), Some("new"));
    }
}
