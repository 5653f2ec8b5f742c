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
    assert_eq!(len(&fs, "/a"), 20);
    fs.remove_file(&path("/a")).unwrap();
    assert_eq!(reader.read(&mut [0; 100]), Ok(10));
}

#[test]
fn what_failed_once_fails_to_its_end() {
    let fs = MemoryFs::with_capacity(10);
    for mode in [WriteMode::Replace, WriteMode::Append] {
        put(&fs, "/a", WriteMode::Replace, 5).unwrap();
        let mut writer = fs.create(&path("/a"), mode).unwrap();
        assert_eq!(writer.write_all(&[0; 11]), Err(FsError::NoSpace), "{mode:?}");
        assert_eq!(writer.write_all(&[0; 1]), Err(FsError::NoSpace), "{mode:?}: there would be room for this");
        assert_eq!(writer.finish(), Err(FsError::NoSpace), "{mode:?}");
        assert_eq!(len(&fs, "/a"), 5, "{mode:?}");
    }
}

#[test]
fn a_directory_may_take_the_place_of_an_empty_one() {
    let fs = MemoryFs::default();
    for at in ["/from", "/empty", "/full", "/full/sub"] {
        fs.make_directory(&path(at)).unwrap();
    }
    put(&fs, "/from/file", WriteMode::Replace, 3).unwrap();
    put(&fs, "/file", WriteMode::Replace, 1).unwrap();
    assert_eq!(fs.rename(&path("/from"), &path("/full")), Err(FsError::NotEmpty));
    assert_eq!(fs.rename(&path("/from"), &path("/file")), Err(FsError::NotADirectory));
    assert_eq!(fs.rename(&path("/file"), &path("/empty")), Err(FsError::IsADirectory));
    assert_eq!(fs.rename(&path("/from"), &path("/from/below")), Err(FsError::InvalidName));
    assert_eq!(fs.rename(&path("/from"), &path("/empty")), Ok(()));
    assert_eq!(len(&fs, "/empty/file"), 3);
    assert_eq!(fs.stat(&path("/from")).err(), Some(FsError::NotFound));
    assert_eq!(fs.stat(&path("/from/file")).err(), Some(FsError::NotFound));
}

#[test]
fn a_directory_whose_content_would_get_too_long_paths_stays_where_it_is() {
    let fs = MemoryFs::new();
    let (long, deep) = (format!("/{}", "l".repeat(5000)), format!("/a/{}", "d".repeat(5000)));
    fs.make_directory(&path("/a")).unwrap();
    fs.make_directory(&path(&long)).unwrap();
    put(&fs, "/a/b", WriteMode::Replace, 1).unwrap();
    put(&fs, &deep, WriteMode::Replace, 2).unwrap();
    assert_eq!(fs.rename(&path("/a"), &path(&format!("{long}/a"))), Err(FsError::InvalidName));
    assert_eq!((len(&fs, "/a/b"), len(&fs, &deep)), (1, 2));
    assert_eq!(fs.list(&path(&long)).unwrap().next_batch(10), Ok(Vec::new()));
}

#[test]
fn a_name_that_somebody_has_is_not_made_unique_twice() {
    let fs = MemoryFs::new();
    // After a seed the same names come up.
    let make = || {
        fastrand::seed(7);
        fs.create_unique(&path("/"), b"x.").map(|made| made.name)
    };
    let names: std::collections::BTreeSet<_> = (0..100).map(|_| make().unwrap()).collect();
    assert_eq!(names.len(), 100);
    assert_eq!(make(), Err(FsError::Exists), "a hundred tries are enough");
    assert_eq!(fs.create_unique(&path("/"), b"in/side").map(drop), Err(FsError::InvalidName));
}

#[test]
fn an_upload_whose_file_is_gone_goes_nowhere() {
    for mode in [WriteMode::Replace, WriteMode::Append, WriteMode::From(1)] {
        let fs = MemoryFs::with_capacity(100);
        put(&fs, "/a", WriteMode::Replace, 3).unwrap();
        let mut writer = fs.create(&path("/a"), mode).unwrap();
        fs.remove_file(&path("/a")).unwrap();
        assert_eq!(writer.write_all(&[0; 10]), Ok(()), "{mode:?}");
        put(&fs, "/a", WriteMode::Append, 1).unwrap();
        assert_eq!(writer.write_all(&[0; 10]), Ok(()), "{mode:?}");
        assert_eq!(writer.finish(), Err(FsError::NotFound), "{mode:?}");
        assert_eq!(len(&fs, "/a"), 1, "{mode:?}: it is another one");
    }
}

#[test]
fn what_lies_in_memory_is_no_file_of_this_machine() {
    let fs = MemoryFs::new();
    put(&fs, "/a", WriteMode::Replace, 3).unwrap();
    assert!(fs.open(&path("/a"), 0).unwrap().as_file().is_none());
    assert_eq!(fs.real_path(&path("/a")), None);
}

#[test]
fn what_is_written_has_the_time_of_that() {
    let fs = MemoryFs::new();
    for mode in [WriteMode::Replace, WriteMode::Append, WriteMode::From(1)] {
        put(&fs, "/a", WriteMode::Replace, 10).unwrap();
        fs.set_modified(&path("/a"), UnixTime::EPOCH).unwrap();
        put(&fs, "/a", mode, 1).unwrap();
        let modified = fs.stat(&path("/a")).unwrap().modified.unwrap();
        // A day of the year in which this was written.
        assert!(modified > UnixTime::from_seconds(1_764_000_000), "{mode:?}: {modified:?}");
    }
}

#[test]
fn an_upload_tells_what_a_cut_would_leave() {
    let fs = MemoryFs::new();
    let remains = |mode| fs.create(&path("/a"), mode).unwrap().remains();
    assert_eq!(remains(WriteMode::Append), Remains::Partial);
    put(&fs, "/a", WriteMode::Replace, 10).unwrap();
    let modes = [WriteMode::Replace, WriteMode::Append, WriteMode::From(0), WriteMode::From(1)];
    let expected = [Remains::Unchanged, Remains::Extended, Remains::Overwritten, Remains::Extended];
    assert_eq!(modes.map(remains), expected);
}
