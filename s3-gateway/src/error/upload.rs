//! What a client is told about uploads in parts and the ranges that parts are copied from. Sentences
//! are those of Amazon S3 where they are known.

use coffer_storage_engine::multipart::UploadChecksum;
use coffer_storage_engine::object::{ChecksumKind, ETag};
use coffer_types::{ChecksumAlgorithm, PartNumber};

use super::{Code, Failure};
use crate::checksum::kind_name;
use crate::convert;

/// The upload is not there, or its id can be none.
pub(crate) fn no_such_upload() -> Failure {
    Failure::new(
        Code::NoSuchUpload,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have \
         been aborted or completed.",
    )
}

pub(super) fn invalid_part(number: PartNumber) -> Failure {
    Failure::new(
        Code::InvalidPart,
        "One or more of the specified parts could not be found. The part may not have been \
         uploaded, or the specified entity tag may not match the part's entity tag.",
    )
    .element("PartNumber", number.to_string())
}

pub(super) fn invalid_part_order() -> Failure {
    Failure::new(
        Code::InvalidPartOrder,
        "The list of parts was not in ascending order. Parts must be ordered by part number.",
    )
}

pub(super) fn no_parts() -> Failure {
    Failure::new(
        Code::MalformedXml,
        "The XML you provided was not well-formed or did not validate against our published \
         schema: it lists no parts.",
    )
}

pub(super) fn part_too_small(number: PartNumber, size: u64, min: u64, etag: &ETag) -> Failure {
    Failure::new(
        Code::EntityTooSmall,
        "Your proposed upload is smaller than the minimum allowed size.",
    )
    .element("ProposedSize", size.to_string())
    .element("MinSizeAllowed", min.to_string())
    .element("PartNumber", number.to_string())
    .element("ETag", etag.as_str())
}

pub(super) fn part_without_checksum(number: PartNumber, algorithm: ChecksumAlgorithm) -> Failure {
    let algorithm = lower_name(algorithm);
    let message = format!(
        "The upload was created using a {algorithm} checksum. The complete request must include \
         the checksum for each part. It was missing for part {number} in the request."
    );
    Failure::new(Code::InvalidRequest, message)
}

pub(super) fn other_checksum(
    expected: Option<UploadChecksum>,
    actual: Option<ChecksumAlgorithm>,
) -> Failure {
    let name = |algorithm: Option<ChecksumAlgorithm>| {
        algorithm.map_or_else(|| "null".to_owned(), lower_name)
    };
    let message = format!(
        "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}.",
        name(expected.map(|expected| expected.algorithm)),
        name(actual)
    );
    Failure::new(Code::InvalidRequest, message)
}

/// A completion names another kind of checksum than the upload was begun with.
pub(crate) fn checksum_mode(expected: ChecksumKind) -> Failure {
    let message = format!(
        "The upload was created using the {} checksum mode. The complete request must use the same \
         checksum mode.",
        kind_name(expected)
    );
    Failure::new(Code::InvalidRequest, message)
}

pub(super) fn wrong_size(expected: u64, actual: u64) -> Failure {
    let message = format!(
        "The provided 'x-amz-mp-object-size' header value {expected} does not match what was \
         computed: {actual}."
    );
    Failure::new(Code::InvalidRequest, message)
}

pub(super) fn no_such_part(count: u16) -> Failure {
    Failure::new(Code::InvalidPartNumber, "The requested partnumber is not satisfiable.")
        .element("ActualPartCount", count.to_string())
}

/// A range that ends behind the source.
pub(crate) fn source_range(size: u64) -> Failure {
    let message = format!("Range specified is not valid for source object of size: {size}.");
    Failure::new(Code::InvalidArgument, message).element("ArgumentName", "x-amz-copy-source-range")
}

/// More bytes than are copied at once.
pub(crate) fn source_too_large(limit: u64) -> Failure {
    let message = format!(
        "The specified copy source is larger than the maximum allowable size for a copy source: \
         {limit}."
    );
    Failure::new(Code::InvalidRequest, message)
}

fn lower_name(algorithm: ChecksumAlgorithm) -> String {
    convert::algorithm_name(algorithm).to_ascii_lowercase()
}
