//! Making the drive index durable.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::table::{ShardIndex, ShardIndexError};
use crate::index::CheckpointError;
use crate::ports::Runtime;

/// How long a failed attempt to begin a checkpoint rests before the next.
const RETRY: Duration = Duration::from_millis(200);

impl ShardIndex {
    /// Makes everything durable that was changed before this call. Calls at the same time wait for
    /// each other.
    pub async fn checkpoint(
        self: &Arc<Self>,
        runtime: &Arc<dyn Runtime>,
    ) -> Result<(), ShardIndexError> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let (begun, empty) = {
            let mut state = self.lock();
            let empty = state.segments.iter().filter(|(_, row)| row.live_records == 0);
            let empty = empty.map(|(segment, row)| (*segment, row.generation)).collect();
            (state.writer.freeze()?, empty)
        };
        let (done, result) = oneshot::channel();
        let index = Arc::clone(self);
        // The work owns its turn and notes its own end, so that a caller who stops waiting leaves
        // nothing half done.
        let run = move || -> Result<(), CheckpointError> {
            if let Some(checkpoint) = begun {
                checkpoint.run()?;
            }
            index.lock().durably_empty = empty;
            Ok(())
        };
        runtime.spawn_blocking(
            "drive-index-checkpoint",
            Box::new(move || {
                let result = run();
                drop(turn);
                // Nobody waits any more: that is fine.
                let _ = done.send(result);
            }),
        );
        Ok(result.await.map_err(|_| ShardIndexError::Stopped)??)
    }

    /// Makes everything durable. Blocks; for a store that does not serve.
    pub fn checkpoint_now(&self) -> Result<(), ShardIndexError> {
        let begun = self.lock().writer.freeze()?;
        if let Some(checkpoint) = begun {
            checkpoint.run()?;
        }
        Ok(())
    }

    /// Takes checkpoints as they fall due, until the index is dropped by everybody else or a
    /// checkpoint fails. Returns why it ended.
    pub async fn keep_checkpointed(self: Arc<Self>, runtime: Arc<dyn Runtime>) -> ShardIndexError {
        loop {
            self.due.notified().await;
            match self.checkpoint(&runtime).await {
                Ok(()) => {}
                Err(ShardIndexError::Checkpoint(CheckpointError::UnderWay)) => {
                    runtime.sleep(RETRY).await;
                    self.due.notify_one();
                }
                Err(error) => return error,
            }
        }
    }

    /// Whether so much waits in memory that a producer should take a checkpoint before it goes on.
    pub fn is_crowded(&self) -> bool {
        let status = self.index.status();
        status.active.bytes + status.frozen.bytes >= self.limits.overlay_max
    }

    pub(super) fn notice_size(&self) {
        let status = self.index.status();
        let due = status.active.bytes >= self.limits.checkpoint_bytes
            || status.active.rows as u64 >= self.limits.checkpoint_commands;
        if due {
            self.due.notify_one();
        }
    }

    /// Closes the index file. What was not checkpointed is found again by scanning.
    pub fn close(&self) -> Result<(), ShardIndexError> {
        Ok(self.index.close()?)
    }
}
