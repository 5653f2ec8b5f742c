//! File systems that are there for one test.

use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};

/// A file system in memory, with options such as `size=64k`; unmounted when dropped.
pub(crate) struct Tmpfs(PathBuf);

impl Tmpfs {
    pub(crate) fn mount(point: PathBuf, options: &str) -> Self {
        fs::create_dir_all(&point).unwrap();
        let options = CString::new(options).unwrap();
        mount("ferry-test", &point, "tmpfs", MountFlags::empty(), &*options).expect("these tests mount, as root");
        Self(point)
    }

    pub(crate) fn make_read_only(&self) {
        mount_remount(&self.0, MountFlags::RDONLY, "").unwrap();
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
