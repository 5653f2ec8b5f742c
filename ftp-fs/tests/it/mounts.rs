//! Several storages in one tree.

use crate::common::{Inline, get, list, path, put, user};
use ftp_fs::{Account, Follow, LocalFs, MemoryFs, MountError, Mounts, Storage, UserView};
use ftp_types::{FsError, Permissions, Right, UnixTime};
use futures_lite::future::block_on;

fn memory() -> Storage {
    Storage::blocking(MemoryFs::new())
}

fn view(mounts: Mounts) -> UserView {
    UserView::new(&Account::new(user("tester"), memory(), Permissions::ALL).with_mounts(mounts), Inline)
}

/// A home with `/data` and `/virtual/deep` mounted, and `/data/inner` inside the former.
fn mounted() -> UserView {
    let mounts = Mounts::new(memory()).with(path("/data"), memory()).unwrap();
    let mounts = mounts.with(path("/virtual/deep"), memory()).unwrap().with(path("/data/inner"), memory()).unwrap();
    view(mounts)
}

fn names(view: &UserView, at: &str) -> Vec<String> {
    list(view, at).unwrap().into_iter().map(|entry| String::from_utf8(entry.name).unwrap()).collect()
}

#[test]
fn the_longest_mount_point_takes_the_operation() {
    let view = mounted();
    for at in ["/file", "/data/file", "/data/inner/file", "/virtual/deep/file"] {
        put(&view, at, at).unwrap();
    }
    for at in ["/file", "/data/file", "/data/inner/file", "/virtual/deep/file"] {
        assert_eq!(get(&view, at), Ok(at.to_owned()));
    }
    assert_eq!(get(&view, "/database"), Err(FsError::NotFound));
}

#[test]
fn real_paths_are_those_of_the_storage_behind_the_mount() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Storage::blocking(LocalFs::open(directory.path()).unwrap());
    let view = view(Mounts::new(memory()).with(path("/disk"), disk).unwrap());
    let real = directory.path().canonicalize().unwrap();
    assert_eq!(view.real_path(&path("/disk/a/b")), Some(real.join("a").join("b")));
    assert_eq!(view.real_path(&path("/disk")), Some(real));
    assert_eq!(view.real_path(&path("/file")), None);
}

#[test]
fn mount_points_are_listed_in_the_directory_above() {
    let view = mounted();
    block_on(view.make_directory(&path("/home"))).unwrap();
    put(&view, "/data/file", "x").unwrap();
    assert_eq!(names(&view, "/"), ["data", "home", "virtual"]);
    assert_eq!(names(&view, "/data"), ["file", "inner"]);
    assert_eq!(names(&view, "/virtual"), ["deep"]);
    assert_eq!(names(&view, "/virtual/deep"), [""; 0]);
    assert!(block_on(view.stat(&path("/virtual"), Right::Enter)).unwrap().is_directory());
    assert_eq!(list(&view, "/nothing").err(), Some(FsError::NotFound));
}

#[test]
fn a_mount_covers_what_the_storage_around_it_has_there() {
    let home = memory();
    let around = view(Mounts::new(home.clone()));
    block_on(around.make_directory(&path("/data"))).unwrap();
    put(&around, "/data/hidden", "x").unwrap();
    let view = view(Mounts::new(home).with(path("/data"), memory()).unwrap());
    assert_eq!(names(&view, "/"), ["data"]);
    assert_eq!(get(&view, "/data/hidden"), Err(FsError::NotFound));
}

#[test]
fn mount_points_and_the_way_to_them_stay() {
    let view = mounted();
    for at in ["/data", "/data/inner", "/virtual", "/virtual/deep"] {
        assert_eq!(block_on(view.remove_directory(&path(at))), Err(FsError::IsRoot), "{at}");
        assert_eq!(block_on(view.rename(&path(at), &path("/new"))), Err(FsError::IsRoot), "{at}");
        assert_eq!(block_on(view.make_directory(&path(at))), Err(FsError::Exists), "{at}");
    }
    put(&view, "/file", "x").unwrap();
    assert_eq!(block_on(view.rename(&path("/file"), &path("/data"))), Err(FsError::IsRoot));
}

#[test]
fn nothing_is_renamed_from_one_storage_into_another() {
    let view = mounted();
    put(&view, "/file", "x").unwrap();
    assert_eq!(block_on(view.rename(&path("/file"), &path("/data/file"))), Err(FsError::CrossesStorage));
    assert_eq!(get(&view, "/file"), Ok("x".into()));
    put(&view, "/data/one", "y").unwrap();
    assert_eq!(block_on(view.rename(&path("/data/one"), &path("/data/two"))), Ok(()));
}

#[test]
fn a_mount_point_is_taken_once_and_never_the_root() {
    let mounts = Mounts::new(memory());
    assert_eq!(mounts.clone().with(path("/"), memory()).err(), Some(MountError::AtRoot));
    let mounts = mounts.with(path("/a"), memory()).unwrap();
    assert_eq!(mounts.with(path("/a"), memory()).err(), Some(MountError::Taken));
}

#[test]
fn directories_that_only_lead_to_a_mount_are_there_for_whoever_asks() {
    let mounts = Mounts::new(memory()).with(path("/a/b/c"), memory()).unwrap();
    let backend = mounts.into_backend(Inline);
    for at in ["/a", "/a/b", "/a/b/c"] {
        assert!(block_on(backend.stat(&path(at))).unwrap().is_directory(), "{at}");
        assert!(block_on(backend.enter(&path(at))).unwrap().is_directory(), "{at}");
        for follow in [Follow::All, Follow::Parents] {
            assert_eq!(block_on(backend.resolve(&path(at), follow)), Ok(path(at)));
        }
    }
    assert_eq!(block_on(backend.resolve(&path("/a/x"), Follow::All)), Err(FsError::NotFound));
    assert_eq!(block_on(backend.stat(&path("/a/bc"))).err(), Some(FsError::NotFound));
    assert_eq!(block_on(backend.enter(&path("/a/bc"))).err(), Some(FsError::NotFound));
}

#[test]
fn what_is_changed_is_changed_behind_the_mount() {
    let inside = memory();
    let view = view(Mounts::new(memory()).with(path("/data"), inside.clone()).unwrap());
    put(&view, "/data/file", "content").unwrap();
    put(&view, "/data/other", "content").unwrap();
    block_on(view.set_mode(&path("/data/file"), 0o600)).unwrap();
    block_on(view.set_modified(&path("/data/file"), UnixTime::from_seconds(7))).unwrap();
    block_on(view.remove_file(&path("/data/other"))).unwrap();
    let own = inside.into_backend(Inline);
    let found = block_on(own.stat(&path("/file"))).unwrap();
    assert_eq!((found.mode, found.modified), (Some(0o600), Some(UnixTime::from_seconds(7))));
    assert_eq!(block_on(own.stat(&path("/other"))).err(), Some(FsError::NotFound));
}

#[test]
#[cfg(unix)]
fn links_stay_in_their_storage() {
    use std::fs;
    use std::os::unix::fs::symlink;

    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("data")).unwrap();
    fs::write(home.path().join("data/file"), "covered").unwrap();
    symlink("data/file", home.path().join("across")).unwrap();
    let shared = tempfile::tempdir().unwrap();
    fs::write(shared.path().join("real"), "shared").unwrap();
    symlink(shared.path().join("real"), shared.path().join("absolute")).unwrap();
    symlink(shared.path().join("nothing"), shared.path().join("dangling")).unwrap();
    symlink("real", shared.path().join("relative")).unwrap();
    let local = |at: &tempfile::TempDir| Storage::blocking(ftp_fs::LocalFs::open(at.path()).unwrap());
    let view = view(Mounts::new(local(&home)).with(path("/data"), local(&shared)).unwrap());
    assert_eq!(get(&view, "/across"), Err(FsError::Outside));
    assert_eq!(get(&view, "/data/absolute"), Ok("shared".into()));
    let link =
        |at: &str, name: &[u8]| list(&view, at).unwrap().into_iter().find(|e| e.name == name).unwrap().link.unwrap();
    assert_eq!(link("/", b"across").text, None);
    assert_eq!(link("/data", b"absolute").text, Some(b"/data/real".to_vec()));
    assert_eq!(link("/data", b"absolute").path, Some(path("/data/real")));
    assert_eq!(link("/data", b"relative").text, Some(b"real".to_vec()));
    assert_eq!(link("/data", b"relative").path, Some(path("/data/real")));
    assert_eq!(link("/data", b"dangling").text, Some(b"/data/nothing".to_vec()));
    assert_eq!(link("/data", b"dangling").path, None);
}
