//! Bodies in signed chunks, changed on their way.

use bytes::Bytes;
use s3s::crypto::{Checksum, Crc32};

use super::client::{Draft, Payload};
use super::{Stand, with_bucket};

/// A change of a body on its way.
type Change = fn(Vec<u8>) -> Vec<u8>;

const CHUNK: usize = 1_000;

fn body() -> Bytes {
    (0..3 * CHUNK).map(|at| b'a' + u8::try_from(at % 26).expect("small")).collect()
}

fn crc32() -> String {
    base64_simd::STANDARD.encode_to_string(Crc32::checksum(&body()))
}

fn put<G>(stand: &Stand<G>, trailer: bool) -> Draft {
    let trailer = trailer.then(|| ("x-amz-checksum-crc32", crc32()));
    stand.main.put("/photos/c").body(body()).payload(Payload::Signed(CHUNK, trailer))
}

/// The chunks of a body of three, the empty one, and what is behind it.
fn parts(body: &[u8]) -> [Vec<u8>; 4] {
    let framed = "3e8;chunk-signature=".len() + 64 + 2 + CHUNK + 2;
    let part = |at: usize| body[at * framed..(at + 1) * framed].to_vec();
    [part(0), part(1), part(2), body[3 * framed..].to_vec()]
}

/// Turns the last digit of the first signature in these bytes into another.
fn forge(bytes: &mut [u8]) {
    let at = bytes.windows(2).position(|pair| pair == b"\r\n").expect("a line") - 1;
    bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
}

const WRONG: (u16, &str) = (403, "SignatureDoesNotMatch");
const INCOMPLETE: (u16, &str) = (400, "IncompleteBody");

/// Changes, and what is said about them.
const CHANGES: [(&str, Change, (u16, &str)); 8] = [
    (
        "a byte of the second",
        |mut body| {
            let at = body.len() / 2;
            body[at] ^= 1;
            body
        },
        WRONG,
    ),
    (
        "the second one's signature",
        |body| {
            let mut p = parts(&body);
            forge(&mut p[1]);
            p.concat()
        },
        WRONG,
    ),
    (
        "the order",
        |body| {
            let mut p = parts(&body);
            p.swap(0, 1);
            p.concat()
        },
        WRONG,
    ),
    (
        "the first one twice",
        |body| {
            let p = parts(&body);
            [&p[0][..], &p[0], &p[2], &p[3]].concat()
        },
        WRONG,
    ),
    (
        "the last one's signature",
        |body| {
            let mut p = parts(&body);
            forge(&mut p[3]);
            p.concat()
        },
        WRONG,
    ),
    (
        "one left out",
        |body| {
            let p = parts(&body);
            [&p[0][..], &p[1], &p[3]].concat()
        },
        WRONG,
    ),
    (
        "the end left out",
        |body| {
            let p = parts(&body);
            p[..3].concat()
        },
        INCOMPLETE,
    ),
    (
        "cut inside",
        |mut body| {
            body.truncate(1_500);
            body
        },
        INCOMPLETE,
    ),
];

#[tokio::test]
async fn every_chunk_is_verified() {
    let stand = with_bucket().await;
    for (what, change, expected) in CHANGES {
        for trailer in [false, true] {
            let told = put(&stand, trailer).tampered(change).send().await;
            assert_eq!(told.error(), expected, "{what}, trailer: {trailer}");
        }
    }
    assert_eq!(stand.main.get("/photos/c").send().await.error(), (404, "NoSuchKey"));
    for trailer in [false, true] {
        assert_eq!(put(&stand, trailer).send().await.status, 200, "{trailer}");
        assert_eq!(stand.main.get("/photos/c").send().await.body, body());
    }
}

/// Replaces the first occurrence.
fn replace(body: &[u8], from: &str, to: &str) -> Vec<u8> {
    let at = body.windows(from.len()).position(|part| part == from.as_bytes()).expect("there");
    [&body[..at], to.as_bytes(), &body[at + from.len()..]].concat()
}

#[tokio::test]
async fn trailers_are_verified_and_read_as_clients_write_them() {
    let stand = with_bucket().await;
    let changes: [(&str, Change, (u16, &str)); 4] = [
        (
            "the signature",
            |mut body| {
                let at = body.len() - 5;
                body[at] = if body[at] == b'0' { b'1' } else { b'0' };
                body
            },
            (403, "SignatureDoesNotMatch"),
        ),
        ("the value", |body| replace(&body, &crc32(), "AAAAAA=="), (403, "SignatureDoesNotMatch")),
        (
            "no signature",
            |mut body| {
                body.truncate(body.len() - "x-amz-trailer-signature:\r\n\r\n".len() - 64);
                body
            },
            (400, "IncompleteBody"),
        ),
        (
            "another name",
            |body| replace(&body, "checksum-crc32", "checksum-sha256"),
            (403, "SignatureDoesNotMatch"),
        ),
    ];
    for (what, change, expected) in changes {
        let told = put(&stand, true).tampered(change).send().await;
        assert_eq!(told.error(), expected, "{what}");
    }
    assert_eq!(stand.main.get("/photos/c").send().await.error(), (404, "NoSuchKey"));
    // Some write a line feed behind the value, as the user guide does; some leave out the last line.
    let spellings: [Change; 3] = [
        |body| replace(&body, "==\r\n", "==\n\r\n"),
        |mut body| {
            body.truncate(body.len() - 2);
            body
        },
        |body| replace(&body, "x-amz-trailer-signature:", "x-amz-trailer-signature: "),
    ];
    for (at, spelling) in spellings.into_iter().enumerate() {
        let told = put(&stand, true).tampered(spelling).send().await;
        assert_eq!(told.status, 200, "{at}: {}", told.text());
    }
    let way = Payload::Trailer(CHUNK, "x-amz-checksum-crc32", crc32());
    let unsigned = stand.main.put("/photos/u").body(body()).payload(way);
    let told = unsigned.tampered(|body| replace(&body, "==\r\n", "==\n\r\n")).send().await;
    assert_eq!(told.status, 200, "{}", told.text());
}
