//! The drive of this process behind its port, and what is local by nature beside it.

use std::sync::Arc;

use bytes::Bytes;
use coffer_types::ExtentId;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;

use super::bulk::Bulk;
use super::compaction::Compactor;
use super::layout::DrivePaths;
use super::leases::Leases;
use super::log::LogSegments;
use super::pool::SegmentPool;
use super::read::Reader;
use super::shards::ShardIndex;
use crate::background::checkpoint::chain;
use crate::limits::Limits;
use crate::ports::{
    Drive, DriveError, DriveStatus, Fragment, LaneNumber, ReadError, Receipt, ShardRange, World,
    WriteClass,
};

/// A drive that is open. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct LocalDrive {
    world: World,
    limits: Limits,
    pool: Arc<SegmentPool>,
    shards: Arc<ShardIndex>,
    bulk: Arc<Bulk>,
    log: Arc<LogSegments>,
    reader: Reader,
}

impl LocalDrive {
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

    /// Ends the writers; what they have not flushed is forgotten. Closing again does nothing.
    pub(crate) async fn close(&self) {
        self.bulk.close().await;
    }

    fn forget(&self, extents: &[ExtentId]) -> Result<(), DriveError> {
        let removed = self.shards.remove_extents(extents);
        removed.map(drop).map_err(|error| DriveError::Failed(chain(&error)))
    }
}

impl Drive for LocalDrive {
    fn choose_lane(&self) -> LaneNumber {
        self.bulk.choose()
    }

    fn append(
        &self,
        lane: LaneNumber,
        fragment: Fragment,
    ) -> BoxFuture<'_, Result<Receipt, DriveError>> {
        Box::pin(self.bulk.append(lane, fragment))
    }

    fn flush(&self, receipts: Vec<Receipt>) -> BoxFuture<'_, Result<(), DriveError>> {
        Box::pin(self.bulk.flush(receipts))
    }

    fn read(&self, range: ShardRange) -> BoxFuture<'_, Result<Bytes, ReadError>> {
        Box::pin(self.reader.read(range))
    }

    fn stream(&self, ranges: Vec<ShardRange>) -> BoxStream<'static, Result<Bytes, ReadError>> {
        self.reader.stream(ranges).boxed()
    }

    fn is_leased(&self, extent: ExtentId) -> bool {
        self.reader.leases.is_held(extent)
    }

    fn release<'a>(&'a self, extents: &'a [ExtentId]) -> BoxFuture<'a, Result<(), DriveError>> {
        Box::pin(async { self.forget(extents) })
    }

    fn checkpoint(&self) -> BoxFuture<'_, Result<(), DriveError>> {
        Box::pin(async {
            let done = self.shards.checkpoint(&self.world.runtime).await;
            done.map_err(|error| DriveError::Failed(chain(&error)))
        })
    }

    /// What waits in a lane for a flush goes first: the flush must not bring it to light.
    fn abandon(&self, extents: Vec<ExtentId>) {
        let drive = self.clone();
        let forget = async move {
            drive.bulk.forget(&extents).await;
            if let Err(error) = drive.forget(&extents) {
                // The next start asks who refers to them.
                tracing::warn!(error = chain(&error), "a broken upload's shards were not removed");
            }
        };
        self.world.runtime.spawn("abandon", Box::pin(forget));
    }

    fn admit(&self, class: WriteClass) -> Result<(), DriveError> {
        self.bulk.admit(class)
    }

    fn status(&self) -> DriveStatus {
        let rows = self.shards.segments();
        DriveStatus {
            failure: self.pool.health().failure().map(str::to_owned),
            space: self.world.file_system.space(self.pool.paths().root()).ok(),
            live_bytes: rows.iter().map(|(_, row)| row.live_bytes).sum(),
        }
    }
}
