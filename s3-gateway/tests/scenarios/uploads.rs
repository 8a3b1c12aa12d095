//! The ways a body travels, and what becomes of one that does not arrive whole.

use std::io;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use s3s::crypto::{Checksum, Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};

use super::client::{Answer, Draft, Payload, base64, letters};
use super::with_bucket;

fn text(len: usize) -> Bytes {
    letters(0, len)
}

#[tokio::test]
async fn bodies_arrive_whichever_way_they_travel() {
    let stand = with_bucket().await;
    let body = text(200_000);
    let crc32 = base64(&Crc32::checksum(&body));
    let ways = [
        Payload::Hashed,
        Payload::Unsigned,
        Payload::Signed(64 << 10, None),
        Payload::Signed(8 << 10, Some(("x-amz-checksum-crc32", crc32.clone()))),
        Payload::Trailer(64 << 10, "x-amz-checksum-crc32", crc32.clone()),
        Payload::Trailer(1 << 20, "x-amz-checksum-crc32", crc32.clone()),
    ];
    for (at, way) in ways.into_iter().enumerate() {
        let path = format!("/photos/{at}");
        let put = stand.main.put(&path).body(body.clone()).payload(way.clone()).send().await;
        assert_eq!(put.status, 200, "{way:?}: {}", put.text());
        let got = stand.main.get(&path).send().await;
        assert_eq!(got.body, body, "{way:?}");
        assert_eq!(got.header("content-encoding"), "", "how it travelled is not what it is");
        if let Payload::Signed(_, Some(_)) | Payload::Trailer(..) = way {
            assert_eq!(put.header("x-amz-checksum-crc32"), crc32);
            assert_eq!(put.header("x-amz-checksum-type"), "FULL_OBJECT");
        }
    }
}

#[tokio::test]
async fn empty_bodies_arrive_in_chunks_too() {
    let stand = with_bucket().await;
    let crc32 = base64(&Crc32::checksum(b""));
    for way in [Payload::Signed(8192, None), Payload::Trailer(8192, "x-amz-checksum-crc32", crc32)]
    {
        let put = stand.main.put("/photos/e").payload(way).send().await;
        assert_eq!(put.status, 200, "{}", put.text());
        assert_eq!(stand.main.get("/photos/e").send().await.text(), "");
    }
}

#[tokio::test]
async fn checksums_are_compared_and_given_back() {
    let stand = with_bucket().await;
    let sums = [
        ("x-amz-checksum-crc32", base64(&Crc32::checksum(b"body"))),
        ("x-amz-checksum-crc32c", base64(&Crc32c::checksum(b"body"))),
        ("x-amz-checksum-crc64nvme", base64(&Crc64Nvme::checksum(b"body"))),
        ("x-amz-checksum-sha1", base64(Sha1::checksum(b"body").as_ref())),
        ("x-amz-checksum-sha256", base64(Sha256::checksum(b"body").as_ref())),
    ];
    for (name, sum) in &sums {
        let put = stand.main.put("/photos/s").header(name, sum).body("body").send().await;
        assert_eq!((put.status, put.header(name)), (200, sum.as_str()), "{name}");
        let get = stand.main.get("/photos/s").header("x-amz-checksum-mode", "ENABLED").send().await;
        assert_eq!(get.header(name), sum, "{name}");
        let get = stand.main.get("/photos/s").send().await;
        assert_eq!(get.header(name), "", "only when asked for");
        let part = stand.main.get("/photos/s").header("x-amz-checksum-mode", "ENABLED");
        let part = part.header("range", "bytes=1-2").send().await;
        assert_eq!(part.header(name), "", "of the whole, not of a part");
        let bad = stand.main.put("/photos/bad").header(name, sum).body("tape").send().await;
        assert_eq!(bad.error(), (400, "BadDigest"), "{name}");
    }
    let md5 = base64(&s3s::crypto::Md5::checksum(b"body"));
    let put =
        |body: &'static str| stand.main.put("/photos/bad").header("content-md5", &md5).body(body);
    assert_eq!(put("tape").send().await.error(), (400, "BadDigest"));
    assert_eq!(stand.main.get("/photos/bad").send().await.error(), (404, "NoSuchKey"));
    assert_eq!(put("body").send().await.status, 200);
}

#[tokio::test]
async fn an_upload_without_a_checksum_is_answered_with_one() {
    let stand = with_bucket().await;
    let sum = base64(&Crc64Nvme::checksum(b"body"));
    let put = stand.main.put("/photos/a").body("body").send().await;
    assert_eq!(put.header("x-amz-checksum-crc64nvme"), sum);
    assert_eq!(put.header("x-amz-checksum-type"), "FULL_OBJECT");
    let head = stand.main.head("/photos/a").header("x-amz-checksum-mode", "ENABLED").send().await;
    assert_eq!(head.header("x-amz-checksum-crc64nvme"), sum);
    assert_eq!(head.header("x-amz-checksum-type"), "FULL_OBJECT");
}

/// Sends something that must be refused, and sees that nothing was stored.
async fn refused(draft: Draft) -> (u16, String) {
    let answer = draft.send().await;
    code(&answer)
}

fn code(answer: &Answer) -> (u16, String) {
    let (status, code) = answer.error();
    assert_eq!(answer.element("RequestId"), Some(answer.header("x-amz-request-id")));
    (status, code.to_owned())
}

#[tokio::test]
async fn bodies_that_are_not_what_was_signed_are_refused() {
    let stand = with_bucket().await;
    let body = text(20_000);
    let crc32 = || base64(&Crc32::checksum(&text(20_000)));
    let put = |way: Payload| stand.main.put("/photos/bad").body(body.clone()).payload(way);
    let flip = |mut body: Vec<u8>| {
        let middle = body.len() / 2;
        body[middle] ^= 1;
        body
    };
    let cases = [
        (Payload::Hashed, (400, "XAmzContentSHA256Mismatch")),
        (Payload::Signed(8_192, None), (403, "SignatureDoesNotMatch")),
        (
            Payload::Signed(8_192, Some(("x-amz-checksum-crc32", crc32()))),
            (403, "SignatureDoesNotMatch"),
        ),
        (Payload::Trailer(8_192, "x-amz-checksum-crc32", crc32()), (400, "BadDigest")),
    ];
    for (way, (status, code)) in cases {
        let told = refused(put(way.clone()).tampered(flip)).await;
        assert_eq!(told, (status, code.to_owned()), "{way:?}");
    }
    let wrong = Payload::Trailer(8_192, "x-amz-checksum-crc32", "AAAAAA==".to_owned());
    assert_eq!(refused(put(wrong)).await, (400, "BadDigest".to_owned()));
    let invalid = Payload::Trailer(8_192, "x-amz-checksum-crc32", "!".to_owned());
    assert_eq!(refused(put(invalid)).await, (400, "InvalidRequest".to_owned()));
    let signed_wrong =
        Payload::Signed(8_192, Some(("x-amz-checksum-crc32", "AAAAAA==".to_owned())));
    assert_eq!(refused(put(signed_wrong)).await, (400, "BadDigest".to_owned()));
    assert_eq!(stand.main.get("/photos/bad").send().await.error(), (404, "NoSuchKey"));
}

#[tokio::test]
async fn chunks_that_end_early_are_refused() {
    let stand = with_bucket().await;
    let body = text(20_000);
    let crc32 = base64(&Crc32::checksum(&body));
    let trailer = Payload::Trailer(8_192, "x-amz-checksum-crc32", crc32);
    let put = |way: Payload| stand.main.put("/photos/bad").body(body.clone()).payload(way);
    let without_end = |mut body: Vec<u8>| {
        body.truncate(body.len() - 100);
        body
    };
    let without_trailer = |body: Vec<u8>| {
        let end = body.windows(5).rposition(|window| window == b"\r\n0\r\n").expect("there") + 5;
        body[..end].to_vec()
    };
    let garbage = |_: Vec<u8>| b"zz\r\nnot chunks at all".to_vec();
    let incomplete = (400, "IncompleteBody".to_owned());
    for way in [Payload::Signed(8_192, None), trailer.clone()] {
        assert_eq!(refused(put(way.clone()).tampered(without_end)).await, incomplete, "{way:?}");
        assert_eq!(refused(put(way.clone()).tampered(garbage)).await, incomplete, "{way:?}");
        assert_eq!(refused(put(way).tampered(|_| vec![])).await, incomplete);
    }
    let missing = refused(put(trailer).tampered(without_trailer)).await;
    assert_eq!(missing, (400, "MalformedTrailerError".to_owned()));
    assert_eq!(stand.main.get("/photos/bad").send().await.error(), (404, "NoSuchKey"));
}

#[tokio::test]
async fn bodies_that_stop_are_told_why() {
    let stand = with_bucket().await;
    let stopping = |kind: io::ErrorKind| {
        let pieces = [Ok(Frame::data(text(1_000))), Err(io::Error::from(kind))];
        StreamBody::new(stream::iter(pieces).boxed())
    };
    for way in [Payload::Hashed, Payload::Unsigned, Payload::Signed(8_192, None)] {
        let put = || stand.main.put("/photos/bad").body(text(20_000)).payload(way.clone());
        let cut = put().send_body(stopping(io::ErrorKind::ConnectionReset)).await;
        if !matches!(way, Payload::Signed(..)) {
            assert_eq!(code(&cut), (400, "IncompleteBody".to_owned()), "{way:?}");
        }
        let slow = put().send_body(stopping(io::ErrorKind::TimedOut)).await;
        if !matches!(way, Payload::Signed(..)) {
            assert_eq!(code(&slow), (400, "RequestTimeout".to_owned()), "{way:?}");
        }
        assert!(slow.status >= 400 && cut.status >= 400);
    }
    let delete = || stand.main.post("/photos").query("delete", "").body(text(2_000));
    let cut = delete().send_body(stopping(io::ErrorKind::ConnectionReset)).await;
    assert_eq!(code(&cut), (400, "IncompleteBody".to_owned()));
    let slow = delete().send_body(stopping(io::ErrorKind::TimedOut)).await;
    assert_eq!(code(&slow), (400, "RequestTimeout".to_owned()));
    assert_eq!(stand.main.get("/photos/bad").send().await.error(), (404, "NoSuchKey"));
}

#[tokio::test]
async fn a_shorter_body_than_announced_is_incomplete() {
    let stand = with_bucket().await;
    let short = |mut body: Vec<u8>| {
        body.pop();
        body
    };
    for way in [Payload::Hashed, Payload::Unsigned] {
        let put = stand.main.put("/photos/bad").body(text(100)).payload(way.clone());
        assert_eq!(
            refused(put.tampered(short)).await,
            (400, "IncompleteBody".to_owned()),
            "{way:?}"
        );
    }
    assert_eq!(stand.main.get("/photos/bad").send().await.error(), (404, "NoSuchKey"));
}

#[tokio::test]
async fn the_length_of_a_body_is_told_before_it() {
    let stand = with_bucket().await;
    let put = |way: Payload| stand.main.put("/photos/l").body("body").payload(way);
    let untold = put(Payload::Unsigned).changed(|headers| {
        headers.remove("content-length");
    });
    assert_eq!(untold.send().await.error(), (411, "MissingContentLength"));
    let in_http_chunks = |headers: &mut hyper::HeaderMap| {
        headers.remove("content-length");
        headers.insert("transfer-encoding", "chunked".parse().expect("valid"));
    };
    let told = put(Payload::Unsigned).changed(in_http_chunks).send().await;
    assert_eq!(told.error(), (501, "NotImplemented"));
    assert_eq!(told.element("Header"), Some("Transfer-Encoding"));
    assert_eq!(stand.main.get("/photos/l").send().await.error(), (404, "NoSuchKey"));
    let crc32 = base64(&Crc32::checksum(b"body"));
    let twice = put(Payload::Trailer(8_192, "x-amz-checksum-crc32", crc32));
    assert_eq!(twice.changed(in_http_chunks).send().await.status, 200, "the length is told");
}

#[tokio::test]
async fn user_metadata_is_limited_and_survives() {
    let stand = with_bucket().await;
    let put = stand.main.put("/photos/m").header("x-amz-meta-a", &"x".repeat(2_048)).send().await;
    assert_eq!(put.error(), (400, "MetadataTooLarge"));
    let put = stand.main.put("/photos/m").header("x-amz-meta-word", "=?UTF-8?B?w7xiZXI=?=");
    assert_eq!(put.send().await.status, 200);
    let got = stand.main.get("/photos/m").send().await;
    assert!(got.header("x-amz-meta-word").starts_with("=?UTF-8?"), "{:?}", got.headers);
}

#[tokio::test]
async fn uploads_wait_for_their_share_of_the_budget() {
    let stand = super::stand(|config| config.upload_budget = 64 << 10).await;
    assert_eq!(stand.main.put("/photos").send().await.status, 200);
    let body = text(40 << 10);
    let puts = (0..32).map(|at| {
        let way = if at % 2 == 0 { Payload::Hashed } else { Payload::Signed(8 << 10, None) };
        stand.main.put(&format!("/photos/{at}")).body(body.clone()).payload(way).send()
    });
    let answers: Vec<Answer> = futures::future::join_all(puts).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
}

#[tokio::test]
async fn bodies_arrive_in_pieces_of_any_size() {
    let stand = with_bucket().await;
    let body = text(3_000);
    for way in [Payload::Hashed, Payload::Unsigned, Payload::Signed(1_000, None)] {
        for step in [1, 7, 90, 1_000] {
            let put = stand.main.put("/photos/p").body(body.clone()).payload(way.clone());
            let travelling = put.travelling_now();
            let pieces: Vec<_> = travelling
                .chunks(step)
                .map(|piece| Ok::<_, io::Error>(Frame::data(Bytes::copy_from_slice(piece))))
                .collect();
            let put = put.send_body(StreamBody::new(stream::iter(pieces))).await;
            assert_eq!(put.status, 200, "{way:?} {step}: {}", put.text());
            assert_eq!(stand.main.get("/photos/p").send().await.body, body, "{way:?} {step}");
        }
    }
}
