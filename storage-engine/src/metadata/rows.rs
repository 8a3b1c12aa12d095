//! Rows of the tables: a version byte, then a compact encoding (postcard) of the struct.
//!
//! A row of a version newer than this build knows, or that does not decode to its last byte, is
//! [`MetadataError::Row`], never a default. A new column means a new version and a decoder for
//! each older one; golden bytes of every version are in the tests.

use coffer_types::{AccountId, BucketId, ChecksumValue, ExtentId, GroupId, Timestamp, VersionSeq};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::MetadataError;
use super::tables::{self, table_name};
use crate::bucket::{BucketStats, Versioning};
use crate::index::TableId;
use crate::object::{ETag, StoredHeader};

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
        let damaged = || MetadataError::Row { table: table_name(Self::TABLE) };
        match bytes.split_first() {
            Some((&version, rest)) if version == Self::VERSION => {
                let (row, left) = postcard::take_from_bytes(rest).map_err(|_| damaged())?;
                if left.is_empty() { Ok(row) } else { Err(damaged()) }
            }
            _ => Err(damaged()),
        }
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
    pub(crate) fn to_etag(&self) -> ETag {
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
}

impl Row for BucketRow {
    const TABLE: TableId = tables::BUCKETS;
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

/// `objects`: the current version, as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ObjectRow {
    pub(crate) version: VersionSeq,
    pub(crate) size: u64,
    pub(crate) modified: Timestamp,
    pub(crate) etag: TagRow,
    /// Storage class; 0 is the standard one.
    pub(crate) class: u8,
    /// Whether it is the null version.
    pub(crate) null: bool,
}

impl Row for ObjectRow {
    const TABLE: TableId = tables::OBJECTS;
}

/// How stored bytes differ from what the client sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Transform {
    #[default]
    None,
}

/// One part of a version made by a multipart upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartRow {
    pub(crate) number: u16,
    pub(crate) size: u64,
    pub(crate) stored_size: u64,
    pub(crate) checksums: Vec<ChecksumValue>,
    pub(crate) transform: Transform,
    /// The data key, sealed; only with encryption.
    pub(crate) key_envelope: Option<Vec<u8>>,
    /// Plaintext bytes of one frame; 0 without a transform.
    pub(crate) frame_len: u32,
}

/// A run of an extent that belongs to a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExtentRun {
    pub(crate) extent: ExtentId,
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

/// `versions`: everything about a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VersionRow {
    pub(crate) delete_marker: bool,
    pub(crate) null: bool,
    pub(crate) class: u8,
    pub(crate) transform: Transform,
    pub(crate) size: u64,
    pub(crate) stored_size: u64,
    pub(crate) modified: Timestamp,
    pub(crate) etag: TagRow,
    /// The id it had elsewhere, for replicas; unique within the key.
    pub(crate) foreign_version: Option<String>,
    pub(crate) headers: Vec<StoredHeader>,
    pub(crate) user_metadata: Vec<StoredHeader>,
    pub(crate) checksums: Vec<ChecksumValue>,
    pub(crate) parts: Vec<PartRow>,
    pub(crate) extents: Vec<ExtentRun>,
    /// The data key, sealed; only with encryption.
    pub(crate) key_envelope: Option<Vec<u8>>,
    /// Set instead of removing the row while a snapshot pins it.
    pub(crate) removed_seq: Option<u64>,
}

impl Row for VersionRow {
    const TABLE: TableId = tables::VERSIONS;
}

impl VersionRow {
    /// The row of `objects` that shows this version.
    pub(crate) fn summary(&self, version: VersionSeq) -> ObjectRow {
        ObjectRow {
            version,
            size: self.size,
            modified: self.modified,
            etag: self.etag.clone(),
            class: self.class,
            null: self.null,
        }
    }

    /// A delete marker.
    pub(crate) fn marker(null: bool, modified: Timestamp) -> Self {
        Self {
            delete_marker: true,
            null,
            class: 0,
            transform: Transform::None,
            size: 0,
            stored_size: 0,
            modified,
            etag: TagRow::Text(String::new()),
            foreign_version: None,
            headers: Vec::new(),
            user_metadata: Vec::new(),
            checksums: Vec::new(),
            parts: Vec::new(),
            extents: Vec::new(),
            key_envelope: None,
            removed_seq: None,
        }
    }
}

/// `nulls`: which version of a key is the null version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NullRow {
    pub(crate) version: VersionSeq,
}

impl Row for NullRow {
    const TABLE: TableId = tables::NULLS;
}

/// Who holds an extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) bucket: BucketId,
    pub(crate) version: VersionSeq,
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
    /// Bytes that references still cover.
    pub(crate) live: u64,
}

impl Row for ExtentRow {
    const TABLE: TableId = tables::EXTENTS;
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
