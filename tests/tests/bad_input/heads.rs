//! Heads: lines, headers, names and documents that are not what they should be.

use coffer_tests::{Request, crc32_header};

use crate::{Battery, exchange, put, refused};

#[test]
fn what_is_no_http_gets_400_or_is_cut() {
    let battery = Battery::new();
    let host = battery.server.s3;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n\r\n\r\n\0\0\0\0\r\n\r\n",
        b"GET /bucket HTTP/1.1\r\nno colon here\r\n\r\n",
    ] {
        if let Some(answer) = battery.send_raw(bytes) {
            assert!(matches!(answer.status, 400 | 403 | 505), "{bytes:?}: {answer:?}");
        }
    }
    let twice = format!(
        "PUT /bucket/key HTTP/1.1\r\nhost: {host}\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nbody!"
    );
    for lengths in [
        twice,
        format!("PUT /bucket/key HTTP/1.1\r\nhost: {host}\r\ncontent-length: -4\r\n\r\nbody"),
        format!("PUT /bucket/key HTTP/1.1\r\nhost: {host}\r\ncontent-length: 4x\r\n\r\nbody"),
        format!(
            "PUT /bucket/key HTTP/1.1\r\nhost: {host}\r\ncontent-length: 99999999999999999999999\
             \r\n\r\nbody"
        ),
    ] {
        let answer = battery.send_raw(lengths.as_bytes());
        assert!(answer.is_none_or(|a| matches!(a.status, 400 | 413)), "{lengths}");
    }
    battery.survived();
}

#[test]
fn an_oversized_head_is_refused_without_being_kept() {
    let battery = Battery::new();
    let signer = battery.server.signer();
    // S3 allows 2 KiB of user metadata; that much passes the listener, not the operation.
    let metadata =
        Request::new("PUT", "/bucket/key").length(0).header("x-amz-meta-large", &"m".repeat(9_000));
    let answer = battery.send(&metadata, b"");
    refused(&answer, 400, "MetadataTooLarge");
    // Beyond the listener's limit: refused before anything is parsed.
    for size in [80 << 10, 2 << 20] {
        let mut head = signer.head(&Request::new("GET", "/bucket"));
        head.truncate(head.len() - 2);
        head.extend_from_slice(b"x-large: ");
        head.extend(std::iter::repeat_n(b'a', size));
        head.extend_from_slice(b"\r\n\r\n");
        let mut connection = battery.server.connect();
        let sent = connection.send(&head);
        if let Ok(answer) = connection.receive() {
            assert!(matches!(answer.status, 400 | 431), "{answer:?}");
        } else {
            assert!(sent.is_err() || connection.is_closed(), "no answer and not cut");
        }
    }
    battery.survived();
}

#[test]
fn names_that_cannot_be_are_refused() {
    let battery = Battery::new();
    for bucket in ["ab", "Upper", "a..b", "-lead", "trail-", "1.2.3.4", &"n".repeat(64), "a_b"] {
        let answer = battery.send(&Request::new("PUT", &format!("/{bucket}")).length(0), b"");
        refused(&answer, 400, "InvalidBucketName");
    }
    let long = format!("/bucket/{}", "k".repeat(1025));
    refused(&battery.send(&Request::new("PUT", &long).length(0), b""), 400, "KeyTooLongError");
    for path in ["/bucket/%zz", "/bucket/%ff%fe"] {
        let answer = battery.send(&Request::new("PUT", path).length(0), b"");
        // Such a path has no canonical form to be signed either.
        assert!(matches!(answer.status, 400 | 403), "{path}: {}", answer.text());
    }
    let missing = Request::new("PUT", "/no-such-bucket/key").length(4);
    refused(&battery.send(&missing, b"body"), 404, "NoSuchBucket");
    battery.survived();
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    let battery = Battery::new();
    for query in ["list-type=2&max-keys=-1", "list-type=2&max-keys=many"] {
        let answer = battery.send(&Request::new("GET", "/bucket").query(query), b"");
        refused(&answer, 400, "InvalidArgument");
    }
    let token = Request::new("GET", "/bucket").query("continuation-token=forged&list-type=2");
    refused(&battery.send(&token, b""), 400, "InvalidArgument");
    let version = Request::new("GET", "/bucket/key").query("versionId=not-a-version");
    let answer = battery.send(&version, b"");
    assert!(matches!(answer.status, 400 | 404), "{}", answer.text());
    battery.survived();
}

#[test]
fn documents_that_do_not_parse_are_refused() {
    let battery = Battery::new();
    let bomb = "<!DOCTYPE d [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\">]>\
                <Delete><Object><Key>&b;</Key></Object></Delete>";
    let deep = "<a>".repeat(100_000);
    for body in ["not a document", "<Delete><Object><Key>k</Key>", "<Other/>", bomb, &deep] {
        let request = Request::new("POST", "/bucket")
            .query("delete=")
            .header("x-amz-checksum-crc32", &crc32_header(body.as_bytes()))
            .signed_body(body.as_bytes());
        let answer = battery.send(&request, body.as_bytes());
        refused(&answer, 400, "MalformedXML");
    }
    let nothing = Request::new("POST", "/bucket").query("delete=").signed_body(b"");
    refused(&battery.send(&nothing, b""), 400, "MissingRequestBodyError");
    let body = b"<VersioningConfiguration><Status>Perhaps</Status></VersioningConfiguration>";
    let request = Request::new("PUT", "/bucket").query("versioning=").signed_body(body);
    let answer = battery.send(&request, body);
    assert_eq!(answer.status, 400, "{}", answer.text());

    let many = "<Object><Key>k</Key></Object>".repeat(1001);
    let body = format!("<Delete>{many}</Delete>");
    let request = Request::new("POST", "/bucket")
        .query("delete=")
        .header("x-amz-checksum-crc32", &crc32_header(body.as_bytes()))
        .signed_body(body.as_bytes());
    refused(&battery.send(&request, body.as_bytes()), 400, "MalformedXML");
    battery.survived();
}

#[test]
fn what_is_not_built_yet_says_so() {
    let battery = Battery::new();
    for query in ["lifecycle=", "policy=", "cors=", "website=", "replication=", "encryption="] {
        let put = Request::new("PUT", "/bucket").query(query).signed_body(b"<Asked/>");
        refused(&battery.send(&put, b"<Asked/>"), 501, "NotImplemented");
        let get = battery.send(&Request::new("GET", "/bucket").query(query), b"");
        assert_eq!(get.status, 404, "{query} was never made: {}", get.text());
    }
    battery.survived();
}

#[test]
fn a_connection_lives_on_after_an_error() {
    let battery = Battery::new();
    let signer = battery.server.signer();
    let mut connection = battery.server.connect();
    for _ in 0..3 {
        let missing = signer.head(&Request::new("GET", "/bucket/missing"));
        refused(&exchange(&mut connection, &missing, b""), 404, "NoSuchKey");
        let listing = signer.head(&Request::new("GET", "/bucket"));
        assert_eq!(exchange(&mut connection, &listing, b"").status, 200);
        let wrong = signer.head(&put(4).header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="));
        refused(&exchange(&mut connection, &wrong, b"body"), 400, "BadDigest");
    }
    // Several requests at once come back in order.
    let mut both = signer.head(&Request::new("GET", "/bucket/missing"));
    both.extend(signer.head(&Request::new("GET", "/bucket")));
    connection.send(&both).expect("sent");
    assert_eq!(connection.receive().expect("the first").status, 404);
    assert_eq!(connection.receive().expect("the second").status, 200);
    battery.survived();
}

#[test]
fn http_1_0_is_answered_and_closed() {
    let battery = Battery::new();
    let head = battery.server.signer().head(&Request::new("GET", "/bucket"));
    let head = String::from_utf8(head).expect("ASCII").replacen("HTTP/1.1", "HTTP/1.0", 1);
    let mut connection = battery.server.connect();
    connection.send(head.as_bytes()).expect("sent");
    assert_eq!(connection.receive().expect("an answer").status, 200);
    assert!(connection.is_closed());
    battery.survived();
}
