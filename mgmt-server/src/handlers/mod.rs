//! One endpoint per file: parse, look up, decide, do, answer.

pub(crate) mod empty;
pub(crate) mod sweeps;

use coffer_storage_engine::bucket::BucketInfo;
use coffer_types::BucketName;

use crate::failure::Failure;
use crate::store::Store;

/// The bucket that a path names.
fn find(store: &Store, name: &str) -> Result<BucketInfo, Failure> {
    Ok(store.bucket(&BucketName::parse(name)?)?)
}
