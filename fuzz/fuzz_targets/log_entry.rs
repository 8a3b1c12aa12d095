//! Payloads that the log writes for itself, and the header of a command: see [`coffer_fuzz`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coffer_fuzz::log::entry(data));
