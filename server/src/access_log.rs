//! One line per request, written when the last byte of its answer is out, and never a secret: of
//! the query only the names that choose an operation are kept.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use hyper::header::HeaderMap;
use hyper::{Method, Response, StatusCode, Uri};

use crate::answer::REQUEST_ID_HEADER;
use crate::body::{Ending, Progress};
use crate::metrics::Metrics;

/// The target of these lines, for `log.level = "info,access=debug"`.
pub(crate) const TARGET: &str = "access";

/// Which operation an answer belongs to, as S3 names it. The gateway leaves it in the extensions
/// of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operation(pub(crate) &'static str);

/// A request whose answer is on its way.
pub(crate) struct Exchange {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) begun: Instant,
    pub(crate) peer: SocketAddr,
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) request_id: String,
    pub(crate) op: &'static str,
    pub(crate) status: StatusCode,
    pub(crate) progress: Option<Arc<Progress>>,
}

impl Exchange {
    /// Takes from an answer what its line says.
    pub(crate) fn answered<B>(&mut self, response: &Response<B>) {
        self.status = response.status();
        self.op = response.extensions().get::<Operation>().map_or(self.op, |op| op.0);
        if let Some(id) = request_id(response.headers()) {
            self.request_id = id;
        }
    }
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    Some(headers.get(REQUEST_ID_HEADER)?.to_str().ok()?.to_owned())
}

impl Ending for Exchange {
    fn ended(self, sent: u64, error: Option<String>) {
        let took = self.begun.elapsed();
        let received = self.progress.as_ref().map_or(0, |progress| progress.received());
        self.metrics.request(self.op, self.status, took);
        self.metrics.bytes(received, sent);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let (peer, status) = (self.peer, self.status.as_u16());
        let Self { method, target, request_id, op, .. } = self;
        if let Some(error) = error {
            tracing::warn!(
                target: TARGET, request_id, %peer, %method, target, op, status, received, sent,
                micros, error, "answer broken off"
            );
        } else if status >= 500 {
            tracing::info!(
                target: TARGET, request_id, %peer, %method, target, op, status, received, sent,
                micros, "request"
            );
        } else {
            tracing::debug!(
                target: TARGET, request_id, %peer, %method, target, op, status, received, sent,
                micros, "request"
            );
        }
    }
}

/// Whether lines about ordinary requests are wanted; if not, their texts need not be made.
pub(crate) fn is_wanted() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::INFO)
}

/// Path and query as they may stand in a log: values of the query are left out, because they hold
/// signatures, credentials and session tokens of presigned requests.
pub(crate) fn redacted(uri: &Uri) -> String {
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
