//! Every size and trigger of the engine in one value, so that the simulator can shrink them.

use std::time::Duration;

use crate::planted::Planted;

/// Bytes of one block: the unit of checksums and of verified reads.
pub(crate) const BLOCK_LEN: usize = 64 << 10;
/// Bytes of one page: batches start on its boundaries and no page of a flushed batch is rewritten.
pub(crate) const PAGE_LEN: usize = 4 << 10;
/// The most bytes one object may have when put in one piece.
pub(crate) const OBJECT_MAX: u64 = 5 << 30;

/// Sizes and triggers. The relations between them are checked by [`Limits::check`].
#[derive(Clone, Debug)]
pub struct Limits {
    /// Length of a segment.
    pub segment_len: u64,
    /// Free segments kept ready for use.
    pub pool_target: usize,
    /// Objects up to this size travel with their command.
    pub small_max: usize,
    /// The most payload bytes of one fragment.
    pub fragment_max: usize,
    /// Written bytes of a bulk segment after which a helper flushes early, so that the last flush
    /// of a large upload has little left to do.
    pub write_back: u64,
    /// The most bytes of one log flush.
    pub log_batch_max: usize,
    /// The most bytes waiting for a writer.
    pub queue_bytes: usize,
    /// Bytes of uploads in memory at once.
    pub upload_budget: usize,
    /// Applied commands after which an index is checkpointed.
    pub checkpoint_commands: u64,
    /// Overlay bytes after which an index is checkpointed.
    pub checkpoint_bytes: usize,
    /// Overlay bytes at which writers wait for the checkpoint.
    pub overlay_max: usize,
    /// Log bytes behind which a checkpoint is taken, so that a start replays little.
    pub checkpoint_log_bytes: u64,
    /// Cache of one index.
    pub index_cache: usize,
    /// Length of an index file up to which a start verifies every page of it: redb verifies nothing
    /// when it reads. A longer one is verified by the offline check alone, because a start that
    /// reads it whole takes too long.
    pub index_check_max: u64,
    /// Log bytes held by floors after which the group that pins the oldest is dumped.
    pub held_log_max: u64,
    /// Idle time after which a durable mark is written.
    pub mark_after: Duration,
    /// Entries looked at for one page of a listing.
    pub list_work_max: usize,
    /// A bug that a test planted; none outside such tests.
    pub planted: Planted,
}

impl Limits {
    /// For a drive of this size.
    pub fn for_drive(total: u64) -> Self {
        let segment_len = if total >= 1 << 40 { 256 << 20 } else { 64 << 20 };
        Self {
            segment_len,
            pool_target: 3,
            small_max: BLOCK_LEN,
            fragment_max: 1 << 20,
            write_back: 8 << 20,
            log_batch_max: 2 << 20,
            queue_bytes: 32 << 20,
            upload_budget: 128 << 20,
            checkpoint_commands: 20_000,
            checkpoint_bytes: 16 << 20,
            overlay_max: 128 << 20,
            checkpoint_log_bytes: 256 << 20,
            index_cache: 32 << 20,
            index_check_max: 256 << 20,
            held_log_max: (total / 32).clamp(2 * segment_len, 1 << 30),
            mark_after: Duration::from_secs(1),
            list_work_max: 100_000,
            planted: Planted::default(),
        }
    }

    /// For a drive whose segments have this length: what is counted in segments follows, so that
    /// short ones are recycled as often as long ones.
    #[must_use]
    pub(crate) fn with_segments_of(self, segment_len: u64) -> Self {
        let held_max = segment_len.saturating_mul(16).min(1 << 30).max(2 * segment_len);
        Self {
            segment_len,
            checkpoint_log_bytes: self.checkpoint_log_bytes.min(4 * segment_len),
            held_log_max: self.held_log_max.clamp(2 * segment_len, held_max),
            ..self
        }
    }

    /// Bytes of the file system that must stay for what gives space back: a checkpoint and a dump
    /// of each index.
    pub(crate) fn reserve_bytes(&self) -> u64 {
        4 * self.checkpoint_bytes as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_in_segments_follows_their_length() {
        for total in [2 << 30, 1 << 40, 8 << 40] {
            let limits = Limits::for_drive(total);
            let same = limits.clone().with_segments_of(limits.segment_len);
            assert_eq!(same.held_log_max, limits.held_log_max, "{total}");
            assert_eq!(same.checkpoint_log_bytes, limits.checkpoint_log_bytes, "{total}");
        }
        let small = Limits::for_drive(1 << 40).with_segments_of(4 << 20);
        assert_eq!((small.held_log_max, small.checkpoint_log_bytes), (64 << 20, 16 << 20));
    }
}
