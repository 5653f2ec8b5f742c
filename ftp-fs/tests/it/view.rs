//! What a user may do, on storage without links and on a real directory with them.

use crate::common::{get, list, path, put, rights, upload, view};
use ftp_fs::{ListTarget, MemoryFs, Storage, UserView};
use ftp_types::{FsError, Right, UnixTime, WriteMode};
use futures_lite::future::block_on;

/// `/in` and `/in2` with a file and a directory each, and a file at the top.
fn tree() -> Storage {
    let storage = Storage::blocking(MemoryFs::new());
    let all = view(storage.clone(), "elradfmwMT", &[]);
    for directory in ["/in", "/in2", "/in/sub", "/in2/sub"] {
        block_on(all.make_directory(&path(directory))).unwrap();
    }
    for file in ["/file", "/in/file", "/in2/file", "/in/sub/file"] {
        put(&all, file, "content").unwrap();
    }
    storage
}

/// The letters without which an operation is denied.
#[test]
fn each_letter_guards_every_way_to_do_its_thing() {
    type Attempt = fn(&UserView) -> Result<(), FsError>;
    let guarded: &[(char, Attempt)] = &[
        ('e', |view| block_on(view.stat(&path("/in"), Right::Enter)).map(drop)),
        ('l', |view| block_on(view.stat(&path("/file"), Right::List)).map(drop)),
        ('l', |view| list(view, "/in").map(drop)),
        ('l', |view| list(view, "/file").map(drop)),
        ('r', |view| get(view, "/file").map(drop)),
        ('r', |view| block_on(view.check_open(&path("/file"), 0))),
        ('a', |view| upload(view, "/new", WriteMode::Append, "x")),
        ('a', |view| upload(view, "/file", WriteMode::Append, "x")),
        ('a', |view| block_on(view.check_create(&path("/new"), WriteMode::Append))),
        ('d', |view| block_on(view.remove_file(&path("/file")))),
        ('d', |view| block_on(view.remove_directory(&path("/in2/sub")))),
        ('f', |view| block_on(view.check_rename(&path("/file")))),
        ('f', |view| block_on(view.rename(&path("/file"), &path("/new")))),
        ('m', |view| block_on(view.make_directory(&path("/new")))),
        ('w', |view| put(view, "/new", "x")),
        ('w', |view| put(view, "/file", "x")),
        ('w', |view| upload(view, "/file", WriteMode::From(2), "x")),
        ('w', |view| block_on(view.check_create(&path("/new"), WriteMode::Replace))),
        ('w', |view| block_on(view.create_unique(&path("/in"), b"x")).map(drop)),
        ('M', |view| block_on(view.set_mode(&path("/file"), 0o600))),
        ('T', |view| block_on(view.set_modified(&path("/file"), UnixTime::EPOCH))),
    ];
    for (at, (letter, attempt)) in guarded.iter().enumerate() {
        let without: String = "elradfmwMT".chars().filter(|other| other != letter).collect();
        assert_eq!(attempt(&view(tree(), &without, &[])), Err(FsError::Denied), "{letter} {at}");
        assert_eq!(attempt(&view(tree(), &letter.to_string(), &[])), Ok(()), "{letter} {at}");
    }
}

#[test]
fn rights_are_judged_before_existence_is_told() {
    let view = view(tree(), "e", &[("/in", "", true)]);
    assert_eq!(get(&view, "/nothing"), Err(FsError::Denied));
    assert_eq!(block_on(view.remove_file(&path("/in/nothing"))), Err(FsError::Denied));
    assert_eq!(block_on(view.check_rename(&path("/nothing"))), Err(FsError::Denied));
    assert_eq!(block_on(view.stat(&path("/nothing/below"), Right::List)), Err(FsError::Denied));
}

#[test]
fn an_override_says_nothing_about_its_namesakes() {
    let view = view(tree(), "elr", &[("/in", "w", true)]);
    assert_eq!(put(&view, "/in/new", "x"), Ok(()));
    assert_eq!(put(&view, "/in2/new", "x"), Err(FsError::Denied));
    assert_eq!(get(&view, "/in/file"), Err(FsError::Denied));
    assert_eq!(get(&view, "/in2/file"), Ok("content".into()));
}

#[test]
fn a_flat_override_governs_files_and_new_directories_alone() {
    let view = view(tree(), "ld", &[("/in", "wm", false)]);
    assert_eq!(put(&view, "/in/new", "x"), Ok(()));
    assert_eq!(block_on(view.make_directory(&path("/in/new_directory"))), Ok(()));
    assert_eq!(block_on(view.remove_file(&path("/in/file"))), Err(FsError::Denied));
    assert_eq!(block_on(view.remove_directory(&path("/in/new_directory"))), Ok(()));
    assert!(block_on(view.stat(&path("/in/sub"), Right::List)).is_ok());
    assert_eq!(block_on(view.stat(&path("/in/new"), Right::List)), Err(FsError::Denied));
    assert_eq!(put(&view, "/in/sub/new", "x"), Err(FsError::Denied));
}

#[test]
fn entries_and_attributes_tell_the_rights_of_each_thing() {
    let view = view(tree(), "elr", &[("/in", "elw", false), ("/in/sub", "", true)]);
    let shown = |name: &str, letters: &str| (name.to_owned(), letters.to_owned());
    assert_eq!(rights(&view, "/"), [shown("file", "elr"), shown("in", "elw"), shown("in2", "elr")]);
    assert_eq!(rights(&view, "/in"), [shown("file", "elw"), shown("sub", "")]);
    let stat = block_on(view.stat(&path("/in/file"), Right::List)).unwrap();
    assert_eq!(stat.rights.unwrap().to_string(), "elw");
}

#[test]
fn listing_a_file_shows_the_file_unless_only_directories_are_wanted() {
    let view = view(tree(), "elr", &[]);
    let entries = list(&view, "/in/file").unwrap();
    assert_eq!(entries.iter().map(|entry| (&*entry.name, entry.metadata.len)).collect::<Vec<_>>(), [(&b"file"[..], 7)]);
    let directory = block_on(view.list(&path("/in/file"), ListTarget::Directory));
    assert_eq!(directory.err(), Some(FsError::NotADirectory));
    assert_eq!(list(&view, "/nothing").err(), Some(FsError::NotFound));
}

#[test]
fn checks_say_what_the_operation_would_say_and_make_nothing() {
    let view = view(tree(), "elradfmwMT", &[]);
    let create = |at: &str, mode| block_on(view.check_create(&path(at), mode));
    assert_eq!(create("/new", WriteMode::Replace), Ok(()));
    assert_eq!(create("/new", WriteMode::From(3)), Err(FsError::NotFound));
    assert_eq!(create("/file", WriteMode::From(7)), Ok(()));
    assert_eq!(create("/file", WriteMode::From(8)), Err(FsError::OffsetPastEnd));
    assert_eq!(create("/in", WriteMode::Append), Err(FsError::IsADirectory));
    assert_eq!(create("/", WriteMode::Replace), Err(FsError::IsADirectory));
    assert_eq!(create("/nothing/new", WriteMode::Replace), Err(FsError::NotFound));
    assert_eq!(create("/file/new", WriteMode::Replace), Err(FsError::NotADirectory));
    assert_eq!(block_on(view.check_open(&path("/file"), 7)), Ok(()));
    assert_eq!(block_on(view.check_open(&path("/file"), 8)), Err(FsError::OffsetPastEnd));
    assert_eq!(block_on(view.check_open(&path("/in"), 0)), Err(FsError::IsADirectory));
    assert_eq!(create("/in", WriteMode::From(0)), Err(FsError::IsADirectory));
    assert_eq!(block_on(view.check_rename(&path("/"))), Err(FsError::IsRoot));
    assert_eq!(block_on(view.check_rename(&path("/in"))), Ok(()));
    assert_eq!(list(&view, "/").unwrap().len(), 3);
}

#[test]
fn renaming_neither_widens_rights_nor_moves_an_override() {
    let try_rename = |overrides: &[(&str, &str, bool)], from: &str, to: &str| {
        block_on(view(tree(), "elrf", overrides).rename(&path(from), &path(to)))
    };
    let drop_box: &[(&str, &str, bool)] = &[("/in", "elfw", true)];
    assert_eq!(try_rename(drop_box, "/in/file", "/in/new"), Ok(()));
    assert_eq!(try_rename(drop_box, "/in/file", "/out"), Err(FsError::Denied), "it would become readable");
    assert_eq!(try_rename(drop_box, "/file", "/in/new"), Err(FsError::Denied), "it would become writable");
    assert_eq!(try_rename(drop_box, "/in", "/renamed"), Err(FsError::Denied));
    assert_eq!(try_rename(&[("/in/sub", "elf", true)], "/in", "/renamed"), Err(FsError::Denied));
    assert_eq!(try_rename(&[("/in/sub", "elf", true)], "/in2", "/in"), Err(FsError::Denied));
    assert_eq!(try_rename(&[("/in", "elf", true)], "/file", "/in/new"), Ok(()));
    assert_eq!(try_rename(&[("/in", "elr", true)], "/file", "/in/new"), Err(FsError::Denied));
    assert_eq!(try_rename(&[("/in", "elr", true)], "/in/file", "/new"), Err(FsError::Denied));
    assert_eq!(try_rename(&[("/in", "elr", true)], "/", "/new"), Err(FsError::IsRoot));
    assert_eq!(try_rename(&[("/in", "elr", true)], "/file", "/"), Err(FsError::IsRoot));
    let check = |from: &str| block_on(view(tree(), "elrf", &[("/in/sub", "elf", true)]).check_rename(&path(from)));
    assert_eq!(check("/in/sub"), Err(FsError::Denied));
    assert_eq!(check("/in"), Err(FsError::Denied));
    assert_eq!(check("/in2"), Ok(()));
    assert_eq!(check("/in/sub/file"), Ok(()));
}

#[cfg(unix)]
mod links {
    use std::fs;
    use std::os::unix::fs::symlink;

    use ftp_fs::{LocalFs, Remains};
    use tempfile::TempDir;

    use super::*;

    fn home() -> (TempDir, Storage) {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("private/deep")).unwrap();
        fs::create_dir(home.path().join("public")).unwrap();
        fs::write(home.path().join("private/file"), "private").unwrap();
        fs::write(home.path().join("public/file"), "public").unwrap();
        symlink("../private", home.path().join("public/link")).unwrap();
        symlink("../private/file", home.path().join("public/to_file")).unwrap();
        symlink("../public", home.path().join("private/back")).unwrap();
        symlink("nothing", home.path().join("public/dangling")).unwrap();
        symlink("/etc", home.path().join("public/out")).unwrap();
        let storage = Storage::blocking(LocalFs::open(home.path()).unwrap());
        (home, storage)
    }

    #[test]
    fn a_link_does_not_bypass_an_override() {
        let (_home, storage) = home();
        let view = view(storage, "elradfmwMT", &[("/private", "el", true)]);
        assert_eq!(get(&view, "/public/to_file"), Err(FsError::Denied));
        assert_eq!(get(&view, "/public/link/file"), Err(FsError::Denied));
        assert_eq!(put(&view, "/public/to_file", "x"), Err(FsError::Denied));
        assert_eq!(put(&view, "/public/link/new", "x"), Err(FsError::Denied));
        assert_eq!(block_on(view.remove_file(&path("/public/link/file"))), Err(FsError::Denied));
        assert_eq!(block_on(view.make_directory(&path("/public/link/new"))), Err(FsError::Denied));
        let (from, to) = (path("/public/link/file"), path("/public/stolen"));
        assert_eq!(block_on(view.rename(&from, &to)), Err(FsError::Denied));
        assert_eq!(block_on(view.set_mode(&path("/public/to_file"), 0o777)), Err(FsError::Denied));
        assert_eq!(block_on(view.create_unique(&path("/public/link"), b"x")).err(), Some(FsError::Denied));
    }

    #[test]
    fn what_a_link_leads_to_counts_the_other_way_as_well() {
        let (_home, storage) = home();
        let view = view(storage, "elr", &[("/private", "", true)]);
        assert_eq!(get(&view, "/private/back/file"), Ok("public".into()));
        assert_eq!(get(&view, "/private/file"), Err(FsError::Denied));
        assert_eq!(get(&view, "/private/nothing/below"), Err(FsError::Denied));
    }

    #[test]
    fn links_inside_work_for_every_operation() {
        let (home, storage) = home();
        let view = view(storage, "elradfmwMT", &[]);
        assert_eq!(get(&view, "/public/link/file"), Ok("private".into()));
        assert_eq!(put(&view, "/public/to_file", "changed"), Ok(()));
        assert_eq!(fs::read(home.path().join("private/file")).unwrap(), b"changed");
        assert!(home.path().join("public/to_file").is_symlink());
        assert_eq!(list(&view, "/public/link").unwrap().len(), 3);
        assert!(block_on(view.stat(&path("/public/link"), Right::Enter)).unwrap().is_directory());
        assert_eq!(block_on(view.remove_directory(&path("/public/link/deep"))), Ok(()));
        assert_eq!(block_on(view.remove_file(&path("/public/link"))), Ok(()));
        assert!(home.path().join("private/file").exists());
    }

    #[test]
    fn files_tell_where_they_were_found() {
        let (home, storage) = home();
        let home = home.path().canonicalize().unwrap();
        let view = view(storage, "elradfmwMT", &[]);
        let found = block_on(view.open(&path("/public/to_file"), 0)).unwrap().path;
        assert_eq!(found, path("/private/file"));
        assert_eq!(view.real_path(&found), Some(home.join("private/file")));
        let made = block_on(view.create(&path("/public/link/new"), WriteMode::Replace)).unwrap();
        assert_eq!((made.path, made.file.remains()), (path("/private/new"), Remains::Partial));
        let replaced = block_on(view.create(&path("/public/to_file"), WriteMode::Replace)).unwrap();
        assert_eq!((replaced.path, replaced.file.remains()), (path("/private/file"), Remains::Unchanged));
        let unique = block_on(view.create_unique(&path("/public/link"), b"x.")).unwrap();
        assert_eq!(unique.path, path("/private").child(&unique.file.name).unwrap());
        assert!(view.real_path(&unique.path).unwrap().is_file());
        assert_eq!(view.real_path(&path("/")), Some(home));
    }

    #[test]
    fn links_that_lead_out_or_nowhere_work_for_none() {
        let (home, storage) = home();
        let view = view(storage, "elradfmwMT", &[]);
        assert_eq!(get(&view, "/public/out/passwd"), Err(FsError::Outside));
        assert_eq!(list(&view, "/public/out").err(), Some(FsError::Outside));
        assert_eq!(block_on(view.stat(&path("/public/out"), Right::Enter)).err(), Some(FsError::Outside));
        assert_eq!(put(&view, "/public/dangling", "x"), Err(FsError::NotFound));
        assert_eq!(block_on(view.check_create(&path("/public/dangling"), WriteMode::Replace)), Err(FsError::NotFound));
        assert!(!home.path().join("public/nothing").exists());
    }

    #[test]
    fn entries_that_are_links_tell_the_rights_of_their_destination() {
        let (_home, storage) = home();
        let view = view(storage, "elradfmwMT", &[("/private", "el", true), ("/public", "elrdf", true)]);
        let rights = rights(&view, "/public");
        let of = |name: &str| rights.iter().find(|(other, _)| other == name).unwrap().1.clone();
        assert_eq!(of("file"), "elrdf");
        assert_eq!(of("to_file"), "eldf", "deleting and renaming are about the link itself");
        assert_eq!(of("dangling"), "df");
        assert_eq!(of("out"), "df");
    }

    #[test]
    fn a_link_tells_nothing_of_what_the_user_may_not_look_at() {
        let (_home, storage) = home();
        let view = view(storage, "elr", &[("/private", "r", true)]);
        assert_eq!(block_on(view.stat(&path("/public/to_file"), Right::List)).err(), Some(FsError::Denied));
        for entry in list(&view, "/public").unwrap().iter().filter(|entry| entry.link.is_some()) {
            assert_eq!(entry.followed().kind, ftp_types::FileKind::Symlink, "{entry:?}");
        }
        assert_eq!(rights(&view, "/public").last(), Some(&("to_file".into(), "r".into())));

        let (_home, storage) = home();
        let view = super::view(storage, "elr", &[("/private", "e", true)]);
        let entries = list(&view, "/public").unwrap();
        let directory = entries.iter().find(|entry| entry.name == b"link").unwrap().followed();
        assert_eq!((directory.is_directory(), directory.modified), (true, None));
        assert!(!entries.last().unwrap().followed().is_file());
    }

    #[test]
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn checks_refuse_what_is_neither_file_nor_directory() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};

        let (home, storage) = home();
        mknodat(CWD, home.path().join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
        let view = view(storage, "elradfmwMT", &[]);
        assert_eq!(block_on(view.check_open(&path("/fifo"), 0)), Err(FsError::NotRegular));
        for mode in [WriteMode::Replace, WriteMode::Append, WriteMode::From(1)] {
            assert_eq!(block_on(view.check_create(&path("/fifo"), mode)), Err(FsError::NotRegular), "{mode:?}");
        }
        assert_eq!(block_on(view.check_rename(&path("/fifo"))), Ok(()));
    }

    /// Swaps a public directory and a link to the private one under the operations, as fast as it can.
    #[test]
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn a_racing_swapper_does_not_get_past_an_override() {
        use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
        use std::sync::atomic::{AtomicBool, Ordering};

        use rustix::fs::{CWD, RenameFlags, renameat_with};

        let (home, storage) = home();
        let (one, other) = (home.path().join("public"), home.path().join("link"));
        symlink("private", &other).unwrap();
        let view = view(storage, "elradfmwMT", &[("/private", "el", true)]);
        let done = AtomicBool::new(false);
        let result = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).unwrap();
                }
            });
            let attack = || {
                assert_ne!(get(&view, "/public/file"), Ok("private".into()));
                let _ = put(&view, "/public/file", "public");
                let _ = upload(&view, "/public/file", WriteMode::From(0), "public");
                let _ = block_on(view.remove_directory(&path("/public/deep")));
                let _ = block_on(view.rename(&path("/public/file"), &path("/public/new")));
                let _ = block_on(view.remove_file(&path("/public/new")));
            };
            let result = catch_unwind(AssertUnwindSafe(|| (0..1000).for_each(|_| attack())));
            done.store(true, Ordering::Relaxed);
            result
        });
        result.unwrap_or_else(|panic| resume_unwind(panic));
        assert_eq!(fs::read(home.path().join("private/file")).unwrap(), b"private");
        assert!(home.path().join("private/deep").exists());
        assert!(!home.path().join("private/new").exists());
    }

    #[test]
    fn what_is_renamed_may_come_and_go_by_links() {
        let (home, storage) = home();
        let there = |at: &str| home.path().join(at).is_file();
        let all = super::view(storage.clone(), "elrf", &[]);
        let (out, back) = (path("/public/file"), path("/public/link/new"));
        assert_eq!(block_on(all.rename(&out, &back)), Ok(()));
        assert!(there("private/new") && !there("public/file"));
        assert_eq!(block_on(all.rename(&back, &out)), Ok(()));
        assert!(there("public/file") && !there("private/new"));
        // By a way through what is closed to a place that is not.
        let view = view(storage, "elrf", &[("/private", "", true)]);
        assert_eq!(block_on(view.rename(&path("/private/back/file"), &path("/public/new"))), Ok(()));
        assert_eq!(block_on(view.rename(&path("/public/new"), &path("/private/back/file"))), Ok(()));
        assert_eq!(block_on(view.rename(&path("/public/file"), &back)), Err(FsError::Denied));
        assert!(there("public/file") && !there("private/new"));
    }

    #[test]
    fn what_a_link_leads_to_tells_the_same_rights_as_the_link() {
        let (_home, storage) = home();
        let view = view(storage, "elradfmwMT", &[("/private", "el", true), ("/public", "elrdf", true)]);
        let entries = list(&view, "/public").unwrap();
        let shown = |name: &str| entries.iter().find(|entry| entry.name == name.as_bytes()).unwrap();
        for name in ["link", "to_file"] {
            let followed = shown(name).followed();
            assert_ne!(followed.kind, ftp_types::FileKind::Symlink, "{name}");
            assert_eq!(followed.rights.map(|rights| rights.to_string()).as_deref(), Some("eldf"), "{name}");
        }
    }
}
