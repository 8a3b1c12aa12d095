//! How a request is signed: AWS signature version 4 in the `Authorization` header, with an access
//! key of the store and the service name `coffer`, so that a signature made for S3 is none here.
//!
//! The signature covers the method, the path as it is sent, the headers that it names, and the
//! SHA-256 of the body. [`sign`] and [`Claim`] build the same text by the same function, from the
//! code that also verifies S3 requests.
//!
//! Invariants, for whoever verifies: `host`, `x-amz-date` and `x-amz-content-sha256` are covered
//! and there once; the body's hash is a real one; the date is within [`SKEW_MAX`] of now and is that
//! of the credential's scope; the region may be any; signatures are compared in constant time.

use std::time::Duration;

use coffer_types::Timestamp;
use s3s_sigv4::{AmzDate, AuthorizationV4, Payload};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The service that a signature is made for.
pub const SERVICE: &str = "coffer";
/// The region that our own client names.
pub const REGION: &str = "us-east-1";
/// The algorithm, as headers name it.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far the clocks of both sides may be apart.
pub const SKEW_MAX: Duration = Duration::from_mins(15);
/// When the request was signed: `YYYYMMDDThhmmssZ`.
pub const DATE_HEADER: &str = "x-amz-date";
/// SHA-256 of the body, 64 lower-case hexadecimal digits.
pub const BODY_HEADER: &str = "x-amz-content-sha256";

const HOST_HEADER: &str = "host";
const AUTHORIZATION_HEADER: &str = "authorization";
/// What has to be covered, in order.
const COVERED: [&str; 3] = [HOST_HEADER, BODY_HEADER, DATE_HEADER];
const DATE_FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// Why a request is not believed before its secret is even looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nobody signed it.
    #[error("the request is not signed: sign it with an access key of this store")]
    Anonymous,
    /// The `Authorization` header is not one of signature version 4, or is there twice.
    #[error("the Authorization header is not one of AWS signature version 4 in headers")]
    Malformed,
    /// It was made for another service.
    #[error("the signature is made for another service: sign for the service \"coffer\"")]
    Service,
    /// A header is missing, there twice, or not covered.
    #[error("the signature has to cover one header {0}")]
    Header(&'static str),
    /// The date does not parse, or is not the one of the scope.
    #[error("the header x-amz-date is not the date that the signature is made for")]
    Date,
    /// The hash of the body is none.
    #[error(
        "the header x-amz-content-sha256 has to be the SHA-256 of the body as hexadecimal digits"
    )]
    Body,
    /// Signed too long ago, or in the future.
    #[error("the request was signed more than 15 minutes before or after now: set the clock right")]
    Skewed,
}

/// The headers that a signed request needs beside `host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHeaders {
    /// [`DATE_HEADER`].
    pub date: String,
    /// [`BODY_HEADER`].
    pub body: String,
    /// `authorization`.
    pub authorization: String,
}

/// What is signed, by the side that sends it.
#[derive(Clone, Copy, Debug)]
pub struct Unsigned<'a> {
    /// The method.
    pub method: &'a str,
    /// The path, as it is sent. There is no query.
    pub path: &'a str,
    /// The value of `host`.
    pub host: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// Signs a request.
pub fn sign(unsigned: Unsigned<'_>, key: &str, secret: &str, now: Timestamp) -> SignedHeaders {
    let Unsigned { method, path, host, body } = unsigned;
    let date = format_date(now);
    let body = hash(body);
    let headers = [(HOST_HEADER, host), (BODY_HEADER, &body), (DATE_HEADER, &date)];
    let parsed = AmzDate::parse(&date).expect("a date of this format");
    let covered = Covered { method, path, headers: &headers, body: &body };
    let signature = covered.signature(&parsed, REGION, secret);
    let scope = format!("{}/{REGION}/{SERVICE}/aws4_request", parsed.fmt_date());
    let names = COVERED.join(";");
    let authorization = format!(
        "{ALGORITHM} Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
    );
    SignedHeaders { date, body, authorization }
}

/// The head of a request, by the side that got it.
#[derive(Clone, Debug)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a str,
    /// The path, as it came.
    pub path: &'a str,
    /// All headers with a value that is text, names in lower case.
    pub headers: Vec<(&'a str, &'a str)>,
}

impl<'a> Head<'a> {
    /// The value of a header that is there once.
    fn once(&self, name: &str) -> Option<&'a str> {
        let mut found = self.headers.iter().filter(|(have, _)| *have == name);
        let (_, value) = found.next()?;
        found.next().is_none().then_some(*value)
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(have, _)| *have == name)
    }
}

/// What a signed request claims: who sent it, when, and which body. Believed once
/// [`Claim::is_signed_with`] says so, and its body once [`Claim::covers_body`] does.
#[derive(Debug)]
pub struct Claim<'a> {
    head: &'a Head<'a>,
    authorization: AuthorizationV4<'a>,
    date: AmzDate,
    body: &'a str,
}

impl<'a> Claim<'a> {
    /// Reads the claim of a request; the signature itself is not looked at yet.
    pub fn read(head: &'a Head<'a>, now: Timestamp) -> Result<Self, Refused> {
        if !head.has(AUTHORIZATION_HEADER) {
            return Err(Refused::Anonymous);
        }
        let authorization = head.once(AUTHORIZATION_HEADER).ok_or(Refused::Malformed)?;
        let authorization =
            AuthorizationV4::parse(authorization).map_err(|_| Refused::Malformed)?;
        let ascending = authorization.signed_headers.is_sorted_by(|left, right| left < right);
        if authorization.algorithm != ALGORITHM || !ascending {
            return Err(Refused::Malformed);
        }
        if authorization.credential.aws_service != SERVICE {
            return Err(Refused::Service);
        }
        for name in COVERED {
            if head.once(name).is_none() || !authorization.signed_headers.contains(&name) {
                return Err(Refused::Header(name));
            }
        }
        let date = head.once(DATE_HEADER).ok_or(Refused::Date)?;
        let date = AmzDate::parse(date).map_err(|_| Refused::Date)?;
        if date.fmt_date().as_str() != authorization.credential.date {
            return Err(Refused::Date);
        }
        let body = head.once(BODY_HEADER).filter(|text| is_hash(text)).ok_or(Refused::Body)?;
        let seconds = date.to_time().ok_or(Refused::Date)?.as_second();
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if seconds.abs_diff(now) > SKEW_MAX.as_secs() {
            return Err(Refused::Skewed);
        }
        Ok(Self { head, authorization, date, body })
    }

    /// The id of the access key that it names.
    pub fn access_key(&self) -> &'a str {
        self.authorization.credential.access_key_id
    }

    /// Whether the holder of this secret signed it.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let names = self.authorization.signed_headers.iter();
        let headers: Vec<(&str, &str)> = names
            .flat_map(|name| self.head.headers.iter().filter(move |(have, _)| have == name))
            .copied()
            .collect();
        let (method, path) = (self.head.method, self.head.path);
        let covered = Covered { method, path, headers: &headers, body: self.body };
        let region = self.authorization.credential.aws_region;
        let expected = covered.signature(&self.date, region, secret);
        expected.as_bytes().ct_eq(self.authorization.signature.as_bytes()).into()
    }

    /// Whether this is the body that was signed.
    pub fn covers_body(&self, body: &[u8]) -> bool {
        hash(body).as_bytes().ct_eq(self.body.as_bytes()).into()
    }
}

/// All that a signature covers: the one canonical form of both sides.
struct Covered<'a> {
    method: &'a str,
    path: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a str,
}

impl Covered<'_> {
    fn signature(&self, date: &AmzDate, region: &str, secret: &str) -> String {
        let Self { method, path, headers, body } = *self;
        let no_query: &[(&str, &str)] = &[];
        let payload = Payload::SingleChunk(body);
        let canonical = s3s_sigv4::create_canonical_request_with_raw_uri_path(
            method, path, no_query, headers, payload,
        );
        let text = s3s_sigv4::create_string_to_sign(&canonical, date, region, SERVICE);
        s3s_sigv4::calculate_signature(&text, secret, date, region, SERVICE)
    }
}

fn hash(body: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    Sha256::digest(body).iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
}

fn format_date(now: Timestamp) -> String {
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_second(seconds).expect("a clock within ten thousand years");
    time.strftime(DATE_FORMAT).to_string()
}

#[cfg(test)]
mod tests;
