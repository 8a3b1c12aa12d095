//! The one table from what went wrong to what the client is told: a kind that stays, a status, and
//! one sentence that says what to do.
//!
//! The matches over the engine's errors have no wildcard arm, so a new kind of failure does not
//! compile until it has its line here. What is our defect is logged as an error with its cause; a
//! client's mistake is nobody's alarm.

use std::borrow::Cow;
use std::error::Error;

use bytes::Bytes;
use coffer_access::Denied;
use coffer_mgmt_api::signature::{ALGORITHM, Refused};
use coffer_mgmt_api::{BODY_MAX, Method, PROBLEM_TYPE, Problem, Unrouted};
use coffer_storage_engine::bucket::BucketError;
use coffer_storage_engine::metadata::MetadataError;
use coffer_types::{InvalidBucketName, RequestId};
use http_body_util::Full;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use crate::answer;

const KIND: &str = "urn:coffer:problem:";
/// Seconds after which it is worth to try again.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Why a request was not carried out.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: Cow<'static, str>,
    /// A further header.
    header: Option<Box<(HeaderName, HeaderValue)>>,
    /// What the log is told and the client is not.
    cause: Option<MetadataError>,
}

impl Failure {
    fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, kind, title, detail: detail.into(), header: None, cause: None }
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some(Box::new((name, value)));
        self
    }

    fn bad_request(kind: &'static str, title: &'static str, detail: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, kind, title, detail)
    }

    fn unavailable(detail: &'static str) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(status, "unavailable", "Not now", detail).with(header::RETRY_AFTER, RETRY_SECONDS)
    }

    fn unauthorized(kind: &'static str, title: &'static str, detail: String) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, kind, title, detail)
            .with(header::WWW_AUTHENTICATE, HeaderValue::from_static(ALGORITHM))
    }

    /// The engine is not open yet.
    pub(crate) fn starting() -> Self {
        Self::unavailable("the store is starting: try again in a moment")
    }

    /// The request is not signed as it has to be.
    pub(crate) fn unauthenticated(refused: Refused) -> Self {
        let kind = match refused {
            Refused::Anonymous => "anonymous",
            Refused::Skewed => "clock-skew",
            Refused::Malformed
            | Refused::Service
            | Refused::Header(_)
            | Refused::Date
            | Refused::Body => "malformed-signature",
        };
        Self::unauthorized(kind, "The request is not signed as it has to be", refused.to_string())
    }

    /// The key does not exist or its secret is another one; which of both is nobody's business.
    pub(crate) fn wrong_key() -> Self {
        let detail = "there is no such access key here, or its secret is another one: check both, \
                      and that this is the right server";
        Self::unauthorized("wrong-key", "The signature does not match", detail.to_owned())
    }

    /// The body is not the one that was signed.
    pub(crate) fn other_body() -> Self {
        let detail = "the body is not the one that was signed: something changed it on its way";
        Self::unauthorized("altered-body", "The signature does not match", detail.to_owned())
    }

    /// No endpoint takes a query.
    pub(crate) fn query() -> Self {
        let detail = "this endpoint takes no query: send the request without what follows the ?";
        Self::bad_request("unexpected-query", "There is a query", detail.to_owned())
    }

    /// The body is longer than allowed.
    pub(crate) fn too_large() -> Self {
        let detail = format!("a body has at most {BODY_MAX} bytes: send a shorter one");
        let title = "The body is too large";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", title, detail)
            .with(header::CONNECTION, HeaderValue::from_static("close"))
    }

    /// The body did not come to its end.
    pub(crate) fn broken_body(error: &dyn Error) -> Self {
        let detail = format!("the body could not be read ({error}): send the request again");
        Self::bad_request("broken-body", "The body is not whole", detail)
            .with(header::CONNECTION, HeaderValue::from_static("close"))
    }

    /// The body is not what the endpoint takes.
    pub(crate) fn json(error: &serde_json::Error) -> Self {
        let detail = format!("the body is not the JSON that this endpoint takes: {error}");
        Self::bad_request("malformed-body", "The body cannot be understood", detail)
    }

    /// The body is no JSON object.
    pub(crate) fn no_object() -> Self {
        let detail = "the body is not a JSON object: send one in braces".to_owned();
        Self::bad_request("malformed-body", "The body cannot be understood", detail)
    }

    /// There is a body where there is none to be.
    pub(crate) fn unexpected_body() -> Self {
        let detail = "this endpoint takes no body: send the request without one".to_owned();
        Self::bad_request("malformed-body", "The body cannot be understood", detail)
    }

    /// The prefix is longer than any key.
    pub(crate) fn prefix(len: usize, max: usize) -> Self {
        let detail =
            format!("a key has at most {max} bytes, this prefix has {len}: no key begins so");
        Self::bad_request("prefix-too-long", "The prefix is too long", detail)
    }

    /// As the client gets it.
    pub(crate) fn answer(self, id: RequestId) -> Response<Full<Bytes>> {
        let Self { status, kind, title, detail, header, cause } = self;
        if status == StatusCode::INTERNAL_SERVER_ERROR || cause.is_some() {
            let cause = cause.as_ref().map(|error| error as &dyn Error);
            tracing::error!(request_id = %id, kind, cause, "{detail}");
        }
        let problem = Problem {
            kind: format!("{KIND}{kind}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into_owned(),
            request_id: id.to_string(),
        };
        let mut response = answer::with_type(status, PROBLEM_TYPE, &problem);
        if let Some((name, value)) = header.map(|header| *header) {
            response.headers_mut().insert(name, value);
        }
        answer::finished(response, id)
    }

    /// The status of the answer.
    #[cfg(test)]
    pub(crate) fn status(&self) -> u16 {
        self.status.as_u16()
    }
}

impl From<Unrouted> for Failure {
    fn from(unrouted: Unrouted) -> Self {
        match unrouted {
            Unrouted::Path => {
                let detail = "nothing is at this path: check it, and the version of the server";
                Self::new(
                    StatusCode::NOT_FOUND,
                    "no-such-endpoint",
                    "There is no such path",
                    detail,
                )
            }
            Unrouted::Method(method) => {
                let allowed = match method {
                    Method::Get => HeaderValue::from_static("GET"),
                    Method::Post => HeaderValue::from_static("POST"),
                };
                let detail = format!("this path is called with {} only", method.as_str());
                let title = "The method is another one";
                Self::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", title, detail)
                    .with(header::ALLOW, allowed)
            }
        }
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Anonymous => Self::unauthenticated(Refused::Anonymous),
            Denied::NotOwner => {
                let detail = format!("{denied}: use an access key of that account");
                Self::new(StatusCode::FORBIDDEN, "not-owner", "The bucket is not yours", detail)
            }
        }
    }
}

impl From<InvalidBucketName> for Failure {
    fn from(invalid: InvalidBucketName) -> Self {
        Self::bad_request("invalid-bucket-name", "That is no bucket name", invalid.to_string())
    }
}

impl From<BucketError> for Failure {
    fn from(error: BucketError) -> Self {
        match error {
            BucketError::NotFound(_) => {
                let detail = format!("{error}: check its name");
                let title = "There is no such bucket";
                Self::new(StatusCode::NOT_FOUND, "no-such-bucket", title, detail)
            }
            BucketError::TooManyDrops(_) => {
                let detail = format!("{error}: try again when some of it is done");
                let title = "Too much is being swept";
                Self::new(StatusCode::CONFLICT, "too-many-sweeps", title, detail)
            }
            BucketError::Exists { .. } | BucketError::NotEmpty(_) => {
                let title = "Another change was first";
                Self::new(StatusCode::CONFLICT, "conflict", title, error.to_string())
            }
            BucketError::Metadata(error) => error.into(),
        }
    }
}

impl From<MetadataError> for Failure {
    fn from(error: MetadataError) -> Self {
        let failure = match &error {
            MetadataError::Unavailable => {
                return Self::unavailable("the store is stopping or overloaded: try again");
            }
            MetadataError::DriveFull => Self::unavailable(
                "the drive is full: delete something or add space, then try again",
            ),
            MetadataError::DriveFailed(_) => Self::unavailable(
                "the drive failed while writing and takes no more writes until the server is \
                 restarted; its log says why",
            ),
            MetadataError::Index(_) | MetadataError::Row { .. } | MetadataError::NoGroup { .. } => {
                let detail = "the store could not read its index; the server's log names the cause \
                              under this request id";
                let title = "The store is damaged or has a defect";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", title, detail)
            }
        };
        Self { cause: Some(error), ..failure }
    }
}

#[cfg(test)]
mod tests;
