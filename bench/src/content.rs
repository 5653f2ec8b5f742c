//! The files that all servers serve, and what they contain.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The end of a file that is looked at.
pub(crate) const SAMPLE: u64 = 64 << 10;

/// Where uploads go.
pub(crate) const UPLOADS: &str = "in";

/// A file of a known size whose bytes follow from its name.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) name: String,
    pub(crate) size: u64,
    /// What the last bytes have to be.
    digest: [u8; 32],
}

impl Content {
    /// Its file within `root`.
    pub(crate) fn path(&self, root: &Path) -> PathBuf {
        root.join(&self.name)
    }

    /// How many of the last bytes are looked at.
    pub(crate) fn sample(&self) -> u64 {
        SAMPLE.min(self.size)
    }

    /// An error unless these are the last bytes.
    pub(crate) fn check_sample(&self, bytes: &[u8]) -> io::Result<()> {
        if digest(bytes) == self.digest {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, format!("{} came with other bytes than it has", self.name)))
    }

    /// An error unless the file at `path` has this size and these last bytes.
    pub(crate) fn check_file(&self, path: &Path) -> io::Result<()> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        if size != self.size {
            let text = format!("{} has {size} bytes in place of {}", path.display(), self.size);
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let mut bytes = vec![0; usize::try_from(self.sample()).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, size - self.sample())?;
        self.check_sample(&bytes)
    }

    fn create(root: &Path, name: String, size: u64) -> io::Result<Self> {
        let seed = seed(&name);
        let path = root.join(&name);
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let mut words = Words(seed);
        let mut left = size;
        let mut buffer = vec![0; 1 << 20];
        let mut digest = [0; 32];
        while left > 0 {
            // The last write is the sample, and nothing else.
            let most = if left > SAMPLE { left - SAMPLE } else { left };
            let count = usize::try_from(most).unwrap_or(usize::MAX).min(buffer.len());
            words.fill(&mut buffer[..count]);
            file.write_all(&buffer[..count])?;
            digest = self::digest(&buffer[..count]);
            left -= count as u64;
        }
        Ok(Self { name, size, digest })
    }
}

/// The tree: made once, before anything is measured.
pub(crate) struct Tree {
    pub(crate) root: PathBuf,
    pub(crate) large: Content,
    pub(crate) secret: Content,
    pub(crate) medium: Content,
    pub(crate) small: Vec<Content>,
    /// A directory of so many files.
    pub(crate) crowd: usize,
}

/// The directory with all the files.
pub(crate) const CROWD: &str = "many";

/// A directory with few.
pub(crate) const FEW: &str = "few";

/// How much of everything there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) large: u64,
    pub(crate) secret: u64,
    pub(crate) medium: u64,
    pub(crate) small: usize,
    pub(crate) crowd: usize,
}

impl Tree {
    pub(crate) fn create(root: &Path, sizes: Sizes) -> io::Result<Self> {
        fs::set_permissions(root, fs::Permissions::from_mode(0o755))?;
        for name in [UPLOADS, CROWD, FEW, "small"] {
            fs::create_dir(root.join(name))?;
        }
        fs::set_permissions(root.join(UPLOADS), fs::Permissions::from_mode(0o777))?;
        for number in 0..sizes.crowd {
            File::create(root.join(CROWD).join(format!("file-{number:06}.txt")))?;
        }
        for number in 0..10 {
            File::create(root.join(FEW).join(format!("file-{number:06}.txt")))?;
        }
        let small = (0..sizes.small).map(|number| Content::create(root, format!("small/{number:05}"), 4 << 10));
        Ok(Self {
            root: root.to_owned(),
            large: Content::create(root, "large".into(), sizes.large)?,
            secret: Content::create(root, "secret".into(), sizes.secret)?,
            medium: Content::create(root, "medium".into(), sizes.medium)?,
            small: small.collect::<io::Result<_>>()?,
            crowd: sizes.crowd,
        })
    }

    /// Looks at uploads and removes them.
    pub(crate) fn take_uploads(&self, expected: &[(String, &Content)]) -> io::Result<()> {
        let place = self.root.join(UPLOADS);
        for (name, content) in expected {
            content.check_file(&place.join(name))?;
        }
        for entry in fs::read_dir(&place)? {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }
}

pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn seed(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// SplitMix64: bytes that compress to nothing, made faster than they are written.
struct Words(u64);

impl Words {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Sizes = Sizes { large: 200_001, secret: 70_000, medium: 65_536, small: 3, crowd: 12 };

    #[test]
    fn files_are_as_they_say() {
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::create(root.path(), SIZES).unwrap();
        for content in [&tree.large, &tree.secret, &tree.medium].into_iter().chain(&tree.small) {
            content.check_file(&content.path(root.path())).unwrap();
        }
        assert_eq!(tree.large.size, 200_001);
        assert_eq!(fs::read_dir(root.path().join(CROWD)).unwrap().count(), 12);
    }

    #[test]
    fn another_end_or_another_size_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::create(root.path(), SIZES).unwrap();
        let mut bytes = fs::read(tree.large.path(root.path())).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(root.path().join("in/a"), &bytes).unwrap();
        assert!(tree.take_uploads(&[("a".into(), &tree.large)]).is_err());
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(root.path().join("in/a"), &bytes).unwrap();
        tree.take_uploads(&[("a".into(), &tree.large)]).unwrap();
        assert!(!root.path().join("in/a").exists());
        fs::write(root.path().join("in/a"), &bytes[1..]).unwrap();
        assert!(tree.take_uploads(&[("a".into(), &tree.large)]).is_err());
    }

    #[test]
    fn files_of_other_names_have_other_bytes() {
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::create(root.path(), SIZES).unwrap();
        let bytes = fs::read(tree.small[0].path(root.path())).unwrap();
        assert!(tree.small[1].check_sample(&bytes).is_err());
    }
}
