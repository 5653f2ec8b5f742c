//! The conformance suite on the back ends of this crate.

use ftp_fs::{LocalFs, MemoryFs, conformance};

#[test]
fn memory() {
    conformance::run(MemoryFs::new);
}

#[test]
fn local() {
    let parent = tempfile::tempdir().unwrap();
    let mut count = 0;
    conformance::run(|| {
        count += 1;
        let home = parent.path().join(count.to_string());
        std::fs::create_dir(&home).unwrap();
        LocalFs::open(home).unwrap()
    });
}
