//! The last step of every request: ids in the headers, and errors in the form of the protocol.
//!
//! The protocol library writes the code and the message of an error; the resource, the ids and the
//! elements of some codes are added here, so that every error looks alike, whoever found it. See
//! "REST error responses", <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>.

use bytes::Bytes;
use coffer_types::RequestId;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, Response, StatusCode};
use s3s::Body;

use crate::error::Failure;
use crate::xml::{Document, escape_into};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");
const XML: HeaderValue = HeaderValue::from_static("application/xml");

/// What an answer says about its request.
#[derive(Debug)]
pub(crate) struct About<'a> {
    pub(crate) id: RequestId,
    pub(crate) host_id: &'a HeaderValue,
    pub(crate) method: &'a Method,
    /// The path as it was asked for.
    pub(crate) path: &'a str,
}

/// Code and message of an error; the message escaped for XML.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    code: String,
    message: String,
}

impl About<'_> {
    /// Adds the ids.
    pub(crate) fn sign(&self, response: &mut Response<Body>) {
        let id = HeaderValue::try_from(self.id.to_string()).expect("hexadecimal digits are valid");
        response.headers_mut().insert(REQUEST_ID, id);
        response.headers_mut().insert(HOST_ID, self.host_id.clone());
    }

    /// The answer to a request that failed before or beside the protocol library.
    pub(crate) fn fail(&self, failure: Failure) -> Response<Body> {
        let mut message = String::new();
        escape_into(&mut message, &failure.message);
        let told = Told { code: failure.code.name().to_owned(), message };
        let mut response = Response::new(Body::empty());
        *response.status_mut() = failure.code.status();
        *response.headers_mut() = failure.headers.map(|headers| *headers).unwrap_or_default();
        self.write_error(&mut response, &told, &failure.elements);
        response
    }

    /// Whether the protocol library knows no operation of this method here.
    pub(crate) fn lacks_method(&self, response: &Response<Body>) -> bool {
        // What it says of `HEAD` has no body, and only the service has none.
        response.status() == StatusCode::NOT_IMPLEMENTED
            && match response.body().bytes().as_ref().and_then(Told::parse) {
                Some(told) => told.message == "Unknown operation",
                None => self.method == Method::HEAD && self.path == "/",
            }
    }

    /// Completes an error that the protocol library wrote.
    pub(crate) fn complete(
        &self,
        response: &mut Response<Body>,
        elements: &[(&'static str, String)],
    ) {
        let told = response.body().bytes().as_ref().and_then(Told::parse);
        if let Some(told) = told {
            self.write_error(response, &told, elements);
        }
    }

    fn write_error(
        &self,
        response: &mut Response<Body>,
        told: &Told,
        elements: &[(&'static str, String)],
    ) {
        let mut document = Document::without_namespace(512);
        document.open("Error");
        document.plain("Code", &told.code);
        document.plain("Message", &told.message);
        for (name, text) in elements {
            document.text(name, text);
        }
        document.text("Resource", self.path);
        document.plain("RequestId", self.id);
        document.plain("HostId", self.host_id.to_str().unwrap_or_default());
        let bytes = document.finish("Error");
        response.headers_mut().insert(CONTENT_TYPE, XML);
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        *response.body_mut() =
            if self.method == Method::HEAD { Body::empty() } else { bytes.into() };
    }
}

impl Told {
    /// Reads what the protocol library wrote: `<Error><Code>..</Code><Message>..</Message>`.
    fn parse(document: &Bytes) -> Option<Self> {
        let text = std::str::from_utf8(document).ok()?;
        let (_, text) = text.split_once("<Error><Code>")?;
        let (code, text) = text.split_once("</Code>")?;
        let message = text.strip_prefix("<Message>").and_then(|text| text.split_once("</Message>"));
        let message = message.map_or("", |(message, _)| message);
        // The library quotes the documentation of these codes instead of what S3 says.
        let message = match code {
            "MalformedXML" if message.starts_with("This happens") => {
                "The XML you provided was not well-formed or did not validate against our published \
                 schema."
            }
            "MissingRequestBodyError" => "Request body is empty.",
            _ => message,
        };
        Some(Self { code: code.to_owned(), message: message.to_owned() })
    }
}

/// Gives an answer the body that its operation wrote.
pub(crate) fn set_document(response: &mut Response<Body>, document: Bytes) {
    response.headers_mut().insert(CONTENT_TYPE, XML);
    *response.body_mut() = document.into();
}

/// Whether an answer of this status tells of an error in its body.
pub(crate) fn tells_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn about<'a>(method: &'a Method, host_id: &'a HeaderValue) -> About<'a> {
        About { id: RequestId(255), host_id, method, path: "/photos/a&b" }
    }

    fn text(response: &Response<Body>) -> String {
        let bytes = response.body().bytes().expect("in memory");
        String::from_utf8(bytes.to_vec()).expect("UTF-8")
    }

    #[test]
    fn errors_carry_resource_and_ids() {
        let host_id = HeaderValue::from_static("host");
        let about = about(&Method::GET, &host_id);
        let failure = Failure::new(Code::NoSuchKey, "No <key>.").element("Key", "a&b");
        let response = about.fail(failure);
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code>\
            <Message>No &lt;key&gt;.</Message><Key>a&amp;b</Key><Resource>/photos/a&amp;b</Resource>\
            <RequestId>00000000000000FF</RequestId><HostId>host</HostId></Error>";
        assert_eq!(text(&response), expected);
        assert_eq!(response.headers()[CONTENT_LENGTH], expected.len().to_string());
    }

    #[test]
    fn errors_of_the_library_are_completed() {
        let host_id = HeaderValue::from_static("host");
        let about = about(&Method::GET, &host_id);
        let error = s3s::s3_error!(InvalidRequest, "wrong; expecting '{}' & co", "x");
        let mut response = error.to_http_response().expect("serializes");
        about.complete(&mut response, &[]);
        let text = text(&response);
        assert!(text.contains("<Message>wrong; expecting"), "{text}");
        assert!(text.contains("&amp; co</Message><Resource>"), "{text}");
        assert!(text.ends_with("<HostId>host</HostId></Error>"), "{text}");
    }

    #[test]
    fn answers_to_head_have_no_body() {
        let host_id = HeaderValue::from_static("host");
        let response = about(&Method::HEAD, &host_id).fail(Failure::new(Code::NoSuchKey, "gone"));
        assert_eq!(response.body().bytes().map(|bytes| bytes.len()), Some(0));
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
    }
}
