//! What an object made of parts is described by, from what describes the parts.
//!
//! Its entity tag is the MD5 of the MD5s of its parts, a dash and how many there are. A composite
//! checksum is the one of the checksums of its parts, in order; that of the full object is
//! combined from theirs, which CRCs allow.

use coffer_types::{ChecksumAlgorithm, ChecksumValue, PartNumber};
use crc_fast::CrcAlgorithm;

use super::{ListedPart, UploadChecksum};
use crate::metadata::rows::{PartRow, TagRow};
use crate::object::digest::{crc64_value, of_bytes};
use crate::object::md5::Md5;
use crate::object::{ChecksumKind, ObjectError, PartLayout};

/// Adds up parts in order.
pub(super) struct Composite {
    checksum: Option<UploadChecksum>,
    md5: Md5,
    count: u16,
    pub(super) layout: PartLayout,
    sum: Sum,
}

/// The checksum of the whole under way.
enum Sum {
    /// The checksums of the parts so far.
    Composite(ChecksumAlgorithm, Vec<u8>),
    /// The CRC of the bytes so far.
    Full(ChecksumAlgorithm, Combined),
}

impl Composite {
    pub(super) fn new(checksum: Option<UploadChecksum>) -> Self {
        let sum = match checksum {
            None => Sum::Full(ChecksumAlgorithm::Crc64Nvme, Combined::default()),
            Some(UploadChecksum { algorithm, kind: ChecksumKind::Composite }) => {
                Sum::Composite(algorithm, Vec::new())
            }
            Some(UploadChecksum { algorithm, kind: ChecksumKind::FullObject }) => {
                Sum::Full(algorithm, Combined::default())
            }
        };
        Self { checksum, md5: Md5::new(), count: 0, layout: PartLayout::default(), sum }
    }

    /// Adds the part that a list names, if it is the one that is stored.
    pub(super) fn push(&mut self, listed: &ListedPart, row: &PartRow) -> Result<(), ObjectError> {
        let number = listed.number;
        self.check(listed, row)?;
        match &row.etag {
            TagRow::Md5(md5) => self.md5.update(md5),
            TagRow::Text(text) => self.md5.update(text.as_bytes()),
        }
        self.count += 1;
        self.layout.push(number, row.size);
        match &mut self.sum {
            Sum::Composite(algorithm, sums) => {
                sums.extend_from_slice(stored(row, *algorithm, number)?.as_bytes());
            }
            Sum::Full(algorithm, combined) => match crc_of(*algorithm) {
                Some(CrcAlgorithm::Crc64Nvme) => {
                    combined.push(CrcAlgorithm::Crc64Nvme, row.crc64, row.size);
                }
                Some(crc) => {
                    let part = stored(row, *algorithm, number)?;
                    let value =
                        part.as_bytes().iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
                    combined.push(crc, value, row.size);
                }
                None => return Err(ObjectError::InvalidPart { number }),
            },
        }
        Ok(())
    }

    fn check(&self, listed: &ListedPart, row: &PartRow) -> Result<(), ObjectError> {
        let number = listed.number;
        if row.etag.to_etag() != listed.etag {
            return Err(ObjectError::InvalidPart { number });
        }
        for sum in &listed.checksums {
            let known = row.checksums.iter().find(|known| known.algorithm() == sum.algorithm());
            let is_crc64 = sum.algorithm() == ChecksumAlgorithm::Crc64Nvme;
            let same =
                known.map_or(is_crc64 && *sum == crc64_value(row.crc64), |known| known == sum);
            if !same {
                return Err(ObjectError::InvalidPart { number });
            }
        }
        match self.checksum {
            Some(UploadChecksum { algorithm, kind: ChecksumKind::Composite })
                if listed.checksums.iter().all(|sum| sum.algorithm() != algorithm) =>
            {
                Err(ObjectError::PartWithoutChecksum { number, algorithm })
            }
            _ => Ok(()),
        }
    }

    /// Entity tag, checksum and its kind of the whole.
    pub(super) fn finish(self) -> (TagRow, ChecksumValue, ChecksumKind, PartLayout) {
        let etag = format!("{}-{}", TagRow::Md5(self.md5.finish()).to_etag(), self.count);
        let (checksum, kind) = match self.sum {
            Sum::Composite(algorithm, sums) => {
                (of_bytes(algorithm, &sums), ChecksumKind::Composite)
            }
            Sum::Full(algorithm, combined) => {
                let bytes = combined.value.to_be_bytes();
                let value = ChecksumValue::new(algorithm, &bytes[8 - algorithm.len().min(8)..]);
                (value.expect("a CRC has the length of its algorithm"), ChecksumKind::FullObject)
            }
        };
        (TagRow::Text(etag), checksum, kind, self.layout)
    }
}

fn stored(
    row: &PartRow,
    algorithm: ChecksumAlgorithm,
    number: PartNumber,
) -> Result<&ChecksumValue, ObjectError> {
    let stored = row.checksums.iter().find(|sum| sum.algorithm() == algorithm);
    stored.ok_or(ObjectError::InvalidPart { number })
}

/// The CRC of an algorithm; `None` if it is no CRC.
fn crc_of(algorithm: ChecksumAlgorithm) -> Option<CrcAlgorithm> {
    match algorithm {
        ChecksumAlgorithm::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
        ChecksumAlgorithm::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
        ChecksumAlgorithm::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
        ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => None,
    }
}

/// The CRC of bytes of which only the CRCs of their pieces are known.
#[derive(Default)]
struct Combined {
    value: u64,
}

impl Combined {
    fn push(&mut self, crc: CrcAlgorithm, value: u64, len: u64) {
        self.value = crc_fast::checksum_combine(crc, self.value, value, len);
    }
}
