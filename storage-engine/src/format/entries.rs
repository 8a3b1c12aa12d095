//! Payloads of the records that the log writes for itself.
//!
//! `Start` (the first record of a writable start; its header carries the new term):
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | version, 1 |
//! | 1 | 7 | zero |
//! | 8 | 8 | last file sequence that was kept |
//! | 16 | 8 | checksum of the batch that holds it; 0 if nothing was kept |
//! | 24 | 4 | writer epoch of this start |
//!
//! Bytes of earlier segments behind the kept sequence never exist again.
//!
//! `EpochStart` (its header carries the group, and the term and index it takes there): version 1
//! (1 byte), 3 zero bytes, writer epoch (4 bytes), node id (16 bytes). It closes every earlier epoch
//! of that node in the group.
//!
//! `GroupSet` (its header carries the group, and the last term and index of the group before this
//! batch): version 1 (1 byte), 1 zero byte, number of members (2 bytes), then for each member drive
//! id (16 bytes), role (1 byte: 0 full, 1 joining), 7 zero bytes.
//!
//! `SegmentFooter` (the last record of a bulk segment): version 1 (1 byte), 7 zero bytes, number of
//! records before it (8 bytes), last file sequence before it (8 bytes).
//!
//! `Mark` has no payload. The records' block checksums cover all of them.

use coffer_types::{DriveId, NodeId, WriterEpoch};

use super::{Fields, FormatError};

const VERSION: u8 = 1;
/// The most members of a set: a bound for parsers.
const MEMBERS_MAX: usize = 64;

/// Payload of a `Start` record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The last file sequence that the start kept.
    pub kept_sequence: u64,
    /// The checksum of the batch that holds it; 0 if nothing was kept.
    pub kept_checksum: u64,
    /// The writer epoch of the start.
    pub epoch: WriterEpoch,
}

impl Start {
    /// Its bytes.
    pub fn encode(&self) -> [u8; 28] {
        let mut out = [0; 28];
        out[0] = VERSION;
        out[8..16].copy_from_slice(&self.kept_sequence.to_le_bytes());
        out[16..24].copy_from_slice(&self.kept_checksum.to_le_bytes());
        out[24..].copy_from_slice(&self.epoch.0.to_le_bytes());
        out
    }

    /// Reads the payload of a `Start` record.
    pub fn parse(payload: &[u8]) -> Result<Self, FormatError> {
        let mut fields = versioned(payload)?;
        zeros(&mut fields, 7)?;
        let start = Self {
            kept_sequence: fields.u64()?,
            kept_checksum: fields.u64()?,
            epoch: WriterEpoch(fields.u32()?),
        };
        fields.end()?;
        Ok(start)
    }
}

/// Payload of an `EpochStart` record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    /// The epoch that begins.
    pub epoch: WriterEpoch,
    /// The node whose writer begins it.
    pub node: NodeId,
}

impl EpochStart {
    /// Its bytes.
    pub fn encode(&self) -> [u8; 24] {
        let mut out = [0; 24];
        out[0] = VERSION;
        out[4..8].copy_from_slice(&self.epoch.0.to_le_bytes());
        out[8..].copy_from_slice(self.node.as_bytes());
        out
    }

    /// Reads the payload of an `EpochStart` record.
    pub fn parse(payload: &[u8]) -> Result<Self, FormatError> {
        let mut fields = versioned(payload)?;
        zeros(&mut fields, 3)?;
        let epoch = WriterEpoch(fields.u32()?);
        let node = NodeId::from_bytes(fields.array()?);
        fields.end()?;
        Ok(Self { epoch, node })
    }
}

/// How much of a group's log a member has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberRole {
    /// Everything above the floor.
    Full,
    /// It acknowledges, but does not count as intact yet.
    Joining,
}

/// Payload of a `GroupSet` record: the drives that a group's log is flushed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSet {
    /// The drives and their roles.
    pub members: Vec<(DriveId, MemberRole)>,
}

impl GroupSet {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        assert!(self.members.len() <= MEMBERS_MAX, "a set stays below its bound");
        let count = u16::try_from(self.members.len()).expect("below the bound");
        let mut out = vec![VERSION, 0];
        out.extend_from_slice(&count.to_le_bytes());
        for (drive, role) in &self.members {
            out.extend_from_slice(drive.as_bytes());
            out.push(match role {
                MemberRole::Full => 0,
                MemberRole::Joining => 1,
            });
            out.extend_from_slice(&[0; 7]);
        }
        out
    }

    /// Reads the payload of a `GroupSet` record.
    pub fn parse(payload: &[u8]) -> Result<Self, FormatError> {
        let mut fields = versioned(payload)?;
        zeros(&mut fields, 1)?;
        let count = usize::from(fields.u16()?);
        if count > MEMBERS_MAX {
            return Err(FormatError::Field("members"));
        }
        let mut members = Vec::with_capacity(count);
        for _ in 0..count {
            let drive = DriveId::from_bytes(fields.array()?);
            let role = match fields.u8()? {
                0 => MemberRole::Full,
                1 => MemberRole::Joining,
                _ => return Err(FormatError::Field("role")),
            };
            zeros(&mut fields, 7)?;
            members.push((drive, role));
        }
        fields.end()?;
        Ok(Self { members })
    }
}

/// Payload of a `SegmentFooter` record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentFooter {
    /// Records before it in the segment.
    pub records: u64,
    /// The last file sequence before it.
    pub last_sequence: u64,
}

impl SegmentFooter {
    /// Its bytes.
    pub fn encode(&self) -> [u8; 24] {
        let mut out = [0; 24];
        out[0] = VERSION;
        out[8..16].copy_from_slice(&self.records.to_le_bytes());
        out[16..].copy_from_slice(&self.last_sequence.to_le_bytes());
        out
    }

    /// Reads the payload of a `SegmentFooter` record.
    pub fn parse(payload: &[u8]) -> Result<Self, FormatError> {
        let mut fields = versioned(payload)?;
        zeros(&mut fields, 7)?;
        let footer = Self { records: fields.u64()?, last_sequence: fields.u64()? };
        fields.end()?;
        Ok(footer)
    }
}

fn versioned(payload: &[u8]) -> Result<Fields<'_>, FormatError> {
    let mut fields = Fields::new(payload);
    match fields.u8()? {
        VERSION => Ok(fields),
        version => Err(FormatError::Version(version)),
    }
}

fn zeros(fields: &mut Fields<'_>, len: usize) -> Result<(), FormatError> {
    if fields.take(len)?.iter().all(|byte| *byte == 0) {
        Ok(())
    } else {
        Err(FormatError::Field("reserved"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::format::testing::hex;

    #[test]
    fn golden_v1() {
        let start = Start { kept_sequence: 1, kept_checksum: 2, epoch: WriterEpoch(3) };
        let golden = "01000000000000000100000000000000020000000000000003000000";
        assert_eq!(hex(&start.encode()), golden);
        assert_eq!(Start::parse(&start.encode()), Ok(start));

        let epoch = EpochStart { epoch: WriterEpoch(4), node: NodeId::from_bytes([5; 16]) };
        assert_eq!(hex(&epoch.encode()), format!("0100000004000000{}", "05".repeat(16)));
        assert_eq!(EpochStart::parse(&epoch.encode()), Ok(epoch));

        let set = GroupSet {
            members: vec![
                (DriveId::from_bytes([6; 16]), MemberRole::Full),
                (DriveId::from_bytes([7; 16]), MemberRole::Joining),
            ],
        };
        let golden = format!(
            "01000200{}0000000000000000{}0100000000000000",
            "06".repeat(16),
            "07".repeat(16)
        );
        assert_eq!(hex(&set.encode()), golden);
        assert_eq!(GroupSet::parse(&set.encode()), Ok(set));

        let footer = SegmentFooter { records: 8, last_sequence: 9 };
        let golden = "010000000000000008000000000000000900000000000000";
        assert_eq!(hex(&footer.encode()), golden);
        assert_eq!(SegmentFooter::parse(&footer.encode()), Ok(footer));
    }

    proptest! {
        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut versioned = vec![VERSION];
            versioned.extend_from_slice(&bytes);
            for payload in [&bytes, &versioned] {
                let _ = Start::parse(payload);
                let _ = EpochStart::parse(payload);
                let _ = GroupSet::parse(payload);
                let _ = SegmentFooter::parse(payload);
            }
        }
    }
}
