//! Keys of tables, and rows of the drive index: see [`coffer_fuzz`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coffer_fuzz::metadata::key(data));
