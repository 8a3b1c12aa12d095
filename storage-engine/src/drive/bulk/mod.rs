//! Bulk segments: fragments of large objects, and what compaction copies.
//!
//! ```text
//! Bulk::append ─► lane: bounded queue ─► batch ─► write        (nothing durable yet)
//! Bulk::flush ──► lane ─► flush ─► rows into the drive index ─► answer
//! ```
//!
//! A few lanes, each with one open segment and one writer, so that many slow uploads interleave in
//! few segments and a 16 MiB flush never sits before a commit of the log. A row of the drive index
//! is written after the flush of what it points to; an answer to a flush means that every flush over
//! the bytes before it succeeded, also those that a helper ran early.
//!
//! A start scans what lies behind the scanned offsets ([`scan`]); it never appends to a segment of
//! an earlier process.

mod lane;
pub(crate) mod scan;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use coffer_types::ExtentId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use self::lane::{Lane, LaneKind};
use super::pool::SegmentPool;
use super::shards::{Place, ShardIndex};
use crate::limits::Limits;
use crate::ports::{DriveError, Fragment, LaneNumber, Receipt, World, WriteClass};

/// Open segments for uploads.
const LANES: usize = 2;
/// Items that wait in front of a lane at most, besides the bound in bytes.
const ITEMS_MAX: usize = 256;

/// A fragment on its way to a segment.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) fragment: Fragment,
    /// Where compaction copied it from.
    pub(crate) from: Option<Place>,
}

/// What a lane takes from its queue.
#[derive(Debug)]
enum Item {
    /// Fragments for one batch.
    Append {
        fragments: Vec<Queued>,
        permit: OwnedSemaphorePermit,
        /// Whether they were written: each upload learns of its own.
        done: oneshot::Sender<Result<(), DriveError>>,
    },
    Flush(oneshot::Sender<Result<(), DriveError>>),
    /// Rows of these extents must not come to light any more.
    Forget(Vec<ExtentId>, oneshot::Sender<()>),
    /// End. What waits behind it is dropped, and told so.
    Close,
}

/// The lanes of a drive.
#[derive(Debug)]
pub(crate) struct Bulk {
    lanes: Vec<mpsc::Sender<Item>>,
    budget: Arc<Semaphore>,
    pool: Arc<SegmentPool>,
    next: AtomicUsize,
}

impl Bulk {
    /// Starts the lanes; the last one takes copies.
    pub(crate) fn start(
        world: &World,
        limits: &Limits,
        pool: &Arc<SegmentPool>,
        shards: &Arc<ShardIndex>,
        term: u64,
    ) -> Self {
        let start = |kind| {
            let (sender, queue) = mpsc::channel(ITEMS_MAX);
            let lane = Lane::new(world, limits, (pool, shards), term, kind);
            let name = if kind == LaneKind::Copies { "compaction" } else { "bulk" };
            world.runtime.spawn_writer(name, Box::pin(lane.run(queue)));
            sender
        };
        let uploads = (0..LANES).map(|_| start(LaneKind::Uploads));
        let lanes = uploads.chain([start(LaneKind::Copies)]).collect();
        Self {
            lanes,
            budget: Arc::new(Semaphore::new(limits.queue_bytes.min(Semaphore::MAX_PERMITS))),
            pool: Arc::clone(pool),
            next: AtomicUsize::new(0),
        }
    }

    /// A lane for a new extent.
    pub(crate) fn choose(&self) -> LaneNumber {
        LaneNumber(self.next.fetch_add(1, Ordering::Relaxed) % LANES)
    }

    /// Queues a fragment; waits while the queues are full.
    pub(crate) async fn append(
        &self,
        lane: LaneNumber,
        fragment: Fragment,
    ) -> Result<Receipt, DriveError> {
        self.admit(WriteClass::Normal)?;
        self.send(lane, vec![Queued { fragment, from: None }]).await
    }

    /// Queues copies of live shards for one batch.
    pub(crate) async fn append_copies(&self, copies: Vec<Queued>) -> Result<Receipt, DriveError> {
        self.admit(WriteClass::Reserve)?;
        self.send(LaneNumber(LANES), copies).await
    }

    async fn send(&self, lane: LaneNumber, fragments: Vec<Queued>) -> Result<Receipt, DriveError> {
        let bytes: usize = fragments.iter().map(|queued| queued.fragment.len()).sum();
        let cost = u32::try_from(bytes + 1).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.budget).acquire_many_owned(cost).await;
        let permit = permit.map_err(|_| DriveError::Closing)?;
        let (done, written) = oneshot::channel();
        let item = Item::Append { fragments, permit, done };
        self.lanes[lane.0].send(item).await.map_err(|_| DriveError::Closing)?;
        Ok(Receipt::new(lane, written))
    }

    /// Makes everything durable that was appended under these receipts, and findable.
    pub(crate) async fn flush(&self, receipts: Vec<Receipt>) -> Result<(), DriveError> {
        let mut lanes = BTreeSet::new();
        for receipt in receipts {
            lanes.insert(receipt.written().await?);
        }
        let mut answers = Vec::with_capacity(lanes.len());
        for lane in lanes {
            let (done, answer) = oneshot::channel();
            let sent = self.lanes[lane.0].send(Item::Flush(done)).await;
            sent.map_err(|_| DriveError::Closing)?;
            answers.push(answer);
        }
        for answer in answers {
            answer.await.unwrap_or(Err(DriveError::Closing))?;
        }
        Ok(())
    }

    /// Drops what an upload appended and did not flush. Nothing of these extents may be appended any
    /// more. What was flushed before is visible when this returns, and can be removed.
    pub(crate) async fn forget(&self, extents: &[ExtentId]) {
        for lane in &self.lanes[..LANES] {
            let (done, forgotten) = oneshot::channel();
            // A lane that ended makes nothing visible any more.
            if lane.send(Item::Forget(extents.to_vec(), done)).await.is_ok() {
                let _ = forgotten.await;
            }
        }
    }

    /// Lets the lanes end behind what is queued. Nothing is appended or flushed after that.
    pub(crate) async fn close(&self) {
        for lane in &self.lanes {
            // One that ended by itself needs no word.
            let _ = lane.send(Item::Close).await;
        }
    }

    /// Whether a write of this class would be taken now.
    pub(crate) fn admit(&self, class: WriteClass) -> Result<(), DriveError> {
        if let Some(why) = self.pool.health().failure() {
            return Err(DriveError::Failed(why.to_owned()));
        }
        if self.pool.admits(class) { Ok(()) } else { Err(DriveError::Full) }
    }
}
