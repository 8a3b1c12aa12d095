//! The one table from what went wrong inside to what a client of S3 is told: code, status and a
//! sentence that names what was wrong and what to do.
//!
//! The matches over the engine's errors have no wildcard arm (objects: [`object`]), so a new kind of
//! failure does not compile until it has its line here. Codes: "Error responses" of the S3 API reference,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>.

mod body;
mod code;
mod object;
mod upload;

use std::borrow::Cow;
use std::error::Error;

use coffer_access::Denied;
use coffer_storage_engine::bucket::BucketError;
use coffer_storage_engine::metadata::MetadataError;
use coffer_storage_engine::object::{InvalidVersionId, VersionId};
use coffer_types::{InvalidBucketName, InvalidObjectKey, telemetry};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use s3s::{S3Error, S3ErrorCode};

pub(crate) use self::body::content_sha256_mismatch;
pub(crate) use self::code::Code;
pub(crate) use self::upload::{checksum_mode, no_such_upload, source_range};
use crate::convert;
use crate::operation::OPERATIONS;
use crate::request::RequestState;

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
            BucketError::TooManyDrops(name) => Self::new(
                Code::SlowDown,
                "Very much that was dropped from the bucket is still being swept: try again later.",
            )
            .element("BucketName", name.as_str()),
            BucketError::Metadata(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests;
