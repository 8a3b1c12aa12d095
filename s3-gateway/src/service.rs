//! The gateway as the server sees it: a request in, an answer out, never an error.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use coffer_access::Access;
use coffer_storage_engine::Engine;
use coffer_types::{RequestId, telemetry};
use hyper::header::{
    ALLOW, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, ORIGIN,
    TRANSFER_ENCODING,
};
use hyper::{Method, Request, Response, Uri};
use percent_encoding::percent_decode_str;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::NameValidation;
use s3s::{Body, StdError};

use crate::answer::{self, About};
use crate::api::{Api, Operations};
use crate::auth::{Gate, Secrets};
use crate::body::Inbound;
use crate::budget::{Budget, DOCUMENT_MAX, SIGNED_CHUNK_MAX};
use crate::config::{GatewayConfig, Region};
use crate::convert;
use crate::error::{self, Code, Failure};
use crate::host::Hosts;
use crate::operation::{OPERATIONS, OperationName};
use crate::read::ReadRoute;
use crate::request::{RequestState, ToldLength};
use crate::signature::{self, Payload, Signed};
use crate::store::Store;

/// The most bytes that an object put in one piece may have.
pub(crate) const OBJECT_MAX: u64 = 5 << 30;
/// The most bytes of all headers together.
const HEADERS_MAX: usize = 16 << 10;

/// The S3 protocol over the engine. Cheap to clone.
#[derive(Clone)]
pub struct S3Gateway {
    s3: S3Service,
    shared: Arc<Shared>,
}

struct Shared {
    budget: Arc<Budget>,
    region: Option<Region>,
    hosts: Hosts,
    host_id: HeaderValue,
    ids_from: u64,
    ids: AtomicU64,
}

impl S3Gateway {
    /// A gateway to this engine for these accounts.
    pub fn new(config: GatewayConfig, engine: Engine, access: Arc<Access>) -> Self {
        let store = Store::new(engine);
        let hosts = Hosts::new(config.base_domains.clone());
        let api = Arc::new(Api {
            store,
            access: Arc::clone(&access),
            region: config.region.clone(),
            scheme: if config.tls { "https" } else { "http" },
        });
        let mut builder = S3ServiceBuilder::new(Operations(Arc::clone(&api)));
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(protocol(&config)))));
        builder.set_auth(Secrets(access));
        builder.set_access(Gate);
        builder.set_host(hosts.clone());
        builder.set_route(ReadRoute { api, hosts: hosts.clone() });
        builder.set_validation(BucketNames);
        let shared = Shared {
            budget: Budget::new(config.upload_budget),
            region: config.region,
            hosts,
            host_id: host_id(config.rand.as_ref()),
            ids_from: config.rand.next_u64(),
            ids: AtomicU64::new(0),
        };
        Self { s3: builder.build(), shared: Arc::new(shared) }
    }

    /// Answers a request. The body of the answer may end in an error, which must abort the
    /// connection. A [`RequestId`] in the extensions of the request is the one that the answer and
    /// the log name; an [`OperationName`] in the extensions of the answer says what was asked for.
    pub async fn call<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<StdError>,
    {
        let id = request.extensions().get().copied().unwrap_or_else(|| self.shared.next_id());
        let state = RequestState::new(id, !request.body().is_end_stream());
        let mut response = self.answer(request, &state).await;
        if let Some(operation) = state.operation() {
            response.extensions_mut().insert(OperationName(OPERATIONS[operation].name));
        }
        response
    }

    /// Whether the `Host` header names a bucket (virtual-host style), so that every path below it
    /// is that of an object.
    pub fn host_names_bucket(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        host.is_some_and(|host| self.shared.hosts.bucket(host).is_some())
    }

    async fn answer<B>(&self, request: Request<B>, state: &Arc<RequestState>) -> Response<Body>
    where
        B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<StdError>,
    {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let about = About {
            id: state.id,
            host_id: &self.shared.host_id,
            method: &method,
            path: uri.path(),
        };
        let signed = Signed::of(request.headers());
        let is_service = uri.path() == "/" && !self.host_names_bucket(request.headers());
        let mut response = if let Err(failure) = admit(&about, &uri, request.headers()) {
            about.fail(failure)
        } else {
            let request = self.shared.prepare(request, state, signed.payload());
            match self.s3.call(request).await {
                Ok(response) => {
                    let region = self.shared.region.as_ref();
                    let lacks_method =
                        || about.lacks_method(&response).then(|| no_method(is_service));
                    let refusal = match state.operation() {
                        Some(_) => None,
                        None => signed.refusal(uri.query(), region).or_else(lacks_method),
                    };
                    match refusal {
                        Some(refusal) => about.fail(refusal),
                        None => finish(&about, response, state, signed.payload()),
                    }
                }
                Err(error) => {
                    tracing::error!(
                        { telemetry::REQUEST_ID } = %state.id,
                        %error,
                        "the protocol library gave no answer"
                    );
                    about.fail(Failure::new(
                        Code::InternalError,
                        "We encountered an internal error. Please try again.",
                    ))
                }
            }
        };
        // What comes next may be the rest of a body that nobody reads, or, from a client that waited
        // to be told to go on, its next request: nobody could tell which ("Expect", RFC 9110).
        if state.leaves_body() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        about.sign(&mut response);
        response
    }
}

impl Shared {
    fn prepare<B>(
        &self,
        request: Request<B>,
        state: &Arc<RequestState>,
        payload: Payload,
    ) -> Request<Body>
    where
        B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<StdError>,
    {
        let (mut parts, body) = request.into_parts();
        // An empty header says no more than none: the request is anonymous.
        if parts.headers.get(AUTHORIZATION).is_some_and(HeaderValue::is_empty) {
            parts.headers.remove(AUTHORIZATION);
        }
        convert::merge_metadata(&mut parts.headers);
        parts.extensions.insert(Arc::clone(state));
        parts.extensions.insert(ToldLength::of(&parts.headers));
        let body = if body.is_end_stream() {
            Body::empty()
        } else {
            let budget = Arc::clone(&self.budget);
            let signed_chunks = payload == Payload::SignedChunks;
            Body::http_body_unsync(Inbound::new(body, Arc::clone(state), budget, signed_chunks))
        };
        Request::from_parts(parts, body)
    }

    /// Ids that do not repeat within a start, and look unlike those of another.
    fn next_id(&self) -> RequestId {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let count = self.ids.fetch_add(1, Ordering::Relaxed);
        let mixed = self.ids_from.wrapping_add(count.wrapping_mul(STEP));
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        RequestId(mixed ^ (mixed >> 31))
    }
}

/// What the protocol library is told.
fn protocol(config: &GatewayConfig) -> S3Config {
    let mut protocol = S3Config::default();
    protocol.xml_max_body_size = DOCUMENT_MAX;
    protocol.put_object_max_size = Some(OBJECT_MAX);
    protocol.aws_chunked_stream_max_chunk_size = SIGNED_CHUNK_MAX;
    protocol.presigned_url_max_skew_time_secs = 15 * 60;
    // A week, as "Authenticating requests: using query parameters" of the S3 API reference says;
    // any other life is 400 AuthorizationQueryParametersError there too (minio/minio#5162).
    protocol.presigned_url_max_expires_secs = 7 * 24 * 60 * 60;
    protocol.expected_region = config.region.as_ref().map(Region::to_s3s);
    protocol.sig_v4_allowed_services = vec!["s3".to_owned()];
    protocol.enable_sig_v2 = config.signature_v2;
    // Forms are refused before the library sees them; these bound what it would hold otherwise.
    protocol.post_object_max_file_size = 1;
    protocol.form_max_fields_size = 64 << 10;
    protocol
}

/// Bucket names by the rules of `coffer_types`.
struct BucketNames;

impl NameValidation for BucketNames {
    fn validate_bucket_name(&self, name: &str) -> bool {
        coffer_types::BucketName::parse(name).is_ok()
    }
}

/// 32 random bytes that name this start, as the second id of an answer.
fn host_id(rand: &dyn coffer_types::Rand) -> HeaderValue {
    let mut bytes = [0; 32];
    rand.fill(&mut bytes);
    let text = base64_simd::STANDARD.encode_to_string(bytes);
    HeaderValue::try_from(text).expect("base64 is valid in headers")
}

/// Refuses what is refused whoever sends it.
fn admit(about: &About<'_>, uri: &Uri, headers: &HeaderMap) -> Result<(), Failure> {
    let size: usize =
        headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if size > HEADERS_MAX {
        return Err(Failure::new(
            Code::RequestHeaderSectionTooLarge,
            "Your request header section exceeds the maximum allowed size.",
        )
        .element("MaxSizeAllowed", HEADERS_MAX.to_string()));
    }
    if !signature::is_dated(headers) {
        return Err(Failure::new(
            Code::AccessDenied,
            "AWS authentication requires a valid x-amz-date header, once.",
        ));
    }
    if !is_encoded(uri.path()) || !uri.query().is_none_or(is_encoded) {
        return Err(Failure::new(Code::InvalidUri, "Couldn't parse the specified URI."));
    }
    if *about.method == Method::OPTIONS {
        return Err(no_cors(headers));
    }
    // S3 names the header (Automattic/knox#43, aws/aws-sdk-js-v3#3403); the library would ask for a
    // length, which HTTP forbids beside it.
    if headers.contains_key(TRANSFER_ENCODING) && !ToldLength::of(headers).0 {
        return Err(Failure::new(
            Code::NotImplemented,
            "A body whose length is not told before is not implemented: send Content-Length, or \
             x-amz-decoded-content-length with aws-chunked.",
        )
        .element("Header", "Transfer-Encoding"));
    }
    let form = |value: &HeaderValue| {
        let prefix = value.as_bytes().get(..19);
        prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(b"multipart/form-data"))
    };
    if *about.method == Method::POST && headers.get(CONTENT_TYPE).is_some_and(form) {
        return Err(Failure::new(
            Code::NotImplemented,
            "Uploads by HTML forms (PostObject) are not implemented here: use PutObject.",
        ));
    }
    Ok(())
}

/// What browsers ask before they send a request of another origin: no bucket allows it ("OPTIONS
/// object" of the S3 API reference).
fn no_cors(headers: &HeaderMap) -> Failure {
    if headers.contains_key(ORIGIN) {
        let message = "CORSResponse: CORS is not enabled for this bucket.";
        return Failure::new(Code::AccessForbidden, message);
    }
    let message = "Insufficient information. Origin request header needed.";
    Failure::new(Code::BadRequest, message)
}

/// There is no operation of the method, whatever the query says.
fn no_method(is_service: bool) -> Failure {
    let allowed = if is_service { "GET" } else { "DELETE, GET, HEAD, PUT" };
    Failure::new(
        Code::MethodNotAllowed,
        "The specified method is not allowed against this resource.",
    )
    .header(ALLOW, HeaderValue::from_static(allowed))
}

/// Whether every percent sign begins an encoded byte (RFC 3986, section 2.1), and the text is UTF-8.
fn is_encoded(text: &str) -> bool {
    if !text.contains('%') {
        return true;
    }
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let digit = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_hexdigit());
        if byte == b'%' && !(digit(bytes.next()) && digit(bytes.next())) {
            return false;
        }
    }
    percent_decode_str(text).decode_utf8().is_ok()
}

/// Completes what the protocol library answered.
fn finish(
    about: &About<'_>,
    mut response: Response<Body>,
    state: &RequestState,
    payload: Payload,
) -> Response<Body> {
    if answer::tells_error(response.status()) {
        // The library reads documents, and calls every failure to do so an internal one.
        let in_body = response.status().as_u16() == 500 && !state.has_begun();
        return match (in_body, state.take_body_failure(), payload) {
            (true, Some(failure), _) => about.fail((&failure).into()),
            (true, None, Payload::Hashed) => about.fail(error::content_sha256_mismatch()),
            (true, None, Payload::SignedChunks | Payload::Plain) | (false, _, _) => {
                about.complete(&mut response, &state.take_elements());
                response
            }
        };
    }
    if let Some(document) = state.take_answer() {
        answer::set_document(&mut response, document);
    }
    response
}
