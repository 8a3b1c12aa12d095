//! One drive as the engine uses it: shards in, shards out, space back.

use std::sync::Arc;

use bytes::Bytes;
use coffer_types::ExtentId;
use futures::Stream as Pieces;

use super::WriteClass;
use super::bulk::{Bulk, Fragment, LaneNumber, Receipt};
use super::compaction::Compactor;
use super::error::{DriveError, ReadError};
use super::layout::DrivePaths;
use super::leases::Leases;
use super::log::LogSegments;
use super::pool::SegmentPool;
use super::read::{Reader, ShardRange};
use super::shards::ShardIndex;
use crate::background::checkpoint::chain;
use crate::limits::Limits;
use crate::metadata::MetadataError;
use crate::ports::World;

impl From<DriveError> for MetadataError {
    fn from(error: DriveError) -> Self {
        match error {
            DriveError::Full => Self::DriveFull,
            DriveError::Failed(why) => Self::DriveFailed(why),
            DriveError::Closing => Self::Unavailable,
        }
    }
}

/// A drive that is open. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Drive {
    world: World,
    limits: Limits,
    pool: Arc<SegmentPool>,
    shards: Arc<ShardIndex>,
    bulk: Arc<Bulk>,
    log: Arc<LogSegments>,
    reader: Reader,
}

impl Drive {
    /// Starts the writers of an opened drive.
    pub(crate) fn start(
        world: &World,
        limits: &Limits,
        pool: &Arc<SegmentPool>,
        shards: &Arc<ShardIndex>,
        log: &Arc<LogSegments>,
        term: u64,
    ) -> Self {
        Self {
            world: world.clone(),
            limits: limits.clone(),
            pool: Arc::clone(pool),
            shards: Arc::clone(shards),
            bulk: Arc::new(Bulk::start(world, limits, pool, shards, term)),
            log: Arc::clone(log),
            reader: Reader {
                pool: Arc::clone(pool),
                shards: Arc::clone(shards),
                leases: Arc::new(Leases::default()),
                runtime: Arc::clone(&world.runtime),
            },
        }
    }

    /// A lane for the fragments of a new extent.
    pub(crate) fn choose_lane(&self) -> LaneNumber {
        self.bulk.choose()
    }

    /// Writes a fragment; durable and findable only after [`Self::flush`].
    pub(crate) async fn append(
        &self,
        lane: LaneNumber,
        fragment: Fragment,
    ) -> Result<Receipt, DriveError> {
        self.bulk.append(lane, fragment).await
    }

    /// Makes what was appended durable and findable.
    pub(crate) async fn flush(&self, receipts: Vec<Receipt>) -> Result<(), DriveError> {
        self.bulk.flush(receipts).await
    }

    /// Reads a short run of bytes.
    pub(crate) async fn read(&self, range: ShardRange) -> Result<Bytes, ReadError> {
        self.reader.read(range).await
    }

    /// Reads runs of bytes piece by piece; their extents are leased from now on.
    pub(crate) fn stream(
        &self,
        ranges: Vec<ShardRange>,
    ) -> impl Pieces<Item = Result<Bytes, ReadError>> + Send + use<> {
        self.reader.stream(ranges)
    }

    /// Whether a reader holds the extent.
    pub(crate) fn is_leased(&self, extent: ExtentId) -> bool {
        self.reader.leases.is_held(extent)
    }

    /// Forgets the shards of extents that nobody refers to. Durable with [`Self::checkpoint`].
    pub(crate) fn release(&self, extents: &[ExtentId]) -> Result<(), MetadataError> {
        let removed = self.shards.remove_extents(extents);
        removed.map(drop).map_err(|error| MetadataError::DriveFailed(chain(&error)))
    }

    /// Forgets in the background what a broken upload wrote: what waits in its lane for a flush,
    /// which must not bring it to light, then what is visible.
    pub(crate) fn abandon(&self, extents: Vec<ExtentId>) {
        let drive = self.clone();
        let forget = async move {
            drive.bulk.forget(&extents).await;
            if let Err(error) = drive.release(&extents) {
                // The next start asks who refers to them.
                tracing::warn!(error = chain(&error), "a broken upload's shards were not removed");
            }
        };
        self.world.runtime.spawn("abandon", Box::pin(forget));
    }

    /// Makes the drive index durable.
    pub(crate) async fn checkpoint(&self) -> Result<(), MetadataError> {
        let done = self.shards.checkpoint(&self.world.runtime).await;
        done.map_err(|error| MetadataError::DriveFailed(chain(&error)))
    }

    /// Refuses if a write of new data would be refused.
    pub(crate) fn refuse_if_full(&self) -> Result<(), MetadataError> {
        if let Some(why) = self.pool.health().failure() {
            return Err(MetadataError::DriveFailed(why.to_owned()));
        }
        if self.pool.admits(WriteClass::Normal) { Ok(()) } else { Err(MetadataError::DriveFull) }
    }

    pub(crate) fn paths(&self) -> &DrivePaths {
        self.pool.paths()
    }

    pub(crate) fn pool(&self) -> &Arc<SegmentPool> {
        &self.pool
    }

    pub(crate) fn shards(&self) -> &Arc<ShardIndex> {
        &self.shards
    }

    /// The job that gives dead space back.
    pub(crate) fn compactor(&self) -> Compactor {
        Compactor {
            world: self.world.clone(),
            limits: self.limits.clone(),
            pool: Arc::clone(&self.pool),
            shards: Arc::clone(&self.shards),
            bulk: Arc::clone(&self.bulk),
            log: Arc::clone(&self.log),
            skip: Vec::new(),
        }
    }
}
