//! AWS signature version 4, written from its specification so that the server's own
//! implementation is not judged by itself. Headers and chunks; presigning is left to boto3.

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
    keys: Keys,
    region: String,
    host: String,
    /// The service that signatures are made for.
    service: String,
    /// Added to the clock, to test skew.
    pub seconds_off: i64,
}

/// A request to be signed. The path is sent and signed as it stands, so it has to be encoded.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The encoded path.
    pub path: String,
    /// The encoded query without `?`, its parameters in order.
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
            region: "us-east-1".to_owned(),
            host: host.to_owned(),
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
        headers.sort();
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        let signed_names = names.join(";");
        let mut canonical = format!("{}\n{}\n{}\n", request.method, request.path, request.query);
        for (name, value) in &headers {
            writeln!(canonical, "{name}:{value}").expect("writing to a String");
        }
        write!(canonical, "\n{signed_names}\n{}", request.payload_hash)
            .expect("writing to a String");
        let scope = format!("{date}/{}/{}/aws4_request", self.region, self.service);
        let digest = hex(&Sha256::digest(canonical.as_bytes()));
        let key = self.signing_key(&date);
        let signature =
            hex(&mac(&key, format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}").as_bytes()));
        let mut head = format!("{} {}", request.method, request.path);
        if !request.query.is_empty() {
            write!(head, "?{}", request.query).expect("writing to a String");
        }
        head.push_str(" HTTP/1.1\r\n");
        for (name, value) in &headers {
            write!(head, "{name}: {value}\r\n").expect("writing to a String");
        }
        write!(
            head,
            "authorization: AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed_names}, \
             Signature={signature}\r\n\r\n",
            self.keys.access
        )
        .expect("writing to a String");
        (head.into_bytes(), ChunkSigner { key, time, scope, previous: signature })
    }

    fn signing_key(&self, date: &str) -> Vec<u8> {
        let key = mac(format!("AWS4{}", self.keys.secret).as_bytes(), date.as_bytes());
        let key = mac(&key, self.region.as_bytes());
        let key = mac(&key, self.service.as_bytes());
        mac(&key, b"aws4_request")
    }

    /// `YYYYMMDD` and `YYYYMMDDThhmmssZ`.
    fn now(&self) -> (String, String) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let now = now.checked_add_signed(self.seconds_off).expect("a date in our era");
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
        let empty = hex(&Sha256::digest(b""));
        let digest = hex(&Sha256::digest(data));
        let text = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{}\n{empty}\n{digest}",
            self.time, self.scope, self.previous
        );
        self.previous = hex(&mac(&self.key, text.as_bytes()));
        let mut chunk =
            format!("{:x};chunk-signature={}\r\n", data.len(), self.previous).into_bytes();
        chunk.extend_from_slice(data);
        chunk.extend_from_slice(b"\r\n");
        chunk
    }
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
fn civil_date(days: u64) -> (u64, u64, u64) {
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
