//! Answers that the server gives by itself, before or instead of the gateway.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use coffer_types::RequestId;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};

use crate::body::{ResponseBody, full};

/// The header that ties an answer to its log lines.
pub(crate) const REQUEST_ID_HEADER: &str = "x-amz-request-id";

/// Plain text.
pub(crate) fn text(status: StatusCode, text: &'static str) -> Response<ResponseBody> {
    with_type(status, "text/plain; charset=utf-8", text)
}

/// Bytes of a type. Nothing may keep them: they are true only now.
pub(crate) fn with_type(
    status: StatusCode,
    content_type: &'static str,
    bytes: impl Into<hyper::body::Bytes>,
) -> Response<ResponseBody> {
    let mut response = Response::new(full(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An error as S3 clients understand it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct S3Error {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
    /// Whether the connection is of no further use.
    closes: bool,
}

impl S3Error {
    /// The engine is not open yet.
    pub(crate) const STARTING: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        code: "ServiceUnavailable",
        message: "The store is starting. Try again in a moment.",
        closes: false,
    };
    /// The client stopped sending.
    pub(crate) const REQUEST_TIMEOUT: Self = Self {
        status: StatusCode::BAD_REQUEST,
        code: "RequestTimeout",
        message: "Your socket connection to the server was not read from or written to within \
                  the timeout period. Idle connections will be closed.",
        closes: true,
    };
    /// The head of the request is too large.
    pub(crate) const HEADERS_TOO_LARGE: Self = Self {
        status: StatusCode::BAD_REQUEST,
        code: "RequestHeaderSectionTooLarge",
        message: "Your request header and query parameters exceed the maximum allowed size.",
        closes: true,
    };

    /// The answer with this error. For HEAD, hyper leaves the body out.
    pub(crate) fn answer(self, id: RequestId) -> Response<ResponseBody> {
        let Self { status, code, message, closes } = self;
        let mut xml = String::with_capacity(256);
        write!(
            xml,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code>\
             <Message>{message}</Message><RequestId>{id}</RequestId></Error>"
        )
        .expect("a string takes every text");
        let mut response = with_type(status, "application/xml", xml);
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID_HEADER, id_value(id));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if closes {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// The ids of the requests of one port.
#[derive(Debug)]
pub(crate) struct RequestIds {
    first: u64,
    next: AtomicU64,
}

impl RequestIds {
    /// Ids that begin at `first`; random, so that ids of two runs do not meet.
    pub(crate) fn from(first: u64) -> Self {
        Self { first, next: AtomicU64::new(0) }
    }

    /// An id that no other request of this port has.
    pub(crate) fn next(&self) -> RequestId {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        // An odd factor makes neighbours look different without ever repeating an id.
        RequestId(self.first.wrapping_add(number).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }
}

/// A request id as a header.
pub(crate) fn id_value(id: RequestId) -> HeaderValue {
    HeaderValue::try_from(id.to_string()).expect("hexadecimal digits are a header value")
}
