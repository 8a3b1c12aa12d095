//! Creating a bucket: opened in its group first, named in group 0 second. Whoever loses the race
//! for the name seals and drops what it opened; a start drops what a crash left without a name.

use super::{BucketError, BucketInfo, CreateBucket, Versioning};
use crate::metadata::MetadataError;
use crate::metadata::command::{Command, Outcome};
use crate::metadata::query;
use crate::metadata::rows::{BucketState, NameRow};
use crate::store::Store;
use coffer_types::{AccountId, BucketId, BucketName, GroupId};

/// Creates a bucket.
pub(crate) async fn create(store: &Store, create: CreateBucket) -> Result<BucketInfo, BucketError> {
    let CreateBucket { name, owner } = create;
    loop {
        if let Some(taken) = taken_by(store, &name).await? {
            return Err(BucketError::Exists { name, owner: taken });
        }
        let bucket = store.next_bucket_id();
        let group = lightest_group(store)?;
        store.propose(group, Command::OpenBucket { bucket }).await?;
        let take = Command::TakeName { name: name.clone(), bucket, owner, group };
        match store.propose(GroupId::SYSTEM, take).await? {
            Outcome::Named { created } => {
                let versioning = Versioning::Off;
                return Ok(BucketInfo { name, id: bucket, group, owner, created, versioning });
            }
            // Somebody was faster, perhaps with a bucket that is on its way out again.
            _ => drop_unnamed(store, group, bucket).await?,
        }
    }
}

/// Who has a name. A bucket that is sealed has gone for everybody who asks, so whoever wants its
/// name finishes its removal.
async fn taken_by(store: &Store, name: &BucketName) -> Result<Option<AccountId>, BucketError> {
    let Some(row) = query::name(&store.view(GroupId::SYSTEM), name)? else {
        return Ok(None);
    };
    let group = row.group()?;
    let bucket = query::bucket(&store.view(group), row.bucket)?;
    if bucket.is_some_and(|bucket| bucket.state == BucketState::Open) {
        return Ok(Some(row.owner));
    }
    super::remove::finish(store, name, group, row.bucket).await?;
    Ok(None)
}

/// Removes a bucket that has no name.
pub(crate) async fn drop_unnamed(
    store: &Store,
    group: GroupId,
    bucket: BucketId,
) -> Result<(), BucketError> {
    store.propose(group, Command::SealBucket { bucket }).await?;
    store.propose(group, Command::DropBucket { bucket }).await?;
    Ok(())
}

/// The data group with the fewest buckets.
fn lightest_group(store: &Store) -> Result<GroupId, BucketError> {
    let view = store.view(GroupId::SYSTEM);
    let mut lightest = (u64::MAX, GroupId(1));
    for group in store.data_groups() {
        let load = query::load(&view, group.0)?.buckets;
        if load < lightest.0 {
            lightest = (load, group);
        }
    }
    Ok(lightest.1)
}

/// A bucket as its rows say.
pub(crate) fn info(
    name: BucketName,
    row: &NameRow,
    versioning: Versioning,
) -> Result<BucketInfo, MetadataError> {
    let &NameRow { bucket: id, owner, created, .. } = row;
    Ok(BucketInfo { name, id, group: row.group()?, owner, created, versioning })
}
