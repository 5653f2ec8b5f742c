//! Any bytes, every question answered as soon as it is asked: no panic, one reply for each line, nothing left behind.

#![no_main]

use std::time::Duration;

use ferry_tests::Driver;
use ftp_proto::{Config, LineReader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let config = Config { failed_login_delay: Duration::ZERO, max_login_attempts: 0, ..Config::default() };
    let mut driver = Driver::new(config);
    // The first byte decides whether somebody is logged in.
    let Some((first, bytes)) = bytes.split_first() else { return };
    if first & 1 == 1 {
        driver.log_in("alice", "secret");
    }
    let finals = driver.ledger.finals;
    for piece in bytes.chunks(usize::from(first >> 1).max(1)) {
        driver.send(piece);
        driver.finish_all();
    }
    assert_eq!(driver.backlog(), 0, "a session that waits for nothing takes everything");
    let (replies, lines) = (driver.ledger.finals - finals, lines(bytes));
    if driver.session.is_closed() {
        assert!(replies <= lines);
    } else {
        assert_eq!(replies, lines);
    }
    driver.eof();
    driver.assert_nothing_left();
});

/// How many lines the bytes are, overlong ones included.
fn lines(mut bytes: &[u8]) -> usize {
    let (mut reader, mut count) = (LineReader::new(), 0);
    while !bytes.is_empty() {
        let (taken, framed) = reader.push(bytes);
        bytes = &bytes[taken..];
        count += usize::from(framed.is_some());
    }
    count
}
