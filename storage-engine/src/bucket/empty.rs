//! Emptying a bucket, or what lies below a prefix: gone at once, swept in the background.

use super::{BucketError, BucketRef, BucketStats, read};
use crate::metadata::command::{Command, Outcome};
use crate::metadata::query;
use crate::store::Store;

/// What is gone and not swept yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepProgress {
    /// What the keys begin with; empty for the whole bucket.
    pub prefix: String,
    /// What was taken away so far.
    pub swept: BucketStats,
    /// Whether the versions are done, and only uploads are left.
    pub versions_done: bool,
}

/// Drops all objects, versions, delete markers and open uploads whose keys begin with `prefix`.
/// When this returns they are gone for everybody, for good.
pub(crate) async fn drop_prefix(
    store: &Store,
    bucket: &BucketRef,
    prefix: &str,
) -> Result<(), BucketError> {
    let (id, group) = read::place(store, bucket)?;
    let command = Command::DropPrefix { bucket: id, prefix: prefix.to_owned() };
    match store.propose(group, command).await? {
        Outcome::Done => Ok(()),
        Outcome::TooManyDrops => Err(BucketError::TooManyDrops(bucket.name().clone())),
        _ => Err(BucketError::NotFound(bucket.name().clone())),
    }
}

/// What of a bucket is still being swept, oldest first.
pub(crate) fn sweeps(store: &Store, bucket: &BucketRef) -> Result<Vec<SweepProgress>, BucketError> {
    let (id, group) = read::place(store, bucket)?;
    let sweeps = query::sweeps(&store.view(group))?.into_iter();
    let progress = |sweep: crate::metadata::rows::PrefixSweep| SweepProgress {
        prefix: sweep.prefix,
        swept: sweep.swept,
        versions_done: sweep.versions_done,
    };
    Ok(sweeps.filter(|sweep| sweep.bucket == id).map(progress).collect())
}
