//! Names that paths and documents can hardly carry.

use std::fmt::Write as _;

use s3s::crypto::{Checksum, Md5};

use super::client::{Answer, encode};
use super::{Stand, with_bucket};

/// Keys with characters that XML 1.0 cannot hold, or that parsers change.
const HARD: [&str; 9] =
    ["a\u{0}b", "a\u{1}b", "a\u{b}b", "a\tb", "a\nb", "a\rb", "a\u{1f}b", "a\u{7f}b", "]]>"];

#[tokio::test]
async fn keys_that_xml_cannot_hold_are_listed_and_deleted() {
    let stand = with_bucket().await;
    for key in HARD {
        let put = stand.main.put(&format!("/photos/{key}")).body(key.to_owned()).send().await;
        assert_eq!(put.status, 200, "{key:?}: {}", put.text());
        assert_eq!(stand.main.get(&format!("/photos/{key}")).send().await.text(), key, "{key:?}");
    }
    let mut sorted = HARD;
    sorted.sort_unstable();
    for query in [("list-type", "2"), ("versions", "")] {
        let list = || stand.main.get("/photos").query(query.0, query.1);
        let encoded = list().query("encoding-type", "url").send().await;
        let expected: Vec<_> = sorted.iter().map(|key| encode(key, true)).collect();
        assert_eq!(encoded.elements("Key"), expected);
        let plain = list().send().await;
        let control = |c: char| (c < ' ' && !"\t\n".contains(c)) || c == '>';
        let escaped = |key: &str| -> String {
            let escape = |c: char| match c {
                '>' => "&gt;".to_owned(),
                c if control(c) => format!("&#x{:X};", u32::from(c)),
                c => c.to_string(),
            };
            key.chars().map(escape).collect()
        };
        let expected: Vec<_> = sorted.iter().map(|key| escaped(key)).collect();
        assert_eq!(plain.elements("Key"), expected);
    }
    for key in HARD {
        let told = delete_by_references(&stand, key).await;
        // XML 1.0 knows no reference to these; DeleteObject can name them.
        if key.chars().any(|c| c < ' ' && !"\t\n\r".contains(c)) {
            assert_eq!(told.error(), (400, "MalformedXML"), "{key:?}");
            assert_eq!(stand.main.delete(&format!("/photos/{key}")).send().await.status, 204);
        } else {
            assert_eq!((told.status, told.elements("Deleted").len()), (200, 1), "{key:?}");
        }
    }
    let listed = stand.main.get("/photos").query("list-type", "2").send().await;
    assert_eq!(listed.element("KeyCount"), Some("0"), "{}", listed.text());
}

/// Deletes a key, each of its characters a numeric reference.
async fn delete_by_references<G>(stand: &Stand<G>, key: &str) -> Answer {
    let mut delete = "<Delete><Object><Key>".to_owned();
    for character in key.chars() {
        write!(delete, "&#x{:x};", u32::from(character)).expect("fits");
    }
    delete.push_str("</Key></Object></Delete>");
    let md5 = base64_simd::STANDARD.encode_to_string(Md5::checksum(delete.as_bytes()));
    let draft = stand.main.post("/photos").query("delete", "").header("content-md5", &md5);
    draft.body(delete).send().await
}

#[tokio::test]
async fn paths_are_decoded_once() {
    let stand = with_bucket().await;
    for (path, key) in [
        ("/photos/a+b", "a+b"),
        ("/photos/a%2Bb", "a+b"),
        ("/photos/a%20b", "a b"),
        ("/photos/a%2520b", "a%20b"),
        ("/photos/%252F", "%2F"),
        ("/photos/%E2%82%AC", "€"),
        ("/photos/..%2F..", "../.."),
        ("/photos//x", "/x"),
        ("/photos/x//", "x//"),
        ("/photos/a%3Fb", "a?b"),
        ("/photos/a%23b", "a#b"),
        ("/photos/a=b&c:d,e;f@g$h!i*j'k(l)", "a=b&c:d,e;f@g$h!i*j'k(l)"),
    ] {
        let put = stand.main.put(&format!("/photos/{key}")).body(key.to_owned()).send().await;
        assert_eq!(put.status, 200, "{key}");
        // As a client signs that sends the path in its own spelling.
        let got = stand.main.get(&format!("/photos/{key}")).changed_path(path).send().await;
        assert_eq!((got.status, got.text()), (200, key), "{path}");
    }
    for path in ["/photos/%FF", "/photos/%C3%28", "/photos/a%ED%A0%80"] {
        for method in [hyper::Method::GET, hyper::Method::PUT, hyper::Method::DELETE] {
            let told = stand.main.request(method.clone(), "/photos/x").changed_path(path);
            let told = told.send().await;
            assert_eq!(told.error(), (400, "InvalidURI"), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn buckets_are_named_by_the_rules() {
    let stand = with_bucket().await;
    let longest = "n".repeat(63);
    for good in ["abc", "a.b-c.9", "1ab", "x--y", &longest] {
        let told = stand.main.put(&format!("/{good}")).send().await;
        assert_eq!(told.status, 200, "{good}: {}", told.text());
    }
    let too_long = "n".repeat(64);
    for bad in [
        "ab",
        "Abc",
        "a_b",
        "a..b",
        "a.-b",
        "a-.b",
        "-ab",
        "ab-",
        ".ab",
        "ab.",
        "1.2.3.4",
        "a b",
        "é-é",
        "xn--abc",
        "sthree-abc",
        "amzn-s3-demo-x",
        "abc-s3alias",
        "abc--ol-s3",
        "abc.mrap",
        "abc--x-s3",
        "abc--table-s3",
        &too_long,
    ] {
        let told = stand.main.put(&format!("/{bad}")).send().await;
        assert_eq!(told.error(), (400, "InvalidBucketName"), "{bad}");
        let told = stand.main.get(&format!("/{bad}/key")).send().await;
        assert_eq!(told.error(), (400, "InvalidBucketName"), "{bad}");
    }
}
