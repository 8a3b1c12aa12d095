//! A row of a group's index: see [`coffer_fuzz`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coffer_fuzz::metadata::row(data));
