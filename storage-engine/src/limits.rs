//! Every size and trigger of the engine in one value, so that the simulator can shrink them.

use std::time::Duration;

use crate::planted::Planted;

/// Bytes of one block: the unit of checksums and of verified reads.
pub(crate) const BLOCK_LEN: usize = 64 << 10;
/// Bytes of one page: batches start on its boundaries and no page of a flushed batch is rewritten.
pub(crate) const PAGE_LEN: usize = 4 << 10;
/// The most bytes one object may have when put in one piece.
pub(crate) const OBJECT_MAX: u64 = 5 << 30;
/// The most rows that one command may change, so that no command holds up those behind it for long.
pub(crate) const ROWS_MAX: u32 = 4_000;

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
    /// Bytes from which on an MD5 is computed beside those of other uploads.
    pub md5_apart_min: usize,
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
    /// The fewest bytes of every part of an upload but its last.
    pub part_min: u64,
    /// How long the answer to a completed upload is remembered.
    pub remember_completion: Duration,
    /// Rows that one step of a sweep changes, about.
    pub sweep_rows: u32,
    /// The most events that a group keeps for readers of its feed.
    pub feed_keep: u64,
    /// A bug that a test planted; none outside such tests.
    pub planted: Planted,
}

impl Limits {
    /// For a drive of this size. Room is kept free in whole segments and the held log counts in
    /// them, so a small drive has short ones.
    pub fn for_drive(total: u64) -> Self {
        let segment_len = match total {
            total if total >= 1 << 40 => 256 << 20,
            total => 1 << (total / 512).clamp(4 << 20, 64 << 20).ilog2(),
        };
        let limits = Self {
            segment_len,
            pool_target: 3,
            small_max: BLOCK_LEN,
            fragment_max: 1 << 20,
            md5_apart_min: 128 << 10,
            write_back: 8 << 20,
            log_batch_max: 2 << 20,
            queue_bytes: 32 << 20,
            upload_budget: 128 << 20,
            checkpoint_commands: 20_000,
            checkpoint_bytes: 16 << 20,
            overlay_max: 128 << 20,
            checkpoint_log_bytes: 256 << 20,
            index_cache: 32 << 20,
            index_check_max: 16 << 20,
            held_log_max: (total / 32).clamp(2 * segment_len, 1 << 30),
            mark_after: Duration::from_secs(1),
            part_min: 5 << 20,
            remember_completion: Duration::from_hours(24),
            sweep_rows: 1_000,
            feed_keep: 1_000_000,
            planted: Planted::default(),
        };
        limits.with_segments_of(segment_len)
    }

    /// For a drive whose segments have this length: what is counted in segments follows, so that
    /// short ones are filled as well and recycled as often as long ones.
    #[must_use]
    pub(crate) fn with_segments_of(self, segment_len: u64) -> Self {
        let held_max = segment_len.saturating_mul(16).min(1 << 30).max(2 * segment_len);
        Self {
            segment_len,
            fragment_max: self
                .fragment_max
                .min(usize::try_from(segment_len / 32).unwrap_or(usize::MAX)),
            checkpoint_log_bytes: self.checkpoint_log_bytes.min(4 * segment_len),
            held_log_max: self.held_log_max.clamp(2 * segment_len, held_max),
            ..self
        }
    }

    /// The most payload bytes of one batch that compaction writes. A batch fills whole pages: of
    /// smaller ones so much would be lost that what was just packed looks worth packing again.
    pub(crate) fn copy_batch_max(&self) -> usize {
        let part = usize::try_from(self.segment_len / 8).unwrap_or(usize::MAX);
        self.fragment_max.max(part.min(BLOCK_LEN))
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
        let of = |total| {
            let limits = Limits::for_drive(total);
            (limits.segment_len >> 20, limits.held_log_max >> 20, limits.checkpoint_log_bytes >> 20)
        };
        assert_eq!(of(1 << 30), (4, 32, 16));
        assert_eq!(of(2 << 30), (4, 64, 16));
        assert_eq!(of(20 << 30), (32, 512, 128));
        assert_eq!(of(100 << 30), (64, 1024, 256));
        assert_eq!(of(8 << 40), (256, 1024, 256));
        let small = Limits::for_drive(1 << 40).with_segments_of(4 << 20);
        assert_eq!((small.held_log_max, small.checkpoint_log_bytes), (64 << 20, 16 << 20));
    }
}
