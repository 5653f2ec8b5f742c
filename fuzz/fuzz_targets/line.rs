//! See `ferry_fuzz_checks::line`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ferry_fuzz_checks::line(bytes));
