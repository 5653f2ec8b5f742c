//! Root for a while, where the process is not root but may be.

use std::io;

use rustix::process::Uid;
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, capabilities_secure_bits, get_keep_capabilities, set_keep_capabilities,
    set_thread_res_uid,
};

use super::Impersonate;
use super::credentials::Own;

/// The thread as root in all of its ids, with all that the process was left: what asks for passwords needs that.
#[derive(Clone, Debug)]
pub(super) struct Root {
    own: Own,
    /// Whether a thread that ceases to be root keeps its capabilities. Where nobody has seen to it, they would be gone,
    /// and with them the way back.
    keeps: bool,
}

impl Root {
    /// The calling thread has to be itself.
    pub(super) fn new() -> io::Result<Self> {
        let keeping = CapabilitiesSecureBits::KEEP_CAPS | CapabilitiesSecureBits::NO_SETUID_FIXUP;
        Ok(Self { own: Own::of_this_thread()?, keeps: capabilities_secure_bits()?.intersects(keeping) })
    }

    /// Whether the process is root, so that there is nothing to change.
    fn is_root(&self) -> bool {
        self.own.ids.uid.is_root()
    }

    /// Changes the ids and then the capabilities, which a change of ids may have changed.
    fn become_user(&self, uid: Uid, effective: CapabilitySet) -> io::Result<()> {
        self.own.set_effective(self.own.capabilities.permitted)?;
        set_thread_res_uid(uid, uid, uid)?;
        self.own.set_effective(effective)
    }
}

impl Impersonate for Root {
    fn impersonate(&self) -> io::Result<()> {
        if self.is_root() {
            return Ok(());
        }
        if !self.keeps {
            set_keep_capabilities(true)?;
        }
        self.become_user(Uid::ROOT, self.own.capabilities.permitted)
    }

    fn terminate(&self) -> io::Result<()> {
        if self.is_root() {
            return Ok(());
        }
        self.become_user(self.own.ids.uid, self.own.capabilities.effective)?;
        if !self.keeps && get_keep_capabilities()? {
            set_keep_capabilities(false)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
