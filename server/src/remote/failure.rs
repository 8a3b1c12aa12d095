//! Why a call to a running server failed: one sentence each, that says what to do.

use std::error::Error;
use std::io;

use coffer_mgmt_api::Problem;
use tokio_rustls::rustls::{self, InvalidMessage};

use super::endpoint::Endpoint;
use crate::failure::{Failure, chain};

/// A call that failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// Nobody listens there, or the name leads nowhere.
    #[error(
        "no server answers at {0} ({1}): start it, or name the URL of its management port with \
         --endpoint"
    )]
    Unreachable(String, String),
    /// No answer within the time.
    #[error(
        "{0} did not answer within {1} s: see whether the server is overloaded, then try again"
    )]
    Slow(String, u64),
    /// The answer is not HTTP.
    #[error("{0} does not speak plain HTTP: if it speaks TLS, write https://, and check the port")]
    NotHttp(String),
    /// The answer is not TLS.
    #[error("{0} does not speak TLS: if the server has no certificate, write http://")]
    NotTls(String),
    /// The certificate is not believed.
    #[error("the certificate of {0} is not believed ({1}): name the one it comes from with --ca")]
    Untrusted(String, String),
    /// An answer, but none of the management API.
    #[error(
        "{0} answered with {1}, but not as the management port of Coffer: name that port, 9001 \
         unless it was set otherwise, with --endpoint"
    )]
    Stranger(String, u16),
    /// The connection broke off.
    #[error("the connection to {0} broke off ({1}): try again, and see the server's log")]
    Broken(String, String),
    /// The key cannot stand in a header.
    #[error("the access key has characters that no request can carry: check where it comes from")]
    Key,
    /// The server refused.
    #[error("{} (request {})", .0.detail, .0.request_id)]
    Problem(Problem),
}

impl CallError {
    /// From an error of a TLS handshake.
    pub(super) fn of_handshake(endpoint: &Endpoint, error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
        match inner {
            Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
                Self::NotTls(endpoint.url())
            }
            Some(rustls::Error::InvalidCertificate(why)) => {
                Self::Untrusted(endpoint.url(), why.to_string())
            }
            _ => Self::Broken(endpoint.url(), chain(error)),
        }
    }

    /// From an error of the protocol.
    pub(super) fn of_http(endpoint: &Endpoint, error: &hyper::Error) -> Self {
        if error.is_parse() {
            Self::NotHttp(endpoint.url())
        } else {
            Self::Broken(endpoint.url(), chain(error))
        }
    }

    /// From an error of an answer's body.
    pub(super) fn of_body(endpoint: &Endpoint, error: &dyn Error) -> Self {
        Self::Broken(endpoint.url(), chain(error))
    }

    /// Whether the same call may succeed in a while: the server restarts, or has much to do.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(..) | Self::Slow(..) | Self::Broken(..) => true,
            Self::Problem(problem) => problem.status == 503,
            _ => false,
        }
    }

    /// Whether the server says that there is no such bucket.
    pub(super) fn no_bucket(&self) -> bool {
        matches!(self, Self::Problem(problem) if problem.kind.ends_with(":no-such-bucket"))
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::failed(error.to_string())
    }
}
