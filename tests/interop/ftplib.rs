//! Python's ftplib, by the script beside this file: what its many users' programs do in one session.

use std::{fs, process::Command};

use crate::{
    process::succeed,
    server::{PASSWORD, Runtime, Site, USER},
    tree::{assert_same_file, noise, plant, set_time, text},
};

on_both_runtimes! {
    aborts_and_goes_on,
    lists,
    logs_in_anonymously,
    manages_files,
    resumes_a_download,
    resumes_an_upload,
    transfers_files,
    transfers_in_active_mode,
    transfers_lines,
    transfers_over_ipv6,
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/interop/ftplib_session.py");

fn python(site: &Site, case: &str) -> Command {
    let mut command = site.client("python3");
    command.args([SCRIPT, case, &site.host(), &site.port()]);
    command
}

/// Runs a case of the script as the named user.
#[track_caller]
fn session(site: &Site, case: &str) {
    succeed(python(site, case).args([USER, PASSWORD]), "");
}

#[track_caller]
fn transfer(site: &Site, case: &str) {
    plant(site.local().join("up.bin"), &noise(31, 3_000_000));
    plant(site.served().join("down.bin"), &noise(32, 3_000_000));
    session(site, case);
    assert_same_file(site.local().join("up.bin"), site.served().join("up.bin"));
    assert_same_file(site.served().join("down.bin"), site.local().join("down.bin"));
}

fn transfers_files(runtime: Runtime) {
    transfer(&Site::start(runtime), "transfer");
}

fn transfers_in_active_mode(runtime: Runtime) {
    transfer(&Site::start(runtime), "transfer-active");
}

fn transfers_over_ipv6(runtime: Runtime) {
    transfer(&Site::start_ipv6(runtime), "transfer");
}

fn logs_in_anonymously(runtime: Runtime) {
    let site = Site::start_anonymous(runtime);
    plant(site.served().join("down.bin"), &noise(33, 100_000));
    succeed(&mut python(&site, "anonymous"), "");
    assert_same_file(site.served().join("down.bin"), site.local().join("down.bin"));
}

fn lists(runtime: Runtime) {
    let site = Site::start(runtime);
    for name in ["a file", "größe"] {
        plant(site.served().join("folder").join(name), b"12345");
        set_time(&site.served().join("folder").join(name));
    }
    fs::create_dir_all(site.served().join("folder/sub")).expect("a folder");
    session(&site, "list");
}

fn transfers_lines(runtime: Runtime) {
    let site = Site::start(runtime);
    plant(site.local().join("text"), &text());
    session(&site, "lines");
    assert_same_file(site.local().join("text"), site.served().join("text"));
    assert_same_file(site.local().join("text"), site.local().join("back"));
}

fn resumes_a_download(runtime: Runtime) {
    let site = Site::start(runtime);
    let contents = noise(34, 2_000_000);
    plant(site.served().join("file.bin"), &contents);
    plant(site.local().join("file.bin"), &contents[..1_000_001]);
    session(&site, "resume-download");
    assert_same_file(site.served().join("file.bin"), site.local().join("file.bin"));
}

fn resumes_an_upload(runtime: Runtime) {
    let site = Site::start(runtime);
    let contents = noise(35, 2_000_000);
    plant(site.local().join("file.bin"), &contents);
    plant(site.served().join("file.bin"), &contents[..1_000_001]);
    session(&site, "resume-upload");
    assert_same_file(site.local().join("file.bin"), site.served().join("file.bin"));
}

fn manages_files(runtime: Runtime) {
    let site = Site::start(runtime);
    plant(site.served().join("old name"), &noise(36, 1_000));
    plant(site.served().join("unwanted"), b"x");
    plant(site.local().join("copy"), &noise(36, 1_000));
    session(&site, "manage");
    assert_same_file(site.local().join("copy"), site.served().join("say \"new\"/new name"));
    for gone in ["old name", "unwanted", "brief"] {
        assert!(!site.served().join(gone).exists(), "{gone}");
    }
}

/// The file is larger than what the sockets between can hold, so the abort meets a transfer that runs.
fn aborts_and_goes_on(runtime: Runtime) {
    let site = Site::start(runtime);
    plant(site.served().join("large.bin"), &noise(37, 30_000_000));
    plant(site.served().join("down.bin"), &noise(38, 100_000));
    session(&site, "abort");
    assert_same_file(site.served().join("down.bin"), site.local().join("down.bin"));
}
