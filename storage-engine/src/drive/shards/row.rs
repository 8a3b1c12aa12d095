//! Keys and rows of the `shards` table.
//!
//! A key is 18 bytes, big-endian, so that byte order is extent, then shard, then fragment, and
//! extents sort as time:
//!
//! ```text
//! extent epoch u32 | extent counter u64 | shard u16 | fragment u32
//! ```
//!
//! A row is little-endian:
//!
//! ```text
//!  0  version        u8   1
//!  1  flags          u8   bit 0: last fragment of its shard
//!  2  group          u16
//!  4  segment        u32
//!  8  generation     u64  slot counter of the segment when the payload was written
//! 16  offset         u64  of the payload in the segment
//! 24  len            u32  payload bytes
//! 28  shard_offset   u32  of this fragment in its shard
//! 32  checksums      u64 x ceil(len / 64 KiB), plain CRC-64/NVME of each block
//! ```
//!
//! The index below carries its own checksums, so a row has none. A reader refuses any other
//! version, unknown flags, and a length that does not fit `len`.

use coffer_types::{ExtentId, GroupId};

use crate::limits::BLOCK_LEN;

/// The version byte that opens every row of the drive index.
pub const ROW_VERSION: u8 = 1;

const FLAG_LAST: u8 = 1;
const FIXED_LEN: usize = 32;

/// A row of the drive index that is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// Written by a later version of this program.
    #[error("a drive index row has version {0}, this program knows {ROW_VERSION}")]
    Version(u8),
    /// The bytes contradict themselves.
    #[error("a drive index row is malformed")]
    Malformed,
}

/// Names one fragment of one shard. A small shard is the single fragment 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShardKey {
    /// The extent it belongs to.
    pub extent: ExtentId,
    /// Column of the extent.
    pub shard: u16,
    /// Ascending within the shard, from 0 without holes.
    pub fragment: u32,
}

impl ShardKey {
    /// Length of [`Self::to_bytes`].
    pub const LEN: usize = 18;

    /// The single fragment of a shard that lies whole in the log.
    pub const fn whole(extent: ExtentId, shard: u16) -> Self {
        Self { extent, shard, fragment: 0 }
    }

    /// The table key.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..12].copy_from_slice(&self.extent.to_bytes());
        bytes[12..14].copy_from_slice(&self.shard.to_be_bytes());
        bytes[14..].copy_from_slice(&self.fragment.to_be_bytes());
        bytes
    }

    /// The inverse of [`Self::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RowError> {
        let bytes: &[u8; Self::LEN] = bytes.try_into().map_err(|_| RowError::Malformed)?;
        let [e @ .., s0, s1, f0, f1, f2, f3] = *bytes;
        Ok(Self {
            extent: ExtentId::from_bytes(e),
            shard: u16::from_be_bytes([s0, s1]),
            fragment: u32::from_be_bytes([f0, f1, f2, f3]),
        })
    }
}

/// Where a fragment's payload lies, and how to verify it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Number of the segment.
    pub segment: u32,
    /// Slot counter of the segment's generation.
    pub generation: u64,
    /// Offset of the payload in the segment.
    pub offset: u64,
    /// Payload bytes.
    pub len: u32,
    /// The group whose command refers to the extent.
    pub group: GroupId,
    /// Offset of this fragment in its shard.
    pub shard_offset: u32,
    /// Whether it is the last fragment of its shard.
    pub last: bool,
    /// Plain CRC-64/NVME of each 64 KiB block of the payload.
    pub checksums: Vec<u64>,
}

/// Where bytes lie, without what they are: what a compare-and-set compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Number of the segment.
    pub segment: u32,
    /// Slot counter of the segment's generation.
    pub generation: u64,
    /// Offset of the payload in the segment.
    pub offset: u64,
}

/// Blocks, and so checksums, of a payload of this length.
pub const fn block_count(len: u32) -> usize {
    (len as usize).div_ceil(BLOCK_LEN)
}

impl Location {
    /// Where it lies.
    pub const fn place(&self) -> Place {
        Place { segment: self.segment, generation: self.generation, offset: self.offset }
    }

    /// The table row.
    pub fn to_bytes(&self) -> Vec<u8> {
        debug_assert_eq!(self.checksums.len(), block_count(self.len), "one checksum per block");
        let mut row = Vec::with_capacity(FIXED_LEN + 8 * self.checksums.len());
        row.extend_from_slice(&[ROW_VERSION, if self.last { FLAG_LAST } else { 0 }]);
        row.extend_from_slice(&self.group.0.to_le_bytes());
        row.extend_from_slice(&self.segment.to_le_bytes());
        row.extend_from_slice(&self.generation.to_le_bytes());
        row.extend_from_slice(&self.offset.to_le_bytes());
        row.extend_from_slice(&self.len.to_le_bytes());
        row.extend_from_slice(&self.shard_offset.to_le_bytes());
        for checksum in &self.checksums {
            row.extend_from_slice(&checksum.to_le_bytes());
        }
        row
    }

    /// The inverse of [`Self::to_bytes`].
    pub fn from_bytes(row: &[u8]) -> Result<Self, RowError> {
        match row.first() {
            Some(&ROW_VERSION) => {}
            Some(&version) => return Err(RowError::Version(version)),
            None => return Err(RowError::Malformed),
        }
        let (fixed, table) = row.split_first_chunk::<FIXED_LEN>().ok_or(RowError::Malformed)?;
        let last = match fixed[1] {
            0 => false,
            FLAG_LAST => true,
            _ => return Err(RowError::Malformed),
        };
        let len = u32_at(fixed, 24);
        let (checksums, rest) = table.as_chunks::<8>();
        if !rest.is_empty() || checksums.len() != block_count(len) {
            return Err(RowError::Malformed);
        }
        Ok(Self {
            segment: u32_at(fixed, 4),
            generation: u64_at(fixed, 8),
            offset: u64_at(fixed, 16),
            len,
            group: GroupId(u16::from_le_bytes([fixed[2], fixed[3]])),
            shard_offset: u32_at(fixed, 28),
            last,
            checksums: checksums.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect(),
        })
    }
}

fn u32_at(fixed: &[u8; FIXED_LEN], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|i| fixed[at + i]))
}

fn u64_at(fixed: &[u8; FIXED_LEN], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| fixed[at + i]))
}

#[cfg(test)]
mod tests {
    use coffer_types::WriterEpoch;
    use proptest::prelude::*;

    use super::*;

    fn key() -> ShardKey {
        let extent = ExtentId { epoch: WriterEpoch(0x0102_0304), counter: 0x05 };
        ShardKey { extent, shard: 0x0607, fragment: 0x0809_0a0b }
    }

    fn location() -> Location {
        Location {
            segment: 7,
            generation: 9,
            offset: 0x1_0008,
            len: 65_537,
            group: GroupId(3),
            shard_offset: 1 << 20,
            last: true,
            checksums: vec![0x1122_3344_5566_7788, 2],
        }
    }

    #[test]
    fn golden_bytes() {
        let hex = crate::format::testing::hex;
        assert_eq!(hex(&key().to_bytes()), "010203040000000000000005060708090a0b");
        assert_eq!(
            hex(&location().to_bytes()),
            "01010300070000000900000000000000080001000000000001000100\
             0000100088776655443322110200000000000000"
        );
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        let good = location().to_bytes();
        assert_eq!(Location::from_bytes(&good), Ok(location()));
        let mut newer = good.clone();
        newer[0] = 2;
        assert_eq!(Location::from_bytes(&newer), Err(RowError::Version(2)));
        let mut flagged = good.clone();
        flagged[1] = 3;
        assert_eq!(Location::from_bytes(&flagged), Err(RowError::Malformed));
        for cut in 0..good.len() {
            assert!(Location::from_bytes(&good[..cut]).is_err(), "{cut} bytes");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(location) = Location::from_bytes(&bytes) {
                prop_assert_eq!(location.to_bytes(), bytes);
            }
        }

        #[test]
        fn keys_sort_as_their_fields(
            a in (any::<u32>(), any::<u64>(), any::<u16>(), any::<u32>()),
            b in (any::<u32>(), any::<u64>(), any::<u16>(), any::<u32>()),
        ) {
            let key = |(epoch, counter, shard, fragment)| ShardKey {
                extent: ExtentId { epoch: WriterEpoch(epoch), counter },
                shard,
                fragment,
            };
            let (a, b) = (key(a), key(b));
            prop_assert_eq!(a.cmp(&b), a.to_bytes().cmp(&b.to_bytes()));
            prop_assert_eq!(ShardKey::from_bytes(&a.to_bytes()), Ok(a));
        }
    }
}
