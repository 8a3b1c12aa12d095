//! Sweeps: what is gone for everybody loses its rows in bounded steps.
//!
//! A prefix is dropped by one mark in the bucket's row: versions and uploads that are older than the
//! mark are not there any more, for reads as for commands. The sweep then takes their rows away,
//! oldest sweep first and one after the other, so that whatever an earlier drop covers is away before
//! a later one is counted. What a whole bucket holds is known, and leaves its counters with the mark;
//! what a prefix holds leaves them row by row.
//!
//! Of a key, a drop hides the oldest versions. The newest of those was the current one when the drop
//! came; unless it is a delete marker, it is what the bucket counts as an object.

use std::ops::Bound;

use coffer_types::{BucketId, ObjectKey, PartNumber, UploadId, VersionSeq};

use super::version::release_bytes;
use super::{LogPoint, Tables, extent, feed, upload};
use crate::bucket::BucketStats;
use crate::metadata::MetadataError;
use crate::metadata::command::Outcome;
use crate::metadata::rows::{
    BucketRow, DropMark, NullRow, ObjectRow, Owner, PartRow, PartsSweep, PrefixSweep, Row,
    StatsRow, SweepRow, UploadRow, VersionRow,
};
use crate::metadata::tables::{
    PARTS, UPLOADS, VERSIONS, object_key, parse_part_key, parse_upload_key, parse_version_key,
    part_key, parts_prefix, sweep_key, upload_key, version_key, version_key_stem,
};
use crate::object::PartLayout;
use crate::planted::PlantedBug;

/// The most prefixes of a bucket that are swept at a time.
const DROPS_MAX: usize = 16;
/// Rows that are about changed by taking one version away.
const ROWS_OF_VERSION: usize = 5;

/// Everything below a prefix is gone.
pub(super) fn drop_prefix(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    bucket: BucketId,
    prefix: &str,
) -> Result<Outcome, MetadataError> {
    let key = bucket.to_bytes();
    let Some(mut row) = tables.open_bucket(bucket)? else {
        return Ok(Outcome::NoBucket);
    };
    if prefix.is_empty() {
        // Everything that earlier drops cover is covered by this one, and nothing is counted any more.
        for mark in row.drops.drain(..) {
            tables.remove::<SweepRow>(&sweep_key(mark.before, 0));
        }
        tables.put(&key, &StatsRow::default());
    }
    if row.drops.len() >= DROPS_MAX {
        return Ok(Outcome::TooManyDrops);
    }
    row.drops.push(DropMark { before: at.index, prefix: prefix.to_owned(), written: false });
    tables.put(&key, &row);
    begin(tables, at, bucket, prefix, !prefix.is_empty());
    Ok(Outcome::Done)
}

/// Whether a bucket has to note that something of this name is written where keys were dropped.
pub(super) fn is_unmarked(row: &BucketRow, key: &ObjectKey) -> bool {
    row.drops.iter().any(|mark| mark.covers(key.as_str()) && !mark.written)
}

/// Notes it: listings no longer step over what the drop covers.
pub(super) fn mark_written(
    tables: &mut Tables<'_, '_>,
    bucket: BucketId,
    mut row: BucketRow,
    key: &ObjectKey,
) {
    let covering = row.drops.iter_mut().filter(|mark| mark.covers(key.as_str()));
    covering.for_each(|mark| mark.written = true);
    tables.put(&bucket.to_bytes(), &row);
}

/// Has everything below a prefix swept that is older than this command.
pub(super) fn begin(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    bucket: BucketId,
    prefix: &str,
    counted: bool,
) {
    let sweep = SweepRow::Prefix(PrefixSweep {
        bucket,
        prefix: prefix.to_owned(),
        before: at.index,
        counted,
        after: None,
        versions_done: false,
        swept: BucketStats::default(),
    });
    tables.put(&sweep_key(at.index, 0), &sweep);
}

/// Has the parts that are kept under a position swept, but for those of a layout.
pub(super) fn begin_parts(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    bucket: BucketId,
    holder: u64,
    keep: PartLayout,
) {
    let sweep = SweepRow::Parts(PartsSweep { bucket, holder, keep, after: 0 });
    tables.put(&sweep_key(at.index, holder), &sweep);
}

/// One step of the oldest sweep.
pub(super) fn step(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    limit: u32,
) -> Result<Outcome, MetadataError> {
    let Some((key, row)) = tables.first::<SweepRow>(&[])? else {
        let idle = feed::sweep(tables, limit)?;
        return Ok(Outcome::Swept { idle, prefix: None });
    };
    let limit = limit as usize;
    match row {
        SweepRow::Parts(mut sweep) => {
            let done = sweep_parts(tables, at, &mut sweep, limit)?;
            put_or_remove(tables, &key, (!done).then_some(SweepRow::Parts(sweep)));
            Ok(Outcome::Swept { idle: false, prefix: None })
        }
        SweepRow::Prefix(mut sweep) => {
            let done = sweep_prefix(tables, at, &mut sweep, limit)?;
            let prefix = Some((sweep.bucket, sweep.prefix.clone(), sweep.swept));
            if done {
                unmark(tables, &sweep)?;
            }
            put_or_remove(tables, &key, (!done).then_some(SweepRow::Prefix(sweep)));
            Ok(Outcome::Swept { idle: false, prefix })
        }
    }
}

fn put_or_remove(tables: &mut Tables<'_, '_>, key: &[u8], row: Option<SweepRow>) {
    match row {
        Some(row) => tables.put(key, &row),
        None => tables.remove::<SweepRow>(key),
    }
}

fn unmark(tables: &mut Tables<'_, '_>, sweep: &PrefixSweep) -> Result<(), MetadataError> {
    let key = sweep.bucket.to_bytes();
    if let Some(mut row) = tables.get::<BucketRow>(&key)? {
        row.drops.retain(|mark| mark.before != sweep.before);
        tables.put(&key, &row);
    }
    Ok(())
}

/// Takes parts away; says whether none is left.
fn sweep_parts(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    sweep: &mut PartsSweep,
    limit: usize,
) -> Result<bool, MetadataError> {
    let PartsSweep { bucket, holder, .. } = *sweep;
    let from = part_key(bucket, holder, sweep.after);
    let prefix = parts_prefix(bucket, holder);
    let page = tables.page(PARTS, Bound::Excluded(&from), Some(&prefix), limit)?;
    let done = page.len() < limit;
    let mut changed = 0;
    for (key, value) in page {
        let damaged = MetadataError::Row { table: "parts" };
        let (.., number) = parse_part_key(&key).ok_or(damaged)?;
        if changed >= limit {
            return Ok(false);
        }
        sweep.after = number.get();
        if sweep.keep.find(number).is_none() {
            let row = PartRow::decode(&value)?;
            release_part(tables, at, sweep, number, &row)?;
            tables.remove::<PartRow>(&key);
            changed += 1 + 2 * row.extents.len();
        }
    }
    Ok(done)
}

fn release_part(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    sweep: &PartsSweep,
    number: PartNumber,
    row: &PartRow,
) -> Result<(), MetadataError> {
    let version = VersionSeq(sweep.holder);
    let holder = Owner { bucket: sweep.bucket, version, part: number.get() };
    extent::release(tables, at, &row.extents, holder)
}

/// Takes versions, then uploads away; says whether none is left.
fn sweep_prefix(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    sweep: &mut PrefixSweep,
    limit: usize,
) -> Result<bool, MetadataError> {
    if sweep.versions_done {
        return sweep_uploads(tables, at, sweep, limit);
    }
    let limit = limit.div_ceil(ROWS_OF_VERSION);
    let mut gone = BucketStats::default();
    let page = page(tables, VERSIONS, sweep, limit, version_key)?;
    if page.len() < limit {
        sweep.versions_done = true;
    }
    let (mut changed, mut last) = (0, sweep.after.take());
    for (row_key, value) in page {
        let damaged = MetadataError::Row { table: "versions" };
        let (key, seq) = parse_version_key(&row_key).ok_or(damaged)?;
        if seq.0 < sweep.before || tables.planted.is(PlantedBug::SweepBeyondDrop) {
            let row = VersionRow::decode(&value)?;
            let before = last.as_ref().filter(|(other, _)| *other == key);
            let was_current = before.is_none_or(|(_, newer)| newer.0 > sweep.before);
            sweep_version(tables, at, sweep.bucket, &key, seq, &row)?;
            note(&mut gone, &row, was_current);
            changed += row.extents.len();
        }
        last = Some((key, seq));
        if changed > limit * ROWS_OF_VERSION {
            // Many extents: the rest of the page is for the next step.
            sweep.versions_done = false;
            break;
        }
    }
    sweep.after = last.filter(|_| !sweep.versions_done);
    add(&mut sweep.swept, gone);
    if sweep.counted
        && let Some(mut stats) = tables.get::<StatsRow>(&sweep.bucket.to_bytes())?
    {
        subtract(&mut stats.counts, gone);
        tables.put(&sweep.bucket.to_bytes(), &stats);
    }
    Ok(false)
}

/// The next rows below the prefix, behind where the sweep has come to.
fn page(
    tables: &Tables<'_, '_>,
    table: crate::index::TableId,
    sweep: &PrefixSweep,
    limit: usize,
    key_of: impl Fn(BucketId, &[u8], VersionSeq) -> Vec<u8>,
) -> Result<Vec<super::Pair>, MetadataError> {
    let stem = version_key_stem(sweep.bucket, sweep.prefix.as_bytes());
    match &sweep.after {
        None => tables.page(table, Bound::Included(&stem), Some(&stem), limit),
        Some((key, seq)) => {
            let from = key_of(sweep.bucket, key.as_bytes(), *seq);
            tables.page(table, Bound::Excluded(&from), Some(&stem), limit)
        }
    }
}

fn sweep_version(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    bucket: BucketId,
    key: &ObjectKey,
    seq: VersionSeq,
    row: &VersionRow,
) -> Result<(), MetadataError> {
    release_bytes(tables, at, bucket, seq, row)?;
    tables.remove::<VersionRow>(&version_key(bucket, key.as_bytes(), seq));
    let key = object_key(bucket, key.as_bytes());
    if tables.get::<ObjectRow>(&key)?.is_some_and(|shown| shown.version == seq) {
        tables.remove::<ObjectRow>(&key);
    }
    if row.null && tables.get::<NullRow>(&key)?.is_some_and(|named| named.version == seq) {
        tables.remove::<NullRow>(&key);
    }
    Ok(())
}

fn note(gone: &mut BucketStats, row: &VersionRow, was_current: bool) {
    if row.delete_marker {
        gone.delete_markers += 1;
    } else {
        gone.objects += u64::from(was_current);
        gone.versions += 1;
        gone.bytes += row.size;
    }
}

fn add(sum: &mut BucketStats, more: BucketStats) {
    sum.objects += more.objects;
    sum.versions += more.versions;
    sum.delete_markers += more.delete_markers;
    sum.bytes += more.bytes;
}

fn subtract(sum: &mut BucketStats, less: BucketStats) {
    sum.objects = sum.objects.saturating_sub(less.objects);
    sum.versions = sum.versions.saturating_sub(less.versions);
    sum.delete_markers = sum.delete_markers.saturating_sub(less.delete_markers);
    sum.bytes = sum.bytes.saturating_sub(less.bytes);
}

/// Takes uploads away that are older than the drop; says whether none is left.
fn sweep_uploads(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    sweep: &mut PrefixSweep,
    limit: usize,
) -> Result<bool, MetadataError> {
    let as_upload = |bucket, key: &[u8], seq: VersionSeq| upload_key(bucket, key, UploadId(seq.0));
    let page = page(tables, UPLOADS, sweep, limit, as_upload)?;
    let done = page.len() < limit;
    for (row_key, value) in page {
        let damaged = MetadataError::Row { table: "uploads" };
        let (key, upload) = parse_upload_key(&row_key).ok_or(damaged)?;
        if upload.0 < sweep.before {
            let row = UploadRow::decode(&value)?;
            tables.remove::<UploadRow>(&row_key);
            begin_parts(tables, at, sweep.bucket, upload.0, PartLayout::default());
            if sweep.counted {
                upload::count(tables, sweep.bucket, |bytes| bytes - row.bytes)?;
            }
        }
        sweep.after = Some((key, VersionSeq(upload.0)));
    }
    Ok(done)
}
