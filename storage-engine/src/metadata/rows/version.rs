//! Versions of objects.

use coffer_types::{ChecksumValue, Timestamp, VersionSeq};
use serde::{Deserialize, Serialize};

use super::{ExtentRun, Row, TagRow, whole};
use crate::index::TableId;
use crate::metadata::tables;
use crate::object::{ChecksumKind, PartLayout, StoredHeader};

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
    /// What the checksums are computed over.
    pub(crate) checksum_kind: ChecksumKind,
    /// Its bytes are those of these parts; then `extents` is empty.
    pub(crate) parts: Option<PartsRef>,
    pub(crate) extents: Vec<ExtentRun>,
    /// The data key, sealed; only with encryption.
    pub(crate) key_envelope: Option<Vec<u8>>,
    /// Set instead of removing the row while a snapshot pins it.
    pub(crate) removed_seq: Option<u64>,
}

/// Parts that a version is made of: rows of `parts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartsRef {
    /// The position they are kept under: that of the upload, or of the copy that brought them.
    pub(crate) holder: u64,
    /// Their numbers and sizes.
    pub(crate) layout: PartLayout,
}

/// Version 1 of [`VersionRow`]; nothing ever wrote parts into it.
#[derive(Deserialize)]
struct VersionRowV1 {
    delete_marker: bool,
    null: bool,
    class: u8,
    transform: Transform,
    size: u64,
    stored_size: u64,
    modified: Timestamp,
    etag: TagRow,
    foreign_version: Option<String>,
    headers: Vec<StoredHeader>,
    user_metadata: Vec<StoredHeader>,
    checksums: Vec<ChecksumValue>,
    /// How many parts follow: none.
    parts: u8,
    extents: Vec<ExtentRun>,
    key_envelope: Option<Vec<u8>>,
    removed_seq: Option<u64>,
}

impl Row for VersionRow {
    const TABLE: TableId = tables::VERSIONS;
    const VERSION: u8 = 2;

    fn decode_older(version: u8, bytes: &[u8]) -> Option<Self> {
        let old: VersionRowV1 = (version == 1).then(|| whole(bytes))??;
        (old.parts == 0).then_some(Self {
            delete_marker: old.delete_marker,
            null: old.null,
            class: old.class,
            transform: old.transform,
            size: old.size,
            stored_size: old.stored_size,
            modified: old.modified,
            etag: old.etag,
            foreign_version: old.foreign_version,
            headers: old.headers,
            user_metadata: old.user_metadata,
            checksums: old.checksums,
            checksum_kind: ChecksumKind::FullObject,
            parts: None,
            extents: old.extents,
            key_envelope: old.key_envelope,
            removed_seq: old.removed_seq,
        })
    }
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

    /// A version of no bytes.
    pub(crate) fn empty(modified: Timestamp) -> Self {
        Self {
            delete_marker: false,
            null: false,
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
            checksum_kind: ChecksumKind::FullObject,
            parts: None,
            extents: Vec::new(),
            key_envelope: None,
            removed_seq: None,
        }
    }

    /// A delete marker.
    pub(crate) fn marker(null: bool, modified: Timestamp) -> Self {
        Self { delete_marker: true, null, ..Self::empty(modified) }
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
