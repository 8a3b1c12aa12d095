//! `coffer empty` and the management API behind it: what is emptied is gone at once for every way
//! of asking, stays gone after `kill -9`, and nobody but its owner can do it.

mod api;
mod command;
mod crash;

use std::thread;
use std::time::{Duration, Instant};

use coffer_tests::{Connection, Keys, Output, Request, Response, Server, Signer, coffer};
use coffer_tests::{plain_get, run_for_output};

/// Long enough for a sweep of these tests on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);
const CONNECTIONS: usize = 8;

/// A signer for the management port.
fn signer(server: &Server, keys: &Keys) -> Signer {
    Signer::new(keys, &server.management.to_string()).service("coffer")
}

/// Sends a head and a body to the management port as they are.
fn raw(server: &Server, head: &[u8], body: &[u8]) -> Response {
    let mut connection = Connection::open(server.management).expect("the port takes connections");
    connection.send(head).expect("sent");
    // The server may refuse before it has read the body.
    let _ = connection.send(body);
    connection.receive().expect("an answer")
}

/// Asks for a bucket to be emptied, signed with these keys.
fn empty(server: &Server, keys: &Keys, bucket: &str, body: &[u8]) -> Response {
    let request = Request::new("POST", &format!("/api/v1/buckets/{bucket}/empty"));
    raw(server, &signer(server, keys).head(&request.signed_body(body)), body)
}

/// What of a bucket is still being swept.
fn sweeps(server: &Server, bucket: &str) -> String {
    let request = Request::new("GET", &format!("/api/v1/buckets/{bucket}/sweeps"));
    let head = signer(server, &server.keys).head(&request.signed_body(b""));
    let answer = raw(server, &head, b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

/// Waits until nothing of a bucket is being swept any more.
fn until_swept(server: &Server, bucket: &str) {
    let asked = Instant::now();
    loop {
        let left = sweeps(server, bucket);
        if left.contains("\"sweeps\":[]") {
            return;
        }
        assert!(asked.elapsed() < PATIENCE, "still being swept: {left}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Puts an object under each of these keys, over several connections.
fn fill(server: &Server, bucket: &str, keys: &[String]) {
    thread::scope(|scope| {
        for part in keys.chunks(keys.len().div_ceil(CONNECTIONS)) {
            scope.spawn(move || {
                let (mut connection, signer) = (server.connect(), server.signer());
                for key in part {
                    let request = Request::new("PUT", &format!("/{bucket}/{key}")).length(4);
                    connection.send(&[&signer.head(&request)[..], b"four"].concat()).expect("sent");
                    let answer = connection.receive().expect("an answer");
                    assert_eq!(answer.status, 200, "{}", answer.text());
                }
            });
        }
    });
}

fn keys(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}{number:05}")).collect()
}

/// Sends one S3 request without a body; gives status and text.
fn s3(server: &Server, method: &str, path: &str, query: &str) -> (u16, String) {
    let answer = server.call(&Request::new(method, path).query(query).length(0), b"");
    (answer.status, answer.text())
}

/// Nothing below this encoded prefix is found in any way that S3 has.
fn assert_gone(server: &Server, bucket: &str, prefix: &str, key: &str) {
    let path = format!("/{bucket}");
    for (query, element) in [
        (format!("list-type=2&prefix={prefix}"), "<Contents>"),
        (format!("prefix={prefix}&versions="), "<Version>"),
        (format!("prefix={prefix}&versions="), "<DeleteMarker>"),
        (format!("prefix={prefix}&uploads="), "<Upload>"),
    ] {
        let (status, text) = s3(server, "GET", &path, &query);
        assert_eq!(status, 200, "{text}");
        assert!(!text.contains(element), "{query}: {text}");
    }
    assert_eq!(s3(server, "GET", &format!("/{bucket}/{key}"), "").0, 404);
}

/// `coffer empty` with these arguments against a server, with its root key in the environment.
fn command(server: &Server, arguments: &[&str]) -> Output {
    let mut command = coffer();
    command.arg("empty").args(arguments);
    command.env("COFFER_ENDPOINT", format!("http://{}", server.management));
    command.env("COFFER_ACCESS_KEY", &server.keys.access);
    command.env("COFFER_SECRET_KEY", &server.keys.secret);
    run_for_output(&mut command, PATIENCE)
}

/// The answer is a problem of this kind, and names its request.
fn assert_problem(answer: &Response, status: u16, kind: &str) {
    let text = answer.text();
    assert_eq!(answer.status, status, "{text}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{text}");
    assert!(text.contains(&format!("\"urn:coffer:problem:{kind}\"")), "{kind}: {text}");
    assert!(text.contains(&format!("\"status\":{status}")), "{text}");
    let id = answer.header("x-request-id").expect("every answer names its request");
    assert!(text.contains(&format!("\"requestId\":\"{id}\"")), "{text}");
}

/// The probes need no login.
fn assert_probes(server: &Server) {
    for path in ["/livez", "/readyz", "/healthz", "/metrics", "/"] {
        assert_eq!(plain_get(server.management, path).expect("an answer").status, 200, "{path}");
    }
}
