//! Documents of the crates above, and sealed values: see [`coffer_fuzz`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coffer_fuzz::metadata::document(data));
