//! A running server: how it starts, what it logs, how it stops. Its signals are those of Unix.
#![cfg(unix)]

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;

use common::{Client, RUNTIMES, Server, Site, ferry};
use nix::sys::signal::Signal;

#[test]
fn without_flags_it_shares_the_current_directory() {
    for runtime in RUNTIMES {
        let site = Site::new();
        site.write("home/file", "content");
        let mut command = ferry();
        command.args(["-p", "0", "--runtime", runtime]).current_dir(site.path("home"));
        let mut server = Server::start(command);
        assert!(server.address.is_ipv4() && server.address.ip().is_unspecified());
        if TcpListener::bind("[::1]:0").is_ok() {
            // One port for both.
            assert_eq!(server.ready_line(), format!("listening on ftp://[::]:{}", server.address.port()));
            let mut client = Client::connect(([0, 0, 0, 0, 0, 0, 0, 1], server.address.port()).into());
            client.login("ftp", "");
            assert_eq!(client.retrieve("RETR file"), b"content");
        }
        let mut client = Client::connect(([127, 0, 0, 1], server.address.port()).into());
        assert_eq!(client.greeting, concat!("220 Ferry ", env!("CARGO_PKG_VERSION"), " ready."));
        client.login("anonymous", "");
        assert_eq!(client.retrieve("RETR file"), b"content");
        assert!(client.command("STOR other").starts_with("550"));
        assert!(client.command("DELE file").starts_with("550"));
        server.wait_for("anonymous, read-only");
        server.stop();
    }
}

#[test]
fn localhost_a_port_and_a_directory_by_flags() {
    let site = Site::new();
    site.write("home/file", "content");
    let mut command = ferry();
    command.args(["-i", "localhost", "-p", "0", "-d"]).arg(site.path("home"));
    let server = Server::start(command);
    assert!(server.address.ip().is_loopback());
    assert_eq!(server.login("anonymous", "").retrieve("RETR file"), b"content");
}

#[test]
fn write_access_for_everybody_is_warned_of() {
    let site = Site::new();
    let server = site.serve(&["-w"]);
    server.wait_for("anybody may change");
    server.login("ftp", "").store("STOR new", b"x");
    assert_eq!(site.read("home/new"), "x");
}

#[test]
fn a_named_user_by_flag_and_environment() {
    let site = Site::new();
    let mut command = ferry();
    command.args(["-i", "127.0.0.1", "-p", "0", "-u", "alice", "--workers", "1", "-d"]).arg(site.path("home"));
    command.env("FERRY_PASSWORD", "wonderland");
    let server = Server::start(command);
    server.login("alice", "wonderland");
    let mut client = server.client();
    client.command("USER anonymous");
    assert!(client.command("PASS x").starts_with("530"));
}

#[test]
fn it_stops_when_told() {
    for runtime in RUNTIMES {
        for signal in [Signal::SIGTERM, Signal::SIGINT] {
            let mut server = Site::new().serve(&["--runtime", runtime]);
            let mut idle = server.login("ftp", "");
            server.signal(signal);
            let (status, log) = server.wait();
            assert_eq!(status.code(), Some(0), "{log:#?}");
            assert!(idle.reply().starts_with("421"));
        }
    }
}

#[test]
fn a_running_upload_ends_well_before_the_server_does() {
    for runtime in RUNTIMES {
        let site = Site::new();
        let mut server = site.serve(&["-w", "--runtime", runtime]);
        let mut client = server.login("ftp", "");
        let mut data = client.transfer("STOR file");
        data.write_all(b"first ").unwrap();
        server.signal(Signal::SIGTERM);
        server.wait_for("stopping");
        data.write_all(b"second").unwrap();
        data.shutdown(Shutdown::Both).unwrap();
        assert!(client.reply().starts_with("226"));
        let (status, log) = server.wait();
        assert_eq!(status.code(), Some(0), "{log:#?}");
        assert_eq!(site.read("home/file"), "first second");
        assert!(TcpStream::connect(server.address).is_err());
    }
}

#[test]
fn the_grace_has_an_end() {
    for runtime in RUNTIMES {
        let site = Site::new();
        let text = "[server]\nshutdown_grace = 0.05\n[anonymous]\nhome = 'home'\nperm = 'elw'\n";
        let mut server = site.serve_file(text, &["--runtime", runtime]);
        let mut client = server.login("ftp", "");
        let _stalled = client.transfer("STOR file");
        server.stop();
    }
}

#[test]
fn the_second_signal_ends_it_at_once() {
    for runtime in RUNTIMES {
        let site = Site::new();
        let text = "[server]\nshutdown_grace = 1000\n[anonymous]\nhome = 'home'\nperm = 'elw'\n";
        let mut server = site.serve_file(text, &["--runtime", runtime]);
        let mut client = server.login("ftp", "");
        let _stalled = client.transfer("STOR file");
        server.signal(Signal::SIGTERM);
        server.wait_for("stopping");
        server.signal(Signal::SIGINT);
        let (status, log) = server.wait();
        assert_eq!(status.code(), Some(0), "{log:#?}");
    }
}

fn site_file(banner: &str, perm: &str, more: &str) -> String {
    format!(
        "[server]\nbanner = '{banner}'\n[[user]]\nname = 'alice'\npassword = 'x'\nhome = 'home'\nperm = '{perm}'\n{more}"
    )
}

#[test]
fn a_reload_is_for_new_sessions() {
    for runtime in RUNTIMES {
        let site = Site::new();
        let mut server = site.serve_file(&site_file("before", "elw", ""), &["--runtime", runtime]);
        let mut old = server.login("alice", "x");
        assert_eq!(old.greeting, "220 before");
        let bob = "[[user]]\nname = 'bob'\npassword = 'y'\nhome = 'home'\n";
        site.write("ferry.toml", site_file("after", "el", bob));
        server.signal(Signal::SIGHUP);
        server.wait_for("configuration reloaded");
        // The old session has its old rights, the new one the new ones.
        old.store("STOR file", b"x");
        let mut new = server.login("alice", "x");
        assert_eq!(new.greeting, "220 after");
        assert!(new.command("STOR file").starts_with("550"));
        server.login("bob", "y");
        // Who logs in again gets what holds now.
        old.login("alice", "x");
        assert!(old.command("STOR file").starts_with("550"));
        old.login("bob", "y");
        server.stop();
    }
}

fn users_file(end_when_removed: bool, names: &[&str], more: &str) -> String {
    let user = |name: &&str| format!("[[user]]\nname = '{name}'\npassword = 'x'\nhome = 'home'\nperm = 'elrw'\n");
    let users: String = names.iter().map(user).collect();
    format!("[session]\nend_when_removed = {end_when_removed}\nfailed_login_delay = 0\n{users}{more}")
}

#[test]
fn a_user_who_is_removed_has_to_go_if_the_file_says_so() {
    for runtime in RUNTIMES {
        let site = Site::new();
        let text = users_file(true, &["alice", "bob"], "[anonymous]\nhome = 'home'\n");
        let mut server = site.serve_file(&text, &["--runtime", runtime]);
        let [mut alice, mut busy, mut idle] = ["alice", "bob", "bob"].map(|name| server.login(name, "x"));
        let (mut guest, mut stranger) = (server.login("ftp", ""), server.client());
        let mut data = busy.transfer("STOR file");
        data.write_all(b"first ").unwrap();
        site.write("ferry.toml", users_file(true, &["alice"], ""));
        server.signal(Signal::SIGHUP);
        server.wait_for("ending the sessions of users who are no longer in the configuration");
        for client in [&mut idle, &mut guest] {
            assert_eq!(client.reply(), "421 Session ended by the administrator, closing.");
        }
        // Who is at something may end it first.
        data.write_all(b"second").unwrap();
        data.shutdown(Shutdown::Both).unwrap();
        assert!(busy.reply().starts_with("226"));
        assert!(busy.reply().starts_with("421"));
        assert_eq!(site.read("home/file"), "first second");
        assert!(alice.command("NOOP").starts_with("200"));
        stranger.login("alice", "x");
        server.stop();
    }
}

#[test]
fn a_user_who_is_removed_stays_until_the_next_login_if_the_file_says_nothing_else() {
    for runtime in RUNTIMES {
        let site = Site::new();
        let anonymous = "[anonymous]\nhome = 'home'\n";
        let text = users_file(false, &["alice", "bob"], anonymous);
        let mut server = site.serve_file(&text, &["--runtime", runtime]);
        let (mut bob, mut guest) = (server.login("bob", "x"), server.login("ftp", ""));
        site.write("ferry.toml", users_file(false, &["alice"], ""));
        server.signal(Signal::SIGHUP);
        server.wait_for("configuration reloaded");
        bob.store("STOR file", b"x");
        assert!(guest.command("NOOP").starts_with("200"));
        bob.command("USER bob");
        assert!(bob.command("PASS x").starts_with("530"));
        // The next reload ends who is still there.
        site.write("ferry.toml", users_file(true, &["alice"], ""));
        server.signal(Signal::SIGHUP);
        server.wait_for("ending the sessions");
        assert!(guest.reply().starts_with("421"));
        assert!(bob.command("NOOP").starts_with("200"), "who is nobody is not removed");
        server.stop();
    }
}

#[test]
fn messages_may_be_long_and_anonymous_has_its_own_and_overrides() {
    let long = "Please mind the files at your left, and do not lean on the doors, for they may open at any time.";
    assert!(long.len() > 75);
    let alice = "[[user]]\nname = 'alice'\npassword = 'x'\nhome = 'home'\nlogin_message = \"Hello,\\nAlice.\"\nquit_message = 'Bye.'\n";
    let anonymous = format!(
        "[anonymous]\nhome = 'home'\nlogin_message = '{long}'\nquit_message = 'Come again.'\n\
         [[anonymous.override]]\npath = '/incoming'\nperm = 'elw'\n"
    );
    let text = format!("{alice}{anonymous}");
    for runtime in RUNTIMES {
        let site = Site::new();
        std::fs::create_dir(site.path("home/incoming")).unwrap();
        let mut server = site.serve_file(&text, &["--runtime", runtime]);
        server.wait_for("anybody may change and add files");
        let talk = |commands: &str| {
            let mut stream = server.client().into_stream();
            stream.write_all(commands.as_bytes()).unwrap();
            let mut said = String::new();
            stream.read_to_string(&mut said).unwrap();
            said
        };
        let alice = talk("USER alice\r\nPASS x\r\nQUIT\r\n");
        assert!(alice.ends_with("230-Hello,\r\n230 Alice.\r\n221 Bye.\r\n"), "{alice}");
        let guest = talk("USER ftp\r\nPASS\r\nQUIT\r\n");
        assert!(guest.ends_with(&format!("230-{long}\r\n230 \r\n221 Come again.\r\n")), "{guest}");
        let mut guest = server.login("ftp", "");
        guest.store("STOR incoming/file", b"x");
        assert!(guest.command("STOR file").starts_with("550"));
        server.stop();
    }
}

#[test]
fn an_address_that_guesses_is_kept_out_until_the_file_says_otherwise() {
    for runtime in RUNTIMES {
        let site = Site::new();
        let lockout = "[lockout]\nfailures = 3\nwindow = 100000\n";
        let mut server = site.serve_file(&users_file(false, &["alice", "bob"], lockout), &["--runtime", runtime]);
        let reload = |more: &str| {
            site.write("ferry.toml", users_file(false, &["alice", "bob"], more));
            server.signal(Signal::SIGHUP);
            server.wait_for("configuration reloaded");
        };
        let attempt = |name: &str, password: &str| {
            let mut client = server.client();
            client.command(format!("USER {name}"));
            client.command(format!("PASS {password}"))
        };
        let mut old = server.login("alice", "x");
        // Whoever the guesses are at, and though a good login comes in between.
        assert!(attempt("alice", "wrong").starts_with("530"));
        assert!(attempt("bob", "wrong").starts_with("530"));
        assert!(attempt("bob", "x").starts_with("230"));
        assert!(attempt("nobody", "wrong").starts_with("530"));
        assert_eq!(attempt("bob", "x"), "530 Login incorrect.");
        server.wait_for("login refused: the address is locked out");
        assert!(old.command("NOOP").starts_with("200"));
        reload(lockout);
        assert!(attempt("bob", "x").starts_with("530"));
        reload("");
        assert!(attempt("bob", "x").starts_with("230"));
        server.stop();
    }
}

#[test]
fn hashes_of_other_programs_let_in_and_lock_nobody_out() {
    let hashes = [
        ("bcrypt", "$2y$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW", "open sesame"),
        ("sha", "$5$Xy./9z$cYffGY9CQb/SpTtuixJwLoG0y8oSnH6Q336HNEMCxPD", "correct horse"),
    ];
    let users: String = hashes
        .iter()
        .map(|(name, hash, _)| format!("[[user]]\nname = '{name}'\npassword_hash = '{hash}'\nhome = 'home'\n"))
        .collect();
    for runtime in RUNTIMES {
        let site = Site::new();
        let text = format!("[session]\nfailed_login_delay = 0\n{users}[anonymous]\nhome = 'home'\n");
        let mut server = site.serve_file(&text, &["--runtime", runtime]);
        for (name, hash, password) in hashes {
            server.login(name, password);
            let mut client = server.client();
            for wrong in ["", hash] {
                client.command(format!("USER {name}"));
                assert!(client.command(format!("PASS {wrong}")).starts_with("530"));
            }
        }
        server.login("anonymous", "");
        server.login("ftp", "open sesame");
        server.stop();
    }
}

#[test]
fn a_broken_file_changes_nothing() {
    let site = Site::new();
    let mut server = site.serve_file(&site_file("before", "el", ""), &[]);
    let broken = [
        ("banner = 1", "ferry.toml:1:1"),
        ("[server]\nbanner = 1\n", "ferry.toml:2:10"),
        ("[server", "ferry.toml:1:"),
        ("[metrics]\n", "not offered"),
        ("[log]\ntransfer_log = 'nowhere/x'\n[anonymous]\nhome = 'home'\n", "cannot open"),
    ];
    for (text, told) in broken {
        site.write("ferry.toml", text);
        server.signal(Signal::SIGHUP);
        server.wait_for(told);
        server.wait_for("the old one stays");
        assert_eq!(server.login("alice", "x").greeting, "220 before");
    }
    std::fs::remove_file(site.path("ferry.toml")).unwrap();
    server.signal(Signal::SIGHUP);
    server.wait_for("the old one stays");
    server.stop();
}

#[test]
fn what_takes_a_restart_is_told() {
    let site = Site::new();
    let mut server = site.serve_file(&site_file("x", "el", ""), &[]);
    site.write("ferry.toml", site_file("x", "el", "[log]\nformat = 'json'\n"));
    server.signal(Signal::SIGHUP);
    server.wait_for("log.format has changed, which takes a restart");
    server.stop();
}

#[test]
fn many_reloads_leak_no_descriptors() {
    let site = Site::new();
    let logs = "[log]\ntransfer_log = 'xferlog'\ncommand_log = 'commands.log'\n";
    let mut server = site.serve_file(&site_file("x", "el", logs), &[]);
    let reload = || {
        server.signal(Signal::SIGHUP);
        server.wait_for("configuration reloaded");
        std::fs::read_dir(format!("/proc/{}/fd", server.child.id())).map_or(0, Iterator::count)
    };
    let before = reload();
    let after: Vec<usize> = (0..60).map(|_| reload()).collect();
    // A log file that is being reopened may be counted twice.
    assert!(after.iter().all(|count| *count <= before + 2), "{before} then {after:?}");
    server.stop();
}

#[test]
fn log_files_are_written_and_follow_a_rename() {
    for runtime in RUNTIMES {
        let site = Site::new();
        let logs = "[log]\ntransfer_log = 'xferlog'\ncommand_log = 'commands.log'\n";
        let mut server = site.serve_file(&site_file("x", "elrw", logs), &["--runtime", runtime]);
        let mut client = server.login("alice", "x");
        client.command("TYPE I");
        client.store("STOR two words", b"12345");
        std::fs::rename(site.path("xferlog"), site.path("xferlog.1")).unwrap();
        server.signal(Signal::SIGHUP);
        server.wait_for("configuration reloaded");
        client.retrieve("RETR two words");
        let mut data = client.transfer("STOR cut");
        data.write_all(b"123").unwrap();
        client.command("ABOR");
        server.stop();
        let moved = site.read("xferlog.1") + &site.read("xferlog");
        let lines: Vec<&str> = moved.lines().collect();
        assert_eq!(lines.len(), 3, "{moved}");
        assert!(lines[0].ends_with(" 1 127.0.0.1 5 /two_words b _ i r alice ftp 0 * c"), "{moved}");
        assert!(lines[1].ends_with(" 1 127.0.0.1 5 /two_words b _ o r alice ftp 0 * c"), "{moved}");
        assert!(lines[2].contains(" /cut b _ i r alice ftp 0 * i"), "{moved}");
        assert_eq!(lines[0].as_bytes()[24], b' ', "{moved}");
        assert!(!site.read("xferlog").is_empty());
        let commands = site.read("commands.log");
        assert!(commands.contains(" - <== PASS ******\n"), "{commands}");
        assert!(commands.contains(" alice <== STOR two words\n"), "{commands}");
        assert!(commands.contains(" alice ==> 226 Transfer complete.\n"), "{commands}");
        assert!(commands.contains(" - ==> 331 "), "{commands}");
        assert!(commands.contains("Z 127.0.0.1:"), "{commands}");
    }
}

#[test]
fn debug_shows_commands_and_replies_and_no_password() {
    let site = Site::new();
    let mut server = site.serve(&["-D", "-u", "alice", "-P", "hunter2"]);
    let mut client = server.client();
    client.command("USER alice");
    client.command("  pAsS  wrong-hunter2");
    client.command("USER alice");
    client.command("PASS hunter2");
    client.command("NOOP");
    client.command("REIN");
    client.command("SYST");
    let log = server.stop();
    let whose = |command: &str| log.iter().find(|line| line.ends_with(command)).expect(command).contains("user=alice");
    assert!(whose("NOOP") && !whose("SYST"), "{log:#?}");
    let log = log.join("\n");
    assert!(log.contains("NOOP") && log.contains("331 ") && log.contains("peer=127.0.0.1:"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
}

#[test]
fn json_lines_are_json() {
    let site = Site::new();
    let mut server = site.serve_file(
        &site_file("x", "el", "[log]\nformat = 'json'\nlevel = 'debug'\ncommand_log = 'commands.log'\n"),
        &[],
    );
    server.login("alice", "x").command("SIZE \"quoted\\ \x01");
    let log = server.stop();
    let commands = site.read("commands.log");
    for line in commands.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["session"].is_u64() && line["peer"].is_string(), "{line}");
        assert!(line["command"].is_string() != line["reply"].is_string(), "{line}");
    }
    assert!(commands.contains(r#""command":"PASS ******""#) && commands.contains(r#""user":"alice""#), "{commands}");
    assert!(log.iter().all(|line| line.starts_with('{') && line.ends_with('}')), "{log:#?}");
    assert!(log.iter().any(|line| line.contains("\"level\":\"DEBUG\"") && line.contains("quoted")), "{log:#?}");
}

#[test]
fn the_log_tells_times_as_the_protocol_does() {
    for runtime in ["tokio", "smol"] {
        let site = Site::new();
        let mut server = site.serve(&["-w", "--runtime", runtime]);
        let mut client = server.login("ftp", "");
        client.store("STOR new", b"content");
        client.command("MFMT 20020102030405 new");
        drop(client);
        let log = server.stop();
        let told = |line: &String| line.contains("modification time changed path=/new time=20020102030405");
        assert!(log.iter().any(told), "{log:#?}");
    }
}

#[test]
fn names_are_converted_to_the_clients_charset() {
    let site = Site::new();
    let server = site.serve(&["-w", "--encoding", "latin1"]);
    let mut client = server.login("ftp", "");
    client.store(b"STOR \xfcber", b"x");
    assert_eq!(site.read("home/über"), "x");
    site.write("home/日", "");
    let names = client.retrieve("NLST");
    let mut names: Vec<&[u8]> = names.split(|byte| *byte == b'\n').collect();
    names.sort();
    assert_eq!(names, [&b""[..], b"?\r", b"\xfcber\r"]);
}

#[test]
fn listings_are_in_gmt_or_local_time() {
    let site = Site::new();
    site.write("home/file", "");
    let file = std::fs::File::options().write(true).open(site.path("home/file")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(86_400 * 365)).unwrap();
    for (flags, date) in [(&[][..], "Jan 01  1971"), (&["--use-localtime"][..], "Dec 31  1970")] {
        let mut command = ferry();
        command.args(["-i", "127.0.0.1", "-p", "0", "-d"]).arg(site.path("home")).args(flags).env("TZ", "EST5");
        let listing = Server::start(command).login("ftp", "").retrieve("LIST");
        let listing = String::from_utf8(listing).unwrap();
        assert!(listing.contains(date), "{listing}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn listings_tell_the_names_of_owner_and_group() {
    let site = Site::new();
    site.write("home/file", "");
    let names = Command::new("stat").args(["-c", "%U %G"]).arg(site.path("home/file")).output().unwrap();
    let names = String::from_utf8(names.stdout).unwrap();
    let listing = site.serve(&[]).login("ftp", "").retrieve("LIST");
    let listing = String::from_utf8(listing).unwrap();
    let columns: Vec<&str> = listing.split_whitespace().collect();
    assert_eq!(columns[2..4].join(" "), names.trim(), "{listing}");
}

#[test]
fn too_many_connections_are_sent_away() {
    let server = Site::new().serve(&["--max-cons", "1"]);
    let _first = server.client();
    assert!(server.client().greeting.starts_with("421"));
}

#[test]
fn a_file_too_large_for_the_process_ends_its_upload_alone() {
    for runtime in RUNTIMES {
        let site = Site::new();
        site.write("home/old", "old");
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -f 8 && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_ferry"), "--runtime", runtime]);
        command.args(["-i", "127.0.0.1", "-p", "0", "-w", "-d"]).arg(site.path("home"));
        let mut server = Server::start(command);
        let mut other = server.login("ftp", "");
        let mut client = server.login("ftp", "");
        let mut data = client.transfer("STOR old");
        // The server may close before it has taken all.
        let _ = data.write_all(&[b'x'; 32 * 1024]);
        drop(data);
        assert!(client.reply().starts_with("552"));
        assert_eq!(site.read("home/old"), "old");
        assert!(other.command("NOOP").starts_with("200"));
        server.stop();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn root_is_given_up() {
    let site = Site::new();
    site.write("home/file", "content");
    let text = "[server]\nuser = 'nobody'\n[anonymous]\nhome = 'home'\n";
    if !nix::unistd::Uid::effective().is_root() {
        site.write("ferry.toml", text);
        let output = ferry().args(["-i", "127.0.0.1", "-p", "0", "--config"]).arg(site.path("ferry.toml")).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8(output.stderr).unwrap().contains("only root can become"));
        return;
    }
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(site.path(""), mode).unwrap();
    let server = site.serve_file(text, &[]);
    let mut client = server.login("ftp", "");
    assert_eq!(client.retrieve("RETR file"), b"content");
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    for task in std::fs::read_dir(format!("/proc/{}/task", server.child.id())).unwrap() {
        let mut status = String::new();
        std::fs::File::open(task.unwrap().path().join("status")).unwrap().read_to_string(&mut status).unwrap();
        let ids = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap().split_whitespace();
        assert!(ids("Uid:").all(|id| id == nobody.uid.to_string()), "{status}");
        assert!(ids("Gid:").all(|id| id == nobody.gid.to_string()), "{status}");
        assert!(ids("Groups:").all(|id| id == nobody.gid.to_string()), "{status}");
    }
}

#[test]
fn few_ports_are_waited_for_and_a_host_is_told_in_their_replies() {
    for runtime in RUNTIMES {
        let port = TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap().port();
        let text = format!(
            "[server]\nlisten = ['127.0.0.2:0']\n[anonymous]\nhome = 'home'\n\
             [data]\npassive_ports = '{port}'\npassive_port_wait = 0.05\nmasquerade_address = 'localhost'\n"
        );
        let site = Site::new();
        site.write("ferry.toml", text);
        let mut command = ferry();
        command.arg("--config").arg(site.path("ferry.toml")).args(["--runtime", runtime]);
        let server = Server::start(command);
        let mut first = server.login("ftp", "");
        let reply = first.command("PASV");
        assert!(reply.starts_with("227") && reply.contains("(127,0,0,1,"), "{reply}");
        let mut second = server.login("ftp", "");
        assert!(second.command("EPSV").starts_with("425"));
        server.wait_for("all ports of passive_ports");
        first.command("QUIT");
        assert!(second.command("EPSV").starts_with("229"));
    }
}
