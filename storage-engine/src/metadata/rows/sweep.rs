//! What is gone for everybody and still has rows: parts, and dropped prefixes.

use coffer_types::{BucketId, ObjectKey, VersionSeq};
use serde::{Deserialize, Serialize};

use super::Row;
use crate::bucket::BucketStats;
use crate::index::TableId;
use crate::metadata::tables;
use crate::object::PartLayout;

/// `sweeps`: rows to take away in the background, a bounded number with each command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SweepRow {
    /// Parts that no upload and no version names any more.
    Parts(PartsSweep),
    /// What was dropped with a prefix.
    Prefix(PrefixSweep),
}

/// Parts kept under a position, but for those of a layout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartsSweep {
    pub(crate) bucket: BucketId,
    /// The position they are kept under.
    pub(crate) holder: u64,
    /// The parts of the version that stay.
    pub(crate) keep: PartLayout,
    /// The last number that was looked at.
    pub(crate) after: u16,
}

/// Versions, delete markers and uploads below a prefix that are older than a position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PrefixSweep {
    pub(crate) bucket: BucketId,
    pub(crate) prefix: String,
    pub(crate) before: u64,
    /// Whether the bucket still counts them. What is dropped with a whole bucket is no longer
    /// counted from the drop on; of a prefix nobody knows how much it holds.
    pub(crate) counted: bool,
    /// The last version that was taken away; `None` at the beginning.
    pub(crate) after: Option<(ObjectKey, VersionSeq)>,
    /// Whether the versions are done, so that uploads follow.
    pub(crate) versions_done: bool,
    /// What was taken away so far.
    pub(crate) swept: BucketStats,
}

impl Row for SweepRow {
    const TABLE: TableId = tables::SWEEPS;
}
