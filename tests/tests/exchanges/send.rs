//! From what a story asks to the bytes on the wire.
//!
//! `@sign` is one of `v4` (in headers; what holds without it), `presigned`, `v2`, `v2-presigned`
//! and `none`, and options behind it: `as=other` (a second account), `as=nobody` (an unknown key),
//! `secret=wrong`, `age=N` (signed so many seconds ago), `region=R`, `expires=N`, and for `v4`
//! `payload=` with `signed` (what holds without it), `unsigned`, `chunked`, `chunked-trailer`,
//! `unsigned-trailer`, or what is sent as the hash.

use coffer_tests::{ChunkSigner, Keys, Request, Response, Server, Signer};

use crate::names::Names;
use crate::story::Asked;

const SIGNED_CHUNKS: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const SIGNED_CHUNKS_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
const CHUNK: usize = 64 << 10;

/// The second account of the server.
pub(crate) fn other() -> Keys {
    Keys {
        access: "TESTOTHERACCESSKEY".to_owned(),
        secret: "another-secret-that-only-these-tests-know".to_owned(),
    }
}

/// What was sent, and what came back.
pub(crate) struct Exchanged {
    pub(crate) sent: String,
    pub(crate) response: Response,
}

/// A request, ready to be sent.
struct Ready<'a> {
    asked: &'a Asked,
    how: Signing,
    request: Request,
    body: Vec<u8>,
    trailers: Vec<String>,
}

/// What `@sign` says.
struct Signing {
    kind: String,
    options: Vec<(String, String)>,
}

impl Signing {
    fn of(asked: &Asked) -> Self {
        let text = asked.directive("sign").unwrap_or("v4");
        let mut words = text.split(' ');
        let kind = words.next().unwrap_or_default().to_owned();
        let options = words.map(|word| {
            let (name, value) = word.split_once('=').expect("an option is name=value");
            (name.to_owned(), value.to_owned())
        });
        Self { kind, options: options.collect() }
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    fn signer(&self, server: &Server, host: &str, region: &str) -> Signer {
        let mut keys = match self.option("as") {
            Some("other") => other(),
            Some("nobody") => Keys { access: "NOBODYSACCESSKEY1234".to_owned(), ..other() },
            Some(unknown) => panic!("nobody is called {unknown}"),
            None => server.keys.clone(),
        };
        if self.option("secret") == Some("wrong") {
            "not-the-secret-of-this-key".clone_into(&mut keys.secret);
        }
        let mut signer = Signer::new(&keys, host);
        self.option("region").unwrap_or(region).clone_into(&mut signer.region);
        if let Some(age) = self.option("age") {
            signer.seconds_off = -age.parse::<i64>().expect("seconds");
        }
        signer
    }
}

/// A signer for a server of this region.
pub(crate) fn signer(server: &Server, keys: &Keys, region: &str) -> Signer {
    let mut signer = Signer::new(keys, &server.s3.to_string());
    region.clone_into(&mut signer.region);
    signer
}

/// Sends a request on a connection of its own and reads the answer. It is signed for `region`
/// unless it says otherwise.
pub(crate) fn exchange(server: &Server, region: &str, names: &Names, asked: &Asked) -> Exchanged {
    let mut ready = Ready::new(names, asked);
    let host = ready.take_host().unwrap_or_else(|| server.s3.to_string());
    let signer = ready.how.signer(server, &host, region);
    let (head, body) = ready.sign(&signer);
    let head = ready.change(&String::from_utf8(head).expect("heads are text"), names);
    let mut connection = server.connect();
    connection.send(head.as_bytes()).expect("the head is taken");
    // A server that refuses early need not take the rest.
    let _ = connection.send(&body);
    let response = connection.receive_for(&ready.request.method).expect("an answer");
    let sent = head + &String::from_utf8_lossy(&ready.body);
    Exchanged { sent, response }
}

impl<'a> Ready<'a> {
    fn new(names: &Names, asked: &'a Asked) -> Self {
        let how = Signing::of(asked);
        let body = match asked.directive("body").and_then(|body| body.split_once(' ')) {
            Some(("repeat", what)) => names.fill(&format!("{{repeat {what}}}"), false, b""),
            Some(("raw", text)) => text.replace("\\r", "\r").replace("\\n", "\n"),
            Some(_) => panic!("a body is given as repeat or raw"),
            None => names.fill(&asked.body, false, b""),
        };
        let body = body.into_bytes();
        let target = names.fill(&asked.target, true, b"");
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let mut request = Request::new(&asked.method, path).query(query);
        for (name, value) in &asked.headers {
            request = request.header(name, &names.fill(value, false, &body));
        }
        let trailers: Vec<String> = asked
            .all("trailer")
            .map(|trailer| names.fill(trailer, false, &body).replacen(": ", ":", 1))
            .collect();
        Self { asked, how, request, body, trailers }
    }

    fn take_host(&mut self) -> Option<String> {
        let at = self.request.headers.iter().position(|(name, _)| name == "host")?;
        Some(self.request.headers.remove(at).1)
    }

    /// The signed head, and the body as it travels.
    fn sign(&mut self, signer: &Signer) -> (Vec<u8>, Vec<u8>) {
        let body = self.body.clone();
        let payload = self.how.option("payload").unwrap_or("signed").to_owned();
        if self.how.kind == "v4" && payload.contains("chunked") | payload.contains("-trailer") {
            return self.sign_chunks(signer, &payload);
        }
        let expires = || self.how.option("expires").unwrap_or("60");
        let request = self.with_length(body.len());
        let head = match self.how.kind.as_str() {
            "v4" => signer.head(&match payload.as_str() {
                "unsigned" => request,
                "signed" => {
                    let hash = Request::new("", "").signed_body(&body).payload_hash;
                    request.payload_hash(&hash)
                }
                hash => request.payload_hash(hash),
            }),
            "presigned" => signer.presigned_head(&request, expires()),
            "v2" => signer.head_v2(&request),
            "v2-presigned" => {
                signer.presigned_head_v2(&request, expires().parse().expect("seconds"))
            }
            "none" => signer.unsigned_head(&request),
            unknown => panic!("no way to sign is called {unknown}"),
        };
        (head, body)
    }

    /// With the length that a client sends, unless the story says otherwise.
    fn with_length(&self, length: usize) -> Request {
        let request = self.request.clone();
        match self.asked.directive("length") {
            Some("none") => request,
            Some(length) => request.header("content-length", length),
            None if length > 0 || matches!(request.method.as_str(), "PUT" | "POST") => {
                request.length(length)
            }
            None => request,
        }
    }

    fn sign_chunks(&mut self, signer: &Signer, payload: &str) -> (Vec<u8>, Vec<u8>) {
        let mode = match payload {
            "chunked" => SIGNED_CHUNKS,
            "chunked-trailer" => SIGNED_CHUNKS_TRAILER,
            "unsigned-trailer" => UNSIGNED_TRAILER,
            unknown => panic!("no payload is called {unknown}"),
        };
        let decoded = self.body.len().to_string();
        self.request = self
            .request
            .clone()
            .payload_hash(mode)
            .header("x-amz-decoded-content-length", &decoded);
        if mode != SIGNED_CHUNKS {
            let names = self.trailers.iter().filter_map(|trailer| trailer.split_once(':'));
            let names: Vec<&str> = names.map(|(name, _)| name).collect();
            self.request = self.request.clone().header("x-amz-trailer", &names.join(","));
        }
        // The length of the framing does not depend on the signatures.
        let (_, mut chunks) = signer.head_and_signature(&self.request);
        let length = self.framed(mode, &mut chunks).len();
        let (head, mut chunks) = signer.head_and_signature(&self.with_length(length));
        (head, self.framed(mode, &mut chunks))
    }

    fn framed(&self, mode: &str, chunks: &mut ChunkSigner) -> Vec<u8> {
        let mut framed = Vec::new();
        for part in self.body.chunks(CHUNK) {
            if mode == UNSIGNED_TRAILER {
                framed.extend(format!("{:x}\r\n", part.len()).into_bytes());
                framed.extend_from_slice(part);
                framed.extend_from_slice(b"\r\n");
            } else {
                framed.extend(chunks.chunk(part));
            }
        }
        match mode {
            SIGNED_CHUNKS => framed.extend(chunks.chunk(b"")),
            SIGNED_CHUNKS_TRAILER => framed.extend(chunks.trailers(&self.trailers)),
            _ => framed.extend(format!("0\r\n{}\r\n\r\n", self.trailers.join("\r\n")).into_bytes()),
        }
        framed
    }

    /// What the story changes once the request is signed.
    fn change(&self, head: &str, names: &Names) -> String {
        let mut lines: Vec<String> =
            head.trim_end_matches("\r\n").split("\r\n").map(str::to_owned).collect();
        for change in self.asked.all("after") {
            let (name, value) = change.split_once(':').expect("a header and its value");
            let value = names.fill(value.trim_start(), name == "target", &self.body);
            if name == "target" {
                lines[0] = format!("{} {value} HTTP/1.1", self.request.method);
                continue;
            }
            let start = format!("{name}: ");
            let at = lines.iter().position(|line| line.starts_with(&start)).unwrap_or(lines.len());
            lines.retain(|line| !line.starts_with(&start));
            if !value.is_empty() {
                lines.insert(at, start + &value);
            }
        }
        lines.join("\r\n") + "\r\n\r\n"
    }
}
