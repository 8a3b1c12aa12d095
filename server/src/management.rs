//! The management port: probes, figures, and a page for people.

use std::future::{self, Future};
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use crate::answer;
use crate::body::ResponseBody;
use crate::health::{self, Life};
use crate::listener::Handler;
use crate::metrics::Metrics;
use crate::page::{self, Addresses};

/// The management port.
pub(crate) struct Management {
    life: Arc<Life>,
    metrics: Arc<Metrics>,
    addresses: Addresses,
}

impl Management {
    /// A port that tells about `life`.
    pub(crate) fn new(life: Arc<Life>, metrics: Arc<Metrics>, addresses: Addresses) -> Self {
        Self { life, metrics, addresses }
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

    fn handle(
        &self,
        request: Request<Incoming>,
        _: SocketAddr,
    ) -> impl Future<Output = Response<ResponseBody>> + Send {
        future::ready(self.respond(request.method(), request.uri().path()))
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
        let port = Management::new(Arc::clone(&life), metrics, addresses);
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
