//! Reads of one part: `partNumber` of `GetObject` and `HeadObject`.
//!
//! An object put in one piece has one part, which is answered like a range of all of its bytes
//! (measured: versity/versitygw#2074, getmoto/moto#7850); there is no second one.

use coffer_storage_engine::bucket::BucketInfo;
use coffer_storage_engine::object::get::{ByteRange, GetObject};
use coffer_storage_engine::object::{ChecksumKind, ReadCondition, VersionInfo};
use coffer_types::PartNumber;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::ReadRequest;
use crate::api::{Api, Asked};
use crate::checksum::Shown;
use crate::error::{Code, Failure};

const PARTS_COUNT: HeaderName = HeaderName::from_static("x-amz-mp-parts-count");

/// The number that a query names.
pub(super) fn parse(number: &str, range: Option<ByteRange>) -> Result<PartNumber, Failure> {
    let parsed = number.parse().ok().and_then(PartNumber::new).ok_or_else(|| {
        let message = "Part number must be an integer between 1 and 10000, inclusive.";
        Failure::argument("partNumber", number, message)
    })?;
    match range {
        None => Ok(parsed),
        Some(_) => Err(Failure::new(
            Code::InvalidRequest,
            "Cannot specify both Range header and partNumber query parameter.",
        )),
    }
}

impl ReadRequest {
    /// The part that is asked for of an object that has several.
    pub(super) fn part_of(&self, info: &VersionInfo) -> Option<PartNumber> {
        self.part.filter(|_| !info.parts.is_empty())
    }

    /// Names in a failure what was asked for.
    pub(super) fn asked_for(&self) -> impl Fn(Failure) -> Failure + use<> {
        let (key, part) = (self.key.clone(), self.part);
        move |failure| match (failure.code, part) {
            (Code::NoSuchKey | Code::NoSuchVersion, _) => failure.element("Key", key.as_str()),
            (Code::InvalidPartNumber, Some(number)) => {
                failure.element("PartNumberRequested", number.to_string())
            }
            (_, _) => failure,
        }
    }

    /// Adds what only the read of a part tells: how many there are, and its checksum. Parts of a
    /// composite have one of their own; that of a full object belongs to all of its bytes.
    pub(crate) async fn add_part(
        &self,
        headers: &mut HeaderMap,
        (api, asked): (&Api, &Asked),
        bucket: &BucketInfo,
        info: &VersionInfo,
    ) -> Result<(), Failure> {
        let Some(number) = self.part_of(info) else {
            return Ok(());
        };
        headers.insert(PARTS_COUNT, HeaderValue::from(info.parts.count()));
        if !self.checksums || info.checksum_kind != ChecksumKind::Composite {
            return Ok(());
        }
        let get = GetObject {
            bucket: bucket.into(),
            key: self.key.clone(),
            version: Some(info.version),
            range: None,
            part: None,
            condition: ReadCondition::default(),
        };
        let get = asked.of_object(super::action(self.version), bucket, &self.key, get)?;
        // Replaced or deleted meanwhile: what was found is answered without its checksum.
        if let Ok((now, page)) = api.store.object_parts(get, number.get() - 1, 1).await
            && now.etag == info.etag
            && let [part] = page.parts.as_slice()
            && part.number == number
        {
            let kind = Some(info.checksum_kind);
            Shown::of_part(&part.checksums, kind).add_headers(headers);
        }
        Ok(())
    }
}
