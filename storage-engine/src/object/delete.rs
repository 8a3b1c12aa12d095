//! Deleting a version, or hiding a key behind a delete marker.

use coffer_types::ObjectKey;

use super::{ObjectError, VersionId, WriteCondition, find};
use crate::bucket::{BucketRef, Versioning};
use crate::metadata::command::{Command, Outcome};
use crate::metadata::query;
use crate::store::Store;

/// What to delete.
#[derive(Clone, Debug)]
pub struct DeleteObject {
    /// In which bucket.
    pub bucket: BucketRef,
    /// Which key.
    pub key: ObjectKey,
    /// Which version; `None` removes the object, or adds a delete marker where versions are kept.
    pub version: Option<VersionId>,
    /// Conditions on the version that goes.
    pub condition: WriteCondition,
}

/// What a delete did. Deleting what is not there succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeleteDone {
    /// The version removed, or the delete marker added; `None` in a bucket never versioned.
    pub version: Option<VersionId>,
    /// Whether `version` is a delete marker (added, or itself removed).
    pub delete_marker: bool,
}

/// Deletes a version or hides a key.
pub(crate) async fn delete(store: &Store, delete: DeleteObject) -> Result<DeleteDone, ObjectError> {
    let target = find::target(store, &delete.bucket)?;
    let DeleteObject { bucket: named, key, version, condition } = delete;
    let unconditional = condition == WriteCondition::default();
    if unconditional && version.is_none() && target.row.versioning == Versioning::Off {
        // Nothing to delete is nothing to log: the view shows all that was ever acknowledged.
        if query::current(target.key(&key))?.is_none() {
            return Ok(DeleteDone { version: None, delete_marker: false });
        }
    }
    let bucket = target.bucket;
    let version = version.map(Into::into);
    let command = Command::DeleteVersion { bucket, key, version, condition };
    match store.propose(target.group, command).await? {
        Outcome::Deleted { version, delete_marker, changed: _ } => {
            Ok(DeleteDone { version: version.map(Into::into), delete_marker })
        }
        refused => Err(super::refusal(refused, &named)),
    }
}
