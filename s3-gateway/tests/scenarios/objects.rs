//! Putting, getting and deleting objects.

use hyper::Method;

use super::{stand, with_bucket};

#[tokio::test]
async fn an_object_comes_back_as_it_went() {
    let stand = with_bucket().await;
    let put = stand
        .main
        .put("/photos/a.txt")
        .body("hello world, hello")
        .header("content-type", "text/plain");
    let put = put.header("x-amz-meta-colour", "blue").header("cache-control", "no-cache");
    let put = put.send().await;
    assert_eq!((put.status, put.text()), (200, ""));
    assert_eq!(
        put.header("etag"),
        "\"92d8543e7a0ea4f62b57d8ac8a2c4f2f\""
            .replace("92d8543e7a0ea4f62b57d8ac8a2c4f2f", &md5_hex(b"hello world, hello"))
    );
    assert_eq!(put.header("x-amz-request-id").len(), 16);
    assert!(!put.header("x-amz-id-2").is_empty());
    assert_eq!(put.header("x-amz-version-id"), "");

    let got = stand.main.get("/photos/a.txt").send().await;
    assert_eq!((got.status, got.text()), (200, "hello world, hello"));
    for (name, value) in [
        ("content-type", "text/plain"),
        ("x-amz-meta-colour", "blue"),
        ("cache-control", "no-cache"),
        ("content-length", "18"),
        ("accept-ranges", "bytes"),
        ("etag", put.header("etag")),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    assert!(got.header("last-modified").ends_with("GMT"));
    assert_ne!(got.header("x-amz-request-id"), put.header("x-amz-request-id"));

    let head = stand.main.head("/photos/a.txt").send().await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    for name in ["content-type", "content-length", "etag", "last-modified", "x-amz-meta-colour"] {
        assert_eq!(head.header(name), got.header(name), "{name}");
    }
    assert_eq!(stand.main.delete("/photos/a.txt").send().await.status, 204);
    let gone = stand.main.get("/photos/a.txt").send().await;
    assert_eq!(gone.error(), (404, "NoSuchKey"));
    assert_eq!(gone.element("Key"), Some("a.txt"));
    assert_eq!(gone.header("x-amz-delete-marker"), "", "only where there is one");
    assert_eq!(stand.main.head("/photos/a.txt").send().await.status, 404);
    assert_eq!(stand.main.delete("/photos/a.txt").send().await.status, 204, "nothing to delete");
}

fn md5_hex(bytes: &[u8]) -> String {
    use s3s::crypto::Checksum;
    super::client::hex(&s3s::crypto::Md5::checksum(bytes))
}

#[tokio::test]
async fn a_redirect_location_is_told_and_not_followed() {
    let stand = with_bucket().await;
    let put = |location: &str| {
        stand.main.put("/photos/r").header("x-amz-website-redirect-location", location).send()
    };
    assert_eq!(put("elsewhere").await.error(), (400, "InvalidRedirectLocation"));
    assert_eq!(put("https://example.org/new").await.status, 200);
    for method in [Method::GET, Method::HEAD] {
        let read = stand.main.request(method, "/photos/r").send().await;
        assert_eq!(read.status, 200);
        assert_eq!(read.header("x-amz-website-redirect-location"), "https://example.org/new");
    }
}

#[tokio::test]
async fn an_empty_object_is_an_object() {
    let stand = with_bucket().await;
    assert_eq!(stand.main.put("/photos/empty").send().await.status, 200);
    let got = stand.main.get("/photos/empty").send().await;
    assert_eq!((got.status, got.text(), got.header("content-length")), (200, "", "0"));
    assert_eq!(got.header("etag"), "\"d41d8cd98f00b204e9800998ecf8427e\"");
    assert_eq!(got.header("content-type"), "binary/octet-stream");
    let range = stand.main.get("/photos/empty").header("range", "bytes=0-5").send().await;
    assert_eq!(range.error(), (416, "InvalidRange"));
}

#[tokio::test]
async fn keys_are_names_and_never_paths() {
    let stand = with_bucket().await;
    let long = "k".repeat(1_024);
    let keys = [
        "..",
        ".",
        "a",
        "a/",
        "a//b",
        "//",
        "../../etc/passwd",
        "a b",
        "a+b",
        "%2F",
        "%",
        "?",
        "#",
        "é/ü",
        "&<>\"'",
        "\u{1}\u{7f}",
        "a\nb",
        ":",
        "\\",
        "~user",
        " ",
        &long,
    ];
    for key in keys {
        let path = format!("/photos/{key}");
        let put = stand.main.put(&path).body(key.to_owned()).send().await;
        assert_eq!(put.status, 200, "{key:?}: {}", put.text());
    }
    for key in keys {
        let got = stand.main.get(&format!("/photos/{key}")).send().await;
        assert_eq!((got.status, got.text()), (200, key), "{key:?}");
    }
    let mut sorted = keys;
    sorted.sort_unstable();
    let listed = stand.main.get("/photos").query("list-type", "2").query("encoding-type", "url");
    let listed = listed.send().await;
    let encoded: Vec<_> = sorted.iter().map(|key| super::client::encode(key, true)).collect();
    assert_eq!(listed.elements("Key"), encoded);

    let too_long = stand.main.put(&format!("/photos/{long}k")).body("x").send().await;
    assert_eq!(too_long.error(), (400, "KeyTooLongError"));
}

#[tokio::test]
async fn ranges_are_parts_of_the_object() {
    let stand = with_bucket().await;
    stand.main.put("/photos/r").body("0123456789abcdef").send().await;
    let cases = [
        ("bytes=0-0", 206, "0", "bytes 0-0/16"),
        ("bytes=4-", 206, "456789abcdef", "bytes 4-15/16"),
        ("bytes=-3", 206, "def", "bytes 13-15/16"),
        ("bytes=-100", 206, "0123456789abcdef", "bytes 0-15/16"),
        ("bytes=10-100", 206, "abcdef", "bytes 10-15/16"),
        ("bytes=0-15", 206, "0123456789abcdef", "bytes 0-15/16"),
    ];
    for (range, status, text, content_range) in cases {
        let got = stand.main.get("/photos/r").header("range", range).send().await;
        assert_eq!((got.status, got.text()), (status, text), "{range}");
        assert_eq!(got.header("content-range"), content_range, "{range}");
        assert_eq!(got.header("content-length"), text.len().to_string(), "{range}");
        let head = stand.main.head("/photos/r").header("range", range).send().await;
        assert_eq!((head.status, head.header("content-range")), (status, content_range), "{range}");
        assert_eq!(head.header("content-length"), text.len().to_string(), "{range}");
    }
    for range in ["bytes=16-", "bytes=-0", "bytes=100-200"] {
        let got = stand.main.get("/photos/r").header("range", range).send().await;
        assert_eq!(got.error(), (416, "InvalidRange"), "{range}");
        assert_eq!(got.element("ActualObjectSize"), Some("16"));
        assert_eq!(got.header("content-range"), "bytes */16");
    }
    let part = stand.main.get("/photos/r").query("partNumber", "1").send().await;
    assert_eq!((part.status, part.header("content-range")), (206, "bytes 0-15/16"));
    let part = stand.main.get("/photos/r").query("partNumber", "2").send().await;
    assert_eq!(part.error(), (416, "InvalidPartNumber"));
}

#[tokio::test]
async fn ranges_that_do_not_parse_are_ignored() {
    let stand = with_bucket().await;
    stand.main.put("/photos/r").body("0123456789abcdef").send().await;
    for range in ["bytes=5-3", "bytes=a-b", "bytes", "chars=1-2", "bytes=0-1,4-5", "bytes=-", ""] {
        let got = stand.main.get("/photos/r").header("range", range).send().await;
        assert_eq!((got.status, got.text()), (200, "0123456789abcdef"), "{range:?}");
        let head = stand.main.head("/photos/r").header("range", range).send().await;
        assert_eq!((head.status, head.header("content-length")), (200, "16"), "{range:?}");
    }
}

#[tokio::test]
async fn conditions_of_reads_hold_or_are_told() {
    let stand = with_bucket().await;
    let put = stand.main.put("/photos/c").body("x").send().await;
    let tag = put.header("etag").to_owned();
    let (past, future) = ("Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT");
    let cases = [
        ("if-match", tag.as_str(), 200),
        ("if-match", "\"other\"", 412),
        ("if-match", "*", 200),
        ("if-match", tag.trim_matches('"'), 200),
        ("if-none-match", &tag, 304),
        ("if-none-match", "\"other\"", 200),
        ("if-none-match", "*", 304),
        ("if-modified-since", past, 200),
        ("if-modified-since", future, 304),
        ("if-unmodified-since", past, 412),
        ("if-unmodified-since", future, 200),
    ];
    for (name, value, status) in cases {
        for method in [Method::GET, Method::HEAD] {
            let read = stand.main.request(method.clone(), "/photos/c").header(name, value);
            let got = read.send().await;
            assert_eq!(got.status, status, "{method} {name}: {value}");
            if status == 304 {
                assert_eq!((got.header("etag"), got.body.len()), (tag.as_str(), 0));
                assert!(got.header("last-modified").ends_with("GMT"));
            }
        }
    }
}

#[tokio::test]
async fn several_tags_match_if_one_does_and_bad_dates_are_ignored() {
    let stand = with_bucket().await;
    let put = stand.main.put("/photos/c").body("x").send().await;
    let tag = put.header("etag").to_owned();
    let list = format!("\"a\", W/\"b\",{tag}");
    let get =
        |name: &'static str, value: &str| stand.main.get("/photos/c").header(name, value).send();
    assert_eq!(get("if-match", &list).await.status, 200);
    assert_eq!(get("if-match", "\"a\", \"b\"").await.status, 412);
    assert_eq!(get("if-none-match", &list).await.status, 304);
    assert_eq!(get("if-modified-since", "yesterday").await.status, 200);
    assert_eq!(get("if-unmodified-since", "yesterday").await.status, 200);
    let rfc850 = "Saturday, 01-Jan-00 00:00:00 GMT";
    assert_eq!(get("if-unmodified-since", rfc850).await.status, 412);
}

#[tokio::test]
async fn conditions_of_writes_are_decided_before_anything_is_stored() {
    let stand = with_bucket().await;
    let put = |name: &'static str, value: &str, body: &'static str| {
        stand.main.put("/photos/w").header(name, value).body(body).send()
    };
    assert_eq!(put("if-match", "\"x\"", "0").await.error(), (404, "NoSuchKey"));
    let first = put("if-none-match", "*", "1").await;
    assert_eq!(first.status, 200);
    let second = put("if-none-match", "*", "2").await;
    assert_eq!(second.error(), (412, "PreconditionFailed"));
    assert_eq!(second.element("Condition"), Some("If-None-Match"));
    assert_eq!(put("if-match", "\"x\"", "3").await.error(), (412, "PreconditionFailed"));
    assert_eq!(put("if-match", first.header("etag"), "4").await.status, 200);
    assert_eq!(stand.main.get("/photos/w").send().await.text(), "4");

    let delete = |tag: &str| stand.main.delete("/photos/w").header("if-match", tag).send();
    assert_eq!(delete("\"x\"").await.error(), (412, "PreconditionFailed"));
    assert_eq!(delete("*").await.status, 204);
    for tag in ["\"x\"", "*"] {
        assert_eq!(delete(tag).await.error(), (404, "NoSuchKey"), "{tag}: nothing can match");
    }
    let sized = stand.main.delete("/photos/w").header("x-amz-if-match-size", "1").send().await;
    assert_eq!(sized.status, 204, "a size asks nothing of what is not there");
}

#[tokio::test]
async fn the_query_of_a_read_replaces_stored_headers() {
    let stand = with_bucket().await;
    stand.main.put("/photos/o").header("content-type", "text/plain").body("x").send().await;
    for method in [Method::GET, Method::HEAD] {
        let read = stand.main.request(method, "/photos/o").query("response-content-type", "a/b");
        let read = read.query("response-content-disposition", "attachment; filename=\"x y\"");
        let got = read.query("response-expires", "Thu, 01 Dec 1994 16:00:00 GMT").send().await;
        assert_eq!(got.header("content-type"), "a/b");
        assert_eq!(got.header("content-disposition"), "attachment; filename=\"x y\"");
        assert_eq!(got.header("expires"), "Thu, 01 Dec 1994 16:00:00 GMT");
    }
}

#[tokio::test]
async fn buckets_are_created_listed_and_deleted() {
    let stand = stand(|_| {}).await;
    let created = stand.main.put("/photos").send().await;
    assert_eq!((created.status, created.header("location")), (200, "/photos"));
    assert_eq!(stand.main.put("/photos/").send().await.status, 200, "again, by the same owner");
    assert_eq!(stand.other.put("/photos").send().await.error(), (409, "BucketAlreadyExists"));
    assert_eq!(stand.main.put("/Photos").send().await.error(), (400, "InvalidBucketName"));
    stand.main.put("/archive").send().await;
    stand.other.put("/theirs").send().await;

    let listed = stand.main.get("/").send().await;
    assert_eq!(listed.elements("Name"), ["archive", "photos"]);
    assert_eq!(listed.element("ID"), Some(stand.main_id.as_str()));
    assert!(listed.text().contains("<ListAllMyBucketsResult xmlns="));
    let first = stand.main.get("/").query("max-buckets", "1").send().await;
    assert_eq!(first.elements("Name"), ["archive"]);
    let token = first.element("ContinuationToken").expect("more").to_owned();
    let rest = stand.main.get("/").query("max-buckets", "1").query("continuation-token", &token);
    assert_eq!(rest.send().await.elements("Name"), ["photos"]);

    let head = stand.main.head("/photos").send().await;
    assert_eq!((head.status, head.header("x-amz-bucket-region")), (200, "us-east-1"));
    assert_eq!(stand.main.head("/nothing").send().await.status, 404);
    let location = stand.main.get("/photos").query("location", "").send().await;
    assert!(location.text().ends_with("/\"></LocationConstraint>"), "{}", location.text());

    stand.main.put("/photos/a").body("x").send().await;
    assert_eq!(stand.main.delete("/photos").send().await.error(), (409, "BucketNotEmpty"));
    stand.main.delete("/photos/a").send().await;
    assert_eq!(stand.main.delete("/photos").send().await.status, 204);
    assert_eq!(stand.main.delete("/photos").send().await.error(), (404, "NoSuchBucket"));
}

#[tokio::test]
async fn hosts_below_a_base_domain_name_buckets() {
    let stand = stand(|config| {
        config.base_domains = vec!["s3.example.org".parse().expect("valid")];
    })
    .await;
    let host = "photos.s3.example.org:9000";
    assert_eq!(stand.main.put("/").header("host", host).send().await.status, 200);
    let put = stand.main.put("/a/b").header("host", host).body("x").send().await;
    assert_eq!(put.status, 200, "{}", put.text());
    assert_eq!(stand.main.get("/photos/a/b").send().await.text(), "x");
    let by_name = stand.main.get("/photos/a/b").header("host", "s3.example.org").send().await;
    assert_eq!(by_name.text(), "x");
    let bad = stand.main.get("/").header("host", "a_b.s3.example.org").send().await;
    assert_eq!(bad.error(), (400, "InvalidBucketName"));
    let mut headers = hyper::HeaderMap::new();
    headers.insert("host", host.parse().expect("valid"));
    assert!(stand.main.gateway().host_names_bucket(&headers));
    headers.insert("host", "s3.example.org".parse().expect("valid"));
    assert!(!stand.main.gateway().host_names_bucket(&headers));
}
