//! The command line as other programs see it: exit status, standard output, standard error.

mod common;

use std::io::Write;
use std::net::TcpListener;
use std::process::{Output, Stdio};

use common::{Site, ferry};

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    output(ferry().args(arguments).output().unwrap())
}

fn output(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn is_misuse(arguments: &[&str], told: &str) {
    let (status, stdout, stderr) = run(arguments);
    assert_eq!((status, &*stdout), (Some(2), ""), "{arguments:?}: {stderr}");
    assert!(stderr.contains(told), "{arguments:?}: {stderr}");
}

#[test]
fn wrong_values_are_told() {
    is_misuse(&["--nonsense"], "--nonsense");
    is_misuse(&["-p", "65536"], "--port");
    is_misuse(&["-p", "-1"], "-1");
    is_misuse(&["-i", "nowhere"], "--interface");
    is_misuse(&["-n", "::1"], "--nat-address");
    is_misuse(&["-d", "/no/such/directory"], "/no/such/directory");
    is_misuse(&["-d", env!("CARGO_BIN_EXE_ferry")], "is not a directory");
    is_misuse(&["--record", "/no/such/directory"], "/no/such/directory");
    for range in ["9-8", "0-1", "a-b", "1-65536"] {
        is_misuse(&["-r", range], "expected FROM-TO or one port");
    }
    is_misuse(&["--runtime", "async-std"], "tokio, smol");
    is_misuse(&["--workers", "100000"], "from 0 to 1024");
    is_misuse(&["--timeout", "soon"], "expected seconds");
    is_misuse(&["--encoding", "klingon"], "WHATWG");
    is_misuse(&["--max-cons", "-1"], "-1");
    is_misuse(&["-u", ""], "cannot be empty");
    is_misuse(&["extra"], "extra");
}

#[test]
fn who_names_a_directory_alone_is_told_the_flag_for_it() {
    let directory = env!("CARGO_MANIFEST_DIR");
    let tip = format!("to share that directory: --directory {directory}");
    is_misuse(&[directory], &tip);
    is_misuse(&["-p", "0", directory], &tip);
}

#[test]
fn a_user_needs_a_password() {
    is_misuse(&["-u", "alice"], "FERRY_PASSWORD");
    is_misuse(&["-u", "alice", "-P", ""], "FERRY_PASSWORD");
    is_misuse(&["-P", "secret"], "--password needs --username");
}

#[test]
fn files_for_tls_that_are_of_no_use_are_misuse() {
    let site = Site::new();
    site.write("empty.pem", "");
    let empty = site.path("empty.pem");
    is_misuse(&["--certfile", empty.to_str().unwrap()], "ferry: --certfile: ");
    is_misuse(&["--tls", "--keyfile", empty.to_str().unwrap()], "--keyfile needs --certfile");
}

#[test]
fn files_for_tls_that_cannot_be_read_leave_nothing_to_serve() {
    let site = Site::new();
    let missing = site.path("missing.pem");
    let (status, stdout, stderr) = run(&["--tls", "--certfile", missing.to_str().unwrap()]);
    assert_eq!((status, &*stdout, stderr.lines().count()), (Some(1), "", 1), "{stderr}");
    assert!(stderr.starts_with(&format!("ferry: --certfile: {}: cannot be read: ", missing.display())), "{stderr}");

    site.write("ferry.toml", "[tls]\ncertfile = 'missing.pem'\n[anonymous]\nhome = 'home'\n");
    let file = site.path("ferry.toml");
    let (status, stdout, stderr) = run(&["--config", file.to_str().unwrap(), "-p", "0"]);
    assert_eq!((status, &*stdout, stderr.lines().count()), (Some(1), "", 1), "{stderr}");
    assert!(stderr.starts_with(&format!("{}:2:12: tls.certfile: ", file.display())), "{stderr}");
    // The check of a file knows right and wrong alone.
    assert_eq!(run(&["check-config", file.to_str().unwrap()]).0, Some(2));
}

#[test]
fn the_password_in_the_environment_is_shown_to_nobody() {
    let help = output(ferry().arg("--help").env("FERRY_PASSWORD", "hunter2").output().unwrap());
    assert_eq!(help.0, Some(0));
    assert!(help.1.contains("FERRY_PASSWORD") && !help.1.contains("hunter2"), "{}", help.1);
}

#[test]
fn a_configuration_is_checked() {
    let site = Site::new();
    site.write("good.toml", "[anonymous]\nhome = 'home'\n");
    site.write("bad.toml", "[server]\nwrkers = 1\n[anonymous]\nhome = 'house'\n");
    let check = |name: &str| output(ferry().arg("check-config").arg(site.path(name)).output().unwrap());
    assert_eq!(check("good.toml"), (Some(0), String::new(), String::new()));
    let (status, stdout, stderr) = check("bad.toml");
    assert_eq!((status, &*stdout, stderr.lines().count()), (Some(2), "", 2), "{stderr}");
    let place = |line, column| format!("{}:{line}:{column}: ", site.path("bad.toml").display());
    assert!(stderr.starts_with(&place(2, 1)) && stderr.contains(&place(4, 8)), "{stderr}");
    assert_eq!(check("missing.toml").0, Some(2));
    // Serving tells the same.
    let served = output(ferry().arg("--config").arg(site.path("bad.toml")).output().unwrap());
    assert_eq!(served, (Some(2), String::new(), stderr));
}

#[test]
fn the_check_warns_of_certificates_whose_time_is_not_now() {
    let site = Site::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(2001, 9, 9);
    site.write("both.pem", parameters.self_signed(&key).unwrap().pem() + &key.serialize_pem());
    site.write("ferry.toml", "[tls]\ncertfile = 'both.pem'\n");
    let (status, stdout, stderr) = output(ferry().arg("check-config").arg(site.path("ferry.toml")).output().unwrap());
    assert_eq!((status, &*stdout, stderr.lines().count()), (Some(0), "", 1), "{stderr}");
    assert!(stderr.starts_with("warning: ") && stderr.contains("both.pem: the certificate has expired: "), "{stderr}");
}

#[test]
fn flags_that_mean_nobody_are_misuse() {
    let site = Site::new();
    site.write("users.toml", "[[user]]\nname = 'alice'\npassword = 'x'\nhome = 'home'\n");
    let (status, _, stderr) = output(ferry().arg("-w").arg("--config").arg(site.path("users.toml")).output().unwrap());
    assert_eq!(status, Some(2));
    assert!(stderr.contains("[anonymous]"), "{stderr}");
}

#[test]
fn a_taken_port_is_one_line_and_status_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let holder = TcpListener::bind(taken).unwrap();
    let (status, stdout, stderr) = run(&["-i", "127.0.0.1", "-p", &taken.port().to_string()]);
    assert_eq!((status, &*stdout, stderr.lines().count()), (Some(1), "", 1), "{stderr}");
    assert!(stderr.starts_with(&format!("ferry: cannot listen on {taken}: ")), "{stderr}");
    drop(holder);
}

#[test]
fn a_log_that_cannot_be_opened_is_one_line_and_status_1() {
    let site = Site::new();
    site.write("ferry.toml", "[server]\nlisten = ['127.0.0.1:0']\n[log]\ntransfer_log = 'nowhere/xferlog'\n");
    let (status, _, stderr) = output(ferry().arg("--config").arg(site.path("ferry.toml")).output().unwrap());
    assert_eq!((status, stderr.lines().count()), (Some(1), 1), "{stderr}");
    assert!(stderr.starts_with("ferry: log.transfer_log: cannot open "), "{stderr}");
}

#[test]
fn a_password_is_hashed() {
    let hash = |input: &[u8]| {
        let mut command = ferry();
        command.arg("hash-password").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        output(child.wait_with_output().unwrap())
    };
    let (status, hashed, stderr) = hash(b"open sesame\n");
    assert_eq!((status, &*stderr), (Some(0), ""));
    let parsed: ftp_fs::HashedPassword = hashed.trim_end().parse().unwrap();
    assert!(hashed.starts_with("$argon2id$") && hashed.ends_with('\n'));
    assert!(parsed.verify(&"open sesame".into()));
    assert_eq!(hash(b"\n").0, Some(1));
}

#[test]
fn completions_and_manual() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (status, script, _) = run(&["completions", shell]);
        assert!(status == Some(0) && script.contains("max-login-attempts"), "{shell}");
        assert!(script.contains("replay") && script.contains("record"), "{shell}");
    }
    let (status, page, _) = run(&["man"]);
    assert!(status == Some(0) && page.contains(".TH ferry") && page.contains("FERRY_PASSWORD"), "{page}");
    assert!(page.contains("replay") && page.contains("\\-\\-record"), "{page}");
    is_misuse(&["completions", "dash"], "dash");
}

#[test]
fn the_version_is_told() {
    let version = concat!("ferry ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(run(&["--version"]), (Some(0), version.to_owned(), String::new()));
}
