//! A gateway over a store in memory, and a client of it: what the targets of requests share.
//!
//! Requests are signed and go the whole way, because most of what parses them is the protocol
//! library's: nothing that is tested here is called apart from what calls it. The store is the
//! simulator's, so an input does the same again.

use std::borrow::Cow;
use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use coffer_access::{Access, Credentials, Secret};
use coffer_s3_gateway::{GatewayConfig, S3Gateway};
use coffer_simulator::{DiskFaults, SimWorld};
use coffer_storage_engine::{Engine, EngineConfig, Limits, Sizes, StoreKeySource};
use coffer_types::RequestId;
use futures::stream;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Method, Request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

/// A store is used so often; what was written and dropped would else fill the memory.
const USES: u32 = 500;
const DRIVE: &str = "/drive";
const SECRET: &str = "secret-of-the-fuzzer-0123456789";
/// What is not escaped where something is signed.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How a payload is announced that nobody signs.
pub(crate) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// A gateway with the empty bucket `/bkt`.
pub(crate) struct Stand {
    world: SimWorld,
    gateway: S3Gateway,
    /// When its requests are signed, and with which key.
    time: String,
    key: Vec<u8>,
    uses: u32,
}

/// A request.
pub(crate) struct Ask {
    pub(crate) method: Method,
    /// As it travels: percent-encoded, without a query.
    pub(crate) path: String,
    /// As it travels.
    pub(crate) query: String,
    pub(crate) headers: Vec<(&'static str, Vec<u8>)>,
    pub(crate) payload: &'static str,
    /// The body, in the pieces that it comes in.
    pub(crate) body: Vec<Bytes>,
}

/// An answer, read to its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Ask {
    pub(crate) fn new(method: Method, path: &str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            query: String::new(),
            headers: Vec::new(),
            payload: UNSIGNED,
            body: Vec::new(),
        }
    }

    pub(crate) fn query(mut self, query: &str) -> Self {
        self.query = query.to_owned();
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &[u8]) -> Self {
        self.headers.push((name, value.to_vec()));
        self
    }

    pub(crate) fn body(mut self, body: &[u8]) -> Self {
        self.body = vec![Bytes::copy_from_slice(body)];
        self
    }

    /// The same body in pieces of other lengths.
    pub(crate) fn cut(mut self, lengths: &[u8]) -> Self {
        let whole = self.body.concat();
        let mut rest = &whole[..];
        let mut pieces = Vec::new();
        let mut lengths = lengths.iter().cycle();
        while !rest.is_empty() {
            let len = lengths.next().map_or(1, |len| usize::from(*len) + 1).min(rest.len());
            let (piece, behind) = rest.split_at(len);
            pieces.push(Bytes::copy_from_slice(piece));
            rest = behind;
        }
        self.body = pieces;
        self
    }
}

/// Runs with a stand that may have been used before: `prepare` was done once to it.
pub(crate) fn with_stand(prepare: fn(&Stand), body: impl FnOnce(&Stand)) {
    thread_local!(static STAND: RefCell<Option<Stand>> = const { RefCell::new(None) });
    STAND.with_borrow_mut(|kept| {
        let stand = kept.get_or_insert_with(|| {
            let stand = Stand::new();
            prepare(&stand);
            stand
        });
        body(stand);
        stand.uses += 1;
        if stand.uses == USES {
            *kept = None;
        }
    });
}

impl Stand {
    fn new() -> Self {
        let world = SimWorld::new(1, DiskFaults::default());
        world.disk().make_folder(Path::new(DRIVE));
        let mut limits = Limits::for_drive(1 << 30);
        limits.segment_len = 4 << 20;
        let config = EngineConfig {
            drives: vec![PathBuf::from(DRIVE)],
            store_key: StoreKeySource::OnDrive,
            sizes: Sizes::Given(limits),
            accept_loss: false,
        };
        let ports = world.ports();
        let rand = Arc::clone(&ports.rand);
        let opened = world.run(async {
            let (engine, _) = Engine::open(config, ports).await.expect("an empty drive opens");
            let access = Access::load(&engine).expect("an empty store loads");
            let credentials = Credentials {
                access_key: "fuzzer".to_owned(),
                secret: Secret::new(SECRET.to_owned()),
            };
            access.ensure_root(&engine, rand.as_ref(), Some(credentials)).await.expect("made");
            S3Gateway::new(GatewayConfig::new(rand), engine, Arc::new(access))
        });
        let time = now();
        let mut key = format!("AWS4{SECRET}").into_bytes();
        for part in [&time[..8], "us-east-1", "s3", "aws4_request"] {
            key = mac(&key, part);
        }
        let gateway = opened.expect("nothing stops it");
        let stand = Self { world, gateway, time, key, uses: 0 };
        assert_eq!(stand.send(Ask::new(Method::PUT, "/bkt")).status, 200);
        stand
    }

    /// Sends a request and reads the answer, which is one whatever was asked.
    pub(crate) fn send(&self, ask: Ask) -> Answer {
        let signature = self.signature(&ask);
        let credential = format!("fuzzer/{}/us-east-1/s3/aws4_request", &self.time[..8]);
        let names =
            self.signed(&ask).into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(";");
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={credential},SignedHeaders={names},Signature={signature}"
        );
        let target = match &ask.query[..] {
            "" => ask.path.clone(),
            query => format!("{}?{query}", ask.path),
        };
        let length: usize = ask.body.iter().map(Bytes::len).sum();
        let mut request = Request::builder()
            .method(&ask.method)
            .uri(&target)
            .header("host", "h")
            .header("x-amz-content-sha256", ask.payload)
            .header("x-amz-date", &self.time)
            .header("authorization", authorization);
        if length > 0 || ask.method == Method::PUT || ask.method == Method::POST {
            request = request.header("content-length", length);
        }
        for (name, value) in &ask.headers {
            let value = HeaderValue::from_bytes(value).expect("checked by the target");
            request = request.header(*name, value);
        }
        let pieces = ask.body.into_iter().map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
        let request = request.body(match length {
            0 => Either::Left(Full::default()),
            _ => Either::Right(StreamBody::new(stream::iter(pieces))),
        });
        let mut request = request.expect("checked by the target");
        // The same each time, so that answers can be compared.
        request.extensions_mut().insert(RequestId(1));
        let told = self.world.run(async {
            let (head, body) = self.gateway.call(request).await.into_parts();
            let body = body.collect().await.expect("an answer is read to its end").to_bytes();
            Answer { status: head.status.as_u16(), headers: head.headers, body }
        });
        let answer = told.expect("nothing stops it");
        assert!(answer.status < 500 || answer.status == 501, "{target}: {}", answer.text());
        answer
    }

    /// The signature of the head of a request.
    pub(crate) fn signature(&self, ask: &Ask) -> String {
        let mut query: Vec<_> = ask
            .query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                format!("{}={}", again(name), again(value))
            })
            .collect();
        query.sort();
        let mut canonical = format!("{}\n{}\n{}\n", ask.method, ask.path, query.join("&"));
        let signed = self.signed(ask);
        for (name, value) in &signed {
            writeln!(canonical, "{name}:{}", value.trim()).expect("fits");
        }
        let names = signed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        write!(canonical, "\n{names}\n{}", ask.payload).expect("fits");
        self.sign("AWS4-HMAC-SHA256", &hash(canonical.as_bytes()))
    }

    /// The headers that have to be signed.
    fn signed<'a>(&'a self, ask: &'a Ask) -> Vec<(&'static str, Cow<'a, str>)> {
        let theirs = ask.headers.iter().filter(|(name, _)| name.starts_with("x-amz-"));
        let mut all: Vec<_> =
            theirs.map(|(name, value)| (*name, String::from_utf8_lossy(value))).collect();
        all.push(("host", "h".into()));
        all.push(("x-amz-content-sha256", ask.payload.into()));
        all.push(("x-amz-date", self.time.as_str().into()));
        all.sort();
        all
    }

    /// Signs text below the time and the scope.
    pub(crate) fn sign(&self, algorithm: &str, text: &str) -> String {
        let (time, day) = (&self.time, &self.time[..8]);
        let text = format!("{algorithm}\n{time}\n{day}/us-east-1/s3/aws4_request\n{text}");
        hex(&mac(&self.key, &text))
    }
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("ASCII"))
    }

    /// The texts of all elements of this name, unescaped.
    pub(crate) fn elements(&self, name: &str) -> Vec<String> {
        let text = std::str::from_utf8(&self.body).expect("UTF-8");
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let parts = text.split(&open).skip(1).filter_map(|part| part.split_once(&close));
        parts.map(|(text, _)| unescape(text)).collect()
    }

    /// A document is well-formed: every element that opens closes, one inside the other, and
    /// nothing stands there that XML cannot hold.
    pub(crate) fn check_document(&self) {
        let text = std::str::from_utf8(&self.body).expect("UTF-8");
        let told = self.header("content-type").unwrap_or_default();
        if text.is_empty() || told != "application/xml" {
            return;
        }
        assert!(text.starts_with("<?xml "), "{text}");
        let mut open = Vec::new();
        for tag in text.split('<').skip(1) {
            let (tag, behind) = tag.split_once('>').expect("a tag ends");
            assert!(
                !behind.contains('>')
                    && !behind.contains(|c: char| c < ' ' && c != '\n' && c != '\t'),
                "{text}"
            );
            let name = tag.split(' ').next().unwrap_or_default();
            if let Some(name) = name.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name), "{text}");
            } else if !name.starts_with('?') && !tag.ends_with('/') {
                open.push(name);
            }
        }
        assert!(open.is_empty(), "{text}");
    }
}

/// Text for the content of an element.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if c < ' ' => write!(out, "&#{};", u32::from(c)).expect("fits"),
            c => out.push(c),
        }
    }
    out
}

/// The inverse, of what the gateway writes.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut parts = text.split('&');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (entity, behind) = part.split_once(';').expect("an entity ends");
        out.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            number => {
                let digits = number.strip_prefix("#x").expect("a number");
                let code = u32::from_str_radix(digits, 16).expect("a number");
                char::from_u32(code).expect("a character")
            }
        });
        out.push_str(behind);
    }
    out
}

/// Percent-encodes all that is not unreserved.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// Decoded and encoded again, as a query is signed.
fn again(text: &str) -> String {
    percent_encoding::percent_encode(&percent_decode_str(text).collect::<Vec<_>>(), UNRESERVED)
        .to_string()
}

pub(crate) fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("fits");
        text
    })
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// `20060203T164509Z`, from the words of an HTTP date.
fn now() -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let date = httpdate::fmt_http_date(SystemTime::now());
    let words: Vec<_> = date.split(' ').collect();
    let [_, day, month, year, time, _] = words[..] else { panic!("an HTTP date has six words") };
    let month = MONTHS.iter().position(|known| *known == month).expect("a month") + 1;
    format!("{year}{month:02}{day}T{}Z", time.replace(':', ""))
}
