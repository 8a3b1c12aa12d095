//! A command of a group's log: see [`coffer_fuzz`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coffer_fuzz::metadata::command(data));
