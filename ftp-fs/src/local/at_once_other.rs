//! Where the system does not tell what is in memory, everything is done where waiting is allowed.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use ftp_types::VirtualPath;
use rustix::fs::Stat;

use super::beneath::Root;
use super::file::LocalReader;

/// See [`LocalReader`]: nothing is known of it.
#[derive(Clone, Copy)]
pub(super) struct Medium;

impl Medium {
    pub(super) const fn closes_at_once(self, _: &Stat) -> bool {
        false
    }

    pub(super) const fn try_read(self, _: &File, _: &mut [u8]) -> Option<usize> {
        None
    }
}

pub(super) struct Cache;

impl Cache {
    pub(super) fn of(_: impl AsFd) -> Self {
        Self
    }

    pub(super) const fn medium_of(&self, _: &Stat) -> Medium {
        Medium
    }
}

impl Root {
    pub(super) const fn try_stat(&self, _: &VirtualPath) -> Option<Stat> {
        None
    }

    pub(super) const fn try_enter(&self, _: &VirtualPath) -> Option<Stat> {
        None
    }

    pub(super) const fn try_directory(&self, _: &VirtualPath) -> Option<OwnedFd> {
        None
    }

    pub(super) const fn try_open(&self, _: &VirtualPath, _: u64) -> Option<LocalReader> {
        None
    }

    pub(super) const fn make_by_one_call(&self, _: &VirtualPath) -> Option<File> {
        None
    }

    pub(super) const fn try_make(&self, _: &VirtualPath) -> Option<File> {
        None
    }
}
