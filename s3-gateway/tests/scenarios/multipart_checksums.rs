//! Checksums of uploads in parts: of the full object and composite ones.

use hyper::Method;
use s3s::crypto::{Checksum, Crc32, Crc64Nvme, Sha256};

use super::client::{base64, letters};
use super::multipart::{PART_MIN, begin, send_begin, two_parts};
use super::with_bucket;

#[tokio::test]
async fn uploads_are_begun_with_a_checksum() {
    let stand = with_bucket().await;
    for (algorithm, asked, kind) in [
        ("CRC32", None, "COMPOSITE"),
        ("CRC32C", Some("FULL_OBJECT"), "FULL_OBJECT"),
        ("CRC64NVME", None, "FULL_OBJECT"),
        ("SHA1", None, "COMPOSITE"),
        ("SHA256", Some("COMPOSITE"), "COMPOSITE"),
    ] {
        let mut headers = vec![("x-amz-checksum-algorithm", algorithm)];
        headers.extend(asked.map(|kind| ("x-amz-checksum-type", kind)));
        let begun = send_begin(&stand.main, "/photos/a", &headers).await;
        assert_eq!(begun.status, 200, "{}", begun.text());
        assert_eq!(begun.header("x-amz-checksum-algorithm"), algorithm);
        assert_eq!(begun.header("x-amz-checksum-type"), kind);
    }
    for (algorithm, kind) in
        [("SHA1", "FULL_OBJECT"), ("SHA256", "FULL_OBJECT"), ("CRC64NVME", "COMPOSITE")]
    {
        let headers = [("x-amz-checksum-algorithm", algorithm), ("x-amz-checksum-type", kind)];
        let told = send_begin(&stand.main, "/photos/a", &headers).await;
        assert_eq!(told.error(), (400, "InvalidRequest"), "{algorithm} {kind}");
    }
    let alone = send_begin(&stand.main, "/photos/a", &[("x-amz-checksum-type", "COMPOSITE")]).await;
    assert_eq!(alone.error(), (400, "InvalidRequest"));
    let unknown = [("x-amz-checksum-algorithm", "CRC99")];
    assert_eq!(send_begin(&stand.main, "/photos/a", &unknown).await.status, 400);
    let unbuilt = [("x-amz-checksum-algorithm", "SHA512")];
    assert_eq!(send_begin(&stand.main, "/photos/a", &unbuilt).await.status, 501);
}

#[tokio::test]
async fn composites_are_computed_over_the_checksums_of_parts() {
    let stand = with_bucket().await;
    let begun = begin(&stand.main, "/photos/a", &[("x-amz-checksum-algorithm", "SHA256")]).await;
    let bodies = [letters(0, PART_MIN), letters(1, 3)];
    let sums = bodies.each_ref().map(|body| Sha256::checksum(body).as_ref().to_vec());
    let shown = sums.each_ref().map(|sum| base64(sum));

    let without = begun.part(1).body("x").send().await;
    assert_eq!(without.error(), (400, "InvalidRequest"));
    let crc32 = base64(&Crc32::checksum(b"x"));
    let other = begun.part(1).body("x").header("x-amz-checksum-crc32", &crc32).send().await;
    assert_eq!(other.error(), (400, "InvalidRequest"));
    let sentence = "Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum \
        Type: crc32.";
    assert_eq!(other.element("Message"), Some(sentence));
    let mut tags = Vec::new();
    for (at, number) in [(0, 1), (1, 2)] {
        let put = begun.part(number).body(bodies[at].clone());
        let put = put.header("x-amz-checksum-sha256", &shown[at]).send().await;
        assert_eq!((put.status, put.header("x-amz-checksum-sha256")), (200, shown[at].as_str()));
        tags.push(put.header("etag").to_owned());
    }

    let bare = begun.completion(&[(1, &tags[0]), (2, &tags[1])]).send().await;
    assert_eq!(bare.error(), (400, "InvalidRequest"));
    let sentence = "The upload was created using a sha256 checksum. The complete request must include \
        the checksum for each part. It was missing for part 1 in the request.";
    assert_eq!(bare.element("Message"), Some(sentence));
    let element = |sum: &str| format!("<ChecksumSHA256>{sum}</ChecksumSHA256>");
    let elements = shown.each_ref().map(|sum| element(sum));
    let swapped = [(1, tags[0].as_str(), elements[1].as_str()), (2, &tags[1], &elements[0])];
    assert_eq!(begun.completion_with(&swapped).send().await.error(), (400, "InvalidPart"));
    let right = [(1, tags[0].as_str(), elements[0].as_str()), (2, &tags[1], &elements[1])];
    let kind = begun.completion_with(&right).header("x-amz-checksum-type", "FULL_OBJECT");
    assert_eq!(kind.send().await.error(), (400, "InvalidRequest"));
    let wrong = begun.completion_with(&right).header("x-amz-checksum-sha256", &shown[0]);
    assert_eq!(wrong.send().await.error(), (400, "BadDigest"));
    let composite = format!("{}-2", base64(Sha256::checksum(&sums.concat()).as_ref()));
    let done = begun.completion_with(&right).header("x-amz-checksum-sha256", &composite);
    let done = done.send().await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(done.element("ChecksumSHA256"), Some(composite.as_str()));
    assert_eq!(done.element("ChecksumType"), Some("COMPOSITE"));

    let read = |method: Method| {
        stand.main.request(method, "/photos/a").header("x-amz-checksum-mode", "ENABLED")
    };
    for method in [Method::HEAD, Method::GET] {
        let whole = read(method.clone()).send().await;
        assert_eq!(whole.header("x-amz-checksum-sha256"), composite, "{method}");
        assert_eq!(whole.header("x-amz-checksum-type"), "COMPOSITE");
        let part = read(method.clone()).query("partNumber", "2").send().await;
        assert_eq!(part.header("x-amz-checksum-sha256"), shown[1], "{method}");
        let range = read(method.clone()).header("range", "bytes=0-1").send().await;
        assert_eq!(range.header("x-amz-checksum-sha256"), "", "{method}");
    }
}

#[tokio::test]
async fn without_an_algorithm_the_full_object_has_a_crc64() {
    let stand = with_bucket().await;
    let done = two_parts(&stand.main, "/photos/a", &[]).await;
    let whole = [letters(0, PART_MIN), letters(1, 3)].concat();
    let sum = base64(&Crc64Nvme::checksum(&whole));
    assert_eq!(done.element("ChecksumCRC64NVME"), Some(sum.as_str()));
    assert_eq!(done.element("ChecksumType"), Some("FULL_OBJECT"));
    let read = |query: &'static str| {
        let head = stand.main.head("/photos/a").header("x-amz-checksum-mode", "ENABLED");
        if query.is_empty() { head } else { head.query("partNumber", query) }
    };
    assert_eq!(read("").send().await.header("x-amz-checksum-crc64nvme"), sum);
    let part = read("1").send().await;
    assert_eq!(part.header("x-amz-checksum-crc64nvme"), "", "it belongs to all of the bytes");
}

#[tokio::test]
async fn checksums_of_the_full_object_are_compared() {
    let stand = with_bucket().await;
    let headers = [("x-amz-checksum-algorithm", "CRC32"), ("x-amz-checksum-type", "FULL_OBJECT")];
    let begun = begin(&stand.main, "/photos/a", &headers).await;
    let bodies = [letters(0, PART_MIN), letters(1, 3)];
    let mut tags = Vec::new();
    for (body, number) in bodies.iter().zip(1..) {
        let sum = base64(&Crc32::checksum(body));
        let put = begun.part(number).body(body.clone()).header("x-amz-checksum-crc32", &sum);
        let put = put.send().await;
        assert_eq!(put.status, 200, "{}", put.text());
        tags.push(put.header("etag").to_owned());
    }
    let complete = || begun.completion(&[(1, &tags[0]), (2, &tags[1])]);
    let wrong = complete().header("x-amz-checksum-crc32", "AAAAAA==").send().await;
    assert_eq!(wrong.error(), (400, "BadDigest"));
    let kind = complete().header("x-amz-checksum-type", "COMPOSITE").send().await;
    assert_eq!(kind.error(), (400, "InvalidRequest"));
    let sum = base64(&Crc32::checksum(&bodies.concat()));
    let done = complete().header("x-amz-checksum-crc32", &sum);
    let done = done.header("x-amz-checksum-type", "FULL_OBJECT").send().await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(done.element("ChecksumCRC32"), Some(sum.as_str()));
    assert_eq!(done.element("ChecksumType"), Some("FULL_OBJECT"));
}
