//! Clients over TLS, to a server that serves nobody without it. All of them verify its certificate.

use crate::{
    process::{run, succeed},
    server::{PASSWORD, Runtime, Site, USER},
    tree::{assert_same_file, assert_same_tree, noise, plant, plant_tree},
};

on_both_runtimes! {
    curl_over_explicit_tls,
    curl_over_implicit_tls,
    curl_over_tls_1_2,
    curl_over_tls_1_3,
    curl_reuses_its_session,
    curl_without_tls_is_refused,
    ftplib_over_explicit_tls,
    ftplib_over_tls_1_2,
    ftplib_over_tls_1_3,
    ftplib_reuses_its_session_in_tls_1_2,
    ftplib_reuses_its_session_in_tls_1_3,
    ftplib_without_reuse_is_refused,
    lftp_mirrors_over_explicit_tls,
    lftp_mirrors_over_implicit_tls,
    lftp_reuses_its_session,
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/ftplib_tls.py");
const REUSE: &str = "require_session_reuse = true";

#[track_caller]
fn curl(site: &Site, options: &[&str], arguments: &[&str]) -> String {
    let mut command = site.client("curl");
    command.args(["-sS", "--ssl-reqd", "--max-time", "60", "--cacert", &site.authority()]);
    command.args(["-u", &format!("{USER}:{PASSWORD}")]);
    succeed(command.args(options).args(arguments), "")
}

/// Files of several sizes up, listed, and down again.
#[track_caller]
fn transfer(site: &Site, options: &[&str]) {
    let files = [("empty", 0), ("one", 1), ("odd", 65_537), ("large", 5_000_000)];
    for (name, length) in files {
        plant(site.local().join(name), &noise(length as u64, length));
        curl(site, options, &["-T", name, &site.url("/")]);
        assert_same_file(site.local().join(name), site.served().join(name));
    }
    let listing = curl(site, options, &[&site.url("/")]);
    for (name, length) in files {
        let line = listing.lines().find(|line| line.trim_end().ends_with(&format!(" {name}"))).expect("it is listed");
        assert_eq!(line.split_whitespace().nth(4), Some(&*length.to_string()), "{listing}");
        let back = format!("{name}.back");
        curl(site, options, &["-o", &back, &site.url(&format!("/{name}"))]);
        // curl makes no file of an empty answer.
        if length > 0 {
            assert_same_file(site.served().join(name), site.local().join(back));
        }
    }
}

fn curl_over_explicit_tls(runtime: Runtime) {
    transfer(&Site::start_tls(runtime, ""), &[]);
}

fn curl_over_implicit_tls(runtime: Runtime) {
    transfer(&Site::start_implicit_tls(runtime), &[]);
}

fn curl_over_tls_1_2(runtime: Runtime) {
    transfer(&Site::start_tls(runtime, ""), &["--tlsv1.2", "--tls-max", "1.2"]);
}

fn curl_over_tls_1_3(runtime: Runtime) {
    transfer(&Site::start_tls(runtime, ""), &["--tlsv1.3"]);
}

fn curl_reuses_its_session(runtime: Runtime) {
    let site = Site::start_tls(runtime, REUSE);
    transfer(&site, &["--tls-max", "1.2"]);
    transfer(&site, &["--tlsv1.3"]);
}

fn curl_without_tls_is_refused(runtime: Runtime) {
    let site = Site::start_tls(runtime, "");
    plant(site.served().join("file"), b"secret");
    let account = format!("{USER}:{PASSWORD}");
    let refused = run(site.client("curl").args(["-sS", "-u", &account, &site.url("/file")]), "");
    assert!(!refused.status.success() && refused.stdout.is_empty(), "it was served without TLS");
}

/// Runs commands of lftp, the first that fails being the end.
#[track_caller]
fn lftp(site: &Site, commands: &[&str]) -> String {
    let (scheme, rest) =
        site.url("").split_once("://").map(|(scheme, rest)| (scheme.to_owned(), rest.to_owned())).unwrap();
    let open = format!("open --user {USER} --password {PASSWORD} {scheme}://{rest}");
    let authority = format!("set ssl:ca-file {}", site.authority());
    let settings = "set cmd:fail-exit true; set net:timeout 20; set net:max-retries 2; set ftp:ssl-force true; \
        set ftp:ssl-protect-data true; set ftp:ssl-protect-list true; set ssl:verify-certificate true";
    let script = [&[settings, &authority, &open], commands].concat().join("\n");
    succeed(site.client("lftp").args(["-c", &script]), "")
}

#[track_caller]
fn mirror(site: &Site) {
    plant_tree(&site.local().join("tree"), 60);
    lftp(site, &["mirror -R --parallel=4 tree copy", "mirror --parallel=4 copy back"]);
    assert_same_tree(site.local().join("tree"), site.served().join("copy"));
    assert_same_tree(site.local().join("tree"), site.local().join("back"));
}

fn lftp_mirrors_over_explicit_tls(runtime: Runtime) {
    mirror(&Site::start_tls(runtime, ""));
}

fn lftp_mirrors_over_implicit_tls(runtime: Runtime) {
    mirror(&Site::start_implicit_tls(runtime));
}

fn lftp_reuses_its_session(runtime: Runtime) {
    mirror(&Site::start_tls(runtime, REUSE));
}

/// A session of ftplib: files up, listed and down, three times.
#[track_caller]
fn ftplib(site: &Site, case: &str, version: &str) {
    plant(site.local().join("up.bin"), &noise(31, 3_000_000));
    plant(site.served().join("down.bin"), &noise(32, 3_000_000));
    let mut command = site.client("python3");
    command.args([SCRIPT, case, version, &site.host(), &site.port(), USER, PASSWORD, &site.authority()]);
    succeed(&mut command, "");
    if case != "refused" {
        assert_same_file(site.local().join("up.bin"), site.served().join("up.bin"));
        assert_same_file(site.served().join("down.bin"), site.local().join("down.bin"));
    }
}

fn ftplib_over_explicit_tls(runtime: Runtime) {
    ftplib(&Site::start_tls(runtime, ""), "plain", "any");
}

fn ftplib_over_tls_1_2(runtime: Runtime) {
    ftplib(&Site::start_tls(runtime, ""), "plain", "TLSv1.2");
}

fn ftplib_over_tls_1_3(runtime: Runtime) {
    ftplib(&Site::start_tls(runtime, ""), "plain", "TLSv1.3");
}

fn ftplib_reuses_its_session_in_tls_1_2(runtime: Runtime) {
    ftplib(&Site::start_tls(runtime, REUSE), "reuse", "TLSv1.2");
}

fn ftplib_reuses_its_session_in_tls_1_3(runtime: Runtime) {
    ftplib(&Site::start_tls(runtime, REUSE), "reuse", "TLSv1.3");
}

fn ftplib_without_reuse_is_refused(runtime: Runtime) {
    let site = Site::start_tls(runtime, REUSE);
    ftplib(&site, "refused", "TLSv1.2");
    ftplib(&site, "refused", "TLSv1.3");
}
