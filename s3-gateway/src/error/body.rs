//! What a client is told about a body that did not arrive as it was announced.

use std::error::Error;

use s3s::BodySizeLimitExceeded;
use s3s::stream::aws_chunked_stream::AwsChunkedStreamError;
use s3s::stream::upload_stream::UploadStreamError;

use super::{Code, Failure};
use crate::body::BodyFailure;

/// Why a body could not be read to its end, whichever layer found out.
pub(crate) fn body_failure(error: &(dyn Error + 'static)) -> Failure {
    if let Some(failure) = error.downcast_ref::<BodyFailure>() {
        return failure.into();
    }
    if let Some(error) = error.downcast_ref::<UploadStreamError>() {
        return match error {
            UploadStreamError::Underlying(source) => body_failure(source.as_ref()),
            UploadStreamError::Sha256Mismatch => content_sha256_mismatch(),
            UploadStreamError::LengthMismatch | UploadStreamError::Incomplete => incomplete(),
        };
    }
    if let Some(error) = error.downcast_ref::<AwsChunkedStreamError>() {
        return chunked_failure(error);
    }
    if error.is::<BodySizeLimitExceeded>() {
        return too_large(crate::service::OBJECT_MAX);
    }
    incomplete()
}

fn chunked_failure(error: &AwsChunkedStreamError) -> Failure {
    match error {
        AwsChunkedStreamError::Underlying(source) => body_failure(source.as_ref()),
        AwsChunkedStreamError::SignatureMismatch => Failure::new(
            Code::SignatureDoesNotMatch,
            "The signature of a chunk does not match: check the secret key and how chunks are \
             signed.",
        ),
        AwsChunkedStreamError::FormatError => Failure::new(
            Code::IncompleteBody,
            "The body is not in the aws-chunked format that its headers announce.",
        ),
        AwsChunkedStreamError::Incomplete | AwsChunkedStreamError::LengthMismatch => Failure::new(
            Code::IncompleteBody,
            "The chunks do not have as many bytes as x-amz-decoded-content-length announced.",
        ),
        AwsChunkedStreamError::ChunkMetaTooLarge(_, limit) => Failure::new(
            Code::InvalidRequest,
            format!("A chunk header has more than {limit} bytes."),
        ),
        AwsChunkedStreamError::ChunkDataTooLarge(_, limit) => Failure::new(
            Code::EntityTooLarge,
            format!("A signed chunk may have at most {limit} bytes: send smaller chunks."),
        ),
        AwsChunkedStreamError::TrailersTooLarge(_, limit) => Failure::new(
            Code::MalformedTrailer,
            format!("The trailers have more than {limit} bytes."),
        ),
        AwsChunkedStreamError::TooManyTrailerHeaders(_, limit) => {
            Failure::new(Code::MalformedTrailer, format!("There are more than {limit} trailers."))
        }
    }
}

impl From<&BodyFailure> for Failure {
    fn from(failure: &BodyFailure) -> Self {
        match failure {
            BodyFailure::Cut => incomplete(),
            BodyFailure::Slow => Self::new(
                Code::RequestTimeout,
                "The body was not sent within the time limit: idle connections are closed.",
            ),
            BodyFailure::NoRoom => Self::new(
                Code::SlowDown,
                "There is no room now for chunks larger than the first: send chunks of one size, \
                 or try again later.",
            ),
            BodyFailure::MissingTrailer(name) => Self::new(
                Code::MalformedTrailer,
                format!("x-amz-trailer announced {name}, but it did not follow the body."),
            ),
            BodyFailure::BadTrailer(name) => Self::new(
                Code::InvalidRequest,
                format!("Value for {name} trailing header is invalid."),
            ),
        }
    }
}

/// The body does not have the SHA-256 that its signature covers.
pub(crate) fn content_sha256_mismatch() -> Failure {
    Failure::new(
        Code::XAmzContentSha256Mismatch,
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
    )
}

fn incomplete() -> Failure {
    Failure::new(
        Code::IncompleteBody,
        "You did not provide the number of bytes specified by the Content-Length HTTP header.",
    )
}

/// More bytes than an object or a part may have.
pub(super) fn too_large(limit: u64) -> Failure {
    Failure::new(
        Code::EntityTooLarge,
        format!("Your proposed upload exceeds the most bytes an object may have, {limit}."),
    )
    .element("MaxSizeAllowed", limit.to_string())
}
