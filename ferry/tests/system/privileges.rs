//! What the process itself may do while it serves accounts of the machine.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use crate::accounts::{Account, PASSWORD};
use crate::common::{Server, Site};
use crate::{assert_all_have, attempt, ferry_without, file, on_both_runtimes, refused};

on_both_runtimes!(a_server_that_gave_up_root_serves_all_the_same, without_accounts_of_the_machine_nothing_is_kept);

fn a_server_that_gave_up_root_serves_all_the_same(runtime: &str) {
    let (service, alice, bob) = (Account::new(), Account::new(), Account::new());
    let site = Site::new();
    let server = site.serve_file(&file(runtime, &format!("user = '{}'", service.name), ""), &[]);
    let check = || {
        let Account { uid, gid, .. } = service;
        for line in [
            format!("Uid: {uid} {uid} {uid} {uid}"),
            format!("Gid: {gid} {gid} {gid} {gid}"),
            format!("Groups: {gid}"),
            "CapInh: 0000000000000000".to_owned(),
            // DAC_READ_SEARCH, SETGID and SETUID, in effect only when they are asked for.
            "CapPrm: 00000000000000c4".to_owned(),
            "CapEff: 0000000000000000".to_owned(),
            "CapBnd: 00000000000000c4".to_owned(),
            "CapAmb: 0000000000000000".to_owned(),
        ] {
            assert_all_have(&server, &line);
        }
    };
    check();
    for account in [&alice, &bob] {
        let mut client = server.login(&account.name, PASSWORD);
        client.store("STOR mine", b"content");
        assert_eq!(fs::metadata(account.home.join("mine")).unwrap().uid(), account.uid);
        assert!(client.command("SITE CHMOD 600 mine").starts_with("200"));
        for command in ["CWD /root", "RETR /etc/shadow", &format!("CWD {}", service.home.display())] {
            refused(&mut client, command);
        }
    }
    assert!(attempt(&server, &alice.name, "wrong").starts_with("530"));
    check();
}

fn without_accounts_of_the_machine_nothing_is_kept(runtime: &str) {
    let service = Account::new();
    let site = Site::new();
    let text = format!("[server]\nuser = '{}'\nruntime = '{runtime}'\n", service.name);
    let server = site.serve_file(&text, &[]);
    assert_all_have(&server, &format!("Uid: {0} {0} {0} {0}", service.uid));
    assert_all_have(&server, "CapPrm: 0000000000000000");
    assert_all_have(&server, "CapEff: 0000000000000000");
}

#[test]
fn who_gave_up_root_altogether_cannot_have_it_back_by_a_reload() {
    let service = Account::new();
    let site = Site::new();
    let user = format!("user = '{}'", service.name);
    let server = site.serve_file(&format!("[server]\n{user}\n"), &[]);
    // The server reads it as that user.
    fs::set_permissions(site.path("."), PermissionsExt::from_mode(0o755)).unwrap();
    site.write("ferry.toml", file("tokio", &user, ""));
    server.signal(nix::sys::signal::Signal::SIGHUP);
    server.wait_for("system_users: super user privileges are required");
    server.wait_for("configuration not reloaded");
}

/// As a service manager starts it that gives capabilities to another user than root.
#[test]
fn a_server_that_never_was_root_serves_with_the_capabilities_that_it_was_given() {
    let (service, alice) = (Account::new(), Account::new());
    let site = Site::new();
    fs::set_permissions(site.path("."), PermissionsExt::from_mode(0o755)).unwrap();
    site.write("ferry.toml", file("tokio", "", ""));
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={}", service.uid), format!("--regid={}", service.gid)]);
    command.args(["--clear-groups", "--inh-caps=+setuid,+setgid", "--ambient-caps=+setuid,+setgid"]);
    command.arg(env!("CARGO_BIN_EXE_ferry")).arg("--config").arg(site.path("ferry.toml"));
    command.args(["-i", "127.0.0.1", "-p", "0"]);
    let server = Server::start(command);
    for _ in 0..8 {
        assert!(attempt(&server, &alice.name, "wrong").starts_with("530"));
    }
    let mut client = server.login(&alice.name, PASSWORD);
    client.store("STOR mine", b"content");
    assert_eq!(fs::metadata(alice.home.join("mine")).unwrap().uid(), alice.uid);
    assert_all_have(&server, &format!("Uid: {0} {0} {0} {0}", service.uid));
    assert_all_have(&server, "CapPrm: 00000000000000c0");
}

#[test]
fn a_server_that_stays_root_says_so() {
    let site = Site::new();
    let server = site.serve_file(&file("tokio", "", ""), &[]);
    server.wait_for("server.user");
    assert_all_have(&server, "Uid: 0 0 0 0");
}

#[test]
fn whoever_cannot_act_as_others_cannot_offer_accounts_of_the_machine() {
    let site = Site::new();
    site.write("ferry.toml", file("tokio", "", ""));
    let mut command = ferry_without("-setuid");
    command.arg("--config").arg(site.path("ferry.toml")).args(["-i", "127.0.0.1", "-p", "0"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("ferry: system_users: super user privileges are required"), "{error}");
}
