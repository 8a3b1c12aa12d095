//! Requests that are refused, each with its code, before anything is done.

use coffer_types::RequestId;
use hyper::Method;

use super::client::Payload;
use super::{OTHER, stand, with_bucket};

#[tokio::test]
async fn signatures_are_checked() {
    let stand = with_bucket().await;
    let main = &stand.main;
    let anonymous = main.get("/photos").anonymous().send().await;
    assert_eq!(anonymous.error(), (403, "AccessDenied"));
    assert_eq!(anonymous.element("Resource"), Some("/photos"));
    assert_eq!(anonymous.element("RequestId"), Some(anonymous.header("x-amz-request-id")));
    assert_eq!(anonymous.element("HostId"), Some(anonymous.header("x-amz-id-2")));
    let empty = main.get("/photos").anonymous().header("authorization", "").send().await;
    assert_eq!(empty.error(), (403, "AccessDenied"));
    let wrong = main.with_key("main-key", "not-the-secret").get("/photos").send().await;
    assert_eq!(wrong.error(), (403, "SignatureDoesNotMatch"));
    let unknown = main.with_key("nobody", "not-the-secret").get("/photos").send().await;
    assert_eq!(unknown.error(), (403, "InvalidAccessKeyId"));
    for ahead in [-1_000, 1_000] {
        let mut skewed = main.clone();
        skewed.ahead = ahead;
        let told = skewed.get("/photos").send().await;
        assert_eq!(told.error(), (403, "RequestTimeTooSkewed"), "{ahead}");
        skewed.ahead = ahead / 2;
        assert_eq!(skewed.get("/photos").send().await.status, 200, "{ahead}");
    }
    let dated = |change: fn(&mut hyper::HeaderMap)| main.get("/photos").changed(change).send();
    let undated = dated(|headers| {
        headers.remove("x-amz-date");
    });
    assert_eq!(undated.await.error(), (403, "AccessDenied"));
    let twice = dated(|headers| {
        let date = headers["x-amz-date"].clone();
        headers.append("x-amz-date", date);
    });
    assert_eq!(twice.await.error(), (403, "AccessDenied"));
    let garbled = dated(|headers| {
        headers.insert("x-amz-date", "20170509T154625+01".parse().expect("valid"));
    });
    assert_eq!(garbled.await.error(), (403, "AccessDenied"));
    let token = main.get("/photos").header("x-amz-security-token", "t").send().await;
    assert_eq!(token.error(), (400, "InvalidToken"));
}

#[tokio::test]
async fn presigned_requests_hold_until_they_expire() {
    let stand = with_bucket().await;
    let put = stand.main.put("/photos/a").presigned(60).body("x").send().await;
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(stand.main.get("/photos/a").presigned(60).send().await.text(), "x");
    let mut past = stand.main.clone();
    past.ahead = -100;
    assert_eq!(past.get("/photos/a").presigned(60).send().await.error(), (403, "AccessDenied"));
    assert_eq!(past.get("/photos/a").presigned(120).send().await.status, 200);
    let week = 7 * 24 * 3_600;
    assert_eq!(stand.main.get("/photos/a").presigned(week).send().await.status, 200);
    let malformed = (400, "AuthorizationQueryParametersError");
    for (seconds, told) in [
        ("0", (403, "AccessDenied")),
        ("-7", malformed),
        ("604801", malformed),
        ("soon", malformed),
    ] {
        let request = stand.main.get("/photos/a").presigned_for(seconds);
        assert_eq!(request.send().await.error(), told, "{seconds}");
    }
    let twice = stand.main.get("/photos/a").presigned(60).query("X-Amz-Expires", "60");
    assert_eq!(twice.send().await.error(), malformed);
    let changed = stand.main.get("/photos/a").presigned(60).query("versionId", "null").send().await;
    assert_eq!(changed.error(), (403, "SignatureDoesNotMatch"));
    let smuggled = stand.main.put("/photos/b").presigned(60).header("x-amz-acl", "private");
    assert_eq!(smuggled.body("x").send().await.error(), (403, "AccessDenied"));
}

#[tokio::test]
async fn any_region_is_fine_until_one_is_set() {
    let mut anywhere = with_bucket().await;
    anywhere.main.region = "eu-north-7".to_owned();
    assert_eq!(anywhere.main.get("/photos").send().await.status, 200);

    let region = "eu-west-1";
    let mut set = stand(|config| config.region = Some(region.parse().expect("valid"))).await;
    let wrong = set.main.put("/photos").send().await;
    assert_eq!(wrong.error(), (400, "AuthorizationHeaderMalformed"));
    assert_eq!(wrong.element("Region"), Some(region));
    assert_eq!(wrong.header("x-amz-bucket-region"), region);
    let presigned = set.main.put("/photos").presigned(60).send().await;
    assert_eq!(presigned.error(), (400, "AuthorizationQueryParametersError"));
    assert_eq!(presigned.element("Region"), Some(region));
    set.main.region = region.to_owned();
    assert_eq!(set.main.put("/photos").send().await.status, 200);
    let again = set.main.put("/photos").send().await;
    assert_eq!(again.error(), (409, "BucketAlreadyOwnedByYou"));
    let location = set.main.get("/photos").query("location", "").send().await;
    assert!(location.text().ends_with("/\">eu-west-1</LocationConstraint>"), "{}", location.text());
    assert_eq!(set.main.head("/photos").send().await.header("x-amz-bucket-region"), region);
    let elsewhere = "<CreateBucketConfiguration><LocationConstraint>us-west-2</LocationConstraint>\
        </CreateBucketConfiguration>";
    let elsewhere = set.main.put("/archive").body(elsewhere).send().await;
    assert_eq!(elsewhere.error(), (400, "IllegalLocationConstraintException"));
}

#[tokio::test]
async fn buckets_of_others_are_closed() {
    let stand = with_bucket().await;
    stand.main.put("/photos/a").body("x").send().await;
    let cases = [
        (Method::GET, "/photos", "list-type=2"),
        (Method::GET, "/photos", "versions="),
        (Method::GET, "/photos", "location="),
        (Method::GET, "/photos", "versioning="),
        (Method::GET, "/photos", "acl="),
        (Method::GET, "/photos/a", "tagging="),
        (Method::GET, "/photos/a", ""),
        (Method::PUT, "/photos/a", ""),
        (Method::DELETE, "/photos/a", ""),
        (Method::DELETE, "/photos", ""),
    ];
    for (method, path, query) in cases {
        let request = stand.other.request(method.clone(), path);
        let request = match query.split_once('=') {
            Some((name, value)) => request.query(name, value),
            None => request,
        };
        let told = request.send().await;
        assert_eq!(told.error(), (403, "AccessDenied"), "{method} {path} {query}");
    }
    for path in ["/photos", "/photos/a"] {
        assert_eq!(stand.other.head(path).send().await.status, 403);
    }
    assert_eq!(stand.main.get("/photos/a").send().await.text(), "x");
}

#[tokio::test]
async fn the_expected_owner_must_own_the_bucket() {
    let stand = with_bucket().await;
    let get =
        |owner: &str| stand.main.get("/photos").header("x-amz-expected-bucket-owner", owner).send();
    assert_eq!(get(&stand.main_id).await.status, 200);
    assert_eq!(get(&OTHER.to_string()).await.error(), (403, "AccessDenied"));
    assert_eq!(get("123456789012").await.error(), (403, "AccessDenied"));
    let none = (400, "InvalidBucketOwnerAWSAccountID");
    for owner in ["me", "12345678901", "", &stand.main_id.to_uppercase()] {
        assert_eq!(get(owner).await.error(), none, "{owner}");
    }
}

#[tokio::test]
async fn what_is_not_built_is_refused_and_never_ignored() {
    let stand = with_bucket().await;
    let headers = [
        ("x-amz-server-side-encryption", "AES256"),
        ("x-amz-object-lock-mode", "COMPLIANCE"),
        ("x-amz-tagging", "a=b"),
        ("x-amz-acl", "public-read"),
        ("x-amz-grant-read", "id=1"),
        ("x-amz-storage-class", "GLACIER"),
        ("x-amz-write-offset-bytes", "1"),
        ("if-unmodified-since", "Fri, 01 Jan 2100 00:00:00 GMT"),
    ];
    for (name, value) in headers {
        let told = stand.main.put("/photos/n").header(name, value).body("x").send().await;
        assert_eq!(told.error(), (501, "NotImplemented"), "{name}");
        assert_eq!(told.element("Header"), Some(name));
    }
    assert_eq!(stand.main.get("/photos/n").send().await.error(), (404, "NoSuchKey"));
    let operations = [
        (Method::PUT, "/photos", "policy"),
        (Method::PUT, "/photos", "lifecycle"),
        (Method::POST, "/photos/n", "restore"),
        (Method::GET, "/photos/n", "torrent"),
        (Method::DELETE, "/photos", "shiny-new-thing"),
    ];
    for (method, path, query) in operations {
        let told = stand.main.request(method.clone(), path).query(query, "").send().await;
        assert_eq!(told.error(), (501, "NotImplemented"), "{method} {path}?{query}");
        assert_eq!(told.element("Resource"), Some(path));
    }
    let sealed = "x-amz-copy-source-server-side-encryption-customer-algorithm";
    let copy = stand.main.put("/photos/n").header("x-amz-copy-source", "/photos/o");
    let copy = copy.header(sealed, "AES256").send().await;
    assert_eq!(copy.error(), (501, "NotImplemented"));
    assert_eq!(copy.element("Header"), Some(sealed));
    let form = stand.main.post("/photos").anonymous();
    let form = form.header("content-type", "multipart/form-data; boundary=x").body("x");
    assert_eq!(form.send().await.error(), (501, "NotImplemented"));
    assert_eq!(stand.main.head("/photos").send().await.status, 200, "still there");
}

#[tokio::test]
async fn methods_that_a_resource_does_not_have_are_not_allowed() {
    let stand = with_bucket().await;
    let (service, other) = ("GET", "DELETE, GET, HEAD, PUT");
    for (method, path, allowed) in [
        (Method::PUT, "/", service),
        (Method::POST, "/", service),
        (Method::HEAD, "/", service),
        (Method::PATCH, "/photos", other),
        (Method::POST, "/photos", other),
        (Method::POST, "/photos/a", other),
        (Method::from_bytes(b"BREW").expect("a token"), "/photos/a", other),
    ] {
        let told = stand.main.request(method.clone(), path).send().await;
        assert_eq!((told.status, told.header("allow")), (405, allowed), "{method} {path}");
        if method != Method::HEAD {
            assert_eq!(told.error(), (405, "MethodNotAllowed"), "{method} {path}");
        }
    }
    let options = || stand.main.request(Method::OPTIONS, "/photos/a").anonymous();
    assert_eq!(options().send().await.error(), (400, "BadRequest"));
    let told = options().header("origin", "http://localhost").send().await;
    assert_eq!(told.error(), (403, "AccessForbidden"));
}

#[tokio::test]
async fn oversized_headers_are_refused() {
    let stand = with_bucket().await;
    let big = "x".repeat(20 << 10);
    let told = stand.main.get("/photos").header("x-big", &big).send().await;
    assert_eq!(told.error(), (400, "RequestHeaderSectionTooLarge"));
}

#[tokio::test]
async fn objects_larger_than_one_piece_may_be_are_refused_before_they_are_read() {
    let stand = with_bucket().await;
    let put = stand.main.put("/photos/huge").payload(Payload::Unsigned);
    let huge = Announced(6 << 30);
    let told = put.announced(6 << 30).send_body(huge).await;
    assert_eq!(told.error(), (400, "EntityTooLarge"));
}

/// A body that announces more than it will ever send.
pub(super) struct Announced(pub(super) u64);

impl hyper::body::Body for Announced {
    type Data = bytes::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<bytes::Bytes>, std::io::Error>>> {
        panic!("nobody may read this body")
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.0)
    }
}

#[tokio::test]
async fn answers_say_what_was_asked_for_and_keep_the_id_they_are_given() {
    let stand = with_bucket().await;
    let got = stand.main.get("/photos/none").send().await;
    assert_eq!(got.operation, Some("GetObject"));
    assert_eq!(stand.main.head("/photos/none").send().await.operation, Some("HeadObject"));
    assert_eq!(stand.main.get("/photos").anonymous().send().await.operation, Some("ListObjects"));
    let wrong = stand.main.with_key("nobody", "not-the-secret").get("/photos").send().await;
    assert_eq!(wrong.operation, None, "nobody who is not known asks for anything");
    let given = stand.main.get("/photos").id(RequestId(0xABCD)).send().await;
    assert_eq!(given.header("x-amz-request-id"), "000000000000ABCD");
}
