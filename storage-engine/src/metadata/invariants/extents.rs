//! Extents: each is held by exactly those whom its row and its references name.

use coffer_types::{ExtentId, VersionSeq};

use super::{Holder, Walk};
use crate::metadata::MetadataError;
use crate::metadata::query;
use crate::metadata::rows::{ExtentRow, RefRow, Row};
use crate::metadata::tables::{GC, parse_gc_key, parse_ref_key, ref_key};

pub(super) fn check(walk: &mut Walk<'_>) -> Result<(), MetadataError> {
    let held = std::mem::take(&mut walk.held);
    for (id, holders) in &held {
        let Some(row) = query::get::<ExtentRow>(walk.view, &id.to_bytes())? else {
            walk.findings.push(format!("extent {id:?} is referred to and has no row"));
            continue;
        };
        let owner = (row.owner.bucket, row.owner.version.0, row.owner.part);
        let live: u64 = holders.values().sum();
        if live != row.live || holders.len() != row.shared as usize + 1 {
            let text = format!(
                "extent {id:?} counts {} live bytes and {} references beside its owner, it is held \
                 by {} with {live}",
                row.live,
                row.shared,
                holders.len()
            );
            walk.findings.push(text);
        }
        if !holders.contains_key(&owner) {
            walk.findings.push(format!("extent {id:?} belongs to {owner:?}, which has it not"));
        }
        for (holder, len) in holders.iter().filter(|(holder, _)| **holder != owner) {
            check_reference(walk, *id, *holder, *len)?;
        }
    }
    for row in query::with_prefix(walk.view, ExtentRow::TABLE, &[]) {
        let (key, _) = row?;
        let damaged = |_| MetadataError::Row { table: "extents" };
        let id = ExtentId::from_bytes((*key).try_into().map_err(damaged)?);
        if !held.contains_key(&id) {
            walk.findings.push(format!("extent {id:?} belongs to no version"));
        }
    }
    for row in query::with_prefix(walk.view, RefRow::TABLE, &[]) {
        let (key, _) = row?;
        let damaged = || MetadataError::Row { table: "refs" };
        let (bucket, version, part) = parse_ref_key(&key).ok_or_else(damaged)?;
        let id = ExtentId::from_bytes(*key.first_chunk().ok_or_else(damaged)?);
        let holder = (bucket, version.0, part);
        if !held.get(&id).is_some_and(|holders| holders.contains_key(&holder)) {
            walk.findings
                .push(format!("extent {id:?} has a reference of {holder:?}, who has it not"));
        }
    }
    check_gc(walk)
}

fn check_reference(
    walk: &mut Walk<'_>,
    id: ExtentId,
    holder: Holder,
    len: u64,
) -> Result<(), MetadataError> {
    let key = ref_key(id, holder.0, VersionSeq(holder.1), holder.2);
    let stored = query::get::<RefRow>(walk.view, &key)?.map(|row| row.len);
    if stored != Some(len) {
        let text = format!("extent {id:?}: {holder:?} has {len} bytes, its reference {stored:?}");
        walk.findings.push(text);
    }
    Ok(())
}

fn check_gc(walk: &mut Walk<'_>) -> Result<(), MetadataError> {
    for row in query::with_prefix(walk.view, GC, &[]) {
        let (key, _) = row?;
        let (_, extent) = parse_gc_key(&key).ok_or(MetadataError::Row { table: "gc" })?;
        if walk.view.get(ExtentRow::TABLE, &extent.to_bytes())?.is_some() {
            let text = format!("extent {extent:?} awaits collection but is referred to");
            walk.findings.push(text);
        }
    }
    Ok(())
}
