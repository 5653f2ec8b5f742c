//! What uploads, renames and limits do to a tree in memory.

use super::*;

fn path(text: &str) -> VirtualPath {
    VirtualPath::try_from(text).unwrap()
}

fn put(fs: &MemoryFs, at: &str, mode: WriteMode, len: usize) -> Result<(), FsError> {
    let mut writer = fs.create(&path(at), mode)?;
    let written = writer.write_all(&vec![0; len]);
    assert_eq!(writer.finish().map(drop), written, "what failed is not finished");
    written
}

fn len(fs: &MemoryFs, at: &str) -> u64 {
    fs.stat(&path(at)).unwrap().len
}

#[test]
fn a_full_tree_keeps_the_old_content_and_gives_space_back() {
    let fs = MemoryFs::with_capacity(100);
    assert_eq!(put(&fs, "/a", WriteMode::Replace, 60), Ok(()));
    assert_eq!(put(&fs, "/a", WriteMode::Replace, 50), Err(FsError::NoSpace));
    assert_eq!(len(&fs, "/a"), 60);
    assert_eq!(put(&fs, "/b", WriteMode::Replace, 41), Err(FsError::NoSpace));
    assert_eq!(put(&fs, "/a", WriteMode::From(10), 90), Ok(()));
    assert_eq!(put(&fs, "/a", WriteMode::Append, 1), Err(FsError::NoSpace));
    assert_eq!(fs.remove_file(&path("/a")), Ok(()));
    assert_eq!(put(&fs, "/b", WriteMode::Replace, 100), Ok(()));
}

#[test]
fn an_upload_that_another_replaces_on_its_way_is_mixed_into_nothing() {
    for mode in [WriteMode::Replace, WriteMode::Append, WriteMode::From(0)] {
        let fs = MemoryFs::new();
        if mode != WriteMode::Replace {
            put(&fs, "/a", WriteMode::Replace, 10).unwrap();
        }
        let mut slow = fs.create(&path("/a"), mode).unwrap();
        slow.write_all(&[1; 5]).unwrap();
        put(&fs, "/a", WriteMode::Replace, 20).unwrap();
        slow.write_all(&[1; 5]).unwrap();
        assert_eq!(slow.finish(), Err(FsError::Busy), "{mode:?}");
        let mut content = [0; 100];
        assert_eq!(fs.open(&path("/a"), 0).unwrap().read(&mut content), Ok(20), "{mode:?}");
        assert!(!content.contains(&1), "{mode:?}");
    }
}

#[test]
fn of_two_uploads_that_replace_a_file_the_last_counts() {
    let fs = MemoryFs::new();
    put(&fs, "/a", WriteMode::Replace, 10).unwrap();
    let mut slow = fs.create(&path("/a"), WriteMode::Replace).unwrap();
    slow.write_all(&[1; 5]).unwrap();
    put(&fs, "/a", WriteMode::Replace, 20).unwrap();
    assert_eq!(slow.finish().map(|metadata| metadata.len), Ok(5));
    assert_eq!(len(&fs, "/a"), 5);
}

#[test]
fn a_download_goes_on_with_what_it_began_with() {
    let fs = MemoryFs::new();
    put(&fs, "/a", WriteMode::Replace, 10).unwrap();
    let mut reader = fs.open(&path("/a"), 0).unwrap();
    put(&fs, "/a", WriteMode::Append, 10).unwrap();
    fs.remove_file(&path("/a")).unwrap();
    assert_eq!(reader.read(&mut [0; 100]), Ok(10));
}
