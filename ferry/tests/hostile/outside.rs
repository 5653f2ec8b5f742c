//! What lies beside a home, and shows whether anything of it was read, named or changed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use crate::common::Site;

/// Of no file inside.
const SIZE: usize = 7919;
/// 2001-02-03 04:05:06.
const TIME: Duration = Duration::from_secs(981_173_106);
/// What no reply, no listing and no file that a client gets may contain.
const SECRETS: [&str; 4] = ["TREASURE", "secret", "7919", "20010203040506"];

pub(crate) struct Outside {
    site: PathBuf,
    before: Tree,
}

/// For each path its kind and mode, its time, and its content or target.
type Tree = BTreeMap<PathBuf, (u32, Duration, Vec<u8>)>;

impl Outside {
    /// Makes the folders `outside` and `home_outside` beside `home`.
    pub(crate) fn new(site: &Site) -> Self {
        for folder in ["outside", "outside/sub", "outside/made", "home_outside"] {
            fs::create_dir_all(site.path(folder)).unwrap();
        }
        for name in ["outside/file", "outside/victim", "outside/secret", "outside/sub/file", "home_outside/file"] {
            fs::write(site.path(name), "TREASURE".repeat(SIZE.div_ceil(8)).split_at(SIZE).0).unwrap();
            File::open(site.path(name)).unwrap().set_modified(UNIX_EPOCH + TIME).unwrap();
        }
        Self { before: tree(&site.path("")), site: site.path("") }
    }

    #[track_caller]
    pub(crate) fn assert_untouched(&self) {
        let now = tree(&self.site);
        let summary = |tree: &Tree| tree.iter().map(|(path, (mode, ..))| (path.clone(), *mode)).collect::<Vec<_>>();
        assert!(now == self.before, "outside was changed: {:#?} was {:#?}", summary(&now), summary(&self.before));
    }

    /// Asserts that nothing of what lies outside, nor where anything really lies, is in what a client was told.
    #[track_caller]
    pub(crate) fn assert_not_in(&self, line: &str, told: impl AsRef<[u8]>) {
        let told = String::from_utf8_lossy(told.as_ref()).into_owned();
        // What the client itself has said is no news.
        let is_news = |secret: &&str| told.contains(*secret) && !line.contains(*secret);
        let site = self.site.display().to_string();
        let leaked = SECRETS.iter().copied().chain([site.as_str()]).find(is_news);
        assert!(leaked.is_none(), "{line} tells {leaked:?}: {told}");
    }
}

/// All that is below, but for the home, the configuration and what swappers play with.
fn tree(site: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut folders = vec![site.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = path.strip_prefix(site).unwrap();
            if ["home", "aside", "ferry.toml"].iter().any(|other| name == Path::new(other)) {
                continue;
            }
            let data = fs::symlink_metadata(&path).unwrap();
            let content = if data.is_file() { fs::read(&path).unwrap() } else { vec![] };
            if data.is_dir() {
                folders.push(path.clone());
            }
            let time = data.modified().unwrap().duration_since(UNIX_EPOCH).unwrap();
            tree.insert(path, (data.permissions().mode(), time, content));
        }
    }
    tree
}
