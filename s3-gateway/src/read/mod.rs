//! Reading objects: the way of `GetObject` and `HeadObject`.
//!
//! The protocol library verifies the signature and hands the request over as it is ([`route`]).
//! Ranges, entity tags and dates are parsed here, because the library refuses what HTTP says is
//! to be ignored, and because this is the path that must be short.

mod part;
mod range;
mod route;
mod target;

use std::borrow::Cow;

use coffer_access::Action;
use coffer_storage_engine::bucket::BucketInfo;
use coffer_storage_engine::object::get::{ByteRange, GetObject};
use coffer_storage_engine::object::{
    ObjectError, ReadCondition, StoredHeader, TagCondition, VersionId, VersionInfo,
};
use coffer_types::{ObjectKey, PartNumber, Timestamp};
use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE,
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, EXPIRES, HeaderMap, HeaderName, HeaderValue,
    IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, RANGE,
};

use self::range::Comparison;
pub(crate) use self::route::ReadRoute;
pub(crate) use self::target::Target;
use crate::checksum::Shown;
use crate::convert;
use crate::error::Failure;

/// What reading a version is called.
pub(crate) fn action(version: Option<VersionId>) -> Action {
    match version {
        None => Action::GetObject,
        Some(_) => Action::GetObjectVersion,
    }
}

/// What a read asks for.
#[derive(Debug)]
pub(crate) struct ReadRequest {
    pub(crate) key: ObjectKey,
    pub(crate) version: Option<VersionId>,
    pub(crate) range: Option<ByteRange>,
    condition: ReadCondition,
    /// Whether the answer carries the checksums.
    checksums: bool,
    /// The part that is asked for.
    part: Option<PartNumber>,
    /// Headers that the query sets instead of what is stored.
    overrides: Vec<(HeaderName, HeaderValue)>,
}

impl ReadRequest {
    /// Reads the headers and the query.
    pub(crate) fn parse(
        key: String,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Result<Self, Failure> {
        let mut read = Self {
            key: ObjectKey::parse(key)?,
            version: None,
            range: headers.get(RANGE).and_then(|v| v.to_str().ok()).and_then(range::parse_range),
            condition: condition(
                headers,
                [&IF_MATCH, &IF_NONE_MATCH, &IF_MODIFIED_SINCE, &IF_UNMODIFIED_SINCE],
            ),
            checksums: headers
                .get("x-amz-checksum-mode")
                .is_some_and(|mode| mode.as_bytes().eq_ignore_ascii_case(b"ENABLED")),
            part: None,
            overrides: Vec::new(),
        };
        for (name, value) in query.into_iter().flat_map(|q| form_urlencoded::parse(q.as_bytes())) {
            read.take_parameter(&name, &value)?;
        }
        Ok(read)
    }

    fn take_parameter(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        let overridden = match name {
            "versionId" => {
                self.version = Some(value.parse()?);
                return Ok(());
            }
            "partNumber" => {
                self.part = Some(part::parse(value, self.range)?);
                return Ok(());
            }
            "response-cache-control" => CACHE_CONTROL,
            "response-content-disposition" => CONTENT_DISPOSITION,
            "response-content-encoding" => CONTENT_ENCODING,
            "response-content-language" => CONTENT_LANGUAGE,
            "response-content-type" => CONTENT_TYPE,
            "response-expires" => EXPIRES,
            _ => return Ok(()),
        };
        let header = HeaderValue::from_str(value).map_err(|_| {
            let message = format!("The value of response-{overridden} cannot be sent in a header.");
            Failure::argument("response-*", value, message)
        })?;
        self.overrides.push((overridden, header));
        Ok(())
    }

    /// What the engine is asked.
    pub(crate) fn take_get(&mut self, bucket: &BucketInfo) -> GetObject {
        GetObject {
            bucket: bucket.into(),
            key: self.key.clone(),
            version: self.version,
            range: self.range,
            part: self.part,
            condition: std::mem::take(&mut self.condition),
        }
    }

    /// The headers that describe what was found, but for its length.
    pub(crate) fn describe(&self, info: &VersionInfo, bucket: &BucketInfo) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(16);
        convert::add_validators(&mut headers, info);
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        convert::add_stored(&mut headers, &info.headers);
        add_metadata(&mut headers, &info.user_metadata);
        if let Some(version) = convert::shown_version(bucket.versioning, info.version) {
            headers.insert(convert::VERSION_ID, convert::version_header(version));
        }
        // A checksum is one of the whole object.
        let whole = self.range.is_none() && self.part_of(info).is_none();
        if self.checksums && whole {
            Shown::of_version(info).add_headers(&mut headers);
        }
        for (name, value) in &self.overrides {
            headers.insert(name, value.clone());
        }
        headers
    }

    /// The bytes of a version that this asks for: first offset and length; `None` for all of them.
    pub(crate) fn extent(&self, info: &VersionInfo) -> Result<Option<(u64, u64)>, ObjectError> {
        match (self.range, self.part) {
            (None, None) => Ok(None),
            (None, Some(number)) => info.part(number).map(Some),
            (Some(range), _) => {
                let outside = ObjectError::RangeNotSatisfiable { size: info.size };
                range.within(info.size).map(Some).ok_or(outside)
            }
        }
    }
}

/// What four headers ask of a version: to match and not to match, to be newer and not to be newer.
/// A date that does not parse asks nothing.
pub(crate) fn condition(headers: &HeaderMap, names: [&HeaderName; 4]) -> ReadCondition {
    let [if_match, if_none_match, if_modified_since, if_unmodified_since] = names;
    let date = |name: &HeaderName| -> Option<Timestamp> {
        headers.get(name)?.to_str().ok().and_then(convert::parse_http_date)
    };
    ReadCondition {
        if_match: tags(headers, if_match, Comparison::Strong),
        if_none_match: tags(headers, if_none_match, Comparison::Weak),
        if_modified_since: date(if_modified_since),
        if_unmodified_since: date(if_unmodified_since),
    }
}

/// All tags of all lines of a header.
fn tags(headers: &HeaderMap, name: &HeaderName, comparison: Comparison) -> Option<TagCondition> {
    let mut lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let first = lines.next()?;
    let mut all: Cow<'_, str> = first.into();
    for line in lines {
        all.to_mut().push(',');
        all.to_mut().push_str(line);
    }
    (!all.is_empty()).then(|| range::parse_tags(&all, comparison))
}

/// User metadata; what is not ASCII is encoded as RFC 2047 says, as S3 does.
fn add_metadata(headers: &mut HeaderMap, metadata: &[StoredHeader]) {
    for StoredHeader { name, value } in metadata {
        let name = HeaderName::try_from(format!("x-amz-meta-{name}"));
        let value = s3s_rfc2047::encode(value).map(|value| HeaderValue::from_str(&value));
        if let (Ok(name), Ok(Ok(value))) = (name, value) {
            headers.insert(name, value);
        }
    }
}

/// Says which bytes follow. Returns whether they are a part.
pub(crate) fn add_extent(headers: &mut HeaderMap, size: u64, range: Option<(u64, u64)>) -> bool {
    let (first, len) = range.unwrap_or((0, size));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
    if range.is_none() || len == 0 {
        return false;
    }
    let text = format!("bytes {first}-{}/{size}", first + len - 1);
    let value = HeaderValue::try_from(text).expect("digits are valid in headers");
    headers.insert(CONTENT_RANGE, value);
    true
}

#[cfg(test)]
mod tests;
