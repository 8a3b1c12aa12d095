//! What goes on behind the requests: checkpoints, dumps, sweeping of what is gone, collection of what
//! nobody refers to.
//!
//! Every job can be cut anywhere and goes on after a start: what is to be done stands in tables
//! and in the log, never only in memory.

pub(crate) mod checkpoint;
pub(crate) mod dump;
pub(crate) mod gc;
pub(crate) mod orphans;
pub(crate) mod sweep;

use std::sync::Arc;

use crate::ports::Task;
use crate::store::Store;

/// Starts all jobs. When the store closes each is dropped where it waits; blocking work that it
/// began comes to its end.
pub(crate) fn start(store: &Store) {
    let runtime = &store.world().runtime;
    let tasks = store.tasks();
    let until_closing = |job: Task| -> Task {
        let tasks = tasks.clone();
        Box::pin(async move { tasks.until_closing(job).await })
    };
    runtime.spawn("gc", until_closing(Box::pin(gc::run(store.clone()))));
    runtime.spawn("sweep", until_closing(Box::pin(sweep::run(store.clone()))));
    runtime.spawn("dump", until_closing(Box::pin(dump::run(store.clone()))));
    runtime.spawn("orphans", until_closing(Box::pin(orphans::run(store.clone()))));
    let compactor = store.local().drive.compactor();
    let closing = store.clone();
    let compact = async move { compactor.run(move || closing.is_closing()).await };
    runtime.spawn_writer("compaction", until_closing(Box::pin(compact)));
    let shards = Arc::clone(store.local().drive.shards());
    let world = store.world().clone();
    let pool = Arc::clone(store.local().drive.pool());
    let checkpoint = async move {
        let why = shards.keep_checkpointed(Arc::clone(&world.runtime)).await;
        pool.health().fail(format!("the drive index: {}", checkpoint::chain(&why)));
    };
    runtime.spawn("drive-index", until_closing(Box::pin(checkpoint)));
}
