//! Events: kept for readers in the transaction that changes what they tell.

use std::ops::Bound;

use super::{LogPoint, Tables};
use crate::feed::{Change, Origin};
use crate::index::TableId;
use crate::metadata::MetadataError;
use crate::metadata::command::{Command, Outcome, VersionName};
use crate::metadata::rows::{EventRow, FeedRow, FeedsRow, Row};
use crate::metadata::tables::{EVENTS, FEEDS};

/// The key of [`FeedsRow`].
pub(crate) const ALL: &[u8] = &[];

/// Leaves the event of a command that was applied, if somebody reads.
pub(super) fn tell(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    command: &Command,
    outcome: &Outcome,
) -> Result<(), MetadataError> {
    let feeds = tables.get::<FeedsRow>(ALL)?.filter(|feeds| feeds.readers > 0);
    let Some(mut feeds) = feeds else { return Ok(()) };
    let Some(change) = change(command, outcome) else { return Ok(()) };
    tables.put(&at.index.to_be_bytes(), &EventRow { time: at.time, change });
    feeds.events += 1;
    if feeds.events > feeds.keep {
        for position in oldest(tables, u64::MAX, 1)? {
            tables.remove::<EventRow>(&position.to_be_bytes());
            feeds.events -= 1;
            feeds.lost = position;
        }
    }
    tables.put(ALL, &feeds);
    Ok(())
}

/// What a command changed that clients may see.
fn change(command: &Command, outcome: &Outcome) -> Option<Change> {
    Some(match (command, outcome) {
        (Command::TakeName { name, bucket, .. }, Outcome::Named { .. }) => {
            Change::BucketCreated { name: name.clone(), bucket: *bucket }
        }
        (Command::FreeName { name, bucket }, Outcome::Done) => {
            Change::BucketDeleted { name: name.clone(), bucket: *bucket }
        }
        (Command::SetVersioning { bucket, versioning }, Outcome::Done) => {
            Change::VersioningSet { bucket: *bucket, versioning: *versioning }
        }
        (Command::PutVersion(put), Outcome::Put { version, size, etag, .. }) => {
            Change::VersionPut {
                bucket: put.bucket,
                key: put.key.clone(),
                version: *version,
                size: *size,
                etag: etag.clone(),
                origin: Origin::Put,
            }
        }
        (Command::CopyVersion(copy), Outcome::Put { version, size, etag, .. }) => {
            Change::VersionPut {
                bucket: copy.bucket,
                key: copy.key.clone(),
                version: *version,
                size: *size,
                etag: etag.clone(),
                origin: Origin::Copy,
            }
        }
        (Command::CompleteUpload(done), Outcome::Put { version, size, etag, .. }) => {
            Change::VersionPut {
                bucket: done.bucket,
                key: done.key.clone(),
                version: *version,
                size: *size,
                etag: etag.clone(),
                origin: Origin::Upload,
            }
        }
        (
            Command::DeleteVersion { bucket, key, version: named, .. },
            Outcome::Deleted { version, delete_marker, changed: true },
        ) => {
            let (bucket, key) = (*bucket, key.clone());
            let version = version.unwrap_or(VersionName::Null);
            if named.is_none() && *delete_marker {
                Change::MarkerPut { bucket, key, version }
            } else {
                Change::VersionRemoved { bucket, key, version, delete_marker: *delete_marker }
            }
        }
        (Command::DropPrefix { bucket, prefix }, Outcome::Done) => {
            Change::PrefixDropped { bucket: *bucket, prefix: prefix.clone() }
        }
        _ => return None,
    })
}

/// Makes a reader, or finds it.
pub(super) fn open(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    name: &str,
    keep: u64,
) -> Result<Outcome, MetadataError> {
    if let Some(reader) = tables.get::<FeedRow>(name.as_bytes())? {
        return Ok(Outcome::FeedAt { after: reader.after });
    }
    let mut feeds = tables.get::<FeedsRow>(ALL)?.unwrap_or_default();
    feeds.readers += 1;
    feeds.keep = feeds.keep.max(keep);
    tables.put(ALL, &feeds);
    tables.put(name.as_bytes(), &FeedRow { after: at.index });
    Ok(Outcome::FeedAt { after: at.index })
}

/// Notes how far a reader is, and drops what nobody needs any more.
pub(super) fn advance(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    name: &str,
    to: u64,
    limit: u32,
) -> Result<Outcome, MetadataError> {
    let (Some(reader), Some(feeds)) =
        (tables.get::<FeedRow>(name.as_bytes())?, tables.get::<FeedsRow>(ALL)?)
    else {
        return Ok(Outcome::NoFeed);
    };
    let after = reader.after.max(to).min(at.index);
    tables.put(name.as_bytes(), &FeedRow { after });
    let mut slowest = after;
    for (_, value) in tables.page(FEEDS, Bound::Excluded(ALL), None, usize::MAX)? {
        slowest = slowest.min(FeedRow::decode(&value)?.after);
    }
    trim(tables, feeds, slowest, limit)?;
    Ok(Outcome::FeedAt { after })
}

/// Takes a reader away. Events without a reader are swept.
pub(super) fn close(tables: &mut Tables<'_, '_>, name: &str) -> Result<Outcome, MetadataError> {
    let (Some(_), Some(mut feeds)) =
        (tables.get::<FeedRow>(name.as_bytes())?, tables.get::<FeedsRow>(ALL)?)
    else {
        return Ok(Outcome::NoFeed);
    };
    feeds.readers -= 1;
    tables.remove::<FeedRow>(name.as_bytes());
    tables.put(ALL, &feeds);
    Ok(Outcome::Done)
}

/// Sweeps events that nobody reads; says whether all are gone.
pub(super) fn sweep(tables: &mut Tables<'_, '_>, limit: u32) -> Result<bool, MetadataError> {
    let Some(feeds) = tables.get::<FeedsRow>(ALL)?.filter(|feeds| feeds.readers == 0) else {
        return Ok(true);
    };
    let left = trim(tables, feeds, u64::MAX, limit)?;
    if left.events == 0 {
        tables.remove::<FeedsRow>(ALL);
    }
    Ok(left.events == 0)
}

fn trim(
    tables: &mut Tables<'_, '_>,
    mut feeds: FeedsRow,
    to: u64,
    limit: u32,
) -> Result<FeedsRow, MetadataError> {
    for position in oldest(tables, to, limit as usize)? {
        tables.remove::<EventRow>(&position.to_be_bytes());
        feeds.events -= 1;
    }
    tables.put(ALL, &feeds);
    Ok(feeds)
}

/// Positions of the oldest events, none behind `to`.
fn oldest(tables: &Tables<'_, '_>, to: u64, limit: usize) -> Result<Vec<u64>, MetadataError> {
    const TABLE: TableId = EVENTS;
    let mut positions = Vec::new();
    for (key, _) in tables.page(TABLE, Bound::Unbounded, None, limit)? {
        let position = key.as_slice().try_into().map(u64::from_be_bytes);
        let position = position.map_err(|_| MetadataError::Row { table: "events" })?;
        if position > to {
            break;
        }
        positions.push(position);
    }
    Ok(positions)
}
