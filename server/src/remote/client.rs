//! One call: connect, sign, send, read the answer.
//!
//! Invariants: a call ends within [`PATIENCE`]; of an answer no more than [`ANSWER_MAX`] bytes are
//! read; an answer that is not one of the management API is never taken for one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use coffer_access::Credentials;
use coffer_mgmt_api::signature::{BODY_HEADER, DATE_HEADER, Unsigned, sign};
use coffer_mgmt_api::{JSON_TYPE, Operation, PROBLEM_TYPE, Problem};
use coffer_types::{BucketName, Timestamp};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::endpoint::Endpoint;
use super::failure::CallError;

/// Time for a call, from connecting to the last byte of its answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most bytes of an answer.
const ANSWER_MAX: usize = 4 << 20;

/// Calls one server with one access key.
pub(super) struct Client {
    endpoint: Endpoint,
    key: Credentials,
    tls: Option<TlsConnector>,
}

impl Client {
    /// For a server; with `tls` if its URL says so.
    pub(super) fn new(endpoint: Endpoint, key: Credentials, tls: Option<TlsConnector>) -> Self {
        Self { endpoint, key, tls }
    }

    /// Calls an endpoint that takes a body.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        operation: Operation,
        bucket: &BucketName,
        body: &impl Serialize,
    ) -> Result<T, CallError> {
        let body = serde_json::to_vec(body).expect("plain fields always become JSON");
        self.call(operation, bucket, body).await
    }

    /// Calls an endpoint that takes none.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        operation: Operation,
        bucket: &BucketName,
    ) -> Result<T, CallError> {
        self.call(operation, bucket, Vec::new()).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        operation: Operation,
        bucket: &BucketName,
        body: Vec<u8>,
    ) -> Result<T, CallError> {
        let request = self.request(operation, bucket, body)?;
        let answered = tokio::time::timeout(PATIENCE, async {
            let response = self.exchange(request).await?;
            self.read(response).await
        });
        let slow = || CallError::Slow(self.endpoint.url(), PATIENCE.as_secs());
        answered.await.map_err(|_| slow())?
    }

    fn request(
        &self,
        operation: Operation,
        bucket: &BucketName,
        body: Vec<u8>,
    ) -> Result<Request<Full<Bytes>>, CallError> {
        let line = operation.endpoint();
        let path = line.path_for(bucket);
        let method = line.method.as_str();
        let host = &self.endpoint.authority;
        let unsigned = Unsigned { method, path: &path, host, body: &body };
        let signed = sign(unsigned, &self.key.access_key, self.key.secret.expose(), now());
        let mut authorization =
            HeaderValue::try_from(signed.authorization).map_err(|_| CallError::Key)?;
        authorization.set_sensitive(true);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, host.as_str())
            .header(header::USER_AGENT, concat!("coffer/", env!("CARGO_PKG_VERSION")))
            .header(DATE_HEADER, signed.date)
            .header(BODY_HEADER, signed.body)
            .header(header::AUTHORIZATION, authorization);
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, JSON_TYPE);
        }
        request.body(Full::new(Bytes::from(body))).map_err(|_| CallError::Key)
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, CallError> {
        let Endpoint { host, port, .. } = &self.endpoint;
        let stream = TcpStream::connect((host.as_str(), *port))
            .await
            .map_err(|error| CallError::Unreachable(self.endpoint.url(), error.to_string()))?;
        let Some(tls) = &self.tls else {
            return self.speak(stream, request).await;
        };
        let name = ServerName::try_from(host.clone())
            .map_err(|error| CallError::Unreachable(self.endpoint.url(), error.to_string()))?;
        let stream = tls
            .connect(name, stream)
            .await
            .map_err(|error| CallError::of_handshake(&self.endpoint, &error))?;
        self.speak(stream, request).await
    }

    async fn speak(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, CallError> {
        let broken = |error| CallError::of_http(&self.endpoint, &error);
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // It ends with the answer; what goes wrong in it, the answer tells.
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(broken)
    }

    async fn read<T: DeserializeOwned>(
        &self,
        response: Response<Incoming>,
    ) -> Result<T, CallError> {
        let status = response.status();
        let stranger = || CallError::Stranger(self.endpoint.url(), status.as_u16());
        let content_type = response.headers().get(header::CONTENT_TYPE).cloned();
        let content_type = content_type.as_ref().map_or(&b""[..], HeaderValue::as_bytes);
        let is_problem = content_type == PROBLEM_TYPE.as_bytes();
        let is_answer = status.is_success() && content_type == JSON_TYPE.as_bytes();
        if !is_problem && !is_answer {
            return Err(stranger());
        }
        let body = Limited::new(response.into_body(), ANSWER_MAX)
            .collect()
            .await
            .map_err(|error| CallError::of_body(&self.endpoint, &*error))?
            .to_bytes();
        if is_answer {
            return serde_json::from_slice(&body).map_err(|_| stranger());
        }
        let problem: Problem = serde_json::from_slice(&body).map_err(|_| stranger())?;
        Err(CallError::Problem(Problem { status: StatusCode::as_u16(&status), ..problem }))
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
