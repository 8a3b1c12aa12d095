//! The management port: probes, figures and a page for people, all without a login; and below
//! `/api/` the management API, which asks for a signature.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use coffer_mgmt_server::ManagementApi;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use crate::answer::{self, RequestIds};
use crate::body::{Progress, RequestBody, ResponseBody};
use crate::health::{self, Life};
use crate::listener::Handler;
use crate::metrics::Metrics;
use crate::page::{self, Addresses};

/// The management port.
pub(crate) struct Management {
    life: Arc<Life>,
    metrics: Arc<Metrics>,
    addresses: Addresses,
    config: ManagementConfig,
    requests: RequestIds,
    api: OnceLock<ManagementApi>,
}

/// What the port needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ManagementConfig {
    /// Time without a byte after which a body is given up.
    pub(crate) idle_timeout: Duration,
    /// Where request ids begin.
    pub(crate) first_request: u64,
}

impl Management {
    /// A port that tells about `life`. Its API answers 503 until [`Self::open`].
    pub(crate) fn new(
        life: Arc<Life>,
        metrics: Arc<Metrics>,
        addresses: Addresses,
        config: ManagementConfig,
    ) -> Self {
        let requests = RequestIds::from(config.first_request);
        Self { life, metrics, addresses, config, requests, api: OnceLock::new() }
    }

    /// Lets requests through to the API. Called once.
    pub(crate) fn open(&self, api: ManagementApi) {
        assert!(self.api.set(api).is_ok(), "an API opens once");
    }

    async fn call(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        let id = self.requests.next();
        let response = match self.api.get() {
            None => coffer_mgmt_server::starting(id),
            Some(api) => {
                let idle = self.config.idle_timeout;
                let watched = |body| RequestBody::new(body, idle, Arc::new(Progress::default()));
                api.answer(request.map(watched), id).await
            }
        };
        response.map(|body: Full<Bytes>| body.map_err(|never| match never {}).boxed_unsync())
    }

    fn respond(&self, method: &Method, path: &str) -> Response<ResponseBody> {
        let known = matches!(path, "/" | "/livez" | "/readyz" | "/healthz" | "/metrics");
        if known && !matches!(*method, Method::GET | Method::HEAD) {
            let text = "only GET and HEAD are answered here\n";
            let mut response = answer::text(StatusCode::METHOD_NOT_ALLOWED, text);
            let allowed = HeaderValue::from_static("GET, HEAD");
            response.headers_mut().insert(header::ALLOW, allowed);
            return response;
        }
        match path {
            "/" => page::answer(&self.life.health(true), &self.addresses),
            "/livez" => health::live(),
            "/readyz" => health::ready(&self.life),
            "/healthz" => health::health(&self.life, true),
            "/metrics" => self.metrics.answer(),
            _ => answer::text(StatusCode::NOT_FOUND, "nothing here; see / for what there is\n"),
        }
    }
}

impl Handler for Management {
    type Body = ResponseBody;

    async fn handle(&self, request: Request<Incoming>, _: SocketAddr) -> Response<ResponseBody> {
        if request.uri().path().starts_with(coffer_mgmt_api::ROOT) {
            return self.call(request).await;
        }
        self.respond(request.method(), request.uri().path())
    }
}

#[cfg(test)]
mod tests {
    use coffer_storage_engine::engine::EngineStatus;

    use super::*;
    use crate::health::tests::vitals;

    #[test]
    fn probes_answer_by_path_and_method() {
        let life = Arc::new(Life::begin());
        let metrics = Arc::new(Metrics::new(Arc::clone(&life)));
        let addresses = Addresses { s3: "http://127.0.0.1:9000".to_owned(), tls: false };
        let config = ManagementConfig { idle_timeout: Duration::from_secs(1), first_request: 7 };
        let port = Management::new(Arc::clone(&life), metrics, addresses, config);
        let status = |method: &Method, path| port.respond(method, path).status().as_u16();
        for (path, starting) in
            [("/livez", 200), ("/readyz", 503), ("/healthz", 503), ("/metrics", 200), ("/", 200)]
        {
            assert_eq!(status(&Method::GET, path), starting, "{path}");
            assert_eq!(status(&Method::POST, path), 405, "{path}");
        }
        life.serving(vitals(EngineStatus::default(), &[]));
        for path in ["/livez", "/readyz", "/healthz", "/metrics", "/"] {
            assert_eq!(status(&Method::GET, path), 200, "{path}");
            assert_eq!(status(&Method::HEAD, path), 200, "{path}");
        }
        assert_eq!(status(&Method::GET, "/etc/passwd"), 404);
    }
}
