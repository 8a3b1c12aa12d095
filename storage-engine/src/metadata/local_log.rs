//! The metadata log of a single node: commands go into the drive's log, and come back applied.
//!
//! A proposal waits in the log writer's bounded queue, is flushed in a batch with whatever else
//! waits, applied in log order, and answered. An answer means durable and visible.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use coffer_types::{Clock, CommandId, GroupId, RequestId, Timestamp, WriterEpoch};
use futures::future::BoxFuture;
use tokio::sync::oneshot;

use super::MetadataError;
use super::apply::LogPoint;
use super::command::{Command, Outcome};
use super::state_machine::{BatchEnd, Placed, StateMachines, Ticket};
use crate::background::checkpoint::{CheckpointState, Checkpoints, chain};
use crate::drive::log::{
    Applier, FlushedBatch, HeldSegment, LogHandle, LogSegments, Proposal, Refusal,
};
use crate::drive::shards::{Scanned, ShardIndex};
use crate::format::command_header::CommandHeader;
use crate::format::segment::Stream;
use crate::ports::{Applied, MetadataLog, SmallShard, WriteClass};
use crate::store::all_groups;

/// State machines and checkpoint triggers, shared with whoever closes the store. The lock is
/// uncontended while the log runs: its writer alone takes it.
pub(crate) type SharedMachines = Arc<Mutex<Machines>>;

/// What runs behind every flush.
#[derive(Debug)]
pub(crate) struct Machines {
    pub(crate) states: StateMachines,
    pub(crate) checkpoints: Checkpoints,
}

impl Machines {
    /// Makes a flushed batch's shards findable by `insert`, then applies its commands. Findable
    /// comes before named, and whatever fails stops the machines: no later batch, and no note of how
    /// far the log was read, may step over the hole. The next start reads on from before it.
    pub(crate) fn apply(
        &mut self,
        batch: &FlushedBatch<Ticket>,
        insert: impl FnOnce(&FlushedBatch<Ticket>) -> Result<(), MetadataError>,
    ) -> Result<Vec<Outcome>, MetadataError> {
        let end = BatchEnd::from(batch.end);
        let applied = self.states.proceed().and_then(|()| {
            insert(batch).map_err(|error| self.states.stop(error))?;
            self.states.apply(&placed(batch), end)
        });
        match &applied {
            Ok(_) => self.checkpoints.after_batch(&mut self.states, batch.len, end),
            Err(error) => self.checkpoints.state.refuse_writes(&chain(error)),
        }
        applied
    }

    /// Notes in every group that everything logged so far is applied, if it is.
    pub(crate) fn reach_end(&mut self) {
        let Some(end) = self.checkpoints.end.filter(|_| self.states.proceed().is_ok()) else {
            return;
        };
        let groups: Vec<_> = self.states.positions().map(|(group, _)| group).collect();
        for group in groups {
            self.states.reached(group, end);
        }
    }
}

/// Locks them; a panic while applying has stopped the machines themselves.
pub(crate) fn lock(machines: &SharedMachines) -> MutexGuard<'_, Machines> {
    machines.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs on the log writer's thread, right behind each flush.
#[derive(Debug)]
pub(crate) struct LogApplier {
    pub(crate) machines: SharedMachines,
    pub(crate) shards: Arc<ShardIndex>,
}

impl Applier for LogApplier {
    type Ticket = Ticket;

    fn apply(&mut self, batch: FlushedBatch<Ticket>) {
        let outcomes = lock(&self.machines).apply(&batch, |batch| self.insert_shards(batch));
        answer(batch, outcomes);
    }

    fn refuse(&mut self, tickets: Vec<Ticket>, why: Refusal) {
        let error = MetadataError::from(why);
        for ticket in tickets {
            // A caller that went away needs no answer.
            let _ = ticket.reply.send(Err(error.clone()));
        }
    }
}

impl From<Refusal> for MetadataError {
    fn from(why: Refusal) -> Self {
        match why {
            Refusal::DriveFull => Self::DriveFull,
            Refusal::DriveFailed(why) => Self::DriveFailed(why),
            Refusal::Closing => Self::Unavailable,
        }
    }
}

impl LogApplier {
    fn insert_shards(&self, batch: &FlushedBatch<Ticket>) -> Result<(), MetadataError> {
        let entries: Vec<_> =
            batch.commands.iter().filter_map(|flushed| flushed.shard.clone()).collect();
        if entries.is_empty() {
            return Ok(());
        }
        let to = Scanned {
            segment: batch.end.segment,
            generation: batch.end.generation,
            stream: Stream::Log,
            end: batch.end.offset,
        };
        let inserted = self.shards.insert(&to, &entries);
        inserted.map_err(|error| MetadataError::DriveFailed(chain(&error)))
    }
}

fn placed(batch: &FlushedBatch<Ticket>) -> Vec<Placed<'_>> {
    let placed = batch.commands.iter().map(|flushed| Placed {
        point: LogPoint {
            group: flushed.group,
            index: flushed.index,
            time: flushed.header.log_time,
        },
        term: batch.term,
        command: &flushed.ticket.command,
    });
    placed.collect()
}

fn answer(batch: FlushedBatch<Ticket>, outcomes: Result<Vec<Outcome>, MetadataError>) {
    match outcomes {
        Ok(outcomes) => {
            let FlushedBatch { term, commands, .. } = batch;
            for (flushed, outcome) in commands.into_iter().zip(outcomes) {
                let applied = Applied { outcome, term, index: flushed.index };
                // A caller that went away needs no answer.
                let _ = flushed.ticket.reply.send(Ok(applied));
            }
        }
        Err(error) => {
            for flushed in batch.commands {
                let _ = flushed.ticket.reply.send(Err(error.clone()));
            }
        }
    }
}

/// The log of this process behind its port, and what is local by nature beside it.
#[derive(Debug)]
pub(crate) struct LocalLog {
    pub(crate) handle: LogHandle<Ticket>,
    pub(crate) segments: Arc<LogSegments>,
    pub(crate) machines: SharedMachines,
    pub(crate) checkpoints: Arc<CheckpointState>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) epoch: WriterEpoch,
    pub(crate) next_command: AtomicU64,
}

impl LocalLog {
    /// Closed segments that some group still needs, oldest first.
    pub(crate) fn held(&self) -> Vec<HeldSegment> {
        self.segments.held()
    }

    fn header(&self) -> CommandHeader {
        let counter = self.next_command.fetch_add(1, Ordering::Relaxed);
        CommandHeader {
            id: CommandId { epoch: self.epoch, counter },
            proposer_time: self.clock.wall(),
            log_time: Timestamp::default(),
            principal: None,
            request: RequestId(0),
        }
    }
}

impl MetadataLog for LocalLog {
    fn propose(
        &self,
        group: GroupId,
        command: Command,
        small: Option<SmallShard>,
    ) -> BoxFuture<'_, Result<Applied, MetadataError>> {
        Box::pin(async move {
            // What is logged must be applied, and read back by every later start.
            if all_groups().all(|known| known != group) {
                return Err(MetadataError::NoGroup { group: group.0 });
            }
            if let Some(failure) = self.checkpoints.failure.get() {
                return Err(MetadataError::DriveFailed(failure.clone()));
            }
            self.checkpoints.wait_for_room().await;
            let class =
                if command.frees_space() { WriteClass::Reserve } else { WriteClass::Normal };
            let (reply, answer) = oneshot::channel();
            let proposal = Proposal {
                group,
                header: self.header(),
                body: Bytes::from(command.encode()),
                shard: small,
                class,
                ticket: Ticket { command, reply },
            };
            self.handle.propose(proposal).await?;
            answer.await.unwrap_or(Err(MetadataError::Unavailable))
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.handle.close())
    }
}
