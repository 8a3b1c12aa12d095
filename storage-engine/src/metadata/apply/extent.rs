//! Extents: who refers to them, and when nobody does.
//!
//! An extent lives while its owner or a row of `refs` exists. When the owner goes, the first
//! remaining reference becomes the owner; when there is none, the extent enters `gc`.

use coffer_types::ExtentId;

use super::{LogPoint, Tables};
use crate::metadata::MetadataError;
use crate::metadata::command::{NewExtent, Outcome};
use crate::metadata::rows::{ExtentRow, ExtentRun, GcReason, GcRow, Owner};
use crate::metadata::tables::{REFS, gc_key, parse_ref_key, ref_key};

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

/// Takes one reference away.
pub(super) fn release(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    run: &ExtentRun,
    holder: Owner,
) -> Result<(), MetadataError> {
    let key = run.extent.to_bytes();
    let Some(mut row) = tables.get::<ExtentRow>(&key)? else {
        return Err(MetadataError::Row { table: "extents" });
    };
    row.live = row.live.saturating_sub(run.len);
    if row.owner != holder {
        tables.tx.remove(REFS, &ref_key(run.extent, holder.bucket, holder.version, holder.part));
        row.shared = row.shared.saturating_sub(1);
        tables.put(&key, &row);
        return Ok(());
    }
    match next_owner(tables, &row, run.extent)? {
        Some((ref_row, owner)) => {
            tables.tx.remove(REFS, &ref_row);
            row.owner = owner;
            row.shared -= 1;
            tables.put(&key, &row);
        }
        None => {
            tables.remove::<ExtentRow>(&key);
            let gc = gc_key(at.index, run.extent);
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
