//! The header of a segment: two slots, A in the first 4 KiB page and B in the second. Batches
//! start behind them at [`DATA_START`].
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | magic `CSEG` |
//! | 4 | 1 | version, 1 |
//! | 5 | 1 | stream: 0 log, 1 bulk, 255 none (a free segment) |
//! | 6 | 1 | state: 0 free, 1 active, 2 retired |
//! | 7 | 1 | zero |
//! | 8 | 16 | drive id |
//! | 24 | 4 | segment id |
//! | 28 | 4 | zero |
//! | 32 | 8 | generation: counter |
//! | 40 | 8 | generation: random |
//! | 48 | 8 | segment length in bytes |
//! | 56 | 8 | first sequence: no batch inside begins below it (bulk: 1) |
//! | 64 | 8 | CRC-64/NVME of all before |
//!
//! The slot fits one sector. A header is written to one slot, synced, written to the other, synced;
//! the slot that counted before comes last. So whatever a power cut does to one slot, the other holds
//! the old or the new header, also if an earlier cut had damaged one. The slot with the higher counter
//! counts; of equal ones the later state. A segment whose slots are both damaged is known by its
//! first batch alone, because a batch that names a newer counter outranks the header.
//! Nothing but the state ever changes within a generation.

use coffer_types::DriveId;

use super::{Fields, FormatError, Generation, SegmentRef, crc64};
use crate::limits::PAGE_LEN;

const MAGIC: [u8; 4] = *b"CSEG";
const VERSION: u8 = 1;
/// Bytes of a slot that carry something; the rest of its page is zero.
pub const SLOT_LEN: usize = 72;
/// Where the first batch starts.
pub const DATA_START: u64 = 2 * PAGE_LEN as u64;
/// Offsets of slot A and slot B.
pub const SLOT_OFFSETS: [u64; 2] = [0, PAGE_LEN as u64];

/// What a segment is written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Commands and small shards.
    Log,
    /// Fragments.
    Bulk,
}

impl Stream {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Log => 0,
            Self::Bulk => 1,
        }
    }

    pub(super) fn from_code(code: u8) -> Result<Self, FormatError> {
        match code {
            0 => Ok(Self::Log),
            1 => Ok(Self::Bulk),
            _ => Err(FormatError::Field("stream")),
        }
    }
}

/// What a segment is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SegmentState {
    /// Nothing in it counts.
    Free,
    /// It was activated: its batches count.
    Active,
    /// A log segment whose commands all lie below every floor: only its shards count.
    Retired,
}

/// A slot of a segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The drive.
    pub drive: DriveId,
    /// The segment; its file is named by it.
    pub segment: u32,
    /// Its life. A segment that was never activated has counter 0.
    pub generation: Generation,
    /// What it is written with; `None` while free.
    pub stream: Option<Stream>,
    /// What it is used for.
    pub state: SegmentState,
    /// Its length.
    pub len: u64,
    /// No batch inside begins below this sequence.
    pub first_sequence: u64,
}

impl SegmentHeader {
    /// What seeds the checksums inside.
    pub fn segment_ref(&self) -> SegmentRef {
        SegmentRef { drive: self.drive, segment: self.segment, generation: self.generation }
    }

    /// A slot page.
    pub fn encode(&self) -> [u8; PAGE_LEN] {
        let mut out = [0; PAGE_LEN];
        out[..4].copy_from_slice(&MAGIC);
        out[4] = VERSION;
        out[5] = self.stream.map_or(255, Stream::code);
        out[6] = match self.state {
            SegmentState::Free => 0,
            SegmentState::Active => 1,
            SegmentState::Retired => 2,
        };
        out[8..24].copy_from_slice(self.drive.as_bytes());
        out[24..28].copy_from_slice(&self.segment.to_le_bytes());
        out[32..40].copy_from_slice(&self.generation.counter.to_le_bytes());
        out[40..48].copy_from_slice(&self.generation.random.to_le_bytes());
        out[48..56].copy_from_slice(&self.len.to_le_bytes());
        out[56..64].copy_from_slice(&self.first_sequence.to_le_bytes());
        let checksum = crc64(&out[..64]);
        out[64..SLOT_LEN].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    /// Reads one slot.
    pub fn parse_slot(bytes: &[u8]) -> Result<Self, FormatError> {
        let slot = bytes.get(..SLOT_LEN).ok_or(FormatError::Short { need: SLOT_LEN })?;
        let mut fields = Fields::new(slot);
        if fields.array::<4>()? != MAGIC {
            return Err(FormatError::Magic);
        }
        if crc64(&slot[..64]).to_le_bytes() != slot[64..] {
            return Err(FormatError::Checksum);
        }
        let version = fields.u8()?;
        if version != VERSION {
            return Err(FormatError::Version(version));
        }
        let stream = match fields.u8()? {
            255 => None,
            code => Some(Stream::from_code(code)?),
        };
        let state = match fields.u8()? {
            0 => SegmentState::Free,
            1 => SegmentState::Active,
            2 => SegmentState::Retired,
            _ => return Err(FormatError::Field("state")),
        };
        if (state == SegmentState::Free) != stream.is_none() {
            return Err(FormatError::Field("stream"));
        }
        fields.u8()?;
        let drive = DriveId::from_bytes(fields.array()?);
        let segment = fields.u32()?;
        fields.u32()?;
        let generation = Generation { counter: fields.u64()?, random: fields.u64()? };
        let (len, first_sequence) = (fields.u64()?, fields.u64()?);
        if len < DATA_START || !len.is_multiple_of(PAGE_LEN as u64) {
            return Err(FormatError::Field("length"));
        }
        Ok(Self { drive, segment, generation, stream, state, len, first_sequence })
    }

    /// Reads both slots and returns the one that counts. A slot of a newer version refuses the
    /// segment even beside a valid older one: the newer program wrote last.
    pub fn parse(pages: &[u8]) -> Result<Self, FormatError> {
        let slot = |offset: usize| Self::parse_slot(pages.get(offset..).unwrap_or_default());
        match (slot(0), slot(PAGE_LEN)) {
            (Err(newer @ FormatError::Version(_)), _)
            | (_, Err(newer @ FormatError::Version(_))) => Err(newer),
            (Ok(a), Ok(b)) => {
                let order = |slot: &Self| (slot.generation.counter, slot.state);
                Ok(if order(&b) > order(&a) { b } else { a })
            }
            (Ok(one), Err(_)) | (Err(_), Ok(one)) => Ok(one),
            (Err(error), Err(_)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::testing::{hex, mutations};

    fn sample(counter: u64, state: SegmentState) -> SegmentHeader {
        SegmentHeader {
            drive: DriveId::from_bytes([1; 16]),
            segment: 0x0203,
            generation: Generation { counter, random: 5 },
            stream: (state != SegmentState::Free).then_some(Stream::Bulk),
            state,
            len: 64 << 20,
            first_sequence: 7,
        }
    }

    fn pages(a: &SegmentHeader, b: &SegmentHeader) -> Vec<u8> {
        [a.encode(), b.encode()].concat()
    }

    #[test]
    fn golden_v1() {
        let page = sample(4, SegmentState::Active).encode();
        let golden = "43534547010101000101010101010101010101010101010103020000000000000400000000000000\
            0500000000000000000000040000000007000000000000001e5f2bba83406275";
        assert_eq!(hex(&page[..SLOT_LEN]), golden);
        assert!(page[SLOT_LEN..].iter().all(|byte| *byte == 0));
        assert_eq!(SegmentHeader::parse_slot(&page), Ok(sample(4, SegmentState::Active)));
    }

    #[test]
    fn the_newer_slot_counts_and_a_damaged_one_does_not() {
        let (old, new) = (sample(4, SegmentState::Retired), sample(5, SegmentState::Active));
        assert_eq!(SegmentHeader::parse(&pages(&old, &new)), Ok(new));
        assert_eq!(SegmentHeader::parse(&pages(&new, &old)), Ok(new));
        let retired = sample(5, SegmentState::Retired);
        assert_eq!(SegmentHeader::parse(&pages(&new, &retired)), Ok(retired));
        let mut torn = pages(&old, &new);
        torn[PAGE_LEN + 40] ^= 1;
        assert_eq!(SegmentHeader::parse(&torn), Ok(old));
        torn[40] ^= 1;
        assert_eq!(SegmentHeader::parse(&torn), Err(FormatError::Checksum));
    }

    #[test]
    fn every_changed_byte_is_detected() {
        let page = sample(4, SegmentState::Active).encode();
        for (at, mutated) in mutations(&page[..SLOT_LEN]) {
            assert!(SegmentHeader::parse_slot(&mutated).is_err(), "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = SegmentHeader::parse(&bytes);
            let mut slot = MAGIC.to_vec();
            slot.extend_from_slice(&bytes);
            slot.resize(64, 0);
            let checksum = crc64(&slot);
            slot.extend_from_slice(&checksum.to_le_bytes());
            let _ = SegmentHeader::parse(&slot);
        }
    }
}
