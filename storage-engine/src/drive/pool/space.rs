//! When a drive is full: pure arithmetic over what is free.

use crate::format::segment::Stream;
use crate::ports::WriteClass;

/// Segments kept back for what must go on when the drive is full: two for the log, one for
/// compaction.
const RESERVED_SEGMENTS: u64 = 3;
/// How many of them are for the log.
const RESERVED_FOR_LOG: u64 = 2;

/// What is free, in bytes.
#[derive(Debug)]
pub(super) struct SpaceAccount {
    segment_len: u64,
    /// In segments of the pool.
    free: u64,
    /// In the file system.
    available: u64,
    /// What of it must stay for dumps, indexes and checkpoints.
    kept: u64,
}

impl SpaceAccount {
    pub(super) fn new(segment_len: u64) -> Self {
        Self { segment_len, free: 0, available: 0, kept: 0 }
    }

    pub(super) fn free(&mut self, bytes: u64) {
        self.free = bytes;
    }

    pub(super) fn available(&mut self, bytes: u64) {
        self.available = bytes;
    }

    /// The file system refused to give what it said it had.
    pub(super) fn nothing_available(&mut self) {
        self.available = 0;
    }

    pub(super) fn keep(&mut self, bytes: u64) {
        self.kept = bytes;
    }

    /// Whole segments that the file system would still give without touching what must stay.
    pub(super) fn creatable(&self) -> u64 {
        self.available.saturating_sub(self.kept) / self.segment_len
    }

    /// All that segments could take, free ones and those not yet made.
    fn capacity(&self) -> u64 {
        self.free.saturating_add(self.creatable().saturating_mul(self.segment_len))
    }

    fn reserve(&self) -> u64 {
        RESERVED_SEGMENTS * self.segment_len
    }

    /// Whether a write of this class is taken.
    pub(super) fn admits(&self, class: WriteClass) -> bool {
        class == WriteClass::Reserve || self.capacity() >= self.reserve()
    }

    /// Whether a segment may be taken for a stream.
    pub(super) fn allows_acquisition(&self, stream: Stream, class: WriteClass) -> bool {
        let left = match (class, stream) {
            (WriteClass::Normal, _) => self.reserve(),
            // The log leaves the last one to compaction, or space would never come back.
            (WriteClass::Reserve, Stream::Log) => {
                (RESERVED_SEGMENTS - RESERVED_FOR_LOG) * self.segment_len
            }
            (WriteClass::Reserve, Stream::Bulk) => 0,
        };
        self.capacity() >= left.saturating_add(self.segment_len)
    }
}
