//! Signatures: what they cover, how long they hold, and their second version.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use hyper::{HeaderMap, Method};

use super::client::Draft;
use super::{Stand, stand, with_bucket};

/// A change of headers after they were signed.
type Change = fn(&mut HeaderMap);

const MALFORMED: (u16, &str) = (400, "AuthorizationQueryParametersError");
const DENIED: (u16, &str) = (403, "AccessDenied");
const WRONG: (u16, &str) = (403, "SignatureDoesNotMatch");

#[tokio::test]
async fn clocks_may_differ_by_fifteen_minutes() {
    let stand = with_bucket().await;
    for (ahead, status) in [(-880, 200), (880, 200), (-920, 403), (920, 403)] {
        let mut client = stand.main.clone();
        client.ahead = ahead;
        let told = client.get("/photos").send().await;
        assert_eq!(told.status, status, "{ahead}: {}", told.text());
        if status == 403 {
            assert_eq!(told.error(), (403, "RequestTimeTooSkewed"), "{ahead}");
        }
    }
}

#[tokio::test]
async fn a_presigned_request_is_only_what_was_signed() {
    let stand = with_bucket().await;
    stand.main.put("/photos/a").body("x").send().await;
    let get = || stand.main.get("/photos/a").presigned(60);
    assert_eq!(get().send().await.text(), "x");
    for name in [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-SignedHeaders",
        "X-Amz-Signature",
    ] {
        assert_eq!(get().without_query(name).send().await.error(), MALFORMED, "{name}");
    }
    assert_eq!(get().query("versionId", "null").send().await.error(), WRONG);
    assert_eq!(get().query("anything", "1").send().await.error(), WRONG);
    assert_eq!(get().query("acl", "").send().await.error(), WRONG);
    assert_eq!(get().changed_path("/photos/b").send().await.error(), WRONG);
    assert_eq!(get().header("host", "localhost:9000").send().await.error(), WRONG);
    let put = stand.main.put("/photos/a").presigned(60);
    for name in
        ["x-amz-meta-a", "x-amz-copy-source", "x-amz-acl", "x-amz-website-redirect-location"]
    {
        let told = put.clone().header(name, "/photos/b").body("y").send().await;
        assert_eq!(told.error(), DENIED, "{name}");
    }
    let mut early = stand.main.clone();
    early.ahead = 1_000;
    let told = early.get("/photos/a").presigned(60).send().await;
    assert_eq!(told.error(), (403, "RequestTimeTooSkewed"), "not yet");
    early.ahead = 800;
    assert_eq!(early.get("/photos/a").presigned(60).send().await.status, 200);
    let delete = stand.main.delete("/photos/a").presigned(60).send().await;
    assert_eq!(delete.status, 204);
}

#[tokio::test]
async fn what_signs_a_request_can_be_read_and_is_for_this_service() {
    let stand = with_bucket().await;
    let malformed = (400, "AuthorizationHeaderMalformed");
    let argument = (400, "InvalidArgument");
    let changes: [(Change, (u16, &str)); 8] = [
        (|headers| replace(headers, "AWS4-HMAC-SHA256 ", "Bearer "), argument),
        (|headers| replace(headers, "Credential=", "Credentials="), malformed),
        (|headers| replace(headers, "/aws4_request", ""), malformed),
        (|headers| replace(headers, "SignedHeaders=", "Headers="), malformed),
        (|headers| replace(headers, ",Signature=", ",Signature= x "), malformed),
        (|headers| replace(headers, "/s3/", "/ec2/"), malformed),
        (|headers| replace(headers, "/us-east-1/", "/US/"), malformed),
        (
            |headers| drop(headers.insert("authorization", "AWS x".parse().expect("valid"))),
            malformed,
        ),
    ];
    for (at, (change, expected)) in changes.into_iter().enumerate() {
        let told = stand.main.get("/photos").changed(change).send().await;
        assert_eq!(told.error(), expected, "{at}: {}", told.text());
        let told = stand.main.head("/photos").changed(change).send().await;
        assert_eq!((told.status, told.text()), (400, ""), "{at}");
    }
    let hash = stand.main.get("/photos").changed(|headers| {
        headers.insert("x-amz-content-sha256", "abc".parse().expect("valid"));
    });
    let told = hash.send().await;
    assert_eq!(told.error(), argument);
    assert_eq!(told.element("ArgumentValue"), Some("abc"));
    let service = stand.main.get("/photos").presigned(60);
    let service = service.changed_query("X-Amz-Credential", "%2Fs3%2F", "%2Fec2%2F").send().await;
    assert_eq!(service.error(), MALFORMED);
}

fn replace(headers: &mut HeaderMap, from: &str, to: &str) {
    let signed = headers["authorization"].to_str().expect("ASCII");
    assert!(signed.contains(from), "{signed}");
    let changed = signed.replacen(from, to, 1).parse().expect("valid");
    headers.insert("authorization", changed);
}

#[tokio::test]
async fn headers_that_change_a_request_are_signed() {
    let stand = with_bucket().await;
    let put = |change: Change| {
        let put = stand.main.put("/photos/a").header("x-amz-meta-a", "1").body("x");
        put.changed(change).send()
    };
    let told = put(|headers| {
        headers.insert("x-amz-acl", "private".parse().expect("valid"));
    });
    let told = told.await;
    assert_eq!(told.error(), DENIED);
    assert_eq!(
        told.element("Message"),
        Some("There were headers present in the request which were not signed")
    );
    let changes: [(Change, (u16, &str)); 5] = [
        (|headers| drop(headers.remove("x-amz-meta-a")), WRONG),
        (|headers| drop(headers.insert("x-amz-meta-a", "2".parse().expect("valid"))), WRONG),
        (
            |headers| {
                headers.append("x-amz-meta-a", "1".parse().expect("valid"));
            },
            WRONG,
        ),
        (|headers| drop(headers.insert("host", "elsewhere".parse().expect("valid"))), WRONG),
        (
            |headers| {
                let twice = headers["authorization"].clone();
                headers.append("authorization", twice);
            },
            DENIED,
        ),
    ];
    for (change, expected) in changes {
        assert_eq!(put(change).await.error(), expected);
    }
    // Spaces are folded by those who sign.
    let folded = stand.main.put("/photos/a").header("x-amz-meta-a", "a b");
    let folded = folded.changed(|headers| {
        headers.insert("x-amz-meta-a", "a   b".parse().expect("valid"));
    });
    assert_eq!(folded.send().await.status, 200);
    let unsigned = stand.main.put("/photos/a").changed(|headers| {
        headers.insert("user-agent", "anything".parse().expect("valid"));
        headers.insert("x-forwarded-for", "10.0.0.1".parse().expect("valid"));
    });
    assert_eq!(unsigned.send().await.status, 200, "others need no signature");
}

/// Signs with version 2: "Signing and authenticating REST requests" of the S3 user guide.
fn version_2(lines: &[&str]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"secret-of-main");
    let tag = hmac::sign(&key, lines.join("\n").as_bytes());
    base64_simd::STANDARD.encode_to_string(tag.as_ref())
}

fn http_date(ahead: i64) -> String {
    let by = Duration::from_secs(ahead.unsigned_abs());
    let now = SystemTime::now();
    httpdate::fmt_http_date(if ahead < 0 { now - by } else { now + by })
}

/// Signed in its headers with version 2, for this resource.
fn in_headers(draft: Draft, method: &str, resource: &str, date: &str) -> Draft {
    let signature = version_2(&[method, "", "", date, resource]);
    let draft = draft.anonymous().header("date", date);
    draft.header("authorization", &format!("AWS main-key:{signature}"))
}

/// Signed in its query with version 2, for this resource, until so many seconds from now.
fn in_query(draft: Draft, method: &str, resource: &str, ahead: i64) -> Draft {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let expires = now.saturating_add_signed(ahead).to_string();
    let signature = version_2(&[method, "", "", &expires, resource]);
    let draft = draft.anonymous().query("AWSAccessKeyId", "main-key").query("Expires", &expires);
    draft.query("Signature", &signature)
}

async fn with_object() -> Stand<impl Sized> {
    let stand = with_bucket().await;
    stand.main.put("/photos/a b").body("x").send().await;
    stand
}

#[tokio::test]
async fn version_2_covers_the_resource_and_its_subresources() {
    let stand = with_object().await;
    let get = |path: &str| stand.main.get(path);
    let date = http_date(0);
    for signed in [
        in_headers(get("/photos/a b"), "GET", "/photos/a%20b", &date),
        in_query(get("/photos/a b"), "GET", "/photos/a%20b", 60),
    ] {
        let told = signed.clone().send().await;
        assert_eq!((told.status, told.text()), (200, "x"));
        assert_eq!(signed.clone().changed_path("/photos/c").send().await.error(), WRONG);
        assert_eq!(signed.clone().query("acl", "").send().await.error(), WRONG);
        assert_eq!(signed.clone().query("versionId", "null").send().await.error(), WRONG);
        let told = signed.clone().query("response-content-type", "text/html").send().await;
        assert_eq!(told.error(), WRONG);
        let told = signed.clone().header("x-amz-meta-a", "1").send().await;
        assert_eq!(told.error(), WRONG);
        // It does not cover these, so it must not be good for them.
        for name in ["attributes", "legal-hold", "retention"] {
            let told = signed.clone().query(name, "").send().await;
            assert_eq!(told.error(), DENIED, "{name}");
        }
    }
    for (query, resource) in [
        (("acl", ""), "/photos?acl"),
        (("location", ""), "/photos?location"),
        (("versioning", ""), "/photos?versioning"),
        (("versions", ""), "/photos?versions"),
        (("prefix", "a"), "/photos"),
    ] {
        let ask = || get("/photos").query(query.0, query.1);
        let told = in_headers(ask(), "GET", resource, &date).send().await;
        assert_eq!(told.status, 200, "{resource}: {}", told.text());
        let told = in_query(ask(), "GET", resource, 60).send().await;
        assert_eq!(told.status, 200, "{resource}: {}", told.text());
    }
    let delete = stand.main.delete("/photos").query("encryption", "");
    assert_eq!(in_headers(delete, "DELETE", "/photos", &date).send().await.error(), DENIED);
    let put = stand.main.request(Method::PUT, "/photos/v2").body("y");
    assert_eq!(in_query(put, "PUT", "/photos/v2", 60).send().await.status, 200);
}

#[tokio::test]
async fn version_2_ages_and_can_be_switched_off() {
    let with = with_object().await;
    let get = || with.main.get("/photos/a b");
    let resource = "/photos/a%20b";
    for ahead in [-920, 920] {
        let told = in_headers(get(), "GET", resource, &http_date(ahead)).send().await;
        assert_eq!(told.error(), (403, "RequestTimeTooSkewed"), "{ahead}");
    }
    assert_eq!(in_query(get(), "GET", resource, -1).send().await.error(), DENIED, "expired");
    let wrong = in_headers(get(), "PUT", resource, &http_date(0)).send().await;
    assert_eq!(wrong.error(), WRONG);
    let undated = in_headers(get(), "GET", resource, &http_date(0));
    let undated = undated.changed(|headers| drop(headers.remove("date"))).send().await;
    assert_eq!(undated.error(), DENIED, "no date");
    assert_eq!(in_headers(get(), "GET", resource, "today").send().await.error(), DENIED);

    let off = stand(|config| config.signature_v2 = false).await;
    assert_eq!(off.main.put("/photos").send().await.status, 200);
    let get = || off.main.get("/photos");
    assert_eq!(in_headers(get(), "GET", "/photos", &http_date(0)).send().await.error(), DENIED);
    assert_eq!(in_query(get(), "GET", "/photos", 60).send().await.error(), DENIED);
    assert_eq!(get().send().await.status, 200, "version 4 goes on");
}
