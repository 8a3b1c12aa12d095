//! Uploads in parts: a row while one is open, a row for each part, and a version at the end.
//!
//! Parts hold their extents under the position of the upload. A completion leaves them there, so it
//! costs the same for every number of parts.

use std::ops::Bound;

use coffer_types::{BucketId, ObjectKey, Timestamp, UploadId, VersionSeq};

use super::{LogPoint, Tables, copy, extent, sweep};
use crate::metadata::MetadataError;
use crate::metadata::apply::version::Change;
use crate::metadata::command::{Completion, NewPart, NewUpload, Outcome, PartBytes};
use crate::metadata::rows::{
    CompletionDueRow, CompletionRow, ExtentRun, Owner, PartRow, PartsRef, Row, StatsRow, Transform,
    UploadRow, VersionRow,
};
use crate::metadata::tables::{COMPLETIONS_DUE, completion_key, part_key, upload_key};
use crate::object::PartLayout;

/// An open upload with what its commands need.
struct Open {
    key: Vec<u8>,
    row: UploadRow,
}

/// The open upload of an open bucket.
fn find(
    tables: &Tables<'_, '_>,
    bucket: BucketId,
    key: &ObjectKey,
    upload: UploadId,
) -> Result<Result<Open, Outcome>, MetadataError> {
    let Some(row) = tables.open_bucket(bucket)? else {
        return Ok(Err(Outcome::NoBucket));
    };
    if upload.0 <= row.floor(key) {
        return Ok(Err(Outcome::NoUpload));
    }
    let key = upload_key(bucket, key.as_bytes(), upload);
    let row = tables.get::<UploadRow>(&key)?;
    Ok(row.map(|row| Open { key, row }).ok_or(Outcome::NoUpload))
}

/// Begins an upload.
pub(super) fn begin(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    new: &NewUpload,
) -> Result<Outcome, MetadataError> {
    let Some(settings) = tables.open_bucket(new.bucket)? else {
        return Ok(Outcome::NoBucket);
    };
    if sweep::is_unmarked(&settings, &new.key) {
        sweep::mark_written(tables, new.bucket, settings, &new.key);
    }
    let upload = UploadId(at.index);
    let row = UploadRow {
        initiated: at.time,
        headers: new.headers.clone(),
        user_metadata: new.user_metadata.clone(),
        checksum: new.checksum,
        changed: at.index,
        bytes: 0,
    };
    tables.put(&upload_key(new.bucket, new.key.as_bytes(), upload), &row);
    Ok(Outcome::UploadBegun { upload })
}

/// Commits a part in the place of the one that had its number.
pub(super) fn put_part(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    part: &NewPart,
) -> Result<Outcome, MetadataError> {
    let mut upload = match find(tables, part.bucket, &part.key, part.upload)? {
        Ok(open) => open,
        Err(outcome) => return Ok(refuse(tables, at, part, outcome)),
    };
    let runs = match runs(tables, part)? {
        Ok(runs) => runs,
        Err(outcome) => return Ok(refuse(tables, at, part, outcome)),
    };
    let key = part_key(part.bucket, part.upload.0, part.number.get());
    let replaced = tables.get::<PartRow>(&key)?;
    let holder =
        Owner { bucket: part.bucket, version: VersionSeq(part.upload.0), part: part.number.get() };
    let old = replaced.as_ref().map_or(&[][..], |row| &row.extents);
    match &part.bytes {
        PartBytes::New(extents) => {
            for new in extents {
                extent::adopt(tables, new, holder);
            }
            extent::release(tables, at, old, holder)?;
        }
        PartBytes::Copied { .. } => extent::exchange(tables, at, old, &runs, holder)?,
    }
    let row = PartRow {
        size: part.size,
        stored_size: part.size,
        modified: at.time,
        etag: part.etag.clone(),
        crc64: part.crc64,
        checksums: part.checksums.clone(),
        extents: runs,
        transform: Transform::None,
        key_envelope: None,
        frame_len: 0,
    };
    tables.put(&key, &row);
    let gone = replaced.map_or(0, |row| row.size);
    upload.row.changed = at.index;
    upload.row.bytes = upload.row.bytes - gone + part.size;
    tables.put(&upload.key, &upload.row);
    count(tables, part.bucket, |bytes| bytes - gone + part.size)?;
    Ok(Outcome::PartPut { modified: at.time })
}

fn refuse(tables: &mut Tables<'_, '_>, at: LogPoint, part: &NewPart, outcome: Outcome) -> Outcome {
    if let PartBytes::New(extents) = &part.bytes {
        extent::refuse(tables, at, extents);
    }
    outcome
}

fn runs(
    tables: &Tables<'_, '_>,
    part: &NewPart,
) -> Result<Result<Vec<ExtentRun>, Outcome>, MetadataError> {
    match &part.bytes {
        PartBytes::New(extents) => Ok(Ok(extents.iter().map(extent::whole).collect())),
        PartBytes::Copied { source, first } => copy::range(tables, source, *first, part.size),
    }
}

/// Changes the bytes that a bucket counts for its uploads.
pub(super) fn count(
    tables: &mut Tables<'_, '_>,
    bucket: BucketId,
    change: impl FnOnce(u64) -> u64,
) -> Result<(), MetadataError> {
    let key = bucket.to_bytes();
    if let Some(mut stats) = tables.get::<StatsRow>(&key)? {
        stats.multipart_bytes = change(stats.multipart_bytes);
        tables.put(&key, &stats);
    }
    Ok(())
}

/// An upload becomes a version.
pub(super) fn complete(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    completion: &Completion,
) -> Result<Outcome, MetadataError> {
    let Completion { bucket, key, upload, .. } = completion;
    let open = match find(tables, *bucket, key, *upload)? {
        Ok(open) => open,
        Err(outcome) => return Ok(outcome),
    };
    if open.row.changed != completion.changed {
        return Ok(Outcome::UploadChanged);
    }
    let Some(mut change) = Change::begin(tables, at, *bucket, key)? else {
        return Ok(Outcome::NoBucket);
    };
    if let Err(outcome) = change.check(&completion.condition) {
        return Ok(outcome);
    }
    let size = completion.layout.size();
    change.stats.multipart_bytes -= open.row.bytes;
    tables.remove::<UploadRow>(&open.key);
    if completion.leaves_parts {
        let keep = completion.layout.clone();
        sweep::begin_parts(tables, at, *bucket, upload.0, keep);
    }
    let row = VersionRow {
        size,
        stored_size: size,
        etag: completion.etag.clone(),
        headers: open.row.headers,
        user_metadata: open.row.user_metadata,
        checksums: completion.checksums.clone(),
        checksum_kind: completion.checksum_kind,
        parts: Some(PartsRef { holder: upload.0, layout: completion.layout.clone() }),
        ..VersionRow::empty(at.time)
    };
    let outcome = change.commit(tables, row)?;
    if let Outcome::Put { version, versioned, .. } = outcome {
        remember(tables, at, completion, version, versioned);
    }
    Ok(outcome)
}

fn remember(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    completion: &Completion,
    version: crate::metadata::command::VersionName,
    versioned: bool,
) {
    let Completion { bucket, upload, .. } = *completion;
    let row = CompletionRow {
        key: completion.key.clone(),
        list: completion.list,
        version,
        versioned,
        etag: completion.etag.clone(),
        size: completion.layout.size(),
        checksums: completion.checksums.clone(),
        checksum_kind: completion.checksum_kind,
        parts: completion.layout.count(),
    };
    tables.put(&completion_key(bucket, upload), &row);
    let due = Timestamp::from_millis(at.time.as_millis().saturating_add(completion.remember_ms));
    tables.put(&at.index.to_be_bytes(), &CompletionDueRow { bucket, upload, due });
}

/// Forgets completions whose time has come.
pub(super) fn forget(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    limit: u32,
) -> Result<Outcome, MetadataError> {
    let rows = tables.page(COMPLETIONS_DUE, Bound::Unbounded, None, limit as usize)?;
    for (key, value) in rows {
        let due = CompletionDueRow::decode(&value)?;
        if due.due > at.time {
            break;
        }
        tables.remove::<CompletionDueRow>(&key);
        tables.remove::<CompletionRow>(&completion_key(due.bucket, due.upload));
    }
    Ok(Outcome::Done)
}

/// An upload goes; its parts are swept.
pub(super) fn abort(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    bucket: BucketId,
    key: &ObjectKey,
    upload: UploadId,
) -> Result<Outcome, MetadataError> {
    match find(tables, bucket, key, upload)? {
        Ok(open) => {
            tables.remove::<UploadRow>(&open.key);
            count(tables, bucket, |bytes| bytes - open.row.bytes)?;
            sweep::begin_parts(tables, at, bucket, upload.0, PartLayout::default());
            Ok(Outcome::Done)
        }
        Err(outcome) => Ok(outcome),
    }
}
