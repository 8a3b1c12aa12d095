//! Copying an object.
//!
//! Within a group the copy refers to the extents of its source: the command names the source
//! version, and apply resolves it or refuses. Between groups, and where the source lies in very many
//! pieces, the bytes are read, verified and written again.

pub(crate) mod source;

use std::pin::pin;

use coffer_types::{BucketId, ChecksumAlgorithm, ChecksumValue, GroupId, ObjectKey, Timestamp};

use super::intake;
use super::put::{self, PutObject};
use super::{
    ChecksumKind, ETag, ObjectError, ReadCondition, StoredHeader, VersionId, WriteCondition, find,
};
use crate::bucket::BucketRef;
use crate::limits::{OBJECT_MAX, ROWS_MAX};
use crate::metadata::command::{Command, CopyVersion, Outcome};
use crate::metadata::rows::ExtentRun;
use crate::metadata::{condition, query};
use crate::store::Store;
use source::{Source, from_source, in_source};

/// What to copy.
#[derive(Clone, Debug)]
pub struct CopySource {
    /// From which bucket.
    pub bucket: BucketRef,
    /// Which key.
    pub key: ObjectKey,
    /// Which version; `None` for the current one.
    pub version: Option<VersionId>,
    /// Conditions on what is found; one that does not hold is
    /// [`super::ObjectError::PreconditionFailed`], also where a read would be "not modified".
    pub condition: ReadCondition,
}

/// What a copy is described by instead of what describes its source.
#[derive(Clone, Debug, Default)]
pub struct NewMetadata {
    /// Headers to store and give back.
    pub headers: Vec<StoredHeader>,
    /// The user's own metadata.
    pub user_metadata: Vec<StoredHeader>,
}

/// Where to copy to.
#[derive(Clone, Debug)]
pub struct CopyTarget {
    /// Into which bucket.
    pub bucket: BucketRef,
    /// Under which key.
    pub key: ObjectKey,
    /// What describes the copy; `None` takes what describes the source.
    pub metadata: Option<NewMetadata>,
    /// Headers that are never taken from the source, with their value if the copy has one.
    pub own_headers: Vec<(&'static str, Option<String>)>,
    /// A checksum that the copy must have; one that the source does not have is computed.
    pub checksum: Option<ChecksumAlgorithm>,
    /// Conditions on the current version.
    pub condition: WriteCondition,
}

impl CopyTarget {
    /// What describes the source, but for what is the copy's own.
    fn described_by(&self, source: NewMetadata) -> NewMetadata {
        let NewMetadata { mut headers, user_metadata } = source;
        for (name, value) in &self.own_headers {
            headers.retain(|header| header.name != *name);
            let value = value.clone().map(|value| StoredHeader { name: (*name).to_owned(), value });
            headers.extend(value);
        }
        NewMetadata { headers, user_metadata }
    }
}

/// A copy that is durable. Within a group it has the entity tag, the checksums and the parts of its
/// source; one that was written again is an object put in one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyDone {
    /// Its version; `None` where the bucket was never versioned.
    pub version: Option<VersionId>,
    /// The version that was copied; `None` where its bucket was never versioned.
    pub source_version: Option<VersionId>,
    /// Its entity tag.
    pub etag: ETag,
    /// When it was committed.
    pub modified: Timestamp,
    /// Its checksums.
    pub checksums: Vec<ChecksumValue>,
    /// What they are computed over.
    pub checksum_kind: ChecksumKind,
    /// How many parts it has; 0 for an object in one piece.
    pub parts: u16,
}

/// How often a source that is replaced meanwhile is looked for again.
pub(crate) const TRIES: usize = 8;

/// Copies an object.
pub(crate) async fn copy(
    store: &Store,
    from: CopySource,
    to: CopyTarget,
) -> Result<CopyDone, ObjectError> {
    store.refuse_if_full()?;
    for _ in 0..TRIES {
        if let Some(done) = try_copy(store, &from, &to).await? {
            return Ok(done);
        }
    }
    Err(ObjectError::Conflict)
}

/// One try; `None` if the source was replaced meanwhile.
async fn try_copy(
    store: &Store,
    from: &CopySource,
    to: &CopyTarget,
) -> Result<Option<CopyDone>, ObjectError> {
    let source = Source::find(store, from)?;
    if source.size() > OBJECT_MAX {
        return Err(in_source(ObjectError::TooLarge { limit: OBJECT_MAX }));
    }
    let target = find::target(store, &to.bucket)?;
    let current = query::current(target.key(&to.key))?;
    condition::check(&to.condition, current.as_ref())
        .map_err(|outcome| super::refusal(outcome, &to.bucket))?;
    let (bucket, group) = (target.bucket, target.group);
    drop(target);
    let metadata = to.metadata.clone().unwrap_or_else(|| to.described_by(source.metadata()));
    let runs = source.runs(0, source.size())?;
    if group == source.group() && source.rows_of_copy(&runs) <= ROWS_MAX as usize {
        share(store, source, runs, metadata, (bucket, group), to).await
    } else {
        rewrite(store, source, runs, metadata, (bucket, group), to).await.map(Some)
    }
}

/// The copy refers to what its source refers to.
async fn share(
    store: &Store,
    source: Source,
    runs: Vec<ExtentRun>,
    metadata: NewMetadata,
    (bucket, group): (BucketId, GroupId),
    to: &CopyTarget,
) -> Result<Option<CopyDone>, ObjectError> {
    let (version, source_version, etag) = (source.version(), source.shown_version(), source.etag());
    let parts = source.parts();
    let (checksums, checksum_kind) = match source.checksums(to.checksum) {
        Some(known) => known,
        None => {
            let algorithms = to.checksum.into_iter().collect();
            let verified = source.open(store, &runs, algorithms).await?.digest(store).await?;
            (verified.checksums, ChecksumKind::FullObject)
        }
    };
    let command = Command::CopyVersion(CopyVersion {
        bucket,
        key: to.key.clone(),
        source: version,
        headers: metadata.headers,
        user_metadata: metadata.user_metadata,
        checksums: checksums.clone(),
        checksum_kind,
        condition: to.condition.clone(),
    });
    match store.propose(group, command).await? {
        Outcome::Put { version, versioned, modified, .. } => Ok(Some(CopyDone {
            version: versioned.then(|| version.into()),
            source_version,
            etag,
            modified,
            checksums,
            checksum_kind,
            parts,
        })),
        Outcome::SourceGone => Ok(None),
        refused => Err(super::refusal(refused, &to.bucket)),
    }
}

/// The copy has bytes of its own.
async fn rewrite(
    store: &Store,
    source: Source,
    runs: Vec<ExtentRun>,
    metadata: NewMetadata,
    (bucket, group): (BucketId, GroupId),
    to: &CopyTarget,
) -> Result<CopyDone, ObjectError> {
    let (length, source_version) = (Some(source.size()), source.shown_version());
    let algorithms = source.algorithms(to.checksum);
    let bytes = pin!(source.open(store, &runs, algorithms).await?);
    let taken = intake::take(store, group, length, bytes).await.map_err(from_source)?;
    let put = PutObject {
        bucket: to.bucket.clone(),
        key: to.key.clone(),
        length,
        headers: metadata.headers,
        user_metadata: metadata.user_metadata,
        condition: to.condition.clone(),
    };
    let done = put::commit(store, (bucket, group), put, taken).await?;
    Ok(CopyDone {
        version: done.version,
        source_version,
        etag: done.etag,
        modified: done.modified,
        checksums: done.checksums,
        checksum_kind: ChecksumKind::FullObject,
        parts: 0,
    })
}
