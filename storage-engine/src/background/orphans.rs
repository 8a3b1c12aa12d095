//! Shards that a crash left without an owner.
//!
//! A shard is written before the command that names it. Once the writer epoch it was written in is
//! closed in the log, no command can name it for the first time, and each group's `extents` tell
//! whether anybody did. No clock decides, so an upload that takes two days is safe.

use coffer_types::{ExtentId, GroupId};

use super::checkpoint::chain;
use crate::metadata::MetadataError;
use crate::metadata::tables::EXTENTS;
use crate::start::closed_before;
use crate::store::Store;

/// Rows of the drive index looked at before others may run.
const PAGE: usize = 1_000;

/// Looks once through everything that earlier starts may have left.
pub(crate) async fn run(store: Store) {
    if let Err(error) = reconcile(&store).await {
        tracing::warn!(error, "orphaned shards were not looked for; the next start does");
    }
}

/// Drops what nobody refers to, and remembers how far it has looked.
pub(crate) async fn reconcile(store: &Store) -> Result<(), String> {
    let shards = store.local().drive.shards();
    let closed = closed_before(store.epoch());
    let mut after = None;
    while !store.is_closing() {
        let page = shards.questions(after, closed, PAGE).map_err(|error| chain(&error))?;
        drop_unknown(store, &page.extents).await.map_err(|error| chain(&error))?;
        store.world().runtime.pause().await;
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    loop {
        let suspects = shards.suspects(PAGE).map_err(|error| chain(&error))?;
        if suspects.listed.is_empty() || store.is_closing() {
            break;
        }
        drop_unknown(store, &suspects.extents).await.map_err(|error| chain(&error))?;
        shards.clear_suspects(&suspects.listed).map_err(|error| chain(&error))?;
    }
    if store.is_closing() {
        return Ok(());
    }
    shards.set_reconciled(closed).map_err(|error| chain(&error))
}

async fn drop_unknown(store: &Store, extents: &[(ExtentId, GroupId)]) -> Result<(), MetadataError> {
    let mut unknown = Vec::new();
    for (extent, group) in extents {
        if store.view(*group).get(EXTENTS, &extent.to_bytes())?.is_none() {
            unknown.push(*extent);
        }
    }
    if !unknown.is_empty() {
        tracing::debug!(extents = unknown.len(), "orphaned shards are dropped");
        store.drive().release(&unknown).await?;
    }
    Ok(())
}
