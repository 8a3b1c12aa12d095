//! The one table from what went wrong inside to what a client of S3 is told: code, status and a
//! sentence that names what was wrong and what to do.
//!
//! The matches over the engine's errors have no wildcard arm, so a new kind of failure does not
//! compile until it has its line here. Codes: "Error responses" of the S3 API reference,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>.

use std::borrow::Cow;
use std::error::Error;

use coffer_access::Denied;
use coffer_storage_engine::bucket::BucketError;
use coffer_storage_engine::metadata::MetadataError;
use coffer_storage_engine::object::{InvalidVersionId, ObjectError, VersionId};
use coffer_types::{InvalidBucketName, InvalidObjectKey, Timestamp, telemetry};
use hyper::StatusCode;
use hyper::header::{ALLOW, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED};
use s3s::stream::aws_chunked_stream::AwsChunkedStreamError;
use s3s::stream::upload_stream::UploadStreamError;
use s3s::{BodySizeLimitExceeded, S3Error, S3ErrorCode};

use crate::body::BodyFailure;
use crate::convert;
use crate::operation::OPERATIONS;
use crate::request::RequestState;

/// Declares the codes with their status.
macro_rules! codes {
    ($($variant:ident = $name:literal $status:ident;)+) => {
        /// A code of the S3 API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code {
            $(#[doc = concat!("`", $name, "`")] $variant,)+
        }

        impl Code {
            /// Its name on the wire.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The status it travels with.
            pub(crate) const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }
        }

        #[cfg(test)]
        const ALL_CODES: &[Code] = &[$(Code::$variant,)+];
    };
}

codes! {
    AccessDenied = "AccessDenied" FORBIDDEN;
    BadDigest = "BadDigest" BAD_REQUEST;
    BucketAlreadyExists = "BucketAlreadyExists" CONFLICT;
    BucketAlreadyOwnedByYou = "BucketAlreadyOwnedByYou" CONFLICT;
    BucketNotEmpty = "BucketNotEmpty" CONFLICT;
    EncryptionConfigurationNotFound = "ServerSideEncryptionConfigurationNotFoundError" NOT_FOUND;
    EntityTooLarge = "EntityTooLarge" BAD_REQUEST;
    IllegalLocationConstraint = "IllegalLocationConstraintException" BAD_REQUEST;
    IllegalVersioningConfiguration = "IllegalVersioningConfigurationException" BAD_REQUEST;
    IncompleteBody = "IncompleteBody" BAD_REQUEST;
    InternalError = "InternalError" INTERNAL_SERVER_ERROR;
    InvalidAccessKeyId = "InvalidAccessKeyId" FORBIDDEN;
    InvalidArgument = "InvalidArgument" BAD_REQUEST;
    InvalidBucketName = "InvalidBucketName" BAD_REQUEST;
    InvalidDigest = "InvalidDigest" BAD_REQUEST;
    InvalidPartNumber = "InvalidPartNumber" RANGE_NOT_SATISFIABLE;
    InvalidRange = "InvalidRange" RANGE_NOT_SATISFIABLE;
    InvalidRedirectLocation = "InvalidRedirectLocation" BAD_REQUEST;
    InvalidRequest = "InvalidRequest" BAD_REQUEST;
    InvalidToken = "InvalidToken" BAD_REQUEST;
    KeyTooLong = "KeyTooLongError" BAD_REQUEST;
    MalformedTrailer = "MalformedTrailerError" BAD_REQUEST;
    MalformedXml = "MalformedXML" BAD_REQUEST;
    MetadataConfigurationNotFound = "MetadataConfigurationNotFound" NOT_FOUND;
    MetadataTooLarge = "MetadataTooLarge" BAD_REQUEST;
    MethodNotAllowed = "MethodNotAllowed" METHOD_NOT_ALLOWED;
    MissingContentLength = "MissingContentLength" LENGTH_REQUIRED;
    MissingSecurityHeader = "MissingSecurityHeader" BAD_REQUEST;
    NoSuchBucket = "NoSuchBucket" NOT_FOUND;
    NoSuchBucketPolicy = "NoSuchBucketPolicy" NOT_FOUND;
    NoSuchConfiguration = "NoSuchConfiguration" NOT_FOUND;
    NoSuchCorsConfiguration = "NoSuchCORSConfiguration" NOT_FOUND;
    NoSuchKey = "NoSuchKey" NOT_FOUND;
    NoSuchLifecycleConfiguration = "NoSuchLifecycleConfiguration" NOT_FOUND;
    NoSuchTagSet = "NoSuchTagSet" NOT_FOUND;
    NoSuchVersion = "NoSuchVersion" NOT_FOUND;
    NoSuchWebsiteConfiguration = "NoSuchWebsiteConfiguration" NOT_FOUND;
    NotImplemented = "NotImplemented" NOT_IMPLEMENTED;
    NotModified = "NotModified" NOT_MODIFIED;
    ObjectLockConfigurationNotFound = "ObjectLockConfigurationNotFoundError" NOT_FOUND;
    PreconditionFailed = "PreconditionFailed" PRECONDITION_FAILED;
    ReplicationConfigurationNotFound = "ReplicationConfigurationNotFoundError" NOT_FOUND;
    RequestHeaderSectionTooLarge = "RequestHeaderSectionTooLarge" BAD_REQUEST;
    RequestTimeout = "RequestTimeout" BAD_REQUEST;
    ServiceUnavailable = "ServiceUnavailable" SERVICE_UNAVAILABLE;
    SignatureDoesNotMatch = "SignatureDoesNotMatch" FORBIDDEN;
    SlowDown = "SlowDown" SERVICE_UNAVAILABLE;
    XAmzContentSha256Mismatch = "XAmzContentSHA256Mismatch" BAD_REQUEST;
}

/// What a client is told about a request that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The code.
    pub(crate) code: Code,
    /// The sentence.
    pub(crate) message: Cow<'static, str>,
    /// Further elements of the answer, by name.
    pub(crate) elements: Vec<(&'static str, String)>,
    /// Further headers of the answer.
    pub(crate) headers: Option<Box<HeaderMap>>,
    /// What the log is told and the client is not.
    pub(crate) source: Option<Box<dyn Error + Send + Sync>>,
}

const DELETE_MARKER: HeaderName = HeaderName::from_static("x-amz-delete-marker");
const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");

impl Failure {
    /// A failure without further elements.
    pub(crate) fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        Self { code, message, elements: Vec::new(), headers: None, source: None }
    }

    /// An argument and what is wrong with it.
    pub(crate) fn argument(
        name: &'static str,
        value: &str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(Code::InvalidArgument, message)
            .element("ArgumentName", name)
            .element("ArgumentValue", value)
    }

    /// Something that the request asks for and that is not built.
    pub(crate) fn not_implemented(what: &str) -> Self {
        let message = format!("{what} is not implemented here; send the request without it.");
        Self::new(Code::NotImplemented, message)
    }

    /// With a further element.
    pub(crate) fn element(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.elements.push((name, value.into()));
        self
    }

    /// With a further header.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.get_or_insert_default().insert(name, value);
        self
    }

    /// As the protocol library takes it. What it has no place for goes into the state of the
    /// request, where the answer finds it; what only we may know goes into the log.
    pub(crate) fn into_s3(self, state: &RequestState) -> S3Error {
        let Self { code, message, elements, headers, source } = self;
        if code.status().is_server_error() && code != Code::NotImplemented {
            let cause = source.as_deref().map(|error| error as &dyn Error);
            tracing::error!(
                { telemetry::REQUEST_ID } = %state.id,
                { telemetry::OPERATION } = state.operation().map(|at| OPERATIONS[at].name),
                code = code.name(),
                cause,
                "{message}"
            );
        }
        state.set_elements(elements);
        let known = S3ErrorCode::from_bytes(code.name().as_bytes());
        let known = known.unwrap_or_else(|| S3ErrorCode::Custom(code.name().into()));
        let mut error = S3Error::with_message(known, message);
        error.set_status_code(code.status());
        if let Some(headers) = headers {
            error.set_headers(*headers);
        }
        error
    }

    /// With the key that is not there, where that is what failed.
    pub(crate) fn about_key(self, key: &str) -> Self {
        match self.code {
            Code::NoSuchKey | Code::NoSuchVersion => self.element("Key", key),
            _ => self,
        }
    }

    fn caused_by(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    fn delete_marker(self, version: VersionId) -> Self {
        self.header(DELETE_MARKER, HeaderValue::from_static("true"))
            .header(VERSION_ID, convert::version_header(version))
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        let message = match denied {
            Denied::Anonymous => "Anonymous requests are not allowed here: sign the request.",
            Denied::NotOwner => "The bucket belongs to another account.",
        };
        Self::new(Code::AccessDenied, message)
    }
}

impl From<InvalidBucketName> for Failure {
    fn from(invalid: InvalidBucketName) -> Self {
        Self::new(Code::InvalidBucketName, format!("The bucket name is not valid: {invalid}."))
    }
}

impl From<InvalidObjectKey> for Failure {
    fn from(invalid: InvalidObjectKey) -> Self {
        match invalid {
            InvalidObjectKey::Empty => {
                Self::argument("Key", "", "An object key must not be empty.")
            }
            InvalidObjectKey::TooLong(len) => {
                Self::new(Code::KeyTooLong, "Your key is too long: 1024 bytes are the most.")
                    .element("Size", len.to_string())
                    .element("MaxSizeAllowed", "1024")
            }
        }
    }
}

impl From<InvalidVersionId> for Failure {
    fn from(_: InvalidVersionId) -> Self {
        Self::new(Code::InvalidArgument, "Invalid version id specified.")
            .element("ArgumentName", "versionId")
    }
}

impl From<MetadataError> for Failure {
    fn from(error: MetadataError) -> Self {
        let (code, message) = match &error {
            MetadataError::DriveFull => (
                Code::ServiceUnavailable,
                "The drive is full: delete objects or add space, then try again.",
            ),
            MetadataError::DriveFailed(_) => (
                Code::ServiceUnavailable,
                "The drive failed while writing and takes no more writes until the server is \
                 restarted; its log says why.",
            ),
            MetadataError::Unavailable => {
                (Code::SlowDown, "The store is stopping or overloaded: reduce your request rate.")
            }
            MetadataError::Index(_) | MetadataError::Row { .. } | MetadataError::NoGroup { .. } => {
                (
                    Code::InternalError,
                    "The store could not read its index; the server's log names the cause under this \
                 request id.",
                )
            }
        };
        Self::new(code, message).caused_by(error)
    }
}

impl From<BucketError> for Failure {
    fn from(error: BucketError) -> Self {
        match error {
            BucketError::NotFound(name) => {
                Self::new(Code::NoSuchBucket, "The specified bucket does not exist.")
                    .element("BucketName", name.as_str())
            }
            BucketError::Exists { name, owner: _ } => Self::new(
                Code::BucketAlreadyExists,
                "The requested bucket name is taken by another account: choose another name.",
            )
            .element("BucketName", name.as_str()),
            BucketError::NotEmpty(name) => Self::new(
                Code::BucketNotEmpty,
                "The bucket you tried to delete is not empty: delete all its objects, versions \
                 and delete markers first.",
            )
            .element("BucketName", name.as_str()),
            BucketError::Metadata(error) => error.into(),
        }
    }
}

impl From<ObjectError> for Failure {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::NoSuchBucket(name) => BucketError::NotFound(name).into(),
            ObjectError::NoSuchKey { delete_marker } => {
                let failure = Self::new(Code::NoSuchKey, "The specified key does not exist.");
                // "If false, this response header does not appear in the response": GetObject.
                match delete_marker {
                    Some(version) => failure.delete_marker(version),
                    None => failure,
                }
            }
            ObjectError::NoSuchVersion(version) => {
                Self::new(Code::NoSuchVersion, "The specified version does not exist.")
                    .element("VersionId", version.to_string())
            }
            ObjectError::IsDeleteMarker { version, modified } => hidden(version, modified),
            ObjectError::PreconditionFailed(condition) => Self::new(
                Code::PreconditionFailed,
                "At least one of the preconditions that you specified did not hold.",
            )
            .element("Condition", condition),
            ObjectError::NothingToMatch => Self::new(
                Code::NoSuchKey,
                "The specified key does not exist, so nothing can match.",
            ),
            ObjectError::NotModified { info } => {
                let mut headers = Box::<HeaderMap>::default();
                convert::add_validators(&mut headers, &info);
                Self { headers: Some(headers), ..Self::new(Code::NotModified, "Not modified.") }
            }
            ObjectError::RangeNotSatisfiable { size } => {
                Self::new(Code::InvalidRange, "The requested range lies outside the object.")
                    .element("ActualObjectSize", size.to_string())
                    .header(
                        hyper::header::CONTENT_RANGE,
                        HeaderValue::try_from(format!("bytes */{size}")).expect("digits are valid"),
                    )
            }
            ObjectError::WrongLength { expected, actual } => Self::new(
                Code::IncompleteBody,
                format!("The request announced {expected} bytes, but its body has {actual}."),
            ),
            ObjectError::Md5Mismatch => Self::new(
                Code::BadDigest,
                "The Content-MD5 you specified did not match what the server received: send the \
                 object again.",
            ),
            ObjectError::ChecksumMismatch { actual } => {
                let algorithm = convert::algorithm_name(actual.algorithm());
                Self::new(
                    Code::BadDigest,
                    format!("The {algorithm} you specified did not match the calculated checksum."),
                )
            }
            ObjectError::Body(error) => body_failure(error.as_ref()),
            ObjectError::TooLarge { limit } => too_large(limit),
            error @ (ObjectError::Corrupt | ObjectError::Missing | ObjectError::Unreadable(_)) => {
                unreadable(error)
            }
            ObjectError::Metadata(error) => error.into(),
        }
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

/// Stored bytes that cannot be given: nothing wrong was sent.
fn unreadable(error: ObjectError) -> Failure {
    let text = format!("The object cannot be read: {error}. Nothing of it was sent.");
    Failure::new(Code::InternalError, text).caused_by(error)
}

fn too_large(limit: u64) -> Failure {
    Failure::new(
        Code::EntityTooLarge,
        format!("Your proposed upload exceeds the most bytes an object may have, {limit}."),
    )
    .element("MaxSizeAllowed", limit.to_string())
}

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

#[cfg(test)]
mod tests;
