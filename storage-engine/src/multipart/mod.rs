//! Uploads in parts: begun, filled part by part in any order, then completed or aborted.
//!
//! ```text
//! begin ─► uploads row
//! put_part, copy_part ─► parts row, extents held by (upload, part number); the last writer of a number wins
//! complete ─► a version that names the upload; its parts stay where they are, no byte moves
//! abort ─► the uploads row goes at once, its parts in the background
//! ```
//!
//! A completion is decided by whoever proposes it from the parts as they are; its command names the
//! change of the upload that it has seen, and is refused if there was a later one. So applying it
//! costs the same for one part as for ten thousand. Its answer is remembered for a day.

pub(crate) mod abort;
pub(crate) mod begin;
pub(crate) mod complete;
mod composite;
pub(crate) mod list;
pub(crate) mod part;

use coffer_types::{ChecksumAlgorithm, ChecksumValue, ObjectKey, PartNumber, Timestamp, UploadId};
use serde::{Deserialize, Serialize};

use crate::bucket::BucketRef;
use crate::metadata::command::Outcome;
use crate::object::get::ByteRange;
use crate::object::{ChecksumKind, ETag, ObjectError, StoredHeader, VersionId, WriteCondition};

/// The checksum that an upload was begun with: every part brings one of this algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadChecksum {
    /// Its algorithm.
    pub algorithm: ChecksumAlgorithm,
    /// What the checksum of the whole is computed over. SHA-1 and SHA-256 are composite,
    /// CRC-64/NVME is of the full object, the others may be either.
    pub kind: ChecksumKind,
}

impl UploadChecksum {
    /// What an upload keeps that was begun without one.
    pub const DEFAULT: Self =
        Self { algorithm: ChecksumAlgorithm::Crc64Nvme, kind: ChecksumKind::FullObject };
}

/// What to begin.
#[derive(Clone, Debug)]
pub struct BeginUpload {
    /// Into which bucket.
    pub bucket: BucketRef,
    /// Under which key.
    pub key: ObjectKey,
    /// Headers to store and give back.
    pub headers: Vec<StoredHeader>,
    /// The user's own metadata.
    pub user_metadata: Vec<StoredHeader>,
    /// Which checksum its parts bring; without one [`UploadChecksum::DEFAULT`] is kept.
    pub checksum: Option<UploadChecksum>,
}

/// Which upload a call is about.
#[derive(Clone, Debug)]
pub struct UploadRef {
    /// In which bucket.
    pub bucket: BucketRef,
    /// Under which key.
    pub key: ObjectKey,
    /// The upload.
    pub upload: UploadId,
}

/// A part to put.
#[derive(Clone, Debug)]
pub struct PutPart {
    /// Into which upload.
    pub upload: UploadRef,
    /// Under which number; one that is there is replaced.
    pub number: PartNumber,
    /// Bytes announced, if they were: the body must have exactly as many.
    pub length: Option<u64>,
}

/// A part to make of bytes that are stored.
#[derive(Clone, Debug)]
pub struct CopyPart {
    /// Into which upload.
    pub upload: UploadRef,
    /// Under which number; one that is there is replaced.
    pub number: PartNumber,
    /// Which bytes of the source; `None` for all. All of the range must lie inside.
    pub range: Option<ByteRange>,
}

/// A part that is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartDone {
    /// Its entity tag: the MD5 of its bytes.
    pub etag: ETag,
    /// Its bytes.
    pub size: u64,
    /// When it was committed.
    pub modified: Timestamp,
    /// Checksums that were sent and compared, or that the upload keeps.
    pub checksums: Vec<ChecksumValue>,
    /// Of a copied part: the version that it was copied from, `None` where the bucket of the source
    /// was never versioned.
    pub source_version: Option<VersionId>,
}

/// A part as the list of a completion names it.
#[derive(Clone, Debug)]
pub struct ListedPart {
    /// Its number.
    pub number: PartNumber,
    /// The tag that its upload was answered with.
    pub etag: ETag,
    /// Checksums that its upload was answered with.
    pub checksums: Vec<ChecksumValue>,
}

/// What to complete.
#[derive(Clone, Debug)]
pub struct CompleteUpload {
    /// Which upload.
    pub upload: UploadRef,
    /// The parts of the object in ascending order; other parts of the upload are dropped.
    pub parts: Vec<ListedPart>,
    /// Bytes that all parts together must have.
    pub size: Option<u64>,
    /// The checksum that the object must have.
    pub checksum: Option<ChecksumValue>,
    /// The kind of checksum that the sender believes the upload to have.
    pub checksum_kind: Option<ChecksumKind>,
    /// Conditions on the current version.
    pub condition: WriteCondition,
}

/// An object made of parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompleteDone {
    /// Its version; `None` where the bucket was never versioned.
    pub version: Option<VersionId>,
    /// Its entity tag: the MD5 of the MD5s of its parts, a dash and how many there are.
    pub etag: ETag,
    /// Its size.
    pub size: u64,
    /// Its checksums.
    pub checksums: Vec<ChecksumValue>,
    /// What they are computed over.
    pub checksum_kind: ChecksumKind,
    /// How many parts it has.
    pub parts: u16,
}

/// Which parts of an open upload to list.
#[derive(Clone, Debug)]
pub struct ListParts {
    /// Which upload.
    pub upload: UploadRef,
    /// Only numbers behind this one.
    pub after: u16,
    /// At most so many.
    pub limit: usize,
}

/// A part in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartSummary {
    /// Its number.
    pub number: PartNumber,
    /// Its bytes.
    pub size: u64,
    /// Its entity tag.
    pub etag: ETag,
    /// When it was committed.
    pub modified: Timestamp,
    /// Its checksums of the algorithm that its upload keeps.
    pub checksums: Vec<ChecksumValue>,
}

/// A page of parts, by number.
#[derive(Clone, Debug)]
pub struct PartPage {
    /// The parts.
    pub parts: Vec<PartSummary>,
    /// Whether more follow the last one.
    pub truncated: bool,
    /// The checksum of the upload.
    pub checksum: Option<UploadChecksum>,
}

/// Which open uploads to list.
#[derive(Clone, Debug)]
pub struct ListUploads {
    /// In which bucket.
    pub bucket: BucketRef,
    /// Only keys that begin so.
    pub prefix: String,
    /// Keys that share a run up to this text behind the prefix are shown once; empty for none.
    pub delimiter: String,
    /// Only what sorts after all uploads of this key, or after this upload of it. A common prefix
    /// given here is skipped with all its keys.
    pub after: Option<(String, Option<UploadId>)>,
    /// At most so many uploads and common prefixes together.
    pub limit: usize,
}

/// An open upload in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadSummary {
    /// Its key.
    pub key: ObjectKey,
    /// The upload.
    pub upload: UploadId,
    /// When it was begun.
    pub initiated: Timestamp,
    /// Its checksum.
    pub checksum: Option<UploadChecksum>,
}

/// A page of open uploads: keys ascending, each key's uploads oldest first.
#[derive(Clone, Debug)]
pub struct UploadPage {
    /// Uploads and common prefixes in one order.
    pub entries: Vec<crate::object::list::ListEntry<UploadSummary>>,
    /// Where the next page starts (pass it as `after`); `None` at the end.
    pub next: Option<(String, Option<UploadId>)>,
}

/// The error of a command about an upload that was refused.
fn refusal(outcome: Outcome, bucket: &BucketRef) -> ObjectError {
    match outcome {
        Outcome::NoUpload => ObjectError::NoSuchUpload,
        other => crate::object::refusal(other, bucket),
    }
}
