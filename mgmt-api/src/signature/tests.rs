//! Both sides against each other, and every way to be refused.

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_793_664_000_123);
const KEY: &str = "CFKEY";
const SECRET: &str = "a-secret-of-a-test";
const PATH: &str = "/api/v1/buckets/photos/empty";
const BODY: &[u8] = br#"{"prefix":"a/"}"#;
const HOST: &str = "127.0.0.1:9001";

fn signed(now: Timestamp) -> SignedHeaders {
    let unsigned = Unsigned { method: "POST", path: PATH, host: HOST, body: BODY };
    sign(unsigned, KEY, SECRET, now)
}

fn head(signed: &SignedHeaders) -> Head<'_> {
    let headers = vec![
        ("accept", "*/*"),
        ("authorization", signed.authorization.as_str()),
        ("host", HOST),
        (BODY_HEADER, signed.body.as_str()),
        (DATE_HEADER, signed.date.as_str()),
    ];
    Head { method: "POST", path: PATH, headers }
}

fn refusal(head: &Head<'_>) -> Option<Refused> {
    Claim::read(head, NOW).err()
}

#[test]
fn what_one_side_signs_the_other_believes() {
    let signed = signed(NOW);
    assert_eq!(signed.date, "20261103T000000Z");
    let head = head(&signed);
    let claim = Claim::read(&head, NOW).expect("a claim");
    assert_eq!(claim.access_key(), KEY);
    assert!(claim.is_signed_with(SECRET));
    assert!(claim.covers_body(BODY));
    assert!(!claim.is_signed_with("another-secret"));
    assert!(!claim.is_signed_with(""));
    assert!(!claim.covers_body(b"{}"));
}

#[test]
fn whatever_is_covered_cannot_be_changed() {
    let signed = signed(NOW);
    let good = head(&signed);
    let mut changed = vec![
        Head { method: "GET", ..good.clone() },
        Head { path: "/api/v1/buckets/others/empty", ..good.clone() },
    ];
    let other_body = hash(b"{}");
    for (name, value) in [("host", "elsewhere"), (BODY_HEADER, other_body.as_str())] {
        let mut head = good.clone();
        for header in head.headers.iter_mut().filter(|(have, _)| *have == name) {
            header.1 = value;
        }
        changed.push(head);
    }
    for head in changed {
        let claim = Claim::read(&head, NOW).expect("a claim");
        assert!(!claim.is_signed_with(SECRET), "{head:?}");
    }
}

#[test]
fn clocks_may_be_fifteen_minutes_apart() {
    let at = |seconds: u64| Timestamp::from_millis(seconds * 1_000);
    let now = NOW.as_secs();
    for (then, refused) in [
        (now - 900, None),
        (now + 900, None),
        (now - 901, Some(Refused::Skewed)),
        (now + 901, Some(Refused::Skewed)),
        (0, Some(Refused::Skewed)),
    ] {
        let signed = signed(at(then));
        assert_eq!(refusal(&head(&signed)), refused, "{then}");
    }
}

#[test]
fn a_missing_or_doubled_header_is_refused_by_name() {
    let signed = signed(NOW);
    let good = head(&signed);
    for name in COVERED {
        let mut without = good.clone();
        without.headers.retain(|(have, _)| *have != name);
        assert_eq!(refusal(&without), Some(Refused::Header(name)));
        let mut twice = good.clone();
        twice.headers.push((name, "again"));
        assert_eq!(refusal(&twice), Some(Refused::Header(name)));
    }
    let mut nobody = good.clone();
    nobody.headers.retain(|(have, _)| *have != "authorization");
    assert_eq!(refusal(&nobody), Some(Refused::Anonymous));
    let mut twice = good;
    twice.headers.push(("authorization", signed.authorization.as_str()));
    assert_eq!(refusal(&twice), Some(Refused::Malformed));
}

#[test]
fn every_other_authorization_is_refused() {
    let good = signed(NOW);
    let change = |from: &str, to: &str| {
        let authorization = good.authorization.replace(from, to);
        assert_ne!(authorization, good.authorization, "{from}");
        let signed = SignedHeaders { authorization, ..good.clone() };
        refusal(&head(&signed))
    };
    assert_eq!(change("/coffer/", "/s3/"), Some(Refused::Service));
    assert_eq!(change("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), Some(Refused::Malformed));
    assert_eq!(change("AWS4-HMAC-SHA256 ", "Basic "), Some(Refused::Malformed));
    assert_eq!(change("Signature=", "Signature=0"), Some(Refused::Malformed));
    assert_eq!(change("/aws4_request", "/aws4"), Some(Refused::Malformed));
    assert_eq!(change("host;", ""), Some(Refused::Header("host")));
    assert_eq!(change(";x-amz-date", ""), Some(Refused::Header(DATE_HEADER)));
    assert_eq!(change("host;", "host;host;"), Some(Refused::Malformed));
    assert_eq!(change("/20261103/", "/20261102/"), Some(Refused::Date));
}

#[test]
fn a_body_has_a_real_hash_and_a_date_is_one() {
    let good = signed(NOW);
    for body in ["UNSIGNED-PAYLOAD", "", &good.body.to_uppercase(), &good.body[1..]] {
        let signed = SignedHeaders { body: body.to_owned(), ..good.clone() };
        assert_eq!(refusal(&head(&signed)), Some(Refused::Body), "{body}");
    }
    for date in ["20261103", "20261103T000000", "2026-11-03T00:00Z", "20261103T996000Z"] {
        let signed = SignedHeaders { date: date.to_owned(), ..good.clone() };
        assert_eq!(refusal(&head(&signed)), Some(Refused::Date), "{date}");
    }
}
