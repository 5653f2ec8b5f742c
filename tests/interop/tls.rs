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
    curl_transfers_on_and_on_where_sessions_are_reused,
    curl_gets_the_certificate_of_the_name,
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
    openssl_gets_no_old_version_and_no_weak_cipher,
    openssl_cannot_renegotiate,
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

/// curl uploads several files over one control connection.
#[track_caller]
fn upload_three(site: &Site, options: &[&str]) {
    let files = ["one", "two", "three"];
    for (seed, name) in files.into_iter().enumerate() {
        plant(site.local().join(name), &noise(seed as u64, 300_000));
    }
    curl(site, options, &["-T", "{one,two,three}", &site.url("/")]);
    for name in files {
        assert_same_file(site.local().join(name), site.served().join(name));
    }
}

fn curl_transfers_on_and_on_where_sessions_are_reused(runtime: Runtime) {
    upload_three(&Site::start_tls(runtime, REUSE), &["--tls-max", "1.2"]);
    upload_three(&Site::start_tls(runtime, &format!("{REUSE}\nversions = ['1.2']")), &[]);
    upload_three(&Site::start_tls(runtime, ""), &["--tlsv1.3"]);
    // With OpenSSL it keeps one ticket of TLS 1.3, and uses it once. What it reads brings another; an upload does not,
    // so that it comes last.
    let site = Site::start_tls(runtime, REUSE);
    plant(site.local().join("file"), &noise(7, 300_000));
    let (authority, account) = (site.authority(), format!("{USER}:{PASSWORD}"));
    let [list, file] = ["/", "/file"].map(|path| site.url(path));
    let next =
        ["--next", "-sS", "--ssl-reqd", "--tlsv1.3", "--cacert", &authority, "-u", &account, "-T", "file", &file];
    let lists = ["-o", "list", &list].repeat(4);
    curl(&site, &["--tlsv1.3"], &[&lists[..], &next].concat());
    assert_same_file(site.local().join("file"), site.served().join("file"));
}

/// curl verifies the certificate, so that no other will do.
fn curl_gets_the_certificate_of_the_name(runtime: Runtime) {
    let tables = "[[tls.certificate]]\ncertfile = 'named.pem'\n[[tls.certificate]]\ncertfile = 'wild.pem'\n";
    let site = Site::start_tls(runtime, tables);
    plant(site.local().join("file"), &noise(5, 100_000));
    for host in ["ftp.example.test", "any.example.test", "127.0.0.1"] {
        for version in [&["--tls-max", "1.2"][..], &["--tlsv1.3"]] {
            let resolve = format!("{host}:{}:127.0.0.1", site.port());
            let url = format!("ftp://{host}:{}/file", site.port());
            let options = [version, &["--resolve", &resolve]].concat();
            curl(&site, &options, &["-T", "file", &url]);
            curl(&site, &options, &["-o", "back", &url]);
            assert_same_file(site.local().join("file"), site.local().join("back"));
        }
    }
}

/// What `openssl s_client` tells of a handshake by these options, and of what it is given to send.
fn s_client(site: &Site, options: &[&str], input: &str) -> String {
    let mut command = site.client("openssl");
    let address = format!("{}:{}", site.host(), site.port());
    command.args(["s_client", "-starttls", "ftp", "-connect", &address]).args(options);
    let output = run(&mut command, input);
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

fn openssl_gets_no_old_version_and_no_weak_cipher(runtime: Runtime) {
    let site = Site::start_tls(runtime, "");
    let agreed = |options: &[&str]| {
        let told = s_client(&site, options, "");
        assert!(told.contains("Cipher is "), "{told}");
        !told.contains("Cipher is (NONE)")
    };
    assert!(agreed(&["-tls1_2"]) && agreed(&["-tls1_3"]));
    assert!(agreed(&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"]));
    for old in ["-tls1", "-tls1_1"] {
        assert!(!agreed(&[old, "-cipher", "DEFAULT:@SECLEVEL=0"]), "{old}");
    }
    for weak in
        ["AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "aNULL", "eNULL"]
    {
        assert!(!agreed(&["-tls1_2", "-cipher", &format!("{weak}:@SECLEVEL=0")]), "{weak}");
    }
}

fn openssl_cannot_renegotiate(runtime: Runtime) {
    let site = Site::start_tls(runtime, "");
    let told = s_client(&site, &["-tls1_2"], "R\nNOOP\n");
    let (_, after) = told.split_once("RENEGOTIATING").expect("it tries");
    assert!(!after.contains("\n200 ") && !after.contains("verify return:1"), "{told}");
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
