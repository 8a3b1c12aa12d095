//! The log of a drive: commands and small shards of all groups in one stream of batches.
//!
//! ```text
//! LogHandle::propose ─► bounded queue ─► Writer: batch ─► write ─► flush ─► Applier::apply
//!                                                                            (answers)
//! start: recovery reads what is behind the checkpoints ─► Writer::start opens a new segment
//! ```
//!
//! Invariants, each of which closes a sequence that loses data:
//! - One flush at a time, also across a change of segment. So a batch that exists says that every
//!   batch before it was flushed, and states the sequence that was known durable.
//! - A page of a flushed batch is never written again.
//! - A start never appends behind bytes of an earlier process: it opens a new segment whose first
//!   batch begins with `Start`, and what lies behind the kept sequence never exists again.
//! - A batch that nobody was told about counts whole or not at all.
//! - An error of a write or a flush fences the drive. It is never flushed again and called good.

#[cfg(feature = "planted-bugs")]
mod planted;
mod queue;
pub(crate) mod recovery;
mod segments;
#[cfg(test)]
mod tests;
mod writer;

use bytes::Bytes;
use coffer_types::GroupId;

use super::shards::{Location, ShardKey};
use crate::format::command_header::CommandHeader;
use crate::ports::{SmallShard, WriteClass};

pub(crate) use queue::LogHandle;
pub(crate) use segments::{GroupTails, HeldSegment, LogSegments};
pub(crate) use writer::{LogEnd, OpenLog, StartedLog, Writer};

/// A command that is to be logged.
#[derive(Debug)]
pub(crate) struct Proposal<T> {
    pub(crate) group: GroupId,
    /// Its log time is filled in by the writer.
    pub(crate) header: CommandHeader,
    pub(crate) body: Bytes,
    pub(crate) shard: Option<SmallShard>,
    pub(crate) class: WriteClass,
    pub(crate) ticket: T,
}

/// A command that is durable.
#[derive(Debug)]
pub(crate) struct FlushedCommand<T> {
    pub(crate) group: GroupId,
    pub(crate) index: u64,
    pub(crate) header: CommandHeader,
    pub(crate) shard: Option<(ShardKey, Location)>,
    pub(crate) ticket: T,
}

/// Where the log goes on behind a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogPlace {
    pub(crate) segment: u32,
    /// Counter of the segment's generation.
    pub(crate) generation: u64,
    pub(crate) offset: u64,
    /// The next file sequence.
    pub(crate) sequence: u64,
}

/// A batch that is durable, with the commands in it.
#[derive(Debug)]
pub(crate) struct FlushedBatch<T> {
    pub(crate) term: u64,
    pub(crate) commands: Vec<FlushedCommand<T>>,
    pub(crate) len: u64,
    pub(crate) end: LogPlace,
}

/// Why proposals were not logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no room.
    DriveFull,
    /// The drive failed, for this reason.
    DriveFailed(String),
    /// The log is closing.
    Closing,
}

/// Who learns what became of proposals.
pub(crate) trait Applier: Send + 'static {
    /// Ties an answer to its proposal.
    type Ticket: Send + Sync + 'static;

    /// A batch is durable. Called in log order, on the writer's thread.
    fn apply(&mut self, batch: FlushedBatch<Self::Ticket>);

    /// These were not logged, or it is not known whether they were.
    fn refuse(&mut self, tickets: Vec<Self::Ticket>, why: Refusal);
}
