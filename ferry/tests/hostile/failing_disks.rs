//! Disks that fail and disks that hang: the right error, the old file kept, and nobody else made to wait.

use std::io::Write;
use std::net::Shutdown;

use fuser::Errno;

use crate::common::{Client, LIMIT, Site};
use crate::faulty_disk::{Disk, FaultyDisk, Operation};
use crate::on_both_runtimes;
use crate::peer::{self, Peer};
use crate::watched::{Setup, Watched, wait_until};

on_both_runtimes!(
    what_a_disk_says_is_what_the_client_is_told,
    a_disk_that_fails_in_the_middle_of_a_download_ends_it,
    a_failed_overwrite_keeps_the_old_file_and_leaves_nothing,
    a_disk_that_hangs_delays_nobody_else,
    a_disk_that_hangs_under_a_transfer_delays_neither_abor_nor_the_end_of_the_session,
);

const MIB: usize = 1024 * 1024;

/// A server with such a disk in `home/disk`.
fn serve(setup: &Setup<'_>) -> (Watched, Disk) {
    let site = Site::new();
    site.write("home/file", "content");
    let mounted = FaultyDisk::mount(site.path("home/disk"));
    let disk = mounted.disk();
    disk.put("old", &vec![b'o'; 2 * MIB]);
    let server = setup.serve_on(site, vec![Box::new(mounted)]);
    (server.gated_by(disk.released_in_the_end()), disk)
}

/// The last reply to a command, with a data connection if it needs one.
fn last_reply(client: &mut Client, line: &str) -> String {
    if !["RETR", "STOR", "APPE", "MLSD", "NLST"].iter().any(|verb| line.starts_with(verb)) {
        return client.command(line);
    }
    let reply = client.command("EPSV");
    let port: u16 = reply.split('|').nth(3).unwrap().parse().unwrap();
    let mut data = peer::data(([127, 0, 0, 1], port).into());
    let reply = client.command(line);
    if !reply.starts_with('1') {
        return reply;
    }
    if line.starts_with("STOR") || line.starts_with("APPE") {
        let _ = data.write_all(&[b'n'; MIB]);
        let _ = data.shutdown(Shutdown::Write);
    }
    peer::read_all(&mut data);
    drop(data);
    client.reply()
}

fn what_a_disk_says_is_what_the_client_is_told(runtime: &str) {
    use Operation::{Attributes, Create, List, Open, Read, Rename, Write};

    let (server, disk) = serve(&Setup::new(runtime));
    let mut client = server.alice();
    client.command("TYPE I");
    for (operation, errno, line, code) in [
        (Attributes, Errno::EIO, "SIZE disk/old", "451"),
        (Attributes, Errno::EIO, "MDTM disk/old", "451"),
        (Attributes, Errno::EIO, "RETR disk/old", "451"),
        (Open, Errno::EIO, "RETR disk/old", "451"),
        (Open, Errno::EACCES, "RETR disk/old", "550"),
        (Open, Errno::EMFILE, "RETR disk/old", "451"),
        (Read, Errno::EIO, "RETR disk/old", "451"),
        (List, Errno::EIO, "MLSD disk", "451"),
        (Create, Errno::EIO, "STOR disk/new", "451"),
        (Create, Errno::ENOSPC, "STOR disk/new", "452"),
        (Create, Errno::EDQUOT, "STOR disk/new", "552"),
        (Create, Errno::EROFS, "STOR disk/new", "550"),
        (Create, Errno::EACCES, "STOR disk/new", "550"),
        (Create, Errno::ENOSPC, "STOR disk/old", "452"),
        (Write, Errno::EIO, "STOR disk/old", "451"),
        (Write, Errno::ENOSPC, "STOR disk/old", "452"),
        (Write, Errno::EDQUOT, "STOR disk/old", "552"),
        (Write, Errno::EFBIG, "STOR disk/old", "552"),
        (Write, Errno::EIO, "STOR disk/new", "451"),
        (Write, Errno::ENOSPC, "APPE disk/old", "452"),
        (Rename, Errno::EIO, "STOR disk/old", "451"),
        (Rename, Errno::ENOSPC, "STOR disk/old", "452"),
    ] {
        disk.fail(operation, errno);
        let reply = last_reply(&mut client, line);
        assert!(reply.starts_with(code), "{operation:?} {errno:?} {line}: {reply}");
        disk.mend();
        assert!(client.command("NOOP").starts_with("200"));
        assert_eq!(client.retrieve("RETR file"), b"content");
        assert!(disk.content("old") == Some(vec![b'o'; 2 * MIB]), "{operation:?} {errno:?} {line}");
    }
    drop(client);
    server.finish();
}

fn a_disk_that_fails_in_the_middle_of_a_download_ends_it(runtime: &str) {
    for session in ["use_sendfile = true", "use_sendfile = false"] {
        let (server, disk) = serve(&Setup { session, ..Setup::new(runtime) });
        // More than any buffer on the way takes.
        disk.put("large", &vec![b'l'; 48 * MIB]);
        let mut client = server.alice();
        client.command("TYPE I");
        let data = client.transfer("RETR disk/large");
        disk.fail(Operation::Read, Errno::EIO);
        assert!(peer::read_all(data).len() < 48 * MIB);
        let reply = client.reply();
        assert!(reply.starts_with("451"), "{reply}");
        drop(client);
        server.finish();
    }
}

fn a_failed_overwrite_keeps_the_old_file_and_leaves_nothing(runtime: &str) {
    let (server, disk) = serve(&Setup::new(runtime));
    let mut client = server.alice();
    for operation in [Operation::Write, Operation::Rename] {
        for errno in [Errno::EIO, Errno::ENOSPC] {
            disk.fail(operation, errno);
            assert!(last_reply(&mut client, "STOR disk/old").starts_with('4'));
            disk.mend();
            assert!(disk.content("old") == Some(vec![b'o'; 2 * MIB]));
            wait_until(|| format!("litter stays: {:?}", disk.names()), || disk.names() == ["old"]);
        }
    }
    client.store("STOR disk/old", b"new");
    assert_eq!(disk.content("old").unwrap(), b"new");
    assert_eq!(disk.names(), ["old"]);
    drop(client);
    server.finish();
}

fn a_disk_that_hangs_delays_nobody_else(runtime: &str) {
    let (server, disk) = serve(&Setup::new(runtime));
    for (operation, line) in [
        (Operation::Attributes, "MDTM disk/old"),
        (Operation::Attributes, "SIZE disk/old"),
        (Operation::Open, "RETR disk/old"),
        (Operation::Read, "RETR disk/old"),
        (Operation::Create, "STOR disk/new"),
        (Operation::Write, "STOR disk/old"),
        (Operation::Rename, "STOR disk/old"),
        (Operation::List, "MLSD disk"),
    ] {
        disk.hang(operation);
        // More than there are workers, and than disk operations that may run at once on a small machine.
        let hung: Vec<_> = (0..6)
            .map(|_| {
                let mut client = server.alice();
                client.command("TYPE I");
                std::thread::spawn(move || last_reply(&mut client, line))
            })
            .collect();
        disk.wait_for_hanging(operation);
        // The disk hangs until all of this is done.
        for _ in 0..3 {
            let mut other = server.alice();
            assert_eq!(other.retrieve("RETR file"), b"content");
            other.store("STOR other", b"other");
            assert!(!other.retrieve("MLSD").is_empty());
            assert!(other.command("DELE other").starts_with("250"));
        }
        disk.release();
        for client in hung {
            let reply = client.join().unwrap();
            assert!(reply.starts_with('2') || line.starts_with("STOR"), "{operation:?} {line}: {reply}");
        }
    }
    server.finish();
}

fn a_disk_that_hangs_under_a_transfer_delays_neither_abor_nor_the_end_of_the_session(runtime: &str) {
    let (server, disk) = serve(&Setup::new(runtime));
    for (operation, line) in [(Operation::Read, "RETR disk/old"), (Operation::Write, "STOR disk/old")] {
        disk.hang(operation);
        let mut client = server.alice();
        client.command("TYPE I");
        let mut data = client.transfer(line);
        data.set_write_timeout(Some(LIMIT)).unwrap();
        if line.starts_with("STOR") {
            data.write_all(b"new").unwrap();
        }
        disk.wait_for_hanging(operation);
        assert!(client.command("NOOP").starts_with("200"));
        assert!(client.command("STAT").starts_with("211"));
        let reply = client.command("ABOR");
        assert!(reply.starts_with("426"), "{line}: {reply}");
        assert!(client.reply().starts_with("226"));
        assert_eq!(client.retrieve("RETR file"), b"content");
        // And whoever just goes away is gone.
        let mut lost = Peer::alice(server.address);
        let lost_data = peer::data(lost.passive());
        lost.say(format!("{line}\r\n"));
        drop((lost, lost_data));
        disk.release();
        assert!(disk.content("old") == Some(vec![b'o'; 2 * MIB]));
        drop((client, data));
    }
    server.finish();
}
