//! Copies of whole objects.

use s3s::crypto::{Checksum, Sha256};

use super::client::{Answer, Client, Draft, base64, encode};
use super::versions::versioned;
use super::{OTHER, with_bucket};

const SOURCE: &str = "x-amz-copy-source";

fn copy(client: &Client, source: &str, target: &str) -> Draft {
    client.put(target).header(SOURCE, &encode(source, true))
}

/// Puts an object with a type and metadata. Returns its tag.
async fn put(client: &Client, path: &str, body: &'static str) -> String {
    let draft = client.put(path).header("content-type", "text/plain");
    let answer = draft.header("x-amz-meta-color", "red").body(body).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("etag").to_owned()
}

fn assert_copied(answer: &Answer, tag: &str) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains("<CopyObjectResult xmlns="), "{}", answer.text());
    assert_eq!(answer.element("ETag"), Some(tag.replace('"', "&quot;").as_str()));
    assert!(answer.element("LastModified").is_some_and(|time| time.ends_with('Z')));
}

#[tokio::test]
async fn copies_have_the_bytes_and_the_metadata_of_their_source() {
    let stand = with_bucket().await;
    assert_eq!(stand.main.put("/archive").send().await.status, 200);
    let tag = put(&stand.main, "/photos/a b", "body").await;
    for target in ["/photos/copy", "/archive/copy"] {
        // What a request says besides is that of the source unless it says REPLACE.
        let copied = copy(&stand.main, "/photos/a b", target).header("x-amz-meta-color", "blue");
        assert_copied(&copied.send().await, &tag);
        let got = stand.main.get(target).send().await;
        assert_eq!((got.text(), got.header("etag")), ("body", tag.as_str()));
        assert_eq!(got.header("content-type"), "text/plain");
        assert_eq!(got.header("x-amz-meta-color"), "red");
    }
    let replaced = copy(&stand.main, "/photos/a b", "/photos/new");
    let replaced = replaced
        .header("x-amz-metadata-directive", "REPLACE")
        .header("content-type", "text/html")
        .header("x-amz-meta-size", "big");
    assert_copied(&replaced.send().await, &tag);
    let got = stand.main.get("/photos/new").send().await;
    assert_eq!((got.text(), got.header("content-type")), ("body", "text/html"));
    assert_eq!((got.header("x-amz-meta-color"), got.header("x-amz-meta-size")), ("", "big"));

    // The copy outlives its source.
    assert_eq!(stand.main.delete("/photos/a b").send().await.status, 204);
    assert_eq!(stand.main.get("/archive/copy").send().await.text(), "body");
}

#[tokio::test]
async fn sources_are_named_in_several_ways() {
    let stand = with_bucket().await;
    let tag = put(&stand.main, "/photos/a/ü+?&x", "body").await;
    let named = |source: &str| stand.main.put("/photos/copy").header(SOURCE, source).send();
    for source in [
        "/photos/a/%C3%BC%2B%3F%26x",
        "photos/a/%C3%BC%2B%3F%26x",
        "photos%2Fa%2F%c3%bc%2b%3f%26x",
        "%2Fphotos/a/%C3%BC+%3F&x",
    ] {
        assert_copied(&named(source).await, &tag);
    }
    for (source, told) in [
        ("photos/none", (404, "NoSuchKey")),
        ("nowhere/a", (404, "NoSuchBucket")),
        ("photos", (400, "InvalidArgument")),
        ("photos/%FF", (400, "InvalidArgument")),
        ("photos/none?versionId=x", (400, "InvalidArgument")),
        ("photos/none?versionId=", (400, "InvalidArgument")),
        (
            "arn:aws:s3:us-west-2:123456789012:accesspoint/my-point/object/a",
            (501, "NotImplemented"),
        ),
    ] {
        assert_eq!(named(source).await.error(), told, "{source}");
    }
}

#[tokio::test]
async fn versions_are_copied_by_id() {
    let stand = versioned().await;
    let tag = put(&stand.main, "/photos/a", "old").await;
    let first = stand.main.head("/photos/a").send().await.header("x-amz-version-id").to_owned();
    let newer = put(&stand.main, "/photos/a", "new").await;
    let current = copy(&stand.main, "/photos/a", "/photos/b").send().await;
    assert_copied(&current, &newer);
    assert_ne!(current.header("x-amz-copy-source-version-id"), first);
    assert_eq!(current.header("x-amz-copy-source-version-id").len(), 32);
    assert_eq!(current.header("x-amz-version-id").len(), 32);
    let of = |version: &str| {
        let source = format!("/photos/a?versionId={version}");
        stand.main.put("/photos/a").header(SOURCE, &source).send()
    };
    // An earlier version is made current again by a copy onto its own key.
    let restored = of(&first).await;
    assert_copied(&restored, &tag);
    assert_eq!(restored.header("x-amz-copy-source-version-id"), first);
    assert_eq!(stand.main.get("/photos/a").send().await.text(), "old");

    let marker = stand.main.delete("/photos/a").send().await;
    let marker = marker.header("x-amz-version-id");
    let named = of(marker).await;
    assert_eq!(named.error(), (400, "InvalidRequest"));
    let sentence =
        "The source of a copy request may not specifically refer to a delete marker by version id.";
    assert_eq!(named.element("Message"), Some(sentence));
    let hidden = copy(&stand.main, "/photos/a", "/photos/b").send().await;
    assert_eq!(hidden.error(), (404, "NoSuchKey"));
    assert_eq!(of(&"0".repeat(32)).await.error(), (404, "NoSuchVersion"));
}

#[tokio::test]
async fn copies_hold_under_conditions_on_their_source() {
    let stand = with_bucket().await;
    let tag = put(&stand.main, "/photos/a", "body").await;
    let (past, future) = ("Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2099 07:28:00 GMT");
    let (right, wrong) = (tag.as_str(), "\"abc\"");
    let asked = |conditions: &[(&str, &str)]| {
        let mut draft = copy(&stand.main, "/photos/a", "/photos/b");
        for (name, value) in conditions {
            draft = draft.header(&format!("x-amz-copy-source-{name}"), value);
        }
        draft.send()
    };
    for fine in [
        &[("if-match", right)][..],
        &[("if-none-match", wrong)],
        &[("if-modified-since", past)],
        &[("if-unmodified-since", future)],
        // Both as CopyObject says: the tag decides.
        &[("if-match", right), ("if-unmodified-since", past)],
    ] {
        assert_copied(&asked(fine).await, &tag);
    }
    for failed in [
        &[("if-match", wrong)][..],
        &[("if-none-match", right)],
        &[("if-modified-since", future)],
        &[("if-unmodified-since", past)],
        &[("if-none-match", right), ("if-modified-since", past)],
    ] {
        let told = asked(failed).await;
        assert_eq!(told.error(), (412, "PreconditionFailed"), "{failed:?}");
        let condition = told.element("Condition").unwrap_or_default();
        assert!(condition.starts_with("x-amz-copy-source-"), "{condition}");
    }
}

#[tokio::test]
async fn copies_hold_under_conditions_on_their_target() {
    let stand = with_bucket().await;
    let tag = put(&stand.main, "/photos/a", "body").await;
    let asked = |name: &str, value: &str| {
        copy(&stand.main, "/photos/a", "/photos/b").header(name, value).send()
    };
    assert_eq!(asked("if-match", &tag).await.error(), (404, "NoSuchKey"));
    assert_copied(&asked("if-none-match", "*").await, &tag);
    let taken = asked("if-none-match", "*").await;
    assert_eq!(taken.error(), (412, "PreconditionFailed"));
    assert_eq!(taken.element("Condition"), Some("If-None-Match"));
    assert_eq!(asked("if-match", "\"abc\"").await.error(), (412, "PreconditionFailed"));
    assert_copied(&asked("if-match", &tag).await, &tag);
}

#[tokio::test]
async fn a_copy_onto_itself_changes_something() {
    let stand = with_bucket().await;
    let tag = put(&stand.main, "/photos/a", "body").await;
    let itself = || copy(&stand.main, "/photos/a", "/photos/a");
    let told = itself().send().await;
    assert_eq!(told.error(), (400, "InvalidRequest"));
    assert!(told.text().contains("trying to copy an object to itself without changing"));
    let same = itself().header("x-amz-metadata-directive", "COPY").send().await;
    assert_eq!(same.error(), (400, "InvalidRequest"));
    let class = itself().header("x-amz-storage-class", "STANDARD").send().await;
    assert_copied(&class, &tag);
    let replaced = itself().header("x-amz-metadata-directive", "REPLACE");
    assert_copied(&replaced.header("x-amz-meta-color", "blue").send().await, &tag);
    let got = stand.main.get("/photos/a").send().await;
    assert_eq!((got.text(), got.header("x-amz-meta-color")), ("body", "blue"));
    assert_eq!(got.header("content-type"), "binary/octet-stream");
}

#[tokio::test]
async fn a_copy_needs_both_rights() {
    let stand = with_bucket().await;
    assert_eq!(stand.other.put("/theirs").send().await.status, 200);
    put(&stand.main, "/photos/a", "body").await;
    put(&stand.other, "/theirs/a", "body").await;
    let denied = (403, "AccessDenied");
    let read = copy(&stand.main, "/theirs/a", "/photos/b").send().await;
    assert_eq!(read.error(), denied, "the source is another's");
    let write = copy(&stand.main, "/photos/a", "/theirs/b").send().await;
    assert_eq!(write.error(), denied, "the target is another's");
    let owners = |source: &str, target: &str| {
        copy(&stand.main, "/photos/a", "/photos/b")
            .header("x-amz-source-expected-bucket-owner", source)
            .header("x-amz-expected-bucket-owner", target)
            .send()
    };
    let (ours, others) = (stand.main_id.as_str(), OTHER.to_string());
    assert_eq!(owners(&others, ours).await.error(), denied);
    assert_eq!(owners(ours, &others).await.error(), denied);
    assert_eq!(stand.main.get("/photos/b").send().await.status, 404);
    assert_eq!(owners(ours, ours).await.status, 200);
}

#[tokio::test]
async fn copies_have_the_checksum_that_is_asked_for() {
    let stand = with_bucket().await;
    let sum = base64(Sha256::checksum(b"body").as_ref());
    put(&stand.main, "/photos/a", "body").await;
    let asked = copy(&stand.main, "/photos/a", "/photos/b");
    let asked = asked.header("x-amz-checksum-algorithm", "SHA256").send().await;
    assert_eq!(asked.element("ChecksumSHA256"), Some(sum.as_str()), "{}", asked.text());
    assert_eq!(asked.element("ChecksumType"), Some("FULL_OBJECT"));
    // And a copy of that has it without being asked.
    let kept = copy(&stand.main, "/photos/b", "/photos/c").send().await;
    assert_eq!(kept.element("ChecksumSHA256"), Some(sum.as_str()), "{}", kept.text());
    let head = stand.main.head("/photos/c").header("x-amz-checksum-mode", "ENABLED").send().await;
    assert_eq!(head.header("x-amz-checksum-sha256"), sum);
    let unknown = copy(&stand.main, "/photos/a", "/photos/b");
    let unknown = unknown.header("x-amz-checksum-algorithm", "CRC99").send().await;
    assert_eq!(unknown.error(), (400, "InvalidRequest"));
}

#[tokio::test]
async fn directives_are_understood_or_refused() {
    let stand = with_bucket().await;
    put(&stand.main, "/photos/a", "body").await;
    let asked = |headers: &[(&str, &str)]| {
        let mut draft = copy(&stand.main, "/photos/a", "/photos/b");
        for (name, value) in headers {
            draft = draft.header(name, value);
        }
        draft.send()
    };
    for directive in ["COPY", "REPLACE"] {
        assert_eq!(asked(&[("x-amz-tagging-directive", directive)]).await.status, 200);
    }
    let tags = asked(&[("x-amz-tagging-directive", "REPLACE"), ("x-amz-tagging", "a=b")]).await;
    assert_eq!(tags.error(), (501, "NotImplemented"));
    for name in ["x-amz-metadata-directive", "x-amz-tagging-directive"] {
        let told = asked(&[(name, "MERGE")]).await;
        assert_eq!(told.error(), (400, "InvalidArgument"));
        assert_eq!(told.element("ArgumentName"), Some(name));
    }
}
