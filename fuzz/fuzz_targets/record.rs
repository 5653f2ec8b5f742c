//! See `ferry_fuzz_checks::record`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ferry_fuzz_checks::record(bytes));
