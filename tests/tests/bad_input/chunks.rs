//! aws-chunked bodies: signed and unsigned chunks, trailers, and everything that can be wrong in
//! their framing.

use coffer_tests::{Request, crc32_header, pattern};

use crate::{Battery, refused, refused_or_cut};

const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

fn chunked(mode: &str, decoded: usize, encoded: usize) -> Request {
    let request = Request::new("PUT", "/bucket/key")
        .payload_hash(mode)
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", &decoded.to_string())
        .length(encoded);
    if mode == TRAILER { request.header("x-amz-trailer", "x-amz-checksum-crc32") } else { request }
}

/// An unsigned chunked body whose trailer says `sum`.
fn with_trailer(body: &[u8], sum: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in body.chunks(50_000) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("0\r\nx-amz-checksum-crc32:{sum}\r\n\r\n").as_bytes());
    bytes
}

#[test]
fn good_chunks_are_taken() {
    let battery = Battery::new();
    let body = pattern(1, 170_000);
    let good = with_trailer(&body, &crc32_header(&body));
    let answer = battery.send(&chunked(TRAILER, body.len(), good.len()), &good);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(battery.send(&Request::new("GET", "/bucket/key"), b"").body, body);

    let body = pattern(2, 170_000);
    let encoded = encoded_length(body.chunks(65_536));
    let bytes = signed_chunks(&battery, body.len(), encoded, |chunks| {
        let mut bytes = Vec::new();
        for part in body.chunks(65_536) {
            bytes.extend(chunks.chunk(part));
        }
        bytes.extend(chunks.chunk(b""));
        bytes
    });
    let answer = send(&battery, &bytes);
    assert_eq!(answer.expect("an answer").status, 200);
    assert_eq!(battery.send(&Request::new("GET", "/bucket/key"), b"").body, body);
    assert_eq!(battery.send(&Request::new("DELETE", "/bucket/key"), b"").status, 204);
    battery.survived();
}

#[test]
fn a_wrong_trailer_or_length_stores_nothing() {
    let battery = Battery::new();
    for length in [5, 65_536, 400_000] {
        let body = pattern(3, length);
        let wrong = with_trailer(&body, "AAAAAQ==");
        refused(&battery.send(&chunked(TRAILER, length, wrong.len()), &wrong), 400, "BadDigest");
        let good = with_trailer(&body, &crc32_header(&body));
        for decoded in [length - 1, length + 1] {
            let answer = battery.send(&chunked(TRAILER, decoded, good.len()), &good);
            assert_eq!(answer.status, 400, "{decoded} of {length}: {}", answer.text());
        }
        let cut = &good[..good.len() - 30];
        let mut connection = battery.server.connect();
        connection
            .send(&battery.server.signer().head(&chunked(TRAILER, length, good.len())))
            .expect("sent");
        connection.send(cut).expect("sent");
        connection.finish_sending().expect("sent");
        refused_or_cut(connection.receive(), 400, "IncompleteBody");
    }
    battery.survived();
}

#[test]
fn broken_framing_is_refused() {
    let battery = Battery::new();
    for framing in [
        "zz\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5 hello 0",
        "-5\r\nhello\r\n0\r\n\r\n",
        "1000001\r\nhello\r\n0\r\n\r\n",
    ] {
        let request = chunked(TRAILER, 5, framing.len());
        let mut connection = battery.server.connect();
        connection.send(&battery.server.signer().head(&request)).expect("sent");
        connection.send(framing.as_bytes()).expect("sent");
        connection.finish_sending().expect("sent");
        if let Ok(answer) = connection.receive() {
            assert_eq!(answer.status, 400, "{framing:?}: {}", answer.text());
        }
    }
    battery.survived();
}

#[test]
fn a_forged_chunk_stores_nothing() {
    let battery = Battery::new();
    let body = pattern(4, 70_000);
    let encoded = encoded_length(body.chunks(body.len()));
    for forge in [10, 30, 5_000] {
        let bytes = signed_chunks(&battery, body.len(), encoded, |chunks| {
            let mut bytes = chunks.chunk(&body);
            // In the size's signature, or in the data.
            bytes[forge] ^= 1;
            bytes.extend(chunks.chunk(b""));
            bytes
        });
        if let Ok(answer) = send(&battery, &bytes) {
            assert!(matches!(answer.status, 400 | 403), "{forge}: {}", answer.text());
        }
    }
    battery.survived();
}

/// The length of these chunks and the empty one, each with its size, signature and line ends.
fn encoded_length<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> usize {
    let framed = |length: usize| format!("{length:x};chunk-signature=").len() + 64 + length + 4;
    chunks.map(|chunk| framed(chunk.len())).sum::<usize>() + framed(0)
}

/// A head for a signed chunked body, and the body that `fill` makes.
fn signed_chunks(
    battery: &Battery,
    decoded: usize,
    encoded: usize,
    fill: impl FnOnce(&mut coffer_tests::ChunkSigner) -> Vec<u8>,
) -> Vec<u8> {
    let request = chunked(SIGNED, decoded, encoded);
    let (mut bytes, mut chunks) = battery.server.signer().head_and_signature(&request);
    let body = fill(&mut chunks);
    assert_eq!(body.len(), encoded, "the announced length");
    bytes.extend(body);
    bytes
}

fn send(battery: &Battery, bytes: &[u8]) -> std::io::Result<coffer_tests::Response> {
    let mut connection = battery.server.connect();
    connection.send(bytes)?;
    connection.receive()
}
