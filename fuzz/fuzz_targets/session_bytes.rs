//! Any bytes, every question answered as soon as it is asked: no panic, one reply for each line, nothing left behind.

#![no_main]

use std::time::Duration;

use ferry_tests::Driver;
use ftp_proto::Config;
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
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    // An overlong line is answered before its end has come.
    assert!(driver.ledger.finals - finals <= lines + 1);
    driver.eof();
    driver.assert_nothing_left();
});
