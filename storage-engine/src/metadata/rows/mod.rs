//! Rows of the tables: a version byte, then a compact encoding (postcard) of the struct.
//!
//! A row of a version newer than this build knows, or that does not decode to its last byte, is
//! [`MetadataError::Row`], never a default. A new column means a new version and a decoder for
//! each older one; golden bytes of every version are in the tests.

mod extent;
mod feed;
mod sweep;
mod upload;
mod version;

#[cfg(test)]
mod tests;

use coffer_types::{AccountId, BucketId, GroupId, ObjectKey, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::MetadataError;
use super::tables::{self, table_name};
use crate::bucket::{BucketStats, Versioning};
use crate::index::TableId;
use crate::object::ETag;

pub(crate) use extent::{ExtentRow, ExtentRun, GcReason, GcRow, Owner, RefRow, cut};
pub(crate) use feed::{EventRow, FeedRow, FeedsRow};
pub(crate) use sweep::{PartsSweep, PrefixSweep, SweepRow};
pub(crate) use upload::{CompletionDueRow, CompletionRow, PartRow, UploadRow};
pub(crate) use version::{NullRow, ObjectRow, PartsRef, Transform, VersionRow};

/// A row that is stored.
pub(crate) trait Row: Serialize + DeserializeOwned {
    /// The table it lives in.
    const TABLE: TableId;
    /// The version that is written.
    const VERSION: u8 = 1;

    /// Its bytes.
    fn encode(&self) -> Vec<u8> {
        let buffer = vec![Self::VERSION];
        postcard::to_extend(self, buffer).expect("rows hold only what postcard encodes")
    }

    /// From its bytes.
    fn decode(bytes: &[u8]) -> Result<Self, MetadataError> {
        let row = match bytes.split_first() {
            Some((&version, rest)) if version == Self::VERSION => whole(rest),
            Some((&version, rest)) => Self::decode_older(version, rest),
            None => None,
        };
        row.ok_or(MetadataError::Row { table: table_name(Self::TABLE) })
    }

    /// From the bytes behind an older version byte; `None` if there is no such version or they do
    /// not decode.
    fn decode_older(_version: u8, _bytes: &[u8]) -> Option<Self> {
        None
    }
}

/// A value that takes all the bytes.
fn whole<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Some(value),
        _ => None,
    }
}

/// An entity tag as stored: the usual MD5 in 16 bytes, anything else as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TagRow {
    /// MD5 of the bytes.
    Md5([u8; 16]),
    /// Free text.
    Text(String),
}

impl TagRow {
    /// As clients see it.
    pub fn to_etag(&self) -> ETag {
        match self {
            Self::Md5(digest) => ETag::new(hex(digest)),
            Self::Text(text) => ETag::new(text.as_str()),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Where the keys of a bucket live from a start key on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Route {
    pub(crate) start_key: String,
    pub(crate) group: GroupId,
}

/// `names`: a bucket's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NameRow {
    pub(crate) bucket: BucketId,
    pub(crate) owner: AccountId,
    pub(crate) created: Timestamp,
    /// One entry today; the first starts at the empty key.
    pub(crate) routing: Vec<Route>,
}

impl Row for NameRow {
    const TABLE: TableId = tables::NAMES;
}

impl NameRow {
    /// The group of the bucket's rows.
    pub(crate) fn group(&self) -> Result<GroupId, MetadataError> {
        let damaged = MetadataError::Row { table: "names" };
        self.routing.first().map(|route| route.group).ok_or(damaged)
    }
}

/// `loads`: what a group carries, to choose the group of a new bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LoadRow {
    pub(crate) buckets: u64,
}

impl Row for LoadRow {
    const TABLE: TableId = tables::LOADS;
}

/// Whether a bucket takes changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum BucketState {
    Open,
    /// On its way out: nothing may enter.
    Sealed,
}

/// Keys of a bucket that were dropped together and are not swept yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DropMark {
    /// Position of the command: what is older than it is gone.
    pub(crate) before: u64,
    /// What the keys begin with; empty for all.
    pub(crate) prefix: String,
    /// Whether anything was written below the prefix since.
    pub(crate) written: bool,
}

impl DropMark {
    /// Whether it drops keys of this name.
    pub(crate) fn covers(&self, key: &str) -> bool {
        key.starts_with(&self.prefix)
    }
}

/// `buckets`: a bucket's settings that its own commands read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BucketRow {
    pub(crate) state: BucketState,
    pub(crate) created: Timestamp,
    pub(crate) versioning: Versioning,
    /// Default retention of object lock: mode and days. Not set by anything yet.
    pub(crate) lock_default: Option<(u8, u32)>,
    /// The most bytes it may hold. Not set by anything yet.
    pub(crate) quota: Option<u64>,
    /// What was dropped and is not swept yet, oldest first.
    pub(crate) drops: Vec<DropMark>,
}

impl BucketRow {
    /// The position that versions and uploads of a key must lie behind to be there.
    pub(crate) fn floor(&self, key: &ObjectKey) -> u64 {
        let covering = self.drops.iter().filter(|mark| mark.covers(key.as_str()));
        covering.map(|mark| mark.before).max().unwrap_or(0)
    }
}

/// Version 1 of [`BucketRow`].
#[derive(Deserialize)]
struct BucketRowV1 {
    state: BucketState,
    created: Timestamp,
    versioning: Versioning,
    lock_default: Option<(u8, u32)>,
    quota: Option<u64>,
}

impl Row for BucketRow {
    const TABLE: TableId = tables::BUCKETS;
    const VERSION: u8 = 2;

    fn decode_older(version: u8, bytes: &[u8]) -> Option<Self> {
        let BucketRowV1 { state, created, versioning, lock_default, quota } =
            (version == 1).then(|| whole(bytes))??;
        Some(Self { state, created, versioning, lock_default, quota, drops: Vec::new() })
    }
}

/// `stats`: exact counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StatsRow {
    pub(crate) counts: BucketStats,
    /// Bytes of parts of open uploads.
    pub(crate) multipart_bytes: u64,
}

impl Row for StatsRow {
    const TABLE: TableId = tables::STATS;
}

/// `documents`: a small record of an upper crate.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DocumentRow {
    pub(crate) revision: u64,
    /// Whether `bytes` are sealed by the store key.
    pub(crate) sealed: bool,
    pub(crate) bytes: Vec<u8>,
}

impl Row for DocumentRow {
    const TABLE: TableId = tables::DOCUMENTS;
}
