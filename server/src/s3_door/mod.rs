//! The S3 port: what happens to a request before and after the gateway.
//!
//! ```text
//! request ─► probe? ─► head small enough? ─► engine open? ─► gateway ─► stalled? ─► answer
//!               │             │                   │                        │
//!             health         400                 503                      400
//! ```
//! Every answer carries a request id, is counted, and leaves one line in the log.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use coffer_types::RequestId;
use hyper::body::Incoming;
use hyper::{Method, Request, Response, header};

use crate::access_log::Exchange;
use crate::answer::{self, REQUEST_ID_HEADER, RequestIds, S3Error};
use crate::body::{CountedBody, Progress, RequestBody, ResponseBody};
use crate::health::{self, Life};
use crate::listener::Handler;
use crate::metrics::Metrics;

/// Whoever answers S3 requests.
pub(crate) trait Front: Send + Sync + 'static {
    /// Answers one request. Its id is in the extensions.
    fn answer(
        &self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Response<ResponseBody>> + Send;
}

/// What the door needs to know.
#[derive(Clone, Debug)]
pub(crate) struct DoorConfig {
    /// Domains whose subdomains name buckets.
    pub(crate) domains: Vec<String>,
    /// Bytes of a request's line and headers.
    pub(crate) header_bytes: usize,
    /// Time without a byte after which a body is given up.
    pub(crate) idle_timeout: Duration,
    /// Where request ids begin.
    pub(crate) first_request: u64,
}

/// The S3 port.
pub(crate) struct S3Door<F> {
    front: OnceLock<F>,
    life: Arc<Life>,
    metrics: Arc<Metrics>,
    config: DoorConfig,
    requests: RequestIds,
}

impl<F: Front> S3Door<F> {
    /// A door that answers 503 until [`Self::open`].
    pub(crate) fn new(config: DoorConfig, life: Arc<Life>, metrics: Arc<Metrics>) -> Self {
        let requests = RequestIds::from(config.first_request);
        Self { front: OnceLock::new(), life, metrics, config, requests }
    }

    /// Lets requests through. Called once.
    pub(crate) fn open(&self, front: F) {
        assert!(self.front.set(front).is_ok(), "a door opens once");
    }

    async fn respond(
        &self,
        request: Request<Incoming>,
        id: RequestId,
        progress: &Arc<Progress>,
    ) -> Response<ResponseBody> {
        if head_bytes(&request) > self.config.header_bytes {
            return S3Error::HEADERS_TOO_LARGE.answer(id);
        }
        let Some(front) = self.front.get() else {
            return S3Error::STARTING.answer(id);
        };
        let idle = self.config.idle_timeout;
        let mut request = request.map(|body| RequestBody::new(body, idle, Arc::clone(progress)));
        request.extensions_mut().insert(id);
        let response = front.answer(request).await;
        // Whatever the gateway made of the broken body: the cause was the client's silence.
        if progress.stalled() && !response.status().is_success() {
            return S3Error::REQUEST_TIMEOUT.answer(id);
        }
        response
    }

    fn probe<B>(&self, request: &Request<B>) -> Option<Response<ResponseBody>> {
        let name = request.uri().path().strip_prefix("/-/")?;
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        if !is_read || names_bucket(request, &self.config.domains) {
            return None;
        }
        match name {
            "live" => Some(health::live()),
            "ready" => Some(health::ready(&self.life)),
            "health" => Some(health::health(&self.life, false)),
            "metrics" => Some(self.metrics.answer()),
            _ => None,
        }
    }
}

impl<F: Front> Handler for S3Door<F> {
    type Body = CountedBody<Option<Exchange>>;

    async fn handle(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Self::Body> {
        if let Some(answer) = self.probe(&request) {
            return answer.map(|body| CountedBody::new(body, None));
        }
        let id = self.requests.next();
        let mut exchange = Exchange::begin(Arc::clone(&self.metrics), &request, id, peer);
        let mut response = self.respond(request, id, exchange.progress()).await;
        if !response.headers().contains_key(REQUEST_ID_HEADER) {
            response.headers_mut().insert(REQUEST_ID_HEADER, answer::id_value(id));
        }
        exchange.answered(&response);
        response.map(|body| CountedBody::new(body, Some(exchange)))
    }
}

impl crate::body::Ending for Option<Exchange> {
    fn ended(self, sent: u64, error: Option<String>) {
        if let Some(exchange) = self {
            exchange.ended(sent, error);
        }
    }
}

/// Bytes of a request's line and headers, as they would stand on the wire.
fn head_bytes<B>(request: &Request<B>) -> usize {
    let line = request.method().as_str().len() + request.uri().path().len();
    let query = request.uri().query().map_or(0, str::len);
    let headers = request.headers().iter();
    let headers: usize = headers.map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    line + query + headers + "  HTTP/1.1\r\n\r\n".len()
}

/// Whether the host is a subdomain of one of the domains, and so names a bucket.
fn names_bucket<B>(request: &Request<B>, domains: &[String]) -> bool {
    let from_header = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(host) = request.uri().host().or(from_header) else {
        return false;
    };
    // A port never holds a letter or a dot; an IPv6 address has brackets and no domain.
    let host = host.rsplit_once(':').map_or(host, |(name, _)| name).to_ascii_lowercase();
    domains.iter().any(|domain| {
        host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
    })
}

#[cfg(test)]
mod tests;
