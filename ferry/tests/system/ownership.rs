//! Whose the files are that users make, and whose files they can use.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::thread;

use crate::accounts::{Account, Group, PASSWORD};
use crate::common::{Client, Site};
use crate::{assert_all_have, on_both_runtimes, refused, serve, threads};

on_both_runtimes!(
    two_users_at_once_are_each_themselves,
    directories_of_a_group_are_for_its_members,
    whoever_logs_in_anew_is_somebody_else,
    what_the_kernel_tells_the_server_of_itself_is_for_no_user,
    thousands_of_interleaved_operations_are_never_done_as_another,
);

fn owner(path: &Path) -> (u32, u32) {
    let metadata = fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (metadata.uid(), metadata.gid())
}

/// A directory for everybody, as `/tmp` is.
fn shared(site: &Site, mode: u32) -> String {
    // The folders of tests are closed to others.
    fs::set_permissions(site.path("."), Permissions::from_mode(0o755)).unwrap();
    let shared = site.path("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, Permissions::from_mode(mode)).unwrap();
    shared.display().to_string()
}

fn two_users_at_once_are_each_themselves(runtime: &str) {
    let (alice, bob) = (Account::new(), Account::new());
    let site = Site::new();
    let server = serve(&site, runtime, "");
    let (mut as_alice, mut as_bob) = (server.login(&alice.name, PASSWORD), server.login(&bob.name, PASSWORD));
    // Both uploads are under way at the same time.
    let mut uploads = [as_alice.transfer("STOR mine"), as_bob.transfer("STOR mine")];
    for _ in 0..20 {
        for data in &mut uploads {
            std::io::Write::write_all(data, &[b'x'; 100_000]).unwrap();
        }
    }
    drop(uploads);
    for (account, client) in [(&alice, &mut as_alice), (&bob, &mut as_bob)] {
        let reply = client.reply();
        assert!(reply.starts_with("226"), "{reply}");
        assert_eq!(owner(&account.home.join("mine")), (account.uid, account.gid));
        assert_eq!(fs::metadata(account.home.join("mine")).unwrap().len(), 2_000_000);
        assert!(client.command("SITE CHMOD 600 mine").starts_with("200"));
        assert!(client.command("MKD folder").starts_with("257"));
        assert_eq!(owner(&account.home.join("folder")), (account.uid, account.gid));
        assert_eq!(client.retrieve("RETR mine").len(), 2_000_000);
    }
    for (other, client) in [(&bob, &mut as_alice), (&alice, &mut as_bob)] {
        let home = other.home.display();
        refused(client, &format!("LIST {home}"));
        refused(client, &format!("MLSD {home}"));
        refused(client, &format!("CWD {home}"));
        refused(client, &format!("RETR {home}/mine"));
        refused(client, &format!("STOR {home}/theirs"));
        refused(client, &format!("STOR {home}/mine"));
        refused(client, &format!("MKD {home}/theirs"));
        refused(client, &format!("DELE {home}/mine"));
        refused(client, &format!("RMD {home}/folder"));
        refused(client, &format!("SITE CHMOD 777 {home}"));
        refused(client, &format!("RNFR {home}/mine"));
        refused(client, &format!("MFMT 20200101000000 {home}/mine"));
        // Nor what is root's alone.
        refused(client, "CWD /root");
        refused(client, "RETR /etc/shadow");
        refused(client, "STOR /etc/ferry-was-here");
        refused(client, "DELE /etc/passwd");
    }
    // An open door shows that it is the mode that decides: to be entered, listed, read; not to be written.
    fs::set_permissions(&alice.home, Permissions::from_mode(0o711)).unwrap();
    fs::write(alice.home.join("open"), "for all").unwrap();
    assert_eq!(as_bob.retrieve(format!("RETR {}/open", alice.home.display())), b"for all");
    assert!(as_bob.command(format!("CWD {}", alice.home.display())).starts_with("250"));
    refused(&mut as_bob, "RETR mine");
    refused(&mut as_bob, "LIST");
    refused(&mut as_bob, "STOR theirs");
}

fn directories_of_a_group_are_for_its_members(runtime: &str) {
    let (group, member, other) = (Group::new(), Account::new(), Account::new());
    member.change(&["--append", "--groups", &group.0]);
    let site = Site::new();
    let shared = shared(&site, 0o2770);
    let gid = nix::unistd::Group::from_name(&group.0).unwrap().unwrap().gid.as_raw();
    chown(&shared, Some(0), Some(gid)).unwrap();
    fs::set_permissions(&shared, Permissions::from_mode(0o2770)).unwrap();
    let server = serve(&site, runtime, "");
    let mut client = server.login(&member.name, PASSWORD);
    assert!(client.command(format!("CWD {shared}")).starts_with("250"));
    client.store("STOR ours", b"content");
    assert_eq!(owner(&Path::new(&shared).join("ours")), (member.uid, gid));
    let mut client = server.login(&other.name, PASSWORD);
    refused(&mut client, &format!("CWD {shared}"));
    refused(&mut client, &format!("RETR {shared}/ours"));
}

fn whoever_logs_in_anew_is_somebody_else(runtime: &str) {
    let (alice, bob) = (Account::new(), Account::new());
    let site = Site::new();
    let shared = shared(&site, 0o1777);
    let server = serve(&site, runtime, "");
    let mut client = server.login(&alice.name, PASSWORD);
    client.store(format!("STOR {shared}/first"), b"1");
    client.login(&bob.name, PASSWORD);
    client.store(format!("STOR {shared}/second"), b"2");
    // The sticky bit: whose it is not cannot remove it.
    refused(&mut client, &format!("DELE {shared}/first"));
    assert_eq!(owner(&Path::new(&shared).join("first")), (alice.uid, alice.gid));
    assert_eq!(owner(&Path::new(&shared).join("second")), (bob.uid, bob.gid));
}

/// The kernel lets each thread of a process at what it tells of that process, whoever the thread acts as.
fn what_the_kernel_tells_the_server_of_itself_is_for_no_user(runtime: &str) {
    let account = Account::new();
    let site = Site::new();
    let server = serve(&site, runtime, "");
    let mut client = server.login(&account.name, PASSWORD);
    for process in ["/proc/self".to_owned(), "/proc/thread-self".to_owned(), format!("/proc/{}", server.child.id())] {
        for command in ["CWD #", "LIST #/", "LIST #/fd", "MLSD #/task", "RETR #/maps", "MLST #/exe", "APPE #/comm"] {
            refused(&mut client, &command.replace('#', &process));
        }
    }
    assert!(client.command("CWD /proc").starts_with("250"));
    assert!(client.retrieve("NLST").windows(6).any(|name| name == b"mounts"));
}

/// Directories need no data connection, so there can be many of them; each file is several operations.
fn thousands_of_interleaved_operations_are_never_done_as_another(runtime: &str) {
    const DIRECTORIES: usize = 400;
    const FILES: usize = 60;
    let users = [Account::new(), Account::new()];
    let site = Site::new();
    let shared = shared(&site, 0o1777);
    let server = serve(&site, runtime, "");
    let before = threads(&server);
    thread::scope(|scope| {
        for (account, session) in users.iter().flat_map(|account| [(account, 0), (account, 1)]) {
            let (server, shared) = (server.address, &shared);
            scope.spawn(move || busy(server, account, &format!("{shared}/{}-{session}", account.name)));
        }
    });
    for account in &users {
        let mut count = 0;
        for entry in fs::read_dir(&shared).unwrap().map(Result::unwrap) {
            if entry.file_name().to_string_lossy().starts_with(&format!("{}-", account.name)) {
                assert_eq!(owner(&entry.path()), (account.uid, account.gid), "{}", entry.path().display());
                count += 1;
            }
        }
        assert_eq!(count, 2 * (DIRECTORIES + FILES));
    }
    let own = ["Uid:", "Gid:", "Groups:", "CapEff:", "CapPrm:"]
        .map(|key| before[0].iter().find(|line| line.starts_with(key)).unwrap());
    for line in own {
        assert_all_have(&server, line);
    }

    fn busy(server: SocketAddr, account: &Account, prefix: &str) {
        let mut client = Client::connect(server);
        client.login(&account.name, PASSWORD);
        for index in 0..DIRECTORIES {
            assert!(client.command(format!("MKD {prefix}-d{index}")).starts_with("257"));
            assert!(client.command(format!("SITE CHMOD 700 {prefix}-d{index}")).starts_with("200"));
        }
        for index in 0..FILES {
            client.store(format!("STOR {prefix}-{index}"), &[b'x'; 10_000]);
            // The second time it takes the place of the first.
            client.store(format!("STOR {prefix}-{index}"), &[b'y'; 1_000]);
            assert_eq!(client.retrieve(format!("RETR {prefix}-{index}")), [b'y'; 1_000]);
        }
    }
}
