//! Requests that two readers could understand differently, and what a connection is good for after
//! an error.

use std::io;

use coffer_tests::{Connection, Keys, Request, Response, Signer};

use crate::{Battery, put, refused};

/// A signed head as text.
fn head(battery: &Battery, request: &Request) -> String {
    String::from_utf8(battery.server.signer().head(request)).expect("ASCII")
}

#[test]
fn hosts_are_read_as_http_writes_them() {
    let battery = Battery::new();
    let list = Request::new("GET", "/bucket");
    for host in ["LOCALHOST", "localhost.", "localhost:1", "[::1]:9000", "[::1]", "127.0.0.1", "é"]
    {
        let signer = Signer::new(&battery.server.keys, host);
        let answer = battery.send_raw(&signer.head(&list)).expect("an answer");
        let status = if host.is_ascii() { 200 } else { 400 };
        assert_eq!(answer.status, status, "{host}: {}", answer.text());
    }
    let host = battery.server.s3;
    let absolute = head(&battery, &list).replacen("/bucket", &format!("http://{host}/bucket"), 1);
    let answer = battery.send_raw(absolute.as_bytes()).expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let twice = head(&battery, &list).replacen("host: ", &format!("host: {host}\r\nhost: "), 1);
    let answer = battery.send_raw(twice.as_bytes()).expect("an answer");
    refused(&answer, 400, "InvalidRequest");
    for version in ["1.0", "1.1"] {
        let nameless = format!("GET /bucket HTTP/{version}\r\nconnection: close\r\n\r\n");
        let answer = battery.send_raw(nameless.as_bytes()).expect("an answer");
        assert!(matches!(answer.status, 400 | 403), "{version}: {}", answer.text());
    }
    battery.survived();
}

#[test]
fn headers_are_not_smuggled_past_a_signature() {
    let battery = Battery::new();
    let request = put(4).header("x-amz-meta-a", "1");
    let signed = head(&battery, &request);
    let with = |line: &str| signed.replacen("\r\n", &format!("\r\n{line}\r\n"), 1) + "body";
    for line in [
        "x-amz-acl: private",
        "X-Amz-Meta-Other: 1",
        "x-amz-copy-source: /bucket/other",
        "x-amz-website-redirect-location: /elsewhere",
    ] {
        let answer = battery.send_raw(with(line).as_bytes()).expect("an answer");
        refused(&answer, 403, "AccessDenied");
        let told = answer.element("Message").expect("a message");
        assert!(told.contains("headers present in the request which were not signed"), "{told}");
    }
    let answer = battery.send_raw(with("x-amz-meta-a: 1").as_bytes()).expect("an answer");
    refused(&answer, 403, "SignatureDoesNotMatch");
    // What HTTP forbids.
    for line in ["x-folded: a\r\n b", "x-amz-meta-b : 1", "x-zero: a\0b", "x-return: a\rb", ": a"] {
        if let Some(answer) = battery.send_raw(with(line).as_bytes()) {
            assert_eq!(answer.status, 400, "{line:?}: {}", answer.text());
        }
    }
    battery.survived();
}

#[test]
fn a_body_has_one_length() {
    let battery = Battery::new();
    let signed = head(&battery, &put(4));
    let next = head(&battery, &Request::new("GET", "/bucket"));
    for (line, body) in [
        ("content-length: 5", "body!"),
        ("transfer-encoding: chunked", "4\r\nbody\r\n0\r\n\r\n"),
        ("transfer-encoding: chunked", "body"),
        ("transfer-encoding: identity", "body"),
        ("transfer-encoding: chunked, identity", "body"),
        ("transfer-encoding: gzip, chunked", "4\r\nbody\r\n0\r\n\r\n"),
    ] {
        for first in [true, false] {
            let request = if first {
                signed.replacen("\r\n", &format!("\r\n{line}\r\n"), 1)
            } else {
                signed.replacen("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"), 1)
            };
            let mut connection = battery.server.connect();
            connection.send((request + body + &next).as_bytes()).expect("sent");
            let answer = connection.receive();
            assert!(
                answer.as_ref().is_ok_and(|answer| answer.status >= 400) || is_cut(&answer),
                "{line} first: {first}: {answer:?}"
            );
            // Whatever follows was perhaps meant as a part of the body.
            let second = connection.receive();
            assert!(is_cut(&second), "{line} first: {first}: {second:?}");
        }
    }
    battery.survived();
}

/// Refused requests of every kind: a head, and the body behind it.
fn refusals() -> Vec<(&'static str, Request, Vec<u8>, u16)> {
    let body = || b"body".to_vec();
    let document = b"<Delete><Object></Delete>";
    vec![
        ("no such bucket", Request::new("PUT", "/no-such-bucket/k").length(4), body(), 404),
        ("no such key", Request::new("GET", "/bucket/none"), Vec::new(), 404),
        ("no such key", Request::new("HEAD", "/bucket/none"), Vec::new(), 404),
        ("no such bucket", Request::new("HEAD", "/no-such-bucket"), Vec::new(), 404),
        ("no such bucket", Request::new("DELETE", "/no-such-bucket/k"), Vec::new(), 404),
        ("a condition", put(4).header("if-match", "\"x\""), body(), 404),
        ("a digest", put(4).header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="), body(), 400),
        ("no digest", put(4).header("content-md5", "none"), body(), 400),
        ("not built", put(4).header("x-amz-storage-class", "GLACIER"), body(), 501),
        ("not built", Request::new("PUT", "/bucket").query("policy=").length(4), body(), 501),
        ("no length", Request::new("PUT", "/bucket/key"), Vec::new(), 411),
        (
            "a document",
            Request::new("POST", "/bucket").query("delete=").length(document.len()),
            document.to_vec(),
            400,
        ),
        ("a setting", Request::new("GET", "/bucket").query("cors="), Vec::new(), 404),
        ("an argument", Request::new("GET", "/bucket").query("max-keys=x"), Vec::new(), 400),
        ("a method", Request::new("PATCH", "/bucket/k").length(4), body(), 405),
    ]
}

#[test]
fn after_any_error_a_connection_goes_on_or_is_closed() {
    let battery = Battery::new();
    let good = battery.server.signer();
    let wrong = Keys { secret: "not-the-secret".to_owned(), ..battery.server.keys.clone() };
    let wrong = Signer::new(&wrong, &battery.server.s3.to_string());
    for (what, request, body, status) in refusals() {
        for (signer, status) in [(&good, status), (&wrong, 403)] {
            let mut connection = battery.server.connect();
            connection.send(&signer.head(&request)).expect("sent");
            connection.send(&body).expect("sent");
            let answer = connection.receive_for(&request.method).expect("an answer");
            assert_eq!(answer.status, status, "{what} {}: {}", request.method, answer.text());
            goes_on_or_is_closed(&battery, &mut connection, what);
        }
    }
    battery.survived();
}

#[test]
fn a_client_that_is_refused_before_its_body_may_send_something_else() {
    let battery = Battery::new();
    for (what, request, body, status) in refusals() {
        if body.is_empty() {
            continue;
        }
        let mut connection = battery.server.connect();
        let request = request.header("expect", "100-continue");
        connection.send(&battery.server.signer().head(&request)).expect("sent");
        let mut answer = connection.receive_for(&request.method).expect("an answer");
        if answer.status == 100 {
            // Its digest can only be wrong once it is there.
            connection.send(&body).expect("sent");
            answer = connection.receive_for(&request.method).expect("an answer");
        } else {
            // Nobody can tell whether what follows is the body.
            assert_eq!(answer.header("connection"), Some("close"), "{what}: {answer:?}");
        }
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        goes_on_or_is_closed(&battery, &mut connection, what);
    }
    battery.survived();
}

#[test]
fn heads_tell_the_length_of_what_they_leave_out() {
    let battery = Battery::new();
    assert_eq!(battery.send(&put(4), b"body").status, 200);
    let mut connection = battery.server.connect();
    let signer = battery.server.signer();
    for (path, status, length) in [
        ("/bucket/key", 200, Some("4")),
        ("/bucket/none", 404, None),
        ("/bucket", 200, None),
        ("/bucket/key", 200, Some("4")),
    ] {
        connection.send(&signer.head(&Request::new("HEAD", path))).expect("sent");
        let answer = connection.receive_for("HEAD").expect("an answer");
        assert_eq!(answer.status, status, "{path}");
        if let Some(length) = length {
            assert_eq!(answer.header("content-length"), Some(length), "{path}");
        }
    }
    goes_on_or_is_closed(&battery, &mut connection, "heads");
    assert_eq!(battery.send(&Request::new("DELETE", "/bucket/key"), b"").status, 204);
    battery.survived();
}

/// The next request is answered as if nothing had been before, or there is no connection any more.
fn goes_on_or_is_closed(battery: &Battery, connection: &mut Connection, what: &str) {
    let next = battery.server.signer().head(&Request::new("GET", "/bucket"));
    let second = connection.send(&next).and_then(|()| connection.receive());
    assert!(
        second.as_ref().is_ok_and(|answer| answer.status == 200) || is_cut(&second),
        "{what}: {second:?}"
    );
}

fn is_cut(result: &io::Result<Response>) -> bool {
    result.as_ref().is_err_and(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionAborted
        )
    })
}
