//! The feed: events in the order of the log, and who reads them.

use coffer_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::Row;
use crate::feed::Change;
use crate::index::TableId;
use crate::metadata::tables;

/// `events`: what a command changed, by its position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventRow {
    pub(crate) time: Timestamp,
    pub(crate) change: Change,
}

impl Row for EventRow {
    const TABLE: TableId = tables::EVENTS;
}

/// `feeds`, under the empty key: what all readers need. Absent while there is no reader, and then
/// nothing is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FeedsRow {
    /// How many readers there are.
    pub(crate) readers: u32,
    /// Rows of `events`.
    pub(crate) events: u64,
    /// The most rows of `events` that are kept.
    pub(crate) keep: u64,
    /// Position of the newest event that went because there were too many.
    pub(crate) lost: u64,
}

impl Row for FeedsRow {
    const TABLE: TableId = tables::FEEDS;
}

/// `feeds`, under its name: a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FeedRow {
    /// Events up to this position are dealt with.
    pub(crate) after: u64,
}

impl Row for FeedRow {
    const TABLE: TableId = tables::FEEDS;
}
