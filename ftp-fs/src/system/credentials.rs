//! Identities of single threads, on Linux: the kernel has them per thread, and only the C library makes them one for
//! the process. What is called here goes to the kernel, past that.
//!
//! Files are judged by the filesystem ids, the groups and the capabilities. A thread that acts as a user has theirs for
//! the former, and none of the latter. Its other ids stay those of the process, so that the user can send it no
//! signals.

use std::io;

use nix::unistd::{setfsgid, setfsuid};
use rustix::process::{Gid, Uid, getegid, geteuid, getgroups};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_thread_groups};

use super::Impersonate;

/// The ids and groups of a user, for a thread to act with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    user: Ids,
    own: Own,
}

/// By what files are judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ids {
    pub(super) uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

/// What the threads of the process are when they act for nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Own {
    pub(super) ids: Ids,
    pub(super) capabilities: CapabilitySets,
}

/// What it takes to become somebody, and to come back.
const NEEDED: CapabilitySet = CapabilitySet::SETUID.union(CapabilitySet::SETGID);

/// Whether threads of this process can act as others: root's can, and those that were left the capabilities `SETUID`
/// and `SETGID`.
///
/// # Errors
/// What the system says.
pub fn can_impersonate() -> io::Result<bool> {
    Ok(capabilities(None)?.permitted.contains(NEEDED))
}

impl Credentials {
    /// Those of a user. The calling thread has to be itself: what it is now is what threads are again afterwards.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(uid: u32, gid: u32, groups: impl IntoIterator<Item = u32>) -> io::Result<Self> {
        // A number that is no id is refused when it is taken on.
        let groups = groups.into_iter().map(Gid::from_raw_unchecked).collect();
        let user = Ids { uid: Uid::from_raw_unchecked(uid), gid: Gid::from_raw_unchecked(gid), groups };
        Ok(Self { user, own: Own::of_this_thread()? })
    }

    /// Root keeps what the process may do; nobody else does.
    fn capabilities(&self) -> CapabilitySet {
        if self.user.uid.is_root() { self.own.capabilities.effective } else { CapabilitySet::empty() }
    }
}

impl Impersonate for Credentials {
    fn impersonate(&self) -> io::Result<()> {
        self.own.raise(NEEDED)?;
        self.user.take_on()?;
        self.own.set_effective(self.capabilities())
    }

    fn terminate(&self) -> io::Result<()> {
        self.own.raise(NEEDED)?;
        self.own.ids.take_on()?;
        // To become root again brings capabilities with it, to become somebody else takes them.
        self.own.set_effective(self.own.capabilities.effective)
    }
}

impl Ids {
    /// Groups first, as everywhere: it may be the user id that allows it.
    fn take_on(&self) -> io::Result<()> {
        set_thread_groups(&self.groups)?;
        let (uid, gid) = (self.uid.as_raw(), self.gid.as_raw());
        // Neither call tells whether it did anything, but both tell what was before; no id is the highest number.
        setfsgid(nix::unistd::Gid::from_raw(gid));
        setfsuid(nix::unistd::Uid::from_raw(uid));
        let now = (setfsuid(NO_UID).as_raw(), setfsgid(NO_GID).as_raw());
        if now == (uid, gid) { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }
}

const NO_UID: nix::unistd::Uid = nix::unistd::Uid::from_raw(u32::MAX);
const NO_GID: nix::unistd::Gid = nix::unistd::Gid::from_raw(u32::MAX);

impl Own {
    /// The calling thread has to be itself.
    pub(super) fn of_this_thread() -> io::Result<Self> {
        let ids = Ids { uid: geteuid(), gid: getegid(), groups: getgroups()? };
        Ok(Self { ids, capabilities: capabilities(None)? })
    }

    /// Adds to what the process may do at all times what it may do when it asks for it.
    fn raise(&self, more: CapabilitySet) -> io::Result<()> {
        self.set_effective(self.capabilities.effective | more)
    }

    pub(super) fn set_effective(&self, effective: CapabilitySet) -> io::Result<()> {
        Ok(set_capabilities(None, CapabilitySets { effective, ..self.capabilities })?)
    }
}

#[cfg(test)]
pub(super) mod tests;
