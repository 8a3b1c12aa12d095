//! Rows of the `segments` table: what the drive index knows of each segment.
//!
//! The key is the number of the segment, u32 big-endian. A row is little-endian:
//!
//! ```text
//!  0  version        u8   1
//!  1  stream          u8   0 log, 1 bulk
//!  2  zero           u16
//!  4  live_records   u32  rows of `shards` that point here
//!  8  generation     u64  slot counter; rows of `shards` with another one are stale
//! 16  scanned        u64  batches that end up to here are in `shards`
//! 24  live_bytes     u64  payload bytes of the live records
//! ```

use super::row::{ROW_VERSION, RowError};
use crate::format::segment::Stream;

const LEN: usize = 32;

/// What the drive index knows of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentRow {
    /// What it is written with.
    pub stream: Stream,
    /// Slot counter of the generation that everything else here is about.
    pub generation: u64,
    /// Batches that end up to here are in the drive index.
    pub scanned: u64,
    /// Payload bytes of the live records.
    pub live_bytes: u64,
    /// Rows of the drive index that point here.
    pub live_records: u32,
}

impl SegmentRow {
    /// A segment of which nothing was scanned yet.
    pub const fn fresh(stream: Stream, generation: u64) -> Self {
        Self { stream, generation, scanned: 0, live_bytes: 0, live_records: 0 }
    }

    pub(super) fn add(&mut self, len: u32) {
        self.live_records += 1;
        self.live_bytes += u64::from(len);
    }

    /// Counts saturate: a row that lies must not stop what else a change does.
    pub(super) fn subtract(&mut self, len: u32) {
        debug_assert!(
            self.live_records > 0 && self.live_bytes >= u64::from(len),
            "{self:?} - {len}"
        );
        self.live_records = self.live_records.saturating_sub(1);
        self.live_bytes = self.live_bytes.saturating_sub(u64::from(len));
    }

    /// The table row.
    pub fn to_bytes(self) -> [u8; LEN] {
        let mut row = [0; LEN];
        row[0] = ROW_VERSION;
        row[1] = match self.stream {
            Stream::Log => 0,
            Stream::Bulk => 1,
        };
        row[4..8].copy_from_slice(&self.live_records.to_le_bytes());
        row[8..16].copy_from_slice(&self.generation.to_le_bytes());
        row[16..24].copy_from_slice(&self.scanned.to_le_bytes());
        row[24..].copy_from_slice(&self.live_bytes.to_le_bytes());
        row
    }

    /// The inverse of [`Self::to_bytes`].
    pub fn from_bytes(row: &[u8]) -> Result<Self, RowError> {
        if let Some(&version) = row.first().filter(|version| **version != ROW_VERSION) {
            return Err(RowError::Version(version));
        }
        let row: &[u8; LEN] = row.try_into().map_err(|_| RowError::Malformed)?;
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| row[at + i]));
        let stream = match row[1..4] {
            [0, 0, 0] => Stream::Log,
            [1, 0, 0] => Stream::Bulk,
            _ => return Err(RowError::Malformed),
        };
        Ok(Self {
            stream,
            generation: number(8),
            scanned: number(16),
            live_bytes: number(24),
            live_records: u32::from_le_bytes(std::array::from_fn(|i| row[4 + i])),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let row = SegmentRow {
            stream: Stream::Bulk,
            generation: 3,
            scanned: 0x1_2000,
            live_bytes: 0x1_0005,
            live_records: 7,
        };
        let bytes = row.to_bytes();
        let hex = crate::format::testing::hex(&bytes);
        assert_eq!(hex, "0101000007000000030000000000000000200100000000000500010000000000");
        assert_eq!(SegmentRow::from_bytes(&bytes), Ok(row));
        assert_eq!(SegmentRow::from_bytes(&bytes[..31]), Err(RowError::Malformed));
        let mut newer = bytes;
        newer[0] = 9;
        assert_eq!(SegmentRow::from_bytes(&newer), Err(RowError::Version(9)));
    }
}
