//! One line per request, written when the last byte of its answer is out, and never a secret: of
//! the query only the names that choose an operation are kept.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use coffer_types::RequestId;
use hyper::{Method, Request, Response, StatusCode, Uri};

use crate::body::{Ending, Progress};
use crate::metrics::Metrics;

/// The target of these lines, for `log.level = "info,access=debug"`.
pub(crate) const TARGET: &str = "access";

/// Which operation an answer belongs to, as S3 names it. The gateway leaves it in the extensions
/// of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operation(pub(crate) &'static str);

/// What a request is counted as whose client went away before the answer began.
const CLIENT_GONE: u16 = 499;

/// A request between its head and the last byte of its answer. However it ends, it leaves one line
/// and is counted once.
pub(crate) struct Exchange {
    metrics: Arc<Metrics>,
    begun: Instant,
    peer: SocketAddr,
    method: Method,
    target: String,
    request_id: RequestId,
    op: &'static str,
    status: Option<StatusCode>,
    progress: Arc<Progress>,
    sent: u64,
    error: Option<String>,
}

impl Exchange {
    /// A request that came just now.
    pub(crate) fn begin<B>(
        metrics: Arc<Metrics>,
        request: &Request<B>,
        request_id: RequestId,
        peer: SocketAddr,
    ) -> Self {
        Self {
            metrics,
            begun: Instant::now(),
            peer,
            method: request.method().clone(),
            target: if is_wanted() { redacted(request.uri()) } else { String::new() },
            request_id,
            op: "none",
            status: None,
            progress: Arc::default(),
            sent: 0,
            error: None,
        }
    }

    /// What is known of the request's body while somebody else reads it.
    pub(crate) fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Takes from an answer what its line says.
    pub(crate) fn answered<B>(&mut self, response: &Response<B>) {
        self.status = Some(response.status());
        self.op = response.extensions().get::<Operation>().map_or(self.op, |op| op.0);
    }

    fn write_line(&self) {
        let micros = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let Self { request_id, peer, method, target, op, sent, .. } = self;
        let received = self.progress.received();
        let status = self.status.map_or(CLIENT_GONE, |status| status.as_u16());
        if let Some(error) = &self.error {
            tracing::warn!(
                target: TARGET, %request_id, %peer, %method, target, op, status, received, sent,
                micros, error, "answer broken off"
            );
        } else if (500..600).contains(&status) {
            tracing::info!(
                target: TARGET, %request_id, %peer, %method, target, op, status, received, sent,
                micros, "request"
            );
        } else {
            tracing::debug!(
                target: TARGET, %request_id, %peer, %method, target, op, status, received, sent,
                micros, "request"
            );
        }
    }
}

impl Ending for Exchange {
    fn ended(mut self, sent: u64, error: Option<String>) {
        self.sent = sent;
        self.error = error;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let status = self.status.map_or(CLIENT_GONE, |status| status.as_u16());
        self.metrics.request(self.op, status, self.begun.elapsed());
        self.metrics.bytes(self.progress.received(), self.sent);
        self.write_line();
    }
}

/// Whether lines about ordinary requests are wanted; if not, their texts need not be made.
fn is_wanted() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::INFO)
}

/// Path and query as they may stand in a log: values of the query are left out, because they hold
/// signatures, credentials and session tokens of presigned requests.
fn redacted(uri: &Uri) -> String {
    let mut target = uri.path().to_owned();
    let Some(query) = uri.query() else {
        return target;
    };
    let mut separator = '?';
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        target.push(separator);
        separator = '&';
        match (is_public(name), value) {
            (true, "") => target.push_str(name),
            (true, value) => {
                target.push_str(name);
                target.push('=');
                target.push_str(value);
            }
            (false, "") => target.push_str(if name.len() <= 32 { name } else { "…" }),
            (false, _) => {
                target.push_str(if name.len() <= 32 { name } else { "…" });
                target.push_str("=…");
            }
        }
    }
    target
}

/// Parameters whose values are no secret and help to understand a line.
fn is_public(name: &str) -> bool {
    const PUBLIC: [&str; 13] = [
        "list-type",
        "prefix",
        "delimiter",
        "max-keys",
        "versionId",
        "uploadId",
        "partNumber",
        "marker",
        "key-marker",
        "start-after",
        "encoding-type",
        "fetch-owner",
        "x-id",
    ];
    PUBLIC.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_never_reach_a_line() {
        let uri: Uri = "/bucket/key?versionId=3&X-Amz-Signature=deadbeef&X-Amz-Credential=AK%2F1\
                        &X-Amz-Security-Token=tok&acl&Signature=old&AWSAccessKeyId=AK&prefix=a%2Fb"
            .parse()
            .expect("a target");
        let line = redacted(&uri);
        assert_eq!(
            line,
            "/bucket/key?versionId=3&X-Amz-Signature=…&X-Amz-Credential=…\
             &X-Amz-Security-Token=…&acl&Signature=…&AWSAccessKeyId=…&prefix=a%2Fb"
        );
    }

    #[test]
    fn a_secret_in_the_place_of_a_name_is_cut() {
        let uri: Uri = format!("/b?{}", "s".repeat(40)).parse().expect("a target");
        assert_eq!(redacted(&uri), "/b?…");
    }
}
