//! Who may not: signatures that are missing, wrong, late, or of nobody.

use coffer_tests::{Keys, Request, Signer};

use crate::{Battery, refused};

#[test]
fn a_request_must_be_signed_by_somebody_known_and_rightly() {
    let battery = Battery::new();
    let server = &battery.server;
    let host = server.s3.to_string();
    let wrong_secret =
        Keys { secret: "not-the-secret-of-this-server".to_owned(), ..server.keys.clone() };
    let nobody = Keys { access: "NOBODYSACCESSKEY1234".to_owned(), ..server.keys.clone() };
    let mut late = server.signer();
    late.seconds_off = -20 * 60;
    let mut early = server.signer();
    early.seconds_off = 20 * 60;
    for (signer, code) in [
        (Signer::new(&wrong_secret, &host), "SignatureDoesNotMatch"),
        (Signer::new(&nobody, &host), "InvalidAccessKeyId"),
        (late, "RequestTimeTooSkewed"),
        (early, "RequestTimeTooSkewed"),
    ] {
        for request in [Request::new("GET", "/bucket"), crate::put(4)] {
            let mut connection = server.connect();
            connection.send(&signer.head(&request)).expect("sent");
            // The server may refuse before it has read the body.
            let _ = connection.send(b"body");
            refused(&connection.receive().expect("an answer"), 403, code);
        }
    }
    battery.survived();
}

#[test]
fn a_request_must_say_when_it_was_signed_and_only_once() {
    let battery = Battery::new();
    let head = battery.server.signer().head(&Request::new("GET", "/bucket"));
    let head = String::from_utf8(head).expect("ASCII");
    let (before, rest) = head.split_once("x-amz-date: ").expect("a date");
    let (date, behind) = rest.split_once("\r\n").expect("a line");
    for dates in [
        String::new(),
        format!("x-amz-date: {date}\r\nx-amz-date: {date}\r\n"),
        "x-amz-date: 20170509T154625+01\r\n".to_owned(),
    ] {
        let answer = battery.send_raw(format!("{before}{dates}{behind}").as_bytes());
        refused(&answer.expect("an answer"), 403, "AccessDenied");
    }
    battery.survived();
}

#[test]
fn an_unsigned_or_half_signed_request_is_refused() {
    let battery = Battery::new();
    let host = battery.server.s3;
    let unsigned = format!("GET /bucket HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    let answer = battery.send_raw(unsigned.as_bytes()).expect("an answer");
    refused(&answer, 403, "AccessDenied");
    for broken in [
        "AWS4-HMAC-SHA256 Credential=",
        "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 \u{1f600}",
    ] {
        let head = format!(
            "GET /bucket HTTP/1.1\r\nhost: {host}\r\nx-amz-date: 20260101T000000Z\r\n\
             x-amz-content-sha256: UNSIGNED-PAYLOAD\r\nauthorization: {broken}\r\n\
             connection: close\r\n\r\n"
        );
        let answer = battery.send_raw(head.as_bytes()).expect("an answer");
        assert!(matches!(answer.status, 400 | 403), "{broken}: {answer:?}");
    }
    battery.survived();
}

#[test]
fn a_change_after_signing_is_noticed() {
    let battery = Battery::new();
    let head = battery.server.signer().head(&crate::put(4).header("x-amz-meta-colour", "blue"));
    let head = String::from_utf8(head).expect("ASCII");
    for (from, to) in [
        ("/bucket/key", "/bucket/kez"),
        ("PUT /bucket/key ", "PUT /bucket/key?versionId=1 "),
        ("colour: blue", "colour: gold"),
    ] {
        let changed = head.replacen(from, to, 1) + "body";
        assert_ne!(changed, head.clone() + "body", "nothing was changed");
        let answer = battery.send_raw(changed.as_bytes()).expect("an answer");
        refused(&answer, 403, "SignatureDoesNotMatch");
    }
    battery.survived();
}
