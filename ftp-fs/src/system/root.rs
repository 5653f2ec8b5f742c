//! Root for a while, where the process is not root but may be.

use std::io;

use rustix::process::Uid;
use rustix::thread::{CapabilitySet, set_thread_res_uid};

use super::Impersonate;
use super::credentials::Own;

/// The thread as root in all of its ids, with all that the process was left: what asks for passwords needs that.
#[derive(Clone, Debug)]
pub(super) struct Root(Own);

impl Root {
    /// The calling thread has to be itself.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(Own::of_this_thread()?))
    }

    /// Changes the ids and then the capabilities, which a change of ids may have changed.
    fn become_user(&self, uid: Uid, effective: CapabilitySet) -> io::Result<()> {
        if self.0.ids.uid.is_root() {
            return Ok(());
        }
        self.0.set_effective(self.0.capabilities.permitted)?;
        set_thread_res_uid(uid, uid, uid)?;
        self.0.set_effective(effective)
    }
}

impl Impersonate for Root {
    fn impersonate(&self) -> io::Result<()> {
        self.become_user(Uid::ROOT, self.0.capabilities.permitted)
    }

    fn terminate(&self) -> io::Result<()> {
        self.become_user(self.0.ids.uid, self.0.capabilities.effective)
    }
}
