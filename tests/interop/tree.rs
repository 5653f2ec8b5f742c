//! Files to transfer, and the comparison of what arrived.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use sha2::{Digest, Sha256};

/// Names that clients and servers tend to get wrong.
pub(crate) const AWKWARD_NAMES: &[&str] = &[
    "two  blanks inside",
    "-dash",
    "it's quoted",
    "a \"double\" quote",
    "per%cent %41",
    "brackets [x] {y}",
    "größe ☃ 文字.txt",
    "semi;colon & co",
    "#hash",
];

/// Contents that look random and are the same in every run.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Text of Unix lines, more than one buffer of it.
pub(crate) fn text() -> Vec<u8> {
    (0..20_000).flat_map(|line| format!("line {line}, naïve and plain\n").into_bytes()).collect()
}

/// Writes a file, and the folders above it where they lack.
#[track_caller]
pub(crate) fn plant(path: impl AsRef<Path>, contents: &[u8]) {
    let path = path.as_ref();
    fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("folders");
    fs::write(path, contents).expect("a new file");
}

/// A tree of `count` small files in five folders, besides an empty folder, an empty file and a larger one.
#[track_caller]
pub(crate) fn plant_tree(root: &Path, count: usize) {
    fs::create_dir_all(root.join("empty folder")).expect("a folder");
    plant(root.join("empty file"), b"");
    plant(root.join("larger.bin"), &noise(7, 1_500_001));
    for index in 0..count {
        let contents = noise(index as u64, 100 + index * 37 % 5_000);
        plant(root.join(format!("folder{}/deeper/file{index:04}.dat", index % 5)), &contents);
    }
}

/// A file and a folder with a file under each of the [`AWKWARD_NAMES`].
#[track_caller]
pub(crate) fn plant_awkward(root: &Path) {
    for (seed, name) in AWKWARD_NAMES.iter().enumerate() {
        plant(root.join("files").join(name), &noise(seed as u64, 300));
        plant(root.join("folders").join(name).join(name), &noise(seed as u64, 200));
    }
}

/// Gives every file the same time, long past, to see whether a client's copy keeps it.
#[track_caller]
pub(crate) fn set_time(path: &Path) -> SystemTime {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    File::options().write(true).open(path).and_then(|file| file.set_modified(time)).expect("a new time");
    time
}

#[track_caller]
pub(crate) fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).and_then(|metadata| metadata.modified()).expect("a file's time")
}

/// Asserts that two files hold the same bytes.
#[track_caller]
pub(crate) fn assert_same_file(left: impl AsRef<Path>, right: impl AsRef<Path>) {
    let (left, right) = (left.as_ref(), right.as_ref());
    assert_eq!(digest(left), digest(right), "{} and {} differ", left.display(), right.display());
}

/// Asserts that two folders hold the same files and folders.
#[track_caller]
pub(crate) fn assert_same_tree(left: impl AsRef<Path>, right: impl AsRef<Path>) {
    let (left, right) = (snapshot(left.as_ref()), snapshot(right.as_ref()));
    let missing: Vec<_> = left.iter().filter(|(path, digest)| right.get(*path) != Some(digest)).collect();
    let extra: Vec<_> = right.keys().filter(|path| !left.contains_key(*path)).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing or different: {missing:#?}\ntoo much: {extra:#?}");
    assert!(!left.is_empty(), "nothing to compare");
}

/// Every path below a folder, with the SHA-256 of files.
fn snapshot(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("a folder's entry").path();
            let relative = path.strip_prefix(root).expect("below the root").to_owned();
            if path.is_dir() {
                found.insert(relative, "folder".to_owned());
                folders.push(path);
            } else {
                found.insert(relative, digest(&path));
            }
        }
    }
    found
}

#[track_caller]
fn digest(path: &Path) -> String {
    let contents = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Sha256::digest(contents).iter().map(|byte| format!("{byte:02x}")).collect()
}
