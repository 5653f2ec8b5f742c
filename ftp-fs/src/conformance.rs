//! What every back end has to do alike: a suite that an author of one runs against it.
//!
//! ```
//! # use ftp_fs::MemoryFs;
//! ftp_fs::conformance::run(MemoryFs::new);
//! ```

use std::collections::BTreeSet;

use ftp_types::{FileKind, FsError, UnixTime, VirtualPath, WriteMode};

use crate::{BlockingBackend, BlockingWriter, Follow, Remains};

/// One thing that a back end has to get right.
#[derive(Clone, Copy)]
pub struct Check {
    /// The behaviour, in words.
    pub name: &'static str,
    /// Looks for it on an empty tree, and panics when it is not there.
    pub run: fn(&dyn BlockingBackend),
}

/// Runs every check on a new, empty back end.
///
/// # Panics
/// When one fails; its name is printed before.
pub fn run<B: BlockingBackend>(mut make: impl FnMut() -> B) {
    for check in CHECKS {
        println!("conformance: {}", check.name);
        (check.run)(&make());
    }
}

macro_rules! checks {
    ($($check:ident),* $(,)?) => {
        /// All checks.
        pub const CHECKS: &[Check] = &[$(Check { name: stringify!($check), run: $check }),*];
    };
}

checks![
    an_empty_tree_is_a_directory,
    what_is_written_is_read_back,
    reading_starts_at_the_offset,
    an_offset_past_the_end_is_refused,
    what_is_missing_is_not_found,
    a_file_on_the_way_is_no_directory,
    files_and_directories_are_told_apart,
    the_root_stays,
    directories_come_and_go,
    an_upload_that_is_dropped_before_its_first_byte_changes_nothing,
    a_cut_upload_leaves_what_its_writer_told,
    replacing_leaves_nothing_of_the_old_content,
    resuming_cuts_what_lies_behind,
    appending_makes_the_file_or_adds_to_it,
    of_two_uploads_one_wins_whole,
    unique_names_are_new,
    renaming_moves_files,
    renaming_moves_directories_with_all_in_them,
    renaming_replaces_files_and_nothing_more,
    no_directory_takes_the_place_of_a_file,
    listings_come_in_batches_and_name_everything_once,
    a_file_that_vanishes_does_not_break_a_listing,
    times_that_are_set_are_shown,
    modes_that_are_set_are_shown,
    names_come_back_byte_by_byte,
    without_links_a_path_is_its_own_destination,
];

fn path(text: &str) -> VirtualPath {
    VirtualPath::try_from(text).expect("the path of a check is one")
}

fn put(fs: &dyn BlockingBackend, at: &str, content: &[u8]) {
    upload(fs, at, WriteMode::Replace, content);
}

fn upload(fs: &dyn BlockingBackend, at: &str, mode: WriteMode, content: &[u8]) {
    let mut writer = fs.create(&path(at), mode).expect("the file can be created");
    writer.write_all(content).expect("there is space");
    writer.finish().expect("the upload can be finished");
}

fn get(fs: &dyn BlockingBackend, at: &str) -> Vec<u8> {
    get_from(fs, at, 0)
}

fn get_from(fs: &dyn BlockingBackend, at: &str, offset: u64) -> Vec<u8> {
    let mut reader = fs.open(&path(at), offset).expect("the file can be opened");
    let (mut content, mut buffer) = (Vec::new(), [0; 1000]);
    loop {
        match reader.read(&mut buffer).expect("the file can be read") {
            0 => return content,
            count => content.extend_from_slice(&buffer[..count]),
        }
    }
}

fn make(fs: &dyn BlockingBackend, at: &str) {
    fs.make_directory(&path(at)).expect("the directory can be made");
}

fn names(fs: &dyn BlockingBackend, at: &str) -> BTreeSet<Vec<u8>> {
    let mut listing = fs.list(&path(at)).expect("the directory can be listed");
    let mut names = BTreeSet::new();
    loop {
        let batch = listing.next_batch(100).expect("the listing goes on");
        assert!(batch.len() <= 100, "a batch is no longer than asked for");
        if batch.is_empty() {
            return names;
        }
        for entry in batch {
            assert!(names.insert(entry.name.clone()), "{:?} is listed twice", entry.name);
        }
    }
}

fn error<T>(result: Result<T, FsError>) -> Option<FsError> {
    result.err()
}

fn an_empty_tree_is_a_directory(fs: &dyn BlockingBackend) {
    assert!(fs.stat(&path("/")).expect("the root is there").is_directory());
    assert_eq!(names(fs, "/"), BTreeSet::new());
}

fn what_is_written_is_read_back(fs: &dyn BlockingBackend) {
    let content: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
    let mut writer = fs.create(&path("/file"), WriteMode::Replace).expect("the file can be created");
    content.chunks(7_777).for_each(|chunk| writer.write_all(chunk).expect("there is space"));
    let metadata = writer.finish().expect("the upload can be finished");
    assert_eq!((metadata.kind, metadata.len), (FileKind::File, 100_000));
    assert_eq!(fs.stat(&path("/file")).map(|metadata| metadata.len), Ok(100_000));
    let opened = fs.open(&path("/file"), 0).expect("the file can be opened").metadata();
    assert_eq!(opened.map(|metadata| metadata.len), Ok(100_000));
    assert_eq!(get(fs, "/file"), content);
    put(fs, "/empty", b"");
    assert_eq!(get(fs, "/empty"), b"");
}

fn reading_starts_at_the_offset(fs: &dyn BlockingBackend) {
    put(fs, "/file", b"0123456789");
    assert_eq!(get_from(fs, "/file", 4), b"456789");
    assert_eq!(get_from(fs, "/file", 10), b"");
}

fn an_offset_past_the_end_is_refused(fs: &dyn BlockingBackend) {
    put(fs, "/file", b"0123456789");
    for offset in [11, u64::from(u32::MAX) + 11, u64::MAX] {
        assert_eq!(error(fs.open(&path("/file"), offset)), Some(FsError::OffsetPastEnd), "{offset}");
        let mode = WriteMode::From(offset);
        assert_eq!(error(fs.create(&path("/file"), mode)), Some(FsError::OffsetPastEnd), "{offset}");
    }
    assert_eq!(get(fs, "/file"), b"0123456789");
}

fn what_is_missing_is_not_found(fs: &dyn BlockingBackend) {
    make(fs, "/directory");
    for at in ["/nothing", "/nothing/below", "/directory/nothing"] {
        let at = path(at);
        assert_eq!(error(fs.stat(&at)), Some(FsError::NotFound), "stat {at}");
        assert_eq!(error(fs.list(&at)), Some(FsError::NotFound), "list {at}");
        assert_eq!(error(fs.open(&at, 0)), Some(FsError::NotFound), "open {at}");
        assert_eq!(error(fs.create(&at, WriteMode::From(0))), Some(FsError::NotFound), "resume {at}");
        assert_eq!(error(fs.remove_directory(&at)), Some(FsError::NotFound), "remove_directory {at}");
        assert_eq!(error(fs.remove_file(&at)), Some(FsError::NotFound), "remove_file {at}");
        assert_eq!(error(fs.rename(&at, &path("/new"))), Some(FsError::NotFound), "rename {at}");
        assert_eq!(error(fs.set_modified(&at, UnixTime::EPOCH)), Some(FsError::NotFound), "set_modified {at}");
        assert!(error(fs.set_mode(&at, 0o600)).is_some(), "set_mode {at}");
    }
    let below = path("/nothing/below");
    assert_eq!(error(fs.create(&below, WriteMode::Replace)), Some(FsError::NotFound));
    assert_eq!(error(fs.create(&below, WriteMode::Append)), Some(FsError::NotFound));
    assert_eq!(error(fs.create_unique(&path("/nothing"), b"x")), Some(FsError::NotFound));
    assert_eq!(error(fs.make_directory(&below)), Some(FsError::NotFound));
    put(fs, "/file", b"");
    assert_eq!(error(fs.rename(&path("/file"), &below)), Some(FsError::NotFound));
}

fn a_file_on_the_way_is_no_directory(fs: &dyn BlockingBackend) {
    put(fs, "/file", b"content");
    let below = path("/file/below");
    let refused = |error: Option<FsError>| matches!(error, Some(FsError::NotADirectory | FsError::NotFound));
    assert!(refused(error(fs.stat(&below))));
    assert!(refused(error(fs.open(&below, 0))));
    assert!(refused(error(fs.create(&below, WriteMode::Replace))));
    assert!(refused(error(fs.make_directory(&below))));
    assert!(refused(error(fs.create_unique(&path("/file"), b"x"))));
    assert_eq!(get(fs, "/file"), b"content");
}

fn files_and_directories_are_told_apart(fs: &dyn BlockingBackend) {
    put(fs, "/file", b"content");
    make(fs, "/directory");
    let (file, directory) = (path("/file"), path("/directory"));
    assert_eq!(error(fs.list(&file)), Some(FsError::NotADirectory));
    assert_eq!(error(fs.remove_directory(&file)), Some(FsError::NotADirectory));
    assert_eq!(error(fs.make_directory(&file)), Some(FsError::Exists));
    assert_eq!(error(fs.make_directory(&directory)), Some(FsError::Exists));
    assert_eq!(error(fs.open(&directory, 0)), Some(FsError::IsADirectory));
    assert_eq!(error(fs.remove_file(&directory)), Some(FsError::IsADirectory));
    assert_eq!(error(fs.set_modified(&directory, UnixTime::EPOCH)), Some(FsError::IsADirectory));
    for mode in [WriteMode::Replace, WriteMode::Append, WriteMode::From(0)] {
        assert_eq!(error(fs.create(&directory, mode)), Some(FsError::IsADirectory), "{mode:?}");
    }
    assert_eq!(names(fs, "/").len(), 2);
}

fn the_root_stays(fs: &dyn BlockingBackend) {
    make(fs, "/directory");
    let root = path("/");
    assert_eq!(error(fs.remove_directory(&root)), Some(FsError::IsRoot));
    assert_eq!(error(fs.rename(&root, &path("/new"))), Some(FsError::IsRoot));
    assert_eq!(error(fs.rename(&path("/directory"), &root)), Some(FsError::IsRoot));
    assert_eq!(error(fs.make_directory(&root)), Some(FsError::Exists));
    assert_eq!(error(fs.open(&root, 0)), Some(FsError::IsADirectory));
    assert_eq!(error(fs.create(&root, WriteMode::Replace)), Some(FsError::IsADirectory));
    assert!(matches!(error(fs.remove_file(&root)), Some(FsError::IsADirectory | FsError::IsRoot)));
    assert_eq!(fs.resolve(&root, Follow::All), Ok(root));
}

fn directories_come_and_go(fs: &dyn BlockingBackend) {
    make(fs, "/a");
    make(fs, "/a/b");
    put(fs, "/a/b/file", b"content");
    assert_eq!(error(fs.remove_directory(&path("/a"))), Some(FsError::NotEmpty));
    assert_eq!(error(fs.remove_directory(&path("/a/b"))), Some(FsError::NotEmpty));
    assert_eq!(fs.remove_file(&path("/a/b/file")), Ok(()));
    assert_eq!(fs.remove_directory(&path("/a/b")), Ok(()));
    assert_eq!(fs.remove_directory(&path("/a")), Ok(()));
    assert_eq!(names(fs, "/"), BTreeSet::new());
}

fn an_upload_that_is_dropped_before_its_first_byte_changes_nothing(fs: &dyn BlockingBackend) {
    put(fs, "/file", b"old");
    for mode in [WriteMode::Replace, WriteMode::Append, WriteMode::From(1)] {
        drop(fs.create(&path("/file"), mode).expect("the file can be opened"));
        assert_eq!(get(fs, "/file"), b"old", "{mode:?}");
    }
    assert_eq!(names(fs, "/").len(), 1);
}

fn a_cut_upload_leaves_what_its_writer_told(fs: &dyn BlockingBackend) {
    let modes = [WriteMode::Replace, WriteMode::Append, WriteMode::From(2), WriteMode::From(0)];
    for (mode, may_extend) in modes.into_iter().zip([false, true, true, false]) {
        put(fs, "/file", b"old content");
        let remains = cut(fs.create(&path("/file"), mode).expect("the file can be opened"));
        let kept = match mode {
            WriteMode::From(offset) => &b"old content"[..offset as usize],
            _ => &b"old content"[..],
        };
        match remains {
            Remains::Unchanged => assert_eq!(get(fs, "/file"), b"old content", "{mode:?}"),
            Remains::Extended => assert!(may_extend && get(fs, "/file").starts_with(kept), "{mode:?}"),
            Remains::Partial => panic!("{mode:?}: the file was there before"),
            Remains::Overwritten | Remains::Unknown => {}
        }
    }
    let told = [Remains::Partial, Remains::Unknown];
    let new = cut(fs.create(&path("/new"), WriteMode::Replace).expect("the file can be made"));
    assert!(told.contains(&new), "{new:?} of a new file");
    let new = cut(fs.create(&path("/appended"), WriteMode::Append).expect("the file can be made"));
    assert!(told.contains(&new), "{new:?} of a new file");
    let new = cut(fs.create_unique(&path("/"), b"x").expect("the file can be made").writer);
    assert!(told.contains(&new), "{new:?} of a new file");
}

/// Drops an upload after its first bytes. What its writer says of that.
fn cut(mut writer: Box<dyn BlockingWriter>) -> Remains {
    let remains = writer.remains();
    writer.write_all(b"new").expect("there is space");
    remains
}

fn replacing_leaves_nothing_of_the_old_content(fs: &dyn BlockingBackend) {
    put(fs, "/file", b"old and long");
    put(fs, "/file", b"new");
    assert_eq!(get(fs, "/file"), b"new");
    let writer = fs.create(&path("/file"), WriteMode::Replace).expect("the file can be created");
    assert_eq!(writer.finish().map(|metadata| metadata.len), Ok(0));
    assert_eq!(get(fs, "/file"), b"");
}

fn resuming_cuts_what_lies_behind(fs: &dyn BlockingBackend) {
    put(fs, "/file", b"0123456789");
    upload(fs, "/file", WriteMode::From(4), b"xy");
    assert_eq!(get(fs, "/file"), b"0123xy");
    upload(fs, "/file", WriteMode::From(6), b"z");
    assert_eq!(get(fs, "/file"), b"0123xyz");
    let writer = fs.create(&path("/file"), WriteMode::From(2)).expect("the file can be opened");
    assert_eq!(writer.finish().map(|metadata| metadata.len), Ok(2));
    assert_eq!(get(fs, "/file"), b"01");
    upload(fs, "/file", WriteMode::From(0), b"new");
    assert_eq!(get(fs, "/file"), b"new");
}

fn appending_makes_the_file_or_adds_to_it(fs: &dyn BlockingBackend) {
    upload(fs, "/file", WriteMode::Append, b"one");
    upload(fs, "/file", WriteMode::Append, b"two");
    assert_eq!(get(fs, "/file"), b"onetwo");
}

fn of_two_uploads_one_wins_whole(fs: &dyn BlockingBackend) {
    let start = |byte: u8| {
        let mut writer = fs.create(&path("/file"), WriteMode::Replace).expect("the file can be created");
        writer.write_all(&[byte; 10]).expect("there is space");
        writer
    };
    let end = |mut writer: Box<dyn BlockingWriter>, byte: u8| {
        writer.write_all(&[byte; 10]).expect("there is space");
        // To be told that one's upload went under is as good.
        let _ = writer.finish();
    };
    let (first, second) = (start(b'1'), start(b'2'));
    end(first, b'1');
    end(second, b'2');
    let content = get(fs, "/file");
    assert!(content == [b'1'; 20] || content == [b'2'; 20], "{content:?}");
}

fn unique_names_are_new(fs: &dyn BlockingBackend) {
    make(fs, "/in");
    for count in 1..=20 {
        let made = fs.create_unique(&path("/in"), b"upload.").expect("a name can be found");
        assert!(made.name.starts_with(b"upload."));
        assert!(!made.name.contains(&b'/'));
        let mut writer = made.writer;
        writer.write_all(b"content").expect("there is space");
        assert_eq!(writer.finish().map(|metadata| metadata.len), Ok(7));
        assert_eq!(names(fs, "/in").len(), count);
        assert!(names(fs, "/in").contains(&made.name));
    }
}

fn renaming_moves_files(fs: &dyn BlockingBackend) {
    make(fs, "/a");
    put(fs, "/file", b"content");
    assert_eq!(fs.rename(&path("/file"), &path("/a/new")), Ok(()));
    assert_eq!(error(fs.stat(&path("/file"))), Some(FsError::NotFound));
    assert_eq!(get(fs, "/a/new"), b"content");
}

fn renaming_moves_directories_with_all_in_them(fs: &dyn BlockingBackend) {
    make(fs, "/a");
    make(fs, "/a/b");
    make(fs, "/a!");
    put(fs, "/a/b/file", b"content");
    assert!(error(fs.rename(&path("/a"), &path("/a/b/c"))).is_some(), "a directory cannot be moved into itself");
    assert_eq!(fs.rename(&path("/a"), &path("/new")), Ok(()));
    assert_eq!(get(fs, "/new/b/file"), b"content");
    assert_eq!(names(fs, "/"), BTreeSet::from([b"a!".to_vec(), b"new".to_vec()]));
}

fn no_directory_takes_the_place_of_a_file(fs: &dyn BlockingBackend) {
    make(fs, "/directory");
    put(fs, "/file", b"content");
    assert!(error(fs.rename(&path("/directory"), &path("/file"))).is_some());
    assert_eq!(get(fs, "/file"), b"content");
    assert!(fs.stat(&path("/directory")).is_ok_and(|metadata| metadata.is_directory()));
}

fn renaming_replaces_files_and_nothing_more(fs: &dyn BlockingBackend) {
    put(fs, "/old", b"old");
    put(fs, "/new", b"new");
    assert_eq!(fs.rename(&path("/old"), &path("/new")), Ok(()));
    assert_eq!(get(fs, "/new"), b"old");
    make(fs, "/directory");
    put(fs, "/directory/file", b"content");
    assert!(error(fs.rename(&path("/new"), &path("/directory"))).is_some());
    make(fs, "/other");
    assert!(error(fs.rename(&path("/other"), &path("/directory"))).is_some());
    assert_eq!(get(fs, "/directory/file"), b"content");
    assert_eq!(fs.rename(&path("/new"), &path("/new")), Ok(()));
    assert_eq!(get(fs, "/new"), b"old");
}

fn listings_come_in_batches_and_name_everything_once(fs: &dyn BlockingBackend) {
    make(fs, "/many");
    make(fs, "/many!");
    let expected: BTreeSet<Vec<u8>> = (0..350).map(|n| format!("file {n}").into_bytes()).collect();
    (0..350).for_each(|n| put(fs, &format!("/many/file {n}"), b"x"));
    assert_eq!(names(fs, "/many"), expected);
    let mut listing = fs.list(&path("/many")).expect("the directory can be listed");
    let first = listing.next_batch(1).expect("the listing goes on");
    assert_eq!(
        first.iter().map(|entry| (entry.metadata.kind, entry.metadata.len)).collect::<Vec<_>>(),
        [(FileKind::File, 1)]
    );
}

fn a_file_that_vanishes_does_not_break_a_listing(fs: &dyn BlockingBackend) {
    make(fs, "/a");
    (0..10).for_each(|n| put(fs, &format!("/a/{n}"), b"x"));
    let mut listing = fs.list(&path("/a")).expect("the directory can be listed");
    let first = listing.next_batch(1).expect("the listing goes on");
    assert_eq!(first.len(), 1);
    (0..10).for_each(|n| fs.remove_file(&path(&format!("/a/{n}"))).expect("the file can be removed"));
    // Windows keeps a directory for as long as somebody reads it, and reads ahead.
    let removed = fs.remove_directory(&path("/a"));
    assert!(matches!(removed, Ok(()) | Err(FsError::Busy)), "{removed:?}");
    let rest = listing.next_batch(100).expect("the listing goes on");
    assert!(rest.iter().all(|entry| entry.name != first[0].name && entry.name.len() == 1), "{rest:?}");
    assert_eq!(listing.next_batch(100), Ok(Vec::new()));
    drop(listing);
    if removed.is_err() {
        assert_eq!(fs.remove_directory(&path("/a")), Ok(()));
    }
}

fn times_that_are_set_are_shown(fs: &dyn BlockingBackend) {
    put(fs, "/file", b"content");
    for seconds in [0, 951_782_400, 1_700_000_001] {
        let time = UnixTime::from_seconds(seconds);
        match fs.set_modified(&path("/file"), time) {
            Ok(()) => assert_eq!(fs.stat(&path("/file")).map(|metadata| metadata.modified), Ok(Some(time))),
            result => assert_eq!(result, Err(FsError::Unsupported)),
        }
    }
}

fn modes_that_are_set_are_shown(fs: &dyn BlockingBackend) {
    put(fs, "/file", b"content");
    for mode in [0o600, 0o644, 0o444, 0o644] {
        match fs.set_mode(&path("/file"), mode) {
            Ok(()) => {
                let shown = fs.stat(&path("/file")).map(|metadata| metadata.mode.map(|mode| mode & 0o777));
                assert_eq!(shown, Ok(Some(mode)));
            }
            result => assert_eq!(result, Err(FsError::Unsupported)),
        }
    }
}

fn names_come_back_byte_by_byte(fs: &dyn BlockingBackend) {
    let odd: [&[u8]; 12] = [
        b" blanks ",
        b"-dash",
        b"\"quoted\"",
        b"[brackets]*?",
        b"100%25",
        b"back\\slash",
        b"dots...",
        b"\xc3\xa4 nfc",
        b"a\xcc\x88 nfd",
        b"latin-1 \xe4",
        b"line\r\nbreak",
        &[b'n'; 200],
    ];
    for name in odd {
        let at = path("/").child(name).expect("it is a name");
        match fs.create(&at, WriteMode::Replace) {
            Ok(writer) => drop(writer.finish().expect("the upload can be finished")),
            Err(error) => {
                assert_eq!(error, FsError::InvalidName, "{at}");
                continue;
            }
        }
        assert!(names(fs, "/").contains(name), "{at} is not listed");
        assert!(fs.open(&at, 0).is_ok(), "{at} cannot be opened");
        assert_eq!(fs.remove_file(&at), Ok(()), "{at}");
    }
}

fn without_links_a_path_is_its_own_destination(fs: &dyn BlockingBackend) {
    make(fs, "/a");
    put(fs, "/a/file", b"content");
    for follow in [Follow::All, Follow::Parents] {
        for at in ["/", "/a", "/a/file", "/a/nothing"] {
            assert_eq!(fs.resolve(&path(at), follow), Ok(path(at)), "{at}");
        }
    }
    assert_eq!(fs.resolve(&path("/nothing/below"), Follow::All), Err(FsError::NotFound));
}
