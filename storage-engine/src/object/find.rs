//! Finding the bucket and the version that a call is about.

use coffer_types::{BucketId, GroupId, ObjectKey, VersionSeq};

use super::{ObjectError, ReadCondition, TagCondition, VersionId, VersionInfo};
use crate::bucket::{BucketError, BucketRef, read};
use crate::index::IndexView;
use crate::metadata::command::VersionName;
use crate::metadata::query::{self, KeyView};
use crate::metadata::rows::{BucketRow, BucketState, VersionRow};
use crate::store::Store;

/// An open bucket and its group's index at one position.
pub(crate) struct Target {
    pub(crate) bucket: BucketId,
    pub(crate) group: GroupId,
    pub(crate) row: BucketRow,
    pub(crate) view: IndexView,
}

impl Target {
    /// One of its keys.
    pub(crate) fn key<'v>(&'v self, key: &'v ObjectKey) -> KeyView<'v> {
        KeyView { view: &self.view, bucket: self.bucket, key, floor: self.row.floor(key) }
    }
}

/// Finds an open bucket.
pub(crate) fn target(store: &Store, bucket: &BucketRef) -> Result<Target, ObjectError> {
    let missing = || ObjectError::NoSuchBucket(bucket.name().clone());
    let (id, group) = read::place(store, bucket).map_err(|error| match error {
        BucketError::Metadata(error) => error.into(),
        _ => missing(),
    })?;
    let view = store.view(group);
    let row = query::bucket(&view, id)?.ok_or_else(missing)?;
    if row.state != BucketState::Open {
        return Err(missing());
    }
    Ok(Target { bucket: id, group, row, view })
}

/// A version with bytes.
pub(crate) struct Found {
    pub(crate) seq: VersionSeq,
    pub(crate) row: VersionRow,
    pub(crate) is_latest: bool,
}

/// Finds the version that a read is about.
pub(crate) fn version(
    target: &Target,
    key: &ObjectKey,
    id: Option<VersionId>,
) -> Result<Found, ObjectError> {
    let at = target.key(key);
    let newest = query::newest(at)?;
    let Some(id) = id else {
        let (seq, row) = newest.ok_or(ObjectError::NoSuchKey { delete_marker: None })?;
        if row.delete_marker {
            return Err(ObjectError::NoSuchKey { delete_marker: Some(id_of(seq, &row)) });
        }
        return Ok(Found { seq, row, is_latest: true });
    };
    let found = match newest {
        Some((seq, row)) if id_of(seq, &row) == id => Some((seq, row, true)),
        Some(_) => query::version(at, id.into())?.map(|(seq, row)| (seq, row, false)),
        None => None,
    };
    let (seq, row, is_latest) = found.ok_or(ObjectError::NoSuchVersion(id))?;
    if row.delete_marker {
        return Err(ObjectError::IsDeleteMarker { version: id, modified: row.modified });
    }
    Ok(Found { seq, row, is_latest })
}

fn id_of(seq: VersionSeq, row: &VersionRow) -> VersionId {
    if row.null { VersionId::Null } else { VersionId::Seq(seq) }
}

impl From<VersionId> for VersionName {
    fn from(id: VersionId) -> Self {
        match id {
            VersionId::Null => Self::Null,
            VersionId::Seq(seq) => Self::Seq(seq),
        }
    }
}

impl From<VersionName> for VersionId {
    fn from(name: VersionName) -> Self {
        match name {
            VersionName::Null => Self::Null,
            VersionName::Seq(seq) => Self::Seq(seq),
        }
    }
}

/// Decides a read's conditions in the order of RFC 9110, section 13.2.2.
pub(crate) fn check(condition: &ReadCondition, info: &VersionInfo) -> Result<(), ObjectError> {
    let matches = |wanted: &TagCondition| match wanted {
        TagCondition::Any => true,
        TagCondition::OneOf(tags) => tags.contains(&info.etag),
    };
    let modified = info.modified.as_secs();
    match (&condition.if_match, condition.if_unmodified_since) {
        (Some(wanted), _) if !matches(wanted) => {
            return Err(ObjectError::PreconditionFailed("If-Match"));
        }
        (None, Some(since)) if modified > since.as_secs() => {
            return Err(ObjectError::PreconditionFailed("If-Unmodified-Since"));
        }
        _ => {}
    }
    let not_modified = match (&condition.if_none_match, condition.if_modified_since) {
        (Some(unwanted), _) => matches(unwanted),
        (None, Some(since)) => modified <= since.as_secs(),
        (None, None) => false,
    };
    if not_modified {
        return Err(ObjectError::NotModified { info: Box::new(info.clone()) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use coffer_types::Timestamp;

    use super::*;
    use crate::object::{ChecksumKind, ETag, PartLayout};

    fn verdict(condition: &ReadCondition) -> &'static str {
        let info = VersionInfo {
            key: ObjectKey::parse("k").expect("valid"),
            version: VersionId::Null,
            is_latest: true,
            is_delete_marker: false,
            modified: Timestamp::from_millis(10_500),
            size: 1,
            etag: ETag::new("a"),
            headers: Vec::new(),
            user_metadata: Vec::new(),
            checksums: Vec::new(),
            checksum_kind: ChecksumKind::FullObject,
            parts: PartLayout::default(),
        };
        match check(condition, &info) {
            Ok(()) => "ok",
            Err(ObjectError::PreconditionFailed(_)) => "failed",
            Err(ObjectError::NotModified { .. }) => "not modified",
            Err(other) => panic!("{other}"),
        }
    }

    #[allow(clippy::unnecessary_wraps)] // as the conditions want it
    fn tag(text: &str) -> Option<TagCondition> {
        Some(TagCondition::OneOf(vec![ETag::new(text)]))
    }

    #[allow(clippy::unnecessary_wraps)] // as the conditions want it
    fn at(secs: u64) -> Option<Timestamp> {
        Some(Timestamp::from_millis(secs * 1_000))
    }

    const NONE: ReadCondition = ReadCondition {
        if_match: None,
        if_none_match: None,
        if_modified_since: None,
        if_unmodified_since: None,
    };

    #[test]
    fn one_condition() {
        let by_tag = |wanted| ReadCondition { if_match: wanted, ..NONE };
        let by_other = |unwanted| ReadCondition { if_none_match: unwanted, ..NONE };
        let newer = |secs| ReadCondition { if_modified_since: at(secs), ..NONE };
        let older = |secs| ReadCondition { if_unmodified_since: at(secs), ..NONE };
        let cases = [
            (NONE, "ok"),
            (by_tag(tag("a")), "ok"),
            (by_tag(tag("b")), "failed"),
            (by_tag(Some(TagCondition::Any)), "ok"),
            (by_other(tag("a")), "not modified"),
            (by_other(tag("b")), "ok"),
            (newer(10), "not modified"),
            (newer(9), "ok"),
            (older(10), "ok"),
            (older(9), "failed"),
        ];
        for (condition, expected) in cases {
            assert_eq!(verdict(&condition), expected, "{condition:?}");
        }
    }

    #[test]
    fn a_tag_outweighs_the_date_beside_it() {
        let matching = ReadCondition { if_match: tag("a"), if_unmodified_since: at(9), ..NONE };
        assert_eq!(verdict(&matching), "ok");
        let other = ReadCondition { if_none_match: tag("b"), if_modified_since: at(10), ..NONE };
        assert_eq!(verdict(&other), "ok");
    }
}
