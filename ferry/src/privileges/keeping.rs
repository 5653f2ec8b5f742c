//! Giving up root, but for what accounts of the machine take.

use nix::unistd::{self, Uid};
use rustix::io::Errno;
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, capabilities, capabilities_secure_bits,
    capability_is_in_bounding_set, clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
    set_capabilities_secure_bits,
};

use super::{PrivilegesError, look_up, set_groups};

/// Becomes another user, who can still make threads act as the users that log in, and as root while PAM judges a
/// password: the capabilities for that are permitted to the process, but in effect only then. To be called when
/// [`become_user`](super::become_user) is.
///
/// # Errors
/// As [`PrivilegesError`] says. The process must not go on then.
pub fn become_user_keeping(name: &str) -> Result<(), PrivilegesError> {
    let system = |step| move |error| PrivilegesError::System(name.to_owned(), step, error);
    let errno = |step| move |error: Errno| system(step)(nix::Error::from_raw(error.raw_os_error()));
    let user = look_up(name)?;
    if !Uid::effective().is_root() {
        return Err(PrivilegesError::NotRoot(name.to_owned()));
    }
    limit().map_err(errno("capabilities"))?;
    set_groups(&user).map_err(system("groups"))?;
    unistd::setgid(user.gid).map_err(system("group"))?;
    unistd::setuid(user.uid).map_err(system("user"))?;
    settle().map_err(errno("capabilities"))
}

/// To act as users; and to read `/etc/shadow` where not even its owner may.
const KEPT: CapabilitySet = CapabilitySet::SETUID.union(CapabilitySet::SETGID).union(CapabilitySet::DAC_READ_SEARCH);

/// Nothing that is run has more than what is kept; and a change of ids changes nothing about capabilities from now on.
fn limit() -> Result<(), Errno> {
    for capability in (0..u64::BITS).map(|number| CapabilitySet::from_bits_retain(1 << number)) {
        // An error: the kernel knows no more of them.
        let Ok(is_there) = capability_is_in_bounding_set(capability) else { break };
        if is_there && !KEPT.contains(capability) {
            remove_capability_from_bounding_set(capability)?;
        }
    }
    clear_ambient_capability_set()?;
    set_capabilities_secure_bits(capabilities_secure_bits()? | CapabilitiesSecureBits::NO_SETUID_FIXUP)
}

fn settle() -> Result<(), Errno> {
    let none = CapabilitySet::empty();
    let permitted = capabilities(None)?.permitted & KEPT;
    set_capabilities(None, CapabilitySets { effective: none, permitted, inheritable: none })
}
