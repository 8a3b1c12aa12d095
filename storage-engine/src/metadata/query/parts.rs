//! Parts of uploads and of versions.

use std::ops::Bound;

use coffer_types::{BucketId, ChecksumAlgorithm, PartNumber};

use super::{get, next_row};
use crate::index::{IndexView, Range};
use crate::metadata::MetadataError;
use crate::metadata::rows::{ExtentRun, PartRow, Row, VersionRow, cut};
use crate::metadata::tables::{parse_part_key, part_key, parts_prefix, prefix_end};
use crate::multipart::PartSummary;
use crate::object::PartLayout;

const DAMAGED: MetadataError = MetadataError::Row { table: "parts" };

/// Parts that are kept under a position, behind a number.
pub(crate) fn parts_after(
    view: &IndexView,
    bucket: BucketId,
    holder: u64,
    after: u16,
) -> impl Iterator<Item = Result<(PartNumber, PartRow), MetadataError>> + '_ {
    let end = prefix_end(&parts_prefix(bucket, holder));
    let end = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
    let from = part_key(bucket, holder, after);
    let mut rows: Range<'_> = view.range(PartRow::TABLE, Bound::Excluded(&from), end);
    std::iter::from_fn(move || next_part(&mut rows).transpose())
}

fn next_part(rows: &mut Range<'_>) -> Result<Option<(PartNumber, PartRow)>, MetadataError> {
    let Some((key, row)) = next_row::<PartRow>(rows)? else {
        return Ok(None);
    };
    let (.., number) = parse_part_key(&key).ok_or(DAMAGED)?;
    Ok(Some((number, row)))
}

/// A page of the parts that `keep` takes, and whether more follow. Checksums are those of one
/// algorithm.
pub(crate) fn list_parts(
    parts: impl Iterator<Item = Result<(PartNumber, PartRow), MetadataError>>,
    algorithm: ChecksumAlgorithm,
    limit: usize,
) -> Result<(Vec<PartSummary>, bool), MetadataError> {
    let mut page = Vec::new();
    for part in parts {
        let (number, row) = part?;
        if page.len() == limit {
            return Ok((page, true));
        }
        page.push(summary(number, &row, algorithm));
    }
    Ok((page, false))
}

fn summary(number: PartNumber, row: &PartRow, algorithm: ChecksumAlgorithm) -> PartSummary {
    let of_upload = row.checksums.iter().filter(|sum| sum.algorithm() == algorithm);
    PartSummary {
        number,
        size: row.size,
        etag: row.etag.to_etag(),
        modified: row.modified,
        checksums: of_upload.cloned().collect(),
    }
}

/// The runs of extents that hold the bytes from `first` on of a version whose parts are kept under
/// a position.
pub(crate) fn runs(
    view: &IndexView,
    bucket: BucketId,
    holder: u64,
    layout: &PartLayout,
    first: u64,
    len: u64,
) -> Result<Vec<ExtentRun>, MetadataError> {
    let mut runs = Vec::new();
    for place in layout.covering(first, len) {
        let row = get::<PartRow>(view, &part_key(bucket, holder, place.number.get()))?;
        runs.extend(cut(&row.ok_or(DAMAGED)?.extents, place.offset, first, len));
    }
    Ok(runs)
}

/// The same for any version.
pub(crate) fn runs_of(
    view: &IndexView,
    bucket: BucketId,
    row: &VersionRow,
    first: u64,
    len: u64,
) -> Result<Vec<ExtentRun>, MetadataError> {
    match &row.parts {
        None => Ok(cut(&row.extents, 0, first, len)),
        Some(parts) => runs(view, bucket, parts.holder, &parts.layout, first, len),
    }
}
