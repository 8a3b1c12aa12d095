//! Copies: a version that refers to the extents of another one. References are added before any is
//! removed, so a key can be copied onto itself.

use coffer_types::{PartNumber, VersionSeq};

use super::{LogPoint, Tables, extent};
use crate::metadata::MetadataError;
use crate::metadata::apply::version::Change;
use crate::metadata::command::{CopyVersion, Outcome, SourceVersion};
use crate::metadata::rows::{ExtentRun, Owner, PartRow, PartsRef, VersionRow, cut};
use crate::metadata::tables::{part_key, version_key};
use crate::planted::PlantedBug;

/// The row of a version that is still there.
fn source(
    tables: &Tables<'_, '_>,
    source: &SourceVersion,
) -> Result<Option<VersionRow>, MetadataError> {
    let SourceVersion { bucket, key, version } = source;
    let bucket_row = tables.open_bucket(*bucket)?;
    if bucket_row.is_none_or(|row| version.0 <= row.floor(key)) {
        return Ok(None);
    }
    let row = tables.get::<VersionRow>(&version_key(*bucket, key.as_bytes(), *version))?;
    Ok(row.filter(|row| !row.delete_marker))
}

fn part(
    tables: &Tables<'_, '_>,
    source: &SourceVersion,
    parts: &PartsRef,
    number: PartNumber,
) -> Result<PartRow, MetadataError> {
    let row = tables.get::<PartRow>(&part_key(source.bucket, parts.holder, number.get()))?;
    row.ok_or(MetadataError::Row { table: "parts" })
}

/// The runs that hold some bytes of a version.
pub(super) fn range(
    tables: &Tables<'_, '_>,
    from: &SourceVersion,
    first: u64,
    len: u64,
) -> Result<Result<Vec<ExtentRun>, Outcome>, MetadataError> {
    let Some(row) = source(tables, from)? else {
        return Ok(Err(Outcome::SourceGone));
    };
    let Some(parts) = &row.parts else {
        return Ok(Ok(cut(&row.extents, 0, first, len)));
    };
    let mut runs = Vec::new();
    for place in parts.layout.covering(first, len) {
        let part = part(tables, from, parts, place.number)?;
        runs.extend(cut(&part.extents, place.offset, first, len));
    }
    Ok(Ok(runs))
}

/// Commits a copy of a version.
pub(super) fn version(
    tables: &mut Tables<'_, '_>,
    at: LogPoint,
    copy: &CopyVersion,
) -> Result<Outcome, MetadataError> {
    let Some(change) = Change::begin(tables, at, copy.bucket, &copy.key)? else {
        return Ok(Outcome::NoBucket);
    };
    let Some(from) = source(tables, &copy.source)? else {
        return Ok(Outcome::SourceGone);
    };
    if let Err(outcome) = change.check(&copy.condition) {
        return Ok(outcome);
    }
    let position = VersionSeq(at.index);
    let holder = |part| Owner { bucket: copy.bucket, version: position, part };
    if !tables.planted.is(PlantedBug::CopyWithoutReference) {
        extent::hold(tables, &from.extents, holder(0))?;
    }
    let parts = match &from.parts {
        None => None,
        Some(parts) => {
            for place in parts.layout.iter() {
                let part = part(tables, &copy.source, parts, place.number)?;
                let number = place.number.get();
                extent::hold(tables, &part.extents, holder(number))?;
                tables.put(&part_key(copy.bucket, position.0, number), &part);
            }
            Some(PartsRef { holder: position.0, layout: parts.layout.clone() })
        }
    };
    let row = VersionRow {
        class: from.class,
        transform: from.transform,
        size: from.size,
        stored_size: from.stored_size,
        etag: from.etag,
        headers: copy.headers.clone(),
        user_metadata: copy.user_metadata.clone(),
        checksums: copy.checksums.clone(),
        checksum_kind: copy.checksum_kind,
        parts,
        extents: from.extents,
        key_envelope: from.key_envelope,
        ..VersionRow::empty(at.time)
    };
    change.commit(tables, row)
}
