//! The source of a copy: what `CopyObject` and `UploadPartCopy` have in common.

use coffer_access::Authorized;
use coffer_storage_engine::bucket::BucketInfo;
use coffer_storage_engine::object::copy::CopySource;
use coffer_storage_engine::object::get::ByteRange;
use coffer_storage_engine::object::{ReadCondition, VersionId};
use coffer_types::ObjectKey;
use hyper::header::{HeaderMap, HeaderName};
use s3s::dto;

use crate::api::{Api, Asked};
use crate::convert;
use crate::error::{Code, Failure, source_range};
use crate::read;

const SOURCE_VERSION: HeaderName = HeaderName::from_static("x-amz-copy-source-version-id");

/// What a request asks of its source. Combined as `CopyObject` says, which is what a read does too: a
/// tag that matches outweighs a date behind which the source was modified, and one that does not
/// match outweighs a date since which it was not.
fn condition(headers: &HeaderMap) -> ReadCondition {
    const NAMES: [HeaderName; 4] = [
        HeaderName::from_static("x-amz-copy-source-if-match"),
        HeaderName::from_static("x-amz-copy-source-if-none-match"),
        HeaderName::from_static("x-amz-copy-source-if-modified-since"),
        HeaderName::from_static("x-amz-copy-source-if-unmodified-since"),
    ];
    read::condition(headers, NAMES.each_ref())
}

/// The object that is copied from.
pub(crate) struct Source {
    bucket: BucketInfo,
    key: ObjectKey,
    version: Option<VersionId>,
}

impl Source {
    /// The source that `x-amz-copy-source` names.
    pub(crate) fn find(api: &Api, source: dto::CopySource) -> Result<Self, Failure> {
        let (bucket, key, version) = match source {
            dto::CopySource::Bucket { bucket, key, version_id } => (bucket, key, version_id),
            dto::CopySource::AccessPoint { .. } | dto::CopySource::Outpost { .. } => {
                let what = "A copy source behind an access point";
                return Err(Failure::not_implemented(what).element("Header", "x-amz-copy-source"));
            }
        };
        Ok(Self {
            bucket: api.bucket(&bucket)?,
            key: ObjectKey::parse(key.into_string())?,
            version: convert::version_of(version.as_deref())?,
        })
    }

    /// Whether a copy to this place would copy the current version onto itself.
    pub(crate) fn is_current_of(&self, bucket: &BucketInfo, key: &ObjectKey) -> bool {
        self.version.is_none() && self.bucket.id == bucket.id && self.key == *key
    }

    /// The proof that the sender may read it.
    pub(crate) fn authorize(
        &self,
        asked: &Asked,
        headers: &HeaderMap,
    ) -> Result<Authorized<CopySource>, Failure> {
        let source = CopySource {
            bucket: (&self.bucket).into(),
            key: self.key.clone(),
            version: self.version,
            condition: condition(headers),
        };
        asked.of_source(read::action(self.version), &self.bucket, &self.key, source)
    }

    /// Says which version was copied, where its bucket shows versions.
    pub(crate) fn add_version(&self, headers: &mut HeaderMap, version: Option<VersionId>) {
        let shown =
            version.and_then(|version| convert::shown_version(self.bucket.versioning, version));
        if let Some(version) = shown {
            headers.insert(SOURCE_VERSION, convert::version_header(version));
        }
    }
}

/// The bytes that `x-amz-copy-source-range` names: first and last offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CopyRange {
    first: u64,
    last: u64,
}

impl CopyRange {
    /// `bytes=first-last`, and nothing else that a read would understand.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let offset = |digits: &str| {
            let valid = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
            valid.then(|| digits.parse::<u64>().ok()).flatten()
        };
        let parse = || {
            let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
            let (first, last) = (offset(first)?, offset(last)?);
            (first <= last).then_some(Self { first, last })
        };
        parse().ok_or_else(|| {
            let message = "The x-amz-copy-source-range value must be of the form bytes=first-last \
                           where first and last are the zero-based offsets of the first and last \
                           bytes to copy.";
            Failure::argument("x-amz-copy-source-range", text, message)
        })
    }

    /// As the engine takes it.
    pub(crate) fn bytes(self) -> ByteRange {
        ByteRange::Between(self.first, self.last)
    }

    /// How many bytes it has, all of them inside an object of `size`.
    pub(crate) fn len_within(self, size: u64) -> Result<u64, Failure> {
        if self.first >= size {
            return Err(Failure::new(
                Code::InvalidRequest,
                "The specified copy range is invalid for the source object size.",
            ));
        }
        if self.last >= size {
            return Err(source_range(size));
        }
        Ok(self.last - self.first + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_copies_name_both_ends() {
        let range = |first, last| Some(CopyRange { first, last });
        let cases = [
            ("bytes=0-0", range(0, 0)),
            ("bytes=5-9", range(5, 9)),
            ("bytes=9-5", None),
            ("bytes=5-", None),
            ("bytes=-5", None),
            ("bytes=0-1,3-4", None),
            ("bytes=+0-1", None),
            ("bytes=0-99999999999999999999", None),
            ("Bytes=0-1", None),
            ("0-1", None),
            ("", None),
        ];
        for (text, parsed) in cases {
            assert_eq!(CopyRange::parse(text).ok(), parsed, "{text}");
        }
    }

    #[test]
    fn ranges_of_copies_lie_inside_the_source() {
        let within = |first, last, size| {
            CopyRange { first, last }.len_within(size).map_err(|failure| failure.code)
        };
        assert_eq!(within(0, 9, 10), Ok(10));
        assert_eq!(within(9, 9, 10), Ok(1));
        assert_eq!(within(0, 10, 10), Err(Code::InvalidArgument));
        assert_eq!(within(10, 10, 10), Err(Code::InvalidRequest));
        assert_eq!(within(0, 0, 0), Err(Code::InvalidRequest));
    }
}
