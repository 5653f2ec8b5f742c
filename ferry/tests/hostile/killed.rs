//! A server that is killed in the middle of an upload.

use std::fs;
use std::io::Write;
use std::net::Shutdown;

use crate::common::Client;
use crate::on_both_runtimes;
use crate::watched::{Setup, Watched, wait_until};

on_both_runtimes!(a_killed_server_leaves_the_old_or_the_new_content_and_serves_no_litter);

const OLD: &[u8] = &[b'o'; 3000];
const NEW: &[u8] = &[b'n'; 300_000];

fn a_killed_server_leaves_the_old_or_the_new_content_and_serves_no_litter(runtime: &str) {
    let setup = Setup::new(runtime);
    let mut server = setup.serve();
    fs::create_dir(server.site.path("home/folder")).unwrap();
    // At every stage of the upload; of its end, when is up to chance.
    for sent in [0, 1, NEW.len() / 2, NEW.len() - 1, NEW.len(), NEW.len(), NEW.len(), NEW.len()] {
        server.site.write("home/folder/file", OLD);
        let mut client = server.alice();
        let mut data = client.transfer("STOR folder/file");
        data.write_all(&NEW[..sent]).unwrap();
        if sent == NEW.len() {
            data.shutdown(Shutdown::Write).unwrap();
        } else {
            wait_until(|| "nothing is written".to_owned(), || staged(&server) >= sent as u64);
        }
        server.kill_and_serve_again(&setup);
        let content = fs::read(server.site.path("home/folder/file")).unwrap();
        assert!(content == OLD || (content == NEW && sent == NEW.len()), "{} bytes after {sent}", content.len());
        assert_clean(&mut server.alice(), &content);
    }
    let mut client = server.alice();
    assert!(client.command("DELE folder/file").starts_with("250"));
    // What is left over is in nobody's way.
    assert!(client.command("RMD folder").starts_with("250"));
    assert!(!server.site.path("home/folder").exists());
    drop(client);
    server.finish();
}

/// How much of the new content is on the disk, which may be nothing of a new file.
fn staged(server: &Watched) -> u64 {
    let entries = fs::read_dir(server.site.path("home/folder")).unwrap().filter_map(Result::ok);
    let others = entries.filter(|entry| entry.file_name() != "file");
    others.filter_map(|entry| Some(entry.metadata().ok()?.len())).max().unwrap_or(0)
}

/// Asserts that the folder has that one file, for every command, and that it can be replaced.
#[track_caller]
fn assert_clean(client: &mut Client, content: &[u8]) {
    client.command("TYPE I");
    assert_eq!(client.retrieve("NLST folder"), b"file\r\n");
    for line in ["LIST -a folder", "MLSD folder"] {
        let listing = String::from_utf8(client.retrieve(line)).unwrap();
        assert_eq!(
            listing.lines().filter(|line| !line.ends_with(" .") && !line.ends_with(" ..")).count(),
            1,
            "{listing}"
        );
    }
    assert_eq!(client.retrieve("RETR folder/file"), content);
    client.store("STOR folder/file", b"after");
    assert_eq!(client.retrieve("RETR folder/file"), b"after");
}
