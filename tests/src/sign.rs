//! AWS signature version 4, written from its specification so that the server's own
//! implementation is not judged by itself: in headers, in the query, and of chunks. Version 2 is
//! in `sign_v2`.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::Keys;

/// `x-amz-content-sha256` of a body that the signature does not cover.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// Signs for one access key.
#[derive(Clone)]
pub struct Signer {
    pub(crate) keys: Keys,
    pub(crate) host: String,
    /// The region of the scope.
    pub region: String,
    /// The service that signatures are made for.
    service: String,
    /// Added to the clock, to test skew.
    pub seconds_off: i64,
}

/// A request to be signed. Path and query are sent as they stand, so they have to be encoded.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The encoded path.
    pub path: String,
    /// The encoded query without `?`.
    pub query: String,
    /// Further headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The value of `x-amz-content-sha256`.
    pub payload_hash: String,
}

impl Request {
    /// A request with an unsigned payload.
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: String::new(),
            headers: Vec::new(),
            payload_hash: UNSIGNED.to_owned(),
        }
    }

    /// Sets the query.
    #[must_use]
    pub fn query(mut self, query: &str) -> Self {
        query.clone_into(&mut self.query);
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Announces a body of this length.
    #[must_use]
    pub fn length(self, length: usize) -> Self {
        self.header("content-length", &length.to_string())
    }

    /// Sets `x-amz-content-sha256`.
    #[must_use]
    pub fn payload_hash(mut self, hash: &str) -> Self {
        hash.clone_into(&mut self.payload_hash);
        self
    }

    /// Covers this body by the signature.
    #[must_use]
    pub fn signed_body(self, body: &[u8]) -> Self {
        let hash = hex(&Sha256::digest(body));
        self.payload_hash(&hash).length(body.len())
    }
}

impl Signer {
    /// A signer for requests to `host`.
    pub fn new(keys: &Keys, host: &str) -> Self {
        Self {
            keys: keys.clone(),
            host: host.to_owned(),
            region: "us-east-1".to_owned(),
            service: "s3".to_owned(),
            seconds_off: 0,
        }
    }

    /// Signs for another service than S3.
    #[must_use]
    pub fn service(mut self, service: &str) -> Self {
        service.clone_into(&mut self.service);
        self
    }

    /// The request's head, signed, up to and including the empty line.
    pub fn head(&self, request: &Request) -> Vec<u8> {
        self.head_and_signature(request).0
    }

    /// The head, and what the first chunk's signature builds on.
    pub fn head_and_signature(&self, request: &Request) -> (Vec<u8>, ChunkSigner) {
        let (date, time) = self.now();
        let mut headers = request.headers.clone();
        headers.push(("host".to_owned(), self.host.clone()));
        headers.push(("x-amz-date".to_owned(), time.clone()));
        headers.push(("x-amz-content-sha256".to_owned(), request.payload_hash.clone()));
        headers.sort_by_key(|(name, _)| name.to_ascii_lowercase());
        let (signed_names, lines) = canonical_headers(&headers);
        let query = canonical_query(&request.query);
        let canonical = format!(
            "{}\n{}\n{query}\n{lines}\n{signed_names}\n{}",
            request.method,
            encoded_anew(&request.path, "/"),
            request.payload_hash
        );
        let scope = self.scope(&date);
        let (key, signature) = self.sign(&canonical, &date, &time);
        headers.push((
            "authorization".to_owned(),
            format!(
                "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed_names}, \
                 Signature={signature}",
                self.keys.access
            ),
        ));
        let head = plain_head(request, &request.query, &headers);
        (head, ChunkSigner { key, time, scope, previous: signature })
    }

    /// The head of a request that nobody signs.
    pub fn unsigned_head(&self, request: &Request) -> Vec<u8> {
        let mut headers = request.headers.clone();
        headers.push(("host".to_owned(), self.host.clone()));
        plain_head(request, &request.query, &headers)
    }

    /// The head of a request that is signed in its query, as [`Self::head`] has it: valid for so
    /// many seconds. All its headers are signed.
    pub fn presigned_head(&self, request: &Request, expires: &str) -> Vec<u8> {
        let (date, time) = self.now();
        let mut headers = request.headers.clone();
        headers.push(("host".to_owned(), self.host.clone()));
        headers.sort_by_key(|(name, _)| name.to_ascii_lowercase());
        let (signed_names, lines) = canonical_headers(&headers);
        let credential = format!("{}/{}", self.keys.access, self.scope(&date)).replace('/', "%2F");
        let mut query = request.query.clone();
        if !query.is_empty() {
            query.push('&');
        }
        write!(
            query,
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={time}\
             &X-Amz-Expires={expires}&X-Amz-SignedHeaders={}",
            signed_names.replace(';', "%3B")
        )
        .expect("writing to a String");
        let canonical = format!(
            "{}\n{}\n{}\n{lines}\n{signed_names}\n{UNSIGNED}",
            request.method,
            encoded_anew(&request.path, "/"),
            canonical_query(&query)
        );
        let (_, signature) = self.sign(&canonical, &date, &time);
        write!(query, "&X-Amz-Signature={signature}").expect("writing to a String");
        plain_head(request, &query, &headers)
    }

    fn scope(&self, date: &str) -> String {
        format!("{date}/{}/{}/aws4_request", self.region, self.service)
    }

    /// The key of the scope, and the signature of a canonical request.
    fn sign(&self, canonical: &str, date: &str, time: &str) -> (Vec<u8>, String) {
        let digest = hex(&Sha256::digest(canonical.as_bytes()));
        let key = self.signing_key(date);
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{}\n{digest}", self.scope(date));
        let signature = hex(&mac(&key, text.as_bytes()));
        (key, signature)
    }

    fn signing_key(&self, date: &str) -> Vec<u8> {
        let key = mac(format!("AWS4{}", self.keys.secret).as_bytes(), date.as_bytes());
        let key = mac(&key, self.region.as_bytes());
        let key = mac(&key, self.service.as_bytes());
        mac(&key, b"aws4_request")
    }

    /// Seconds since 1970 by this signer's clock.
    pub(crate) fn epoch(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        now.checked_add_signed(self.seconds_off).expect("a date in our era")
    }

    /// `YYYYMMDD` and `YYYYMMDDThhmmssZ`.
    fn now(&self) -> (String, String) {
        let now = self.epoch();
        let (year, month, day) = civil_date(now / 86_400);
        let (hour, minute, second) = (now / 3_600 % 24, now / 60 % 60, now % 60);
        let date = format!("{year:04}{month:02}{day:02}");
        let time = format!("{date}T{hour:02}{minute:02}{second:02}Z");
        (date, time)
    }
}

/// Signs the chunks of a `STREAMING-AWS4-HMAC-SHA256-PAYLOAD` body, each over the one before.
pub struct ChunkSigner {
    key: Vec<u8>,
    time: String,
    scope: String,
    previous: String,
}

impl ChunkSigner {
    /// One chunk with its framing. The last one is empty.
    pub fn chunk(&mut self, data: &[u8]) -> Vec<u8> {
        let mut chunk = self.chunk_head(data);
        chunk.extend_from_slice(data);
        chunk.extend_from_slice(b"\r\n");
        chunk
    }

    /// The last chunk with trailers behind it, each `name:value`, and their signature.
    pub fn trailers(&mut self, trailers: &[String]) -> Vec<u8> {
        let mut chunk = self.chunk_head(b"");
        let lines = trailers.iter().fold(String::new(), |lines, line| lines + line + "\n");
        let digest = hex(&Sha256::digest(lines.as_bytes()));
        let text = format!(
            "AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{}\n{digest}",
            self.time, self.scope, self.previous
        );
        let signature = hex(&mac(&self.key, text.as_bytes()));
        chunk.extend_from_slice(lines.replace('\n', "\r\n").as_bytes());
        chunk.extend_from_slice(format!("x-amz-trailer-signature:{signature}\r\n\r\n").as_bytes());
        chunk
    }

    fn chunk_head(&mut self, data: &[u8]) -> Vec<u8> {
        let empty = hex(&Sha256::digest(b""));
        let digest = hex(&Sha256::digest(data));
        let text = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{}\n{empty}\n{digest}",
            self.time, self.scope, self.previous
        );
        self.previous = hex(&mac(&self.key, text.as_bytes()));
        format!("{:x};chunk-signature={}\r\n", data.len(), self.previous).into_bytes()
    }
}

/// The signed names, and a line for each: values of one name joined.
fn canonical_headers(sorted: &[(String, String)]) -> (String, String) {
    let mut merged: Vec<(String, String)> = Vec::new();
    for (name, value) in sorted {
        let name = name.to_ascii_lowercase();
        match merged.last_mut() {
            Some((last, values)) if *last == name => {
                values.push(',');
                values.push_str(value);
            }
            _ => merged.push((name, value.clone())),
        }
    }
    let names: Vec<&str> = merged.iter().map(|(name, _)| name.as_str()).collect();
    let lines = merged.iter().fold(String::new(), |mut lines, (name, value)| {
        writeln!(lines, "{name}:{value}").expect("writing to a String");
        lines
    });
    (names.join(";"), lines)
}

/// The parameters in order of their names, each with its `=`, encoded as the specification says.
fn canonical_query(query: &str) -> String {
    let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    let mut pairs: Vec<(String, String)> = parameters
        .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
        .map(|(name, value)| (encoded_anew(name, ""), encoded_anew(value, "")))
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// Decoded, and encoded but for letters, digits, four marks and what is `kept`. What does not
/// decode has no canonical form and stays.
fn encoded_anew(text: &str, kept: &str) -> String {
    let mut rest = text.as_bytes();
    let mut encoded = String::new();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                rest = &behind[2..];
                byte
            }
            _ => {
                rest = behind;
                *first
            }
        };
        let letter = char::from(byte);
        let broken = *first == b'%' && byte == b'%' && rest.len() == behind.len();
        let plain = byte.is_ascii_alphanumeric() || "-._~".contains(letter);
        if plain || broken || kept.contains(letter) {
            encoded.push(letter);
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a String");
        }
    }
    encoded
}

/// Request line and headers, up to and including the empty line.
pub(crate) fn plain_head(request: &Request, query: &str, headers: &[(String, String)]) -> Vec<u8> {
    let mark = if query.is_empty() { "" } else { "?" };
    let mut head = format!("{} {}{mark}{query} HTTP/1.1\r\n", request.method, request.path);
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").expect("writing to a String");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String");
        text
    })
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
pub(crate) fn civil_date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::civil_date;

    #[test]
    fn known_days_have_known_dates() {
        for (day, date) in [
            (0, (1970, 1, 1)),
            (59, (1970, 3, 1)),
            (789, (1972, 2, 29)),
            (11_016, (2000, 2, 29)),
            (20_454, (2026, 1, 1)),
        ] {
            assert_eq!(civil_date(day), date);
        }
    }
}
