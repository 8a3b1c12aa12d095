//! Looking buckets up.

use coffer_types::{AccountId, BucketId, BucketName, GroupId};

use super::create::info;
use super::{BucketError, BucketInfo, BucketPage, BucketRef, BucketStats, ListBuckets, Versioning};
use crate::metadata::MetadataError;
use crate::metadata::query;
use crate::metadata::rows::{BucketRow, BucketState, NameRow};
use crate::store::Store;

/// A bucket by its name.
pub(crate) fn get(store: &Store, name: &BucketName) -> Result<BucketInfo, BucketError> {
    let (row, bucket) = open_bucket(store, name)?;
    Ok(info(name.clone(), &row, bucket.versioning)?)
}

fn named(store: &Store, name: &BucketName) -> Result<NameRow, BucketError> {
    let row = query::name(&store.view(GroupId::SYSTEM), name)?;
    row.ok_or_else(|| BucketError::NotFound(name.clone()))
}

fn open_bucket(store: &Store, name: &BucketName) -> Result<(NameRow, BucketRow), BucketError> {
    let not_found = || BucketError::NotFound(name.clone());
    let row = named(store, name)?;
    let bucket = query::bucket(&store.view(row.group()?), row.bucket)?.ok_or_else(not_found)?;
    match bucket.state {
        BucketState::Open => Ok((row, bucket)),
        BucketState::Sealed => Err(not_found()),
    }
}

/// Where the rows of a bucket are; it may be gone from there.
pub(crate) fn place(store: &Store, bucket: &BucketRef) -> Result<(BucketId, GroupId), BucketError> {
    if let Some(found) = bucket.found() {
        return Ok(found);
    }
    let row = named(store, bucket.name())?;
    Ok((row.bucket, row.group()?))
}

/// One account's buckets.
pub(crate) fn list(store: &Store, list: &ListBuckets) -> Result<BucketPage, BucketError> {
    let (names, truncated) = query::names(&store.view(GroupId::SYSTEM), list)?;
    let mut buckets = Vec::with_capacity(names.len());
    for (name, row) in names {
        // A bucket on its way out has no open row and is no longer shown.
        if let Some(versioning) = versioning(store, &row)? {
            buckets.push(info(name, &row, versioning)?);
        }
    }
    Ok(BucketPage { buckets, truncated })
}

fn versioning(store: &Store, row: &NameRow) -> Result<Option<Versioning>, MetadataError> {
    let bucket = query::bucket(&store.view(row.group()?), row.bucket)?;
    let open = bucket.filter(|bucket| bucket.state == BucketState::Open);
    Ok(open.map(|bucket| bucket.versioning))
}

/// Exact counters.
pub(crate) fn stats(store: &Store, name: &BucketName) -> Result<BucketStats, BucketError> {
    let (row, _) = open_bucket(store, name)?;
    Ok(query::stats(&store.view(row.group()?), row.bucket)?.counts)
}

/// Whether any bucket belongs to an account.
pub(crate) fn owns_any(store: &Store, owner: AccountId) -> Result<bool, BucketError> {
    Ok(query::owns_any(&store.view(GroupId::SYSTEM), owner)?)
}
