//! Extents: who refers to them, and when nobody does.
//!
//! An extent lives while its owner or a row of `refs` exists. When the owner goes, the first
//! remaining reference becomes the owner; when there is none, the extent enters `gc`. Whoever refers
//! to an extent several times does so with one reference that covers all.

use coffer_types::ExtentId;

use super::{LogPoint, Tables};
use crate::metadata::MetadataError;
use crate::metadata::command::{NewExtent, Outcome};
use crate::metadata::rows::{ExtentRow, ExtentRun, GcReason, GcRow, Owner, RefRow};
use crate::metadata::tables::{REFS, gc_key, parse_ref_key, ref_key};

/// All of a new extent.
pub(super) fn whole(new: &NewExtent) -> ExtentRun {
    ExtentRun { extent: new.id, offset: 0, len: new.len }
}

/// Gives a new extent its first row.
pub(super) fn adopt(tables: &mut Tables<'_, '_>, new: &NewExtent, owner: Owner) {
    let row = ExtentRow {
        geometry: new.geometry,
        code: new.code,
        drives: new.drives.clone(),
        len: new.len,
        crc64: new.crc64,
        owner,
        shared: 0,
        live: new.len,
    };
    tables.put(&new.id.to_bytes(), &row);
}

/// The extents of a refused command: nothing will ever refer to them.
pub(super) fn refuse(tables: &mut Tables<'_, '_>, at: LogPoint, extents: &[NewExtent]) {
    for extent in extents {
        let key = gc_key(at.index, extent.id);
        tables.put(&key, &GcRow { reason: GcReason::Refused });
    }
}

/// Adds a holder of extents that are there. It holds none of them yet.
pub(super) fn hold(
    tables: &mut Tables<'_, '_>,
    runs: &[ExtentRun],
    holder: Owner,
) -> Result<(), MetadataError> {
    covered(runs).into_iter().try_for_each(|(extent, len)| hold_one(tables, extent, len, holder))
}

/// Takes a holder away.
pub(super) fn release(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    runs: &[ExtentRun],
    holder: Owner,
) -> Result<(), MetadataError> {
    for (extent, len) in covered(runs) {
        release_one(tables, at, extent, len, holder)?;
    }
    Ok(())
}

/// A holder of some extents holds others from now on.
pub(super) fn exchange(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    old: &[ExtentRun],
    new: &[ExtentRun],
    holder: Owner,
) -> Result<(), MetadataError> {
    let (old, new) = (covered(old), covered(new));
    let find = |list: &[(ExtentId, u64)], extent| {
        let at = list.binary_search_by_key(&extent, |(extent, _)| *extent).ok()?;
        Some(list[at].1)
    };
    for &(extent, len) in &new {
        match find(&old, extent) {
            None => hold_one(tables, extent, len, holder)?,
            Some(before) if before == len => {}
            Some(before) => {
                let mut row = get(tables, extent)?;
                row.live = row.live - before + len;
                tables.put(&extent.to_bytes(), &row);
                if row.owner != holder {
                    tables.put(&ref_of(extent, holder), &RefRow { len });
                }
            }
        }
    }
    for &(extent, len) in old.iter().filter(|(extent, _)| find(&new, *extent).is_none()) {
        release_one(tables, at, extent, len, holder)?;
    }
    Ok(())
}

/// Bytes that runs cover of each extent, in the order of extents.
fn covered(runs: &[ExtentRun]) -> Vec<(ExtentId, u64)> {
    let mut sums: Vec<_> = runs.iter().map(|run| (run.extent, run.len)).collect();
    sums.sort_unstable_by_key(|(extent, _)| *extent);
    sums.dedup_by(|(extent, len), (before, sum)| {
        let same = extent == before;
        if same {
            *sum += *len;
        }
        same
    });
    sums
}

fn get(tables: &Tables<'_, '_>, extent: ExtentId) -> Result<ExtentRow, MetadataError> {
    let row = tables.get::<ExtentRow>(&extent.to_bytes())?;
    row.ok_or(MetadataError::Row { table: "extents" })
}

fn ref_of(extent: ExtentId, holder: Owner) -> Vec<u8> {
    ref_key(extent, holder.bucket, holder.version, holder.part)
}

fn hold_one(
    tables: &mut Tables<'_, '_>,
    extent: ExtentId,
    len: u64,
    holder: Owner,
) -> Result<(), MetadataError> {
    let mut row = get(tables, extent)?;
    row.live += len;
    row.shared += 1;
    tables.put(&extent.to_bytes(), &row);
    tables.put(&ref_of(extent, holder), &RefRow { len });
    Ok(())
}

fn release_one(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    extent: ExtentId,
    len: u64,
    holder: Owner,
) -> Result<(), MetadataError> {
    let key = extent.to_bytes();
    let mut row = get(tables, extent)?;
    row.live = row.live.saturating_sub(len);
    if row.owner != holder {
        tables.remove::<RefRow>(&ref_of(extent, holder));
        row.shared = row.shared.saturating_sub(1);
        tables.put(&key, &row);
        return Ok(());
    }
    match next_owner(tables, &row, extent)? {
        Some((ref_row, owner)) => {
            tables.remove::<RefRow>(&ref_row);
            row.owner = owner;
            row.shared -= 1;
            tables.put(&key, &row);
        }
        None => {
            tables.remove::<ExtentRow>(&key);
            let gc = gc_key(at.index, extent);
            tables.put(&gc, &GcRow { reason: GcReason::Unreferenced });
        }
    }
    Ok(())
}

fn next_owner(
    tables: &Tables<'_, '_>,
    row: &ExtentRow,
    extent: ExtentId,
) -> Result<Option<(Vec<u8>, Owner)>, MetadataError> {
    if row.shared == 0 {
        return Ok(None);
    }
    let damaged = || MetadataError::Row { table: "refs" };
    let (key, _) = tables.first_key(REFS, &extent.to_bytes())?.ok_or_else(damaged)?;
    let (bucket, version, part) = parse_ref_key(&key).ok_or_else(damaged)?;
    Ok(Some((key, Owner { bucket, version, part })))
}

/// Forgets extents whose shards are gone.
pub(super) fn collected(tables: &mut Tables<'_, '_>, rows: &[(u64, ExtentId)]) -> Outcome {
    for &(sequence, extent) in rows {
        tables.remove::<GcRow>(&gc_key(sequence, extent));
    }
    Outcome::Done
}
