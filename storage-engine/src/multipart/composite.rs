//! What an object made of parts is described by, from what describes the parts.
//!
//! Its entity tag is the MD5 of the MD5s of its parts, a dash and how many there are. A composite
//! checksum is the one of the checksums of its parts, in order; that of the full object is
//! combined from theirs, which CRCs allow.

use coffer_types::{ChecksumAlgorithm, ChecksumValue};

use super::{ListedPart, UploadChecksum};
use crate::metadata::rows::{PartRow, TagRow};
use crate::object::crc::CombinedCrc;
use crate::object::digest::{crc64_value, of_bytes};
use crate::object::md5::Md5;
use crate::object::{ChecksumKind, ObjectError, PartLayout};

/// Adds up parts in order.
pub(super) struct Composite {
    checksum: UploadChecksum,
    md5: Md5,
    layout: PartLayout,
    sum: Sum,
}

/// The checksum of the whole under way.
enum Sum {
    /// The checksums of the parts so far.
    OfParts(Vec<u8>),
    /// The CRC of the bytes so far.
    OfBytes(CombinedCrc),
}

impl Composite {
    pub(super) fn new(checksum: UploadChecksum) -> Self {
        let crc = match checksum.kind {
            ChecksumKind::FullObject => CombinedCrc::new(checksum.algorithm),
            ChecksumKind::Composite => None,
        };
        let sum = crc.map_or_else(|| Sum::OfParts(Vec::new()), Sum::OfBytes);
        Self { checksum, md5: Md5::new(), layout: PartLayout::default(), sum }
    }

    /// Adds the part that a list names, if it is the one that is stored.
    pub(super) fn push(&mut self, listed: &ListedPart, row: &PartRow) -> Result<(), ObjectError> {
        let number = listed.number;
        self.check(listed, row)?;
        let own = of_part(row, self.checksum.algorithm);
        let own = own.ok_or(ObjectError::InvalidPart { number })?;
        match &row.etag {
            TagRow::Md5(md5) => self.md5.update(md5),
            TagRow::Text(text) => self.md5.update(text.as_bytes()),
        }
        self.layout.push(number, row.size);
        match &mut self.sum {
            Sum::OfParts(sums) => sums.extend_from_slice(own.as_bytes()),
            Sum::OfBytes(crc) => {
                let value = own.as_bytes().iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
                crc.push(value, row.size);
            }
        }
        Ok(())
    }

    fn check(&self, listed: &ListedPart, row: &PartRow) -> Result<(), ObjectError> {
        let (number, algorithm) = (listed.number, self.checksum.algorithm);
        let is_known = |sum: &ChecksumValue| of_part(row, sum.algorithm()).as_ref() == Some(sum);
        if row.etag.to_etag() != listed.etag || !listed.checksums.iter().all(is_known) {
            return Err(ObjectError::InvalidPart { number });
        }
        let is_named = listed.checksums.iter().any(|sum| sum.algorithm() == algorithm);
        if self.checksum.kind == ChecksumKind::Composite && !is_named {
            return Err(ObjectError::PartWithoutChecksum { number, algorithm });
        }
        Ok(())
    }

    /// Entity tag, checksum and its kind of the whole.
    pub(super) fn finish(self) -> (TagRow, ChecksumValue, ChecksumKind, PartLayout) {
        let md5 = TagRow::Md5(self.md5.finish()).to_etag();
        let etag = TagRow::Text(format!("{md5}-{}", self.layout.count()));
        let (checksum, kind) = match self.sum {
            Sum::OfParts(sums) => {
                (of_bytes(self.checksum.algorithm, &sums), ChecksumKind::Composite)
            }
            Sum::OfBytes(crc) => (crc.checksum(), ChecksumKind::FullObject),
        };
        (etag, checksum, kind, self.layout)
    }
}

/// The checksum of a part, if it is known. The CRC-64/NVME of every part is.
fn of_part(row: &PartRow, algorithm: ChecksumAlgorithm) -> Option<ChecksumValue> {
    let known = row.checksums.iter().find(|sum| sum.algorithm() == algorithm);
    let is_crc64 = algorithm == ChecksumAlgorithm::Crc64Nvme;
    known.cloned().or_else(|| is_crc64.then(|| crc64_value(row.crc64)))
}
