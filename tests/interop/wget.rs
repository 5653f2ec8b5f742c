//! wget, which fetches trees by parsing LIST.

use crate::{
    process::succeed,
    server::{PASSWORD, Runtime, Site, USER},
    tree::{assert_same_file, assert_same_tree, noise, plant, plant_tree},
};

on_both_runtimes! {
    fetches_a_tree,
    fetches_in_active_mode,
    fetches_over_ipv6,
    resumes_a_download,
}

#[track_caller]
fn wget(site: &Site, arguments: &[&str]) {
    let mut command = site.client("wget");
    command.args(["--no-config", "--no-verbose", "--tries=2", "--timeout=30", "--user", USER, "--password", PASSWORD]);
    succeed(command.args(arguments), "");
}

/// wget makes no folder for an empty one, so there is none here.
#[track_caller]
fn fetch_tree(site: &Site, mode: &[&str]) {
    plant_tree(&site.served().join("tree"), 60);
    std::fs::remove_dir(site.served().join("tree/empty folder")).expect("an empty folder");
    wget(site, &[mode, &["-r", "--level=0", "--no-host-directories", &site.url("/tree/")]].concat());
    assert_same_tree(site.served().join("tree"), site.local().join("tree"));
}

fn fetches_a_tree(runtime: Runtime) {
    fetch_tree(&Site::start(runtime), &[]);
}

fn fetches_in_active_mode(runtime: Runtime) {
    fetch_tree(&Site::start(runtime), &["--no-passive-ftp"]);
}

fn fetches_over_ipv6(runtime: Runtime) {
    fetch_tree(&Site::start_ipv6(runtime), &[]);
}

fn resumes_a_download(runtime: Runtime) {
    let site = Site::start(runtime);
    let contents = noise(61, 2_000_000);
    plant(site.served().join("file.bin"), &contents);
    plant(site.local().join("file.bin"), &contents[..1_000_001]);
    wget(&site, &["-c", &site.url("/file.bin")]);
    assert_same_file(site.served().join("file.bin"), site.local().join("file.bin"));
}
