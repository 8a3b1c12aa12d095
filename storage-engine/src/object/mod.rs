//! Objects and versions: put, get, delete, list. One use case per file.

pub mod body;
pub mod copy;
pub(crate) mod crc;
pub mod delete;
pub(crate) mod digest;
pub(crate) mod find;
pub mod get;
pub(crate) mod intake;
pub mod list;
pub(crate) mod md5;
pub mod parts;
pub mod put;

use std::fmt;

use coffer_types::{
    BucketName, ChecksumAlgorithm, ChecksumValue, ObjectKey, PartNumber, Timestamp, VersionSeq,
};
use serde::{Deserialize, Serialize};

use crate::bucket::BucketRef;
use crate::error::ErrorKind;
use crate::metadata::MetadataError;
use crate::metadata::command::Outcome;
use crate::multipart::UploadChecksum;
use crate::ports::ReadError;

pub use parts::PartLayout;

/// The entity tag of a version: text that changes when the bytes do. For an object put in one
/// piece it is the MD5 of its bytes as 32 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ETag(Box<str>);

impl ETag {
    /// From its text, without quotes.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// Its text, without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "etag:{}", self.0)
    }
}

/// Names one version of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionId {
    /// The null version: what a write makes where versioning is not enabled.
    Null,
    /// A version written while versioning was enabled.
    Seq(VersionSeq),
}

impl fmt::Display for VersionId {
    /// `null`, or 32 characters that clients treat as opaque.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Seq(seq) => write!(f, "{:032x}", seq.0),
        }
    }
}

/// A version id that no version can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a version id")]
pub struct InvalidVersionId(String);

impl std::str::FromStr for VersionId {
    type Err = InvalidVersionId;

    fn from_str(text: &str) -> Result<Self, InvalidVersionId> {
        if text == "null" {
            return Ok(Self::Null);
        }
        let digits =
            text.len() == 32 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        u128::from_str_radix(text, 16)
            .ok()
            .filter(|_| digits)
            .and_then(|seq| u64::try_from(seq).ok())
            .map(|seq| Self::Seq(VersionSeq(seq)))
            .ok_or_else(|| InvalidVersionId(text.to_owned()))
    }
}

/// A header that is stored and given back as it came, by its lower-case name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredHeader {
    /// Lower-case name.
    pub name: String,
    /// Value as the client sent it.
    pub value: String,
}

/// Everything about a version but its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionInfo {
    /// Its key.
    pub key: ObjectKey,
    /// Its id.
    pub version: VersionId,
    /// Whether a read without a version id finds it.
    pub is_latest: bool,
    /// Whether it is a delete marker; then the size is 0 and the tag empty.
    pub is_delete_marker: bool,
    /// When it was committed.
    pub modified: Timestamp,
    /// Logical size in bytes.
    pub size: u64,
    /// Its entity tag.
    pub etag: ETag,
    /// Content-Type, Cache-Control and so on, as given.
    pub headers: Vec<StoredHeader>,
    /// The user's own metadata, names without the protocol's prefix.
    pub user_metadata: Vec<StoredHeader>,
    /// Checksums of the object: those that the client sent or asked for, or the CRC-64/NVME.
    pub checksums: Vec<ChecksumValue>,
    /// What the checksums are computed over.
    pub checksum_kind: ChecksumKind,
    /// The parts it was made of; empty for an object put in one piece.
    pub parts: PartLayout,
}

impl VersionInfo {
    /// First offset and length of a part. An object put in one piece has one part, the first.
    ///
    /// # Errors
    /// [`ObjectError::NoSuchPart`].
    pub fn part(&self, number: PartNumber) -> Result<(u64, u64), ObjectError> {
        match self.parts.find(number) {
            Some(place) => Ok((place.offset, place.size)),
            None if self.parts.is_empty() && number.get() == 1 => Ok((0, self.size)),
            None => Err(ObjectError::NoSuchPart { count: self.parts.count().max(1) }),
        }
    }
}

/// What the checksum of an object is computed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChecksumKind {
    /// Its bytes.
    #[default]
    FullObject,
    /// The checksums of its parts, in order.
    Composite,
}

/// One condition on an entity tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TagCondition {
    /// Any existing version: `*`.
    Any,
    /// One of these tags.
    OneOf(Vec<ETag>),
}

/// What a write or delete asks of the current version; decided where the order is total.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::struct_field_names)] // each is an "if", as in the protocols
pub struct WriteCondition {
    /// The current version must match.
    pub if_match: Option<TagCondition>,
    /// The current version must not match; `Any` means that there must be none.
    pub if_none_match: Option<TagCondition>,
    /// The current version must have been modified at this time, to the second.
    pub if_modified_at: Option<Timestamp>,
    /// The current version must have this size.
    pub if_size: Option<u64>,
}

/// What a read asks of the version it finds, in the order of RFC 9110 section 13.2.2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_field_names)] // each is an "if", as in the protocols
pub struct ReadCondition {
    /// Must match, or the read fails.
    pub if_match: Option<TagCondition>,
    /// Must not match, or the read says "not modified".
    pub if_none_match: Option<TagCondition>,
    /// Must be newer, to the second, or the read says "not modified".
    pub if_modified_since: Option<Timestamp>,
    /// Must not be newer, to the second, or the read fails.
    pub if_unmodified_since: Option<Timestamp>,
}

/// Why an object call failed.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// No bucket has this name.
    #[error("there is no bucket {0}")]
    NoSuchBucket(BucketName),
    /// The key has no version that a read without a version id would find.
    #[error("there is no object with this key")]
    NoSuchKey {
        /// The delete marker that hides the key, if that is why.
        delete_marker: Option<VersionId>,
    },
    /// The key has no version of this id.
    #[error("the key has no version {0}")]
    NoSuchVersion(VersionId),
    /// The named version is a delete marker, which has no bytes.
    #[error("the version {version} is a delete marker")]
    IsDeleteMarker {
        /// The marker.
        version: VersionId,
        /// When it was made.
        modified: Timestamp,
    },
    /// A condition did not hold; its name is given.
    #[error("the condition {0} does not hold")]
    PreconditionFailed(&'static str),
    /// A write with a condition on an existing version found none.
    #[error("there is no current version to match")]
    NothingToMatch,
    /// The reader has this version already.
    #[error("not modified")]
    NotModified {
        /// The version the reader has.
        info: Box<VersionInfo>,
    },
    /// The range lies outside the object of this size.
    #[error("the range lies outside the {size} bytes of the object")]
    RangeNotSatisfiable {
        /// Size of the object.
        size: u64,
    },
    /// The body ended early or late.
    #[error("the body has {actual} bytes where {expected} were announced")]
    WrongLength {
        /// What was announced.
        expected: u64,
        /// What came.
        actual: u64,
    },
    /// The bytes do not have the MD5 that the sender named.
    #[error("the body does not have the MD5 that was sent with it")]
    Md5Mismatch,
    /// The bytes do not have the checksum that the sender named.
    #[error("the body does not have the checksum that was sent with it")]
    ChecksumMismatch {
        /// What the bytes have.
        actual: ChecksumValue,
    },
    /// The sender's stream failed before its end.
    #[error("the body could not be read to its end")]
    Body(#[source] body::BodyError),
    /// Larger than one object may be.
    #[error("an object has at most {limit} bytes")]
    TooLarge {
        /// The most bytes an object may have.
        limit: u64,
    },
    /// Stored bytes do not match their checksum, and no copy does.
    #[error("stored bytes of this object are damaged")]
    Corrupt,
    /// The object is known, but the drive has no bytes of it.
    #[error("stored bytes of this object are missing")]
    Missing,
    /// The device did not give the bytes.
    #[error("stored bytes of this object cannot be read: {0}")]
    Unreadable(String),
    /// The key has no open upload of this id: it never had, or it was completed or aborted.
    #[error("there is no such upload")]
    NoSuchUpload,
    /// A part that a completion lists was not uploaded, or has another entity tag or checksum.
    #[error("part {number} was not uploaded, or its entity tag or checksum differs")]
    InvalidPart {
        /// Its number.
        number: PartNumber,
    },
    /// The list of a completion is not in ascending order of part numbers.
    #[error("the list of parts is not in ascending order")]
    InvalidPartOrder,
    /// The list of a completion has no part.
    #[error("the list of parts is empty")]
    NoParts,
    /// A part other than the last is too small.
    #[error("part {number} has {size} bytes, all but the last need {min}")]
    PartTooSmall {
        /// Its number.
        number: PartNumber,
        /// Its size.
        size: u64,
        /// What it should have at least.
        min: u64,
        /// Its entity tag.
        etag: ETag,
    },
    /// A listed part does not name the checksum that the upload was begun with.
    #[error("part {number} is listed without its checksum")]
    PartWithoutChecksum {
        /// Its number.
        number: PartNumber,
        /// The algorithm of the upload.
        algorithm: ChecksumAlgorithm,
    },
    /// A part or a completion names another kind of checksum than the upload was begun with.
    #[error("the upload has another kind of checksum")]
    ChecksumMismatchesUpload {
        /// What the upload was begun with.
        expected: Option<UploadChecksum>,
        /// The algorithm that was sent, if any.
        actual: Option<ChecksumAlgorithm>,
    },
    /// The sum of the parts is not the size that was announced.
    #[error("the parts have {actual} bytes together where {expected} were announced")]
    WrongUploadSize {
        /// What was announced.
        expected: u64,
        /// What the parts have.
        actual: u64,
    },
    /// The version has no part of this number.
    #[error("the object has no such part")]
    NoSuchPart {
        /// How many parts it has.
        count: u16,
    },
    /// The parts change while the upload is completed, time and again.
    #[error("the upload changes while it is completed")]
    Conflict,
    /// Something is wrong with the source of a copy.
    #[error("the source of the copy: {0}")]
    Source(#[source] Box<Self>),
    /// The metadata could not be read or written.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

impl ObjectError {
    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NoSuchBucket(_)
            | Self::NoSuchKey { .. }
            | Self::NoSuchVersion(_)
            | Self::NoSuchUpload
            | Self::NothingToMatch => ErrorKind::NotFound,
            Self::PreconditionFailed(_) | Self::NotModified { .. } => ErrorKind::Precondition,
            Self::IsDeleteMarker { .. }
            | Self::RangeNotSatisfiable { .. }
            | Self::WrongLength { .. }
            | Self::Md5Mismatch
            | Self::ChecksumMismatch { .. }
            | Self::Body(_)
            | Self::TooLarge { .. }
            | Self::InvalidPart { .. }
            | Self::InvalidPartOrder
            | Self::NoParts
            | Self::PartTooSmall { .. }
            | Self::PartWithoutChecksum { .. }
            | Self::ChecksumMismatchesUpload { .. }
            | Self::WrongUploadSize { .. }
            | Self::NoSuchPart { .. } => ErrorKind::Invalid,
            Self::Conflict => ErrorKind::Conflict,
            Self::Source(error) => error.kind(),
            Self::Corrupt | Self::Missing => ErrorKind::Corrupt,
            Self::Unreadable(_) => ErrorKind::Unavailable,
            Self::Metadata(error) => error.kind(),
        }
    }
}

impl From<ReadError> for ObjectError {
    fn from(error: ReadError) -> Self {
        tracing::error!(%error, "bytes of an object could not be read");
        match error {
            ReadError::Absent { .. } => Self::Missing,
            ReadError::Corrupt { .. } => Self::Corrupt,
            ReadError::Io { why, .. } | ReadError::Index(why) => Self::Unreadable(why),
        }
    }
}

/// The error of a command that was refused.
pub(crate) fn refusal(outcome: Outcome, bucket: &BucketRef) -> ObjectError {
    match outcome {
        Outcome::NoBucket => ObjectError::NoSuchBucket(bucket.name().clone()),
        Outcome::PreconditionFailed(name) => ObjectError::PreconditionFailed(name),
        Outcome::NothingToMatch => ObjectError::NothingToMatch,
        other => unreachable!("an object command has no outcome {other:?}"),
    }
}
