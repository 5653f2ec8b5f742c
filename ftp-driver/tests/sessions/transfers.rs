//! Files and listings in and out.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};

use ftp_fs::{LocalFs, Storage};

use crate::client::{pattern, reset};
use crate::on_both;
use crate::server::{Start, in_memory, service};

on_both! {
    a_file_comes_back_as_it_went,
    a_file_of_the_disk_goes_by_zero_copy_and_without,
    transfers_go_on_where_they_were_cut,
    ascii_files_come_back_unchanged,
    listings_of_many_entries_are_whole,
    the_time_of_creation_is_told_to_who_asks,
    active_transfers_work,
    a_speed_limit_holds_and_ends,
    an_upload_that_is_reset_is_not_complete,
    a_download_that_is_reset_is_not_complete,
    a_file_that_is_cut_while_it_goes_is_not_complete,
    a_client_that_half_closes_still_gets_its_file,
    bytes_sent_at_a_download_do_no_harm,
    a_client_that_closes_after_the_reply_waits_once,
    the_end_of_the_data_is_told_at_once,
    the_lines_of_stat_stand_between_its_replies,
}

fn a_file_comes_back_as_it_went(start: Start) {
    let server = start(in_memory().build());
    let mut client = server.logged_in();
    for len in [0, 1, 4096, 3_000_001] {
        let file = pattern(len);
        client.upload("STOR file", &file);
        assert!(client.download("RETR file") == file, "{len} bytes");
    }
    client.command("QUIT", 221);
    client.expect_end();
}

fn a_file_of_the_disk_goes_by_zero_copy_and_without(start: Start) {
    for use_sendfile in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let file = pattern(5_000_001);
        std::fs::write(directory.path().join("file"), &file).unwrap();
        let storage = Storage::blocking(LocalFs::open(directory.path()).unwrap());
        let server = start(service(storage).use_sendfile(use_sendfile).build());
        let mut client = server.logged_in();
        assert!(client.download("RETR file") == file);
        client.command("REST 4999999", 350);
        assert_eq!(client.download("RETR file"), file[4_999_999..]);
        client.command("REST 5000001", 350);
        assert_eq!(client.download("RETR file"), b"");
    }
}

fn transfers_go_on_where_they_were_cut(start: Start) {
    let server = start(in_memory().build());
    let mut client = server.logged_in();
    client.upload("STOR file", b"0123");
    client.upload("APPE file", b"4567");
    client.command("REST 6", 350);
    client.upload("STOR file", b"89");
    client.command("REST 3", 350);
    assert_eq!(client.download("RETR file"), b"34589");
    assert_eq!(client.download("RETR file"), b"01234589");
}

fn ascii_files_come_back_unchanged(start: Start) {
    let server = start(in_memory().build());
    let mut client = server.logged_in();
    client.command("TYPE A", 200);
    client.upload("STOR text", b"one\r\ntwo\r\n\r");
    assert_eq!(client.download("RETR text"), b"one\r\ntwo\r\n\r");
    client.command("TYPE I", 200);
    assert_eq!(client.download("RETR text"), b"one\ntwo\n\r");
}

fn listings_of_many_entries_are_whole(start: Start) {
    let server = start(in_memory().build());
    let mut client = server.logged_in();
    client.command("MKD empty", 257);
    client.command("CWD empty", 250);
    assert_eq!(client.download("LIST"), b"");
    client.command("CDUP", 250);
    for number in 0..700 {
        client.command(&format!("MKD directory-{number:04}"), 257);
    }
    let names = String::from_utf8(client.download("NLST")).unwrap();
    let mut names: Vec<&str> = names.lines().collect();
    names.sort_unstable();
    assert_eq!(names.len(), 701);
    assert_eq!(names[699], "directory-0699");
    assert_eq!(client.download("LIST").iter().filter(|byte| **byte == b'\n').count(), 701);
}

fn the_time_of_creation_is_told_to_who_asks(start: Start) {
    let server = start(in_memory().build());
    let mut client = server.logged_in();
    client.upload("STOR file", b"content");
    client.command("OPTS MLST create;modify;", 200);
    client.command("MFMT 20200102030405 file", 213);
    let line = String::from_utf8(client.download("MLSD")).unwrap();
    let (modified, created) = line.split_once(";create=").expect(&line);
    assert_eq!(modified, "modify=20200102030405");
    assert!(
        created.starts_with("20") && created.ends_with("; file\r\n") && !created.starts_with("2020010203"),
        "{line}"
    );
}

fn active_transfers_work(start: Start) {
    let server = start(in_memory().build());
    let mut client = server.logged_in();
    client.upload("STOR file", b"content");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    client.command(&format!("PORT 127,0,0,1,{},{}", port >> 8, port & 255), 200);
    client.begin("RETR file");
    let mut content = String::new();
    listener.accept().unwrap().0.read_to_string(&mut content).unwrap();
    client.expect(226);
    assert_eq!(content, "content");
    // Nobody listens any more.
    drop(listener);
    client.command(&format!("EPRT |1|127.0.0.1|{port}|"), 200);
    client.send("RETR file\r\n");
    assert!(client.reply().starts_with("150"));
    client.expect(425);
}

fn a_speed_limit_holds_and_ends(start: Start) {
    let limit = 400_000;
    let server = start(in_memory().read_limit(limit).write_limit(limit).build());
    let mut client = server.logged_in();
    let file = pattern(200_000);
    let began = std::time::Instant::now();
    client.upload("STOR file", &file);
    assert!(client.download("RETR file") == file);
    // A tenth of a second's worth may go at once, twice.
    let least = (2.0 * 200_000.0 - 2.0 * 40_000.0) / 400_000.0;
    assert!(began.elapsed().as_secs_f64() >= least, "{:?}", began.elapsed());
}

fn an_upload_that_is_reset_is_not_complete(start: Start) {
    let server = start(in_memory().build());
    let mut client = server.logged_in();
    let mut data = client.passive();
    client.begin("STOR cut");
    data.write_all(b"half of it").unwrap();
    reset(data);
    client.expect_lost();
    client.command("NOOP", 200);
}

fn a_download_that_is_reset_is_not_complete(start: Start) {
    let server = start(in_memory().build());
    let mut client = server.logged_in();
    client.upload("STOR file", &pattern(20_000_000));
    let mut data = client.passive();
    client.begin("RETR file");
    data.read_exact(&mut [0; 100]).unwrap();
    reset(data);
    client.expect(426);
    // A file that had gone to the system's buffers as a whole.
    client.upload("STOR file", b"short");
    let data = client.passive();
    client.begin("RETR file");
    reset(data);
    client.expect_lost();
}

fn a_file_that_is_cut_while_it_goes_is_not_complete(start: Start) {
    for use_sendfile in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let storage = Storage::blocking(LocalFs::open(directory.path()).unwrap());
        let server = start(service(storage).use_sendfile(use_sendfile).build());
        let mut client = server.logged_in();
        let file = std::fs::File::create(directory.path().join("file")).unwrap();
        // More than the buffers of both systems take, so that the end is not on its way before it is cut off.
        file.set_len(64 << 20).unwrap();
        let mut data = client.passive();
        client.begin("RETR file");
        data.read_exact(&mut [0; 100]).unwrap();
        file.set_len(60 << 20).unwrap();
        std::io::copy(&mut data, &mut std::io::sink()).unwrap();
        client.expect(451);
        assert_eq!(client.download("RETR file").len(), 60 << 20);
    }
}

fn a_client_that_half_closes_still_gets_its_file(start: Start) {
    let server = start(in_memory().build());
    let mut client = server.logged_in();
    let file = pattern(10_000_000);
    client.upload("STOR file", &file);
    let mut data = client.passive();
    data.shutdown(Shutdown::Write).unwrap();
    client.begin("RETR file");
    let mut bytes = Vec::new();
    data.read_to_end(&mut bytes).unwrap();
    client.expect(226);
    assert!(bytes == file);
}

fn bytes_sent_at_a_download_do_no_harm(start: Start) {
    let server = start(in_memory().build());
    let mut client = server.logged_in();
    let file = pattern(1_000_000);
    client.upload("STOR file", &file);
    let mut data = client.passive();
    client.begin("RETR file");
    data.write_all(&pattern(100_000)).unwrap();
    let mut bytes = Vec::new();
    // A reset in place of an end would show here.
    data.read_to_end(&mut bytes).unwrap();
    drop(data);
    client.expect(226);
    assert!(bytes == file);
}

fn a_client_that_closes_after_the_reply_waits_once(start: Start) {
    let server = start(in_memory().build());
    let mut client = server.logged_in();
    client.upload("STOR file", b"content");
    let began = std::time::Instant::now();
    for _ in 0..40 {
        let mut data = client.passive();
        client.begin("RETR file");
        data.read_exact(&mut [0; 7]).unwrap();
        client.expect(226);
    }
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}

fn the_end_of_the_data_is_told_at_once(start: Start) {
    let server = start(in_memory().build());
    let mut client = server.logged_in();
    client.upload("STOR file", b"content");
    let began = std::time::Instant::now();
    for _ in 0..40 {
        assert_eq!(client.download("RETR file"), b"content");
    }
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}

fn the_lines_of_stat_stand_between_its_replies(start: Start) {
    let server = start(in_memory().build());
    let mut client = server.logged_in();
    for number in 0..600 {
        client.command(&format!("MKD directory-{number:04}"), 257);
    }
    let reply = client.command("STAT /", 213);
    assert_eq!(reply.lines().filter(|line| line.contains("directory-")).count(), 600);
    assert!(reply.starts_with("213-"), "{reply}");
    client.command("NOOP", 200);
}
