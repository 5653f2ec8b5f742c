//! No path, however it is spelled and wherever links lead, reaches what is outside of the home; and what is no file or
//! folder is refused at once.

use std::fs;
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use crate::common::Site;
use crate::on_both_runtimes;
use crate::outside::Outside;
use crate::peer::{self, Peer};
use crate::watched::Setup;

on_both_runtimes!(
    no_spelling_of_a_path_reaches_outside,
    links_that_lead_out_work_for_no_command,
    links_inside_work_and_what_is_done_to_a_link_is_done_to_the_link,
    a_home_that_is_a_link_is_served,
    a_working_folder_that_is_moved_out_or_deleted_leaves_the_session_in_step,
    pipes_devices_and_sockets_are_refused_at_once,
);

/// Ways to spell a step up.
const UPS: [&[u8]; 16] = [
    b"..",
    b"/..",
    b"//..//",
    b"./../.",
    b"..\\..",
    b"\\..\\",
    b"%2e%2e",
    b"%252e%252e",
    b"..%2f",
    b"..%00",
    b"\xc0\xae\xc0\xae",
    b"\xef\xbc\x8e\xef\xbc\x8e",
    b"...",
    b".. ",
    b"..;",
    b"sub/../..",
];

const COMMANDS: [&str; 19] = [
    "RETR",
    "STOR",
    "APPE",
    "LIST",
    "NLST",
    "MLSD",
    "MLST",
    "STAT",
    "CWD",
    "MKD",
    "RMD",
    "DELE",
    "RNFR",
    "RNTO",
    "SIZE",
    "MDTM",
    "SITE CHMOD 600",
    "MFMT 20200101000000",
    "STOU",
];

/// Gives a command, with something to send or to read, and returns all that the client was told.
fn attempt(client: &mut Peer, command: &str, path: &[u8]) -> Vec<u8> {
    let line = [command.as_bytes(), b" ", path].concat();
    if command == "RNTO" {
        client.command("RNFR own");
    }
    if !["RETR", "STOR", "APPE", "LIST", "NLST", "MLSD", "STOU"].contains(&command) {
        return client.command(line).into_bytes();
    }
    let mut data = peer::data(client.passive());
    let reply = client.command(line);
    let mut told = reply.clone().into_bytes();
    if reply.starts_with('1') {
        if ["STOR", "APPE", "STOU"].contains(&command) {
            let _ = data.write_all(b"more");
            let _ = data.shutdown(Shutdown::Write);
        }
        told.extend(peer::read_all(&mut data));
        drop(data);
        told.extend(client.reply().expect("hung up after a transfer").into_bytes());
    }
    told
}

fn no_spelling_of_a_path_reaches_outside(runtime: &str) {
    let site = Site::new();
    let outside = Outside::new(&site);
    fs::create_dir(site.path("home/sub")).unwrap();
    site.write("home/own", "within");
    let root = site.path("").display().to_string().into_bytes();
    let server = Setup::new(runtime).serve_on(site, vec![]);
    let mut client = Peer::alice(server.address);
    client.command("TYPE I");
    let mut paths = vec![root.clone(), [&root, &b"outside/file"[..]].concat()];
    for up in UPS {
        for rest in
            [&b"/outside/file"[..], b"/outside", b"/home_outside/file", b"_outside/file", b"", b"/outside/file\0x"]
        {
            paths.push([up, rest].concat());
        }
    }
    for path in &paths {
        server.site.write("home/own", "within");
        for command in COMMANDS {
            let told = attempt(&mut client, command, path);
            let line = format!("{command} {}", String::from_utf8_lossy(path));
            outside.assert_not_in(&line, told);
            client.command("CWD /");
        }
    }
    outside.assert_untouched();
    // And they were in step all the time.
    server.site.write("home/own", "within");
    assert_eq!(client.command("SIZE /own/../own"), "213 6");
    drop(client);
    server.finish();
}

fn links_that_lead_out_work_for_no_command(runtime: &str) {
    let site = Site::new();
    let outside = Outside::new(&site);
    for (target, name) in [
        (site.path("outside"), "direct"),
        ("../outside".into(), "relative"),
        ("relative".into(), "chained"),
        ("..".into(), "up"),
        ("sub/../../outside/file".into(), "leaf"),
        (site.path("outside/created"), "dangling"),
        ("/proc/self/root".into(), "magic"),
    ] {
        symlink(target, site.path("home").join(name)).unwrap();
    }
    site.write("home/own", "within");
    let server = Setup::new(runtime).serve_on(site, vec![]);
    let mut client = Peer::alice(server.address);
    client.command("TYPE I");
    let magic = format!("magic{}outside/file", server.site.path("").display());
    for path in [
        "direct/file",
        "relative/file",
        "chained/file",
        "up/outside/file",
        "leaf",
        "dangling",
        "direct/sub/../file",
        "relative/sub",
        "direct/created",
        "up/home/own",
        &magic,
    ] {
        // What only touches the link itself is not refused for a link.
        let is_link = !path.contains('/');
        let spares =
            |command: &&&str| !is_link || !["DELE", "RNFR", "RNTO", "LIST", "NLST", "MLST", "STAT"].contains(*command);
        for command in COMMANDS.iter().filter(spares).filter(|command| **command != "STOU") {
            let told = attempt(&mut client, command, path.as_bytes());
            assert_eq!(told[0], b'5', "{command} {path}: {}", String::from_utf8_lossy(&told));
            outside.assert_not_in(&format!("{command} {path}"), told);
        }
    }
    for path in ["direct", "chained", "leaf", "dangling"] {
        for command in ["LIST", "NLST", "MLST", "STAT", "CWD", "RMD"] {
            let told = attempt(&mut client, command, path.as_bytes());
            outside.assert_not_in(&format!("{command} {path}"), told);
        }
    }
    outside.assert_not_in("LIST", attempt(&mut client, "LIST", b""));
    outside.assert_untouched();
    drop(client);
    server.finish();
}

fn links_inside_work_and_what_is_done_to_a_link_is_done_to_the_link(runtime: &str) {
    let site = Site::new();
    let outside = Outside::new(&site);
    fs::create_dir(site.path("home/sub")).unwrap();
    site.write("home/sub/file", "within");
    for (target, name) in [("sub", "inside"), ("sub/file", "leaf"), ("../outside", "out"), ("../outside/file", "gone")]
    {
        symlink(target, site.path("home").join(name)).unwrap();
    }
    let server = Setup::new(runtime).serve_on(site, vec![]);
    let mut client = server.alice();
    assert_eq!(client.retrieve("RETR inside/file"), b"within");
    assert_eq!(client.retrieve("RETR leaf"), b"within");
    client.store("STOR inside/new", b"new");
    assert_eq!(server.site.read("home/sub/new"), "new");
    assert!(client.command("RNFR out").starts_with("350"));
    assert!(client.command("RNTO out2").starts_with("250"));
    for link in ["out2", "gone", "leaf"] {
        assert!(client.command(format!("DELE {link}")).starts_with("250"), "{link}");
        assert!(fs::symlink_metadata(server.site.path("home").join(link)).is_err(), "{link}");
    }
    assert_eq!(server.site.read("home/sub/file"), "within");
    outside.assert_untouched();
    drop(client);
    server.finish();
}

fn a_home_that_is_a_link_is_served(runtime: &str) {
    let site = Site::new();
    fs::rename(site.path("home"), site.path("elsewhere")).unwrap();
    symlink(site.path("elsewhere"), site.path("home")).unwrap();
    let server = Setup::new(runtime).serve_on(site, vec![]);
    let mut client = server.alice();
    client.store("STOR file", b"content");
    assert_eq!(client.retrieve("RETR /file"), b"content");
    assert_eq!(server.site.read("elsewhere/file"), "content");
    drop(client);
    server.finish();
}

fn a_working_folder_that_is_moved_out_or_deleted_leaves_the_session_in_step(runtime: &str) {
    let site = Site::new();
    let outside = Outside::new(&site);
    for folder in ["home/moved/below", "home/deleted/below"] {
        fs::create_dir_all(site.path(folder)).unwrap();
    }
    let server = Setup::new(runtime).serve_on(site, vec![]);
    let mut client = Peer::alice(server.address);
    for folder in ["moved", "deleted"] {
        assert!(client.command(format!("CWD /{folder}/below")).starts_with("250"));
        let path = server.site.path("home").join(folder);
        if folder == "moved" {
            fs::create_dir_all(server.site.path("aside")).unwrap();
            fs::rename(path, server.site.path("aside/moved")).unwrap();
        } else {
            fs::remove_dir_all(path).unwrap();
        }
        for command in COMMANDS.iter().filter(|command| **command != "RNTO") {
            for name in ["x", "../../outside/file", "../../../outside/file"] {
                let told = attempt(&mut client, command, name.as_bytes());
                assert_eq!(told[0], b'5', "{command} {name}: {}", String::from_utf8_lossy(&told));
                outside.assert_not_in(&format!("{command} {name}"), told);
            }
        }
        assert!(client.command("PWD").starts_with("257"));
        assert!(client.command("CWD /").starts_with("250"));
        assert_eq!(client.command("PWD"), "257 \"/\" is the current directory.");
    }
    assert_eq!(fs::read_dir(server.site.path("aside/moved/below")).unwrap().count(), 0);
    outside.assert_untouched();
    drop(client);
    server.finish();
}

fn pipes_devices_and_sockets_are_refused_at_once(runtime: &str) {
    let site = Site::new();
    let make = |name: &str, kind, device| mknodat(CWD, site.path("home").join(name), kind, Mode::from(0o666), device);
    make("pipe", FileType::Fifo, 0).unwrap();
    make("null", FileType::CharacterDevice, makedev(1, 3)).expect("these tests make devices, as root");
    make("full", FileType::CharacterDevice, makedev(1, 7)).unwrap();
    make("disk", FileType::BlockDevice, makedev(7, 200)).unwrap();
    let _listener = UnixListener::bind(site.path("home/socket")).unwrap();
    let names = ["pipe", "null", "full", "disk", "socket"];
    let server = Setup::new(runtime).serve_on(site, vec![]);
    let mut client = Peer::alice(server.address);
    client.command("TYPE I");
    for name in names {
        let modes = || fs::symlink_metadata(server.site.path("home").join(name)).unwrap().permissions().mode();
        let before = modes();
        for command in ["RETR", "STOR", "APPE", "SIZE", "MDTM", "SITE CHMOD 600", "MFMT 20200101000000", "CWD", "MLSD"]
        {
            let told = attempt(&mut client, command, name.as_bytes());
            assert_eq!(told[0], b'5', "{command} {name}: {}", String::from_utf8_lossy(&told));
        }
        assert_eq!(modes(), before);
    }
    let listing = String::from_utf8(attempt(&mut client, "LIST", b"")).unwrap();
    assert!(names.iter().all(|name| listing.contains(name)), "{listing}");
    drop(client);
    server.finish();
}
