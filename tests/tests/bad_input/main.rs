//! Bad input, byte by byte on raw sockets: S3's code and status with the request's id, nothing
//! stored, and a server that goes on.
//!
//! Each test ends by [`Battery::survived`]: the bucket is empty, the server answers, and it stops
//! in order with a log free of complaints: a client's mistake is nobody's alarm.

mod auth;
mod bodies;
mod chunks;
mod heads;
mod protocol;

use std::fs;
use std::path::Path;

use coffer_tests::{Connection, Launch, Request, Response, Server};
use tempfile::TempDir;

/// Memory after the worst of it; far above what a store of this size needs.
const RESIDENT_MAX: u64 = 300 << 20;

/// A server with an empty bucket named `bucket`.
struct Battery {
    server: Server,
    _folder: TempDir,
}

impl Battery {
    fn new() -> Self {
        Self::with_config("")
    }

    fn with_config(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("test.toml");
        fs::write(&config, text).expect("a file");
        let server = Launch::on(&folder.path().join("drive")).config(Path::new(&config)).start();
        server.create_bucket("bucket");
        Self { server, _folder: folder }
    }

    /// Sends a signed head and these bytes behind it, and reads one answer.
    fn send(&self, request: &Request, body: &[u8]) -> Response {
        self.server.call(request, body)
    }

    /// Sends these bytes as they are and reads one answer, if there is one.
    fn send_raw(&self, bytes: &[u8]) -> Option<Response> {
        let mut connection = self.server.connect();
        connection.send(bytes).ok()?;
        connection.receive().ok()
    }

    fn survived(mut self) {
        let mut connection = self.server.connect();
        let listing = Request::new("GET", "/bucket").query("list-type=2");
        connection.send(&self.server.signer().head(&listing)).expect("sent");
        let listing = connection.receive().expect("an answer");
        assert_eq!(listing.status, 200, "{}", listing.text());
        assert_eq!(listing.element("KeyCount").as_deref(), Some("0"), "{}", listing.text());
        let resident = self.server.resident_bytes();
        assert!(resident < RESIDENT_MAX, "{} MiB resident", resident >> 20);
        self.server.stop();
    }
}

/// The answer is this S3 error, names its request, and is an S3 error document.
fn refused(response: &Response, status: u16, code: &str) {
    let found = (response.status, response.element("Code"));
    assert_eq!(found, (status, Some(code.to_owned())), "{response:?}: {}", response.text());
    let id = response.header("x-amz-request-id").expect("every answer names its request");
    assert_eq!(response.element("RequestId").as_deref(), Some(id), "{}", response.text());
}

/// Either this S3 error, or the connection was cut: both are right when the client went first.
fn refused_or_cut(response: std::io::Result<Response>, status: u16, code: &str) {
    if let Ok(response) = response {
        refused(&response, status, code);
    }
}

/// A PUT of `length` bytes to `/bucket/key`.
fn put(length: usize) -> Request {
    Request::new("PUT", "/bucket/key").length(length)
}

/// Sends on an open connection and reads the answer.
fn exchange(connection: &mut Connection, head: &[u8], body: &[u8]) -> Response {
    connection.send(head).expect("sent");
    connection.send(body).expect("sent");
    connection.receive().expect("an answer")
}
