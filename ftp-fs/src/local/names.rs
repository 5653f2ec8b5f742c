//! Names of owners and groups, remembered for a while.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

static OWNERS: LazyLock<Table> = LazyLock::new(|| Table::new(|uid| text(uzers::get_user_by_uid(uid)?.name())));
static GROUPS: LazyLock<Table> = LazyLock::new(|| Table::new(|gid| text(uzers::get_group_by_gid(gid)?.name())));

/// The names of a user and a group; `None` for what has none.
pub(super) type Names = (Option<Arc<str>>, Option<Arc<str>>);

/// The name of a user; `None` when it has none.
pub(super) fn owner(uid: u32) -> Option<Arc<str>> {
    OWNERS.get(uid)
}

/// The name of a group; `None` when it has none.
pub(super) fn group(gid: u32) -> Option<Arc<str>> {
    GROUPS.get(gid)
}

/// Both names, unless they have to be looked up, for which one may wait.
pub(super) fn known(uid: u32, gid: u32) -> Option<Names> {
    Some((OWNERS.known(uid)?, GROUPS.known(gid)?))
}

/// The names that were asked for last, of the next file, too, more often than not.
#[derive(Default)]
pub(super) struct LastNames(Option<(u32, u32, Names)>);

impl LastNames {
    pub(super) fn of(&mut self, uid: u32, gid: u32) -> Names {
        let known = self.0.take().filter(|(last_uid, last_gid, _)| (*last_uid, *last_gid) == (uid, gid));
        let (.., names) = self.0.insert(known.unwrap_or_else(|| (uid, gid, (owner(uid), group(gid)))));
        names.clone()
    }
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
        if let Some(name) = self.known(id) {
            return name;
        }
        let name = (self.lookup)(id);
        self.with(|known| known.names.insert(id, name.clone()));
        name
    }

    fn known(&self, id: u32) -> Option<Option<Arc<str>>> {
        self.with(|known| known.names.get(&id).cloned())
    }

    fn with<T>(&self, work: impl FnOnce(&mut Known) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.since.elapsed() > LIFETIME || known.names.len() > CAPACITY {
            *known = Known { names: HashMap::new(), since: Instant::now() };
        }
        work(&mut known)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// How often a name was asked for.
    fn asked(lookups: &AtomicUsize) -> usize {
        lookups.swap(0, Ordering::Relaxed)
    }

    #[test]
    fn what_was_asked_once_is_remembered_for_a_while() {
        static LOOKUPS: AtomicUsize = AtomicUsize::new(0);
        let table = Table::new(|id| {
            LOOKUPS.fetch_add(1, Ordering::Relaxed);
            (id != 7).then(|| id.to_string().into())
        });
        for _ in 0..3 {
            assert_eq!(table.get(1).as_deref(), Some("1"));
            assert_eq!(table.get(7), None);
        }
        assert_eq!(asked(&LOOKUPS), 2, "that there is no name is remembered as well");
        table.with(|known| known.since = known.since.checked_sub(LIFETIME + Duration::from_secs(1)).unwrap());
        assert_eq!(table.get(1).as_deref(), Some("1"));
        assert_eq!((asked(&LOOKUPS), table.with(|known| known.names.len())), (1, 1));
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        static LOOKUPS: AtomicUsize = AtomicUsize::new(0);
        let table = Table::new(|_| {
            LOOKUPS.fetch_add(1, Ordering::Relaxed);
            None
        });
        (0..=CAPACITY as u32).for_each(|id| drop(table.get(id)));
        assert_eq!(asked(&LOOKUPS), CAPACITY + 1);
        table.get(0);
        assert_eq!((asked(&LOOKUPS), table.with(|known| known.names.len())), (1, 1), "it began anew");
    }

    #[test]
    fn the_last_names_are_those_of_who_is_asked_for() {
        let mut last = LastNames::default();
        for ids in [(0, 0), (0, 0), (u32::MAX, 0), (0, u32::MAX), (0, 0)] {
            assert_eq!(last.of(ids.0, ids.1), (owner(ids.0), group(ids.1)), "{ids:?}");
        }
    }

    #[test]
    fn the_owner_and_the_group_of_everything_have_names() {
        assert_eq!(owner(0).as_deref(), Some("root"));
        assert!(group(0).is_some());
    }
}
