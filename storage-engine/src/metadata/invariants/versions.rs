//! Versions: what is shown, what is counted, what a drop hides.

use coffer_types::{BucketId, ObjectKey, VersionSeq};

use super::{Walk, bucket_of};
use crate::index::TableId;
use crate::metadata::MetadataError;
use crate::metadata::query;
use crate::metadata::rows::{BucketState, NullRow, ObjectRow, Owner, Row, VersionRow};
use crate::metadata::tables::{object_key, parse_version_key};

/// The version before the one that is looked at, in the order of the table.
struct Before {
    bucket: BucketId,
    key: ObjectKey,
    band: u64,
}

/// Visible rows that `objects` and `nulls` must have.
#[derive(Default)]
struct Shown {
    objects: u64,
    nulls: u64,
}

pub(super) fn check(walk: &mut Walk<'_>) -> Result<(), MetadataError> {
    let (mut before, mut shown): (Option<Before>, _) = (None, Shown::default());
    for row in query::with_prefix(walk.view, VersionRow::TABLE, &[]) {
        let (row_key, value) = row?;
        let version = VersionRow::decode(&value)?;
        let bucket = bucket_of(&row_key)?;
        let damaged = MetadataError::Row { table: "versions" };
        let (key, seq) = parse_version_key(&row_key).ok_or(damaged)?;
        let band = band(walk, bucket, &key, seq);
        let newest = before.as_ref().is_none_or(|before| {
            before.bucket != bucket || before.key != key || before.band != band
        });
        count(walk, bucket, &key, band, newest, &version);
        if band == u64::MAX {
            check_shown(walk, &mut shown, bucket, &key, seq, newest, &version)?;
        }
        check_bytes(walk, bucket, &key, seq, &version);
        before = Some(Before { bucket, key, band });
    }
    let expected =
        [(ObjectRow::TABLE, "objects", shown.objects), (NullRow::TABLE, "nulls", shown.nulls)];
    for (table, name, expected) in expected {
        let actual = visible(walk, table)?;
        if actual != expected {
            let text = format!("table {name} has {actual} rows where {expected} belong");
            walk.findings.push(text);
        }
    }
    Ok(())
}

/// The oldest drop that hides a version, by its position; the greatest number if none does.
fn band(walk: &Walk<'_>, bucket: BucketId, key: &ObjectKey, seq: VersionSeq) -> u64 {
    match walk.settings.get(&bucket) {
        Some(row) => {
            let hiding = row.drops.iter().filter(|mark| mark.before > seq.0);
            let hiding = hiding.filter(|mark| mark.covers(key.as_str()));
            hiding.map(|mark| mark.before).min().unwrap_or(u64::MAX)
        }
        // Its bucket is gone; the sweep of all that it had is not done.
        None => walk.prefix_sweeps(bucket).map(|sweep| sweep.before).max().unwrap_or(u64::MAX),
    }
}

fn count(
    walk: &mut Walk<'_>,
    bucket: BucketId,
    key: &ObjectKey,
    band: u64,
    newest: bool,
    row: &VersionRow,
) {
    let sweep = walk.prefix_sweeps(bucket).find(|sweep| sweep.before == band);
    if sweep.is_some_and(|sweep| !sweep.counted) {
        return;
    }
    // The newest one that the drop hides may be swept already.
    let swept = sweep.and_then(|sweep| sweep.after.as_ref());
    let newest = newest && swept.is_none_or(|(last, seq)| last != key || seq.0 > band);
    if !walk.settings.contains_key(&bucket) {
        walk.findings.push(format!("bucket {bucket:?} has versions but no row"));
    }
    let counts = walk.counts.entry(bucket).or_default();
    if row.delete_marker {
        counts.delete_markers += 1;
    } else {
        counts.versions += 1;
        counts.bytes += row.size;
        counts.objects += u64::from(newest);
    }
}

fn check_shown(
    walk: &mut Walk<'_>,
    shown: &mut Shown,
    bucket: BucketId,
    key: &ObjectKey,
    seq: VersionSeq,
    newest: bool,
    row: &VersionRow,
) -> Result<(), MetadataError> {
    let floor = walk.settings.get(&bucket).map_or(0, |settings| settings.floor(key));
    let raw = object_key(bucket, key.as_bytes());
    let is_shown = newest && !row.delete_marker;
    if newest {
        let actual = query::get::<ObjectRow>(walk.view, &raw)?;
        let actual = actual.filter(|actual| actual.version.0 > floor);
        if actual != is_shown.then(|| row.summary(seq)) {
            walk.findings.push(format!("{key:?}: the current object is not its newest version"));
        }
        shown.objects += u64::from(is_shown);
    }
    if row.null {
        shown.nulls += u64::from(!is_shown);
        let named = query::get::<NullRow>(walk.view, &raw)?.map(|null| null.version);
        if named.filter(|named| named.0 > floor) != (!is_shown).then_some(seq) {
            let text = format!("{key:?}: its null version is not where it is looked for");
            walk.findings.push(text);
        }
    }
    Ok(())
}

fn check_bytes(
    walk: &mut Walk<'_>,
    bucket: BucketId,
    key: &ObjectKey,
    seq: VersionSeq,
    row: &VersionRow,
) {
    let mut sum: u64 = row.extents.iter().map(|run| run.len).sum();
    walk.hold(&row.extents, Owner { bucket, version: seq, part: 0 });
    if let Some(parts) = &row.parts {
        sum += parts.layout.size();
        let other = walk.layouts.insert((bucket, parts.holder), parts.layout.clone());
        if other.is_some() {
            walk.findings.push(format!("{key:?}: another version is made of its parts"));
        }
    }
    if sum != row.stored_size {
        let text = format!("{key:?}: its extents have {sum} of {} bytes", row.stored_size);
        walk.findings.push(text);
    }
}

/// Rows of `objects` or `nulls` that no drop hides.
fn visible(walk: &Walk<'_>, table: TableId) -> Result<u64, MetadataError> {
    let mut visible = 0;
    for row in query::with_prefix(walk.view, table, &[]) {
        let (row_key, value) = row?;
        let bucket = bucket_of(&row_key)?;
        let version = if table == ObjectRow::TABLE {
            ObjectRow::decode(&value)?.version
        } else {
            NullRow::decode(&value)?.version
        };
        let damaged = || MetadataError::Row { table: "objects" };
        let key = std::str::from_utf8(&row_key[BucketId::LEN..]).map_err(|_| damaged())?;
        let key = ObjectKey::parse(key).map_err(|_| damaged())?;
        let open = walk.settings.get(&bucket).filter(|row| row.state == BucketState::Open);
        visible += u64::from(open.is_some_and(|row| version.0 > row.floor(&key)));
    }
    Ok(visible)
}
