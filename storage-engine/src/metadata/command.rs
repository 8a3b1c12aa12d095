//! Commands: the deterministic changes of metadata that a group's log holds.
//!
//! Bytes: a version byte, then the enum in a compact encoding (postcard). The order of variants
//! and of fields is part of the format: variants are only ever appended, and a change of fields is
//! a new variant. A command carries everything that decides its outcome; `apply` reads only the
//! command, its log position and its own group's tables.

use coffer_types::{
    AccountId, BucketId, BucketName, ChecksumValue, ExtentId, GroupId, ObjectKey, PartNumber,
    Timestamp, UploadId, VersionSeq,
};
use serde::{Deserialize, Serialize};

use super::rows::TagRow;
use crate::bucket::{BucketStats, Versioning};
use crate::multipart::UploadChecksum;
use crate::object::{ChecksumKind, PartLayout, StoredHeader, WriteCondition};

/// An extent that a command brings: its shards are durable, or lie in the same batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewExtent {
    /// Its id.
    pub id: ExtentId,
    /// How it is cut into shards; 0: one shard, whole.
    pub geometry: u8,
    /// How lost shards are computed; 0: not at all.
    pub code: u8,
    /// Roster slots of its drives, in shard order.
    pub drives: Vec<u16>,
    /// Its bytes.
    pub len: u64,
    /// Plain CRC64-NVME of its bytes.
    pub crc64: u64,
}

/// A new version of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutVersion {
    /// Its bucket.
    pub bucket: BucketId,
    /// Its key.
    pub key: ObjectKey,
    /// Its bytes.
    pub size: u64,
    /// Its entity tag.
    pub etag: TagRow,
    /// Headers to give back.
    pub headers: Vec<StoredHeader>,
    /// The user's own metadata.
    pub user_metadata: Vec<StoredHeader>,
    /// Checksums of its bytes that were compared.
    pub checksums: Vec<ChecksumValue>,
    /// Its bytes are these extents, whole and in this order.
    pub extents: Vec<NewExtent>,
    /// What must hold for the current version.
    pub condition: WriteCondition,
}

/// An upload in parts begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewUpload {
    /// Its bucket.
    pub bucket: BucketId,
    /// Its key.
    pub key: ObjectKey,
    /// Headers to give back.
    pub headers: Vec<StoredHeader>,
    /// The user's own metadata.
    pub user_metadata: Vec<StoredHeader>,
    /// The checksum that its parts bring.
    pub checksum: Option<UploadChecksum>,
}

/// A part of an upload comes, or takes the place of the one that had its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPart {
    /// Bucket of its upload.
    pub bucket: BucketId,
    /// Key of its upload.
    pub key: ObjectKey,
    /// Its upload.
    pub upload: UploadId,
    /// Its number.
    pub number: PartNumber,
    /// Its bytes.
    pub size: u64,
    /// Its entity tag.
    pub etag: TagRow,
    /// Plain CRC64-NVME of its bytes.
    pub crc64: u64,
    /// Checksums that were sent with it or that its upload keeps.
    pub checksums: Vec<ChecksumValue>,
    /// Where its bytes come from.
    pub bytes: PartBytes,
}

/// Where the bytes of a part come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PartBytes {
    /// These extents, whole and in this order.
    New(Vec<NewExtent>),
    /// A version that is there.
    Copied {
        /// The version.
        source: SourceVersion,
        /// The first byte.
        first: u64,
    },
}

/// A version that a copy is made of. It is there when the copy is applied, or the copy is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceVersion {
    /// Its bucket, in the same group.
    pub bucket: BucketId,
    /// Its key.
    pub key: ObjectKey,
    /// Its position.
    pub version: VersionSeq,
}

/// An upload becomes a version of its key. Everything is computed from its parts as they were at
/// the position `changed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// Bucket of the upload.
    pub bucket: BucketId,
    /// Key of the upload.
    pub key: ObjectKey,
    /// The upload.
    pub upload: UploadId,
    /// Position of the last change of its parts that is known; a later one refuses the command.
    pub changed: u64,
    /// The parts of the version.
    pub layout: PartLayout,
    /// Whether the upload has other parts, which go.
    pub leaves_parts: bool,
    /// Entity tag of the version.
    pub etag: TagRow,
    /// Checksums of the version.
    pub checksums: Vec<ChecksumValue>,
    /// What they are computed over.
    pub checksum_kind: ChecksumKind,
    /// MD5 of the list of parts that was asked for.
    pub list: [u8; 16],
    /// How long the answer is remembered, in milliseconds.
    pub remember_ms: u64,
    /// What must hold for the current version.
    pub condition: WriteCondition,
}

/// A copy of a version: it has its bytes, its entity tag and its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyVersion {
    /// Its bucket.
    pub bucket: BucketId,
    /// Its key.
    pub key: ObjectKey,
    /// What it is a copy of.
    pub source: SourceVersion,
    /// Headers to give back.
    pub headers: Vec<StoredHeader>,
    /// The user's own metadata.
    pub user_metadata: Vec<StoredHeader>,
    /// Its checksums.
    pub checksums: Vec<ChecksumValue>,
    /// What they are computed over.
    pub checksum_kind: ChecksumKind,
    /// What must hold for the current version of its key.
    pub condition: WriteCondition,
}

/// Names a version in a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VersionName {
    /// The version without an id.
    Null,
    /// The one committed at this position.
    Seq(VersionSeq),
}

/// A change of one group's metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Data group: a bucket comes to be. It has no name yet.
    OpenBucket {
        /// The bucket.
        bucket: BucketId,
    },
    /// Data group: an empty bucket takes nothing more.
    SealBucket {
        /// The bucket.
        bucket: BucketId,
    },
    /// Data group: the rows of a sealed bucket go.
    DropBucket {
        /// The bucket.
        bucket: BucketId,
    },
    /// Group 0: a name is given to an open bucket, if it is free.
    TakeName {
        /// The name.
        name: BucketName,
        /// The bucket.
        bucket: BucketId,
        /// Whose it is.
        owner: AccountId,
        /// Its data group.
        group: GroupId,
    },
    /// Group 0: the name of this bucket is free again.
    FreeName {
        /// The name.
        name: BucketName,
        /// The bucket.
        bucket: BucketId,
    },
    /// Data group: whether a bucket keeps versions.
    SetVersioning {
        /// The bucket.
        bucket: BucketId,
        /// What it does from now on.
        versioning: Versioning,
    },
    /// Data group: a version comes.
    PutVersion(PutVersion),
    /// Data group: a version goes, or a delete marker hides the key.
    DeleteVersion {
        /// The bucket.
        bucket: BucketId,
        /// The key.
        key: ObjectKey,
        /// Which version; `None` is the current one.
        version: Option<VersionName>,
        /// What must hold for the version that goes.
        condition: WriteCondition,
    },
    /// Data group: the shards of these extents are gone for good.
    Collected {
        /// Rows of `gc`: the index of the command that made each, and the extent.
        rows: Vec<(u64, ExtentId)>,
    },
    /// Group 0: a document is written, or removed where `bytes` is absent.
    PutDocument {
        /// Its kind.
        kind: String,
        /// Its name within the kind.
        name: String,
        /// The revision that it must have, 0 if it must not exist; `None` takes any.
        expected_revision: Option<u64>,
        /// Whether the bytes are sealed by the store key.
        sealed: bool,
        /// What it says.
        bytes: Option<Vec<u8>>,
    },
    /// Data group: an upload begins; its id is the position of the command.
    BeginUpload(NewUpload),
    /// Data group: a part of an upload comes.
    PutPart(NewPart),
    /// Data group: an upload becomes a version.
    CompleteUpload(Completion),
    /// Data group: an upload goes, and its parts in the background.
    AbortUpload {
        /// Its bucket.
        bucket: BucketId,
        /// Its key.
        key: ObjectKey,
        /// The upload.
        upload: UploadId,
    },
    /// Data group: a version is copied.
    CopyVersion(CopyVersion),
    /// Data group: completions that are due are forgotten, the oldest first.
    ForgetCompletions {
        /// At most so many.
        limit: u32,
    },
    /// Data group: everything below a prefix is gone; its rows go in the background.
    DropPrefix {
        /// The bucket.
        bucket: BucketId,
        /// What the keys begin with; empty for all.
        prefix: String,
    },
    /// Data group: a part of what is gone loses its rows, the oldest first.
    Sweep {
        /// About how many rows it may change.
        limit: u32,
    },
    /// Any group: a reader of the feed comes. Events behind this command are kept for it.
    OpenFeed {
        /// Its name.
        name: String,
        /// The most events that the group keeps for all readers.
        keep: u64,
    },
    /// Any group: a reader has dealt with the events up to a position.
    AdvanceFeed {
        /// Its name.
        name: String,
        /// The position.
        to: u64,
        /// At most so many events that nobody needs any more go at once.
        limit: u32,
    },
    /// Any group: a reader goes.
    CloseFeed {
        /// Its name.
        name: String,
    },
}

/// A command that does not decode.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Written by a newer build.
    #[error("the command has version {0}, which this build does not know")]
    NewerVersion(u8),
    /// Bytes that no build wrote.
    #[error("the command does not decode")]
    Malformed,
}

/// The version that is written.
const VERSION: u8 = 1;

impl Command {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![VERSION]).expect("commands hold only what postcard encodes")
    }

    /// From its bytes; every byte must be used.
    pub fn decode(bytes: &[u8]) -> Result<Self, CommandError> {
        let (&version, rest) = bytes.split_first().ok_or(CommandError::Malformed)?;
        if version != VERSION {
            return Err(CommandError::NewerVersion(version));
        }
        match postcard::take_from_bytes(rest) {
            Ok((command, [])) => Ok(command),
            _ => Err(CommandError::Malformed),
        }
    }

    /// Whether the command only takes away, and so may use the reserve of a full drive.
    pub fn frees_space(&self) -> bool {
        match self {
            Self::SealBucket { .. }
            | Self::DropBucket { .. }
            | Self::FreeName { .. }
            | Self::DeleteVersion { .. }
            | Self::Collected { .. }
            | Self::AbortUpload { .. }
            | Self::ForgetCompletions { .. }
            | Self::DropPrefix { .. }
            | Self::Sweep { .. }
            | Self::AdvanceFeed { .. }
            | Self::CloseFeed { .. } => true,
            Self::PutDocument { bytes, .. } => bytes.is_none(),
            Self::OpenBucket { .. }
            | Self::TakeName { .. }
            | Self::SetVersioning { .. }
            | Self::PutVersion(_)
            | Self::BeginUpload(_)
            | Self::PutPart(_)
            | Self::CompleteUpload(_)
            | Self::CopyVersion(_)
            | Self::OpenFeed { .. } => false,
        }
    }
}

/// What applying a command did. Refusals are outcomes too: they are decided in log order and are
/// the same on every replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done; there is nothing more to say.
    Done,
    /// The bucket has its name.
    Named {
        /// When it took it, by log time.
        created: Timestamp,
    },
    /// The name is taken.
    NameTaken,
    /// The bucket is not open in this group.
    NoBucket,
    /// The bucket still has versions or delete markers.
    NotEmpty,
    /// A version was committed.
    Put {
        /// Its name.
        version: VersionName,
        /// Whether the bucket keeps or kept versions, so that clients are told the id.
        versioned: bool,
        /// When it was committed, by log time.
        modified: Timestamp,
        /// Its bytes.
        size: u64,
        /// Its entity tag.
        etag: TagRow,
    },
    /// A version went, or a delete marker came; `None` if there was nothing to do.
    Deleted {
        /// Which one went or came.
        version: Option<VersionName>,
        /// Whether that is a delete marker.
        delete_marker: bool,
        /// Whether anything changed.
        changed: bool,
    },
    /// A condition did not hold.
    PreconditionFailed(&'static str),
    /// A condition on an existing version found none.
    NothingToMatch,
    /// A document was written.
    Document {
        /// Its revision now; 0 if it was removed.
        revision: u64,
    },
    /// The document has another revision.
    DocumentConflict {
        /// The revision it has; 0 if it does not exist.
        actual: u64,
    },
    /// An upload began.
    UploadBegun {
        /// Its id.
        upload: UploadId,
    },
    /// A part was committed.
    PartPut {
        /// When, by log time.
        modified: Timestamp,
    },
    /// There is no such upload.
    NoUpload,
    /// The parts of the upload have changed since the command was made.
    UploadChanged,
    /// The version to copy is not there any more.
    SourceGone,
    /// Too many prefixes of the bucket are still being swept.
    TooManyDrops,
    /// Rows were swept.
    Swept {
        /// Whether there is nothing more to sweep.
        idle: bool,
        /// What went with a dropped prefix, in all, if the command worked on one.
        prefix: Option<(BucketId, String, BucketStats)>,
    },
    /// A reader of the feed is there, with what it has dealt with.
    FeedAt {
        /// The position.
        after: u64,
    },
    /// There is no such reader.
    NoFeed,
}

#[cfg(test)]
mod tests {
    use coffer_types::{ChecksumAlgorithm, WriterEpoch};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden_bytes_of_version_1() {
        let bucket = BucketId { epoch: WriterEpoch(3), counter: 300 };
        let name = BucketName::parse("photos").expect("valid");
        let cases: [(Command, &[u8]); 4] = [
            (Command::OpenBucket { bucket }, &[1, 0, 3, 0xac, 2]),
            (Command::FreeName { name, bucket }, b"\x01\x04\x06photos\x03\xac\x02"),
            (
                Command::SetVersioning { bucket, versioning: Versioning::Suspended },
                &[1, 5, 3, 0xac, 2, 2],
            ),
            (
                Command::DeleteVersion {
                    bucket,
                    key: ObjectKey::parse("a").expect("valid"),
                    version: Some(VersionName::Seq(VersionSeq(5))),
                    condition: WriteCondition::default(),
                },
                &[1, 7, 3, 0xac, 2, 1, b'a', 1, 1, 5, 0, 0, 0, 0],
            ),
        ];
        for (command, golden) in cases {
            assert_eq!(command.encode(), golden, "{command:?}");
            assert_eq!(Command::decode(golden).expect("decodes"), command);
        }
    }

    #[test]
    fn newer_and_longer_commands_are_refused() {
        assert!(matches!(Command::decode(&[2, 0]), Err(CommandError::NewerVersion(2))));
        assert!(matches!(Command::decode(&[]), Err(CommandError::Malformed)));
        let mut long = Command::Collected { rows: Vec::new() }.encode();
        long.push(0);
        assert!(matches!(Command::decode(&long), Err(CommandError::Malformed)));
    }

    #[test]
    fn a_checksum_of_the_wrong_length_is_refused() {
        let sum = ChecksumValue::new(ChecksumAlgorithm::Crc32, b"sums").expect("four bytes");
        let command = Command::PutVersion(PutVersion {
            bucket: BucketId { epoch: WriterEpoch(1), counter: 2 },
            key: ObjectKey::parse("a").expect("valid"),
            size: 0,
            etag: TagRow::Md5([9; 16]),
            headers: Vec::new(),
            user_metadata: Vec::new(),
            checksums: vec![sum],
            extents: Vec::new(),
            condition: WriteCondition::default(),
        });
        let good = command.encode();
        assert_eq!(Command::decode(&good).expect("decodes"), command);
        let at = good.windows(6).position(|it| it == b"\x00\x04sums").expect("the checksum");
        for (algorithm, fits) in [(1, true), (2, false), (3, false), (4, false)] {
            let mut other = good.clone();
            other[at] = algorithm;
            assert_eq!(Command::decode(&other).is_ok(), fits, "algorithm {algorithm}");
        }
        let mut shorter = good.clone();
        shorter[at + 1] = 3;
        shorter.remove(at + 2);
        assert!(Command::decode(&shorter).is_err());
    }

    proptest! {
        #[test]
        fn decoding_survives_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = Command::decode(&bytes);
        }
    }
}
