//! Digests in headers and trailers.

use hyper::header::HeaderName;

use super::*;

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    pairs.iter().map(pair).collect()
}

fn code(pairs: &[(&'static str, &'static str)]) -> Code {
    ClaimedDigests::parse(&headers(pairs)).expect_err("refused").code
}

#[test]
fn names_stand_where_their_algorithm_points() {
    for (at, (algorithm, _)) in NAMES.iter().enumerate() {
        assert_eq!(*algorithm as usize, at);
    }
}

#[test]
fn digests_of_headers_parse() {
    let claimed = ClaimedDigests::parse(&headers(&[
        ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
        ("x-amz-checksum-crc32", "AAAAAA=="),
        ("x-amz-sdk-checksum-algorithm", "crc32"),
    ]))
    .expect("valid");
    assert_eq!(claimed.algorithms(), [ChecksumAlgorithm::Crc32]);
    assert!(claimed.expected.md5.is_some());
    let complete = claimed.complete(None).expect("nothing missing");
    assert_eq!(complete.checksums[0].as_bytes(), [0; 4]);
    assert!(ClaimedDigests::parse(&HeaderMap::new()).expect("valid").is_empty());
}

#[test]
fn wrong_digests_have_their_codes() {
    assert_eq!(code(&[("content-md5", "")]), Code::InvalidDigest);
    assert_eq!(code(&[("content-md5", "AAAA")]), Code::InvalidDigest);
    assert_eq!(code(&[("content-md5", "not base64!")]), Code::InvalidDigest);
    assert_eq!(code(&[("x-amz-checksum-sha1", "AAAAAA==")]), Code::InvalidRequest);
    let two = [("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-checksum-crc32c", "AAAAAA==")];
    assert_eq!(code(&two), Code::InvalidRequest);
    let both = [("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-trailer", "x-amz-checksum-crc32")];
    assert_eq!(code(&both), Code::InvalidRequest);
    assert_eq!(code(&[("x-amz-sdk-checksum-algorithm", "CRC32")]), Code::InvalidRequest);
    assert_eq!(code(&[("x-amz-sdk-checksum-algorithm", "SHA512")]), Code::InvalidRequest);
    assert_eq!(code(&[("x-amz-trailer", "x-amz-meta-a")]), Code::InvalidRequest);
}

#[test]
fn a_trailer_must_come_and_parse() {
    let announced = headers(&[("x-amz-trailer", "X-Amz-Checksum-Crc32")]);
    let claimed = ClaimedDigests::parse(&announced).expect("valid");
    assert_eq!(claimed.algorithms(), [ChecksumAlgorithm::Crc32]);
    let complete = |trailers: Option<&HeaderMap>| claimed.clone().complete(trailers);
    assert!(matches!(complete(None), Err(BodyFailure::MissingTrailer(_))));
    let bad = headers(&[("x-amz-checksum-crc32", "AA==")]);
    assert!(matches!(complete(Some(&bad)), Err(BodyFailure::BadTrailer(_))));
    let good = headers(&[("x-amz-checksum-crc32", "AAAAAQ==")]);
    assert_eq!(complete(Some(&good)).expect("there").checksums[0].as_bytes(), [0, 0, 0, 1]);
}
