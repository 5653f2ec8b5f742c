//! Parse, print, parse again; and no log line shows a password or breaks.

#![no_main]

use ftp_proto::{Command, CommandLine};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    let shown = CommandLine::new(line).to_string();
    assert!(!shown.chars().any(char::is_control));
    let Some(command) = Command::parse(line) else { return };
    let mut printed = Vec::new();
    command.write_to(&mut printed);
    assert_eq!(Command::parse(&printed), Some(command));
    if command.info().name == "PASS" {
        assert_eq!(shown, "PASS ******");
    }
});
