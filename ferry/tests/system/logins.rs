//! Who may log in, and what they get.

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::sys::signal::Signal;

use crate::accounts::{Account, PASSWORD};
use crate::common::Site;
use crate::{attempt, file, on_both_runtimes, refused, serve};

on_both_runtimes!(
    a_wrong_password_and_an_account_that_may_not_are_told_alike,
    accounts_that_are_locked_or_expired_are_refused,
    an_account_without_a_password_is_nobodys,
    a_list_of_the_allowed_leaves_out_all_others,
    a_shell_has_to_be_valid_unless_it_does_not_matter,
    the_real_tree_starts_at_home,
    a_home_can_be_all_there_is,
    anonymous_sessions_are_served_as_their_account,
    users_can_be_different,
    names_of_the_file_go_first,
    a_reload_counts_for_the_next_login,
);

const REFUSED: &str = "530 Login incorrect.";

fn a_wrong_password_and_an_account_that_may_not_are_told_alike(runtime: &str) {
    let (good, rejected) = (Account::new(), Account::new());
    let same_id = Account::with(&["--shell", "/bin/sh", "--non-unique", "--uid", &rejected.uid.to_string()]);
    let also_root = Account::with(&["--shell", "/bin/sh", "--non-unique", "--uid", "0", "--gid", "0"]);
    let site = Site::new();
    let server = serve(&site, runtime, &format!("rejected = ['root', '{}']", rejected.name));
    assert!(attempt(&server, &good.name, PASSWORD).starts_with("230"));
    for (name, password) in [
        (&*good.name, "wrong"),
        (&*good.name, ""),
        ("root", "wrong"),
        ("no-such-account", PASSWORD),
        (&*rejected.name, PASSWORD),
        (&*same_id.name, PASSWORD),
        (&*also_root.name, PASSWORD),
    ] {
        assert_eq!(attempt(&server, name, password), REFUSED, "{name}");
    }
    assert!(attempt(&server, "anonymous", "me@").starts_with("530"));
}

fn accounts_that_are_locked_or_expired_are_refused(runtime: &str) {
    let accounts = [Account::new(), Account::new(), Account::new()];
    let [locked, expired, aged] = &accounts;
    let site = Site::new();
    let server = serve(&site, runtime, "");
    for account in &accounts {
        assert!(attempt(&server, &account.name, PASSWORD).starts_with("230"));
    }
    locked.change(&["--lock"]);
    expired.change(&["--expiredate", "2020-01-01"]);
    crate::accounts::run("chage", &["--lastday", "0", &aged.name]);
    for account in &accounts {
        assert_eq!(attempt(&server, &account.name, PASSWORD), REFUSED);
    }
    locked.change(&["--unlock"]);
    assert!(attempt(&server, &locked.name, PASSWORD).starts_with("230"));
}

/// Debian's `common-auth` has `nullok`, for logins on the spot.
fn an_account_without_a_password_is_nobodys(runtime: &str) {
    let account = Account::new();
    crate::accounts::run("passwd", &["--delete", &account.name]);
    let site = Site::new();
    let server = serve(&site, runtime, "");
    for password in ["", "anything", PASSWORD] {
        assert_eq!(attempt(&server, &account.name, password), REFUSED, "{password:?}");
    }
}

fn a_list_of_the_allowed_leaves_out_all_others(runtime: &str) {
    let (listed, other) = (Account::new(), Account::new());
    let site = Site::new();
    let server = serve(&site, runtime, &format!("allowed = ['{}']", listed.name));
    assert!(attempt(&server, &listed.name, PASSWORD).starts_with("230"));
    assert_eq!(attempt(&server, &other.name, PASSWORD), REFUSED);
}

fn a_shell_has_to_be_valid_unless_it_does_not_matter(runtime: &str) {
    let account = Account::with(&["--shell", "/usr/sbin/nologin"]);
    let site = Site::new();
    assert_eq!(attempt(&serve(&site, runtime, ""), &account.name, PASSWORD), REFUSED);
    let server = serve(&site, runtime, "require_valid_shell = false");
    assert!(attempt(&server, &account.name, PASSWORD).starts_with("230"));
}

fn the_real_tree_starts_at_home(runtime: &str) {
    let account = Account::new();
    let site = Site::new();
    let server = serve(&site, runtime, "login_message = 'Ahoy.'\nquit_message = 'Farewell.'");
    let mut client = server.client();
    client.command(format!("USER {}", account.name));
    assert_eq!(client.command(format!("PASS {PASSWORD}")), "230 Ahoy.");
    assert!(client.command("PWD").contains(&format!("\"{}\"", account.home.display())));
    client.store("STOR mine", b"content");
    let listing = String::from_utf8(client.retrieve("LIST")).unwrap();
    assert!(listing.contains(&format!(" {} ", account.name)), "{listing}");
    client.command("TYPE I");
    assert_eq!(client.retrieve("RETR /etc/hostname"), fs::read("/etc/hostname").unwrap());
    assert_eq!(client.command("QUIT"), "221 Farewell.");
}

fn a_home_can_be_all_there_is(runtime: &str) {
    let account = Account::new();
    std::os::unix::fs::symlink("/etc", account.home.join("out")).unwrap();
    let site = Site::new();
    let server = serve(&site, runtime, "filesystem = 'home'\nperm = 'elrw'");
    let mut client = server.login(&account.name, PASSWORD);
    assert!(client.command("PWD").starts_with("257 \"/\""));
    client.store("STOR /mine", b"content");
    assert_eq!(fs::metadata(account.home.join("mine")).unwrap().uid(), account.uid);
    for command in ["RETR /etc/passwd", "RETR ../../etc/passwd", "CWD out", "RETR out/passwd", "DELE mine"] {
        refused(&mut client, command);
    }
}

fn anonymous_sessions_are_served_as_their_account(runtime: &str) {
    // Nobody can log in to it, and its shell does not matter.
    let account = Account::with(&["--shell", "/usr/sbin/nologin"]);
    fs::write(account.home.join("public"), "for all").unwrap();
    fs::write(account.home.join("private"), "root's").unwrap();
    std::os::unix::fs::chown(account.home.join("public"), Some(account.uid), None).unwrap();
    fs::set_permissions(account.home.join("private"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let site = Site::new();
    let server = serve(&site, runtime, &format!("anonymous_user = '{}'", account.name));
    for name in ["anonymous", "ftp"] {
        let mut client = server.login(name, "me@");
        assert!(client.command("PWD").starts_with("257 \"/\""));
        assert_eq!(client.retrieve("RETR public"), b"for all");
        for command in ["RETR private", "STOR new", "DELE public", "RETR /etc/passwd"] {
            refused(&mut client, command);
        }
    }
    assert_eq!(attempt(&server, &account.name, PASSWORD), REFUSED);
}

fn users_can_be_different(runtime: &str) {
    let (alice, bob, served) = (Account::new(), Account::new(), Account::new());
    let site = Site::new();
    fs::set_permissions(site.path("."), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let home = site.path("home").display().to_string();
    let server = serve(
        &site,
        runtime,
        &format!(
            "anonymous_user = '{}'\n\
             [[system_users.user]]\nname = '{}'\nperm = 'elr'\nhome = '{home}'\nlogin_message = 'Only looking.'\n\
             [[system_users.user]]\nname = '{}'\npassword = 'another'\nquit_message = 'Bye, Bob.'\n\
             [[system_users.user]]\nname = 'anonymous'\nlogin_message = 'Welcome, all.'\n",
            served.name, alice.name, bob.name
        ),
    );
    let mut client = server.client();
    client.command(format!("USER {}", alice.name));
    assert_eq!(client.command(format!("PASS {PASSWORD}")), "230 Only looking.");
    assert!(client.command("PWD").contains(&format!("\"{home}\"")));
    assert_eq!(client.command("MKD /tmp/no"), "550 Not enough privileges.");
    // Bob's password of the machine is not his here, but an expired account stays expired.
    assert_eq!(attempt(&server, &bob.name, PASSWORD), REFUSED);
    let mut client = server.login(&bob.name, "another");
    client.store("STOR mine", b"content");
    assert_eq!(fs::metadata(bob.home.join("mine")).unwrap().uid(), bob.uid);
    assert_eq!(client.command("QUIT"), "221 Bye, Bob.");
    bob.change(&["--expiredate", "2020-01-01"]);
    assert_eq!(attempt(&server, &bob.name, "another"), REFUSED);
    assert_eq!(attempt(&server, "anonymous", ""), "230 Welcome, all.");
}

fn names_of_the_file_go_first(runtime: &str) {
    let account = Account::new();
    let site = Site::new();
    let home = site.path("home").display().to_string();
    let user = format!("[[user]]\nname = '{}'\npassword = 'of the file'\nhome = '{home}'", account.name);
    let server = serve(&site, runtime, &user);
    assert_eq!(attempt(&server, &account.name, PASSWORD), REFUSED);
    let mut client = server.login(&account.name, "of the file");
    assert!(client.command("PWD").starts_with("257 \"/\""));
}

fn a_reload_counts_for_the_next_login(runtime: &str) {
    let account = Account::new();
    let site = Site::new();
    let server = serve(&site, runtime, "");
    let mut client = server.login(&account.name, PASSWORD);
    site.write("ferry.toml", file(runtime, "", &format!("rejected = ['{}']", account.name)));
    server.signal(Signal::SIGHUP);
    server.wait_for("configuration reloaded");
    assert_eq!(attempt(&server, &account.name, PASSWORD), REFUSED);
    // Who is in stays in.
    client.store("STOR still-here", b"content");
    site.write("ferry.toml", file(runtime, "", "rejected = ['no-such-account']"));
    server.signal(Signal::SIGHUP);
    server.wait_for("ferry.toml:9:13: system_users.rejected: this machine has no user \"no-such-account\"");
    server.wait_for("configuration not reloaded");
}
