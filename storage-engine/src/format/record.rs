//! A record: one framed, checksummed entry of a batch.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | magic `CREC` |
//! | 4 | 1 | version, 1 |
//! | 5 | 1 | kind, see [`RecordKind`] |
//! | 6 | 2 | flags: bit 0 last fragment of its shard; the others are zero |
//! | 8 | 4 | header length: 64 + 8 b |
//! | 12 | 4 | payload length |
//! | 16 | 2 | group |
//! | 18 | 2 | shard number |
//! | 20 | 4 | fragment number |
//! | 24 | 8 | term |
//! | 32 | 8 | index in the group |
//! | 40 | 12 | extent id or command id, big-endian |
//! | 52 | 4 | offset of the payload in its shard |
//! | 56 | 8 b | plain CRC-64/NVME of each 64 KiB block of the payload, b = ceil(payload length / 64 KiB) |
//! | 56 + 8 b | 8 | CRC-64/NVME of all before, seeded with the segment's generation |
//!
//! The payload follows at once; the next record starts at the next multiple of 8. Records are found
//! through the table of their batch only, never by searching, so that no payload passes for one.

use coffer_types::GroupId;

use super::{Fields, FormatError, Seed, block_count, crc64, index, len_u32};
use crate::limits::BLOCK_LEN;

const MAGIC: [u8; 4] = *b"CREC";
const VERSION: u8 = 1;
const FIXED: usize = 64;
const LAST_FRAGMENT: u16 = 1;
/// The most payload bytes of one record: a bound for parsers, far above what is written.
pub const PAYLOAD_MAX: usize = 64 << 20;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordKind {
    /// A change of a group's metadata: command header, then the command.
    Command,
    /// A whole small shard.
    Shard,
    /// A part of a large shard.
    Fragment,
    /// Nothing: it only makes what came before known as durable.
    Mark,
    /// The first record of a writable start.
    Start,
    /// Opens a writer epoch in a group and closes the earlier ones of the same node.
    EpochStart,
    /// Reserved: a vote of consensus.
    Vote,
    /// Reserved: the committed index of a group.
    Committed,
    /// Reserved: takes back entries of a group from an index on.
    Truncate,
    /// The drives of a group's log; its term and index are the group's last ones.
    GroupSet,
    /// The last record of a bulk segment.
    SegmentFooter,
}

impl RecordKind {
    const ALL: [Self; 11] = [
        Self::Command,
        Self::Shard,
        Self::Fragment,
        Self::Mark,
        Self::Start,
        Self::EpochStart,
        Self::Vote,
        Self::Committed,
        Self::Truncate,
        Self::GroupSet,
        Self::SegmentFooter,
    ];

    const fn code(self) -> u8 {
        match self {
            Self::Command => 1,
            Self::Shard => 2,
            Self::Fragment => 3,
            Self::Mark => 4,
            Self::Start => 5,
            Self::EpochStart => 6,
            Self::Vote => 7,
            Self::Committed => 8,
            Self::Truncate => 9,
            Self::GroupSet => 10,
            Self::SegmentFooter => 11,
        }
    }

    fn from_code(code: u8) -> Result<Self, FormatError> {
        let at = usize::from(code).checked_sub(1);
        let kind = at.and_then(|at| Self::ALL.get(at)).copied();
        kind.ok_or(FormatError::Field("kind"))
    }
}

/// What a record says about its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHead {
    /// What it is.
    pub kind: RecordKind,
    /// Whether it is the last fragment of its shard.
    pub last_fragment: bool,
    /// The group it belongs to.
    pub group: GroupId,
    /// Which shard of its extent.
    pub shard: u16,
    /// Which fragment of its shard.
    pub fragment: u32,
    /// The term of the group's log.
    pub term: u64,
    /// The index in the group's log.
    pub index: u64,
    /// An extent id or a command id.
    pub id: [u8; 12],
    /// Where the payload begins in its shard.
    pub shard_offset: u32,
}

impl RecordHead {
    /// A record of a kind with nothing else said.
    pub const fn new(kind: RecordKind, group: GroupId, term: u64, index: u64) -> Self {
        Self {
            kind,
            last_fragment: false,
            group,
            shard: 0,
            fragment: 0,
            term,
            index,
            id: [0; 12],
            shard_offset: 0,
        }
    }

    /// Appends the header of a payload and returns its checksum.
    pub(super) fn encode(
        &self,
        out: &mut Vec<u8>,
        payload_len: usize,
        checksums: &[u64],
        seed: Seed,
    ) -> u64 {
        assert!(payload_len <= PAYLOAD_MAX, "a payload stays below its bound");
        assert_eq!(checksums.len(), block_count(payload_len), "one checksum for each block");
        let start = out.len();
        let header_len = header_len(payload_len);
        out.reserve(header_len + payload_len);
        let mut fixed = [0; 56];
        fixed[..4].copy_from_slice(&MAGIC);
        fixed[4] = VERSION;
        fixed[5] = self.kind.code();
        let flags = if self.last_fragment { LAST_FRAGMENT } else { 0 };
        fixed[6..8].copy_from_slice(&flags.to_le_bytes());
        fixed[8..12].copy_from_slice(&len_u32(header_len).to_le_bytes());
        fixed[12..16].copy_from_slice(&len_u32(payload_len).to_le_bytes());
        fixed[16..18].copy_from_slice(&self.group.0.to_le_bytes());
        fixed[18..20].copy_from_slice(&self.shard.to_le_bytes());
        fixed[20..24].copy_from_slice(&self.fragment.to_le_bytes());
        fixed[24..32].copy_from_slice(&self.term.to_le_bytes());
        fixed[32..40].copy_from_slice(&self.index.to_le_bytes());
        fixed[40..52].copy_from_slice(&self.id);
        fixed[52..56].copy_from_slice(&self.shard_offset.to_le_bytes());
        out.extend_from_slice(&fixed);
        for checksum in checksums {
            out.extend_from_slice(&checksum.to_le_bytes());
        }
        let checksum = seed.crc64(&out[start..]);
        out.extend_from_slice(&checksum.to_le_bytes());
        checksum
    }
}

/// Length of the header of a payload.
pub const fn header_len(payload_len: usize) -> usize {
    FIXED + 8 * block_count(payload_len)
}

/// A record whose header is intact. Its payload is verified on demand.
#[derive(Clone, Copy, Debug)]
pub struct RecordView<'a> {
    head: RecordHead,
    checksums: &'a [[u8; 8]],
    header_checksum: u64,
    payload: &'a [u8],
}

impl<'a> RecordView<'a> {
    /// Reads a record from its first byte on.
    pub fn parse(bytes: &'a [u8], seed: Seed) -> Result<Self, FormatError> {
        let mut fields = Fields::new(bytes);
        if fields.array::<4>()? != MAGIC {
            return Err(FormatError::Magic);
        }
        let version = fields.u8()?;
        let kind = fields.u8()?;
        let flags = fields.u16()?;
        let (head_len, payload_len) = (index(fields.u32()?), index(fields.u32()?));
        if payload_len > PAYLOAD_MAX {
            return Err(FormatError::Field("payload length"));
        }
        if head_len != header_len(payload_len) {
            return Err(FormatError::Field("header length"));
        }
        let header = bytes.get(..head_len).ok_or(FormatError::Short { need: head_len })?;
        let (covered, tail) = header.split_last_chunk::<8>().expect("longer than a checksum");
        let header_checksum = u64::from_le_bytes(*tail);
        if seed.crc64(covered) != header_checksum {
            return Err(FormatError::Checksum);
        }
        if version != VERSION {
            return Err(FormatError::Version(version));
        }
        if flags & !LAST_FRAGMENT != 0 {
            return Err(FormatError::Field("flags"));
        }
        let head = RecordHead {
            kind: RecordKind::from_code(kind)?,
            last_fragment: flags & LAST_FRAGMENT != 0,
            group: GroupId(fields.u16()?),
            shard: fields.u16()?,
            fragment: fields.u32()?,
            term: fields.u64()?,
            index: fields.u64()?,
            id: fields.array()?,
            shard_offset: fields.u32()?,
        };
        let checksums = fields.take(8 * block_count(payload_len))?.as_chunks().0;
        let end = head_len + payload_len;
        let payload = bytes.get(head_len..end).ok_or(FormatError::Short { need: end })?;
        Ok(Self { head, checksums, header_checksum, payload })
    }

    /// What it says about its payload.
    pub fn head(&self) -> &RecordHead {
        &self.head
    }

    /// The checksum of each 64 KiB block.
    pub fn checksums(&self) -> impl ExactSizeIterator<Item = u64> + 'a {
        self.checksums.iter().map(|checksum| u64::from_le_bytes(*checksum))
    }

    /// The checksum of the header.
    pub fn header_checksum(&self) -> u64 {
        self.header_checksum
    }

    /// Length of the header: where the payload begins, seen from the record.
    pub fn header_len(&self) -> usize {
        header_len(self.payload.len())
    }

    /// The payload, not verified.
    pub fn payload_unverified(&self) -> &'a [u8] {
        self.payload
    }

    /// The payload, after all its blocks were verified.
    pub fn payload(&self) -> Result<&'a [u8], FormatError> {
        let mut blocks = self.payload.chunks(BLOCK_LEN).zip(self.checksums());
        if blocks.all(|(block, checksum)| crc64(block) == checksum) {
            Ok(self.payload)
        } else {
            Err(FormatError::Checksum)
        }
    }
}

#[cfg(test)]
mod tests {
    use coffer_types::DriveId;
    use proptest::prelude::*;

    use super::*;
    use crate::format::testing::{hex, mutations};
    use crate::format::{Generation, SegmentRef, block_checksums};

    fn seed(counter: u64) -> Seed {
        let generation = Generation { counter, random: 2 };
        SegmentRef { drive: DriveId::from_bytes([1; 16]), segment: 3, generation }.seed()
    }

    fn sample() -> RecordHead {
        RecordHead {
            kind: RecordKind::Fragment,
            last_fragment: true,
            group: GroupId(0x0102),
            shard: 0x0304,
            fragment: 0x0506,
            term: 7,
            index: 8,
            id: *b"extent-id-12",
            shard_offset: 9,
        }
    }

    fn encode(payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        sample().encode(&mut out, payload.len(), &block_checksums(payload), seed(1));
        out.extend_from_slice(payload);
        out
    }

    #[test]
    fn golden_v1() {
        let bytes = encode(b"payload");
        assert_eq!(
            hex(&bytes),
            "43524543010301004800000007000000020104030605000007000000000000000800000000000000\
            657874656e742d69642d313209000000cdeae2381c8f459940965d33d046bed27061796c6f6164"
        );
        let view = RecordView::parse(&bytes, seed(1)).expect("intact");
        assert_eq!(*view.head(), sample());
        assert_eq!(view.payload(), Ok(&b"payload"[..]));
        assert_eq!(view.header_len() + 7, bytes.len());
    }

    #[test]
    fn kinds_keep_their_codes() {
        for (code, kind) in (1..).zip(RecordKind::ALL) {
            assert_eq!(kind.code(), code);
            assert_eq!(RecordKind::from_code(code), Ok(kind));
        }
        assert!(RecordKind::from_code(0).is_err());
        assert!(RecordKind::from_code(12).is_err());
    }

    #[test]
    fn every_changed_byte_is_detected() {
        let bytes = encode(b"payload");
        for (at, mutated) in mutations(&bytes) {
            let read = RecordView::parse(&mutated, seed(1)).and_then(|view| view.payload());
            assert!(read.is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_record_of_another_life_does_not_parse() {
        let read = RecordView::parse(&encode(b"payload"), seed(2)).map(|_| ());
        assert_eq!(read, Err(FormatError::Checksum));
    }

    #[test]
    fn each_block_has_its_own_checksum() {
        let payload = vec![5; 2 * BLOCK_LEN + 1];
        let mut bytes = encode(&payload);
        let view = RecordView::parse(&bytes, seed(1)).expect("intact");
        assert_eq!(view.checksums().len(), 3);
        assert!(view.payload().is_ok());
        *bytes.last_mut().expect("not empty") ^= 1;
        let view = RecordView::parse(&bytes, seed(1)).expect("the header is intact");
        assert_eq!(view.payload(), Err(FormatError::Checksum));
    }

    proptest! {
        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = RecordView::parse(&bytes, seed(1)).map(|view| view.payload().is_ok());
            let mut record = MAGIC.to_vec();
            record.extend_from_slice(&bytes);
            let _ = RecordView::parse(&record, seed(1)).map(|view| view.payload().is_ok());
        }
    }
}
