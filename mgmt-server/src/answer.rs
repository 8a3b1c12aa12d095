//! Answers: JSON, never kept by anybody, with the id of their request.

use bytes::Bytes;
use coffer_mgmt_api::{JSON_TYPE, REQUEST_ID_HEADER};
use coffer_types::RequestId;
use http_body_util::Full;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

/// A body of one of the API's own types.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response<Full<Bytes>> {
    with_type(status, JSON_TYPE, body)
}

/// A body of this type.
pub(crate) fn with_type(
    status: StatusCode,
    content_type: &'static str,
    body: &impl Serialize,
) -> Response<Full<Bytes>> {
    let bytes = serde_json::to_vec(body).expect("plain fields always become JSON");
    let mut response = Response::new(Full::new(Bytes::from(bytes)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// With the id of its request.
pub(crate) fn finished(
    mut response: Response<Full<Bytes>>,
    id: RequestId,
) -> Response<Full<Bytes>> {
    let value = HeaderValue::try_from(id.to_string()).expect("hexadecimal digits are a value");
    response.headers_mut().insert(REQUEST_ID_HEADER, value);
    response
}
