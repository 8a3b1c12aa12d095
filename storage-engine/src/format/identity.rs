//! `drive.id`: who a drive is and which drives it belongs with.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | magic `CDRV` |
//! | 4 | 1 | version, 1 |
//! | 5 | 1 | state: 1 forming, 2 formed |
//! | 6 | 1 | mount point: 1 if the folder was the root of a mounted file system |
//! | 7 | 1 | parity of the roster |
//! | 8 | 8 | compatible feature bits: unknown ones are ignored |
//! | 16 | 8 | incompatible feature bits: an unknown one refuses the drive |
//! | 24 | 16 | drive id |
//! | 40 | 16 | store id |
//! | 56 | 16 | node id |
//! | 72 | 8 | id of the store key |
//! | 80 | 8 | length of a segment |
//! | 88 | 8 | roster epoch: term |
//! | 96 | 8 | roster epoch: counter |
//! | 104 | 2 | number of drives in the roster, d |
//! | 106 | 2 | number of removed drives, r |
//! | 108 | 16 d | drive ids |
//! | .. | 16 r | removed drive ids |
//! | .. | 8 | CRC-64/NVME of all before |
//!
//! Every version ends with that checksum, so a reader checks it first and can tell a newer version
//! from rot. Written as a whole: temporary name, sync, rename, sync of the folder. A damaged or
//! newer file refuses the drive; it is never rewritten by a reader.

use coffer_types::{DriveId, NodeId, StoreId};

use super::store_key::StoreKeyId;
use super::{Fields, FormatError, seal, unseal};
use crate::limits::PAGE_LEN;

const MAGIC: [u8; 4] = *b"CDRV";
const VERSION: u8 = 1;
/// The most drives of a roster: far above what one node holds, and a bound for parsers.
const ROSTER_MAX: usize = 4096;
/// Lengths that a segment may have: room for a few batches, offsets within bounds.
const SEGMENT_LENS: std::ops::RangeInclusive<u64> = 32 << 10..=1 << 32;

/// Incompatible feature bits that this program knows; there are none yet.
pub const KNOWN_INCOMPATIBLE: u64 = 0;

/// Whether the first start of a drive is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormState {
    /// The drive has its files; other drives of the node may lack theirs.
    Forming,
    /// All drives of the node have theirs.
    Formed,
}

/// Orders rosters and sets: a later term wins, then a later counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RosterEpoch {
    /// The writable start that made it.
    pub term: u64,
    /// Counts within the term.
    pub counter: u64,
}

/// The drives of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    /// How many drives may be lost.
    pub parity: u8,
    /// Which roster is newer.
    pub epoch: RosterEpoch,
    /// All drives.
    pub drives: Vec<DriveId>,
    /// Drives that were members once and must not come back.
    pub removed: Vec<DriveId>,
}

/// The contents of `drive.id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The drive.
    pub drive: DriveId,
    /// The store it belongs to.
    pub store: StoreId,
    /// The node it belongs to.
    pub node: NodeId,
    /// The key that seals the store's secrets.
    pub store_key: StoreKeyId,
    /// How far the first start came.
    pub state: FormState,
    /// Whether the folder was a mount point when the drive was formatted.
    pub mount_point: bool,
    /// Length of a segment, fixed at format; a segment's own header states its real length.
    pub segment_len: u64,
    /// Feature bits that a program may ignore.
    pub compatible: u64,
    /// Feature bits that a program must know.
    pub incompatible: u64,
    /// The drives of the node.
    pub roster: Roster,
}

impl Identity {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(&MAGIC);
        out.push(VERSION);
        out.push(match self.state {
            FormState::Forming => 1,
            FormState::Formed => 2,
        });
        out.push(u8::from(self.mount_point));
        out.push(self.roster.parity);
        out.extend_from_slice(&self.compatible.to_le_bytes());
        out.extend_from_slice(&self.incompatible.to_le_bytes());
        out.extend_from_slice(self.drive.as_bytes());
        out.extend_from_slice(self.store.as_bytes());
        out.extend_from_slice(self.node.as_bytes());
        out.extend_from_slice(&self.store_key.0);
        out.extend_from_slice(&self.segment_len.to_le_bytes());
        out.extend_from_slice(&self.roster.epoch.term.to_le_bytes());
        out.extend_from_slice(&self.roster.epoch.counter.to_le_bytes());
        for list in [&self.roster.drives, &self.roster.removed] {
            assert!(list.len() <= ROSTER_MAX, "a roster stays below its bound");
            let len = u16::try_from(list.len()).expect("below the bound");
            out.extend_from_slice(&len.to_le_bytes());
        }
        for drive in self.roster.drives.iter().chain(&self.roster.removed) {
            out.extend_from_slice(drive.as_bytes());
        }
        seal(out)
    }

    /// Reads the contents of `drive.id`.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut fields = Fields::new(bytes);
        if fields.array::<4>()? != MAGIC {
            return Err(FormatError::Magic);
        }
        let mut fields = Fields::new(unseal(bytes)?);
        fields.take(4)?;
        let version = fields.u8()?;
        if version != VERSION {
            return Err(FormatError::Version(version));
        }
        let state = match fields.u8()? {
            1 => FormState::Forming,
            2 => FormState::Formed,
            _ => return Err(FormatError::Field("state")),
        };
        let mount_point = match fields.u8()? {
            0 => false,
            1 => true,
            _ => return Err(FormatError::Field("mount point")),
        };
        let parity = fields.u8()?;
        let (compatible, incompatible) = (fields.u64()?, fields.u64()?);
        let drive = DriveId::from_bytes(fields.array()?);
        let store = StoreId::from_bytes(fields.array()?);
        let node = NodeId::from_bytes(fields.array()?);
        let store_key = StoreKeyId(fields.array()?);
        let segment_len = fields.u64()?;
        if !SEGMENT_LENS.contains(&segment_len) || !segment_len.is_multiple_of(PAGE_LEN as u64) {
            return Err(FormatError::Field("segment length"));
        }
        let epoch = RosterEpoch { term: fields.u64()?, counter: fields.u64()? };
        let (drives, removed) = (usize::from(fields.u16()?), usize::from(fields.u16()?));
        if drives > ROSTER_MAX || removed > ROSTER_MAX {
            return Err(FormatError::Field("roster"));
        }
        let mut list = |len: usize| -> Result<Vec<DriveId>, FormatError> {
            (0..len).map(|_| Ok(DriveId::from_bytes(fields.array()?))).collect()
        };
        let roster = Roster { parity, epoch, drives: list(drives)?, removed: list(removed)? };
        fields.end()?;
        Ok(Self {
            drive,
            store,
            node,
            store_key,
            state,
            mount_point,
            segment_len,
            compatible,
            incompatible,
            roster,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::testing::{hex, mutations};

    pub(super) fn sample() -> Identity {
        Identity {
            drive: DriveId::from_bytes([1; 16]),
            store: StoreId::from_bytes([2; 16]),
            node: NodeId::from_bytes([3; 16]),
            store_key: StoreKeyId([4; 8]),
            state: FormState::Formed,
            mount_point: true,
            segment_len: 64 << 20,
            compatible: 5,
            incompatible: 6,
            roster: Roster {
                parity: 0,
                epoch: RosterEpoch { term: 7, counter: 8 },
                drives: vec![DriveId::from_bytes([1; 16])],
                removed: vec![DriveId::from_bytes([9; 16])],
            },
        }
    }

    #[test]
    fn golden_v1() {
        let golden = "434452560102010005000000000000000600000000000000\
            01010101010101010101010101010101\
            02020202020202020202020202020202\
            03030303030303030303030303030303\
            040404040404040400000004000000000700000000000000080000000000000001000100\
            01010101010101010101010101010101\
            09090909090909090909090909090909";
        let bytes = sample().encode();
        assert_eq!(hex(&bytes[..bytes.len() - 8]), golden);
        assert_eq!(hex(&bytes[bytes.len() - 8..]), "d3b44b200c81b5b0");
        assert_eq!(Identity::parse(&bytes), Ok(sample()));
    }

    #[test]
    fn a_newer_version_is_told_from_rot() {
        let bytes = sample().encode();
        let mut newer = bytes[..bytes.len() - 8].to_vec();
        newer[4] = 9;
        newer.extend_from_slice(b"fields of the future");
        assert_eq!(Identity::parse(&seal(newer)), Err(FormatError::Version(9)));
    }

    #[test]
    fn every_changed_byte_is_detected() {
        let bytes = sample().encode();
        for (at, mutated) in mutations(&bytes) {
            assert!(Identity::parse(&mutated).is_err(), "byte {at}");
        }
        for len in 0..bytes.len() {
            assert!(Identity::parse(&bytes[..len]).is_err(), "length {len}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Identity::parse(&bytes);
            let mut sealed = MAGIC.to_vec();
            sealed.push(VERSION);
            sealed.extend_from_slice(&bytes);
            let _ = Identity::parse(&seal(sealed));
        }
    }
}
