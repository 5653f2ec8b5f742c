//! ABOR and its kin, while the peer of the data connection stands still.

use std::io::{Read, Write};
use std::time::Duration;

use ftp_proto::Config;

use crate::client::pattern;
use crate::on_both;
use crate::server::{Start, in_memory};

on_both! {
    a_stalled_download_is_aborted_at_once,
    a_stalled_upload_is_aborted_at_once,
    waiting_for_the_data_connection_is_aborted_at_once,
    other_commands_are_answered_while_the_peer_stalls,
    an_urgent_abort_is_understood,
    a_stall_ends_the_session,
    a_flood_of_commands_is_answered_in_order,
    a_client_that_reads_no_replies_is_stopped,
}

fn a_stalled_download_is_aborted_at_once(start: Start) {
    let server = start(in_memory().build());
    let mut client = server.logged_in();
    client.upload("STOR file", &pattern(30_000_000));
    let mut data = client.passive();
    client.begin("RETR file");
    data.read_exact(&mut [0; 1000]).unwrap();
    let began = std::time::Instant::now();
    client.send("ABOR\r\n");
    client.expect(426);
    client.expect(226);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    // The connection ends in good order, and the session goes on.
    data.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(client.download("NLST"), b"file\r\n");
}

fn a_stalled_upload_is_aborted_at_once(start: Start) {
    let server = start(in_memory().build());
    let mut client = server.logged_in();
    let mut data = client.passive();
    client.begin("STOR file");
    data.write_all(b"beginning").unwrap();
    // A connection that the server has not accepted yet is reset.
    client.await_progress("9 bytes");
    client.send("ABOR\r\n");
    client.expect(426);
    client.expect(226);
    assert_eq!(data.read(&mut [0]).unwrap(), 0);
    client.upload("STOR file", b"whole");
    assert_eq!(client.download("RETR file"), b"whole");
}

fn waiting_for_the_data_connection_is_aborted_at_once(start: Start) {
    let server = start(in_memory().build());
    let mut client = server.logged_in();
    let _address = client.passive_address();
    client.begin("STOR file");
    client.send("ABOR\r\n");
    client.expect(426);
    client.expect(226);
    client.command("ABOR", 225);
}

fn other_commands_are_answered_while_the_peer_stalls(start: Start) {
    let server = start(in_memory().build());
    let mut client = server.logged_in();
    let file = pattern(30_000_000);
    client.upload("STOR file", &file);
    let mut data = client.passive();
    client.begin("RETR file");
    client.command("NOOP", 200);
    client.command("STAT", 211);
    client.command("QUIT", 221);
    let mut bytes = Vec::new();
    data.read_to_end(&mut bytes).unwrap();
    drop(data);
    assert!(bytes == file);
    client.expect(226);
    client.expect_end();
}

fn an_urgent_abort_is_understood(start: Start) {
    let server = start(in_memory().build());
    let mut client = server.logged_in();
    let _data = client.passive();
    client.begin("STOR file");
    let control = client.control.get_ref();
    (&mut &*control).write_all(&[0xFF, 0xF4, 0xFF]).unwrap();
    socket2::SockRef::from(control).send_out_of_band(&[0xF2]).unwrap();
    (&mut &*control).write_all(b"ABOR\r\n").unwrap();
    client.expect(426);
    client.expect(226);
    client.command("NOOP", 200);
}

fn a_stall_ends_the_session(start: Start) {
    let config = Config { stall_timeout: Some(Duration::from_millis(300)), ..Config::default() };
    let server = start(in_memory().config(config).build());
    let mut client = server.logged_in();
    client.upload("STOR file", &pattern(30_000_000));
    let _data = client.passive();
    client.begin("RETR file");
    client.expect(421);
    client.expect_end();
}

fn a_flood_of_commands_is_answered_in_order(start: Start) {
    let server = start(in_memory().build());
    let mut client = server.logged_in();
    let commands: String = (0..500).map(|number| format!("MKD {number}\r\nNOOP\r\n")).collect();
    let mut writer = client.control.get_ref().try_clone().unwrap();
    let sending = std::thread::spawn(move || writer.write_all(commands.as_bytes()));
    for number in 0..500 {
        assert!(client.expect(257).contains(&format!("\"/{number}\"")));
        client.expect(200);
    }
    sending.join().unwrap().unwrap();
}

fn a_client_that_reads_no_replies_is_stopped(start: Start) {
    let server = start(in_memory().build());
    let client = server.client();
    let mut control = client.control.get_ref();
    control.set_nonblocking(true).unwrap();
    let flood = "FEAT\r\n".repeat(10_000);
    let (mut taken, mut refused) = (0_usize, 0);
    // Once neither side's buffers take anything for a while, the server has stopped to read.
    while refused < 50 {
        match control.write(flood.as_bytes()) {
            Ok(count) => (taken, refused) = (taken + count, 0),
            Err(_) => {
                refused += 1;
                std::thread::yield_now();
                std::thread::park_timeout(Duration::from_millis(2));
            }
        }
        assert!(taken < 64 << 20, "the server never stops to read");
    }
    // Others are served meanwhile.
    server.logged_in().command("NOOP", 200);
}
