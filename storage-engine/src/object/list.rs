//! Listing objects and versions in key order.

use coffer_types::{ObjectKey, Timestamp};

use super::{ETag, ObjectError, VersionId, VersionInfo, find};
use crate::bucket::BucketRef;
use crate::metadata::query;
use crate::store::Store;

/// Which current objects to list.
#[derive(Clone, Debug)]
pub struct ListObjects {
    /// In which bucket.
    pub bucket: BucketRef,
    /// Only keys that begin so.
    pub prefix: String,
    /// Keys that share a run up to this text behind the prefix are shown once; empty for none.
    pub delimiter: String,
    /// Only what sorts after this key or common prefix. A common prefix given here is skipped
    /// with all its keys.
    pub after: Option<String>,
    /// At most so many keys and common prefixes together.
    pub limit: usize,
}

/// A current object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectSummary {
    /// Its key.
    pub key: ObjectKey,
    /// Logical size in bytes.
    pub size: u64,
    /// When it was committed.
    pub modified: Timestamp,
    /// Its entity tag.
    pub etag: ETag,
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListEntry<T> {
    /// A key.
    Item(T),
    /// A run of keys with this common prefix.
    CommonPrefix(String),
}

/// A page of current objects, in order.
#[derive(Clone, Debug)]
pub struct ObjectPage {
    /// Keys and common prefixes in one order.
    pub entries: Vec<ListEntry<ObjectSummary>>,
    /// Where the next page starts (pass it as `after`); `None` at the end. May be set on a page
    /// shorter than the limit, because work per page is bounded.
    pub next: Option<String>,
}

/// Which versions to list.
#[derive(Clone, Debug)]
pub struct ListVersions {
    /// In which bucket.
    pub bucket: BucketRef,
    /// Only keys that begin so.
    pub prefix: String,
    /// As in [`ListObjects`].
    pub delimiter: String,
    /// Only what sorts after this key, or after this version of it.
    pub after: Option<(String, Option<VersionId>)>,
    /// At most so many versions and common prefixes together.
    pub limit: usize,
}

/// A page of versions: keys ascending, each key's versions newest first.
#[derive(Clone, Debug)]
pub struct VersionPage {
    /// Versions, delete markers and common prefixes in one order. Headers, user metadata and
    /// checksums are left empty.
    pub entries: Vec<ListEntry<VersionInfo>>,
    /// Where the next page starts (pass it as `after`); `None` at the end.
    pub next: Option<(String, Option<VersionId>)>,
}

/// A page of current objects.
pub(crate) fn objects(store: &Store, list: &ListObjects) -> Result<ObjectPage, ObjectError> {
    let target = find::target(store, &list.bucket)?;
    Ok(query::list_objects(&target.view, target.bucket, &target.row, list)?)
}

/// A page of versions.
pub(crate) fn versions(store: &Store, list: &ListVersions) -> Result<VersionPage, ObjectError> {
    let target = find::target(store, &list.bucket)?;
    Ok(query::list_versions(&target.view, target.bucket, &target.row, list)?)
}
