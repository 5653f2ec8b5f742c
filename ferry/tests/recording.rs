//! Records of sessions, as a server makes them and `ferry replay` shows them.
#![cfg(unix)]

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Instant;

use common::tls::{Options, TlsClient};
use common::{Client, LIMIT, RUNTIMES, Server, Site, ferry};
use nix::sys::signal::Signal;

const PASSWORD: &str = "Wund3rland!";

/// Serves alice, with records in the folder `records`.
fn serve(site: &Site, runtime: &str) -> Server {
    fs::create_dir_all(site.path("records")).unwrap();
    let records = site.path("records");
    let flags = ["-w", "-u", "alice", "-P", PASSWORD, "--runtime", runtime, "--record", records.to_str().unwrap()];
    site.serve(&flags)
}

/// The records, in the order of their sessions.
fn records(site: &Site, folder: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(site.path(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    let session = |path: &PathBuf| path.to_str().unwrap().split("Z-").nth(1).unwrap().split('-').next().unwrap().len();
    found.sort_by_key(|path| (session(path), path.clone()));
    found
}

/// Status, standard output and standard error of `ferry replay`.
fn replay(file: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let output = ferry().arg("replay").arg(file).args(more).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn replayed(file: &Path) -> String {
    let (status, shown, told) = replay(file, &[]);
    assert_eq!((status, &*told), (Some(0), ""), "{shown}");
    shown
}

/// Asks again and again, since the thread that writes may take its time.
#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LIMIT, "waited for {what}");
        thread::yield_now();
    }
}

/// What a password may look like when it is not written as it is.
fn forms(password: &str) -> Vec<Vec<u8>> {
    let bytes = password.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let wide: Vec<u8> = bytes.iter().flat_map(|byte| [*byte, 0]).collect();
    let reversed = bytes.iter().rev().copied().collect();
    let halves = [bytes[..bytes.len() / 2].to_vec(), bytes[bytes.len() / 2..].to_vec()];
    [vec![wide, reversed, hex.to_uppercase().into_bytes(), hex.into_bytes()], halves.to_vec()].concat()
}

#[track_caller]
fn has_no_password(bytes: &[u8]) {
    for form in forms(PASSWORD) {
        let found = bytes.windows(form.len()).any(|window| window.eq_ignore_ascii_case(&form));
        assert!(!found, "{}", form.escape_ascii());
    }
}

#[test]
fn a_session_is_recorded_and_shown_without_its_password() {
    for runtime in RUNTIMES {
        let site = Site::new();
        let mut server = serve(&site, runtime);
        let mut client = server.client();
        for line in [format!("PASS {PASSWORD}"), format!("pas\t{PASSWORD}"), PASSWORD.to_owned()] {
            assert!(client.command(line).starts_with('5'));
        }
        assert!(client.command("USER alice").starts_with("331"));
        assert!(client.command(PASSWORD).starts_with("500"));
        client.login("alice", PASSWORD);
        client.store("STOR file", b"CONTENT OF THE FILE");
        assert_eq!(client.retrieve("RETR file"), b"CONTENT OF THE FILE");
        assert!(client.command("DELE none").starts_with("550"));
        assert!(client.command("QUIT").starts_with("221"));
        server.login("alice", PASSWORD);
        let log = server.stop();
        assert!(!log.iter().any(|line| line.contains("WARN")), "{log:#?}");

        let records = records(&site, "records");
        assert_eq!(records.len(), 2, "{records:?}");
        let name = records[0].file_name().unwrap().to_str().unwrap();
        assert!(name.contains("Z-1-127.0.0.1-") && name.ends_with(".ferryrec"), "{name}");
        assert_eq!(fs::metadata(&records[0]).unwrap().permissions().mode() & 0o7777, 0o600);
        let bytes = fs::read(&records[0]).unwrap();
        has_no_password(&bytes);
        assert!(!bytes.windows(7).any(|window| window == b"CONTENT"));
        assert!(bytes.len() < 3000, "{}", bytes.len());

        let shown = replayed(&records[0]);
        has_no_password(shown.as_bytes());
        let parts = [
            "session 1 of 20",
            "S: 220 Ferry",
            "C: PASS ******",
            "S: 503 ",
            "C: USER alice",
            "S: 331 ",
            "#1 authenticate alice",
            "#1 logged in at /",
            "S: 230 ",
            "event: alice logged in",
            "listens at port ",
            "open /file to write",
            "transfer ",
            "complete, 19 bytes",
            "event: upload of /file, 19 bytes, whole",
            "S: 226 ",
            "event: download of /file, 19 bytes, whole",
            "C: DELE none",
            "remove /none",
            "failed: NotFound",
            "S: 550 ",
            "S: 221 ",
            "close: quit",
            " end",
        ];
        let mut rest = &*shown;
        for part in parts {
            let place = rest.find(part).unwrap_or_else(|| panic!("no {part:?} in {rest}"));
            rest = &rest[place + part.len()..];
        }
        assert!(replayed(&records[1]).contains("close: "));
    }
}

#[test]
fn under_tls_it_is_what_was_decrypted() {
    for runtime in RUNTIMES {
        let site = Site::new();
        fs::create_dir(site.path("records")).unwrap();
        let text = format!(
            "[server]\nlisten = []\nlisten_implicit_tls = ['127.0.0.1:0']\n[tls]\n[log]\nrecord = 'records'\n\
             [[user]]\nname = 'alice'\npassword = '{PASSWORD}'\nhome = 'home'\nperm = 'elrw'\n"
        );
        let mut server = site.serve_file(&text, &["--runtime", runtime]);
        let mut client = TlsClient::implicit(server.address, &Options::default());
        client.login("alice", PASSWORD);
        client.store("STOR file", b"CONTENT");
        assert!(client.command("QUIT").starts_with("221"));
        drop(client);
        server.stop();
        let record = &records(&site, "records")[0];
        let bytes = fs::read(record).unwrap();
        has_no_password(&bytes);
        assert!(!bytes.windows(7).any(|window| window == b"CONTENT"));
        let shown = replayed(record);
        let parts =
            ["start TLS on the control", "under TLS", "S: 220 ", "C: PASS ******", "C: PROT P", "start TLS on #"];
        for part in [&parts[..], &["S: 226 ", "close: quit"]].concat() {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
}

#[test]
fn a_replay_for_programs_is_json_by_the_line() {
    let site = Site::new();
    let mut server = serve(&site, "tokio");
    let mut client = server.login("alice", PASSWORD);
    client.command("SYST");
    client.command("QUIT");
    server.stop();
    let (status, shown, told) = replay(&records(&site, "records")[0], &["--json"]);
    assert_eq!((status, &*told), (Some(0), ""));
    let objects: Vec<serde_json::Value> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&objects[0]["kind"], &objects[0]["session"]), (&"record".into(), &1.into()));
    let commands = objects.iter().filter(|object| object["kind"] == "command");
    let commands: Vec<_> = commands.map(|object| (object["text"].as_str().unwrap(), &object["masked"])).collect();
    let (yes, no) = (true.into(), false.into());
    assert_eq!(commands, [("USER alice", &no), ("PASS ******", &yes), ("SYST", &no), ("QUIT", &no)]);
    let codes: Vec<_> = objects.iter().filter_map(|object| object["code"].as_u64()).collect();
    assert_eq!(codes, [220, 331, 230, 215, 221]);
    let times: Vec<f64> = objects.iter().filter_map(|object| object["at"].as_f64()).collect();
    assert!(times.len() == objects.len() - 1 && times.is_sorted());
}

#[test]
fn what_a_killed_server_has_recorded_can_be_replayed() {
    for runtime in RUNTIMES {
        let site = Site::new();
        let mut server = serve(&site, runtime);
        let mut client = server.login("alice", PASSWORD);
        let mut data = client.transfer("STOR file");
        data.write_all(b"some").unwrap();
        wait_until("the record of the transfer", || {
            records(&site, "records").first().is_some_and(|file| replay(file, &[]).1.contains("transfer #"))
        });
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        let (status, shown, told) = replay(&records(&site, "records")[0], &[]);
        assert_eq!(status, Some(0), "{told}");
        assert!(told.contains("the record ends in the middle of the session"), "{told}");
        assert!(shown.contains("S: 230 ") && shown.contains("open /file to write"), "{shown}");
        has_no_password(&fs::read(&records(&site, "records")[0]).unwrap());
    }
}

#[test]
fn a_directory_that_is_gone_ends_no_session_and_is_told_once() {
    for runtime in RUNTIMES {
        let site = Site::new();
        let mut server = serve(&site, runtime);
        fs::remove_dir(site.path("records")).unwrap();
        let mut client = server.login("alice", PASSWORD);
        server.wait_for("a session is no longer recorded");
        client.store("STOR file", b"x");
        assert!(client.command("QUIT").starts_with("221"));
        let log = server.stop();
        assert!(!log.iter().any(|line| line.contains("no longer recorded")), "{log:#?}");
    }
}

/// The system lets no file grow beyond 4 KiB, as if the disk were full.
#[test]
fn a_disk_that_is_full_ends_the_record_and_not_the_session() {
    for runtime in RUNTIMES {
        let site = Site::new();
        fs::create_dir(site.path("records")).unwrap();
        let mut command = Command::new("bash");
        command.args(["-c", "ulimit -f 4; trap '' XFSZ; exec \"$@\"", "bash", env!("CARGO_BIN_EXE_ferry")]);
        command.args(["-i", "127.0.0.1", "-p", "0", "--runtime", runtime, "-d"]).arg(site.path("home"));
        command.arg("--record").arg(site.path("records"));
        let mut server = Server::start(command);
        let mut client = server.login("anonymous", "");
        for _ in 0..1000 {
            assert!(client.command("NOOP").starts_with("200"));
        }
        server.wait_for("a session is no longer recorded");
        assert!(client.command("PWD").starts_with("257"));
        server.login("anonymous", "");
        let log = server.stop();
        assert!(!log.iter().any(|line| line.contains("no longer recorded")), "{log:#?}");
        let records = records(&site, "records");
        assert_eq!(fs::metadata(&records[0]).unwrap().len(), 4096);
        let (status, shown, told) = replay(&records[0], &[]);
        assert!(status == Some(0) && told.contains("ends in the middle"), "{told}");
        assert!(shown.matches("C: NOOP").count() > 50, "{shown}");
        replayed(&records[1]);
    }
}

fn file(folder: &str, more: &str) -> String {
    format!("[anonymous]\nhome = 'home'\n[log]\nrecord = '{folder}'\n{more}")
}

#[test]
fn a_reload_changes_where_new_sessions_are_recorded() {
    for runtime in RUNTIMES {
        let site = Site::new();
        fs::create_dir(site.path("old")).unwrap();
        fs::create_dir(site.path("new")).unwrap();
        let mut server = site.serve_file(&file("old", ""), &["--runtime", runtime]);
        let mut first = server.login("ftp", "");
        site.write("ferry.toml", file("new", ""));
        server.signal(Signal::SIGHUP);
        server.wait_for("configuration reloaded");
        server.login("ftp", "");
        first.command("SYST");
        // What is wrong changes nothing.
        site.write("ferry.toml", file("none", ""));
        server.signal(Signal::SIGHUP);
        server.wait_for("log.record: expected an existing directory");
        server.wait_for("the old one stays");
        server.login("ftp", "");
        site.write("ferry.toml", "[anonymous]\nhome = 'home'\n");
        server.signal(Signal::SIGHUP);
        server.wait_for("configuration reloaded");
        server.login("ftp", "");
        first.command("QUIT");
        server.stop();
        assert!(replayed(&records(&site, "old")[0]).contains("C: SYST"));
        assert_eq!((records(&site, "old").len(), records(&site, "new").len()), (1, 2));
    }
}

#[test]
fn the_end_of_the_server_is_in_the_records() {
    for runtime in RUNTIMES {
        let site = Site::new();
        let mut server = serve(&site, runtime);
        let mut client = server.login("alice", PASSWORD);
        server.stop();
        assert!(client.reply().starts_with("421"));
        let shown = replayed(&records(&site, "records")[0]);
        assert!(shown.contains("the server stops") && shown.contains("close: server stops"), "{shown}");
    }
}

#[test]
fn records_in_a_home_are_warned_of() {
    let site = Site::new();
    fs::create_dir(site.path("home/records")).unwrap();
    let server = site.serve_file(&file("home/records", ""), &[]);
    server.wait_for("the home of anonymous");
    let output = ferry().arg("check-config").arg(site.path("ferry.toml")).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("warning: log.record: "));
}

/// The record of a short session with this server.
fn short_record(site: &Site, more: &str) -> Vec<u8> {
    fs::create_dir_all(site.path("short")).unwrap();
    let mut server = site.serve_file(&file("short", more), &[]);
    let mut client: Client = server.login("ftp", "");
    client.command("PWD");
    client.command("QUIT");
    server.stop();
    let files = records(site, "short");
    let bytes = fs::read(&files[0]).unwrap();
    fs::remove_file(&files[0]).unwrap();
    bytes
}

/// How much of a record comes before its first entry: magic, version, and the frame of its header.
fn before_entries(bytes: &[u8]) -> usize {
    let (low, high) = (usize::from(bytes[10]), usize::from(bytes[11]));
    let (length, digits) = if low < 0x80 { (low, 1) } else { (low - 0x80 + (high << 7), 2) };
    10 + digits + 4 + length
}

#[test]
fn files_that_are_no_whole_records_are_told_with_their_place() {
    let site = Site::new();
    let good = short_record(&site, "");
    let told = |name: &str, bytes: &[u8], status: i32, part: &str| {
        site.write(name, bytes);
        let path = site.path(name);
        let (code, shown, told) = replay(&path, &[]);
        assert_eq!(code, Some(status), "{name}: {told}");
        assert!(told.contains(&format!("{}: {part}", path.display())), "{name}: {told}");
        assert_eq!(told.lines().count(), 1, "{told}");
        shown
    };
    told("text", b"USER alice\r\n", 1, "byte 0: this is no record");
    told("nothing", b"", 1, "byte 0: the record ends before");
    told("magic", &good[..9], 1, "byte 9: the record ends before");
    told("header", &good[..20], 1, "byte 20: the record ends before");
    let mut newer = good.clone();
    newer[8] = 77;
    told("newer", &newer, 1, "byte 8: the record is of version 77; this program knows version 1");
    let start = before_entries(&good);
    assert!(told("start", &good[..start], 0, &format!("byte {start}: the record ends in")).contains("S: 220"));
    let mut damaged = good.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(told("damaged", &damaged, 1, "byte ").contains("C: PWD"));
    told("longer", &[&good[..], b"x"].concat(), 1, &format!("byte {}: there is something behind", good.len()));
    let (status, _, told) = replay(&site.path("none"), &[]);
    assert!(status == Some(1) && told.starts_with("ferry: ") && told.contains("/none: "), "{told}");
    assert_eq!(ferry().arg("replay").output().unwrap().status.code(), Some(2));
}

#[test]
fn a_replay_that_is_not_what_was_recorded_is_told() {
    let site = Site::new();
    let good = short_record(&site, "");
    let other = short_record(&site, "[session]\ndisabled_commands = ['PWD']\n");
    let mixed = [&other[..before_entries(&other)], &good[before_entries(&good)..]].concat();
    site.write("mixed", &mixed);
    let (status, shown, told) = replay(&site.path("mixed"), &[]);
    assert_eq!(status, Some(1));
    assert!(
        told.contains("is not what was recorded") && told.contains("recorded reply 257, replayed reply 502"),
        "{told}"
    );
    assert!(shown.contains("S: 502 ") && shown.contains("S: 221 "), "{shown}");

    let other = short_record(&site, "[server]\nbanner = 'Another.'\n");
    site.write("mixed", [&other[..before_entries(&other)], &good[before_entries(&good)..]].concat());
    let (status, _, told) = replay(&site.path("mixed"), &[]);
    assert!(status == Some(0) && told.contains("replies with another text than was recorded: 1"), "{told}");
}

#[test]
fn paths_in_a_charset_are_the_same_in_a_replay() {
    let site = Site::new();
    fs::create_dir(site.path("short")).unwrap();
    let mut server = site.serve_file(&file("short", "[session]\nencoding = 'shift_jis'\n"), &["-w"]);
    let mut client = server.login("ftp", "");
    assert!(client.command(b"RMD \x83\x5c\x81\x5b").starts_with("550"));
    client.command("QUIT");
    server.stop();
    assert!(replayed(&records(&site, "short")[0]).contains("remove directory /ソー"));
}
