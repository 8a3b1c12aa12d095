//! Putting an object.

use std::pin::Pin;

use coffer_types::{BucketId, GroupId, ObjectKey, Timestamp};

use super::body::Body;
use super::intake::{self, Taken};
use super::{ETag, ObjectError, StoredHeader, VersionId, WriteCondition, find};
use crate::bucket::BucketRef;
use crate::metadata::command::{Command, Outcome, PutVersion};
use crate::metadata::rows::TagRow;
use crate::metadata::{condition, query};
use crate::store::Store;

/// What to put.
#[derive(Clone, Debug)]
pub struct PutObject {
    /// Into which bucket.
    pub bucket: BucketRef,
    /// Under which key.
    pub key: ObjectKey,
    /// Bytes announced, if they were: the body must have exactly as many.
    pub length: Option<u64>,
    /// Headers to store and give back.
    pub headers: Vec<StoredHeader>,
    /// The user's own metadata.
    pub user_metadata: Vec<StoredHeader>,
    /// Conditions on the current version.
    pub condition: WriteCondition,
}

/// A committed version.
#[derive(Clone, Debug)]
pub struct PutDone {
    /// Its id; `None` where the bucket was never versioned.
    pub version: Option<VersionId>,
    /// Its entity tag.
    pub etag: ETag,
    /// Its size.
    pub size: u64,
    /// When it was committed.
    pub modified: Timestamp,
    /// Checksums that were computed and compared.
    pub checksums: Vec<coffer_types::ChecksumValue>,
}

/// Puts an object: bytes durable first, or beside their command in the same flush, then the
/// command decides in log order.
pub(crate) async fn put(
    store: &Store,
    put: PutObject,
    body: Pin<&mut (dyn Body + '_)>,
) -> Result<PutDone, ObjectError> {
    store.refuse_if_full()?;
    let target = find::target(store, &put.bucket)?;
    // Saves the upload of what is refused anyway, and warms the pages that `apply` will read.
    let current = query::current(target.key(&put.key))?;
    condition::check(&put.condition, current.as_ref())
        .map_err(|outcome| super::refusal(outcome, &put.bucket))?;
    let (bucket, group) = (target.bucket, target.group);
    drop(target);
    let taken = intake::take(store, group, put.length, body).await?;
    commit(store, (bucket, group), put, taken).await
}

/// Commits bytes that were taken in.
pub(super) async fn commit(
    store: &Store,
    (bucket, group): (BucketId, GroupId),
    put: PutObject,
    taken: Taken,
) -> Result<PutDone, ObjectError> {
    let Taken { size, verified, extents, small, written } = taken;
    let etag = TagRow::Md5(verified.md5);
    let command = Command::PutVersion(PutVersion {
        bucket,
        key: put.key,
        size,
        etag: etag.clone(),
        headers: put.headers,
        user_metadata: put.user_metadata,
        checksums: verified.checksums.clone(),
        extents,
        condition: put.condition,
    });
    written.hand_over();
    let (version, modified) = match store.propose_with(group, command, small).await? {
        Outcome::Put { version, versioned, modified, .. } => {
            (versioned.then(|| VersionId::from(version)), modified)
        }
        refused => return Err(super::refusal(refused, &put.bucket)),
    };
    Ok(PutDone { version, etag: etag.to_etag(), size, modified, checksums: verified.checksums })
}
