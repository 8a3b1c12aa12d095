//! Why a call to a running server failed: one sentence each, that says what to do.

use std::error::Error;
use std::io;

use coffer_mgmt_api::Problem;
use tokio_rustls::rustls::{self, CertificateError, InvalidMessage};

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
    #[error("the certificate of {0} is not believed: {1}")]
    Untrusted(String, &'static str),
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
                Self::Untrusted(endpoint.url(), distrust(why))
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

/// What is wrong with a certificate, and what to do.
fn distrust(why: &CertificateError) -> &'static str {
    match why {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name; use a name or address that stands in it"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired; give the server a new one, or set the clock right"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet; set the clock right"
        }
        _ => "name the certificate that it comes from with --ca",
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::failed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_waited_for() {
        let at = || "http://127.0.0.1:9001".to_owned();
        let problem = |status, kind: &str| {
            let kind = format!("urn:coffer:problem:{kind}");
            let (title, detail) = (String::new(), "a sentence".to_owned());
            CallError::Problem(Problem { kind, title, status, detail, request_id: "7".to_owned() })
        };
        for passes in [
            CallError::Unreachable(at(), "refused".to_owned()),
            CallError::Slow(at(), 30),
            CallError::Broken(at(), "reset".to_owned()),
            problem(503, "unavailable"),
        ] {
            assert!(passes.may_pass(), "{passes}");
        }
        for stays in [
            CallError::NotHttp(at()),
            CallError::NotTls(at()),
            CallError::Untrusted(at(), distrust(&CertificateError::UnknownIssuer)),
            CallError::Stranger(at(), 200),
            CallError::Key,
            problem(401, "wrong-key"),
            problem(404, "no-such-bucket"),
        ] {
            assert!(!stays.may_pass(), "{stays}");
        }
        assert!(problem(404, "no-such-bucket").no_bucket());
        assert!(!problem(404, "no-such-endpoint").no_bucket());
        assert_eq!(problem(401, "wrong-key").to_string(), "a sentence (request 7)");
    }

    #[test]
    fn errors_of_a_handshake_say_which_url_to_write() {
        let endpoint = Endpoint::parse("https://127.0.0.1:9001").expect("valid");
        let told = |error| CallError::of_handshake(&endpoint, &io::Error::other(error)).to_string();
        let plain = rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType);
        assert!(told(plain).contains("write http://"));
        let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        assert!(told(unknown).contains("--ca"));
        let name = rustls::Error::InvalidCertificate(CertificateError::NotValidForName);
        assert!(told(name).contains("another name"));
        assert!(told(rustls::Error::DecryptError).contains("broke off"));
    }
}
