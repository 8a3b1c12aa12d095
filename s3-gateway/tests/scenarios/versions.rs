//! Versions, delete markers, and deleting many at once.

use std::fmt::Write as _;

use bytes::Bytes;
use s3s::crypto::{Checksum, Md5};

use super::client::{Answer, Client};
use super::{Stand, with_bucket};

pub(super) async fn versioned() -> Stand<impl Sized> {
    let stand = with_bucket().await;
    assert_eq!(set_versioning(&stand.main, "Enabled").await.status, 200);
    stand
}

async fn set_versioning(client: &Client, status: &str) -> Answer {
    let body =
        format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
    client.put("/photos").query("versioning", "").body(body).send().await
}

#[tokio::test]
async fn versioning_is_told_and_set() {
    let stand = with_bucket().await;
    let told = stand.main.get("/photos").query("versioning", "").send().await;
    assert_eq!((told.status, told.element("Status")), (200, None));
    for status in ["Enabled", "Suspended"] {
        assert_eq!(set_versioning(&stand.main, status).await.status, 200);
        let told = stand.main.get("/photos").query("versioning", "").send().await;
        assert_eq!(told.element("Status"), Some(status));
    }
    assert_eq!(set_versioning(&stand.main, "Off").await.error(), (400, "MalformedXML"));
    let put = stand.main.put("/photos").query("versioning", "").body("<Versioning");
    assert_eq!(put.send().await.error(), (400, "MalformedXML"));
    assert_eq!(set_versioning(&stand.other, "Enabled").await.error(), (403, "AccessDenied"));
}

#[tokio::test]
async fn versions_and_delete_markers_are_found_by_id() {
    let stand = versioned().await;
    let first = stand.main.put("/photos/v").body("one").send().await;
    let second = stand.main.put("/photos/v").body("two").send().await;
    let (one, two) = (first.header("x-amz-version-id"), second.header("x-amz-version-id"));
    assert!(!one.is_empty() && one != two);
    let get = |version: &str| stand.main.get("/photos/v").query("versionId", version).send();
    assert_eq!(get(one).await.text(), "one");
    let latest = stand.main.get("/photos/v").send().await;
    assert_eq!((latest.text(), latest.header("x-amz-version-id")), ("two", two));
    assert_eq!(get("garbage").await.error(), (400, "InvalidArgument"));
    assert_eq!(get("").await.error(), (400, "InvalidArgument"));
    let missing = "0000000000000000000000000000ffff";
    assert_eq!(get(missing).await.error(), (404, "NoSuchVersion"));

    let deleted = stand.main.delete("/photos/v").send().await;
    assert_eq!((deleted.status, deleted.header("x-amz-delete-marker")), (204, "true"));
    let marker = deleted.header("x-amz-version-id");
    let hidden = stand.main.get("/photos/v").send().await;
    assert_eq!(hidden.error(), (404, "NoSuchKey"));
    assert_eq!(hidden.header("x-amz-delete-marker"), "true");
    assert_eq!(hidden.header("x-amz-version-id"), marker);
    let (past, tag) = ("Sat, 01 Jan 2000 00:00:00 GMT", second.header("etag"));
    for (name, value) in [
        ("if-none-match", "*"),
        ("if-none-match", tag),
        ("if-match", tag),
        ("if-modified-since", past),
        ("if-unmodified-since", past),
    ] {
        let read = stand.main.get("/photos/v").header(name, value).send().await;
        assert_eq!(read.error(), (404, "NoSuchKey"), "{name}: there is nothing to compare");
        assert_eq!(read.header("x-amz-delete-marker"), "true", "{name}");
        let read = stand.main.get("/photos/v").query("versionId", marker).header(name, value);
        assert_eq!(read.send().await.error(), (405, "MethodNotAllowed"), "{name}");
    }
    let put = stand.main.put("/photos/v").header("if-match", tag).body("three").send().await;
    assert_eq!(put.error(), (404, "NoSuchKey"), "a delete marker is no object");
    let again = stand.main.delete("/photos/v").header("if-match", tag).send().await;
    assert_eq!(again.error(), (404, "NoSuchKey"), "nor does a delete look below it");
    let named = get(marker).await;
    assert_eq!(named.error(), (405, "MethodNotAllowed"));
    assert_eq!((named.header("allow"), named.header("x-amz-delete-marker")), ("DELETE", "true"));
    let head = stand.main.head("/photos/v").query("versionId", marker).send().await;
    assert_eq!((head.status, head.header("x-amz-delete-marker")), (405, "true"));

    let undone = stand.main.delete("/photos/v").query("versionId", marker).send().await;
    assert_eq!((undone.status, undone.header("x-amz-delete-marker")), (204, "true"));
    assert_eq!(stand.main.get("/photos/v").send().await.text(), "two");
}

#[tokio::test]
async fn versions_are_listed_newest_first_and_paged() {
    let stand = versioned().await;
    for (key, body) in [("a", "1"), ("a", "22"), ("b/x", "3"), ("c", "4")] {
        stand.main.put(&format!("/photos/{key}")).body(body).send().await;
    }
    stand.main.delete("/photos/a").send().await;
    let list = || stand.main.get("/photos").query("versions", "");
    let all = list().send().await;
    assert_eq!(all.elements("Key"), ["a", "a", "a", "b/x", "c"]);
    assert_eq!(all.elements("IsLatest"), ["true", "false", "false", "true", "true"]);
    assert_eq!(all.elements("Size"), ["2", "1", "1", "1"]);
    assert_eq!(all.elements("DeleteMarker").len(), 1);
    assert_eq!(all.element("KeyMarker"), Some(""));

    let mut seen = Vec::new();
    let mut place: Option<(String, Option<String>)> = None;
    loop {
        let mut page = list().query("max-keys", "1").query("delimiter", "/");
        if let Some((key, version)) = &place {
            page = page.query("key-marker", key);
            page =
                version.iter().fold(page, |page, version| page.query("version-id-marker", version));
        }
        let page = page.send().await;
        seen.extend(page.elements("VersionId").iter().map(|id| (*id).to_owned()));
        seen.extend(page.elements("CommonPrefixes").iter().map(|prefix| (*prefix).to_owned()));
        let Some(key) = page.element("NextKeyMarker") else {
            break;
        };
        place = Some((key.to_owned(), page.element("NextVersionIdMarker").map(str::to_owned)));
    }
    let ids = all.elements("VersionId");
    assert_eq!(seen, [ids[0], ids[1], ids[2], "<Prefix>b/</Prefix>", ids[4]]);
    let alone = list().query("version-id-marker", ids[0]).send().await;
    assert_eq!(alone.error(), (400, "InvalidArgument"));
}

fn delete_body(keys: &[(&str, Option<&str>)], quiet: bool) -> Bytes {
    let mut body = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">".to_owned();
    for (key, version) in keys {
        write!(body, "<Object><Key>{key}</Key>").expect("fits");
        if let Some(version) = version {
            write!(body, "<VersionId>{version}</VersionId>").expect("fits");
        }
        body += "</Object>";
    }
    write!(body, "<Quiet>{quiet}</Quiet></Delete>").expect("fits");
    body.into()
}

async fn delete_many(client: &Client, body: Bytes) -> Answer {
    let md5 = base64_simd::STANDARD.encode_to_string(Md5::checksum(&body));
    client.post("/photos").query("delete", "").header("content-md5", &md5).body(body).send().await
}

#[tokio::test]
async fn many_keys_are_deleted_at_once() {
    let stand = versioned().await;
    let put = stand.main.put("/photos/a").body("1").send().await;
    let version = put.header("x-amz-version-id").to_owned();
    stand.main.put("/photos/b&c").body("2").send().await;
    let keys =
        [("a", Some(version.as_str())), ("b&amp;c", None), ("never", None), ("x", Some("bad"))];
    let done = delete_many(&stand.main, delete_body(&keys, false)).await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(done.elements("Key"), ["a", "b&amp;c", "never", "x"]);
    assert_eq!(done.element("VersionId"), Some(version.as_str()));
    assert_eq!(done.elements("DeleteMarker"), ["true", "true"]);
    assert_eq!(done.elements("Code"), ["NoSuchVersion"]);
    let left = stand.main.get("/photos").send().await;
    assert!(left.elements("Key").is_empty());

    let quiet =
        delete_many(&stand.main, delete_body(&[("a", None), ("x", Some("bad"))], true)).await;
    assert_eq!(quiet.elements("Key"), ["x"]);
}

#[tokio::test]
async fn keys_deleted_at_once_may_name_the_tag_they_must_have() {
    let stand = with_bucket().await;
    let put = stand.main.put("/photos/a").body("1").send().await;
    stand.main.put("/photos/b").body("2").send().await;
    let tag = put.header("etag").trim_matches('"');
    let object = |key: &str, what: &str| format!("<Object><Key>{key}</Key>{what}</Object>");
    let tagged = |key: &str| object(key, &format!("<ETag>{tag}</ETag>"));
    let objects = [tagged("a"), tagged("b"), tagged("never"), object("gone", "<Size>1</Size>")];
    let body = format!("<Delete>{}</Delete>", objects.concat());
    let done = delete_many(&stand.main, body.into()).await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(done.elements("Deleted"), ["<Key>a</Key>", "<Key>gone</Key>"]);
    assert_eq!(done.elements("Code"), ["PreconditionFailed", "NoSuchKey"]);
}

#[tokio::test]
async fn keys_in_documents_are_taken_as_written() {
    let stand = with_bucket().await;
    for key in [" spaced ", "<&>", "a\nb", "plain"] {
        stand.main.put(&format!("/photos/{key}")).body("x").send().await;
    }
    let keys = [(" spaced ", None), ("&lt;&amp;>", None), ("a&#10;b", None), ("pl&#x61;in", None)];
    let cdata = delete_body(&[("pl<![CDATA[ai]]>n", None)], false);
    assert_eq!(delete_many(&stand.main, cdata).await.error(), (400, "MalformedXML"));
    let done = delete_many(&stand.main, delete_body(&keys, false)).await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert!(done.elements("Code").is_empty(), "{}", done.text());
    assert!(stand.main.get("/photos").send().await.elements("Key").is_empty());
}

#[tokio::test]
async fn requests_to_delete_many_are_checked() {
    let stand = with_bucket().await;
    stand.main.put("/photos/a").body("1").send().await;
    let body = delete_body(&[("a", None)], false);
    let post = || stand.main.post("/photos").query("delete", "").body(body.clone());
    assert_eq!(post().send().await.error(), (400, "InvalidRequest"), "no digest");
    let wrong = base64_simd::STANDARD.encode_to_string([0; 16]);
    let bad = post().header("content-md5", &wrong).send().await;
    assert_eq!(bad.error(), (400, "BadDigest"));
    let bad = post().header("x-amz-checksum-crc32", "AAAAAA==").send().await;
    assert_eq!(bad.error(), (400, "BadDigest"));
    assert_eq!(post().header("content-md5", "x").send().await.error(), (400, "InvalidDigest"));
    let right = base64_simd::STANDARD.encode_to_string(s3s::crypto::Sha256::checksum(&body));
    let sha256 = post().header("x-amz-checksum-sha256", &right);
    let tampered = sha256.clone().tampered(|mut body| {
        body[20] ^= 1;
        body
    });
    assert_eq!(tampered.send().await.error(), (400, "XAmzContentSHA256Mismatch"));

    let malformed = delete_many(&stand.main, "<Delete><Object>".into()).await;
    assert_eq!(malformed.error(), (400, "MalformedXML"));
    let none = delete_many(&stand.main, delete_body(&[], false)).await;
    assert_eq!(none.error(), (400, "MalformedXML"));
    let many: Vec<_> = (0..1_001).map(|_| ("k", None)).collect();
    let many = delete_many(&stand.main, delete_body(&many, false)).await;
    assert_eq!(many.error(), (400, "MalformedXML"));
    let theirs = delete_many(&stand.other, body.clone()).await;
    assert_eq!(theirs.error(), (403, "AccessDenied"));
    assert_eq!(stand.main.get("/photos/a").send().await.text(), "1", "still there");
    assert_eq!(sha256.send().await.status, 200);
    assert_eq!(stand.main.get("/photos/a").send().await.status, 404);
}
