//! Uploads in parts: from their beginning to an object, or to nothing.

use std::fmt::Write as _;

use bytes::Bytes;
use hyper::Method;
use s3s::crypto::{Checksum, Crc32, Md5};

use super::client::{Answer, Client, Draft, Payload, base64, hex, letters};
use super::refusals::Announced;
use super::versions::versioned;
use super::with_bucket;

/// The least bytes of a part that is not the last.
pub(super) const PART_MIN: usize = 5 << 20;

/// An upload that was begun.
pub(super) struct Begun {
    client: Client,
    path: String,
    pub(super) id: String,
}

/// Begins an upload with these headers.
pub(super) async fn begin(client: &Client, path: &str, headers: &[(&str, &str)]) -> Begun {
    let answer = send_begin(client, path, headers).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let id = answer.element("UploadId").expect("an id").to_owned();
    Begun { client: client.clone(), path: path.to_owned(), id }
}

pub(super) async fn send_begin(client: &Client, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut draft = client.post(path).query("uploads", "");
    for (name, value) in headers {
        draft = draft.header(name, value);
    }
    draft.send().await
}

impl Begun {
    /// A request about the upload.
    pub(super) fn ask(&self, method: Method) -> Draft {
        self.client.request(method, &self.path).query("uploadId", &self.id)
    }

    pub(super) fn part(&self, number: u32) -> Draft {
        self.ask(Method::PUT).query("partNumber", &number.to_string())
    }

    /// Puts a part. Returns its tag.
    pub(super) async fn put(&self, number: u32, body: impl Into<Bytes>) -> String {
        let answer = self.part(number).body(body).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.header("etag").to_owned()
    }

    pub(super) fn completion(&self, parts: &[(u32, &str)]) -> Draft {
        let listed: Vec<_> = parts.iter().map(|(number, tag)| (*number, *tag, "")).collect();
        self.completion_with(&listed)
    }

    /// With further elements for each part.
    pub(super) fn completion_with(&self, parts: &[(u32, &str, &str)]) -> Draft {
        let mut body = String::from("<CompleteMultipartUpload>");
        for (number, tag, more) in parts {
            write!(body, "<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag>{more}</Part>")
                .expect("fits");
        }
        body.push_str("</CompleteMultipartUpload>");
        self.ask(Method::POST).body(body)
    }
}

/// Makes an object of two parts: `PART_MIN` letters, then three.
pub(super) async fn two_parts(client: &Client, path: &str, headers: &[(&str, &str)]) -> Answer {
    let begun = begin(client, path, headers).await;
    let first = begun.put(1, letters(0, PART_MIN)).await;
    let second = begun.put(2, letters(1, 3)).await;
    let done = begun.completion(&[(1, &first), (2, &second)]).send().await;
    assert_eq!(done.status, 200, "{}", done.text());
    done
}

#[tokio::test]
async fn parts_become_an_object() {
    let stand = with_bucket().await;
    let headers = [("content-type", "text/plain"), ("x-amz-meta-color", "red")];
    let begun = begin(&stand.main, "/photos/a b", &headers).await;
    let (first, second) = (letters(0, PART_MIN), letters(3, 1_000));
    // In any order; the last one of a number wins.
    let second_tag = begun.put(2, second.clone()).await;
    begun.put(1, letters(9, 10)).await;
    let first_tag = begun.put(1, first.clone()).await;
    assert_eq!(first_tag, format!("\"{}\"", hex(&Md5::checksum(&first))));
    assert_eq!(stand.main.get("/photos/a b").send().await.error(), (404, "NoSuchKey"));

    let done = begun.completion(&[(1, &first_tag), (2, &second_tag)]).send().await;
    assert_eq!(done.status, 200, "{}", done.text());
    let sums = [Md5::checksum(&first), Md5::checksum(&second)].concat();
    let tag = format!("{}-2", hex(&Md5::checksum(&sums)));
    assert_eq!(done.element("ETag"), Some(format!("&quot;{tag}&quot;").as_str()));
    assert_eq!(done.element("Bucket"), Some("photos"));
    assert_eq!(done.element("Key"), Some("a b"));
    assert_eq!(done.element("Location"), Some("http://127.0.0.1:9000/photos/a%20b"));
    assert!(done.text().contains("<CompleteMultipartUploadResult xmlns="), "{}", done.text());

    let got = stand.main.get("/photos/a b").send().await;
    assert_eq!(got.body, [first.clone(), second.clone()].concat());
    assert_eq!(got.header("etag"), format!("\"{tag}\""));
    assert_eq!(got.header("content-type"), "text/plain");
    assert_eq!(got.header("x-amz-meta-color"), "red");
    assert_eq!(got.header("x-amz-mp-parts-count"), "", "only when a part is asked for");
    let listed = stand.main.get("/photos").send().await;
    assert_eq!(listed.element("Size"), Some((PART_MIN + 1_000).to_string().as_str()));
    assert_eq!(listed.element("ETag"), Some(format!("&quot;{tag}&quot;").as_str()));

    // Asked for again, the answer is the same; nothing else can be done with the upload.
    let again = begun.completion(&[(1, &first_tag), (2, &second_tag)]).send().await;
    assert_eq!((again.status, again.element("ETag")), (200, done.element("ETag")));
    assert_eq!(begun.part(3).body("x").send().await.error(), (404, "NoSuchUpload"));
    assert_eq!(begun.ask(Method::GET).send().await.error(), (404, "NoSuchUpload"));
}

#[tokio::test]
async fn parts_of_an_object_are_read_by_number() {
    let stand = with_bucket().await;
    two_parts(&stand.main, "/photos/a", &[]).await;
    let size = PART_MIN + 3;
    let read = |method: Method, number: &str| {
        stand.main.request(method, "/photos/a").query("partNumber", number).send()
    };
    let first = read(Method::GET, "1").await;
    assert_eq!((first.status, first.body.len()), (206, PART_MIN));
    assert_eq!(first.header("x-amz-mp-parts-count"), "2");
    assert_eq!(first.header("content-range"), format!("bytes 0-{}/{size}", PART_MIN - 1));
    let second = read(Method::GET, "2").await;
    assert_eq!((second.status, second.text()), (206, "bcd"));
    assert_eq!(second.header("content-range"), format!("bytes {PART_MIN}-{}/{size}", size - 1));
    let head = read(Method::HEAD, "2").await;
    assert_eq!((head.status, head.header("content-length")), (206, "3"));
    assert_eq!(head.header("x-amz-mp-parts-count"), "2");
    assert_eq!(head.header("content-range"), second.header("content-range"));
    let third = read(Method::GET, "3").await;
    assert_eq!(third.error(), (416, "InvalidPartNumber"));
    assert_eq!(third.element("ActualPartCount"), Some("2"));
    assert_eq!(third.element("PartNumberRequested"), Some("3"));
    assert_eq!(read(Method::HEAD, "3").await.status, 416);
    let across = format!("bytes={}-{}", PART_MIN - 2, PART_MIN + 1);
    let across = stand.main.get("/photos/a").header("range", &across).send().await;
    let mut expected = letters(0, PART_MIN)[PART_MIN - 2..].to_vec();
    expected.extend_from_slice(b"bc");
    assert_eq!((across.status, across.body.as_ref()), (206, expected.as_slice()));
}

#[tokio::test]
async fn completions_are_checked() {
    let stand = with_bucket().await;
    let begun = begin(&stand.main, "/photos/a", &[]).await;
    let first = begun.put(1, "one").await;
    let second = begun.put(2, "two").await;
    let refused = |parts: &[(u32, &str)]| {
        let draft = begun.completion(parts);
        async move {
            let told = draft.send().await;
            assert_eq!(told.status, 400, "{}", told.text());
            told
        }
    };
    let order = refused(&[(2, &second), (1, &first)]).await;
    assert_eq!(order.element("Code"), Some("InvalidPartOrder"));
    assert_eq!(order.element("UploadId"), Some(begun.id.as_str()));
    let wrong = refused(&[(1, &second)]).await;
    assert_eq!(wrong.element("Code"), Some("InvalidPart"));
    assert_eq!(wrong.element("PartNumber"), Some("1"));
    assert_eq!(wrong.element("ETag"), Some(second.trim_matches('"')));
    let unknown = refused(&[(3, &first)]).await;
    assert_eq!(unknown.element("Code"), Some("InvalidPart"));
    assert_eq!(unknown.element("PartNumber"), Some("3"));
    let small = refused(&[(1, &first), (2, &second)]).await;
    assert_eq!(small.element("Code"), Some("EntityTooSmall"));
    assert_eq!(small.element("ProposedSize"), Some("3"));
    assert_eq!(small.element("MinSizeAllowed"), Some(PART_MIN.to_string().as_str()));
    assert_eq!(small.element("PartNumber"), Some("1"));
    assert_eq!(small.element("ETag"), Some(first.trim_matches('"')));
    assert_eq!(refused(&[]).await.element("Code"), Some("MalformedXML"));
    for number in [0, 10_001] {
        let told = refused(&[(number, &first)]).await;
        assert_eq!(told.element("Code"), Some("InvalidArgument"), "{number}");
    }
    for body in [
        "",
        "<CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part/></CompleteMultipartUpload>",
    ] {
        let told = begun.ask(Method::POST).body(body).send().await;
        assert_eq!(told.error(), (400, "MalformedXML"), "{body}");
    }
    let sized = begun.completion(&[(1, &first)]).header("x-amz-mp-object-size", "4").send().await;
    assert_eq!(sized.error(), (400, "InvalidRequest"));
    let md5 = begun.completion(&[(1, &first)]).header("content-md5", &base64(&[0; 16]));
    assert_eq!(md5.send().await.error(), (400, "BadDigest"));
    assert_eq!(stand.main.get("/photos/a").send().await.error(), (404, "NoSuchKey"));

    // The parts that are not listed are dropped.
    let done = begun.completion(&[(2, &second)]).header("x-amz-mp-object-size", "3").send().await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(stand.main.get("/photos/a").send().await.text(), "two");
}

#[tokio::test]
async fn completions_hold_under_conditions() {
    let stand = with_bucket().await;
    let begun = begin(&stand.main, "/photos/a", &[]).await;
    let part = begun.put(1, "one").await;
    let complete = |name: &str, value: &str| begun.completion(&[(1, &part)]).header(name, value);
    let missing = complete("if-match", "\"abc\"").send().await;
    assert_eq!(missing.error(), (404, "NoSuchKey"));
    let put = stand.main.put("/photos/a").body("x").send().await;
    let taken = complete("if-none-match", "*").send().await;
    assert_eq!(taken.error(), (412, "PreconditionFailed"));
    assert_eq!(taken.element("Condition"), Some("If-None-Match"));
    let other = complete("if-match", "\"abc\"").send().await;
    assert_eq!(other.error(), (412, "PreconditionFailed"));
    let done = complete("if-match", put.header("etag")).send().await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(stand.main.get("/photos/a").send().await.text(), "one");
}

#[tokio::test]
async fn uploads_are_aborted() {
    let stand = with_bucket().await;
    let begun = begin(&stand.main, "/photos/a", &[]).await;
    let part = begun.put(1, "one").await;
    let gone = begun.ask(Method::DELETE).send().await;
    assert_eq!((gone.status, gone.body.len()), (204, 0));
    let missing = (404, "NoSuchUpload");
    let again = begun.ask(Method::DELETE).send().await;
    assert_eq!(again.error(), missing);
    assert_eq!(again.element("UploadId"), Some(begun.id.as_str()));
    assert_eq!(begun.part(2).body("two").send().await.error(), missing);
    assert_eq!(begun.ask(Method::GET).send().await.error(), missing);
    assert_eq!(begun.completion(&[(1, &part)]).send().await.error(), missing);
    assert_eq!(stand.main.get("/photos/a").send().await.error(), (404, "NoSuchKey"));
    let conditional = begun.ask(Method::DELETE);
    let conditional =
        conditional.header("x-amz-if-match-initiated-time", "Wed, 21 Oct 2015 07:28:00 GMT");
    assert_eq!(conditional.send().await.error(), (501, "NotImplemented"));
}

#[tokio::test]
async fn an_upload_belongs_to_its_key_and_its_owner() {
    let stand = with_bucket().await;
    let begun = begin(&stand.main, "/photos/a", &[]).await;
    let part = begun.put(1, "one").await;
    let id = begun.id.as_str();
    let elsewhere = stand.main.put("/photos/b").query("partNumber", "1").query("uploadId", id);
    assert_eq!(elsewhere.body("x").send().await.error(), (404, "NoSuchUpload"));
    let garbled = stand.main.get("/photos/a").query("uploadId", "garbled").send().await;
    assert_eq!(garbled.error(), (404, "NoSuchUpload"));
    let theirs =
        Begun { client: stand.other.clone(), path: "/photos/a".to_owned(), id: begun.id.clone() };
    let denied = (403, "AccessDenied");
    assert_eq!(send_begin(&stand.other, "/photos/a", &[]).await.error(), denied);
    assert_eq!(theirs.part(1).body("x").send().await.error(), denied);
    assert_eq!(theirs.ask(Method::GET).send().await.error(), denied);
    assert_eq!(theirs.ask(Method::DELETE).send().await.error(), denied);
    assert_eq!(theirs.completion(&[(1, &part)]).send().await.error(), denied);
    let uploads = stand.other.get("/photos").query("uploads", "").send().await;
    assert_eq!(uploads.error(), denied);
    let nowhere = send_begin(&stand.main, "/nowhere/a", &[]).await;
    assert_eq!(nowhere.error(), (404, "NoSuchBucket"));
}

#[tokio::test]
async fn parts_arrive_whichever_way_they_travel_and_are_compared() {
    let stand = with_bucket().await;
    let begun = begin(&stand.main, "/photos/a", &[]).await;
    let body = letters(0, 200_000);
    let crc32 = base64(&Crc32::checksum(&body));
    let tag = format!("\"{}\"", hex(&Md5::checksum(&body)));
    for way in [
        Payload::Hashed,
        Payload::Unsigned,
        Payload::Signed(64 << 10, None),
        Payload::Trailer(64 << 10, "x-amz-checksum-crc32", crc32.clone()),
    ] {
        let put = begun.part(1).body(body.clone()).payload(way.clone()).send().await;
        assert_eq!((put.status, put.header("etag")), (200, tag.as_str()), "{way:?}");
    }
    let md5 = base64(&Md5::checksum(b"other"));
    let bad = begun.part(1).body("tape").header("content-md5", &md5).send().await;
    assert_eq!(bad.error(), (400, "BadDigest"));
    let bad = begun.part(1).body("tape").header("x-amz-checksum-crc32", &crc32).send().await;
    assert_eq!(bad.error(), (400, "BadDigest"));
    for number in [0, 10_001] {
        let told = begun.part(number).body("x").send().await;
        assert_eq!(told.error(), (400, "InvalidArgument"), "{number}");
    }
    let huge = begun.part(2).payload(Payload::Unsigned).announced(6 << 30);
    assert_eq!(huge.send_body(Announced(6 << 30)).await.error(), (400, "EntityTooLarge"));
    // What was refused has not replaced what was there.
    let done = begun.completion(&[(1, &tag)]).send().await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(stand.main.get("/photos/a").send().await.body, body);
}

#[tokio::test]
async fn a_completion_makes_a_version() {
    let stand = versioned().await;
    stand.main.put("/photos/a").body("old").send().await;
    let begun = begin(&stand.main, "/photos/a", &[]).await;
    let part = begun.put(1, "new").await;
    let done = begun.completion(&[(1, &part)]).send().await;
    let version = done.header("x-amz-version-id");
    assert_eq!(version.len(), 32, "{}", done.text());
    let got = stand.main.get("/photos/a").query("versionId", version).send().await;
    assert_eq!(got.text(), "new");
    let versions = stand.main.get("/photos").query("versions", "").send().await;
    assert_eq!(versions.elements("VersionId").len(), 2);
}
