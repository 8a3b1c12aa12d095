//! Enabling and suspending versioning.

use coffer_types::{BucketName, GroupId};

use super::{BucketError, Versioning};
use crate::metadata::command::{Command, Outcome};
use crate::metadata::query;
use crate::store::Store;

/// Sets whether a bucket keeps versions.
pub(crate) async fn set(
    store: &Store,
    name: &BucketName,
    versioning: Versioning,
) -> Result<(), BucketError> {
    let not_found = || BucketError::NotFound(name.clone());
    let row = query::name(&store.view(GroupId::SYSTEM), name)?.ok_or_else(not_found)?;
    let set = Command::SetVersioning { bucket: row.bucket, versioning };
    match store.propose(row.group()?, set).await? {
        Outcome::NoBucket => Err(not_found()),
        _ => Ok(()),
    }
}
