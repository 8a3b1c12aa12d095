//! Requests of S3: their heads, signed, and single calls that prepare a run.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use super::http::{Connection, ExchangeError, Sink};
use super::listing::error_code;
use super::sigv4::{self, EMPTY_SHA256, Signed, Signer, UNSIGNED_PAYLOAD, UNSIGNED_TRAILER};

/// Who signs.
#[derive(Clone)]
pub struct Credentials {
    /// Access key id.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
}

/// A server on this machine.
#[derive(Clone)]
pub struct Endpoint {
    /// Its address; only loopback is taken.
    pub address: SocketAddr,
    /// Who signs; requests are anonymous without.
    pub credentials: Option<Credentials>,
    /// The region signed for.
    pub region: String,
}

/// Why an endpoint was refused.
#[derive(Debug, thiserror::Error)]
pub enum InvalidEndpoint {
    /// Not `http://ADDRESS:PORT`.
    #[error("an endpoint is http://ADDRESS:PORT, not {0:?}")]
    Form(String),
    /// Not on this machine.
    #[error("{0} is not a loopback address: only servers on this machine are measured")]
    Elsewhere(SocketAddr),
}

impl Endpoint {
    /// Parses `http://127.0.0.1:9000`; the scheme may be left out.
    pub fn parse_address(text: &str) -> Result<SocketAddr, InvalidEndpoint> {
        let form = || InvalidEndpoint::Form(text.to_owned());
        let bare = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        let bare = bare.replace("localhost:", "127.0.0.1:");
        let address: SocketAddr = bare.parse().map_err(|_| form())?;
        if !address.ip().is_loopback() {
            return Err(InvalidEndpoint::Elsewhere(address));
        }
        Ok(address)
    }
}

/// The line and fields of one request.
#[derive(Clone, Copy, Default)]
pub struct Request<'a> {
    /// `GET`, `PUT` and so on.
    pub method: &'a str,
    /// Encoded path.
    pub path: &'a str,
    /// Encoded query in canonical order, without the question mark.
    pub query: &'a str,
    /// The body.
    pub body: &'a [u8],
    /// Other headers, covered by the signature; names in lower case.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body is in chunks with a trailer, and not signed.
    pub chunked: bool,
}

/// Whether the signature covers the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum PayloadSigning {
    /// `UNSIGNED-PAYLOAD`.
    Unsigned,
    /// The payload's SHA-256 is sent and signed.
    Signed,
}

/// Formats and signs requests to one endpoint. Cheap to clone, for one thread.
#[derive(Clone)]
pub struct Client {
    inner: Rc<Inner>,
}

struct Inner {
    address: SocketAddr,
    host: String,
    signer: Option<Signer>,
    signing: PayloadSigning,
    date: RefCell<(u64, String)>,
}

/// Why a single call failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Below HTTP.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// An answer of another status.
    #[error("status {status} {code}")]
    Status {
        /// Status code.
        status: u16,
        /// S3's code, if the body named one.
        code: String,
    },
    /// An answer that says something else.
    #[error("the answer has no {0}")]
    Without(&'static str),
}

impl Client {
    /// For S3 at this endpoint.
    pub fn new(endpoint: &Endpoint, signing: PayloadSigning) -> Self {
        Self::of_service(endpoint, signing, "s3")
    }

    /// For another service at this endpoint.
    pub fn of_service(endpoint: &Endpoint, signing: PayloadSigning, service: &'static str) -> Self {
        let signer = endpoint.credentials.as_ref().map(|credentials| {
            let Credentials { access_key, secret_key } = credentials;
            Signer::new(access_key, secret_key, &endpoint.region, service)
        });
        Self {
            inner: Rc::new(Inner {
                address: endpoint.address,
                host: endpoint.address.to_string(),
                signer,
                signing,
                date: RefCell::new((0, String::new())),
            }),
        }
    }

    /// A connection that is opened when first used.
    pub fn connection(&self, buffer: usize) -> Connection {
        Connection::new(self.inner.address, buffer)
    }

    /// Formats a request's head into `out`, which is emptied first.
    pub fn head(&self, request: Request<'_>, out: &mut Vec<u8>) {
        let inner = &*self.inner;
        let Request { method, path, query, body, headers, chunked } = request;
        out.clear();
        let mark = if query.is_empty() { "" } else { "?" };
        for part in [method, " ", path, mark, query, " HTTP/1.1\r\nhost: ", &inner.host, "\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        if !body.is_empty() || method == "PUT" || method == "POST" {
            out.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
        }
        for (name, value) in headers {
            for part in [name, ": ", value, "\r\n"] {
                out.extend_from_slice(part.as_bytes());
            }
        }
        if let Some(signer) = &inner.signer {
            let hash;
            let payload = match inner.signing {
                _ if chunked => UNSIGNED_TRAILER,
                PayloadSigning::Unsigned => UNSIGNED_PAYLOAD,
                PayloadSigning::Signed if body.is_empty() => EMPTY_SHA256,
                PayloadSigning::Signed => {
                    hash = sigv4::payload_sha256(body);
                    &hash
                }
            };
            inner.refresh_date();
            let date = &inner.date.borrow().1;
            let host = &inner.host;
            let authorization =
                signer.authorization(Signed { method, path, query, host, payload, date, headers });
            for part in [
                "x-amz-content-sha256: ",
                payload,
                "\r\nx-amz-date: ",
                date,
                "\r\nauthorization: ",
                &authorization,
                "\r\n",
            ] {
                out.extend_from_slice(part.as_bytes());
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    /// One call on a connection of its own; its body if the status is 2xx.
    pub async fn call(&self, request: Request<'_>, limit: Duration) -> Result<Vec<u8>, CallError> {
        self.call_on(&mut self.connection(0), request, limit).await
    }

    /// One call; its body if the status is 2xx.
    pub async fn call_on(
        &self,
        connection: &mut Connection,
        request: Request<'_>,
        limit: Duration,
    ) -> Result<Vec<u8>, CallError> {
        let mut head = Vec::new();
        self.head(request, &mut head);
        let mut text = Text::default();
        let has_body = request.method != "HEAD";
        let exchange = connection.exchange(&head, request.body, has_body, &mut text);
        let answer = tokio::time::timeout(limit, exchange)
            .await
            .map_err(|_| CallError::Timeout(limit))??;
        if (200..300).contains(&answer.status) {
            return Ok(text.0);
        }
        let code = error_code(&text.0).unwrap_or_default();
        Err(CallError::Status { status: answer.status, code })
    }

    /// Creates a bucket; it is fine if it is there.
    pub async fn create_bucket(&self, bucket: &str, limit: Duration) -> Result<(), CallError> {
        let path = format!("/{bucket}");
        let request = Request { method: "PUT", path: &path, ..Request::default() };
        match self.call(request, limit).await {
            Err(CallError::Status { code, .. })
                if code == "BucketAlreadyOwnedByYou" || code == "BucketAlreadyExists" =>
            {
                Ok(())
            }
            other => other.map(|_| ()),
        }
    }
}

impl Inner {
    /// Formats the date once a second.
    fn refresh_date(&self) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        let mut cached = self.date.borrow_mut();
        if cached.0 != now {
            *cached = (now, sigv4::amz_date(now));
        }
    }
}

/// Keeps a short body.
#[derive(Default)]
struct Text(Vec<u8>);

impl Sink for Text {
    fn take(&mut self, _status: u16, bytes: &[u8]) {
        let room = (1_usize << 20).saturating_sub(self.0.len());
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_measured() {
        assert!(Endpoint::parse_address("http://127.0.0.1:9000").is_ok());
        assert!(Endpoint::parse_address("http://localhost:9000/").is_ok());
        assert!(Endpoint::parse_address("[::1]:9000").is_ok());
        assert!(Endpoint::parse_address("http://10.0.0.1:9000").is_err());
        assert!(Endpoint::parse_address("https://127.0.0.1:9000").is_err());
    }

    #[test]
    fn a_head_carries_length_date_and_signature() {
        let endpoint = Endpoint {
            address: "127.0.0.1:9000".parse().expect("an address"),
            credentials: Some(Credentials {
                access_key: "key".to_owned(),
                secret_key: "secret".to_owned(),
            }),
            region: "us-east-1".to_owned(),
        };
        let mut head = Vec::new();
        let request = Request {
            method: "PUT",
            path: "/b/k",
            query: "x=1",
            body: b"abc",
            headers: &[("x-amz-checksum-crc32", "NSRBwg==")],
            chunked: false,
        };
        Client::new(&endpoint, PayloadSigning::Signed).head(request, &mut head);
        let head = String::from_utf8(head).expect("ASCII");
        assert!(head.starts_with("PUT /b/k?x=1 HTTP/1.1\r\nhost: 127.0.0.1:9000\r\n"), "{head}");
        assert!(head.contains("content-length: 3\r\n"), "{head}");
        assert!(head.contains("\r\nx-amz-checksum-crc32: NSRBwg==\r\n"), "{head}");
        assert!(head.contains("x-amz-content-sha256: ba7816bf8f01cfea"), "{head}");
        assert!(head.contains("authorization: AWS4-HMAC-SHA256 Credential=key/"), "{head}");
        assert!(head.ends_with("\r\n\r\n"), "{head}");
    }
}
