//! Collection: extents that nobody refers to lose their shards, then their `gc` rows.
//!
//! Order, each step durable before the next: the command that put the row into `gc` is in the log;
//! readers that might have seen the extent are gone; the shards leave the drive index; the drive
//! index is checkpointed; a command removes the rows. A crash between two steps repeats the
//! earlier ones, which then find nothing to do.

use std::time::Duration;

use coffer_types::ExtentId;

use crate::index::IndexView;
use crate::metadata::MetadataError;
use crate::metadata::command::Command;
use crate::metadata::query;
use crate::metadata::tables::{GC, parse_gc_key};
use crate::store::Store;

/// Rows of one command: below the 4,000 rows that a command may change.
const ROWS_MAX: usize = 2_000;
/// How long to wait when there was nothing to collect.
const PAUSE: Duration = Duration::from_secs(1);

/// Collects until the store closes.
pub(crate) async fn run(store: Store) {
    while !store.is_closing() {
        match collect_all(&store).await {
            Ok(true) => {}
            Ok(false) => store.sleep(PAUSE).await,
            Err(error) => {
                if !store.is_closing() {
                    tracing::warn!(%error, "garbage was not collected; it is tried again");
                }
                store.sleep(PAUSE).await;
            }
        }
    }
}

/// One round over all groups; says whether anything was collected.
pub(crate) async fn collect_all(store: &Store) -> Result<bool, MetadataError> {
    let mut found = Vec::new();
    for group in store.data_groups() {
        let rows = due(&store.view(group), store)?;
        if !rows.is_empty() {
            found.push((group, rows));
        }
    }
    if found.is_empty() {
        return Ok(false);
    }
    store.read_gate().passed().await;
    for (_, rows) in &mut found {
        // A reader that came in time holds a lease: its extent waits for a later round.
        rows.retain(|(_, extent)| !store.drive().is_leased(*extent));
        let extents: Vec<_> = rows.iter().map(|(_, extent)| *extent).collect();
        // Rows may only go behind their shards.
        store.drive().release(&extents).await?;
    }
    store.drive().checkpoint().await?;
    let mut collected = false;
    for (group, rows) in found.into_iter().filter(|(_, rows)| !rows.is_empty()) {
        collected = true;
        store.propose(group, Command::Collected { rows }).await?;
    }
    Ok(collected)
}

fn due(view: &IndexView, store: &Store) -> Result<Vec<(u64, ExtentId)>, MetadataError> {
    let mut rows = Vec::new();
    for row in query::with_prefix(view, GC, &[]) {
        let (key, _) = row?;
        let row = parse_gc_key(&key).ok_or(MetadataError::Row { table: "gc" })?;
        if !store.drive().is_leased(row.1) {
            rows.push(row);
        }
        if rows.len() == ROWS_MAX {
            break;
        }
    }
    Ok(rows)
}
