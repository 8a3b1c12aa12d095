//! Making the drive index durable.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::table::{ShardIndex, ShardIndexError, State};
use crate::index::{Checkpoint, CheckpointError, OpenIndexError, ResumeError, is_full};
use crate::ports::Runtime;

/// How long a checkpoint that found the drive full rests before the next attempt.
const RETRY: Duration = Duration::from_millis(500);

impl ShardIndexError {
    /// Whether it is only that the drive was full: worth another attempt once space came back.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Checkpoint(CheckpointError::Write(redb::Error::Io(error)))
            | Self::Resume(ResumeError::Open(OpenIndexError::Io(error))) => is_full(error),
            _ => false,
        }
    }
}

impl ShardIndex {
    /// Makes everything durable that was changed before this call. Calls at the same time wait for
    /// each other.
    pub async fn checkpoint(
        self: &Arc<Self>,
        runtime: &Arc<dyn Runtime>,
    ) -> Result<(), ShardIndexError> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let (done, result) = oneshot::channel();
        let index = Arc::clone(self);
        // The work owns its turn and notes its own end, so that a caller who stops waiting leaves
        // nothing half done.
        runtime.spawn_blocking(
            "drive-index-checkpoint",
            Box::new(move || {
                let result = index.checkpoint_now();
                drop(turn);
                // Nobody waits any more: that is fine.
                let _ = done.send(result);
            }),
        );
        result.await.map_err(|_| ShardIndexError::Stopped)?
    }

    /// Makes everything durable. Blocks; by itself only for a store that does not serve.
    pub fn checkpoint_now(&self) -> Result<(), ShardIndexError> {
        loop {
            let begun = self.lock().begin_checkpoint();
            let begun = match begun {
                Err(CheckpointError::FailedBefore) => {
                    // It can be taken up again if the drive was only full.
                    self.index.resume()?;
                    self.lock().begin_checkpoint()?
                }
                other => other?,
            };
            if let Some(checkpoint) = begun.checkpoint {
                checkpoint.run()?;
            }
            if begun.is_all {
                self.lock().durably_empty = begun.empty;
                return Ok(());
            }
        }
    }

    /// Takes checkpoints as they fall due, until one fails for another reason than a full drive.
    /// Returns that reason.
    pub async fn keep_checkpointed(self: Arc<Self>, runtime: Arc<dyn Runtime>) -> ShardIndexError {
        loop {
            self.due.notified().await;
            match self.checkpoint(&runtime).await {
                Ok(()) => {}
                Err(error) if error.is_full() => {
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

/// A checkpoint that begins.
struct Begun {
    /// What is to be run; `None` if everything is durable already.
    checkpoint: Option<Checkpoint>,
    /// Segments, with their generations, into which no row points now.
    empty: BTreeSet<(u32, u64)>,
    /// Whether it covers everything there is now. One that failed before, or was never run, is
    /// taken up as it was: what changed since is not in it.
    is_all: bool,
}

impl State {
    fn begin_checkpoint(&mut self) -> Result<Begun, CheckpointError> {
        let empty = self.segments.iter().filter(|(_, row)| row.live_records == 0);
        let empty = empty.map(|(segment, row)| (*segment, row.generation)).collect();
        let checkpoint = self.writer.freeze()?;
        let now = self.writer.position().index;
        let is_all = checkpoint.as_ref().is_none_or(|it| it.position().index == now);
        Ok(Begun { checkpoint, empty, is_all })
    }
}
