//! The part of the table that is about objects, their parts and the sources of copies.

use coffer_storage_engine::bucket::BucketError;
use coffer_storage_engine::object::{ObjectError, VersionId, VersionInfo};
use coffer_types::{ChecksumValue, Timestamp};
use hyper::header::{ALLOW, CONTENT_RANGE, HeaderMap, HeaderValue, LAST_MODIFIED};

use super::body::{body_failure, too_large};
use super::{Code, Failure, upload};
use crate::convert;

impl From<ObjectError> for Failure {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::NoSuchBucket(name) => BucketError::NotFound(name).into(),
            ObjectError::NoSuchKey { delete_marker } => no_such_key(delete_marker),
            ObjectError::NoSuchVersion(version) => {
                Self::new(Code::NoSuchVersion, "The specified version does not exist.")
                    .element("VersionId", version.to_string())
            }
            ObjectError::IsDeleteMarker { version, modified } => hidden(version, modified),
            ObjectError::PreconditionFailed(condition) => precondition_failed(condition),
            ObjectError::NothingToMatch => Self::new(
                Code::NoSuchKey,
                "The specified key does not exist, so nothing can match.",
            ),
            ObjectError::NotModified { info } => not_modified(&info),
            ObjectError::RangeNotSatisfiable { size } => outside(size),
            ObjectError::WrongLength { expected, actual } => Self::new(
                Code::IncompleteBody,
                format!("The request announced {expected} bytes, but its body has {actual}."),
            ),
            ObjectError::Md5Mismatch => Self::new(
                Code::BadDigest,
                "The Content-MD5 you specified did not match what the server received: send the \
                 object again.",
            ),
            ObjectError::ChecksumMismatch { actual } => checksum_mismatch(&actual),
            ObjectError::Body(error) => body_failure(error.as_ref()),
            ObjectError::TooLarge { limit } => too_large(limit),
            ObjectError::NoSuchUpload => upload::no_such_upload(),
            ObjectError::InvalidPart { number } => upload::invalid_part(number),
            ObjectError::InvalidPartOrder => upload::invalid_part_order(),
            ObjectError::NoParts => upload::no_parts(),
            ObjectError::PartTooSmall { number, size, min, etag } => {
                upload::part_too_small(number, size, min, &etag)
            }
            ObjectError::PartWithoutChecksum { number, algorithm } => {
                upload::part_without_checksum(number, algorithm)
            }
            ObjectError::ChecksumMismatchesUpload { expected, actual } => {
                upload::other_checksum(expected, actual)
            }
            ObjectError::WrongUploadSize { expected, actual } => {
                upload::wrong_size(expected, actual)
            }
            ObjectError::NoSuchPart { count } => upload::no_such_part(count),
            ObjectError::Conflict => Self::new(
                Code::OperationAborted,
                "A conflicting conditional operation is currently in progress against this \
                 resource. Try again.",
            ),
            ObjectError::Source(error) => of_source(*error),
            error @ (ObjectError::Corrupt | ObjectError::Missing | ObjectError::Unreadable(_)) => {
                unreadable(error)
            }
            ObjectError::Metadata(error) => error.into(),
        }
    }
}

fn no_such_key(delete_marker: Option<VersionId>) -> Failure {
    let failure = Failure::new(Code::NoSuchKey, "The specified key does not exist.");
    // "If false, this response header does not appear in the response": GetObject.
    match delete_marker {
        Some(version) => failure.delete_marker(version),
        None => failure,
    }
}

/// A delete marker was asked for as if it had bytes.
fn hidden(version: VersionId, modified: Timestamp) -> Failure {
    let text = "The specified version is a delete marker: it can only be deleted.";
    Failure::new(Code::MethodNotAllowed, text)
        .element("ResourceType", "DeleteMarker")
        .delete_marker(version)
        .header(ALLOW, HeaderValue::from_static("DELETE"))
        .header(LAST_MODIFIED, convert::http_date_header(modified))
}

/// A condition of this name did not hold.
fn precondition_failed(condition: impl Into<String>) -> Failure {
    let text = "At least one of the preconditions that you specified did not hold.";
    let condition: String = condition.into();
    let condition = match condition.as_str() {
        "if-size" => "x-amz-if-match-size",
        "if-modified-at" => "x-amz-if-match-last-modified-time",
        known => known,
    };
    Failure::new(Code::PreconditionFailed, text).element("Condition", condition)
}

fn not_modified(info: &VersionInfo) -> Failure {
    let mut headers = Box::<HeaderMap>::default();
    convert::add_validators(&mut headers, info);
    Failure { headers: Some(headers), ..Failure::new(Code::NotModified, "Not modified.") }
}

fn outside(size: u64) -> Failure {
    let range = HeaderValue::try_from(format!("bytes */{size}")).expect("digits are valid");
    Failure::new(Code::InvalidRange, "The requested range lies outside the object.")
        .element("ActualObjectSize", size.to_string())
        .header(CONTENT_RANGE, range)
}

fn checksum_mismatch(actual: &ChecksumValue) -> Failure {
    let algorithm = convert::algorithm_name(actual.algorithm());
    let text = format!("The {algorithm} you specified did not match the calculated checksum.");
    Failure::new(Code::BadDigest, text)
}

/// What was wrong with the source of a copy: told as for a read, but for what a read answers with
/// headers and a status of its own.
fn of_source(error: ObjectError) -> Failure {
    match error {
        ObjectError::IsDeleteMarker { .. } => Failure::new(
            Code::InvalidRequest,
            "The source of a copy request may not specifically refer to a delete marker by version \
             id.",
        ),
        ObjectError::PreconditionFailed(condition) => {
            precondition_failed(format!("x-amz-copy-source-{condition}"))
        }
        ObjectError::NotModified { .. } => precondition_failed("x-amz-copy-source-If-None-Match"),
        ObjectError::RangeNotSatisfiable { size } => upload::source_range(size),
        ObjectError::TooLarge { limit } => upload::source_too_large(limit),
        as_for_a_read => as_for_a_read.into(),
    }
}

/// Stored bytes that cannot be given: nothing wrong was sent.
fn unreadable(error: ObjectError) -> Failure {
    let text = format!("The object cannot be read: {error}. Nothing of it was sent.");
    Failure::new(Code::InternalError, text).caused_by(error)
}
