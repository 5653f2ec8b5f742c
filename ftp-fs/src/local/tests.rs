//! What must hold on a real directory: confinement, races, odd files, uploads that are cut.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ftp_types::{FileKind, FsError, UnixTime, VirtualPath, WriteMode};
use tempfile::TempDir;

#[cfg(target_os = "linux")]
use super::eager::Eager;
use crate::{BlockingBackend, Follow, LocalFs, conformance};

/// `home` is served, `outside` stands beside it and must never be touched.
struct Place {
    parent: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { parent: tempfile::tempdir().unwrap() };
        fs::create_dir(place.home()).unwrap();
        fs::create_dir(place.outside()).unwrap();
        fs::write(place.outside().join("secret"), "outside").unwrap();
        place
    }

    fn home(&self) -> PathBuf {
        self.parent.path().join("home")
    }

    fn outside(&self) -> PathBuf {
        self.parent.path().join("home_evil")
    }

    fn link(&self, name: &str, target: impl AsRef<Path>) {
        symlink(target, self.home().join(name)).unwrap();
    }

    fn open(&self) -> LocalFs {
        LocalFs::open(self.home()).unwrap()
    }

    /// The ways to open a directory beneath the root that this system has.
    fn open_in_every_way(&self) -> Vec<Box<dyn BlockingBackend>> {
        vec![
            Box::new(self.open()),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            Box::new(LocalFs::open_without_openat2(&self.home()).unwrap()),
            #[cfg(target_os = "linux")]
            Box::new(Eager::in_memory(&self.home())),
        ]
    }

    /// Names, content, modes and times of everything outside.
    fn snapshot(&self) -> Vec<String> {
        let mut found: Vec<String> = fs::read_dir(self.outside())
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let metadata = entry.metadata().unwrap();
                let content = fs::read_to_string(entry.path()).unwrap_or_default();
                format!("{:?} {content} {:o} {}", entry.file_name(), metadata.mode(), metadata.mtime())
            })
            .collect();
        found.sort();
        found.push(format!("{:o}", fs::metadata(self.outside()).unwrap().mode()));
        found
    }
}

fn path(text: &str) -> VirtualPath {
    VirtualPath::try_from(text).unwrap()
}

fn read(fs: &dyn BlockingBackend, at: &str) -> Result<Vec<u8>, FsError> {
    let mut buffer = vec![0; 1000];
    let count = fs.open(&path(at), 0)?.read(&mut buffer)?;
    buffer.truncate(count);
    Ok(buffer)
}

fn write(fs: &dyn BlockingBackend, at: &str, mode: WriteMode) -> Result<(), FsError> {
    let mut writer = fs.create(&path(at), mode)?;
    writer.write_all(b"inside")?;
    writer.finish().map(drop)
}

fn resolve(fs: &dyn BlockingBackend, at: &str) -> Result<VirtualPath, FsError> {
    fs.resolve(&path(at), Follow::All)
}

#[test]
fn what_vanishes_while_its_directory_is_listed_is_left_out() {
    let place = Place::new();
    (0..10).for_each(|n| fs::write(place.home().join(n.to_string()), "x").unwrap());
    let mut listing = place.open().list(&VirtualPath::root()).unwrap();
    assert_eq!(listing.next_batch(1).unwrap().len(), 1);
    (0..10).for_each(|n| fs::remove_file(place.home().join(n.to_string())).unwrap());
    assert_eq!(listing.next_batch(100), Ok(Vec::new()));
}

/// The mode shows the list's mask as that of the group: without the list, the group would have it.
#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn what_takes_a_files_place_has_its_access_control_list() {
    use rustix::fs::{XattrFlags, getxattr, setxattr};
    use rustix::io::Errno;

    const ACCESS: &str = "system.posix_acl_access";
    const NOBODY: u32 = u32::MAX;
    // Owner, user 4242, group, mask, others.
    let entries = [(1, 6, NOBODY), (2, 6, 4242), (4, 0, NOBODY), (16, 6, NOBODY), (32, 0, NOBODY)];
    let entry = |(tag, rights, id): (u16, u16, u32)| {
        [&tag.to_le_bytes()[..], &rights.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    let list = [2_u32.to_le_bytes().to_vec(), entries.map(entry).concat()].concat();
    let place = Place::new();
    let (with, without) = (place.home().join("with"), place.home().join("without"));
    fs::write(&with, "old").unwrap();
    fs::write(&without, "old").unwrap();
    if setxattr(&with, ACCESS, &list, XattrFlags::empty()) == Err(Errno::OPNOTSUPP) {
        // Not every file system has them.
        return;
    }
    let replace = |name: &str| {
        let mut writer = place.open().create(&path(name), WriteMode::Replace).unwrap();
        writer.write_all(b"new").unwrap();
        writer.finish().unwrap();
    };
    replace("/with");
    setxattr(place.home(), "system.posix_acl_default", &list, XattrFlags::empty()).unwrap();
    replace("/without");
    let mut found = [0; 256];
    let length = getxattr(&with, ACCESS, &mut found).unwrap();
    assert_eq!(found[..length], list);
    assert_eq!(getxattr(&without, ACCESS, &mut found), Err(Errno::NODATA));
    assert_eq!(fs::read(&with).unwrap(), b"new");
}

#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn it_conforms_without_openat2() {
    let parent = tempfile::tempdir().unwrap();
    let mut count = 0;
    conformance::run(|| {
        count += 1;
        let home = parent.path().join(count.to_string());
        fs::create_dir(&home).unwrap();
        LocalFs::open_without_openat2(&home).unwrap()
    });
}

#[test]
fn no_operation_follows_a_link() {
    let place = Place::new();
    fs::create_dir(place.home().join("real")).unwrap();
    fs::write(place.home().join("real/file"), "inside").unwrap();
    place.link("directory", "real");
    place.link("file", "real/file");
    for fs in place.open_in_every_way() {
        for at in ["/file", "/directory/file"] {
            assert_eq!(read(&*fs, at), Err(FsError::IsLink), "{at}");
            for mode in [WriteMode::Replace, WriteMode::Append, WriteMode::From(0)] {
                assert_eq!(write(&*fs, at, mode), Err(FsError::IsLink), "{at} {mode:?}");
            }
            assert_eq!(fs.set_mode(&path(at), 0o777), Err(FsError::IsLink), "{at}");
            assert_eq!(fs.set_modified(&path(at), UnixTime::EPOCH), Err(FsError::IsLink), "{at}");
        }
        for mode in [WriteMode::Replace, WriteMode::Append] {
            assert_eq!(write(&*fs, "/directory/new", mode), Err(FsError::IsLink), "{mode:?}");
        }
        assert_eq!(fs.list(&path("/directory")).err(), Some(FsError::IsLink));
        assert_eq!(fs.create_unique(&path("/directory"), b"x").err(), Some(FsError::IsLink));
        assert_eq!(fs.make_directory(&path("/directory/new")), Err(FsError::IsLink));
        assert_eq!(fs.remove_directory(&path("/directory/new")), Err(FsError::IsLink));
        assert_eq!(fs.remove_directory(&path("/directory")), Err(FsError::NotADirectory));
        assert_eq!(fs.remove_file(&path("/directory/file")), Err(FsError::IsLink));
        assert_eq!(fs.rename(&path("/directory/file"), &path("/x")), Err(FsError::IsLink));
        assert_eq!(fs.rename(&path("/real/file"), &path("/directory/x")), Err(FsError::IsLink));
        assert_eq!(fs.stat(&path("/file")).unwrap().kind, FileKind::Symlink);
    }
}

#[test]
fn links_that_stay_inside_are_resolved() {
    let place = Place::new();
    fs::create_dir_all(place.home().join("a/b")).unwrap();
    fs::write(place.home().join("a/b/file"), "inside").unwrap();
    place.link("relative", "a/b");
    place.link("absolute", place.home().join("a"));
    place.link("chained", "absolute/b");
    place.link("a/b/up", "../../relative/file");
    place.link("root", place.home());
    for fs in place.open_in_every_way() {
        assert_eq!(resolve(&*fs, "/relative/file"), Ok(path("/a/b/file")));
        assert_eq!(resolve(&*fs, "/absolute/b/file"), Ok(path("/a/b/file")));
        assert_eq!(resolve(&*fs, "/chained/file"), Ok(path("/a/b/file")));
        assert_eq!(resolve(&*fs, "/chained/up"), Ok(path("/a/b/file")));
        assert_eq!(resolve(&*fs, "/root/root/chained/new"), Ok(path("/a/b/new")));
        assert_eq!(resolve(&*fs, "/root"), Ok(path("/")));
        assert_eq!(fs.resolve(&path("/chained/up"), Follow::Parents), Ok(path("/a/b/up")));
    }
}

#[test]
fn links_that_lead_out_are_refused() {
    let place = Place::new();
    fs::create_dir(place.home().join("a")).unwrap();
    place.link("relative", "../home_evil/secret");
    place.link("absolute", place.outside());
    place.link("chained", "absolute/secret");
    place.link("through", "a/../../home_evil");
    place.link("and_back", "../home/a");
    place.link("dangling", "../home_evil/new");
    for fs in place.open_in_every_way() {
        for at in ["/relative", "/absolute/secret", "/chained", "/through/secret", "/and_back", "/dangling"] {
            assert_eq!(resolve(&*fs, at), Err(FsError::Outside), "{at}");
            assert_eq!(read(&*fs, at), Err(FsError::IsLink), "{at}");
        }
    }
}

#[test]
fn loops_and_dangling_links_lead_nowhere() {
    let place = Place::new();
    place.link("a", "b");
    place.link("b", "a");
    place.link("dangling", "nothing");
    let fs = place.open();
    assert_eq!(resolve(&fs, "/a"), Err(FsError::NotFound));
    assert_eq!(resolve(&fs, "/dangling"), Err(FsError::NotFound));
    assert_eq!(write(&fs, "/dangling", WriteMode::Append), Err(FsError::IsLink));
    assert!(!place.home().join("nothing").exists());
}

#[test]
fn removing_or_renaming_a_link_leaves_its_destination() {
    let place = Place::new();
    place.link("one", "../home_evil/secret");
    place.link("two", place.outside());
    let before = place.snapshot();
    let fs = place.open();
    assert_eq!(fs.rename(&path("/one"), &path("/renamed")), Ok(()));
    assert_eq!(fs.remove_file(&path("/renamed")), Ok(()));
    assert_eq!(fs.remove_file(&path("/two")), Ok(()));
    assert_eq!(place.snapshot(), before);
}

#[test]
fn listings_show_no_real_path() {
    let place = Place::new();
    fs::create_dir(place.home().join("a")).unwrap();
    fs::write(place.home().join("a/file"), "inside").unwrap();
    place.link("a/relative", "../a/file");
    place.link("a/absolute", place.home().join("a/file"));
    place.link("a/out", place.outside());
    place.link("a/climbing", "../../home_evil/secret");
    place.link("a/dangling", "nothing");
    place.link("a/dangling_out", "nothing/../../../etc");
    let shown = |name: &str| {
        let entries = place.open().list(&path("/a")).unwrap().next_batch(100).unwrap();
        let entry = entries.into_iter().find(|entry| entry.name == name.as_bytes()).unwrap();
        let link = entry.link.unwrap();
        (link.text.map(|text| String::from_utf8(text).unwrap()), link.path, link.metadata.map(|metadata| metadata.len))
    };
    let file = || Some(path("/a/file"));
    assert_eq!(shown("relative"), (Some("../a/file".into()), file(), Some(6)));
    assert_eq!(shown("absolute"), (Some("/a/file".into()), file(), Some(6)));
    assert_eq!(shown("dangling"), (Some("nothing".into()), None, None));
    for name in ["out", "climbing", "dangling_out"] {
        assert_eq!(shown(name), (None, None, None), "{name}");
    }
}

#[test]
fn a_home_may_be_a_link_and_may_move() {
    let place = Place::new();
    fs::write(place.home().join("file"), "inside").unwrap();
    let link = place.parent.path().join("link");
    symlink(place.home(), &link).unwrap();
    let fs = LocalFs::open(&link).unwrap();
    symlink(link.join("file"), place.home().join("by_link")).unwrap();
    symlink(place.home().join("file"), place.home().join("by_path")).unwrap();
    assert_eq!(resolve(&fs, "/by_link"), Ok(path("/file")));
    assert_eq!(resolve(&fs, "/by_path"), Ok(path("/file")));
    fs::rename(place.home(), place.parent.path().join("moved")).unwrap();
    assert_eq!(read(&fs, "/file").unwrap(), b"inside");
}

#[test]
#[cfg(not(target_vendor = "apple"))]
fn fifos_and_sockets_are_refused_at_once() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    let place = Place::new();
    mknodat(CWD, place.home().join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(place.home().join("socket")).unwrap();
    let fs = place.open();
    for at in ["/fifo", "/socket"] {
        assert_eq!(read(&fs, at), Err(FsError::NotRegular), "{at}");
        for mode in [WriteMode::Replace, WriteMode::Append, WriteMode::From(0)] {
            assert_eq!(write(&fs, at, mode), Err(FsError::NotRegular), "{at} {mode:?}");
        }
        assert_eq!(fs.set_mode(&path(at), 0o600), Err(FsError::NotRegular), "{at}");
        assert_eq!(fs.stat(&path(at)).unwrap().kind, FileKind::Other, "{at}");
    }
    assert_eq!(fs.remove_file(&path("/fifo")), Ok(()));
}

#[test]
fn a_cut_upload_keeps_the_old_content_and_leaves_no_litter() {
    let place = Place::new();
    fs::write(place.home().join("file"), "old").unwrap();
    let fs = place.open();
    let mut writer = fs.create(&path("/file"), WriteMode::Replace).unwrap();
    writer.write_all(b"new, but only the beginn").unwrap();
    assert_eq!(read(&fs, "/file").unwrap(), b"old");
    assert_eq!(fs.list(&path("/")).unwrap().next_batch(100).unwrap().len(), 1);
    drop(writer);
    assert_eq!(read(&fs, "/file").unwrap(), b"old");
    assert_eq!(fs::read_dir(place.home()).unwrap().count(), 1);
}

#[test]
fn a_cut_upload_of_a_new_file_can_be_resumed() {
    let place = Place::new();
    let fs = place.open();
    let mut writer = fs.create(&path("/file"), WriteMode::Replace).unwrap();
    writer.write_all(b"begin").unwrap();
    drop(writer);
    write(&fs, "/file", WriteMode::From(5)).unwrap();
    assert_eq!(read(&fs, "/file").unwrap(), b"begininside");
}

#[test]
fn staged_files_are_never_served() {
    let place = Place::new();
    fs::create_dir(place.home().join("a")).unwrap();
    fs::write(place.home().join("a/.ferry-abandoned.part"), "half").unwrap();
    let fs = place.open();
    for at in ["/a/.ferry-abandoned.part", "/a/.FERRY-abandoned.Part"] {
        assert_eq!(read(&fs, at), Err(FsError::NotFound));
        assert_eq!(fs.stat(&path(at)).err(), Some(FsError::NotFound));
        assert_eq!(fs.remove_file(&path(at)), Err(FsError::NotFound));
        assert_eq!(fs.rename(&path(at), &path("/x")), Err(FsError::NotFound));
        assert_eq!(write(&fs, at, WriteMode::Replace), Err(FsError::InvalidName));
        assert_eq!(fs.make_directory(&path(at)), Err(FsError::InvalidName));
        assert_eq!(fs.rename(&path("/a"), &path(at)), Err(FsError::InvalidName));
    }
    assert_eq!(fs.list(&path("/a")).unwrap().next_batch(100), Ok(Vec::new()));
    assert_eq!(fs.remove_directory(&path("/a")), Ok(()), "what was abandoned goes with the directory");
}

#[test]
fn a_directory_with_an_upload_under_way_is_not_empty() {
    let place = Place::new();
    fs::create_dir(place.home().join("a")).unwrap();
    fs::write(place.home().join("a/file"), "old").unwrap();
    let fs = place.open();
    let mut writer = fs.create(&path("/a/file"), WriteMode::Replace).unwrap();
    writer.write_all(b"new").unwrap();
    assert_eq!(fs.remove_file(&path("/a/file")), Ok(()));
    assert_eq!(fs.remove_directory(&path("/a")), Err(FsError::NotEmpty));
    writer.finish().unwrap();
    assert_eq!(read(&fs, "/a/file").unwrap(), b"new");
}

#[test]
fn a_replaced_file_keeps_its_mode_and_a_new_one_is_not_for_everybody_to_write() {
    let place = Place::new();
    fs::write(place.home().join("file"), "old").unwrap();
    fs::set_permissions(place.home().join("file"), fs::Permissions::from_mode(0o4640)).unwrap();
    let fs = place.open();
    write(&fs, "/file", WriteMode::Replace).unwrap();
    assert_eq!(fs.stat(&path("/file")).unwrap().mode, Some(0o640));
    write(&fs, "/new", WriteMode::Append).unwrap();
    assert_eq!(fs.stat(&path("/new")).unwrap().mode.unwrap() & 0o7002, 0);
    assert_eq!(fs.set_mode(&path("/file"), 0o7755), Ok(()));
    assert_eq!(fs.stat(&path("/file")).unwrap().mode, Some(0o755));
}

#[test]
fn setting_the_time_leaves_the_time_of_access() {
    let place = Place::new();
    fs::write(place.home().join("file"), "old").unwrap();
    let accessed = || fs::metadata(place.home().join("file")).unwrap().atime_nsec();
    let before = accessed();
    place.open().set_modified(&path("/file"), UnixTime::from_seconds(-86_400)).unwrap();
    assert_eq!(accessed(), before);
    let modified = place.open().stat(&path("/file")).unwrap().modified;
    assert_eq!(modified, Some(UnixTime::from_seconds(-86_400)));
}

/// Swaps a directory and a link to the outside under the operations, as fast as it can.
#[test]
#[cfg(any(target_os = "linux", target_os = "android"))]
fn a_racing_swapper_gets_nothing_out_and_nothing_in() {
    use rustix::fs::{CWD, RenameFlags, renameat_with};

    let place = Place::new();
    fs::create_dir(place.home().join("swapped")).unwrap();
    fs::create_dir(place.outside().join("empty")).unwrap();
    place.link("other", place.outside());
    let before = place.snapshot();
    for fs in place.open_in_every_way() {
        let done = AtomicBool::new(false);
        let result = thread::scope(|scope| {
            scope.spawn(|| {
                let (one, other) = (place.home().join("swapped"), place.home().join("other"));
                while !done.load(Ordering::Relaxed) {
                    renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).unwrap();
                }
            });
            let result = catch_unwind(AssertUnwindSafe(|| (0..1000).for_each(|_| attack(&*fs))));
            done.store(true, Ordering::Relaxed);
            result
        });
        result.unwrap_or_else(|panic| resume_unwind(panic));
        assert_eq!(place.snapshot(), before);
    }
}

/// Everything that a client can do, twice over: with the path as it is, and with the one that it resolves to.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn attack(fs: &dyn BlockingBackend) {
    if let Ok(content) = read(fs, "/swapped/secret") {
        assert_ne!(content, b"outside");
    }
    if let Ok(mut listing) = fs.list(&path("/swapped")) {
        assert!(listing.next_batch(100).unwrap().iter().all(|entry| entry.name != b"empty"));
    }
    if let Ok(metadata) = fs.stat(&path("/swapped/secret")) {
        assert_ne!(metadata.len, b"outside".len() as u64);
    }
    for mode in [WriteMode::Replace, WriteMode::Append, WriteMode::From(0)] {
        drop(fs.create(&path("/swapped/secret"), mode));
    }
    let _ = write(fs, "/swapped/secret", WriteMode::Replace);
    let _ = fs.set_mode(&path("/swapped/secret"), 0o600);
    let _ = fs.set_modified(&path("/swapped/secret"), UnixTime::EPOCH);
    let _ = fs.rename(&path("/swapped/secret"), &path("/swapped/moved"));
    let _ = fs.remove_file(&path("/swapped/moved"));
    let _ = fs.make_directory(&path("/swapped/new"));
    let _ = fs.remove_directory(&path("/swapped/new"));
    let _ = fs.remove_directory(&path("/swapped/empty"));
    if let Ok(made) = fs.create_unique(&path("/swapped"), b"unique") {
        let _ = fs.remove_file(&path("/swapped").child(&made.name).unwrap());
        let _ = fs.remove_file(&path("/other").child(&made.name).unwrap());
    }
    assert!(matches!(
        resolve(fs, "/swapped/secret"),
        Ok(_) | Err(FsError::Outside | FsError::NotFound | FsError::Busy)
    ));
}
