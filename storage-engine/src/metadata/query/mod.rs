//! Questions to a group's index. Each is answered from one [`IndexView`], so that an answer is the
//! state at one position of the log, and works through a bounded number of rows.

mod feed;
mod objects;
mod parts;
mod sweeps;
mod uploads;
mod versions;

use std::ops::Bound;

use coffer_types::{AccountId, BucketId, BucketName, ObjectKey, VersionSeq};

use super::MetadataError;
use super::command::VersionName;
use super::rows::{
    BucketRow, DropMark, LoadRow, NameRow, NullRow, ObjectRow, Row, StatsRow, VersionRow,
};
use super::tables::{
    NAMES, object_key, parse_version_key, prefix_end, version_key, version_prefix,
};
use crate::bucket::ListBuckets;
use crate::index::{IndexView, Range, TableId};

pub(crate) use feed::{events, feed_reader};
pub(crate) use objects::list_objects;
pub(crate) use parts::{list_parts, parts_after, runs, runs_of};
pub(crate) use sweeps::{completion_due, has_sweeps, sweeps};
pub(crate) use uploads::{completion, list_uploads, upload};
pub(crate) use versions::{info, list_versions};

/// The row under a key.
pub(crate) fn get<R: Row>(view: &IndexView, key: &[u8]) -> Result<Option<R>, MetadataError> {
    view.get(R::TABLE, key)?.map(|bytes| R::decode(&bytes)).transpose()
}

/// All rows whose key begins with `prefix`.
pub(crate) fn with_prefix<'v>(view: &'v IndexView, table: TableId, prefix: &[u8]) -> Range<'v> {
    let end = prefix_end(prefix);
    let end = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    view.range(table, Bound::Included(prefix), end)
}

/// Goes on behind everything that begins with `stem`; says whether anything can be there.
fn seek_behind(rows: &mut Range<'_>, stem: &[u8]) -> bool {
    let end = prefix_end(stem);
    if let Some(end) = &end {
        rows.seek(end);
    }
    end.is_some()
}

/// What a name stands for.
pub(crate) fn name(view: &IndexView, name: &BucketName) -> Result<Option<NameRow>, MetadataError> {
    get(view, name.as_str().as_bytes())
}

/// A bucket's settings.
pub(crate) fn bucket(
    view: &IndexView,
    bucket: BucketId,
) -> Result<Option<BucketRow>, MetadataError> {
    get(view, &bucket.to_bytes())
}

/// A bucket's counters.
pub(crate) fn stats(view: &IndexView, bucket: BucketId) -> Result<StatsRow, MetadataError> {
    Ok(get(view, &bucket.to_bytes())?.unwrap_or_default())
}

/// What each group carries, by its number.
pub(crate) fn load(view: &IndexView, group: u16) -> Result<LoadRow, MetadataError> {
    Ok(get(view, &group.to_be_bytes())?.unwrap_or_default())
}

/// Names of one owner's buckets in order, at most `limit`, and whether more follow.
pub(crate) fn names(
    view: &IndexView,
    list: &ListBuckets,
) -> Result<(Vec<(BucketName, NameRow)>, bool), MetadataError> {
    let mut rows = with_prefix(view, NAMES, list.prefix.as_bytes());
    if let Some(after) = list.after.as_ref().filter(|after| **after >= list.prefix) {
        rows.seek(&[after.as_bytes(), &[0]].concat());
    }
    let mut found = Vec::new();
    while let Some((key, row)) = next_row::<NameRow>(&mut rows)? {
        if row.owner != list.owner {
            continue;
        }
        if found.len() == list.limit {
            return Ok((found, true));
        }
        found.push((bucket_name(&key)?, row));
    }
    Ok((found, false))
}

/// Whether an account owns a bucket.
pub(crate) fn owns_any(view: &IndexView, owner: AccountId) -> Result<bool, MetadataError> {
    let list = ListBuckets { owner, prefix: String::new(), after: None, limit: 1 };
    Ok(!names(view, &list)?.0.is_empty())
}

/// The bucket name of a key of `names`.
pub(crate) fn bucket_name(key: &[u8]) -> Result<BucketName, MetadataError> {
    let damaged = || MetadataError::Row { table: "names" };
    let text = std::str::from_utf8(key).map_err(|_| damaged())?;
    BucketName::parse(text).map_err(|_| damaged())
}

/// The next row of a range, decoded.
pub(crate) fn next_row<'v, R: Row>(
    range: &mut Range<'v>,
) -> Result<Option<(crate::index::Key<'v>, R)>, MetadataError> {
    match range.next() {
        Some(row) => {
            let (key, value) = row?;
            let decoded = R::decode(&value)?;
            Ok(Some((key, decoded)))
        }
        None => Ok(None),
    }
}

/// One key of a bucket at one position of the log.
#[derive(Clone, Copy)]
pub(crate) struct KeyView<'v> {
    pub(crate) view: &'v IndexView,
    pub(crate) bucket: BucketId,
    pub(crate) key: &'v ObjectKey,
    /// What is not newer than this was dropped and is not there.
    pub(crate) floor: u64,
}

/// The summary of a key's current version.
pub(crate) fn current(at: KeyView<'_>) -> Result<Option<ObjectRow>, MetadataError> {
    let row = get::<ObjectRow>(at.view, &object_key(at.bucket, at.key.as_bytes()))?;
    Ok(row.filter(|row| row.version.0 > at.floor))
}

/// A version of a key with its position.
pub(crate) type FoundVersion = (VersionSeq, VersionRow);

/// The newest version of a key, which may be a delete marker.
pub(crate) fn newest(at: KeyView<'_>) -> Result<Option<FoundVersion>, MetadataError> {
    const DAMAGED: MetadataError = MetadataError::Row { table: "versions" };
    let KeyView { view, bucket, key, floor } = at;
    // Two lookups cost half of one range.
    if let Some(current) = current(at)? {
        let row = get(view, &version_key(bucket, key.as_bytes(), current.version))?;
        return Ok(Some((current.version, row.ok_or(DAMAGED)?)));
    }
    // What `objects` does not show is a delete marker, if it is there at all.
    let prefix = version_prefix(bucket, key.as_bytes());
    let mut rows = with_prefix(view, VersionRow::TABLE, &prefix);
    let Some((row_key, row)) = next_row::<VersionRow>(&mut rows)? else {
        return Ok(None);
    };
    let (_, seq) = parse_version_key(&row_key).ok_or(DAMAGED)?;
    Ok((seq.0 > floor).then_some((seq, row)))
}

/// The version of a key that an id names.
pub(crate) fn version(
    at: KeyView<'_>,
    version: VersionName,
) -> Result<Option<FoundVersion>, MetadataError> {
    let seq = match version {
        VersionName::Seq(seq) => Some(seq).filter(|seq| seq.0 > at.floor),
        VersionName::Null => null_version(at)?,
    };
    let Some(seq) = seq else { return Ok(None) };
    let row = get::<VersionRow>(at.view, &version_key(at.bucket, at.key.as_bytes(), seq))?;
    let answers = |row: &VersionRow| row.null == (version == VersionName::Null);
    Ok(row.filter(answers).map(|row| (seq, row)))
}

/// The position of a key's null version.
pub(crate) fn null_version(at: KeyView<'_>) -> Result<Option<VersionSeq>, MetadataError> {
    match current(at)? {
        Some(row) if row.null => Ok(Some(row.version)),
        _ => {
            let row = get::<NullRow>(at.view, &object_key(at.bucket, at.key.as_bytes()))?;
            Ok(row.map(|row| row.version).filter(|seq| seq.0 > at.floor))
        }
    }
}

/// Steps over what was dropped in a listing, in bounded work.
struct Drops<'d> {
    bucket: &'d BucketRow,
    /// Rows that were looked at in vain and may still be.
    patience: usize,
}

/// What to do with a row of a listing.
enum Look {
    Show,
    /// It was dropped.
    Skip,
    /// It was dropped, and so was everything that begins so.
    SkipAll(String),
    /// It was dropped like very many before it: the page ends here.
    Stop,
}

impl<'d> Drops<'d> {
    /// Rows of a page that may be looked at in vain.
    const PATIENCE: usize = 20_000;

    fn new(bucket: &'d BucketRow) -> Self {
        Self { bucket, patience: Self::PATIENCE }
    }

    fn look(&mut self, key: &str, position: u64) -> Look {
        let hides = |mark: &&DropMark| mark.before > position && mark.covers(key);
        let mut hiding = self.bucket.drops.iter().filter(hides).peekable();
        if hiding.peek().is_none() {
            return Look::Show;
        }
        // Nothing was written below this prefix since: there is nothing to show.
        if let Some(mark) = hiding.find(|mark| !mark.written) {
            return Look::SkipAll(mark.prefix.clone());
        }
        match self.patience.checked_sub(1) {
            Some(left) => {
                self.patience = left;
                Look::Skip
            }
            None => Look::Stop,
        }
    }
}

/// The run of keys that `key` belongs to: up to and with the first delimiter behind the prefix.
fn common_prefix<'k>(key: &'k str, prefix: &str, delimiter: &str) -> Option<&'k str> {
    if delimiter.is_empty() {
        return None;
    }
    let at = key.get(prefix.len()..)?.find(delimiter)?;
    key.get(..prefix.len() + at + delimiter.len())
}

/// Whether `after` is itself a common prefix, which the page before ended with.
fn is_common_prefix(after: &str, prefix: &str, delimiter: &str) -> bool {
    after.starts_with(prefix) && common_prefix(after, prefix, delimiter) == Some(after)
}
