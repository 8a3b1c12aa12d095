//! Two S3 clients written in Rust, with their default settings, against a running server:
//! `coffer-clients object-store` and `coffer-clients aws-sdk`. Endpoint and keys come by the
//! environment. Each test has a bucket of its own; all of them run, and the last line counts them.
//!
//! The client is not the subject here: there is no TLS, and no more of it than the tests use.

mod aws_sdk;
mod object_store;

use std::env;
use std::future::Future;
use std::process::ExitCode;

/// How many tests ran, and which of them failed.
#[derive(Default)]
pub struct Tally {
    ran: usize,
    failed: Vec<&'static str>,
}

impl Tally {
    /// Runs one test; a panic fails it, and the others still run.
    pub async fn run(
        &mut self,
        name: &'static str,
        test: impl Future<Output = ()> + Send + 'static,
    ) {
        self.ran += 1;
        if tokio::spawn(test).await.is_err() {
            self.failed.push(name);
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    // Without a provider of TLS reqwest makes no client, not even for plain HTTP.
    rustls::crypto::ring::default_provider().install_default().expect("nobody was before us");
    let mut tally = Tally::default();
    match env::args().nth(1).as_deref() {
        Some("object-store") => object_store::all(&mut tally).await,
        Some("aws-sdk") => aws_sdk::all(&mut tally).await,
        other => panic!("which client? {other:?} is none"),
    }
    for name in &tally.failed {
        println!("FAILED {name}");
    }
    println!("Ran {} tests", tally.ran);
    ExitCode::from(u8::from(!tally.failed.is_empty()))
}

/// A variable that the test handed down.
pub fn handed_down(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

/// `length` bytes that follow from `seed`.
pub fn pattern(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
