//! Buckets: a bucket is opened in its group, then named in group 0; it goes the other way round.

use coffer_types::{AccountId, BucketId, BucketName, GroupId};

use super::{LogPoint, Tables, sweep};
use crate::bucket::Versioning;
use crate::metadata::MetadataError;
use crate::metadata::command::Outcome;
use crate::metadata::rows::{BucketRow, BucketState, LoadRow, NameRow, Route, StatsRow};
use crate::metadata::tables::UPLOADS;

pub(super) fn open(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    bucket: BucketId,
) -> Result<Outcome, MetadataError> {
    let key = bucket.to_bytes();
    if tables.get::<BucketRow>(&key)?.is_some() {
        return Ok(Outcome::NoBucket);
    }
    let row = BucketRow {
        state: BucketState::Open,
        created: at.time,
        versioning: Versioning::Off,
        lock_default: None,
        quota: None,
        drops: Vec::new(),
    };
    tables.put(&key, &row);
    tables.put(&key, &StatsRow::default());
    Ok(Outcome::Done)
}

/// An empty bucket takes nothing more. Its open uploads go with it.
pub(super) fn seal(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    bucket: BucketId,
) -> Result<Outcome, MetadataError> {
    let key = bucket.to_bytes();
    let Some(mut row) = tables.open_bucket(bucket)? else {
        return Ok(Outcome::NoBucket);
    };
    let counts = tables.get::<StatsRow>(&key)?.unwrap_or_default().counts;
    if counts.versions + counts.delete_markers > 0 {
        return Ok(Outcome::NotEmpty);
    }
    row.state = BucketState::Sealed;
    tables.put(&key, &row);
    if tables.first_key(UPLOADS, &key)?.is_some() {
        sweep::begin(tables, at, bucket, "", false);
    }
    Ok(Outcome::Done)
}

pub(super) fn drop_rows(
    tables: &mut Tables<'_, '_>,
    bucket: BucketId,
) -> Result<Outcome, MetadataError> {
    let key = bucket.to_bytes();
    match tables.get::<BucketRow>(&key)? {
        Some(row) if row.state == BucketState::Sealed => {
            tables.remove::<BucketRow>(&key);
            tables.remove::<StatsRow>(&key);
            Ok(Outcome::Done)
        }
        _ => Ok(Outcome::NoBucket),
    }
}

pub(super) fn take_name(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    name: &BucketName,
    bucket: BucketId,
    owner: AccountId,
    group: GroupId,
) -> Result<Outcome, MetadataError> {
    let key = name.as_str().as_bytes();
    if tables.get::<NameRow>(key)?.is_some() {
        return Ok(Outcome::NameTaken);
    }
    let routing = vec![Route { start_key: String::new(), group }];
    tables.put(key, &NameRow { bucket, owner, created: at.time, routing });
    change_load(tables, group, 1)?;
    Ok(Outcome::Named { created: at.time })
}

pub(super) fn free_name(
    tables: &mut Tables<'_, '_>,
    name: &BucketName,
    bucket: BucketId,
) -> Result<Outcome, MetadataError> {
    let key = name.as_str().as_bytes();
    match tables.get::<NameRow>(key)? {
        Some(row) if row.bucket == bucket => {
            change_load(tables, row.group()?, -1)?;
            tables.remove::<NameRow>(key);
            Ok(Outcome::Done)
        }
        _ => Ok(Outcome::NoBucket),
    }
}

fn change_load(tables: &mut Tables<'_, '_>, group: GroupId, by: i64) -> Result<(), MetadataError> {
    let key = group.0.to_be_bytes();
    let mut load = tables.get::<LoadRow>(&key)?.unwrap_or_default();
    load.buckets = load.buckets.saturating_add_signed(by);
    tables.put(&key, &load);
    Ok(())
}

pub(super) fn set_versioning(
    tables: &mut Tables<'_, '_>,
    bucket: BucketId,
    versioning: Versioning,
) -> Result<Outcome, MetadataError> {
    let Some(mut row) = tables.open_bucket(bucket)? else {
        return Ok(Outcome::NoBucket);
    };
    row.versioning = versioning;
    tables.put(&bucket.to_bytes(), &row);
    Ok(Outcome::Done)
}
