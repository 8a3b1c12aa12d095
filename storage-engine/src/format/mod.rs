//! Bytes on a drive: pure functions between values and bytes, no I/O.
//!
//! Every structure opens with a magic number and a version and closes with a checksum. Numbers are
//! little-endian; ids are their own big-endian bytes. Parsers bound every field before they
//! calculate with it and never panic, whatever the input.
//!
//! Two checksums, both CRC-64/NVME:
//! - *plain*, of each 64 KiB block of a payload: it travels with the bytes through compaction,
//!   repair and the wire;
//! - *seeded*, of headers: the CRC of [`SegmentRef`]'s bytes followed by the header, so that a header
//!   of another drive, another segment or an earlier life of the same segment never parses.

pub mod batch;
pub mod command_header;
pub mod dump;
pub mod entries;
pub mod identity;
pub mod record;
pub mod segment;
pub mod store_key;

use coffer_types::DriveId;
use crc_fast::{CrcAlgorithm, Digest};

use crate::limits::BLOCK_LEN;

/// Why bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// There must be at least this many bytes.
    #[error("it is cut off: {need} bytes are needed")]
    Short {
        /// The length that would let parsing go on.
        need: usize,
    },
    /// It does not begin as this structure begins.
    #[error("it does not begin with the right magic number")]
    Magic,
    /// Its version is not known here.
    #[error("its format version is {0}, which this program does not know")]
    Version(u8),
    /// It belongs to another drive, segment or life of the segment.
    #[error("it belongs to another generation")]
    Generation,
    /// Its checksum does not match.
    #[error("its checksum does not match")]
    Checksum,
    /// A field has an impossible value.
    #[error("its field {0} has an impossible value")]
    Field(&'static str),
}

/// Plain CRC-64/NVME.
pub fn crc64(bytes: &[u8]) -> u64 {
    crc_fast::crc64_nvme(bytes)
}

/// Plain CRC-64/NVME of parts that lie one behind the other.
pub fn crc64_parts(parts: &[&[u8]]) -> u64 {
    if let [one] = parts {
        return crc64(one);
    }
    let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
    for part in parts {
        digest.update(part);
    }
    digest.finalize()
}

/// Blocks that a payload of this length has.
pub const fn block_count(payload_len: usize) -> usize {
    payload_len.div_ceil(BLOCK_LEN)
}

/// The plain checksum of each block of a payload.
pub fn block_checksums(payload: &[u8]) -> Vec<u64> {
    payload.chunks(BLOCK_LEN).map(crc64).collect()
}

/// One life of a segment: a counter that ascends over the whole drive, and random bits that
/// clients never see, so that nothing they store can pass for a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation {
    /// Ascends with every activation on the drive.
    pub counter: u64,
    /// Drawn at activation.
    pub random: u64,
}

/// What seeds the header checksums inside a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentRef {
    /// The drive.
    pub drive: DriveId,
    /// The segment on it.
    pub segment: u32,
    /// The life of the segment.
    pub generation: Generation,
}

impl SegmentRef {
    /// The seed: where the CRC stands after the drive id, the segment and the generation.
    pub fn seed(&self) -> Seed {
        let mut bytes = [0; 36];
        bytes[..16].copy_from_slice(self.drive.as_bytes());
        bytes[16..20].copy_from_slice(&self.segment.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.generation.counter.to_le_bytes());
        bytes[28..].copy_from_slice(&self.generation.random.to_le_bytes());
        let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
        digest.update(&bytes);
        Seed(digest.get_state())
    }
}

/// A CRC that has already seen a [`SegmentRef`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(u64);

impl Seed {
    /// Seeded CRC-64/NVME.
    pub fn crc64(self, bytes: &[u8]) -> u64 {
        let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc64Nvme, self.0);
        digest.update(bytes);
        digest.finalize()
    }
}

/// Rounds up to a multiple of 8.
pub(crate) const fn align8(len: usize) -> usize {
    len.next_multiple_of(8)
}

/// A length that was bounded to fit 32 bits.
pub(crate) fn len_u32(len: usize) -> u32 {
    u32::try_from(len).expect("bounded: lengths inside a batch fit 32 bits")
}

/// A 32-bit length as an index.
pub(crate) fn index(len: u32) -> usize {
    usize::try_from(len).expect("a pointer has at least 32 bits")
}

/// Reads fields one after the other; past the end it says how much is missing.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

macro_rules! number {
    ($name:ident, $kind:ty) => {
        pub(crate) fn $name(&mut self) -> Result<$kind, FormatError> {
            Ok(<$kind>::from_le_bytes(self.array()?))
        }
    };
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], FormatError> {
        let end = self.at.checked_add(len).ok_or(FormatError::Field("length"))?;
        let taken = self.bytes.get(self.at..end).ok_or(FormatError::Short { need: end })?;
        self.at = end;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        Ok(self.take(N)?.try_into().expect("took N bytes"))
    }

    number!(u8, u8);
    number!(u16, u16);
    number!(u32, u32);
    number!(u64, u64);

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn end(&self) -> Result<(), FormatError> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(FormatError::Field("length")) }
    }
}

/// Cuts a structure that ends with the plain checksum of all before, checks it, and returns what
/// comes before the checksum. All small files share this ending in every version, so that rot and
/// a newer version can be told apart.
pub(crate) fn unseal(bytes: &[u8]) -> Result<&[u8], FormatError> {
    let Some((body, tail)) = bytes.split_last_chunk::<8>() else {
        return Err(FormatError::Short { need: 8 });
    };
    if crc64(body) == u64::from_le_bytes(*tail) { Ok(body) } else { Err(FormatError::Checksum) }
}

/// Appends the plain checksum of all before.
pub(crate) fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = crc64(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

#[cfg(test)]
pub(crate) mod testing {
    //! What the tests of the formats share.

    /// Hexadecimal digits, for golden bytes.
    pub(crate) fn hex(bytes: &[u8]) -> String {
        use std::fmt::Write;
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a string takes all");
            text
        })
    }

    /// Every way to change one byte, a few per byte.
    pub(crate) fn mutations(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> + '_ {
        (0..bytes.len()).flat_map(move |at| {
            [0x01, 0x80, 0xff].into_iter().map(move |flip| {
                let mut mutated = bytes.to_vec();
                mutated[at] ^= flip;
                (at, mutated)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(random: u64) -> SegmentRef {
        SegmentRef {
            drive: DriveId::from_bytes([7; 16]),
            segment: 3,
            generation: Generation { counter: 1, random },
        }
    }

    #[test]
    fn seeded_crc_is_the_crc_of_seed_and_bytes() {
        let mut all = vec![7; 16];
        all.extend_from_slice(&3_u32.to_le_bytes());
        all.extend_from_slice(&1_u64.to_le_bytes());
        all.extend_from_slice(&9_u64.to_le_bytes());
        all.extend_from_slice(b"header");
        assert_eq!(segment(9).seed().crc64(b"header"), crc64(&all));
        assert_ne!(segment(9).seed().crc64(b"header"), segment(10).seed().crc64(b"header"));
    }

    #[test]
    fn crc_is_the_published_one() {
        assert_eq!(crc64(b"123456789"), 0xae8b_1486_0a79_9888);
        assert_eq!(crc64_parts(&[b"1234", b"", b"56789"]), crc64(b"123456789"));
    }
}
