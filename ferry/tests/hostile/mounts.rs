//! File systems that are there for one test.

use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};

use crate::watched::wait_until;

/// A file system in memory, with options such as `size=64k`; unmounted when dropped.
pub(crate) struct Tmpfs(PathBuf);

impl Tmpfs {
    pub(crate) fn mount(point: PathBuf, options: &str) -> Self {
        fs::create_dir_all(&point).unwrap();
        let options = CString::new(options).unwrap();
        mount("ferry-test", &point, "tmpfs", MountFlags::empty(), &*options).expect("these tests mount, as root");
        Self(point)
    }

    /// A process that another test starts has for a moment what is open here, files that are written included.
    pub(crate) fn make_read_only(&self) {
        let mut said = Ok(());
        wait_until(
            || format!("{} does not become read-only", self.0.display()),
            || {
                said = mount_remount(&self.0, MountFlags::RDONLY, "");
                said != Err(Errno::BUSY)
            },
        );
        said.expect("what these tests mounted can be mounted anew");
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        detach(&self.0);
    }
}

/// Takes a file system away from where it is mounted, whoever still uses it.
pub(crate) fn detach(point: &Path) {
    let _ = unmount(point, UnmountFlags::DETACH);
}
