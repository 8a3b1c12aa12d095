//! Extents, who refers to them, and those that nobody refers to.

use coffer_types::{BucketId, ExtentId, VersionSeq};
use serde::{Deserialize, Serialize};

use super::Row;
use crate::index::TableId;
use crate::metadata::tables;

/// A run of an extent that belongs to a version or a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExtentRun {
    pub(crate) extent: ExtentId,
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

/// What of some runs holds the bytes from `first` on; the runs begin at `start`.
pub(crate) fn cut(runs: &[ExtentRun], start: u64, first: u64, len: u64) -> Vec<ExtentRun> {
    let mut wanted = Vec::new();
    let mut start = start;
    for run in runs {
        let end = start + run.len;
        let from = first.max(start);
        let to = first.saturating_add(len).min(end);
        if from < to {
            let offset = run.offset + (from - start);
            wanted.push(ExtentRun { extent: run.extent, offset, len: to - from });
        }
        start = end;
    }
    wanted
}

/// Who holds an extent: a version, or a part of what is kept under a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) bucket: BucketId,
    /// Position of the command that made the version, the upload, or the copy with parts.
    pub(crate) version: VersionSeq,
    /// Number of the part; 0 for a version without parts.
    pub(crate) part: u16,
}

/// `extents`: an extent that something refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExtentRow {
    /// Geometry: 0 is one copy on one drive.
    pub(crate) geometry: u8,
    /// Erasure code: 0 is none.
    pub(crate) code: u8,
    /// Roster slots of the drives that hold its shards, in shard order.
    pub(crate) drives: Vec<u16>,
    pub(crate) len: u64,
    /// Plain CRC64-NVME of its bytes.
    pub(crate) crc64: u64,
    /// The first reference.
    pub(crate) owner: Owner,
    /// Rows of `refs` beside the owner.
    pub(crate) shared: u32,
    /// Bytes that all references cover together.
    pub(crate) live: u64,
}

impl Row for ExtentRow {
    const TABLE: TableId = tables::EXTENTS;
}

/// `refs`: a reference to an extent beside its owner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RefRow {
    /// Bytes that it covers.
    pub(crate) len: u64,
}

impl Row for RefRow {
    const TABLE: TableId = tables::REFS;
}

/// Why an extent awaits collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum GcReason {
    /// Its last reference went.
    Unreferenced,
    /// Its command was refused.
    Refused,
}

/// `gc`: an extent whose shards may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GcRow {
    pub(crate) reason: GcReason,
}

impl Row for GcRow {
    const TABLE: TableId = tables::GC;
}
