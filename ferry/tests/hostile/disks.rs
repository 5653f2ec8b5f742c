//! Disks that are full, read-only or in pieces, and files that change under a transfer.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::common::{Client, Site};
use crate::mounts::Tmpfs;
use crate::watched::{Setup, Watched};
use crate::{on_both_runtimes, peer};

on_both_runtimes!(
    a_full_disk_keeps_the_old_file_and_gives_its_space_back,
    a_disk_without_room_for_another_name_keeps_the_old_file,
    a_limit_of_file_size_keeps_the_old_file_and_gives_space_back,
    a_read_only_disk_is_read_and_nothing_else,
    nothing_is_renamed_to_another_disk,
    a_file_that_is_cut_or_deleted_under_a_download_ends_it,
    of_two_uploads_of_one_name_one_wins_whole,
    uploads_are_not_for_everybody_to_write,
);

const KIB: usize = 1024;

/// A server whose `home` is a disk with these options.
fn serve_on_tmpfs(setup: &Setup<'_>, options: &str) -> Watched {
    let site = Site::new();
    let disk = Tmpfs::mount(site.path("home"), options);
    setup.serve_on(site, vec![Box::new(disk)])
}

/// Sends all that the server takes, and returns the last reply.
fn upload(client: &mut Client, line: &str, content: &[u8]) -> String {
    let mut data = client.transfer(line);
    data.set_write_timeout(Some(crate::common::LIMIT)).unwrap();
    // It may have had enough before.
    let _ = data.write_all(content);
    let _ = data.shutdown(Shutdown::Write);
    let reply = client.reply();
    drop(data);
    reply
}

fn a_full_disk_keeps_the_old_file_and_gives_its_space_back(runtime: &str) {
    let server = serve_on_tmpfs(&Setup::new(runtime), "size=512k");
    server.site.write("home/old", vec![b'o'; 100 * KIB]);
    let (mut client, mut other) = (server.alice(), server.alice());
    let much = vec![b'n'; 2048 * KIB];
    for line in ["STOR old", "STOR new", "APPE new", "APPE old"] {
        let reply = upload(&mut client, line, &much);
        assert!(reply.starts_with("452"), "{line}: {reply}");
        assert_eq!(&server.site.read("home/old").as_bytes()[..100 * KIB], vec![b'o'; 100 * KIB], "{line}");
        assert!(other.command("MLST old").starts_with("250"));
        // What was appended stays, as it does when an upload is cut.
        fs::write(server.site.path("home/old"), vec![b'o'; 100 * KIB]).unwrap();
        let _ = fs::remove_file(server.site.path("home/new"));
        other.store("STOR fits", &much[..256 * KIB]);
        assert!(other.command("DELE fits").starts_with("250"));
    }
    let reply = upload(&mut client, "STOR new", &much);
    assert!(reply.starts_with("452"), "{reply}");
    // Nobody has to delete what did not fit.
    client.store("STOR fits", &much[..256 * KIB]);
    drop((client, other));
    server.finish();
}

fn a_disk_without_room_for_another_name_keeps_the_old_file(runtime: &str) {
    // The directory itself takes one.
    let server = serve_on_tmpfs(&Setup::new(runtime), "size=512k,nr_inodes=3");
    server.site.write("home/old", "old");
    server.site.write("home/last", "");
    let mut client = server.alice();
    for line in ["STOR old", "STOR new", "APPE new", "STOU"] {
        assert!(client.command("EPSV").starts_with("229"));
        let reply = client.command(line);
        assert!(reply.starts_with("452"), "{line}: {reply}");
    }
    let reply = client.command("MKD new");
    assert!(reply.starts_with("452"), "{reply}");
    assert_eq!(server.site.read("home/old"), "old");
    assert!(client.command("DELE last").starts_with("250"));
    client.store("STOR old", b"changed");
    assert_eq!(server.site.read("home/old"), "changed");
    drop(client);
    server.finish();
}

fn a_limit_of_file_size_keeps_the_old_file_and_gives_space_back(runtime: &str) {
    let setup = Setup { limits: &["-f 128"], ..Setup::new(runtime) };
    let server = setup.serve();
    server.site.write("home/old", "old");
    let (mut client, mut other) = (server.alice(), server.alice());
    for line in ["STOR old", "STOR new", "APPE new"] {
        let reply = upload(&mut client, line, &[b'n'; 512 * KIB]);
        assert!(reply.starts_with("552"), "{line}: {reply}");
        assert_eq!(server.site.read("home/old"), "old");
        assert!(other.command("NOOP").starts_with("200"));
    }
    assert!(client.command("DELE new").starts_with("250"));
    client.store("STOR old", &[b'n'; 32 * KIB]);
    drop((client, other));
    server.finish();
}

fn a_read_only_disk_is_read_and_nothing_else(runtime: &str) {
    let site = Site::new();
    let disk = Tmpfs::mount(site.path("home"), "size=1m");
    site.write("home/file", "content");
    fs::create_dir(site.path("home/folder")).unwrap();
    disk.make_read_only();
    let server = Setup::new(runtime).serve_on(site, vec![Box::new(disk)]);
    let mut client = server.alice();
    for line in ["STOR file", "STOR new", "APPE file", "APPE new", "STOU"] {
        assert!(client.command("EPSV").starts_with("229"));
        let reply = client.command(line);
        assert!(reply.starts_with("550"), "{line}: {reply}");
    }
    for line in ["DELE file", "MKD new", "RMD folder", "SITE CHMOD 600 file", "MFMT 20200101000000 file"] {
        let reply = client.command(line);
        assert!(reply.starts_with("550"), "{line}: {reply}");
    }
    assert!(client.command("RNFR file").starts_with("350"));
    let reply = client.command("RNTO other");
    assert!(reply.starts_with("550"), "{reply}");
    assert_eq!(client.retrieve("RETR file"), b"content");
    assert_eq!(client.retrieve("NLST folder"), b"");
    drop(client);
    server.finish();
}

fn nothing_is_renamed_to_another_disk(runtime: &str) {
    let site = Site::new();
    let disk = Tmpfs::mount(site.path("home/disk"), "size=1m");
    site.write("home/file", "content");
    site.write("home/disk/there", "there");
    fs::create_dir(site.path("home/folder")).unwrap();
    let server = Setup::new(runtime).serve_on(site, vec![Box::new(disk)]);
    let mut client = server.alice();
    for (from, to) in [("file", "disk/new"), ("file", "disk/there"), ("folder", "disk/new"), ("disk/there", "new")] {
        assert!(client.command(format!("RNFR {from}")).starts_with("350"));
        let reply = client.command(format!("RNTO {to}"));
        assert!(reply.starts_with("550"), "{from} to {to}: {reply}");
    }
    assert_eq!(server.site.read("home/file"), "content");
    assert_eq!(server.site.read("home/disk/there"), "there");
    assert!(client.command("RNFR disk/there").starts_with("350"));
    assert!(client.command("RNTO disk/new").starts_with("250"));
    drop(client);
    server.finish();
}

fn a_file_that_is_cut_or_deleted_under_a_download_ends_it(runtime: &str) {
    for session in ["use_sendfile = true", "use_sendfile = false"] {
        let server = Setup { session, ..Setup::new(runtime) }.serve();
        let len = 64 * 1024 * KIB;
        let mut client = server.alice();
        client.command("TYPE I");
        let file = || {
            let file = File::create(server.site.path("home/file")).unwrap();
            file.set_len(len as u64).unwrap();
            file
        };
        let begin = |client: &mut Client, file: &File| {
            let mut data = client.transfer("RETR file");
            data.read_exact(&mut [0; KIB]).unwrap();
            assert_eq!(file.metadata().unwrap().len(), len as u64);
            data
        };
        let made = file();
        let mut data = begin(&mut client, &made);
        made.set_len(0).unwrap();
        assert!(peer::read_all(&mut data).len() < len);
        let reply = client.reply();
        assert!(["451", "426"].contains(&&reply[..3]), "{reply}");
        drop(data);

        let made = file();
        let mut data = begin(&mut client, &made);
        fs::remove_file(server.site.path("home/file")).unwrap();
        // It goes on with what it has, or it ends; it is not called whole unless it is.
        let whole = peer::read_all(&mut data).len() == len - KIB;
        let reply = client.reply();
        assert_eq!(reply.starts_with("226"), whole, "{reply}");
        drop((data, client));
        server.finish();
    }
}

fn of_two_uploads_of_one_name_one_wins_whole(runtime: &str) {
    let server = Setup::new(runtime).serve();
    let (mut first, mut second) = (server.alice(), server.alice());
    let (ones, twos) = (vec![b'1'; 700 * KIB], vec![b'2'; 300 * KIB]);
    for exists in [false, true] {
        for second_ends_first in [false, true] {
            if exists {
                server.site.write("home/file", "old");
            } else {
                let _ = fs::remove_file(server.site.path("home/file"));
            }
            let mut one = first.transfer("STOR file");
            one.write_all(&ones[..KIB]).unwrap();
            let mut two = second.transfer("STOR file");
            two.write_all(&twos[..KIB]).unwrap();
            let end = |client: &mut Client, mut data: TcpStream, rest: &[u8]| {
                data.write_all(rest).unwrap();
                data.shutdown(Shutdown::Write).unwrap();
                assert!(client.reply().starts_with("226"));
            };
            if second_ends_first {
                end(&mut second, two, &twos[KIB..]);
                end(&mut first, one, &ones[KIB..]);
            } else {
                end(&mut first, one, &ones[KIB..]);
                end(&mut second, two, &twos[KIB..]);
            }
            let content = server.site.read("home/file").into_bytes();
            assert!(content == ones || content == twos, "{} bytes, {exists}, {second_ends_first}", content.len());
            assert_eq!(fs::read_dir(server.site.path("home")).unwrap().count(), 1);
        }
    }
    drop((first, second));
    server.finish();
}

fn uploads_are_not_for_everybody_to_write(runtime: &str) {
    use std::os::unix::fs::PermissionsExt;

    let server = Setup::new(runtime).serve();
    let mut client = server.alice();
    client.store("STOR file", b"x");
    client.store("APPE other", b"x");
    client.store("STOU", b"x");
    for entry in fs::read_dir(server.site.path("home")).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o002, 0, "{mode:o}");
    }
    drop(client);
    server.finish();
}
