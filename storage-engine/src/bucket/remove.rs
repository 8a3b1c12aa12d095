//! Deleting a bucket: sealed if empty, its name freed, its rows dropped. A start finishes what a
//! crash left sealed.

use coffer_types::{BucketId, BucketName, GroupId};

use super::BucketError;
use crate::metadata::command::{Command, Outcome};
use crate::metadata::query;
use crate::store::Store;

/// Deletes an empty bucket.
pub(crate) async fn remove(store: &Store, name: &BucketName) -> Result<(), BucketError> {
    let not_found = || BucketError::NotFound(name.clone());
    let row = query::name(&store.view(GroupId::SYSTEM), name)?.ok_or_else(not_found)?;
    let group = row.group()?;
    match store.propose(group, Command::SealBucket { bucket: row.bucket }).await? {
        Outcome::NotEmpty => Err(BucketError::NotEmpty(name.clone())),
        Outcome::NoBucket => Err(not_found()),
        _ => finish(store, name, group, row.bucket).await,
    }
}

/// Frees the name of a sealed bucket and drops its rows.
pub(crate) async fn finish(
    store: &Store,
    name: &BucketName,
    group: GroupId,
    bucket: BucketId,
) -> Result<(), BucketError> {
    let free = Command::FreeName { name: name.clone(), bucket };
    store.propose(GroupId::SYSTEM, free).await?;
    store.propose(group, Command::DropBucket { bucket }).await?;
    Ok(())
}
