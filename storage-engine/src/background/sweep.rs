//! Sweeps: rows of what is gone go in bounded steps, and completions that are due are forgotten.
//!
//! Each step is one command, so a crash between two of them loses nothing and repeats nothing.

use std::time::Duration;

use coffer_types::GroupId;

use crate::metadata::MetadataError;
use crate::metadata::command::{Command, Outcome};
use crate::metadata::query;
use crate::store::{Store, all_groups};

/// How long to wait when there was nothing to sweep.
const PAUSE: Duration = Duration::from_secs(1);
/// Completions that are forgotten with one command.
const FORGET_AT_ONCE: u32 = 500;
/// Steps after which progress is told.
const TELL_EVERY: usize = 1_000;

/// Sweeps until the store closes.
pub(crate) async fn run(store: Store) {
    while !store.is_closing() {
        for group in all_groups() {
            if let Err(error) = sweep(&store, group).await
                && !store.is_closing()
            {
                tracing::warn!(%error, "what is gone was not swept; it is tried again");
            }
        }
        store.sleep(PAUSE).await;
    }
}

/// Sweeps a group until there is nothing left.
async fn sweep(store: &Store, group: GroupId) -> Result<(), MetadataError> {
    let now = store.world().clock.wall();
    if query::completion_due(&store.view(group))?.is_some_and(|due| due <= now) {
        store.propose(group, Command::ForgetCompletions { limit: FORGET_AT_ONCE }).await?;
    }
    let limit = store.limits().sweep_rows;
    let mut steps = 0;
    while !store.is_closing() && query::has_sweeps(&store.view(group))? {
        let outcome = store.propose(group, Command::Sweep { limit }).await?;
        if let Outcome::Swept { prefix: Some((bucket, prefix, swept)), .. } = outcome {
            steps += 1;
            if steps % TELL_EVERY == 0 {
                let (versions, bytes) = (swept.versions, swept.bytes);
                tracing::info!(?bucket, prefix, versions, bytes, "a dropped prefix is being swept");
            }
        }
    }
    Ok(())
}
