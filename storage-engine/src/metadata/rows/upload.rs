//! Uploads in parts: open ones, their parts, and completions that are remembered.

use coffer_types::{BucketId, ChecksumValue, ObjectKey, Timestamp, UploadId};
use serde::{Deserialize, Serialize};

use super::{ExtentRun, Row, TagRow, Transform};
use crate::index::TableId;
use crate::metadata::command::VersionName;
use crate::metadata::tables;
use crate::multipart::UploadChecksum;
use crate::object::{ChecksumKind, StoredHeader};

/// `uploads`: an open upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UploadRow {
    pub(crate) initiated: Timestamp,
    pub(crate) headers: Vec<StoredHeader>,
    pub(crate) user_metadata: Vec<StoredHeader>,
    pub(crate) checksum: Option<UploadChecksum>,
    /// Position of the last command that changed its parts; at first its own.
    pub(crate) changed: u64,
    /// Bytes of its parts.
    pub(crate) bytes: u64,
}

impl Row for UploadRow {
    const TABLE: TableId = tables::UPLOADS;
}

/// `parts`: a part of an upload, or of a version made by one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartRow {
    pub(crate) size: u64,
    pub(crate) stored_size: u64,
    pub(crate) modified: Timestamp,
    pub(crate) etag: TagRow,
    /// Plain CRC64-NVME of its bytes.
    pub(crate) crc64: u64,
    /// Checksums that were sent with it or that its upload keeps.
    pub(crate) checksums: Vec<ChecksumValue>,
    pub(crate) extents: Vec<ExtentRun>,
    pub(crate) transform: Transform,
    /// The data key, sealed; only with encryption.
    pub(crate) key_envelope: Option<Vec<u8>>,
    /// Plaintext bytes of one frame; 0 without a transform.
    pub(crate) frame_len: u32,
}

impl Row for PartRow {
    const TABLE: TableId = tables::PARTS;
}

/// `completions`: how a completed upload was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CompletionRow {
    pub(crate) key: ObjectKey,
    /// MD5 of the list of parts that was asked for.
    pub(crate) list: [u8; 16],
    pub(crate) version: VersionName,
    /// Whether clients are told the version.
    pub(crate) versioned: bool,
    pub(crate) etag: TagRow,
    pub(crate) size: u64,
    pub(crate) checksums: Vec<ChecksumValue>,
    pub(crate) checksum_kind: ChecksumKind,
    pub(crate) parts: u16,
}

impl Row for CompletionRow {
    const TABLE: TableId = tables::COMPLETIONS;
}

/// `completions_due`: when a completion is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CompletionDueRow {
    pub(crate) bucket: BucketId,
    pub(crate) upload: UploadId,
    /// Log time from which on it may be forgotten.
    pub(crate) due: Timestamp,
}

impl Row for CompletionDueRow {
    const TABLE: TableId = tables::COMPLETIONS_DUE;
}
