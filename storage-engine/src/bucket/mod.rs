//! Buckets: create, look up, list, configure, delete.

pub(crate) mod create;
pub(crate) mod empty;
pub(crate) mod read;
pub(crate) mod remove;
#[cfg(test)]
mod tests;
pub(crate) mod versioning;

use std::fmt;

use coffer_types::{AccountId, BucketId, BucketName, GroupId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::ErrorKind;
use crate::metadata::MetadataError;

pub use empty::SweepProgress;

/// Whether a bucket keeps old versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Versioning {
    /// Never enabled: every write replaces the null version.
    #[default]
    Off,
    /// Every write adds a version; a delete without a version adds a delete marker.
    Enabled,
    /// Writes replace the null version; older versions stay.
    Suspended,
}

/// A bucket as its rows say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketInfo {
    /// Its name.
    pub name: BucketName,
    /// Its id, never reused.
    pub id: BucketId,
    /// The group of the log that keeps its rows.
    pub group: GroupId,
    /// Who owns it.
    pub owner: AccountId,
    /// When it was created.
    pub created: Timestamp,
    /// Whether it keeps versions.
    pub versioning: Versioning,
}

/// Says which bucket a call is about. A bucket that was looked up stays the one that is meant,
/// even if its name passes to another one meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketRef {
    name: BucketName,
    found: Option<(BucketId, GroupId)>,
}

impl BucketRef {
    /// The name that it had.
    pub fn name(&self) -> &BucketName {
        &self.name
    }

    /// Where it is, if it was looked up before.
    pub(crate) fn found(&self) -> Option<(BucketId, GroupId)> {
        self.found
    }
}

impl From<BucketName> for BucketRef {
    /// Whatever bucket has this name when the call is carried out.
    fn from(name: BucketName) -> Self {
        Self { name, found: None }
    }
}

impl From<&BucketInfo> for BucketRef {
    fn from(info: &BucketInfo) -> Self {
        Self { name: info.name.clone(), found: Some((info.id, info.group)) }
    }
}

impl fmt::Display for BucketRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

/// Exact counts of a bucket, kept by the transactions that change them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketStats {
    /// Keys whose current version is not a delete marker.
    pub objects: u64,
    /// Versions that are not delete markers, current ones included.
    pub versions: u64,
    /// Delete markers.
    pub delete_markers: u64,
    /// Logical bytes of all versions.
    pub bytes: u64,
}

/// What to create.
#[derive(Clone, Debug)]
pub struct CreateBucket {
    /// The name wished for.
    pub name: BucketName,
    /// Who will own it.
    pub owner: AccountId,
}

/// Which buckets to list: those of one owner, in name order.
#[derive(Clone, Debug)]
pub struct ListBuckets {
    /// Only buckets of this account.
    pub owner: AccountId,
    /// Only names that begin so.
    pub prefix: String,
    /// Only names after this one.
    pub after: Option<String>,
    /// At most this many.
    pub limit: usize,
}

/// A page of buckets.
#[derive(Clone, Debug)]
pub struct BucketPage {
    /// The buckets, in name order.
    pub buckets: Vec<BucketInfo>,
    /// Whether more follow the last one.
    pub truncated: bool,
}

/// Why a bucket call failed.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// No bucket has this name.
    #[error("there is no bucket {0}")]
    NotFound(BucketName),
    /// The name is taken; the owner of the bucket that has it is given.
    #[error("the bucket name {name} is taken")]
    Exists {
        /// The name.
        name: BucketName,
        /// Who owns the bucket of this name.
        owner: AccountId,
    },
    /// The bucket still holds versions or delete markers.
    #[error("the bucket {0} is not empty")]
    NotEmpty(BucketName),
    /// Too much that was dropped from the bucket is still being swept.
    #[error("very much that was dropped from the bucket {0} is still being swept")]
    TooManyDrops(BucketName),
    /// The metadata could not be read or written.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

impl BucketError {
    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::Exists { .. } | Self::NotEmpty(_) | Self::TooManyDrops(_) => ErrorKind::Conflict,
            Self::Metadata(error) => error.kind(),
        }
    }
}
