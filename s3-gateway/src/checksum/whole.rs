//! The checksums of uploads in parts and of copies: which one is asked for, and those that a
//! completion names for its parts and for the whole.
//!
//! "Checking object integrity in Amazon S3" of the S3 user guide,
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>.

use coffer_storage_engine::multipart::UploadChecksum;
use coffer_storage_engine::object::ChecksumKind;
use coffer_types::{ChecksumAlgorithm, ChecksumValue};
use hyper::header::HeaderMap;
use s3s::dto::CompletedPart;

use super::{NAMES, kind_name, parse_value, several_checksums, shown, unsupported};
use crate::convert;
use crate::error::{Code, Failure};

/// Algorithms that S3 knows and that are not built. Who asks for one by name is refused before
/// ([`crate::unbuilt`]).
pub(crate) const UNBUILT: [&str; 5] = ["MD5", "SHA512", "XXHASH128", "XXHASH3", "XXHASH64"];

/// The algorithm that `x-amz-checksum-algorithm` asks for.
pub(crate) fn algorithm(headers: &HeaderMap) -> Result<Option<ChecksumAlgorithm>, Failure> {
    let Some(asked) = headers.get("x-amz-checksum-algorithm").filter(|asked| !asked.is_empty())
    else {
        return Ok(None);
    };
    let is = |name: &str| asked.as_bytes().eq_ignore_ascii_case(name.as_bytes());
    let mut known = NAMES.iter().map(|(algorithm, _)| *algorithm);
    known.find(|known| is(convert::algorithm_name(*known))).map(Some).ok_or_else(unsupported)
}

/// The kind that `x-amz-checksum-type` names.
pub(crate) fn kind(headers: &HeaderMap) -> Result<Option<ChecksumKind>, Failure> {
    let Some(asked) = headers.get(shown::TYPE).filter(|asked| !asked.is_empty()) else {
        return Ok(None);
    };
    let is =
        |kind: &ChecksumKind| asked.as_bytes().eq_ignore_ascii_case(kind_name(*kind).as_bytes());
    let found = [ChecksumKind::FullObject, ChecksumKind::Composite].into_iter().find(is);
    match found {
        Some(kind) => Ok(Some(kind)),
        None => Err(invalid_header(shown::TYPE.as_str())),
    }
}

/// The checksum that an upload in parts is begun with.
pub(crate) fn of_upload(headers: &HeaderMap) -> Result<Option<UploadChecksum>, Failure> {
    let (algorithm, kind) = (algorithm(headers)?, kind(headers)?);
    let Some(algorithm) = algorithm else {
        return match kind {
            None => Ok(None),
            Some(_) => Err(Failure::new(
                Code::InvalidRequest,
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm \
                 header.",
            )),
        };
    };
    let kind = kind.unwrap_or(match algorithm {
        ChecksumAlgorithm::Crc64Nvme => ChecksumKind::FullObject,
        ChecksumAlgorithm::Crc32
        | ChecksumAlgorithm::Crc32c
        | ChecksumAlgorithm::Sha1
        | ChecksumAlgorithm::Sha256 => ChecksumKind::Composite,
    });
    let possible = match algorithm {
        ChecksumAlgorithm::Crc64Nvme => kind == ChecksumKind::FullObject,
        ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c => true,
        ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => kind == ChecksumKind::Composite,
    };
    if !possible {
        let (kind, algorithm) = (kind_name(kind), convert::algorithm_name(algorithm));
        let message = format!(
            "The {kind} checksum type cannot be used with the {} checksum algorithm.",
            algorithm.to_ascii_lowercase()
        );
        return Err(Failure::new(Code::InvalidRequest, message));
    }
    Ok(Some(UploadChecksum { algorithm, kind }))
}

/// The checksum that the object must have that so many parts are completed to. That of a composite
/// may be followed by their number, as answers show it.
pub(crate) fn of_whole(
    headers: &HeaderMap,
    parts: usize,
) -> Result<Option<ChecksumValue>, Failure> {
    let mut found = None;
    for (algorithm, name) in NAMES {
        let Some(value) = headers.get(name) else {
            continue;
        };
        let text = value.to_str().map_err(|_| invalid_header(name))?;
        let (sum, count) = match text.split_once('-') {
            Some((sum, count)) => (sum, Some(count)),
            None => (text, None),
        };
        let sum = parse_value(algorithm, name, sum.as_bytes())?;
        if let Some(count) = count
            && count.parse() != Ok(parts)
        {
            return Err(Failure::new(
                Code::BadDigest,
                format!(
                    "Value for {name} header is that of {count} parts, but {parts} are listed."
                ),
            ));
        }
        if found.replace(sum).is_some() {
            return Err(several_checksums());
        }
    }
    Ok(found)
}

fn invalid_header(name: &str) -> Failure {
    Failure::new(Code::InvalidRequest, format!("Value for {name} header is invalid."))
}

/// The checksums that a completion lists for a part.
pub(crate) fn of_listed(part: &CompletedPart) -> Result<Vec<ChecksumValue>, Failure> {
    let unbuilt = [
        &part.checksum_md5,
        &part.checksum_sha512,
        &part.checksum_xxhash128,
        &part.checksum_xxhash3,
        &part.checksum_xxhash64,
    ];
    if let Some((name, _)) = UNBUILT.iter().zip(unbuilt).find(|(_, value)| value.is_some()) {
        return Err(Failure::not_implemented(&format!("The checksum algorithm {name}")));
    }
    let values = [
        (ChecksumAlgorithm::Crc32, &part.checksum_crc32),
        (ChecksumAlgorithm::Crc32c, &part.checksum_crc32c),
        (ChecksumAlgorithm::Crc64Nvme, &part.checksum_crc64nvme),
        (ChecksumAlgorithm::Sha1, &part.checksum_sha1),
        (ChecksumAlgorithm::Sha256, &part.checksum_sha256),
    ];
    let mut listed = Vec::new();
    for (algorithm, value) in values {
        if let Some(value) = value {
            let decoded = base64_simd::STANDARD.decode_to_vec(value.trim().as_bytes()).ok();
            let sum = decoded.and_then(|bytes| ChecksumValue::new(algorithm, &bytes).ok());
            listed.push(sum.ok_or_else(|| wrong_checksum(value))?);
            if listed.len() > 1 {
                return Err(wrong_checksum(value));
            }
        }
    }
    Ok(listed)
}

fn wrong_checksum(value: &str) -> Failure {
    let message = "Invalid Base64 or multiple checksums present in request.";
    Failure::argument("Checksum", value, message)
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn uploads_are_begun_with_an_algorithm_and_a_kind_that_go_together() {
        let begun = |algorithm: &'static str, kind: &'static str| {
            let asked =
                headers(&[("x-amz-checksum-algorithm", algorithm), ("x-amz-checksum-type", kind)]);
            of_upload(&asked).map(|made| made.map(|made| kind_name(made.kind)))
        };
        for (algorithm, kind, made) in [
            ("CRC32", "", "COMPOSITE"),
            ("crc32c", "FULL_OBJECT", "FULL_OBJECT"),
            ("CRC64NVME", "", "FULL_OBJECT"),
            ("SHA1", "COMPOSITE", "COMPOSITE"),
            ("SHA256", "", "COMPOSITE"),
        ] {
            assert_eq!(begun(algorithm, kind).expect("possible"), Some(made), "{algorithm} {kind}");
        }
        assert_eq!(begun("", "").expect("nothing asked"), None);
        for (algorithm, kind, code) in [
            ("SHA1", "FULL_OBJECT", Code::InvalidRequest),
            ("SHA256", "FULL_OBJECT", Code::InvalidRequest),
            ("CRC64NVME", "COMPOSITE", Code::InvalidRequest),
            ("", "COMPOSITE", Code::InvalidRequest),
            ("CRC32", "PARTLY", Code::InvalidRequest),
            ("CRC99", "", Code::InvalidRequest),
        ] {
            let refused = begun(algorithm, kind).expect_err("refused");
            assert_eq!(refused.code, code, "{algorithm} {kind}");
        }
    }

    #[test]
    fn the_checksum_of_the_whole_may_name_how_many_parts_it_has() {
        let whole = |value: &'static str| {
            let told = of_whole(&headers(&[("x-amz-checksum-crc32", value)]), 3);
            told.map(|sum| sum.is_some()).map_err(|failure| failure.code)
        };
        assert_eq!(whole("AAAAAA=="), Ok(true));
        assert_eq!(whole("AAAAAA==-3"), Ok(true));
        assert_eq!(whole("AAAAAA==-2"), Err(Code::BadDigest));
        assert_eq!(whole("AAAAAA==-x"), Err(Code::BadDigest));
        assert_eq!(whole("AAAA"), Err(Code::InvalidRequest));
        let two = [("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-checksum-crc32c", "AAAAAA==")];
        assert_eq!(of_whole(&headers(&two), 3).expect_err("two").code, Code::InvalidRequest);
        assert!(of_whole(&HeaderMap::new(), 3).expect("none").is_none());
    }

    #[test]
    fn parts_are_listed_with_one_checksum_at_most() {
        let sum = || Some("AAAAAA==".to_owned());
        let listed = |part: CompletedPart| {
            of_listed(&part).map(|sums| sums.len()).map_err(|failure| failure.code)
        };
        assert_eq!(listed(CompletedPart::default()), Ok(0));
        let one = CompletedPart { checksum_crc32: sum(), ..CompletedPart::default() };
        assert_eq!(listed(one.clone()), Ok(1));
        let two = CompletedPart { checksum_crc32c: sum(), ..one };
        assert_eq!(listed(two), Err(Code::InvalidArgument));
        let short = CompletedPart { checksum_sha1: sum(), ..CompletedPart::default() };
        assert_eq!(listed(short), Err(Code::InvalidArgument));
        let unbuilt = CompletedPart { checksum_xxhash64: sum(), ..CompletedPart::default() };
        assert_eq!(listed(unbuilt), Err(Code::NotImplemented));
    }
}
