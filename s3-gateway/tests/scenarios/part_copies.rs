//! Parts that are made of bytes that are stored.

use hyper::Method;

use super::client::{Draft, letters};
use super::multipart::{Begun, PART_MIN, begin, two_parts};
use super::versions::versioned;
use super::with_bucket;

fn copy(begun: &Begun, number: u32, source: &str) -> Draft {
    begun.part(number).header("x-amz-copy-source", source)
}

#[tokio::test]
async fn parts_are_copied_whole_or_in_ranges() {
    let stand = with_bucket().await;
    let source = letters(0, PART_MIN + 100);
    stand.main.put("/photos/a").body(source.clone()).send().await;
    let begun = begin(&stand.main, "/photos/b", &[]).await;
    let first = copy(&begun, 1, "/photos/a");
    let first = first.header("x-amz-copy-source-range", &format!("bytes=100-{}", PART_MIN + 99));
    let first = first.send().await;
    assert_eq!(first.status, 200, "{}", first.text());
    assert!(first.text().contains("<CopyPartResult xmlns="), "{}", first.text());
    assert!(first.element("LastModified").is_some_and(|time| time.ends_with('Z')));
    assert_eq!(first.header("x-amz-copy-source-version-id"), "", "never versioned");
    let second = copy(&begun, 2, "photos/a").send().await;
    assert_eq!(second.status, 200, "{}", second.text());
    let tags = [&first, &second]
        .map(|answer| answer.element("ETag").expect("a tag").replace("&quot;", "\""));
    let listed = begun.ask(Method::GET).send().await;
    let sizes = [PART_MIN.to_string(), (PART_MIN + 100).to_string()];
    assert_eq!(listed.elements("Size"), sizes);
    let done = begun.completion(&[(1, &tags[0]), (2, &tags[1])]).send().await;
    assert_eq!(done.status, 200, "{}", done.text());
    let got = stand.main.get("/photos/b").send().await;
    assert_eq!(got.body, [&source[100..], &source[..]].concat());
}

#[tokio::test]
async fn ranges_of_copied_parts_lie_inside_the_source() {
    let stand = with_bucket().await;
    stand.main.put("/photos/a").body("0123456789").send().await;
    let begun = begin(&stand.main, "/photos/b", &[]).await;
    let ranged =
        |range: &str| copy(&begun, 1, "/photos/a").header("x-amz-copy-source-range", range).send();
    for range in ["bytes=5-", "bytes=-5", "bytes=5-3", "5-7", "bytes=0-1,3-4", "bytes=0-10"] {
        let told = ranged(range).await;
        assert_eq!(told.error(), (400, "InvalidArgument"), "{range}");
        assert_eq!(told.element("ArgumentName"), Some("x-amz-copy-source-range"), "{range}");
    }
    assert_eq!(ranged("bytes=10-12").await.error(), (400, "InvalidRequest"));
    let inside = ranged("bytes=9-9").await;
    assert_eq!(inside.status, 200, "{}", inside.text());
    assert_eq!(begun.ask(Method::GET).send().await.elements("Size"), ["1"]);
}

#[tokio::test]
async fn sources_of_copied_parts_are_checked() {
    let stand = versioned().await;
    let put = stand.main.put("/photos/a").body("old").send().await;
    let version = put.header("x-amz-version-id").to_owned();
    stand.main.put("/photos/a").body("newer").send().await;
    let begun = begin(&stand.main, "/photos/b", &[]).await;
    let of_version = copy(&begun, 1, &format!("/photos/a?versionId={version}")).send().await;
    assert_eq!(of_version.status, 200, "{}", of_version.text());
    assert_eq!(of_version.header("x-amz-copy-source-version-id"), version);
    assert_eq!(begun.ask(Method::GET).send().await.elements("Size"), ["3"]);

    let matched = copy(&begun, 1, "/photos/a").header("x-amz-copy-source-if-match", "\"abc\"");
    assert_eq!(matched.send().await.error(), (412, "PreconditionFailed"));
    assert_eq!(copy(&begun, 1, "/photos/none").send().await.error(), (404, "NoSuchKey"));
    assert_eq!(copy(&begun, 1, "/nowhere/a").send().await.error(), (404, "NoSuchBucket"));
    let marker = stand.main.delete("/photos/a").send().await;
    let marker = format!("/photos/a?versionId={}", marker.header("x-amz-version-id"));
    assert_eq!(copy(&begun, 1, &marker).send().await.error(), (400, "InvalidRequest"));
    assert_eq!(stand.other.put("/theirs").send().await.status, 200);
    stand.other.put("/theirs/a").body("x").send().await;
    assert_eq!(copy(&begun, 1, "/theirs/a").send().await.error(), (403, "AccessDenied"));
    assert_eq!(begun.ask(Method::DELETE).send().await.status, 204);
    let gone = copy(&begun, 1, &format!("/photos/a?versionId={version}")).send().await;
    assert_eq!(gone.error(), (404, "NoSuchUpload"));
}

#[tokio::test]
async fn a_copy_of_an_object_in_parts_keeps_them() {
    let stand = with_bucket().await;
    two_parts(&stand.main, "/photos/a", &[]).await;
    let source = stand.main.head("/photos/a").send().await;
    let copied = stand.main.put("/photos/b").header("x-amz-copy-source", "/photos/a").send().await;
    assert_eq!(copied.status, 200, "{}", copied.text());
    let part = stand.main.get("/photos/b").query("partNumber", "2").send().await;
    assert_eq!((part.status, part.text()), (206, "bcd"));
    assert_eq!(part.header("etag"), source.header("etag"));
    assert_eq!(part.header("x-amz-mp-parts-count"), "2");
}
