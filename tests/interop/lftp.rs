//! lftp: mirrors over several connections, segments of one file at a time, renames.

use std::{fs, os::unix::fs::PermissionsExt};

use crate::{
    process::succeed,
    server::{PASSWORD, Runtime, Site, USER},
    tree::{assert_same_file, assert_same_tree, modified, noise, plant, plant_awkward, plant_tree, set_time},
};

on_both_runtimes! {
    changes_modes,
    fetches_in_segments,
    keeps_awkward_names,
    mirrors_down,
    mirrors_down_in_active_mode,
    mirrors_over_ipv6,
    mirrors_up,
    mirrors_up_in_active_mode,
    removes_trees,
    renames,
    resumes_a_mirror,
    resumes_an_upload,
}

const ACTIVE: &str = "set ftp:passive-mode off";

/// Runs commands of lftp, the first that fails being the end.
#[track_caller]
fn lftp(site: &Site, commands: &[&str]) -> String {
    let host = site.url("").replacen("ftp://", &format!("ftp://{USER}@"), 1);
    let open = format!("open --password {PASSWORD} {host}");
    let settings = "set cmd:fail-exit true; set net:timeout 20; set net:max-retries 2";
    let script = [&[settings, &open], commands].concat().join("\n");
    succeed(site.client("lftp").args(["-c", &script]), "")
}

#[track_caller]
fn mirror_down(site: &Site, settings: &str) {
    plant_tree(&site.served().join("tree"), 300);
    let time = set_time(&site.served().join("tree/larger.bin"));
    lftp(site, &[settings, "mirror --parallel=4 tree copy"]);
    assert_same_tree(site.served().join("tree"), site.local().join("copy"));
    assert_eq!(modified(&site.local().join("copy/larger.bin")), time, "the mirror keeps times");
}

#[track_caller]
fn mirror_up(site: &Site, settings: &str) {
    plant_tree(&site.local().join("tree"), 300);
    let time = set_time(&site.local().join("tree/larger.bin"));
    lftp(site, &[settings, "mirror -R --parallel=4 tree copy"]);
    assert_same_tree(site.local().join("tree"), site.served().join("copy"));
    assert_eq!(modified(&site.served().join("copy/larger.bin")), time, "the mirror keeps times");

    let again = lftp(site, &[settings, "mirror -R --verbose tree copy"]);
    assert!(!again.contains("Transferring"), "a second mirror has nothing to do: {again}");
}

fn mirrors_down(runtime: Runtime) {
    mirror_down(&Site::start(runtime), "");
}

fn mirrors_down_in_active_mode(runtime: Runtime) {
    mirror_down(&Site::start(runtime), ACTIVE);
}

fn mirrors_up(runtime: Runtime) {
    mirror_up(&Site::start(runtime), "");
}

fn mirrors_up_in_active_mode(runtime: Runtime) {
    mirror_up(&Site::start(runtime), ACTIVE);
}

/// Passive alone: in active mode on `::1` lftp asks for a connection to `::`, which no careful server makes.
fn mirrors_over_ipv6(runtime: Runtime) {
    mirror_up(&Site::start_ipv6(runtime), "");
    mirror_down(&Site::start_ipv6(runtime), "");
}

fn keeps_awkward_names(runtime: Runtime) {
    let site = Site::start(runtime);
    plant_awkward(&site.local().join("tree"));
    lftp(&site, &["mirror -R tree there", "mirror there back"]);
    assert_same_tree(site.local().join("tree"), site.served().join("there"));
    assert_same_tree(site.local().join("tree"), site.local().join("back"));
}

fn resumes_a_mirror(runtime: Runtime) {
    let site = Site::start(runtime);
    let contents = noise(21, 2_000_000);
    plant(site.served().join("tree/cut.bin"), &contents);
    plant(site.served().join("tree/missing.bin"), &contents[5..]);
    plant(site.local().join("copy/cut.bin"), &contents[..777_777]);
    lftp(&site, &["mirror --continue tree copy"]);
    assert_same_tree(site.served().join("tree"), site.local().join("copy"));
}

fn resumes_an_upload(runtime: Runtime) {
    let site = Site::start(runtime);
    let contents = noise(22, 2_000_000);
    plant(site.local().join("file.bin"), &contents);
    plant(site.served().join("file.bin"), &contents[..777_777]);
    lftp(&site, &["put -c file.bin"]);
    assert_same_file(site.local().join("file.bin"), site.served().join("file.bin"));
}

fn fetches_in_segments(runtime: Runtime) {
    let site = Site::start(runtime);
    plant(site.served().join("large.bin"), &noise(23, 12_000_000));
    lftp(&site, &["set pget:min-chunk-size 1M", "pget -n 4 large.bin -o out.bin"]);
    assert_same_file(site.served().join("large.bin"), site.local().join("out.bin"));
}

fn renames(runtime: Runtime) {
    let site = Site::start(runtime);
    let contents = noise(24, 1_000);
    plant(site.local().join("kept"), &contents);
    plant(site.served().join("a file"), &contents);
    plant(site.served().join("folder/inner"), &contents);
    lftp(&site, &["mv 'a file' 'folder/b file'", "mv folder moved"]);
    assert_same_file(site.local().join("kept"), site.served().join("moved/b file"));
    assert_same_file(site.local().join("kept"), site.served().join("moved/inner"));
    assert!(!site.served().join("a file").exists() && !site.served().join("folder").exists());
}

fn removes_trees(runtime: Runtime) {
    let site = Site::start(runtime);
    plant_tree(&site.served().join("tree"), 30);
    plant_awkward(&site.served().join("tree/awkward"));
    lftp(&site, &["rm -r tree"]);
    assert!(!site.served().join("tree").exists(), "the tree has gone");
}

fn changes_modes(runtime: Runtime) {
    let site = Site::start(runtime);
    plant(site.served().join("file"), b"x");
    lftp(&site, &["chmod 640 file"]);
    let mode = fs::metadata(site.served().join("file")).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}
