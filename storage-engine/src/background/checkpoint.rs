//! When an index is checkpointed, and doing it.
//!
//! A checkpoint is due when the overlay is large, when many commands wait in it, or when the log
//! has grown so far behind the last one that a start would read too much. One runs at a time, so
//! that groups take turns on the drive.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use coffer_types::GroupId;
use tokio::sync::Notify;

use crate::index::{Checkpoint, CheckpointError};
use crate::limits::Limits;
use crate::metadata::state_machine::{BatchEnd, Group, StateMachines};
use crate::ports::Runtime;
use crate::switch::Switch;

/// What checkpoints share with the rest of the engine.
#[derive(Debug)]
pub(crate) struct CheckpointState {
    busy: AtomicBool,
    /// Told after each one: more may be due, and floors have moved.
    pub(crate) taken: Notify,
    /// Checkpoints since the start.
    pub(crate) count: AtomicU64,
    /// Why no writes are taken any more: a checkpoint failed, or a command could not be applied.
    pub(crate) failure: OnceLock<String>,
    /// Whether proposals wait because an overlay is too large.
    pub(crate) crowded: Switch,
}

impl CheckpointState {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            busy: AtomicBool::new(false),
            taken: Notify::new(),
            count: AtomicU64::new(0),
            failure: OnceLock::new(),
            crowded: Switch::default(),
        })
    }
}

/// Decides after each batch and starts what is due.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    runtime: Arc<dyn Runtime>,
    limits: Limits,
    pub(crate) state: Arc<CheckpointState>,
    /// Log bytes flushed since the start.
    log_bytes: u64,
    batches: u64,
    /// Where the log goes on.
    pub(crate) end: Option<BatchEnd>,
    /// That figure at each group's last checkpoint, by group number.
    at_checkpoint: Vec<(GroupId, u64)>,
}

impl Checkpoints {
    pub(crate) fn new(runtime: Arc<dyn Runtime>, limits: Limits, groups: &[GroupId]) -> Self {
        Self {
            runtime,
            limits,
            state: CheckpointState::new(),
            log_bytes: 0,
            batches: 0,
            end: None,
            at_checkpoint: groups.iter().map(|id| (*id, 0)).collect(),
        }
    }

    /// Called behind every batch with its length.
    pub(crate) fn after_batch(&mut self, machines: &mut StateMachines, bytes: u64, end: BatchEnd) {
        self.log_bytes += bytes;
        self.batches += 1;
        self.end = Some(end);
        let mut crowded = false;
        let mut due = None;
        for group in machines.groups_mut() {
            let status = group.index.status();
            crowded |= status.active.bytes + status.frozen.bytes > self.limits.overlay_max;
            let waiting = self.log_bytes - self.at(group.id);
            let is_due = status.pending_commands() >= self.limits.checkpoint_commands
                || status.active.bytes >= self.limits.checkpoint_bytes
                || waiting >= self.limits.checkpoint_log_bytes;
            if is_due && due.is_none_or(|(_, most)| waiting > most) {
                due = Some((group.id, waiting));
            }
        }
        self.state.crowded.turn(crowded);
        let Some((due, _)) = due else { return };
        if self.state.failure.get().is_some() || self.state.busy.swap(true, Ordering::AcqRel) {
            return;
        }
        machines.reached(due, end);
        let group = machines.groups_mut().find(|group| group.id == due);
        match group.map(|group| group.writer.freeze()) {
            Some(Ok(Some(checkpoint))) => {
                self.set_at(due);
                self.start(checkpoint);
            }
            Some(Err(error)) => self.state.fail(&error),
            Some(Ok(None)) | None => {
                self.set_at(due);
                self.state.busy.store(false, Ordering::Release);
            }
        }
    }

    /// Batches flushed since the start.
    pub(crate) fn batches(&self) -> u64 {
        self.batches
    }

    fn at(&self, id: GroupId) -> u64 {
        self.at_checkpoint.iter().find(|(group, _)| *group == id).map_or(0, |(_, at)| *at)
    }

    fn set_at(&mut self, id: GroupId) {
        let log_bytes = self.log_bytes;
        self.at_checkpoint.iter_mut().filter(|(group, _)| *group == id).for_each(|(_, at)| {
            *at = log_bytes;
        });
    }

    fn start(&self, checkpoint: Checkpoint) {
        let state = Arc::clone(&self.state);
        let work = move || {
            match checkpoint.run() {
                Ok(_) => {
                    state.count.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => state.fail(&error),
            }
            // Also if there is still much: only a batch can begin the next checkpoint.
            state.crowded.turn(false);
            state.busy.store(false, Ordering::Release);
            state.taken.notify_waiters();
        };
        self.runtime.spawn_blocking("checkpoint", Box::new(work));
    }
}

impl CheckpointState {
    /// Waits while an overlay is too large for its checkpoint to keep up.
    pub(crate) async fn wait_for_room(&self) {
        self.crowded.until(false).await;
    }

    fn fail(&self, error: &CheckpointError) {
        self.refuse_writes(&format!("an index could not be checkpointed: {}", chain(error)));
    }

    /// Takes no more writes until the next start. The first reason stays.
    pub(crate) fn refuse_writes(&self, why: &str) {
        if self.failure.set(why.to_owned()).is_ok() {
            tracing::error!(error = why, "no more writes until restart");
        }
        self.crowded.turn(false);
    }
}

/// An error with its causes, for a log line or an answer that leaves the engine.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Checkpoints all groups at a clean stop, so that the next start replays nothing.
pub(crate) fn checkpoint_all<'g>(
    groups: impl Iterator<Item = &'g mut Group>,
) -> Result<(), CheckpointError> {
    for group in groups {
        if let Some(checkpoint) = group.writer.freeze()? {
            checkpoint.run()?;
        }
        group.index.close()?;
    }
    Ok(())
}
