//! What is asked of a bucket, what is answered, and what must be answered.

use std::sync::Arc;

use coffer_storage_engine::bucket::{BucketStats, Versioning};
use coffer_storage_engine::object::get::ByteRange;
use coffer_storage_engine::object::{ETag, VersionId};
use coffer_types::{BucketId, Timestamp, UploadId, VersionSeq};

use super::Bucket;
use super::reach::{Reach, Uploads, Versions};
use crate::model::content::{Content, ReadBytes};
use crate::model::listing::{ListAction, ListReply};
use crate::model::machine::OpId;

/// A condition of a write, on the current version.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ObjectCondition {
    /// None.
    Always,
    /// There must be no current version.
    IfAbsent,
    /// The current version must have the tag of this content.
    IfMatch(Content),
    /// The current version must not have the tag of this content.
    IfNoneMatch(Content),
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) enum BucketAction {
    Create,
    Delete,
    SetVersioning(Versioning),
    Lookup,
    Stats,
    Put {
        key: Arc<str>,
        content: Content,
        condition: ObjectCondition,
    },
    /// A put whose body breaks off or is not what it claims.
    PutBroken {
        key: Arc<str>,
    },
    Remove {
        key: Arc<str>,
        version: Option<VersionId>,
        condition: ObjectCondition,
    },
    Get {
        key: Arc<str>,
        version: Option<VersionId>,
        range: Option<ByteRange>,
        head: bool,
    },
    List(ListAction),
    /// Everything, at rest.
    Observe,
    /// What a copy reads: a version of this tag, and the range of it.
    Source {
        key: Arc<str>,
        version: Option<VersionId>,
        tag: ETag,
        range: Option<ByteRange>,
    },
    /// The headers are made of the number.
    Begin {
        key: Arc<str>,
        number: u64,
    },
    PutPart {
        key: Arc<str>,
        upload: UploadId,
        number: u16,
        content: Content,
    },
    /// A part whose body breaks off or is not what it claims.
    PartBroken {
        key: Arc<str>,
        upload: UploadId,
    },
    Complete(Completing),
    Abort {
        key: Arc<str>,
        upload: UploadId,
    },
    ListParts {
        key: Arc<str>,
        upload: UploadId,
        after: u16,
        limit: usize,
    },
    ListUploads {
        prefix: String,
        after: Option<String>,
        limit: usize,
    },
    /// Everything below a prefix goes.
    Drop {
        prefix: Arc<str>,
    },
}

/// A completion that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Completing {
    pub(crate) key: Arc<str>,
    pub(crate) upload: UploadId,
    /// Numbers ascending, and tags.
    pub(crate) list: Vec<(u16, ETag)>,
    pub(crate) condition: ObjectCondition,
    /// The fewest bytes of all parts but the last.
    pub(crate) part_min: u64,
    /// Whether a completion may have been forgotten by now.
    pub(crate) may_forget: bool,
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) enum BucketReply {
    NoBucket,
    Created(BucketId),
    Exists,
    NotEmpty,
    Done,
    Found {
        id: BucketId,
        versioning: Versioning,
    },
    Counted(BucketStats),
    PreconditionFailed,
    NothingToMatch,
    BodyRefused,
    Written {
        version: Option<VersionId>,
        etag: String,
        size: u64,
        modified: Timestamp,
    },
    Removed {
        version: Option<VersionId>,
        marker: bool,
    },
    NoKey {
        marker: Option<VersionId>,
    },
    NoVersion,
    IsMarker {
        version: VersionId,
    },
    RangeOutside {
        size: u64,
    },
    /// A version and its bytes; a look at it alone has none.
    Read {
        seen: Box<SeenVersion>,
        range: Option<(u64, u64)>,
        bytes: Option<ReadBytes>,
    },
    Listed(ListReply),
    Observed(Box<Observed>),
    /// The source of a copy, if its bucket shows versions.
    Source {
        version: Option<VersionId>,
    },
    Begun(UploadId),
    PartPut {
        etag: String,
        size: u64,
        modified: Timestamp,
    },
    NoUpload,
    PartRefused(PartRefusal),
    Completed {
        version: Option<VersionId>,
        etag: String,
        size: u64,
        parts: u16,
    },
    PartsListed {
        parts: Vec<SeenPart>,
        truncated: bool,
    },
    UploadsListed {
        uploads: Vec<(String, UploadId)>,
        next: Option<(String, Option<UploadId>)>,
    },
}

/// What a list of parts is refused for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartRefusal {
    /// It is not there, or has another tag.
    Invalid(u16),
    /// It is too small.
    TooSmall(u16),
}

/// A part as a reply shows it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SeenPart {
    pub(crate) number: u16,
    pub(crate) size: u64,
    pub(crate) etag: String,
    pub(crate) modified: Timestamp,
}

/// An open upload with all its parts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SeenUpload {
    pub(crate) key: String,
    pub(crate) upload: UploadId,
    pub(crate) parts: Vec<SeenPart>,
}

/// A version as a reply shows it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SeenVersion {
    pub(crate) key: String,
    /// Not shown in listings of current objects.
    pub(crate) version: Option<VersionId>,
    pub(crate) latest: bool,
    pub(crate) marker: bool,
    pub(crate) size: u64,
    pub(crate) etag: String,
    pub(crate) modified: Timestamp,
    /// Headers and metadata in one text; none in listings.
    pub(crate) headers: Option<String>,
    /// Numbers and sizes of its parts; not shown in listings of current objects.
    pub(crate) parts: Option<Vec<(u16, u64)>>,
}

/// Everything about a bucket at rest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed {
    pub(crate) bucket: Option<(BucketId, Versioning)>,
    pub(crate) versions: Vec<SeenVersion>,
    pub(crate) uploads: Vec<SeenUpload>,
    /// Whether nothing that was dropped is still counted.
    pub(crate) swept: bool,
    pub(crate) stats: Option<BucketStats>,
}

/// What an operation must answer, as far as the machine knows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum BucketOutcome {
    NoBucket,
    Exists,
    NotEmpty,
    Created,
    Done,
    PreconditionFailed,
    NothingToMatch,
    BodyRefused,
    /// The version that the operation itself made.
    Written {
        versioning: Versioning,
    },
    /// A marker that the operation itself made, or the object of a bucket never versioned.
    Hidden {
        versioning: Versioning,
    },
    /// What became of a named version.
    RemovedVersion {
        version: VersionId,
        marker: bool,
    },
    /// The state that a read saw.
    Seen(Option<Bucket>),
    Begun,
    PartPut,
    NoUpload,
    PartRefused(PartRefusal),
    /// The version that a completion made: this one, or one before it.
    Completed(Completed),
}

/// What is remembered of a completion.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Completed {
    pub(crate) by: OpId,
    pub(crate) versioning: Versioning,
    pub(crate) etag: ETag,
    pub(crate) size: u64,
    pub(crate) parts: usize,
    /// Its version, if it has one of its own and some reply has told it.
    pub(super) seq: Option<VersionSeq>,
}

impl BucketAction {
    /// Whether it changes nothing.
    pub(super) fn only_reads(&self) -> bool {
        match self {
            Self::Create
            | Self::Delete
            | Self::SetVersioning(_)
            | Self::Put { .. }
            | Self::Remove { .. }
            | Self::Begin { .. }
            | Self::PutPart { .. }
            | Self::Complete(_)
            | Self::Abort { .. }
            | Self::Drop { .. } => false,
            Self::Lookup
            | Self::Stats
            | Self::PutBroken { .. }
            | Self::Get { .. }
            | Self::List(_)
            | Self::Observe
            | Self::Source { .. }
            | Self::PartBroken { .. }
            | Self::ListParts { .. }
            | Self::ListUploads { .. } => true,
        }
    }

    /// The key of an action on the versions of one key.
    pub(super) fn key(&self) -> Option<&Arc<str>> {
        match self {
            Self::Put { key, .. }
            | Self::PutBroken { key }
            | Self::Remove { key, .. }
            | Self::Get { key, .. }
            | Self::Source { key, .. }
            | Self::Complete(Completing { key, .. }) => Some(key),
            _ => None,
        }
    }

    /// What it sees or changes.
    pub(super) fn reach(&self) -> Reach<'_> {
        let versions = self.key().map_or(Versions::None, |key| Versions::Of(key));
        let uploads = Uploads::None;
        match self {
            Self::Create | Self::Delete | Self::Observe => {
                Reach { versions: Versions::Below(""), uploads: Uploads::Below("") }
            }
            Self::SetVersioning(_) | Self::Lookup | Self::Stats | Self::List(_) => {
                Reach { versions: Versions::Below(""), uploads }
            }
            Self::Drop { prefix } => {
                Reach { versions: Versions::Below(prefix), uploads: Uploads::Below(prefix) }
            }
            Self::ListUploads { prefix, .. } => Reach { versions, uploads: Uploads::Below(prefix) },
            Self::Begin { key, .. } => Reach { versions, uploads: Uploads::New(key) },
            Self::PutPart { key, upload, number, .. } => {
                Reach { versions, uploads: Uploads::Part(key, *upload, *number) }
            }
            Self::Complete(Completing { key, upload, .. })
            | Self::PartBroken { key, upload }
            | Self::Abort { key, upload }
            | Self::ListParts { key, upload, .. } => {
                Reach { versions, uploads: Uploads::All(key, *upload) }
            }
            Self::Put { .. }
            | Self::PutBroken { .. }
            | Self::Remove { .. }
            | Self::Get { .. }
            | Self::Source { .. } => Reach { versions, uploads },
        }
    }
}
