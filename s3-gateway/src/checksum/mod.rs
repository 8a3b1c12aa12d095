//! The digests that a client sends with an upload: `Content-MD5`, `x-amz-checksum-*` as a header
//! or as a trailer, and what is asked for with `x-amz-sdk-checksum-algorithm`.
//!
//! "Checking object integrity" of the S3 user guide,
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>.

mod shown;
mod whole;

use coffer_storage_engine::object::body::ExpectedDigests;
use coffer_types::{ChecksumAlgorithm, ChecksumValue};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

pub(crate) use self::shown::{Shown, kind_name};
pub(crate) use self::whole::{UNBUILT, algorithm, kind, of_listed, of_upload, of_whole};
use crate::body::BodyFailure;
use crate::convert;
use crate::error::{Code, Failure};

/// All algorithms and the names that carry their values.
const NAMES: [(ChecksumAlgorithm, &str); 5] = [
    (ChecksumAlgorithm::Crc32, "x-amz-checksum-crc32"),
    (ChecksumAlgorithm::Crc32c, "x-amz-checksum-crc32c"),
    (ChecksumAlgorithm::Crc64Nvme, "x-amz-checksum-crc64nvme"),
    (ChecksumAlgorithm::Sha1, "x-amz-checksum-sha1"),
    (ChecksumAlgorithm::Sha256, "x-amz-checksum-sha256"),
];

const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
const ALGORITHM_OF_SDK: HeaderName = HeaderName::from_static("x-amz-sdk-checksum-algorithm");
const TRAILER: HeaderName = HeaderName::from_static("x-amz-trailer");

/// What a request says about the digests of its body.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClaimedDigests {
    /// What its headers say.
    pub(crate) expected: ExpectedDigests,
    /// What a trailer will say.
    pub(crate) trailer: Option<(ChecksumAlgorithm, &'static str)>,
}

impl ClaimedDigests {
    /// Reads the headers of a request.
    pub(crate) fn parse(headers: &HeaderMap) -> Result<Self, Failure> {
        let mut claimed = Self::parse_md5(headers)?;
        let is_checksum = |name: &HeaderName| name.as_str().starts_with("x-amz-checksum-");
        if headers.keys().any(is_checksum) {
            for (algorithm, name) in NAMES {
                if let Some(value) = headers.get(name) {
                    let value = parse_value(algorithm, name, value.as_bytes())?;
                    claimed.expected.checksums.push(value);
                }
            }
        }
        claimed.trailer = announced_trailer(headers)?;
        if claimed.expected.checksums.len() + usize::from(claimed.trailer.is_some()) > 1 {
            return Err(several_checksums());
        }
        claimed.check_asked_for(headers)?;
        Ok(claimed)
    }

    /// Reads only what is said about the MD5.
    pub(crate) fn parse_md5(headers: &HeaderMap) -> Result<Self, Failure> {
        let mut claimed = Self::default();
        if let Some(value) = headers.get(CONTENT_MD5) {
            claimed.expected.md5 = Some(parse_md5(value)?);
        }
        Ok(claimed)
    }

    /// The algorithms to compute.
    pub(crate) fn algorithms(&self) -> Vec<ChecksumAlgorithm> {
        let in_headers = self.expected.checksums.iter().map(ChecksumValue::algorithm);
        in_headers.chain(self.trailer.map(|(algorithm, _)| algorithm)).collect()
    }

    /// Whether anything is claimed at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.expected.md5.is_none() && self.expected.checksums.is_empty() && self.trailer.is_none()
    }

    /// What is claimed, once the trailers are there.
    pub(crate) fn complete(
        mut self,
        trailers: Option<&HeaderMap>,
    ) -> Result<ExpectedDigests, BodyFailure> {
        if let Some((algorithm, name)) = self.trailer {
            let value = trailers.and_then(|trailers| trailers.get(name));
            let value = value.ok_or(BodyFailure::MissingTrailer(name))?;
            let value = parse_value(algorithm, name, value.as_bytes());
            self.expected.checksums.push(value.map_err(|_| BodyFailure::BadTrailer(name))?);
        }
        Ok(self.expected)
    }

    /// An SDK that says which algorithm it uses also sends the value.
    fn check_asked_for(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let Some(asked) = headers.get(ALGORITHM_OF_SDK) else {
            return Ok(());
        };
        let matches = |algorithm: ChecksumAlgorithm| {
            asked.as_bytes().eq_ignore_ascii_case(convert::algorithm_name(algorithm).as_bytes())
        };
        let claimed = self.algorithms();
        if claimed.into_iter().any(matches) {
            return Ok(());
        }
        if NAMES.iter().any(|(algorithm, _)| matches(*algorithm)) {
            return Err(Failure::new(
                Code::InvalidRequest,
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or \
                 x-amz-trailer headers were found.",
            ));
        }
        Err(unsupported())
    }
}

fn unsupported() -> Failure {
    Failure::new(
        Code::InvalidRequest,
        "Checksum algorithm provided is unsupported. Please try again with any of the valid types: \
         [CRC32, CRC32C, CRC64NVME, SHA1, SHA256].",
    )
}

fn several_checksums() -> Failure {
    Failure::new(
        Code::InvalidRequest,
        "Expecting a single x-amz-checksum- header. Multiple checksum types are not allowed.",
    )
}

/// The checksum that a trailer will carry.
fn announced_trailer(
    headers: &HeaderMap,
) -> Result<Option<(ChecksumAlgorithm, &'static str)>, Failure> {
    let Some(announced) = headers.get(TRAILER) else {
        return Ok(None);
    };
    let announced = announced.to_str().unwrap_or_default();
    let mut found = None;
    for name in announced.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let known = NAMES.into_iter().find(|(_, known)| name.eq_ignore_ascii_case(known));
        if known.is_none() || found.is_some() {
            return Err(Failure::new(
                Code::InvalidRequest,
                "The value specified in the x-amz-trailer header is not supported: it names one of \
                 the x-amz-checksum- trailers.",
            ));
        }
        found = known;
    }
    Ok(found)
}

fn parse_md5(value: &HeaderValue) -> Result<[u8; 16], Failure> {
    let decoded = base64_simd::STANDARD.decode_to_vec(value.as_bytes()).ok();
    decoded.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| {
        Failure::new(Code::InvalidDigest, "The Content-MD5 you specified is not valid.")
    })
}

/// What is no checksum is `InvalidRequest`, in a header as in a trailer (measured:
/// versity/versitygw#1692); one that parses and is wrong is `BadDigest` once the body was read
/// (versity/versitygw#1173). `Content-MD5` has a code of its own for the first, `InvalidDigest`
/// ("Error responses" of the S3 API reference).
fn parse_value(
    algorithm: ChecksumAlgorithm,
    name: &str,
    value: &[u8],
) -> Result<ChecksumValue, Failure> {
    let decoded = base64_simd::STANDARD.decode_to_vec(value).ok();
    decoded.and_then(|bytes| ChecksumValue::new(algorithm, &bytes).ok()).ok_or_else(|| {
        Failure::new(Code::InvalidRequest, format!("Value for {name} header is invalid."))
    })
}

#[cfg(test)]
mod tests;
