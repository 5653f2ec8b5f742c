//! curl, and with it everything built on libcurl.

use std::{fs, io::ErrorKind};

use crate::{
    process::succeed,
    server::{PASSWORD, Runtime, Site, USER},
    tree::{AWKWARD_NAMES, assert_same_file, noise, plant, set_time, text},
};

on_both_runtimes! {
    appends,
    converts_text,
    creates_folders,
    fetches_anonymously,
    keeps_awkward_names,
    lists,
    reports_size_and_time,
    resumes_a_download,
    resumes_an_upload,
    runs_quoted_commands,
    transfers_in_active_mode,
    transfers_in_active_mode_without_eprt,
    transfers_over_ipv6,
    transfers_over_ipv6_in_active_mode,
    transfers_with_epsv,
    transfers_with_pasv,
}

#[track_caller]
fn curl(site: &Site, arguments: &[&str]) -> String {
    let mut command = site.client("curl");
    command.args(["-sS", "--globoff", "--max-time", "60", "-u", &format!("{USER}:{PASSWORD}")]);
    succeed(command.args(arguments), "")
}

/// Files of several sizes up, down again, and compared on both ways.
#[track_caller]
fn transfer(site: &Site, mode: &[&str]) {
    for (name, length) in [("empty", 0), ("one", 1), ("odd", 65_537), ("large", 5_000_000)] {
        plant(site.local().join(name), &noise(length as u64, length));
        curl(site, &[mode, &["-T", name, &site.url("/")]].concat());
        assert_same_file(site.local().join(name), site.served().join(name));

        let back = format!("{name}.back");
        curl(site, &[mode, &["-o", &back, &site.url(&format!("/{name}"))]].concat());
        // curl makes no file of an empty answer.
        if length > 0 {
            assert_same_file(site.served().join(name), site.local().join(back));
        }
    }
}

fn transfers_with_epsv(runtime: Runtime) {
    transfer(&Site::start(runtime), &[]);
}

fn transfers_with_pasv(runtime: Runtime) {
    transfer(&Site::start(runtime), &["--disable-epsv"]);
}

fn transfers_in_active_mode(runtime: Runtime) {
    transfer(&Site::start(runtime), &["-P", "-"]);
}

fn transfers_in_active_mode_without_eprt(runtime: Runtime) {
    transfer(&Site::start(runtime), &["-P", "-", "--disable-eprt"]);
}

fn transfers_over_ipv6(runtime: Runtime) {
    transfer(&Site::start_ipv6(runtime), &[]);
}

fn transfers_over_ipv6_in_active_mode(runtime: Runtime) {
    transfer(&Site::start_ipv6(runtime), &["-P", "-"]);
}

fn fetches_anonymously(runtime: Runtime) {
    let site = Site::start_anonymous(runtime);
    plant(site.served().join("pub/file.bin"), &noise(3, 10_000));
    succeed(site.client("curl").args(["-sS", "-O", &site.url("/pub/file.bin")]), "");
    assert_same_file(site.served().join("pub/file.bin"), site.local().join("file.bin"));

    let upload = ["-sS", "-T", "file.bin", &site.url("/pub/other.bin")];
    let refused = crate::process::run(site.client("curl").args(upload), "");
    assert!(!refused.status.success(), "an anonymous user could write");
    assert!(!site.served().join("pub/other.bin").exists(), "a refused upload left a file");
}

fn lists(runtime: Runtime) {
    let site = Site::start(runtime);
    plant(site.served().join("folder/a file"), b"12345");
    plant(site.served().join("folder/sub/x"), b"");
    let long = curl(&site, &[&site.url("/folder/")]);
    let file = long.lines().find(|line| line.ends_with(" a file")).expect("the file is listed");
    assert!(file.starts_with("-rw"), "{long}");
    assert_eq!(file.split_whitespace().nth(4), Some("5"), "the fifth column is the size: {long}");
    assert!(long.lines().any(|line| line.starts_with('d') && line.ends_with(" sub")), "{long}");

    let names = curl(&site, &["--list-only", &site.url("/folder/")]);
    assert_eq!(names.split_terminator('\n').map(str::trim_end).filter(|name| !name.is_empty()).count(), 2, "{names}");
    assert!(names.contains("a file"), "{names}");
}

fn resumes_a_download(runtime: Runtime) {
    let site = Site::start(runtime);
    let contents = noise(11, 3_000_000);
    plant(site.served().join("file.bin"), &contents);
    plant(site.local().join("file.bin"), &contents[..1_234_567]);
    curl(&site, &["-C", "-", "-O", &site.url("/file.bin")]);
    assert_same_file(site.served().join("file.bin"), site.local().join("file.bin"));
}

fn resumes_an_upload(runtime: Runtime) {
    let site = Site::start(runtime);
    let contents = noise(12, 3_000_000);
    plant(site.local().join("file.bin"), &contents);
    plant(site.served().join("file.bin"), &contents[..1_234_567]);
    curl(&site, &["-C", "-", "-T", "file.bin", &site.url("/")]);
    assert_same_file(site.local().join("file.bin"), site.served().join("file.bin"));
}

fn appends(runtime: Runtime) {
    let site = Site::start(runtime);
    let contents = noise(13, 500_000);
    plant(site.served().join("file.bin"), &contents[..200_000]);
    plant(site.local().join("rest.bin"), &contents[200_000..]);
    plant(site.local().join("whole.bin"), &contents);
    curl(&site, &["--append", "-T", "rest.bin", &site.url("/file.bin")]);
    assert_same_file(site.local().join("whole.bin"), site.served().join("file.bin"));
}

fn creates_folders(runtime: Runtime) {
    let site = Site::start(runtime);
    plant(site.local().join("file.bin"), &noise(14, 1_000));
    curl(&site, &["--ftp-create-dirs", "-T", "file.bin", &site.url("/a/b/c/")]);
    assert_same_file(site.local().join("file.bin"), site.served().join("a/b/c/file.bin"));
}

fn keeps_awkward_names(runtime: Runtime) {
    let site = Site::start(runtime);
    for (seed, name) in AWKWARD_NAMES.iter().enumerate() {
        plant(site.local().join("source"), &noise(seed as u64, 500));
        let path: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let url = site.url(&format!("/{path}"));
        curl(&site, &["-T", "source", &url]);
        assert_same_file(site.local().join("source"), site.served().join(name));
        curl(&site, &["-o", "back", &url]);
        assert_same_file(site.local().join("source"), site.local().join("back"));
    }
}

fn runs_quoted_commands(runtime: Runtime) {
    let site = Site::start(runtime);
    plant(site.served().join("old name"), &noise(15, 1_000));
    plant(site.served().join("unwanted"), b"x");
    plant(site.local().join("copy"), &noise(15, 1_000));
    fs::create_dir(site.served().join("empty")).expect("a folder");
    let commands = ["MKD new", "RNFR old name", "RNTO new/new name", "DELE unwanted", "RMD empty"];
    let quoted: Vec<&str> = commands.iter().flat_map(|command| ["-Q", command]).collect();
    curl(&site, &[quoted.as_slice(), &[&site.url("/")]].concat());

    assert_same_file(site.local().join("copy"), site.served().join("new/new name"));
    for gone in ["old name", "unwanted", "empty"] {
        let missing = fs::symlink_metadata(site.served().join(gone)).expect_err("it has gone");
        assert_eq!(missing.kind(), ErrorKind::NotFound, "{gone}");
    }
}

fn reports_size_and_time(runtime: Runtime) {
    let site = Site::start(runtime);
    plant(site.served().join("file.bin"), &noise(16, 4_321));
    set_time(&site.served().join("file.bin"));
    let head = curl(&site, &["-I", &site.url("/file.bin")]);
    assert!(head.contains("Content-Length: 4321"), "{head}");
    assert!(head.contains("Last-Modified: Sun, 09 Sep 2001 01:46:40 GMT"), "{head}");
}

/// Here curl turns LF into CRLF and back itself, so both ends hold Unix lines.
fn converts_text(runtime: Runtime) {
    let site = Site::start(runtime);
    plant(site.local().join("text"), &text());
    curl(&site, &["-B", "-T", "text", &site.url("/")]);
    assert_same_file(site.local().join("text"), site.served().join("text"));
    curl(&site, &["-B", "-o", "back", &site.url("/text")]);
    assert_same_file(site.served().join("text"), site.local().join("back"));
}
