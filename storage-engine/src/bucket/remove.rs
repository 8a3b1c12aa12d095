//! Deleting a bucket: sealed if empty, its name freed, its rows dropped. A start finishes what a
//! crash left sealed.

use coffer_types::{BucketId, BucketName, GroupId};

use super::{BucketError, BucketRef, read};
use crate::metadata::command::{Command, Outcome};
use crate::store::Store;

/// Deletes an empty bucket.
pub(crate) async fn remove(store: &Store, bucket: &BucketRef) -> Result<(), BucketError> {
    let (id, group) = read::place(store, bucket)?;
    let name = bucket.name();
    match store.propose(group, Command::SealBucket { bucket: id }).await? {
        Outcome::NotEmpty => Err(BucketError::NotEmpty(name.clone())),
        Outcome::NoBucket => Err(BucketError::NotFound(name.clone())),
        _ => finish(store, name, group, id).await,
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
