//! What a client knows of its own directory, which nobody else changes: the content of each file, or what it may be.

use std::collections::{BTreeMap, BTreeSet};

use crate::disk::Disk;

#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) directories: BTreeSet<String>,
    /// Changes whose outcome is not known: in each, one of several states has come about.
    doubts: Vec<Vec<Vec<(String, State)>>>,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Nothing,
    Directory,
    File(Vec<u8>),
    /// A file of this beginning, followed by any part from the beginning of the other.
    Grown(Vec<u8>, Vec<u8>),
}

impl State {
    fn fits(&self, disk: &Disk, path: &str) -> bool {
        let content = disk.content(path);
        match self {
            Self::Nothing => content.is_none() && !disk.is_directory(path),
            Self::Directory => disk.is_directory(path),
            Self::File(bytes) => content.as_ref() == Some(bytes),
            Self::Grown(base, tail) => {
                let rest = content.as_ref().and_then(|content| content.strip_prefix(&base[..]));
                rest.is_some_and(|rest| tail.starts_with(rest))
            }
        }
    }
}

impl Shelf {
    pub(crate) fn at(&self, path: &str) -> State {
        match self.files.get(path) {
            Some(content) => State::File(content.clone()),
            None if self.directories.contains(path) => State::Directory,
            None => State::Nothing,
        }
    }

    pub(crate) fn set(&mut self, path: &str, state: State) {
        self.files.remove(path);
        self.directories.remove(path);
        match state {
            State::Nothing | State::Grown(..) => {}
            State::Directory => drop(self.directories.insert(path.to_owned())),
            State::File(content) => drop(self.files.insert(path.to_owned(), content)),
        }
    }

    /// From now on one of these holds, and nobody knows which.
    pub(crate) fn doubt(&mut self, states: Vec<Vec<(String, State)>>) {
        self.doubts.push(states);
    }

    /// Takes the last doubt back.
    pub(crate) fn forget_doubt(&mut self) {
        self.doubts.pop();
    }

    /// Looks what has come about; it must be one of what was possible.
    pub(crate) fn settle(&mut self, disk: &Disk, who: &str) {
        for states in std::mem::take(&mut self.doubts) {
            let fits = |state: &&Vec<(String, State)>| state.iter().all(|(path, state)| state.fits(disk, path));
            let paths: BTreeSet<&String> = states.iter().flatten().map(|(path, _)| path).collect();
            assert!(
                states.iter().any(|state| fits(&state)),
                "{who}: {} is none of {}",
                shown(disk, &paths),
                brief(&states)
            );
            for path in paths {
                self.set(path, actual(disk, path));
            }
        }
    }

    /// Compares all that is known with what is there.
    pub(crate) fn check(&self, disk: &Disk, who: &str) {
        for path in self.files.keys().chain(&self.directories) {
            let known = self.at(path);
            assert!(known.fits(disk, path), "{who}: {path} is {}, not {}", brief(&actual(disk, path)), brief(&known));
        }
    }
}

fn actual(disk: &Disk, path: &str) -> State {
    match disk.content(path) {
        Some(content) => State::File(content),
        None if disk.is_directory(path) => State::Directory,
        None => State::Nothing,
    }
}

fn shown(disk: &Disk, paths: &BTreeSet<&String>) -> String {
    brief(&paths.iter().map(|path| (path, actual(disk, path))).collect::<Vec<_>>())
}

/// Contents are long.
pub(crate) fn brief(what: &impl std::fmt::Debug) -> String {
    let mut text = format!("{what:?}");
    if text.len() > 1500 {
        text.truncate(1500);
        text.push_str("...");
    }
    text
}
