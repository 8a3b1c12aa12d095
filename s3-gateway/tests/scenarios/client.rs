//! A client that signs by "Signature Version 4" of the S3 API reference, written apart from the
//! code under test: <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html>.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use aws_lc_rs::{digest, hmac};
use bytes::Bytes;
use coffer_types::RequestId;
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use hyper::header::HeaderMap;
use hyper::{Method, Request};

use super::{OperationName, S3Gateway};

const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Holds a key and a gateway.
#[derive(Clone)]
pub(super) struct Client {
    gateway: S3Gateway,
    access_key: String,
    secret: String,
    pub(super) region: String,
    /// How far its clock is ahead, in seconds.
    pub(super) ahead: i64,
}

/// How the body travels.
#[derive(Clone, Debug)]
pub(super) enum Payload {
    /// Its SHA-256 is signed.
    Hashed,
    /// Not signed.
    Unsigned,
    /// In signed chunks of so many bytes, perhaps with a signed trailer.
    Signed(usize, Option<(&'static str, String)>),
    /// In unsigned chunks with a trailer.
    Trailer(usize, &'static str, String),
}

/// A request being written.
#[derive(Clone)]
pub(super) struct Draft {
    client: Client,
    method: Method,
    path: String,
    /// The path that travels, if it is another.
    sent_path: Option<String>,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Bytes,
    payload: Payload,
    signed: bool,
    /// The length to announce instead of the body's.
    announced: Option<u64>,
    id: Option<RequestId>,
    /// Changes the body on its way, after it was signed.
    pub(super) tamper: Option<fn(Vec<u8>) -> Vec<u8>>,
    /// Changes the headers on their way, after they were signed.
    change: Option<fn(&mut HeaderMap)>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// The operation that the answer belongs to.
    pub(super) operation: Option<&'static str>,
}

impl Answer {
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    /// The text of the first element of this name.
    pub(super) fn element(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.text().split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
    }

    /// The texts of all elements of this name.
    pub(super) fn elements(&self, name: &str) -> Vec<&str> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let parts = self.text().split(&open).skip(1);
        parts.filter_map(|part| part.split_once(&close).map(|(text, _)| text)).collect()
    }

    /// Status and code of an error.
    pub(super) fn error(&self) -> (u16, &str) {
        (self.status, self.element("Code").unwrap_or_default())
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }
}

impl Client {
    pub(super) fn new(gateway: &S3Gateway, access_key: &str, secret: &str) -> Self {
        Self {
            gateway: gateway.clone(),
            access_key: access_key.to_owned(),
            secret: secret.to_owned(),
            region: "us-east-1".to_owned(),
            ahead: 0,
        }
    }

    pub(super) fn gateway(&self) -> &S3Gateway {
        &self.gateway
    }

    /// The same client with another secret.
    pub(super) fn with_key(&self, access_key: &str, secret: &str) -> Self {
        Self { access_key: access_key.to_owned(), secret: secret.to_owned(), ..self.clone() }
    }

    /// A request; `path` is not yet encoded.
    pub(super) fn request(&self, method: Method, path: &str) -> Draft {
        Draft {
            client: self.clone(),
            method,
            path: encode(path, true),
            sent_path: None,
            query: Vec::new(),
            headers: vec![("host".to_owned(), "127.0.0.1:9000".to_owned())],
            body: Bytes::new(),
            payload: Payload::Hashed,
            signed: true,
            announced: None,
            id: None,
            tamper: None,
            change: None,
        }
    }

    pub(super) fn get(&self, path: &str) -> Draft {
        self.request(Method::GET, path)
    }

    pub(super) fn put(&self, path: &str) -> Draft {
        self.request(Method::PUT, path)
    }

    pub(super) fn head(&self, path: &str) -> Draft {
        self.request(Method::HEAD, path)
    }

    pub(super) fn delete(&self, path: &str) -> Draft {
        self.request(Method::DELETE, path)
    }

    pub(super) fn post(&self, path: &str) -> Draft {
        self.request(Method::POST, path)
    }
}

impl Draft {
    pub(super) fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((encode(name, false), encode(value, false)));
        self
    }

    /// Without a parameter, which may have been signed.
    pub(super) fn without_query(mut self, name: &str) -> Self {
        self.query.retain(|(known, _)| known != name);
        self
    }

    /// With another text in a parameter, which may have been signed.
    pub(super) fn changed_query(mut self, name: &str, from: &str, to: &str) -> Self {
        for (_, value) in self.query.iter_mut().filter(|(known, _)| known == name) {
            *value = value.replace(from, to);
        }
        self
    }

    /// Signed for its path, but sent with this one.
    pub(super) fn changed_path(mut self, path: &str) -> Self {
        self.sent_path = Some(path.to_owned());
        self
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(super) fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    pub(super) fn tampered(mut self, tamper: fn(Vec<u8>) -> Vec<u8>) -> Self {
        self.tamper = Some(tamper);
        self
    }

    pub(super) fn changed(mut self, change: fn(&mut HeaderMap)) -> Self {
        self.change = Some(change);
        self
    }

    pub(super) fn announced(mut self, length: u64) -> Self {
        self.announced = Some(length);
        self
    }

    /// The listener gives the request this id.
    pub(super) fn id(mut self, id: RequestId) -> Self {
        self.id = Some(id);
        self
    }

    /// Nobody signs.
    pub(super) fn anonymous(mut self) -> Self {
        self.signed = false;
        self
    }

    /// Signed in the query, valid for so many seconds.
    pub(super) fn presigned(self, seconds: u32) -> Self {
        self.presigned_for(&seconds.to_string())
    }

    /// Signed in the query, with whatever is said to be its life.
    pub(super) fn presigned_for(mut self, seconds: &str) -> Self {
        let scope = Scope::new(&self.client);
        let credential = format!("{}/{}", self.client.access_key, scope.text);
        for (name, value) in [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", &scope.time),
            ("X-Amz-Expires", seconds),
            ("X-Amz-SignedHeaders", "host"),
        ] {
            self = self.query(name, value);
        }
        let host = self.headers.iter().find(|(name, _)| name == "host").expect("always there");
        let headers = [host.clone()];
        let signature = scope.sign_request(&self, &headers, "UNSIGNED-PAYLOAD");
        self.query.push(("X-Amz-Signature".to_owned(), signature));
        self.signed = false;
        self
    }

    pub(super) async fn send(self) -> Answer {
        let (request, body) = self.finish();
        send(&self.client.gateway, request, Full::new(Bytes::from(body))).await
    }

    /// Sends the headers as signed, and this body.
    pub(super) async fn send_body<B>(self, body: B) -> Answer
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (request, _) = self.finish();
        send(&self.client.gateway, request, body).await
    }

    /// The body as it would travel now.
    pub(super) fn travelling_now(&self) -> Vec<u8> {
        self.finish().1
    }

    /// The request without its body, and the body as it travels.
    fn finish(&self) -> (Request<()>, Vec<u8>) {
        let scope = Scope::new(&self.client);
        let mut headers = self.headers.clone();
        let mut add = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
        let hash = match &self.payload {
            Payload::Hashed if self.body.is_empty() => EMPTY_SHA256.to_owned(),
            Payload::Hashed => hex(digest::digest(&digest::SHA256, &self.body).as_ref()),
            Payload::Unsigned => "UNSIGNED-PAYLOAD".to_owned(),
            Payload::Signed(_, None) => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned(),
            Payload::Signed(_, Some(_)) => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER".to_owned(),
            Payload::Trailer(..) => "STREAMING-UNSIGNED-PAYLOAD-TRAILER".to_owned(),
        };
        if let Payload::Signed(..) | Payload::Trailer(..) = &self.payload {
            add("x-amz-decoded-content-length", &self.body.len().to_string());
            add("content-encoding", "aws-chunked");
        }
        if let Payload::Signed(_, Some((name, _))) | Payload::Trailer(_, name, _) = &self.payload {
            add("x-amz-trailer", name);
        }
        if self.signed {
            add("x-amz-content-sha256", &hash);
            add("x-amz-date", &scope.time);
        }
        headers.sort();
        let mut seed = String::new();
        if self.signed {
            seed = scope.sign_request(self, &headers, &hash);
            let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
            let authorization = format!(
                "AWS4-HMAC-SHA256 Credential={}/{},SignedHeaders={},Signature={seed}",
                self.client.access_key,
                scope.text,
                names.join(";")
            );
            headers.push(("authorization".to_owned(), authorization));
        }
        let mut body = self.travelling(&scope, seed);
        let length = self.announced.unwrap_or(body.len() as u64);
        headers.push(("content-length".to_owned(), length.to_string()));
        if let Some(tamper) = self.tamper {
            body = tamper(body);
        }
        let mut request = Request::builder().method(&self.method).uri(self.target());
        for (name, value) in &headers {
            request = request.header(name, value.as_bytes());
        }
        let mut request = request.body(()).expect("valid");
        if let Some(change) = self.change {
            change(request.headers_mut());
        }
        if let Some(id) = self.id {
            request.extensions_mut().insert(id);
        }
        (request, body)
    }

    fn target(&self) -> String {
        let query: Vec<_> =
            self.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let path = self.sent_path.as_ref().unwrap_or(&self.path);
        if query.is_empty() { path.clone() } else { format!("{path}?{}", query.join("&")) }
    }

    /// The body as it travels.
    fn travelling(&self, scope: &Scope, mut previous: String) -> Vec<u8> {
        match &self.payload {
            Payload::Hashed | Payload::Unsigned => self.body.to_vec(),
            Payload::Trailer(size, name, value) => {
                let mut out = Vec::new();
                for chunk in self.body.chunks(*size) {
                    out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    out.extend_from_slice(chunk);
                    out.extend_from_slice(b"\r\n");
                }
                out.extend_from_slice(format!("0\r\n{name}:{value}\r\n\r\n").as_bytes());
                out
            }
            Payload::Signed(size, trailer) => {
                let mut out = Vec::new();
                for chunk in self.body.chunks(*size).chain([&b""[..]]) {
                    previous = scope.sign_chunk(&previous, chunk);
                    let head = format!("{:x};chunk-signature={previous}\r\n", chunk.len());
                    out.extend_from_slice(head.as_bytes());
                    out.extend_from_slice(chunk);
                    if !chunk.is_empty() || trailer.is_none() {
                        out.extend_from_slice(b"\r\n");
                    }
                }
                if let Some((name, value)) = trailer {
                    let signature = scope.sign_trailer(&previous, &format!("{name}:{value}\n"));
                    let text =
                        format!("{name}:{value}\r\nx-amz-trailer-signature:{signature}\r\n\r\n");
                    out.extend_from_slice(text.as_bytes());
                }
                out
            }
        }
    }
}

async fn send<B>(gateway: &S3Gateway, request: Request<()>, body: B) -> Answer
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let response = gateway.call(request.map(|()| body)).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("an answer is read to its end").to_bytes();
    let operation = parts.extensions.get::<OperationName>().map(|name| name.0);
    Answer { status: parts.status.as_u16(), headers: parts.headers, body, operation }
}

/// When and where a signature holds.
struct Scope {
    time: String,
    text: String,
    key: hmac::Key,
}

impl Scope {
    fn new(client: &Client) -> Self {
        let time = amz_date(client.ahead);
        let day = &time[..8];
        let text = format!("{day}/{}/s3/aws4_request", client.region);
        let mut key = format!("AWS4{}", client.secret).into_bytes();
        for part in text.split('/') {
            key = mac(&hmac::Key::new(hmac::HMAC_SHA256, &key), part).as_ref().to_vec();
        }
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key), time, text }
    }

    fn sign_request(&self, draft: &Draft, headers: &[(String, String)], hash: &str) -> String {
        let mut query = draft.query.clone();
        query.sort();
        let query: Vec<_> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut canonical = format!("{}\n{}\n{}\n", draft.method, draft.path, query.join("&"));
        for (name, value) in headers {
            writeln!(canonical, "{name}:{}", value.trim()).expect("fits");
        }
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        write!(canonical, "\n{}\n{hash}", names.join(";")).expect("fits");
        let hashed = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        self.sign(&format!("AWS4-HMAC-SHA256\n{}\n{}\n{hashed}", self.time, self.text))
    }

    fn sign_chunk(&self, previous: &str, chunk: &[u8]) -> String {
        let hashed = hex(digest::digest(&digest::SHA256, chunk).as_ref());
        self.sign(&format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{previous}\n{EMPTY_SHA256}\n{hashed}",
            self.time, self.text
        ))
    }

    fn sign_trailer(&self, previous: &str, trailer: &str) -> String {
        let hashed = hex(digest::digest(&digest::SHA256, trailer.as_bytes()).as_ref());
        self.sign(&format!(
            "AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{previous}\n{hashed}",
            self.time, self.text
        ))
    }

    fn sign(&self, text: &str) -> String {
        hex(mac(&self.key, text).as_ref())
    }
}

fn mac(key: &hmac::Key, text: &str) -> hmac::Tag {
    hmac::sign(key, text.as_bytes())
}

/// `20060203T164509Z`, from the words of an HTTP date.
fn amz_date(ahead: i64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let by = Duration::from_secs(ahead.unsigned_abs());
    let now = SystemTime::now();
    let date = httpdate::fmt_http_date(if ahead < 0 { now - by } else { now + by });
    let words: Vec<_> = date.split(' ').collect();
    let [_, day, month, year, time, _] = words[..] else { panic!("an HTTP date has six words") };
    let month = MONTHS.iter().position(|known| *known == month).expect("a month") + 1;
    format!("{year}{month:02}{day}T{}Z", time.replace(':', ""))
}

/// Percent-encodes all but unreserved characters, and slashes of a path.
pub(super) fn encode(text: &str, slashes: bool) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        let kept = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if kept || (slashes && byte == b'/') {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("fits");
        }
    }
    out
}

pub(super) fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

/// So many bytes of the alphabet, from this letter on.
pub(super) fn letters(from: u8, len: usize) -> Bytes {
    (0..len).map(|at| b'a' + u8::try_from((usize::from(from) + at) % 26).expect("small")).collect()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("fits");
        text
    })
}
