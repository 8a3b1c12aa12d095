//! Checksums of object bytes that clients send and ask for. The algorithms are those of the S3
//! user guide, "Checking object integrity".

use serde::{Deserialize, Serialize};

/// A checksum that does not fit its algorithm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a {algorithm:?} checksum has {} bytes, this one has {actual}", algorithm.len())]
pub struct InvalidChecksum {
    algorithm: ChecksumAlgorithm,
    actual: usize,
}

/// The checksum algorithms a client may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ChecksumAlgorithm {
    /// CRC-32 (ISO-HDLC).
    Crc32,
    /// CRC-32C (Castagnoli).
    Crc32c,
    /// CRC-64/NVME, the default of full-object checksums.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl ChecksumAlgorithm {
    /// Length of a value in bytes.
    #[allow(clippy::len_without_is_empty)] // a length of values, not of a container
    pub const fn len(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

/// A checksum: its algorithm and its bytes (CRCs big-endian, as clients write them in base64).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct ChecksumValue {
    algorithm: ChecksumAlgorithm,
    bytes: Vec<u8>,
}

/// The same fields as they are read, before their lengths were compared.
#[derive(Deserialize)]
struct Unchecked {
    algorithm: ChecksumAlgorithm,
    bytes: Vec<u8>,
}

impl TryFrom<Unchecked> for ChecksumValue {
    type Error = InvalidChecksum;

    fn try_from(read: Unchecked) -> Result<Self, InvalidChecksum> {
        Self::new(read.algorithm, &read.bytes)
    }
}

impl ChecksumValue {
    /// A value of the right length for its algorithm.
    pub fn new(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Result<Self, InvalidChecksum> {
        if bytes.len() != algorithm.len() {
            return Err(InvalidChecksum { algorithm, actual: bytes.len() });
        }
        Ok(Self { algorithm, bytes: bytes.to_vec() })
    }

    /// The algorithm.
    pub const fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}
