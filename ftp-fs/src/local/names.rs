//! Names of owners and groups, remembered for a while.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The name of a user; `None` when it has none.
pub(super) fn owner(uid: u32) -> Option<Arc<str>> {
    static OWNERS: LazyLock<Table> = LazyLock::new(|| Table::new(|uid| text(uzers::get_user_by_uid(uid)?.name())));
    OWNERS.get(uid)
}

/// The name of a group; `None` when it has none.
pub(super) fn group(gid: u32) -> Option<Arc<str>> {
    static GROUPS: LazyLock<Table> = LazyLock::new(|| Table::new(|gid| text(uzers::get_group_by_gid(gid)?.name())));
    GROUPS.get(gid)
}

fn text(name: &OsStr) -> Option<Arc<str>> {
    name.to_str().map(Into::into)
}

/// How long the answers are good.
const LIFETIME: Duration = Duration::from_secs(300);
/// How many answers are kept; a tree with more owners than this asks again.
const CAPACITY: usize = 4096;

type Lookup = fn(u32) -> Option<Arc<str>>;

struct Table {
    known: Mutex<Known>,
    lookup: Lookup,
}

struct Known {
    names: HashMap<u32, Option<Arc<str>>>,
    since: Instant,
}

impl Table {
    fn new(lookup: Lookup) -> Self {
        Self { known: Mutex::new(Known { names: HashMap::new(), since: Instant::now() }), lookup }
    }

    /// The lock is free while the system looks a name up, which may ask the network.
    fn get(&self, id: u32) -> Option<Arc<str>> {
        if let Some(name) = self.with(|known| known.names.get(&id).cloned()) {
            return name;
        }
        let name = (self.lookup)(id);
        self.with(|known| known.names.insert(id, name.clone()));
        name
    }

    fn with<T>(&self, work: impl FnOnce(&mut Known) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.since.elapsed() > LIFETIME || known.names.len() > CAPACITY {
            *known = Known { names: HashMap::new(), since: Instant::now() };
        }
        work(&mut known)
    }
}
