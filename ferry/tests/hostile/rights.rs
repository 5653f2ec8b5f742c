//! Permission letters and overrides, tried in every way that there is to do a thing.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::SystemTime;

use crate::common::Site;
use crate::on_both_runtimes;
use crate::peer::{self, Peer, read_all};
use crate::watched::{Setup, Watched};

on_both_runtimes!(
    without_its_letter_nothing_can_be_done_in_any_way,
    an_override_holds_through_links_and_renames_and_for_no_namesake,
);

/// For each letter what is not to work without it.
const GUARDED: [(char, &[&str]); 10] = [
    ('e', &["CWD folder", "XCWD folder"]),
    ('l', &["LIST", "LIST file", "NLST", "MLSD", "MLST file", "SIZE file", "STAT /", "STAT file"]),
    ('r', &["RETR file"]),
    ('a', &["APPE file", "APPE new"]),
    ('d', &["DELE file", "RMD folder", "XRMD folder"]),
    ('f', &["RNFR file", "RNFR folder"]),
    ('m', &["MKD new", "XMKD new"]),
    ('w', &["STOR file", "STOR new", "STOU", "STOU new"]),
    ('M', &["SITE CHMOD 600 file", "SITE CHMOD 700 folder"]),
    ('T', &["MFMT 20200101000000 file", "MDTM 20200101000000 file", "SITE UTIME 20200101000000 file"]),
];

/// Asserts that a command is refused, with a data connection at hand.
#[track_caller]
fn assert_refused(client: &mut Peer, line: &str) {
    let data = peer::data(client.passive());
    let reply = client.command(line);
    assert!(reply.starts_with('5'), "{line}: {reply}");
    drop(data);
}

/// Names, modes, times and contents below the home.
fn tree(server: &Watched, folder: &str) -> Vec<(String, u32, SystemTime, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(server.site.path(folder)).unwrap().map(Result::unwrap) {
        let (name, data) = (format!("{folder}/{}", entry.file_name().display()), entry.metadata().unwrap());
        if data.is_dir() {
            found.extend(tree(server, &name));
        }
        let content = if data.is_file() { fs::read(entry.path()).unwrap() } else { vec![] };
        found.push((name, data.permissions().mode(), data.modified().unwrap(), content));
    }
    found.sort();
    found
}

fn without_its_letter_nothing_can_be_done_in_any_way(runtime: &str) {
    let all = "elradfmwMT";
    let mut users = String::new();
    for (letter, _) in GUARDED {
        let perm = all.replace(letter, "");
        write!(users, "[[user]]\nname = 'not {letter}'\npassword = 'x'\nhome = 'home'\nperm = '{perm}'\n").unwrap();
    }
    let server = Setup { more: &users, ..Setup::new(runtime) }.serve();
    server.site.write("home/file", "content");
    fs::create_dir(server.site.path("home/folder")).unwrap();
    let before = tree(&server, "home");
    for (letter, lines) in GUARDED {
        let mut client = Peer::connect(server.address);
        client.say(format!("USER not {letter}\r\nPASS x\r\nTYPE I\r\n"));
        assert_eq!([client.code(), client.code(), client.code(), client.code()], ["220", "331", "230", "200"]);
        lines.iter().for_each(|line| assert_refused(&mut client, line));
    }
    assert_eq!(tree(&server, "home"), before);
    server.finish();
}

fn an_override_holds_through_links_and_renames_and_for_no_namesake(runtime: &str) {
    let site = Site::new();
    for folder in ["in", "in2", "deep/in"] {
        fs::create_dir_all(site.path("home").join(folder)).unwrap();
        site.write(&format!("home/{folder}/file"), "content");
    }
    symlink("in", site.path("home/door")).unwrap();
    symlink("../in/file", site.path("home/in2/leaf")).unwrap();
    let restricted = |path: &str| format!("[[user.override]]\npath = '{path}'\nperm = 'e'\nrecursive = true\n");
    let more = format!("{}{}", restricted("/in"), restricted("/deep/in"));
    let server = Setup { more: &more, ..Setup::new(runtime) }.serve_on(site, vec![]);
    let mut client = Peer::alice(server.address);
    client.command("TYPE I");
    let before = tree(&server, "home");
    for file in ["in/file", "door/file", "in2/leaf", "in2/../door/file", "deep/in/file"] {
        for verb in ["RETR", "STOR", "APPE", "SIZE", "MLST", "SITE CHMOD 600", "MFMT 20200101000000"] {
            assert_refused(&mut client, &format!("{verb} {file}"));
        }
    }
    for line in ["LIST in", "MLSD door", "NLST door", "STAT door", "MKD door/new", "DELE door/file", "RNFR door/file"] {
        assert_refused(&mut client, line);
    }
    // Not by taking the restricted folder, or what is above it, elsewhere.
    for folder in ["in", "deep", "deep/in"] {
        let reply = client.command(format!("RNFR {folder}"));
        if reply.starts_with('3') {
            client.command("RNTO free");
        }
        assert_refused(&mut client, &format!("RETR {}", folder.replacen("deep", "free", 1) + "/file"));
        assert_refused(&mut client, "RETR free/file");
        assert_refused(&mut client, "RETR free/in/file");
    }
    assert_eq!(tree(&server, "home"), before);
    let data = peer::data(client.passive());
    assert!(client.command("RETR in2/file").starts_with('1'));
    assert_eq!(read_all(data), b"content");
    assert_eq!(client.code(), "226");
    drop(client);
    server.finish();
}
