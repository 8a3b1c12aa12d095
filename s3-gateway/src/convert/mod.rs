//! Between the words of the protocol and those of the engine: tags, times, headers, conditions.

use std::time::{Duration, UNIX_EPOCH};

use coffer_storage_engine::bucket::{BucketInfo, Versioning};
use coffer_storage_engine::object::{
    ETag, StoredHeader, TagCondition, VersionId, VersionInfo, WriteCondition,
};
use coffer_types::{ChecksumAlgorithm, Timestamp};
use hyper::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, ETAG,
    EXPIRES, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED,
};
use s3s::dto;

use crate::error::{Code, Failure};

/// Where a website would send those who ask for the object. Stored and told, but followed by
/// nobody here. It belongs to one object: a copy does not take it along, whatever it takes of
/// other headers ("CopyObject" of the API reference).
pub(crate) const REDIRECT_LOCATION_NAME: &str = "x-amz-website-redirect-location";
const REDIRECT_LOCATION: HeaderName = HeaderName::from_static(REDIRECT_LOCATION_NAME);

/// Headers of an upload that are stored and given back.
static STORED: [HeaderName; 7] = [
    CACHE_CONTROL,
    CONTENT_DISPOSITION,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_TYPE,
    EXPIRES,
    REDIRECT_LOCATION,
];

/// What an object is said to be when its upload did not say.
const DEFAULT_CONTENT_TYPE: HeaderValue = HeaderValue::from_static("binary/octet-stream");

/// The most bytes of a redirect location.
const REDIRECT_LOCATION_MAX: usize = 2 << 10;

/// The most bytes of user metadata: names and values together.
const USER_METADATA_MAX: usize = 2 << 10;

/// `x-amz-version-id`.
pub(crate) const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");
/// `x-amz-delete-marker`.
pub(crate) const DELETE_MARKER: HeaderName = HeaderName::from_static("x-amz-delete-marker");

/// Formats something whose text is always a valid header value.
fn header_value(text: impl Into<String>) -> HeaderValue {
    HeaderValue::try_from(text.into()).expect("digits, letters and quotes are valid in headers")
}

/// A version id as a header.
pub(crate) fn version_header(version: VersionId) -> HeaderValue {
    match version {
        VersionId::Null => HeaderValue::from_static("null"),
        VersionId::Seq(_) => header_value(version.to_string()),
    }
}

/// The version id that an answer names: none in a bucket that never kept versions.
pub(crate) fn shown_version(versioning: Versioning, version: VersionId) -> Option<VersionId> {
    match versioning {
        Versioning::Off => None,
        Versioning::Enabled | Versioning::Suspended => Some(version),
    }
}

/// Says which version was made, if it has an id of its own: a write to a bucket whose versions are
/// suspended makes the null version, and S3 does not name it then.
pub(crate) fn add_version(
    headers: &mut HeaderMap,
    bucket: &BucketInfo,
    version: Option<VersionId>,
) {
    let named = version.filter(|version| *version != VersionId::Null);
    if let Some(version) = named.and_then(|version| shown_version(bucket.versioning, version)) {
        headers.insert(VERSION_ID, version_header(version));
    }
}

/// A version id of a query; an empty one is refused like a wrong one.
pub(crate) fn version_of(text: Option<&str>) -> Result<Option<VersionId>, Failure> {
    Ok(text.map(str::parse).transpose()?)
}

/// A tag in its quotes, as a header.
pub(crate) fn etag_header(etag: &ETag) -> HeaderValue {
    let tag = etag.as_str();
    let mut quoted = String::with_capacity(tag.len() + 2);
    quoted.push('"');
    quoted.push_str(tag);
    quoted.push('"');
    HeaderValue::try_from(quoted).unwrap_or(HeaderValue::from_static("\"\""))
}

/// A point in time as HTTP writes it, as a header.
pub(crate) fn http_date_header(time: Timestamp) -> HeaderValue {
    // HTTP dates end with the year 9999.
    let seconds = time.as_secs().min(253_402_300_799);
    header_value(httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds)))
}

/// A date of HTTP; `None` when it does not parse.
pub(crate) fn parse_http_date(text: &str) -> Option<Timestamp> {
    let time = httpdate::parse_http_date(text).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok().map(Timestamp::from_millis)
}

/// Writes a point in time as the protocol's documents do: `2006-02-03T16:45:09.000Z`. Digit by
/// digit, because a listing writes a thousand of them.
pub(crate) fn push_iso8601(out: &mut String, time: Timestamp) {
    let (days, millis) = (time.as_millis() / 86_400_000, time.as_millis() % 86_400_000);
    let (year, month, day) = civil_from_days(days);
    for (value, width, behind) in [
        (year, 4, '-'),
        (month, 2, '-'),
        (day, 2, 'T'),
        (millis / 3_600_000, 2, ':'),
        (millis / 60_000 % 60, 2, ':'),
        (millis / 1_000 % 60, 2, '.'),
        (millis % 1_000, 3, 'Z'),
    ] {
        push_digits(out, value, width);
        out.push(behind);
    }
}

/// Writes the last digits of a number.
fn push_digits(out: &mut String, value: u64, width: u32) {
    for at in (0..width).rev() {
        let digit = u8::try_from(value / 10_u64.pow(at) % 10).expect("one digit");
        out.push(char::from(b'0' + digit));
    }
}

/// Year, month and day of a day since 1970-01-01, in the proleptic Gregorian calendar: counted in
/// eras of 400 years that begin on 1 March, so that the leap day is the last of its year.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// Adds what lets a client ask whether its copy is still good: tag and date.
pub(crate) fn add_validators(headers: &mut HeaderMap, info: &VersionInfo) {
    headers.insert(ETAG, etag_header(&info.etag));
    headers.insert(LAST_MODIFIED, http_date_header(info.modified));
}

/// The headers of an upload that are stored. `aws-chunked` is how the body travelled, not what it
/// is, and is left out.
pub(crate) fn stored_headers(headers: &HeaderMap) -> Result<Vec<StoredHeader>, Failure> {
    let mut stored = Vec::new();
    for name in &STORED {
        let Some(value) = headers.get(name) else {
            continue;
        };
        let text = utf8(name, value)?;
        let value = if *name == CONTENT_ENCODING { without_aws_chunked(text) } else { text.into() };
        if *name == REDIRECT_LOCATION {
            check_redirect(&value)?;
        }
        if !value.is_empty() {
            stored.push(StoredHeader { name: name.as_str().to_owned(), value });
        }
    }
    Ok(stored)
}

/// The redirect location that a request names.
pub(crate) fn redirect_location(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let Some(value) = headers.get(REDIRECT_LOCATION) else {
        return Ok(None);
    };
    let location = utf8(&REDIRECT_LOCATION, value)?;
    check_redirect(location)?;
    Ok(Some(location.to_owned()))
}

fn utf8<'a>(name: &HeaderName, value: &'a HeaderValue) -> Result<&'a str, Failure> {
    std::str::from_utf8(value.as_bytes()).map_err(|_| {
        let message = format!("The value of the header {name} is not UTF-8.");
        Failure::new(Code::InvalidArgument, message)
    })
}

/// "The value must be prefixed by /, http://, or https://. The length of the value is limited to
/// 2 KB": "How to configure a redirect" and `PutObject`. The code is measured (aws/aws-cli#1130).
fn check_redirect(location: &str) -> Result<(), Failure> {
    let starts = ["/", "http://", "https://"].into_iter().any(|start| location.starts_with(start));
    if starts && location.len() <= REDIRECT_LOCATION_MAX {
        return Ok(());
    }
    let message = if starts {
        "The website redirect location must not exceed 2048 bytes."
    } else {
        "The website redirect location must have a prefix of 'http://' or 'https://' or '/'."
    };
    Err(Failure::new(Code::InvalidRedirectLocation, message))
}

fn without_aws_chunked(encodings: &str) -> String {
    let kept = encodings.split(',').map(str::trim);
    let kept: Vec<_> = kept.filter(|coding| !coding.eq_ignore_ascii_case("aws-chunked")).collect();
    kept.join(",")
}

/// Makes one line of several lines of user metadata of one name, with commas between the values
/// (measured: versity/versitygw#1931). A signature covers them in this form, too.
pub(crate) fn merge_metadata(headers: &mut HeaderMap) {
    let repeated = |name: &&HeaderName| {
        name.as_str().starts_with("x-amz-meta-") && headers.get_all(*name).iter().nth(1).is_some()
    };
    let names: Vec<HeaderName> = headers.keys().filter(repeated).cloned().collect();
    for name in names {
        let values = headers.get_all(&name).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>();
        if let Ok(merged) = HeaderValue::from_bytes(&values.join(&b',')) {
            headers.insert(name, merged);
        }
    }
}

/// User metadata as the engine keeps it: in order of names, within the limit.
pub(crate) fn user_metadata(metadata: Option<dto::Metadata>) -> Result<Vec<StoredHeader>, Failure> {
    let mut pairs: Vec<StoredHeader> =
        metadata.into_iter().flatten().map(|(name, value)| StoredHeader { name, value }).collect();
    pairs.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let size: usize = pairs.iter().map(|pair| pair.name.len() + pair.value.len()).sum();
    if size > USER_METADATA_MAX {
        return Err(Failure::new(
            Code::MetadataTooLarge,
            "Your metadata headers exceed the maximum allowed metadata size of 2048 bytes.",
        )
        .element("Size", size.to_string())
        .element("MaxSizeAllowed", USER_METADATA_MAX.to_string()));
    }
    Ok(pairs)
}

/// Adds what is stored with a version to the headers of an answer.
pub(crate) fn add_stored(headers: &mut HeaderMap, stored: &[StoredHeader]) {
    for StoredHeader { name, value } in stored {
        let name = STORED.iter().find(|known| known.as_str() == name);
        if let (Some(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    headers.entry(CONTENT_TYPE).or_insert(DEFAULT_CONTENT_TYPE);
}

/// What the headers of a request ask of an entity tag.
pub(crate) fn tag_condition(condition: dto::ETagCondition) -> TagCondition {
    match condition {
        dto::ETagCondition::Any => TagCondition::Any,
        dto::ETagCondition::ETag(etag) => tag_of(etag),
    }
}

/// What the headers of a write ask of the current version.
pub(crate) fn write_condition(
    if_match: Option<dto::IfMatch>,
    if_none_match: Option<dto::IfNoneMatch>,
) -> WriteCondition {
    WriteCondition {
        if_match: if_match.map(tag_condition),
        if_none_match: if_none_match.map(tag_condition),
        ..WriteCondition::default()
    }
}

/// What must match this tag.
pub(crate) fn tag_of(etag: dto::ETag) -> TagCondition {
    match etag.into_value() {
        any if any == "*" => TagCondition::Any,
        tag => TagCondition::OneOf(vec![ETag::new(tag)]),
    }
}

/// A size that a condition names.
pub(crate) fn size(size: i64) -> Result<u64, Failure> {
    u64::try_from(size)
        .map_err(|_| Failure::argument("Size", &size.to_string(), "A size must not be negative."))
}

/// A time of the protocol library, to the second.
pub(crate) fn timestamp(time: &dto::Timestamp) -> Option<Timestamp> {
    let mut text = Vec::with_capacity(32);
    time.format(dto::TimestampFormat::HttpDate, &mut text).ok()?;
    parse_http_date(std::str::from_utf8(&text).ok()?)
}

/// The name of an algorithm in headers and documents.
pub(crate) const fn algorithm_name(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "CRC32",
        ChecksumAlgorithm::Crc32c => "CRC32C",
        ChecksumAlgorithm::Crc64Nvme => "CRC64NVME",
        ChecksumAlgorithm::Sha1 => "SHA1",
        ChecksumAlgorithm::Sha256 => "SHA256",
    }
}

#[cfg(test)]
mod tests;
