//! `GetObjectAttributes`.

use hyper::Method;
use s3s::crypto::{Checksum, Crc32, Crc64Nvme, Sha256};

use super::client::{Client, Draft, base64, letters};
use super::multipart::{PART_MIN, begin, two_parts};
use super::versions::versioned;
use super::with_bucket;

const ALL: &str = "ETag,Checksum,ObjectParts,StorageClass,ObjectSize";

fn ask(client: &Client, path: &str, attributes: &str) -> Draft {
    let draft = client.get(path).query("attributes", "");
    draft.header("x-amz-object-attributes", attributes)
}

#[tokio::test]
async fn objects_put_in_one_piece_have_attributes() {
    let stand = with_bucket().await;
    let sum = base64(&Crc32::checksum(b"body"));
    let put = stand.main.put("/photos/a").header("x-amz-checksum-crc32", &sum).body("body");
    let put = put.send().await;
    let told = ask(&stand.main, "/photos/a", ALL).send().await;
    assert_eq!(told.status, 200, "{}", told.text());
    let expected = format!(
        "<ETag>{}</ETag><Checksum><ChecksumCRC32>{sum}</ChecksumCRC32>\
         <ChecksumType>FULL_OBJECT</ChecksumType></Checksum><StorageClass>STANDARD</StorageClass>\
         <ObjectSize>4</ObjectSize></GetObjectAttributesResponse>",
        put.header("etag").trim_matches('"')
    );
    assert!(told.text().ends_with(&expected), "{}", told.text());
    let head = stand.main.head("/photos/a").send().await;
    assert_eq!(told.header("last-modified"), head.header("last-modified"));
    assert_eq!(told.header("x-amz-version-id"), "", "never versioned");
    let size = ask(&stand.main, "/photos/a", "ObjectSize").send().await;
    assert_eq!(size.element("ObjectSize"), Some("4"));
    assert_eq!(size.element("ETag"), None);
}

#[tokio::test]
async fn parts_of_composites_are_told_in_pages() {
    let stand = with_bucket().await;
    let begun = begin(&stand.main, "/photos/a", &[("x-amz-checksum-algorithm", "SHA256")]).await;
    let bodies = [letters(0, PART_MIN), letters(1, 3)];
    let sums = bodies.each_ref().map(|body| base64(Sha256::checksum(body).as_ref()));
    let mut listed = Vec::new();
    for ((body, sum), number) in bodies.iter().zip(&sums).zip(1..) {
        let put = begun.part(number).body(body.clone()).header("x-amz-checksum-sha256", sum);
        let tag = put.send().await.header("etag").to_owned();
        listed.push((number, tag, format!("<ChecksumSHA256>{sum}</ChecksumSHA256>")));
    }
    let listed: Vec<_> =
        listed.iter().map(|(number, tag, sum)| (*number, tag.as_str(), sum.as_str())).collect();
    let done = begun.completion_with(&listed).send().await;
    assert_eq!(done.status, 200, "{}", done.text());

    let all = ask(&stand.main, "/photos/a", ALL).send().await;
    assert_eq!(all.status, 200, "{}", all.text());
    assert_eq!(all.element("PartsCount"), Some("2"));
    assert_eq!(all.elements("PartNumber"), ["1", "2"]);
    assert_eq!(all.elements("Size"), [PART_MIN.to_string(), "3".to_owned()]);
    let whole = done.element("ChecksumSHA256").expect("a checksum");
    assert_eq!(all.elements("ChecksumSHA256"), [whole, sums[0].as_str(), sums[1].as_str()]);
    assert_eq!(all.element("ChecksumType"), Some("COMPOSITE"));
    assert_eq!(all.element("IsTruncated"), Some("false"));
    let page = |limit: &str, marker: &str| {
        ask(&stand.main, "/photos/a", "ObjectParts")
            .header("x-amz-max-parts", limit)
            .header("x-amz-part-number-marker", marker)
            .send()
    };
    let first = page("1", "0").await;
    assert_eq!(first.elements("PartNumber"), ["1"]);
    assert_eq!(first.element("IsTruncated"), Some("true"));
    assert_eq!(first.element("NextPartNumberMarker"), Some("1"));
    assert_eq!(first.element("MaxParts"), Some("1"));
    let second = page("1", "1").await;
    assert_eq!(second.elements("PartNumber"), ["2"]);
    assert_eq!(second.element("IsTruncated"), Some("false"));
    assert_eq!(second.element("PartsCount"), Some("2"));
    assert_eq!(page("-1", "0").await.error(), (400, "InvalidArgument"));
}

#[tokio::test]
async fn parts_are_told_also_where_the_checksum_is_of_the_full_object() {
    let stand = with_bucket().await;
    two_parts(&stand.main, "/photos/a", &[]).await;
    let told = ask(&stand.main, "/photos/a", ALL).send().await;
    assert_eq!(told.elements("PartNumber"), ["1", "2"]);
    let sizes = [PART_MIN.to_string(), "3".to_owned()];
    assert_eq!(told.elements("Size"), [sizes[0].as_str(), sizes[1].as_str()]);
    let whole = [letters(0, PART_MIN), letters(1, 3)].concat();
    let sum = base64(&Crc64Nvme::checksum(&whole));
    assert_eq!(told.elements("ChecksumCRC64NVME")[0], sum);
    assert_eq!(told.element("ObjectSize"), Some(whole.len().to_string().as_str()));
    assert!(told.element("ETag").is_some_and(|tag| tag.ends_with("-2")), "{}", told.text());
}

#[tokio::test]
async fn attributes_of_versions_and_of_what_is_not_there() {
    let stand = versioned().await;
    let put = stand.main.put("/photos/a").body("old").send().await;
    let version = put.header("x-amz-version-id").to_owned();
    stand.main.put("/photos/a").body("newer").send().await;
    let of = |version: &str| {
        ask(&stand.main, "/photos/a", "ObjectSize").query("versionId", version).send()
    };
    let old = of(&version).await;
    assert_eq!(old.element("ObjectSize"), Some("3"));
    assert_eq!(old.header("x-amz-version-id"), version);
    let marker = stand.main.delete("/photos/a").send().await;
    let hidden = ask(&stand.main, "/photos/a", "ObjectSize").send().await;
    assert_eq!(hidden.error(), (404, "NoSuchKey"));
    assert_eq!(hidden.header("x-amz-delete-marker"), "true");
    assert_eq!(of(marker.header("x-amz-version-id")).await.error(), (405, "MethodNotAllowed"));
    let missing = ask(&stand.main, "/photos/none", "ObjectSize").send().await;
    assert_eq!(missing.error(), (404, "NoSuchKey"));
    for wrong in ["", "Size", "ETag,,ObjectSize"] {
        let told = ask(&stand.main, "/photos/a", wrong).send().await;
        assert_eq!(told.error(), (400, "InvalidArgument"), "{wrong}");
    }
    let unnamed = stand.main.request(Method::GET, "/photos/a").query("attributes", "");
    assert_eq!(unnamed.send().await.error(), (400, "InvalidRequest"));
    let theirs = ask(&stand.other, "/photos/a", "ETag").send().await;
    assert_eq!(theirs.error(), (403, "AccessDenied"));
}
