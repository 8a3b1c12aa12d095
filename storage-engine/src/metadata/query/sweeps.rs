//! What background work there is in a group.

use coffer_types::Timestamp;

use super::{get, next_row, with_prefix};
use crate::index::IndexView;
use crate::metadata::MetadataError;
use crate::metadata::apply::feed::ALL;
use crate::metadata::rows::{CompletionDueRow, FeedsRow, PrefixSweep, Row, SweepRow};

/// Whether anything is to be swept.
pub(crate) fn has_sweeps(view: &IndexView) -> Result<bool, MetadataError> {
    let mut rows = with_prefix(view, SweepRow::TABLE, &[]);
    if next_row::<SweepRow>(&mut rows)?.is_some() {
        return Ok(true);
    }
    Ok(get::<FeedsRow>(view, ALL)?.is_some_and(|feeds| feeds.readers == 0))
}

/// Prefixes that were dropped and are still being swept.
pub(crate) fn sweeps(view: &IndexView) -> Result<Vec<PrefixSweep>, MetadataError> {
    let mut rows = with_prefix(view, SweepRow::TABLE, &[]);
    let mut sweeps = Vec::new();
    while let Some((_, row)) = next_row::<SweepRow>(&mut rows)? {
        if let SweepRow::Prefix(sweep) = row {
            sweeps.push(sweep);
        }
    }
    Ok(sweeps)
}

/// When the oldest remembered completion may be forgotten.
pub(crate) fn completion_due(view: &IndexView) -> Result<Option<Timestamp>, MetadataError> {
    let mut rows = with_prefix(view, CompletionDueRow::TABLE, &[]);
    Ok(next_row::<CompletionDueRow>(&mut rows)?.map(|(_, row)| row.due))
}
