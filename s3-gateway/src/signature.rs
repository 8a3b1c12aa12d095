//! What is wrong with the way a request is signed.
//!
//! The protocol library verifies signatures, and calls much of what it cannot read an invalid
//! request. Once it has refused one, this finds out what S3 would have said; a request that it
//! takes is not looked at. Codes: "Error responses" of the S3 API reference,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>.

use hyper::header::{AUTHORIZATION, DATE, HeaderMap, HeaderName, HeaderValue};
use s3s::dto::{Timestamp, TimestampFormat};

use crate::config::{DEFAULT_REGION, Region};
use crate::error::{Code, Failure};

const BUCKET_REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const DATE_OF_AMAZON: HeaderName = HeaderName::from_static("x-amz-date");

/// The parameters of a request that is signed in its query.
const PARAMETERS: [&str; 6] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];

/// What the SHA-256 of a body may be instead of one.
const PAYLOADS: [&str; 6] = [
    "UNSIGNED-PAYLOAD",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
];

/// How the body of a request travels, as its signature says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// In chunks, each signed.
    SignedChunks,
    /// Whole, with its SHA-256 in the signature.
    Hashed,
    /// Neither.
    Plain,
}

/// What a request says about its signature, kept until that was verified.
pub(crate) struct Signed {
    authorization: Option<HeaderValue>,
    hash: Option<HeaderValue>,
}

/// Where a scope stands.
#[derive(Clone, Copy)]
enum Place {
    Header,
    Query,
}

impl Signed {
    /// Keeps it.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        // An empty one says no more than none.
        let authorization = headers.get(AUTHORIZATION).filter(|it| !it.is_empty()).cloned();
        Self { authorization, hash: headers.get(CONTENT_SHA256).cloned() }
    }

    /// How the body travels.
    pub(crate) fn payload(&self) -> Payload {
        let hash = self.hash.as_ref().map_or(&b""[..], HeaderValue::as_bytes);
        if hash.starts_with(b"STREAMING-AWS4-") {
            Payload::SignedChunks
        } else if hash.len() == 64 {
            Payload::Hashed
        } else {
            Payload::Plain
        }
    }

    /// Why a request was refused whose operation was not known yet, if its signature is why.
    pub(crate) fn refusal(&self, query: Option<&str>, home: Option<&Region>) -> Option<Failure> {
        let in_query = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let mut in_query = in_query.filter(|(name, _)| PARAMETERS.contains(&&**name));
        if in_query.clone().any(|(name, _)| name == "X-Amz-Signature") {
            let credential = in_query.find(|(name, _)| name == "X-Amz-Credential")?.1;
            return Place::Query
                .check_scope(&credential, home)
                .and_then(|()| self.check_hash())
                .err();
        }
        let authorization = self.authorization.as_ref()?;
        let mut checked = check_header(authorization, home);
        if authorization.as_bytes().starts_with(b"AWS4-") {
            checked = checked.and_then(|()| self.check_hash());
        }
        checked.err()
    }

    /// Measured: versity/versitygw#1352.
    fn check_hash(&self) -> Result<(), Failure> {
        let Some(hash) = &self.hash else {
            return Ok(());
        };
        let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_hash = hash.len() == 64 && hash.as_bytes().iter().all(digit);
        if is_hash || PAYLOADS.iter().any(|payload| hash == *payload) {
            return Ok(());
        }
        let message = format!("{CONTENT_SHA256} must be {} or a SHA-256.", PAYLOADS.join(", "));
        let value = String::from_utf8_lossy(hash.as_bytes());
        Err(Failure::argument("x-amz-content-sha256", &value, message))
    }
}

/// Whether what signs a request in its headers can be read.
fn check_header(header: &HeaderValue, home: Option<&Region>) -> Result<(), Failure> {
    let text = header.to_str().map_err(|_| malformed("it is not ASCII"))?;
    let (kind, rest) = text.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((text, ""));
    if kind == "AWS" {
        let whole = rest.contains(':');
        return if whole { Ok(()) } else { Err(malformed("expecting AccessKeyId:Signature")) };
    }
    if kind == "AWS4-ECDSA-P256-SHA256" {
        return Ok(());
    }
    if kind != "AWS4-HMAC-SHA256" {
        // Measured: danialfarid/ng-file-upload#615, versity/versitygw#1512. S3 repeats the value,
        // which may be a secret of somebody else's.
        return Err(Failure::new(Code::InvalidArgument, "Unsupported Authorization Type.")
            .element("ArgumentName", "Authorization"));
    }
    let mut components = rest.split(',').map(str::trim);
    let mut component = |name: &str| components.next()?.strip_prefix(name)?.strip_prefix('=');
    let (credential, headers, signature) =
        (component("Credential"), component("SignedHeaders"), component("Signature"));
    let (Some(credential), Some(_), Some(signature), None) =
        (credential, headers, signature, components.next())
    else {
        return Err(malformed(
            "the authorization header requires three components: Credential, SignedHeaders, and \
             Signature",
        ));
    };
    if signature.contains(|c: char| c.is_ascii_whitespace()) {
        return Err(malformed("the signature has spaces"));
    }
    Place::Header.check_scope(credential, home)
}

fn malformed(why: &str) -> Failure {
    Place::Header.refuse(why)
}

impl Place {
    /// Whether a credential is for this service and region.
    fn check_scope(self, credential: &str, home: Option<&Region>) -> Result<(), Failure> {
        let parts: Vec<_> = credential.split('/').collect();
        let [_, date, region, service, "aws4_request"] = parts[..] else {
            return Err(self.no_credential());
        };
        if date.len() != 8 || !date.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self.no_credential());
        }
        if service != "s3" {
            let why = format!("incorrect service \"{service}\". This endpoint belongs to \"s3\"");
            return Err(self.refuse(&why));
        }
        let right = match home {
            Some(home) => home.as_str() == region,
            None => region.is_empty() || region.parse::<Region>().is_ok(),
        };
        if right {
            return Ok(());
        }
        // Clients that guess the region learn the right one from this answer.
        let home = home.map_or(DEFAULT_REGION, Region::as_str);
        let header = HeaderValue::try_from(home).expect("letters, digits, hyphens");
        Err(self
            .refuse(&format!("the region '{region}' is wrong; expecting '{home}'"))
            .element("Region", home)
            .header(BUCKET_REGION, header))
    }

    fn no_credential(self) -> Failure {
        self.refuse(
            "the Credential is mal-formed; expecting \
             \"<YOUR-AKID>/YYYYMMDD/REGION/s3/aws4_request\"",
        )
    }

    fn refuse(self, why: &str) -> Failure {
        match self {
            Self::Header => Failure::new(
                Code::AuthorizationHeaderMalformed,
                format!("The authorization header is malformed; {why}."),
            ),
            Self::Query => Failure::new(
                Code::AuthorizationQueryParameters,
                format!("Error parsing the X-Amz-Credential parameter; {why}."),
            ),
        }
    }
}

/// What somebody is told whom no signature names: the query may have been meant to be one.
pub(crate) fn check_anonymous(query: Option<&str>) -> Result<(), Failure> {
    let mut names =
        form_urlencoded::parse(query.unwrap_or_default().as_bytes()).map(|(name, _)| name);
    if names.any(|name| PARAMETERS.contains(&&*name)) {
        let message = format!(
            "Query-string authentication version 4 requires the parameters {}.",
            PARAMETERS.join(", ")
        );
        return Err(Failure::new(Code::AuthorizationQueryParameters, message));
    }
    Ok(())
}

/// Whether a request that is signed in its headers says when, once. S3 answers 403 `AccessDenied`
/// where no date can be read (aws/aws-sdk-js#120, hubrick/vertx-s3-client#5); the library takes a
/// repeated date for none and calls all of these malformed, and would read `Date` instead for
/// signatures of version 2.
pub(crate) fn is_dated(headers: &HeaderMap) -> bool {
    let Some(authorization) = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes) else {
        return true;
    };
    let mut dates = headers.get_all(DATE_OF_AMAZON).iter();
    let (date, again) = (dates.next(), dates.next());
    let (version_2, version_4) =
        (authorization.starts_with(b"AWS "), authorization.starts_with(b"AWS4-"));
    match date {
        _ if again.is_some() => false,
        Some(date) => !(version_2 || version_4) || is_compact_time(date.as_bytes()),
        None if version_2 => headers.get(DATE).is_some_and(is_http_date),
        None => !version_4,
    }
}

/// Whether the library can read this as the time of a signature of version 2.
fn is_http_date(date: &HeaderValue) -> bool {
    let read = |date| Timestamp::parse(TimestampFormat::HttpDate, date).is_ok();
    date.to_str().is_ok_and(read)
}

/// Whether this looks like `20060203T164509Z`.
fn is_compact_time(text: &[u8]) -> bool {
    let fits = |(at, byte): (usize, &u8)| match at {
        8 => *byte == b'T',
        15 => *byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    text.len() == 16 && text.iter().enumerate().all(fits)
}
