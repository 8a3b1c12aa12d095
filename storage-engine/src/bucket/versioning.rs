//! Enabling and suspending versioning.

use super::{BucketError, BucketRef, Versioning, read};
use crate::metadata::command::{Command, Outcome};
use crate::store::Store;

/// Sets whether a bucket keeps versions.
pub(crate) async fn set(
    store: &Store,
    bucket: &BucketRef,
    versioning: Versioning,
) -> Result<(), BucketError> {
    let (id, group) = read::place(store, bucket)?;
    let set = Command::SetVersioning { bucket: id, versioning };
    match store.propose(group, set).await? {
        Outcome::NoBucket => Err(BucketError::NotFound(bucket.name().clone())),
        _ => Ok(()),
    }
}
