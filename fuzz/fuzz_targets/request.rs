//! What the S3 gateway parses itself of a request: see [`coffer_s3_gateway::fuzzing`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| coffer_s3_gateway::fuzzing::parsers(data));
