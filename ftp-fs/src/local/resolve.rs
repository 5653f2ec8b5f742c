//! Following links by hand, so that none leads out.
//!
//! What comes out of it is advice: whoever uses a resolved path opens it again without following anything.

use ftp_types::{FsError, Link, VirtualPath};
use rustix::fs::{self as sys};
use rustix::io::Errno;

use super::beneath::Root;
use super::errno::Explain;
use super::listing::metadata;
use crate::Follow;

/// How many links one path may have, as on Linux.
const MAX_LINKS: usize = 40;
/// How often it begins again when directories turn into links meanwhile.
const ATTEMPTS: usize = 8;

impl Root {
    /// As [`BlockingBackend::resolve`](crate::BlockingBackend::resolve).
    pub(super) fn resolve(&self, path: &VirtualPath, follow: Follow) -> Result<VirtualPath, FsError> {
        (0..ATTEMPTS)
            .map(|_| Walk::new(path, follow).run(self))
            .find(|resolved| *resolved != Err(FsError::IsLink))
            .unwrap_or(Err(FsError::Busy))
    }

    /// What a listing tells of a link in a directory.
    pub(super) fn describe_link(&self, path: &VirtualPath) -> Link {
        let Ok(Some(target)) = self.read_link(path) else { return Link::default() };
        match self.resolve(path, Follow::All) {
            Ok(place) => {
                let metadata = self.stat(&place).ok().map(|stat| metadata(&stat));
                Link { text: self.text(path, &target), path: Some(place), metadata }
            }
            Err(FsError::Outside) => Link::default(),
            Err(_) => Link { text: self.text(path, &target), path: None, metadata: None },
        }
    }

    /// What may be shown of a target: the virtual path for an absolute one; a relative one as it is, unless it climbs
    /// above the root anywhere.
    fn text(&self, path: &VirtualPath, target: &[u8]) -> Option<Vec<u8>> {
        if target.first() == Some(&b'/') {
            let rest = self.inside(target)?;
            let shown = VirtualPath::parse(rest).ok()?;
            return (!climbs(0, rest)).then(|| shown.as_bytes().to_vec());
        }
        let depth = path.parent()?.depth();
        (!climbs(depth, target)).then(|| target.to_vec())
    }

    fn read_link(&self, path: &VirtualPath) -> Result<Option<Vec<u8>>, FsError> {
        let (directory, name) = self.parent(path)?;
        match sys::readlinkat(directory, name, Vec::new()) {
            Ok(target) => Ok(Some(target.into_bytes())),
            Err(Errno::INVAL) => Ok(None),
            Err(errno) => Err(errno).explain("reading a link", path),
        }
    }
}

/// Whether a relative path leaves the tree when it starts `depth` directories below the root.
fn climbs(depth: usize, path: &[u8]) -> bool {
    let mut depth = Some(depth);
    for name in path.split(|byte| *byte == b'/') {
        depth = match name {
            b"" | b"." => depth,
            b".." => depth.and_then(|depth| depth.checked_sub(1)),
            _ => depth.map(|depth| depth + 1),
        };
    }
    depth.is_none()
}

/// The state on the way along one path.
struct Walk {
    /// Where it has got; no component of it is a link.
    at: VirtualPath,
    /// The names ahead, the next one last.
    ahead: Vec<Vec<u8>>,
    links_left: usize,
    follow: Follow,
    /// Whether the path itself ended in a link: its destination must exist, or an upload would make it.
    ends_in_link: bool,
}

impl Walk {
    fn new(path: &VirtualPath, follow: Follow) -> Self {
        let ahead = path.components().rev().map(Vec::from).collect();
        Self { at: VirtualPath::root(), ahead, links_left: MAX_LINKS, follow, ends_in_link: false }
    }

    fn run(mut self, root: &Root) -> Result<VirtualPath, FsError> {
        while let Some(name) = self.ahead.pop() {
            match &*name {
                b"" | b"." => {}
                b".." => self.at = self.at.parent().ok_or(FsError::Outside)?,
                name => self.enter(root, name)?,
            }
        }
        Ok(self.at)
    }

    fn enter(&mut self, root: &Root, name: &[u8]) -> Result<(), FsError> {
        let next = self.at.child(name).map_err(|_| FsError::InvalidName)?;
        let is_last = self.ahead.is_empty();
        if is_last && self.follow == Follow::Parents {
            self.at = next;
            return Ok(());
        }
        match root.read_link(&next) {
            Ok(Some(target)) => {
                self.ends_in_link |= is_last;
                return self.turn(root, &target);
            }
            Ok(None) => {}
            Err(FsError::NotFound) if is_last && !self.ends_in_link => {}
            Err(error) => return Err(error),
        }
        self.at = next;
        Ok(())
    }

    fn turn(&mut self, root: &Root, target: &[u8]) -> Result<(), FsError> {
        // A loop leads nowhere.
        self.links_left = self.links_left.checked_sub(1).ok_or(FsError::NotFound)?;
        let mut target = target;
        if target.first() == Some(&b'/') {
            target = root.inside(target).ok_or(FsError::Outside)?;
            self.at = VirtualPath::root();
        }
        self.ahead.extend(target.split(|byte| *byte == b'/').rev().map(Vec::from));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_climbs_when_it_goes_up_more_often_than_down() {
        for inside in ["a/..", "./a/b/../..", "a/./..", "..//a", ""] {
            assert!(!climbs(1, inside.as_bytes()), "{inside}");
        }
        for outside in ["./../..", "..//..", ".././..", "a/../../..", "../../a"] {
            assert!(climbs(1, outside.as_bytes()), "{outside}");
        }
        assert!(!climbs(0, b"a/..") && climbs(0, b"./.."));
    }
}
