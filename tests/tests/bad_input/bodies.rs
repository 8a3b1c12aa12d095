//! Bodies: cut short, too slow, too large, or not the bytes that were announced.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use coffer_tests::{Request, pattern};

use crate::{Battery, put, refused, refused_or_cut};

const IMPATIENT: &str = "[limits]\nidle_timeout = \"1 s\"\nheader_timeout = \"1 s\"\n";

#[test]
fn a_body_cut_short_stores_nothing() {
    let battery = Battery::new();
    for (announced, sent) in [(1000, 0), (1000, 999), (70_000, 65_536), (3 << 20, 2 << 20)] {
        let mut connection = battery.server.connect();
        connection.send(&battery.server.signer().head(&put(announced))).expect("sent");
        connection.send(&pattern(1, sent)).expect("sent");
        connection.finish_sending().expect("sent");
        refused_or_cut(connection.receive(), 400, "IncompleteBody");
    }
    // Gone without a word.
    for sent in [0, 100, 2 << 20] {
        let mut connection = battery.server.connect();
        connection.send(&battery.server.signer().head(&put(3 << 20))).expect("sent");
        connection.send(&pattern(1, sent)).expect("sent");
    }
    thread::sleep(Duration::from_millis(300));
    battery.survived();
}

#[test]
fn wrong_digests_store_nothing() {
    let battery = Battery::new();
    let sha = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for length in [4, 65_536, 200_000, 2 << 20] {
        let body = pattern(2, length);
        for (request, code) in [
            (put(length).header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="), "BadDigest"),
            (put(length).header("content-md5", "not base64"), "InvalidDigest"),
            (put(length).header("content-md5", "YWJj"), "InvalidDigest"),
            (put(length).header("x-amz-checksum-crc32", "AAAAAQ=="), "BadDigest"),
            (put(length).header("x-amz-checksum-crc32", "bad"), "InvalidRequest"),
            (put(length).payload_hash(sha), "XAmzContentSHA256Mismatch"),
        ] {
            refused(&battery.send(&request, &body), 400, code);
        }
    }
    battery.survived();
}

#[test]
fn a_length_must_be_told_and_be_possible() {
    let battery = Battery::new();
    let unlimited = Request::new("PUT", "/bucket/key");
    let answer = battery.send(&unlimited, b"");
    refused(&answer, 411, "MissingContentLength");
    let in_http_chunks = Request::new("PUT", "/bucket/key").header("transfer-encoding", "chunked");
    let answer = battery.send(&in_http_chunks, b"4\r\nbody\r\n0\r\n\r\n");
    refused(&answer, 501, "NotImplemented");
    let six_gib = put(6 << 30);
    let mut connection = battery.server.connect();
    connection.send(&battery.server.signer().head(&six_gib)).expect("sent");
    let asked = Instant::now();
    refused(&connection.receive().expect("an answer"), 400, "EntityTooLarge");
    assert!(asked.elapsed() < Duration::from_secs(5), "refused late");
    battery.survived();
}

#[test]
fn a_slow_client_is_given_up() {
    let battery = Battery::with_config(IMPATIENT);
    let signer = battery.server.signer();
    let started = Instant::now();
    // A head that never ends.
    let mut head = battery.server.connect();
    head.send(b"GET / HTTP/1.1\r\nhost: x").expect("sent");
    // Bodies that stop, small and large.
    let mut bodies: Vec<_> = [100, 1 << 20]
        .into_iter()
        .map(|length| {
            let mut connection = battery.server.connect();
            connection.send(&signer.head(&put(length))).expect("sent");
            connection.send(&pattern(1, length / 2)).expect("sent");
            connection
        })
        .collect();
    for connection in &mut bodies {
        refused_or_cut(connection.receive(), 400, "RequestTimeout");
    }
    let cut = head.receive();
    assert!(cut.is_err() || cut.is_ok_and(|answer| matches!(answer.status, 400 | 408)));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    battery.survived();
}

#[test]
fn a_body_that_trickles_but_moves_is_taken() {
    let battery = Battery::with_config(IMPATIENT);
    let mut connection = battery.server.connect();
    let body = pattern(5, 9);
    connection.send(&battery.server.signer().head(&put(9))).expect("sent");
    for byte in body.chunks(1) {
        thread::sleep(Duration::from_millis(300));
        connection.send(byte).expect("still taken");
    }
    assert_eq!(connection.receive().expect("an answer").status, 200);
    assert_eq!(battery.send(&Request::new("DELETE", "/bucket/key"), b"").status, 204);
    battery.survived();
}

#[test]
fn a_client_that_waits_for_100_is_told_to_go_on_or_refused_at_once() {
    let battery = Battery::new();
    let expecting = put(4).header("expect", "100-continue");
    let mut connection = battery.server.connect();
    connection.send(&battery.server.signer().head(&expecting)).expect("sent");
    assert_eq!(connection.receive().expect("an interim answer").status, 100);
    connection.send(b"body").expect("sent");
    assert_eq!(connection.receive().expect("an answer").status, 200);
    assert_eq!(battery.send(&Request::new("DELETE", "/bucket/key"), b"").status, 204);

    let mut late = battery.server.signer();
    late.seconds_off = -3_600;
    let missing = Request::new("PUT", "/no-such-bucket/key").length(4);
    let missing = missing.header("expect", "100-continue");
    for (signer, request, status, code) in [
        (&late, &expecting, 403, "RequestTimeTooSkewed"),
        (&battery.server.signer(), &missing, 404, "NoSuchBucket"),
    ] {
        let mut connection = battery.server.connect();
        connection.send(&signer.head(request)).expect("sent");
        refused(&connection.receive().expect("a final answer"), status, code);
    }
    battery.survived();
}

#[test]
fn an_early_refusal_leaves_the_connection_usable_or_closed() {
    let battery = Battery::new();
    let body = pattern(6, 4 << 20);
    let missing = Request::new("PUT", "/no-such-bucket/key").length(body.len());
    let mut connection = battery.server.connect();
    connection.send(&battery.server.signer().head(&missing)).expect("sent");
    let sent = connection.send(&body);
    match (sent, connection.receive()) {
        (Ok(()), Ok(answer)) => {
            refused(&answer, 404, "NoSuchBucket");
            let next = battery.server.signer().head(&Request::new("GET", "/bucket"));
            let second = connection.send(&next).and_then(|()| connection.receive());
            assert!(is_cut(&second) || second.is_ok_and(|answer| answer.status == 200));
        }
        (_, Ok(answer)) => refused(&answer, 404, "NoSuchBucket"),
        (_, cut) => assert!(is_cut(&cut), "{cut:?}"),
    }
    battery.survived();
}

fn is_cut<T>(result: &io::Result<T>) -> bool {
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
