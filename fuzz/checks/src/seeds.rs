//! What fuzzing begins with: the repository's transcripts, what real clients sent, the examples of the documentation,
//! and inputs kept one by one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{session_bytes, transcript};

/// One input of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// The target.
    pub target: &'static str,
    /// Whence it is; as a name of a file.
    pub name: String,
    /// The input.
    pub bytes: Vec<u8>,
}

/// The inputs kept in `fuzz/seeds/`, a folder for each target: what was written by hand, and what was found.
///
/// # Panics
/// When they cannot be read.
#[must_use]
pub fn kept() -> Vec<Seed> {
    let targets = crate::TARGETS.iter().map(|(target, _)| *target);
    let seeds = |target| {
        let files = files(&folder("fuzz/seeds").join(target));
        files.into_iter().map(move |(name, bytes)| Seed { target, name, bytes })
    };
    targets.flat_map(seeds).collect()
}

/// The inputs that follow from `tests/trace/transcripts/`, from `fuzz/clients/`, which holds what real clients sent
/// over a control connection, and from the examples in `docs/configuration.md`.
///
/// # Panics
/// When they cannot be read.
#[must_use]
pub fn derived() -> Vec<Seed> {
    let mut seeds = Seeds::default();
    for (name, bytes) in files(&folder("tests/trace/transcripts")) {
        let text = String::from_utf8(bytes).expect("transcripts are text");
        seeds.add("ascii", &name, text.replace('\n', "\r\n").as_bytes());
        for scenario in transcript::scenarios(&text) {
            seeds.add("session_ops", &name, &scenario.operations);
            seeds.add("session_bytes", &name, &[&[scenario.circumstances], &scenario.sent[..]].concat());
            seeds.add_lines(&name, &scenario.sent);
        }
    }
    for (name, sent) in files(&folder("fuzz/clients")) {
        // The addresses that they named are not that of the client here.
        seeds.add("session_bytes", &name, &[&[session_bytes::FOREIGN], &sent[..]].concat());
        seeds.add("session_ops", &name, &transcript::operations_of_client(&sent));
        seeds.add_lines(&name, &sent);
    }
    for example in examples(&folder("docs/configuration.md")) {
        seeds.add("config", "documentation", example.as_bytes());
    }
    seeds.into_list()
}

/// Inputs by target; each once, under the name of where it came from first.
#[derive(Default)]
struct Seeds(BTreeMap<(&'static str, Vec<u8>), String>);

impl Seeds {
    fn add(&mut self, target: &'static str, name: &str, bytes: &[u8]) {
        let name = name.split('.').next().unwrap_or(name);
        self.0.entry((target, bytes.to_vec())).or_insert_with(|| name.to_owned());
    }

    /// What a client sent, as the stream that it was, and line by line for the targets that take parts of lines.
    fn add_lines(&mut self, name: &str, sent: &[u8]) {
        self.add("line", name, sent);
        for line in sent.split(|byte| *byte == b'\n').filter(|line| line.len() < 2000) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            self.add("command", name, line);
            let mut words = line.splitn(2, |byte| *byte == b' ');
            let verb = String::from_utf8_lossy(words.next().unwrap_or_default()).to_ascii_uppercase();
            let Some(argument) = words.next() else { continue };
            match &*verb {
                "PORT" | "EPRT" => self.add("address", name, argument),
                "LIST" | "NLST" | "STAT" => self.add("list_options", name, argument),
                "USER" => self.add("values", name, argument),
                "MFMT" | "MDTM" => self.add("values", name, argument.get(..14).unwrap_or(argument)),
                "CWD" | "RETR" | "STOR" | "APPE" | "MKD" | "RMD" | "DELE" | "RNFR" | "RNTO" | "MLST" | "SIZE" => {
                    self.add("path", name, &[b"/docs\n", argument].concat());
                }
                _ => {}
            }
        }
    }

    fn into_list(self) -> Vec<Seed> {
        let seeds = self.0.into_iter().enumerate();
        seeds
            .map(|(index, ((target, bytes), name))| Seed { target, name: format!("{name}-{index:04}"), bytes })
            .collect()
    }
}

/// The blocks of a document that are marked as TOML.
fn examples(document: &Path) -> Vec<String> {
    let text = fs::read_to_string(document).unwrap_or_else(|error| panic!("{}: {error}", document.display()));
    let blocks = text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(str::to_owned).collect()
}

/// Names and contents of the files of a folder, in the order of their names; none if there is no such folder.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("a folder can be read"))
        .map(|entry| {
            let bytes = fs::read(entry.path()).unwrap_or_else(|error| panic!("{}: {error}", entry.path().display()));
            (entry.file_name().to_string_lossy().into_owned(), bytes)
        })
        .collect();
    files.sort();
    files
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}
