//! Lists of parts and of open uploads.

use hyper::Method;
use s3s::crypto::{Checksum, Sha256};

use super::client::{Answer, base64};
use super::multipart::begin;
use super::with_bucket;

#[tokio::test]
async fn parts_are_listed_in_pages() {
    let stand = with_bucket().await;
    let begun = begin(&stand.main, "/photos/a&b", &[]).await;
    let tags = [begun.put(1, "one").await, begun.put(5, "five!").await, begun.put(7, "").await];
    let all = begun.ask(Method::GET).send().await;
    assert_eq!(all.status, 200, "{}", all.text());
    assert!(all.text().contains("<ListPartsResult xmlns="), "{}", all.text());
    assert_eq!(all.element("Bucket"), Some("photos"));
    assert_eq!(all.element("Key"), Some("a&amp;b"));
    assert_eq!(all.element("UploadId"), Some(begun.id.as_str()));
    assert_eq!(all.elements("PartNumber"), ["1", "5", "7"]);
    assert_eq!(all.elements("Size"), ["3", "5", "0"]);
    let shown: Vec<_> = tags.iter().map(|tag| tag.replace('"', "&quot;")).collect();
    assert_eq!(all.elements("ETag"), shown);
    assert_eq!(all.elements("ID"), [stand.main_id.as_str(); 2], "initiator and owner");
    assert_eq!(all.element("StorageClass"), Some("STANDARD"));
    assert_eq!(all.element("IsTruncated"), Some("false"));
    assert_eq!(all.element("MaxParts"), Some("1000"));
    assert_eq!(all.element("PartNumberMarker"), Some("0"));
    assert_eq!(all.element("NextPartNumberMarker"), Some("7"));

    let page = |limit: &str, marker: &str| {
        let draft = begun.ask(Method::GET).query("max-parts", limit);
        draft.query("part-number-marker", marker).send()
    };
    let first = page("2", "0").await;
    assert_eq!(first.elements("PartNumber"), ["1", "5"]);
    assert_eq!(first.element("IsTruncated"), Some("true"));
    assert_eq!(first.element("NextPartNumberMarker"), Some("5"));
    let second = page("2", "5").await;
    assert_eq!(second.elements("PartNumber"), ["7"]);
    assert_eq!(second.element("IsTruncated"), Some("false"));
    let behind = page("2", "20000").await;
    assert_eq!((behind.status, behind.elements("PartNumber").len()), (200, 0));
    let none = page("0", "0").await;
    assert_eq!(none.elements("PartNumber").len(), 0);
    assert_eq!(none.element("IsTruncated"), Some("false"));
    assert_eq!(page("-1", "0").await.error(), (400, "InvalidArgument"));
    assert_eq!(page("1", "-1").await.error(), (400, "InvalidArgument"));
}

#[tokio::test]
async fn checksums_of_uploads_are_listed() {
    let stand = with_bucket().await;
    let headers = [("x-amz-checksum-algorithm", "SHA256")];
    let begun = begin(&stand.main, "/photos/a", &headers).await;
    let sum = base64(Sha256::checksum(b"one").as_ref());
    let put = begun.part(1).body("one").header("x-amz-checksum-sha256", &sum).send().await;
    assert_eq!(put.status, 200, "{}", put.text());
    let listed = begun.ask(Method::GET).send().await;
    assert_eq!(listed.element("ChecksumAlgorithm"), Some("SHA256"));
    assert_eq!(listed.element("ChecksumType"), Some("COMPOSITE"));
    assert_eq!(listed.elements("ChecksumSHA256"), [sum.as_str()]);
    let uploads = stand.main.get("/photos").query("uploads", "").send().await;
    assert_eq!(uploads.element("ChecksumAlgorithm"), Some("SHA256"));
    assert_eq!(uploads.element("ChecksumType"), Some("COMPOSITE"));
}

#[tokio::test]
async fn open_uploads_are_listed_in_pages() {
    let stand = with_bucket().await;
    let mut ids = Vec::new();
    for key in ["a/1", "a/2", "a/2", "b c"] {
        ids.push(begin(&stand.main, &format!("/photos/{key}"), &[]).await.id);
    }
    let list = |query: &[(&str, &str)]| {
        let mut draft = stand.main.get("/photos").query("uploads", "");
        for (name, value) in query {
            draft = draft.query(name, value);
        }
        draft.send()
    };
    let all = list(&[]).await;
    assert_eq!(all.status, 200, "{}", all.text());
    assert!(all.text().contains("<ListMultipartUploadsResult xmlns="), "{}", all.text());
    assert_eq!(all.elements("Key"), ["a/1", "a/2", "a/2", "b c"]);
    assert_eq!(all.elements("UploadId"), ids, "each key's uploads oldest first");
    assert_eq!(all.elements("ID").len(), 8, "initiator and owner of each");
    assert_eq!(all.element("MaxUploads"), Some("1000"));
    assert_eq!(all.element("IsTruncated"), Some("false"));
    assert_eq!(all.element("NextKeyMarker"), None);

    let mut query: Vec<(String, String)> = Vec::new();
    let mut seen = Vec::new();
    loop {
        let mut asked: Vec<_> = query.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        asked.push(("max-uploads", "1"));
        let page = list(&asked).await;
        seen.extend(page.elements("UploadId").iter().map(ToString::to_string));
        if page.element("IsTruncated") == Some("false") {
            break;
        }
        query = next(&page);
    }
    assert_eq!(seen, ids);

    let prefixed = list(&[("prefix", "a/")]).await;
    assert_eq!(prefixed.elements("UploadId").len(), 3);
    let grouped = list(&[("delimiter", "/")]).await;
    assert_eq!(grouped.elements("Key"), ["b c"]);
    assert!(grouped.text().contains("<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>"));
    let encoded = list(&[("encoding-type", "url"), ("prefix", "b c")]).await;
    assert_eq!(encoded.elements("Key"), ["b%20c"]);
    assert_eq!(encoded.element("Prefix"), Some("b%20c"));
    assert_eq!(encoded.element("EncodingType"), Some("url"));
    let behind = list(&[("key-marker", "a/1")]).await;
    assert_eq!(behind.elements("UploadId"), ids[1..]);
    let ignored = list(&[("upload-id-marker", &ids[1])]).await;
    assert_eq!(ignored.elements("UploadId"), ids, "nothing without a key marker");
    let garbled = list(&[("key-marker", "a/1"), ("upload-id-marker", "x")]).await;
    assert_eq!(garbled.error(), (400, "InvalidArgument"));
    let none = list(&[("max-uploads", "0")]).await;
    assert_eq!(none.elements("UploadId").len(), 0);
    assert_eq!(list(&[("max-uploads", "-1")]).await.error(), (400, "InvalidArgument"));
}

/// Where the next page begins.
fn next(page: &Answer) -> Vec<(String, String)> {
    let marker = |element: &str, parameter: &str| {
        let text = page.element(element)?;
        Some((parameter.to_owned(), text.to_owned()))
    };
    let key = marker("NextKeyMarker", "key-marker");
    let upload = marker("NextUploadIdMarker", "upload-id-marker");
    assert!(key.is_some(), "{}", page.text());
    key.into_iter().chain(upload).collect()
}

#[tokio::test]
async fn uploads_that_ended_are_listed_no_more() {
    let stand = with_bucket().await;
    let completed = begin(&stand.main, "/photos/a", &[]).await;
    let aborted = begin(&stand.main, "/photos/b", &[]).await;
    let open = begin(&stand.main, "/photos/c", &[]).await;
    let part = completed.put(1, "one").await;
    assert_eq!(completed.completion(&[(1, &part)]).send().await.status, 200);
    assert_eq!(aborted.ask(Method::DELETE).send().await.status, 204);
    let left = stand.main.get("/photos").query("uploads", "").send().await;
    assert_eq!(left.elements("UploadId"), [open.id.as_str()]);
}
