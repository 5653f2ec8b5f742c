//! What a folder holds, and what each operation does to it: as simple as can be.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::names;

/// For each path below the folder, the content of a file, or nothing for a folder.
#[derive(Clone, Debug, Default)]
pub(super) struct Model(BTreeMap<String, Option<Vec<u8>>>);

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

impl Model {
    pub(super) fn is_folder(&self, path: &str) -> bool {
        path.is_empty() || self.0.get(path) == Some(&None)
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        path.is_empty() || self.0.contains_key(path)
    }

    pub(super) fn content(&self, path: &str) -> Option<&Vec<u8>> {
        self.0.get(path)?.as_ref()
    }

    /// The names in a folder.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let children = self.0.keys().filter(|path| parent(path) == folder);
        children.map(|path| path.rsplit('/').next().unwrap().to_owned()).collect()
    }

    pub(super) fn can_store(&self, path: &str) -> bool {
        self.is_folder(parent(path)) && !self.is_folder(path)
    }

    pub(super) fn put(&mut self, path: &str, content: Vec<u8>) {
        self.0.insert(path.to_owned(), Some(content));
    }

    pub(super) fn delete(&mut self, path: &str) -> bool {
        self.content(path).is_some() && self.0.remove(path).is_some()
    }

    pub(super) fn make(&mut self, path: &str) -> bool {
        let possible = self.is_folder(parent(path)) && !self.exists(path);
        if possible {
            self.0.insert(path.to_owned(), None);
        }
        possible
    }

    pub(super) fn remove(&mut self, path: &str) -> bool {
        self.is_folder(path) && self.names(path).is_empty() && self.0.remove(path).is_some()
    }

    /// Whether a rename is one of those that mean the same everywhere.
    pub(super) fn is_plain_rename(&self, from: &str, to: &str) -> bool {
        let into_itself = to.starts_with(&format!("{from}/")) || from.starts_with(&format!("{to}/"));
        let onto = self.exists(to) && (self.is_folder(to) || self.is_folder(from));
        from != to && !into_itself && !onto
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> bool {
        if !self.exists(from) || !self.is_folder(parent(to)) {
            return false;
        }
        let moves = |path: &str| path == from || path.starts_with(&format!("{from}/"));
        let moved: Vec<String> = self.0.keys().filter(|path| moves(path)).cloned().collect();
        for path in moved {
            let node = self.0.remove(&path).unwrap();
            self.0.insert(format!("{to}{}", &path[from.len()..]), node);
        }
        true
    }

    /// Asserts that this is what is on the disk.
    #[track_caller]
    pub(super) fn assert_is(&self, folder: &Path) {
        self.assert_folder_is("", folder);
    }

    fn assert_folder_is(&self, path: &str, folder: &Path) {
        let mut expected = self.names(path);
        expected.sort();
        assert_eq!(names(folder), expected, "in {}", folder.display());
        for name in expected {
            let (below, on_disk) = (format!("{path}/{name}").trim_start_matches('/').to_owned(), folder.join(&name));
            match self.content(&below) {
                Some(content) => assert!(fs::read(&on_disk).unwrap() == *content, "{}", on_disk.display()),
                None => self.assert_folder_is(&below, &on_disk),
            }
        }
    }
}
