//! The batch programs of NcFTP: whole trees by `ncftpput` and `ncftpget`, listings by `ncftpls`.

use crate::{
    process::succeed,
    server::{PASSWORD, Runtime, Site, USER},
    tree::{assert_same_file, assert_same_tree, noise, plant, plant_tree},
};

on_both_runtimes! {
    lists,
    resumes_a_download,
    transfers_trees,
    transfers_trees_in_active_mode,
}

#[track_caller]
fn ncftp(site: &Site, program: &str, arguments: &[&str]) -> String {
    let mut command = site.client(program);
    command.args(["-u", USER, "-p", PASSWORD, "-P", &site.port()]);
    succeed(command.args(arguments), "")
}

#[track_caller]
fn transfer_trees(site: &Site, mode: &str) {
    plant_tree(&site.local().join("up"), 60);
    ncftp(site, "ncftpput", &["-V", mode, "-R", &site.host(), "/", "up"]);
    assert_same_tree(site.local().join("up"), site.served().join("up"));

    plant_tree(&site.served().join("down"), 60);
    ncftp(site, "ncftpget", &["-V", mode, "-R", &site.host(), ".", "/down"]);
    assert_same_tree(site.served().join("down"), site.local().join("down"));
}

fn transfers_trees(runtime: Runtime) {
    transfer_trees(&Site::start(runtime), "-F");
}

fn transfers_trees_in_active_mode(runtime: Runtime) {
    transfer_trees(&Site::start(runtime), "-E");
}

fn resumes_a_download(runtime: Runtime) {
    let site = Site::start(runtime);
    let contents = noise(51, 2_000_000);
    plant(site.served().join("file.bin"), &contents);
    plant(site.local().join("file.bin"), &contents[..1_000_001]);
    ncftp(&site, "ncftpget", &["-V", "-z", &site.host(), ".", "/file.bin"]);
    assert_same_file(site.served().join("file.bin"), site.local().join("file.bin"));
}

fn lists(runtime: Runtime) {
    let site = Site::start(runtime);
    plant(site.served().join("folder/a file"), b"12345");
    let url = site.url("/folder/");
    let names = ncftp(&site, "ncftpls", &["-1", &url]);
    assert!(names.lines().any(|line| line == "a file"), "{names}");
    let long = ncftp(&site, "ncftpls", &["-l", &url]);
    assert!(long.lines().any(|line| line.starts_with("-rw") && line.ends_with(" a file")), "{long}");
}
